/* Files out of the store into the work tree. Everything is made under a temporary name below .dvc/tmp and renamed into place, so that a kill leaves no half file and nothing strange in the data. */
#include "data/index.h"
#include "data/objects.h"

#include "util/error.h"
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 128 * 1024, SHOWN = 10 };

typedef struct placing {
  repo *r;
  odb *db;
  tree *want;
  const tree *have;
  size_t *todo; /* entries of want to be made */
  size_t n;
  int folder;       /* what paths are relative to */
  const char *name; /* of the file when the tree is a single one */
  const char *rel;
  int temporary; /* .dvc/tmp/opis/place */
  mode_t mode;   /* of copies */
  bool relink;
  atomic_ullong done;
  atomic_int code;
  atomic_int type; /* index into db->types: the first one that works here */
  char message[1024];
} placing;

static int open_temporary(const repo *r)
{
  char *path;
  if (asprintf(&path, "%s/tmp/opis/place", r->dvc) < 0)
    return error_nomem();
  int code = file_make_folders(path, 0777), fd = code < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (code == 0 && fd < 0)
    code = error_set_errno("%s", path);
  free(path);
  if (code < 0)
    return code;
  DIR *d = fdopendir(dup(fd));
  for (struct dirent *e; d && (e = readdir(d));) {
    long pid = strtol(e->d_name, NULL, 10);
    if (pid > 0 && (pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH)))
      unlinkat(fd, e->d_name, 0);
  }
  if (d)
    closedir(d);
  return fd;
}

static const char *entry_path(const placing *p, const tree_entry *e)
{
  return p->name ? p->name : e->path;
}

static void fail(placing *p, int code)
{
  int none = 0;
  if (atomic_compare_exchange_strong(&p->code, &none, code))
    snprintf(p->message, sizeof p->message, "%s", opis_error_message());
}

static int copy_small(int to, int from, char *buffer, const char *what)
{
  ssize_t n = read(from, buffer, BUFFER);
  if (n < 0)
    return error_set_errno("%s", what);
  int code = file_write_all(to, buffer, (size_t)n, what);
  return code < 0 || n < BUFFER ? code : copy_file(to, from, false, what);
}

/* A copy (or clone) under the temporary name; what it is goes into the entry, for the index. */
static int make_copy(placing *p, tree_entry *e, int object, const char *temporary, bool reflink, char *buffer, bool *done)
{
  struct stat st;
  int code = 0, to = openat(p->temporary, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  *done = false;
  if (to < 0)
    return error_set_errno("%s", p->rel);
  if (reflink)
    *done = copy_file(to, object, true, p->rel) == 0; /* falls back on the kernel's own copying, which is as good as ours */
  else {
    code = copy_small(to, object, buffer, p->rel);
    *done = code == 0;
  }
  if (code == 0 && fchmod(to, p->mode | (e->flags & TREE_EXECUTABLE ? 0100 : 0)) != 0)
    code = error_set_errno("%s", p->rel);
  if (code == 0 && fstat(to, &st) == 0) {
    e->inode = (uint64_t)st.st_ino;
    e->size = (uint64_t)st.st_size;
    e->mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
  }
  if (close(to) != 0 && code == 0)
    code = error_set_errno("%s", p->rel);
  if (code < 0 || !*done)
    unlinkat(p->temporary, temporary, 0);
  return code;
}

static void note_link(placing *p, tree_entry *e, const char *key)
{
  struct stat st;
  if (fstatat(p->db->fd, key, &st, 0) == 0) {
    e->inode = (uint64_t)st.st_ino;
    e->size = (uint64_t)st.st_size;
    e->mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
  }
}

/* One way of making the file; *done is false when this way does not work here. */
static int make(placing *p, tree_entry *e, link_type type, const char *key, int object, const char *temporary, char *buffer, bool *done)
{
  char *leads;
  *done = false;
  switch (type) {
  case LINK_HARD:
    if (e->size == 0 || (e->flags & TREE_EXECUTABLE)) /* as DVC: no links to the one empty object; and a link shares its mode with the object */
      return make_copy(p, e, object, temporary, false, buffer, done);
    *done = linkat(p->db->fd, key, p->temporary, temporary, 0) == 0;
    if (*done)
      note_link(p, e, key);
    return *done || errno == EXDEV || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP ? 0 : error_set_errno("%s", p->rel);
  case LINK_SYMBOLIC:
    if (asprintf(&leads, "%s/%s", p->db->path, key) < 0)
      return error_nomem();
    *done = symlinkat(leads, p->temporary, temporary) == 0;
    free(leads);
    if (*done)
      note_link(p, e, key);
    return *done || errno == EPERM || errno == EOPNOTSUPP ? 0 : error_set_errno("%s", p->rel);
  case LINK_REFLINK: return make_copy(p, e, object, temporary, true, buffer, done);
  case LINK_COPY: break;
  }
  return make_copy(p, e, object, temporary, false, buffer, done);
}

/* The temporary folder is on another file system than the data: a copy beside the target, under a name that begins with a dot. */
static int move_across(placing *p, const char *temporary, const char *path)
{
  char *beside;
  struct stat st;
  int from = openat(p->temporary, temporary, O_RDONLY | O_CLOEXEC);
  if (from < 0)
    return error_set_errno("%s", path);
  const char *name = path_name(path);
  if (asprintf(&beside, "%.*s.%s.opis.tmp", (int)(name - path), path, name) < 0) {
    close(from);
    return error_nomem();
  }
  unlinkat(p->folder, beside, 0);
  int to = openat(p->folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), code = to < 0 ? error_set_errno("%s", path) : 0;
  if (code == 0)
    code = copy_file(to, from, false, path);
  if (code == 0 && (fstat(from, &st) != 0 || fchmod(to, st.st_mode & 07777) != 0))
    code = error_set_errno("%s", path);
  if (code == 0 && renameat(p->folder, beside, p->folder, path) != 0)
    code = error_set_errno("%s", path);
  if (code < 0 && to >= 0)
    unlinkat(p->folder, beside, 0);
  if (to >= 0)
    close(to);
  close(from);
  free(beside);
  unlinkat(p->temporary, temporary, 0);
  return code;
}

static int place_one(placing *p, size_t i, char *buffer)
{
  tree_entry *e = &p->want->entries[i];
  const char *path = entry_path(p, e);
  oid o = {.dir = false};
  char key[OID_KEY], temporary[40];
  uint64_t size;
  memcpy(o.md5, e->md5, MD5_SIZE);
  odb_key(key, &o);
  int code = odb_check(p->db, &o, &size), object;
  if (code == 0)
    code = odb_read_fd(&object, p->db, &o);
  if (code < 0)
    return code;
  e->size = size;
  snprintf(temporary, sizeof temporary, "%ld-%zu", (long)getpid(), i);
  bool done = false;
  for (int t = atomic_load(&p->type); code == 0 && !done && t < p->db->n_types; t++) {
    code = make(p, e, p->db->types[t], key, object, temporary, buffer, &done);
    if (!done && code == 0)
      atomic_store(&p->type, t + 1);
    if (code == 0 && lseek(object, 0, SEEK_SET) < 0)
      code = error_set_errno("%s", path);
  }
  close(object);
  if (code == 0 && !done)
    code = error_set(OPIS_EUNSUPPORTED, "%s: none of the link types in cache.type works between the cache and here", path);
  if (code < 0)
    return code;
  if (renameat(p->temporary, temporary, p->folder, path) != 0)
    return errno == EXDEV ? move_across(p, temporary, path) : error_set_errno("%s%s%s", p->rel, p->name ? "" : "/", e->path);
  if (p->relink)
    unlinkat(p->temporary, temporary, 0); /* renaming one link of a file over another does nothing and leaves both */
  return 0;
}

static void place_some(void *user, size_t begin, size_t end, int thread)
{
  placing *p = user;
  char *buffer = malloc(BUFFER);
  (void)thread;
  if (!buffer)
    fail(p, error_nomem());
  for (size_t k = begin; k < end && buffer && atomic_load_explicit(&p->code, memory_order_relaxed) == 0; k++) {
    int code = repo_check_cancelled(p->r);
    if (code == 0)
      code = place_one(p, p->todo[k], buffer);
    if (code < 0)
      fail(p, code);
    unsigned long long done = atomic_fetch_add(&p->done, 1) + 1;
    if (k % 32 == 0)
      repo_progress(p->r, "Checking out", done, p->n, false);
  }
  free(buffer);
}

/* Folders for what will be placed. A link in the way is never followed. */
static int make_parents(placing *p)
{
  const char *before = "";
  size_t before_n = 0;
  for (size_t k = 0; k < p->n; k++) {
    const char *path = p->want->entries[p->todo[k]].path, *last = strrchr(path, '/');
    size_t n = last ? (size_t)(last - path) : 0;
    if (n == 0 || (n == before_n && strncmp(path, before, n) == 0))
      continue;
    before = path;
    before_n = n;
    char *folder = strndup(path, n);
    if (!folder)
      return error_nomem();
    for (char *slash = folder; slash;) {
      struct stat st;
      slash = strchr(slash + 1, '/');
      if (slash)
        *slash = '\0';
      if (mkdirat(p->folder, folder, 0777) != 0 && (errno != EEXIST || fstatat(p->folder, folder, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))) {
        int code = errno == EEXIST ? error_set(OPIS_EEXISTS, "%s/%s: a link or another file is where a folder must be; remove it", p->rel, folder)
                                   : error_set_errno("%s/%s", p->rel, folder);
        free(folder);
        return code;
      }
      if (slash)
        *slash = '/';
    }
    free(folder);
  }
  return 0;
}

/* Takes files away, and folders that became empty by it. */
static int remove_file(int folder, const char *path, const char *rel)
{
  if (unlinkat(folder, path, 0) != 0 && errno != ENOENT)
    return error_set_errno("%s/%s", rel, path);
  char *parent = strdup(path);
  if (!parent)
    return error_nomem();
  for (char *slash; (slash = strrchr(parent, '/'));) {
    *slash = '\0';
    if (unlinkat(folder, parent, AT_REMOVEDIR) != 0)
      break;
  }
  free(parent);
  return 0;
}

/* Files that are nowhere else must not be lost. */
static int check_saved(placing *p, const tree *have, const size_t *gone, size_t n)
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

/* With --relink: whether a file is not the kind of link that the cache's first type gives. */
static bool wrong_link(const placing *p, const tree_entry *have)
{
  switch (p->db->types[0]) {
  case LINK_SYMBOLIC: return !(have->flags & TREE_SYMLINK);
  case LINK_HARD: return (have->flags & TREE_SYMLINK) || (have->links < 2 && have->size > 0 && !(have->flags & TREE_EXECUTABLE));
  case LINK_REFLINK:
  case LINK_COPY: break;
  }
  return (have->flags & TREE_SYMLINK) || have->links > 1;
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
      if (memcmp(w->md5, h->md5, MD5_SIZE) != 0 || (p->relink && wrong_link(p, h))) {
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
  int code = check_saved(p, have, gone, n);
  free(gone);
  return code;
}

static int open_folder(placing *p, const char *rel, bool single)
{
  char *path, *folder = NULL;
  int code = repo_absolute(&path, p->r, rel);
  if (code < 0)
    return code;
  if (single) {
    p->name = path_name(rel);
    folder = path_folder(path);
  }
  const char *place = single ? folder : path;
  code = place ? file_make_folders(place, 0777) : OPIS_ENOMEM;
  p->folder = code < 0 ? -1 : open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (single ? 0 : O_NOFOLLOW));
  if (code == 0 && p->folder < 0)
    code = error_set_errno("%s", rel);
  free(folder);
  free(path);
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

static int clear_way(const repo *r, const char *rel, path_kind kind, bool want_folder)
{
  char *path;
  struct stat st;
  int code = repo_absolute(&path, r, rel);
  if (code < 0)
    return code;
  if (lstat(path, &st) == 0) {
    if (S_ISDIR(st.st_mode) && !want_folder && rmdir(path) != 0)
      code = error_set(OPIS_EEXISTS, "%s: a folder with files that are not tracked is where a file must be; move it away", rel);
    else if (!S_ISDIR(st.st_mode) && want_folder && unlink(path) != 0)
      code = error_set_errno("%s", rel);
  }
  (void)kind;
  free(path);
  return code;
}

static int report(changes *c, const repo *r, const char *rel, bool folder, char kind)
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
    code = open_folder(p, o->path, false);
    for (size_t i = 0; i < d->n_remove && code == 0; i++)
      code = remove_file(p->folder, have->entries[d->remove[i]].path, o->path);
    if (p->folder >= 0)
      close(p->folder);
    p->folder = -1;
    p->name = NULL;
  }
  if (code == 0 && (d->n_add || want_folder))
    code = clear_way(p->r, o->path, kind, want_folder);
  if (code == 0 && (d->n_add || want_folder))
    code = open_folder(p, o->path, !want_folder);
  if (code == 0 && d->n_add) {
    p->todo = d->add;
    p->n = d->n_add;
    if (want_folder)
      code = make_parents(p);
    if (code == 0)
      pool_for(p->r->pool, p->n, 8, place_some, p);
    if (code == 0 && p->code < 0)
      code = error_set(p->code, "%s", p->message);
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
    code = options->force ? 0 : check_saved(&p, &have, &all, 1);
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
    p.temporary = open_temporary(r);
    code = p.temporary < 0 ? p.temporary : 0;
  }
  bool changed = d.n_add || d.n_remove || (kind == PATH_MISSING && o->oid.dir);
  if (code == 0 && changed)
    code = apply(&p, &d, &have, kind, o);
  if (code == 0 && changed && !(options->relink && !fresh && !gone && files == 0)) {
    c->files[0] += fresh;
    c->files[1] += files - fresh;
    c->files[2] += gone;
    if (!(options->relink && fresh == 0 && gone == 0 && kind != PATH_MISSING))
      code = report(c, r, o->path, o->oid.dir, kind == PATH_MISSING ? 'A' : 'M');
  }
  if (code == 0) {
    for (size_t i = 0; i < want.n; i++)
      if (index_racy(want.entries[i].mtime))
        want.entries[i].flags |= TREE_RACY;
    code = index_save(&want, r, o->path, o->legacy);
  }
  if (p.folder >= 0)
    close(p.folder);
  if (p.temporary >= 0)
    close(p.temporary);
  free(d.add);
  free(d.remove);
  tree_free(&want);
  tree_free(&have);
  return code;
}

int place_relink(repo *r, const char *rel, odb *db, tree *t)
{
  placing p = {.r = r, .db = db, .want = t, .folder = -1, .rel = rel, .relink = true, .mode = 0644};
  if (db->types[0] != LINK_HARD && db->types[0] != LINK_SYMBOLIC)
    return 0;
  bool single = t->n == 1 && t->entries[0].path[0] == '\0';
  p.todo = malloc((t->n + 1) * sizeof *p.todo);
  if (!p.todo)
    return error_nomem();
  for (size_t i = 0; i < t->n; i++)
    if (wrong_link(&p, &t->entries[i]))
      p.todo[p.n++] = i;
  int code = open_folder(&p, rel, single);
  p.temporary = open_temporary(r);
  if (code == 0 && p.temporary < 0)
    code = p.temporary;
  if (code == 0) {
    pool_for(r->pool, p.n, 8, place_some, &p);
    if (p.code < 0)
      code = error_set(p.code, "%s", p.message);
  }
  if (code == 0)
    code = index_save(t, r, rel, db->legacy);
  if (p.folder >= 0)
    close(p.folder);
  if (p.temporary >= 0)
    close(p.temporary);
  free(p.todo);
  return code;
}

int place_remove(changes *c, repo *r, const char *rel, odb *db, bool force)
{
  placing p = {.r = r, .db = db, .folder = -1, .rel = rel};
  output o = {.path = (char *)(uintptr_t)rel, .legacy = db->legacy};
  tree have;
  path_kind kind;
  int code = output_look(&have, &kind, r, &o, NULL);
  if (code < 0 || kind == PATH_MISSING)
    return code;
  for (size_t i = 0; i < have.n && code == 0 && !force; i++)
    code = check_saved(&p, &have, &i, 1);
  if (code == 0)
    code = open_folder(&p, rel, kind == PATH_FILE);
  for (size_t i = 0; i < have.n && code == 0; i++)
    code = remove_file(p.folder, entry_path(&p, &have.entries[i]), rel);
  if (p.folder >= 0)
    close(p.folder);
  char *path;
  if (code == 0 && kind == PATH_FOLDER && repo_absolute(&path, r, rel) == 0) {
    rmdir(path); /* stays when something untracked is in it */
    free(path);
  }
  if (code == 0 && c) {
    c->files[2] += have.n;
    code = report(c, r, rel, false, 'D');
  }
  tree_free(&have);
  return code;
}
