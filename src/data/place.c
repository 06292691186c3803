/* The work tree follows the stage files: what an output lacks or has too much is found first, then whether something would be lost, and only then anything is changed. */
#include "data/place.h"

#include "data/index.h"
#include "data/settle.h"
#include "util/error.h"
#include "util/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN = 10 };

/* Files that are nowhere else must not be lost. */
int placing_check_saved(placing *p, const tree *have, const size_t *gone, size_t n)
{
  strbuf list = STRBUF_INIT;
  size_t lost = 0;
  for (size_t i = 0; i < n; i++) {
    const tree_entry *e = &have->entries[gone[i]];
    oid o = {.dir = false};
    memcpy(o.md5, e->md5, MD5_SIZE);
    if (odb_has(p->db, &o))
      continue;
    if (lost++ < SHOWN) {
      char *full = NULL, *shown = asprintf(&full, "%s%s%s", p->rel, *e->path ? "/" : "", e->path) < 0 ? NULL : repo_shown(p->r, full);
      strbuf_printf(&list, "\n  %s", shown ? shown : e->path);
      free(shown);
      free(full);
    }
  }
  int code = 0;
  if (lost)
    code = error_set(OPIS_ECONFLICT, "%s: would lose %zu changed %s that no version has: 'opis data add' saves %s, --force gives %s up:%s%s", p->rel, lost,
      lost == 1 ? "file" : "files", lost == 1 ? "it" : "them", lost == 1 ? "it" : "them", list.s ? list.s : "", lost > SHOWN ? "\n  …" : "");
  strbuf_free(&list);
  return code;
}

typedef struct plan {
  size_t *add, *remove; /* entries of want; of have */
  size_t n_add, n_remove, n_new;
} plan;

static bool selected(const char *path, const char *inside)
{
  size_t n = inside ? strlen(inside) : 0;
  return !inside || (strncmp(path, inside, n) == 0 && (!path[n] || path[n] == '/'));
}

static int compare(plan *d, placing *p, const tree *have, const char *inside)
{
  const tree *want = p->want;
  *d = (plan){0};
  d->add = malloc((want->n + 1) * sizeof *d->add);
  d->remove = malloc((have->n + 1) * sizeof *d->remove);
  if (!d->add || !d->remove)
    return error_nomem();
  for (size_t i = 0, k = 0; i < want->n || k < have->n;) {
    int order = i == want->n ? 1 : k == have->n ? -1 : tree_compare_paths(want->entries[i].path, have->entries[k].path);
    const char *path = order <= 0 ? want->entries[i].path : have->entries[k].path;
    bool in = selected(path, inside);
    if (order < 0) {
      if (in) {
        d->add[d->n_add++] = i;
        d->n_new++;
      }
    } else if (order > 0) {
      if (in)
        d->remove[d->n_remove++] = k;
    } else {
      tree_entry *w = &want->entries[i];
      const tree_entry *h = &have->entries[k];
      if (memcmp(w->md5, h->md5, MD5_SIZE) != 0 || (p->relink && placing_wrong_link(p, h))) {
        if (in)
          d->add[d->n_add++] = i;
      } else { /* as it should be: what is known of it stays known */
        w->inode = h->inode;
        w->mtime = h->mtime;
        w->size = h->size;
        w->flags |= h->flags & TREE_RACY;
      }
    }
    i += order <= 0;
    k += order >= 0;
  }
  return 0;
}

/* What goes, and what would be written over. */
static int check_all_saved(placing *p, const plan *d, const tree *have)
{
  size_t *gone = malloc((d->n_remove + d->n_add + 1) * sizeof *gone), n = 0;
  if (!gone)
    return error_nomem();
  for (size_t i = 0; i < d->n_remove; i++)
    gone[n++] = d->remove[i];
  for (size_t i = 0; i < d->n_add; i++) {
    const tree_entry *h = tree_find(have, p->want->entries[d->add[i]].path);
    if (h && memcmp(h->md5, p->want->entries[d->add[i]].md5, MD5_SIZE) != 0)
      gone[n++] = (size_t)(h - have->entries);
  }
  int code = placing_check_saved(p, have, gone, n);
  free(gone);
  return code;
}

/* Takes what cannot be made out of the plan: objects that the cache has not. */
static int drop_missing(placing *p, plan *d, changes *c)
{
  size_t kept = 0;
  int code = 0;
  for (size_t i = 0; i < d->n_add && code == 0; i++) {
    const tree_entry *e = &p->want->entries[d->add[i]];
    oid o = {.dir = false};
    memcpy(o.md5, e->md5, MD5_SIZE);
    code = odb_check(p->db, &o, NULL);
    if (code == 0)
      d->add[kept++] = d->add[i];
    else if (code == OPIS_ENOTFOUND) {
      char *full = NULL, *shown = asprintf(&full, "%s%s%s", p->rel, *e->path ? "/" : "", e->path) < 0 ? NULL : repo_shown(p->r, full);
      p->want->entries[d->add[i]].flags &= ~(uint32_t)TREE_HASHED;
      code = shown ? changes_fail(c, shown) : error_nomem();
      free(shown);
      free(full);
    }
  }
  d->n_add = kept;
  return code;
}

/* needed: something will be put there; else an empty folder is only not left behind. */
static int clear_way(const repo *r, const char *rel, bool want_folder, bool needed)
{
  char *path;
  struct stat st;
  int code = repo_absolute(&path, r, rel);
  if (code < 0)
    return code;
  if (lstat(path, &st) == 0) {
    if (S_ISDIR(st.st_mode) && !want_folder && !placing_remove_empty(AT_FDCWD, path) && needed)
      code = error_set(OPIS_EEXISTS, "%s: a folder with files that are not tracked is where a file must be; move it away", rel);
    else if (!S_ISDIR(st.st_mode) && want_folder && unlink(path) != 0)
      code = error_set_errno("%s", rel);
  }
  free(path);
  return code;
}

int placing_report(changes *c, const repo *r, const char *rel, bool folder, char kind)
{
  char *shown = repo_shown(r, rel), *slashed = NULL;
  int code = shown && (!folder || asprintf(&slashed, "%s/", shown) >= 0) ? changes_add(c, kind, folder ? slashed : shown) : error_nomem();
  free(shown);
  free(slashed);
  return code;
}

static int apply(placing *p, plan *d, const tree *have, path_kind kind, const output *o)
{
  bool want_folder = o->oid.dir;
  int code = 0;
  if (d->n_remove && kind == PATH_FOLDER) { /* what goes, first: a file may have to become a folder */
    code = placing_open_folder(p, o->path, false);
    for (size_t i = 0; i < d->n_remove && code == 0; i++)
      code = placing_remove_file(p, have->entries[d->remove[i]].path);
    if (p->folder >= 0)
      close(p->folder);
    p->folder = -1;
    p->name = NULL;
  }
  if (code == 0 && (d->n_add || want_folder || kind == PATH_FOLDER))
    code = clear_way(p->r, o->path, want_folder, d->n_add || want_folder);
  if (code == 0 && (d->n_add || want_folder))
    code = placing_open_folder(p, o->path, !want_folder);
  if (code == 0 && d->n_add) {
    p->todo = d->add;
    p->n = d->n_add;
    code = placing_run(p, want_folder);
  }
  return code;
}

int place_output(changes *c, repo *r, const output *o, const char *inside, const checkout_options *options)
{
  placing p = {.r = r, .db = output_store(r, o), .folder = -1, .temporary = -1, .rel = o->path, .relink = options->relink};
  tree want, have;
  plan d = {0};
  path_kind kind;
  mode_t mask = umask(0);
  umask(mask);
  p.mode = p.db->shared ? 0664 : 0666 & ~mask;
  if (!o->hashed)
    return 0;
  int code = repo_check_no_links(r, o->path);
  if (code < 0)
    return code;
  code = output_want(&want, r, o);
  if (code == OPIS_ENOTFOUND) {
    char *shown = repo_shown(r, o->path);
    code = shown ? changes_fail(c, shown) : error_nomem();
    free(shown);
    return code;
  }
  if (code < 0)
    return code;
  p.want = &want;
  code = output_look(&have, &kind, r, o, NULL);
  if (code < 0) {
    tree_free(&want);
    return code;
  }
  size_t skip = strlen(o->path) + 1;
  bool other_kind = (kind == PATH_FOLDER) != o->oid.dir && kind != PATH_MISSING;
  if (other_kind && kind == PATH_FILE) { /* a file where a folder must be: it goes as a whole */
    size_t all = 0;
    code = options->force ? 0 : placing_check_saved(&p, &have, &all, 1);
    tree_free(&have);
  }
  if (code == 0)
    code = compare(&d, &p, &have, inside ? inside + skip : NULL);
  if (code == 0 && !options->force)
    code = check_all_saved(&p, &d, &have);
  size_t files = d.n_add, fresh = d.n_new, gone = d.n_remove;
  if (code == 0)
    code = drop_missing(&p, &d, c);
  if (code == 0) {
    code = placing_open_temporary(&p);
  }
  if (code == 0 && (d.n_remove || d.n_add > d.n_new || other_kind)) /* what goes may be the only copy that the disk has */
    code = settle_now(p.db);
  bool changed = d.n_add || d.n_remove || (kind == PATH_MISSING && o->oid.dir);
  if (code == 0 && changed)
    code = apply(&p, &d, &have, kind, o);
  if (code == 0 && changed && !(options->relink && !fresh && !gone && files == 0)) {
    c->files[0] += fresh;
    c->files[1] += files - fresh;
    c->files[2] += gone;
    if (!(options->relink && fresh == 0 && gone == 0 && kind != PATH_MISSING))
      code = placing_report(c, r, o->path, o->oid.dir, kind == PATH_MISSING ? 'A' : 'M');
  }
  if (code == 0) {
    for (size_t i = 0; i < want.n; i++)
      if (index_racy(want.entries[i].mtime))
        want.entries[i].flags |= TREE_RACY;
    code = index_save(&want, r, o->path, o->legacy);
  }
  placing_close(&p);
  free(d.add);
  free(d.remove);
  tree_free(&want);
  tree_free(&have);
  return code;
}
