/* Making the files: every one under a temporary name below .dvc/tmp and renamed into place, so that a kill leaves no half file and nothing strange in the data. */
#include "data/place.h"

#include "data/index.h"
#include "util/error.h"
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 128 * 1024 };

int placing_open_temporary(placing *p)
{
  char *path = repo_scratch(p->r);
  int code = path ? file_make_folders(path, 0777) : error_nomem();
  if (code == 0) {
    temporary_tag(p->tag);
    p->temporary = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->temporary < 0)
      code = error_set_errno("%s", path);
  }
  free(path);
  return code;
}

int placing_open_folder(placing *p, const char *rel, bool single)
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

void placing_close(placing *p)
{
  if (p->folder >= 0)
    close(p->folder);
  if (p->temporary >= 0)
    close(p->temporary);
  p->folder = p->temporary = -1;
}

const char *placing_path(const placing *p, const tree_entry *e)
{
  return p->name ? p->name : e->path;
}

static void fail(placing *p, int code)
{
  int none = 0;
  if (atomic_compare_exchange_strong(&p->code, &none, code))
    snprintf(p->message, sizeof p->message, "%s", opis_error_message());
}

static int copy_small(int to, int from, char *buffer, const char *what, const watch *w)
{
  ssize_t n = read(from, buffer, BUFFER);
  if (n < 0)
    return error_set_errno("%s", what);
  int code = file_write_all(to, buffer, (size_t)n, what);
  if (code == 0)
    code = watch_tell(w, (uint64_t)n);
  return code < 0 || n < BUFFER ? code : copy_file(to, from, false, what, w);
}

/* A copy (or clone) under the temporary name; what it is goes into the entry, for the index. */
static int make_copy(placing *p, tree_entry *e, int object, const char *temporary, bool reflink, char *buffer, bool *done)
{
  struct stat st;
  const watch w = {progress_bytes, &p->done};
  int code = 0, to = openat(p->temporary, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  *done = false;
  if (to < 0)
    return error_set_errno("%s", p->rel);
  if (reflink) { /* falls back on the kernel's own copying, which is as good as ours */
    int made = copy_file(to, object, true, p->rel, &w);
    *done = made == 0;
    code = made == OPIS_ECANCELLED ? made : 0;
  } else {
    code = copy_small(to, object, buffer, p->rel, &w);
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
    code = copy_file(to, from, false, path, NULL);
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

/* A link appears whole or not at all: where nothing is in its way, it needs no temporary name. False for whatever is not as simple. */
static bool link_directly(placing *p, tree_entry *e, const char *key, const char *path)
{
  int t = atomic_load(&p->type);
  if (p->relink || t >= p->db->n_types || p->db->types[t] != LINK_HARD || e->size == 0 || (e->flags & TREE_EXECUTABLE) || linkat(p->db->fd, key, p->folder, path, 0) != 0)
    return false;
  note_link(p, e, key);
  return true;
}

static int place_one(placing *p, size_t i, char *buffer)
{
  tree_entry *e = &p->want->entries[i];
  const char *path = placing_path(p, e);
  oid o = {.dir = false};
  char key[OID_KEY], temporary[TEMPORARY_NAME];
  uint64_t size;
  memcpy(o.md5, e->md5, MD5_SIZE);
  odb_key(key, &o);
  int code = odb_check(p->db, &o, &size), object;
  if (code < 0)
    return code;
  e->size = size;
  if (link_directly(p, e, key, path))
    return 0;
  code = odb_read_fd(&object, p->db, &o);
  if (code < 0)
    return code;
  temporary_name(temporary, p->tag, (unsigned)i);
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
  if (renameat(p->temporary, temporary, p->folder, path) != 0 &&
    (errno != EISDIR || !placing_remove_empty(p->folder, path) || renameat(p->temporary, temporary, p->folder, path) != 0))
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
    progress_add(&p->done, 1, 0);
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

int placing_run(placing *p, bool folders)
{
  int code = folders ? make_parents(p) : 0;
  p->done = (progress){.r = p->r, .what = "Checking out", .of_files = p->n};
  if (code == 0)
    pool_for(p->r->pool, p->n, 8, place_some, p);
  return code == 0 && p->code < 0 ? error_set(p->code, "%s", p->message) : code;
}

/* ---- away ---- */

bool placing_remove_empty(int folder, const char *path)
{
  int fd = openat(folder, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
  bool empty = true;
  if (!d) {
    if (fd >= 0)
      close(fd);
    return false;
  }
  for (struct dirent *e; empty && (e = readdir(d));)
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      empty = placing_remove_empty(dirfd(d), e->d_name); /* false for whatever is no folder */
  closedir(d);
  return empty && unlinkat(folder, path, AT_REMOVEDIR) == 0;
}

/* Takes files away, and folders that became empty by it. */
int placing_remove_file(const placing *p, const char *path)
{
  if (unlinkat(p->folder, path, 0) != 0 && errno != ENOENT)
    return error_set_errno("%s/%s", p->rel, path);
  char *parent = strdup(path);
  if (!parent)
    return error_nomem();
  for (char *slash; (slash = strrchr(parent, '/'));) {
    *slash = '\0';
    if (unlinkat(p->folder, parent, AT_REMOVEDIR) != 0)
      break;
  }
  free(parent);
  return 0;
}
