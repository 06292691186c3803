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
      strbuf_printf(&list, "%s%s", lost > 1 ? ", " : " ", shown ? shown : e->path);
      free(shown);
      free(full);
    }
  }
  int code = 0;
  if (lost)
    code = error_set(OPIS_ECONFLICT, "%s: would lose %zu changed %s that no version has: 'opis data add' saves %s, --force gives %s up:%s%s", p->rel, lost,
      lost == 1 ? "file" : "files", lost == 1 ? "it" : "them", lost == 1 ? "it" : "them", list.s ? list.s : "", lost > SHOWN ? ", …" : "");
  strbuf_free(&list);
  return code;
}

/* What is to be done. Of what the output should be, only that is kept which is not there: the rest is in the list of what is there already. */
typedef struct plan {
  tree want;            /* the files to be made */
  size_t *add, *remove; /* entries of want; of what is there */
  size_t n_add, n_remove, n_new;
} plan;

static void plan_free(plan *d)
{
  tree_free(&d->want);
  free(d->add);
  free(d->remove);
  *d = (plan){0};
}

/* The wanted files, which come one by one in the order of their paths, beside those that are there. */
typedef struct comparing {
  const placing *p;
  plan *d;
  tree *have;
  size_t k; /* of have: where we are */
  const selection *parts;
  uint32_t flags; /* of what is wanted */
  const char *what;
  tree_names names;
  bool unsorted;
} comparing;

/* Those that are there before `path` (NULL: all others) are not wanted. */
static int leave_behind(comparing *c, const char *path)
{
  int order = -1;
  for (; c->k < c->have->n && (!path || (order = tree_compare_paths(c->have->entries[c->k].path, path)) < 0); c->k++)
    if (selection_has(c->parts, c->have->entries[c->k].path)) {
      c->d->remove[c->d->n_remove++] = c->k;
      c->have->entries[c->k].flags &= ~(uint32_t)TREE_HASHED; /* not for the index */
    }
  return c->k < c->have->n ? order : -1;
}

static int compare_one(comparing *c, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  tree_entry *h = leave_behind(c, path) == 0 ? &c->have->entries[c->k++] : NULL;
  if ((h && memcmp(md5, h->md5, MD5_SIZE) == 0 && !(c->p->relink && placing_wrong_link(c->p, h))) || !selection_has(c->parts, path))
    return 0;
  if (h)
    h->flags &= ~(uint32_t)TREE_HASHED;
  else
    c->d->n_new++;
  tree_entry *w = tree_add(&c->d->want, path, n);
  if (!w)
    return OPIS_ENOMEM;
  memcpy(w->md5, md5, MD5_SIZE);
  w->flags = c->flags;
  return 0;
}

static int compare_next(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  comparing *c = user;
  bool sorted;
  int code = tree_names_next(&c->names, path, n, c->what, &sorted);
  c->unsorted = !sorted;
  return code < 0 ? code : sorted ? compare_one(c, path, n, md5) : OPIS_EFORMAT;
}

/* A directory object that somebody else wrote in another order. */
static int compare_unsorted(comparing *c, repo *r, const output *o)
{
  tree all;
  for (size_t i = 0; i < c->have->n; i++)
    c->have->entries[i].flags |= TREE_HASHED;
  tree_free(&c->d->want);
  c->d->n_remove = c->d->n_new = c->k = 0;
  int code = output_want(&all, r, o);
  for (size_t i = 0; i < all.n && code == 0; i++)
    code = compare_one(c, all.entries[i].path, strlen(all.entries[i].path), all.entries[i].md5);
  tree_free(&all);
  return code;
}

static int compare(plan *d, placing *p, tree *have, const output *o, const selection *parts)
{
  char what[OID_TEXT];
  comparing c = {.p = p, .d = d, .have = have, .parts = parts, .flags = TREE_HASHED | (o->executable && !o->oid.dir ? TREE_EXECUTABLE : 0), .what = what, .names = TREE_NAMES_INIT};
  d->remove = malloc((have->n + 1) * sizeof *d->remove);
  if (!d->remove)
    return error_nomem();
  oid_text(what, &o->oid);
  int code = o->oid.dir ? objects_each(p->db, &o->oid, compare_next, &c) : compare_one(&c, "", 0, o->oid.md5);
  if (c.unsorted)
    code = compare_unsorted(&c, p->r, o);
  tree_names_free(&c.names);
  if (code < 0)
    return code;
  leave_behind(&c, NULL);
  d->add = malloc((d->want.n + 1) * sizeof *d->add);
  if (!d->add)
    return error_nomem();
  for (size_t i = 0; i < d->want.n; i++)
    d->add[d->n_add++] = i;
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
    const tree_entry *w = &d->want.entries[d->add[i]], *h = tree_find(have, w->path);
    if (h && memcmp(h->md5, w->md5, MD5_SIZE) != 0)
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

int place_output(changes *c, repo *r, const output *o, const selection *parts, const checkout_options *options)
{
  plan d = {.want = TREE_INIT};
  placing p = {.r = r, .db = output_store(r, o), .folder = -1, .temporary = -1, .rel = o->path, .relink = options->relink, .want = &d.want};
  tree have = TREE_INIT;
  path_kind kind;
  mode_t mask = umask(0);
  umask(mask);
  p.mode = 0666 & ~mask;
  if (!o->hashed)
    return 0;
  int code = repo_check_no_links(r, o->path);
  if (code < 0)
    return code;
  code = o->oid.dir ? odb_check(p.db, &o->oid, NULL) : 0;
  if (code == OPIS_ENOTFOUND) {
    char *shown = repo_shown(r, o->path);
    code = shown ? changes_fail(c, shown) : error_nomem();
    free(shown);
    return code;
  }
  if (code == 0)
    code = output_look(&have, &kind, r, o, NULL);
  if (code < 0)
    return code;
  bool other_kind = (kind == PATH_FOLDER) != o->oid.dir && kind != PATH_MISSING;
  if (other_kind && kind == PATH_FILE) { /* a file where a folder must be: it goes as a whole */
    size_t all = 0;
    code = options->force ? 0 : placing_check_saved(&p, &have, &all, 1);
    tree_free(&have);
  }
  if (code == 0)
    code = compare(&d, &p, &have, o, parts);
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
    for (size_t i = 0; i < d.want.n; i++)
      if (index_racy(d.want.entries[i].mtime))
        d.want.entries[i].flags |= TREE_RACY;
    code = index_save_both(&have, &d.want, r, o->path, o->legacy);
  }
  placing_close(&p);
  plan_free(&d);
  tree_free(&have);
  return code;
}
