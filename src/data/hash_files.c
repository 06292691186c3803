/* Reading files of the work tree: their hashes, and their way into the store, on all cores. */
#include "data/index.h"
#include "data/scan.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL = 1 << 20, TRIES = 3 };

typedef struct job {
  repo *r;
  tree *t;
  int folder;       /* what the entries' paths are relative to */
  const char *name; /* of the file itself when the tree is one file */
  const char *rel;
  bool legacy;
  odb *store;
  uint64_t total;
  atomic_ullong done;
  atomic_int code; /* of the first failure */
  char message[1024];
} job;

static void fail(job *j, int code)
{
  int none = 0;
  if (atomic_compare_exchange_strong(&j->code, &none, code))
    snprintf(j->message, sizeof j->message, "%s", opis_error_message());
}

static void note(tree_entry *e, const struct stat *st)
{
  e->size = (uint64_t)st->st_size;
  e->inode = (uint64_t)st->st_ino;
  e->mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
  e->flags &= ~(uint32_t)(TREE_RACY | TREE_EXECUTABLE);
  e->flags |= index_racy(e->mtime) ? TREE_RACY : 0;
  e->flags |= st->st_mode & 0111 ? TREE_EXECUTABLE : 0;
}

static int read_small(int fd, uint8_t *buffer, size_t size, size_t *n, const char *what)
{
  *n = 0;
  while (*n < size) {
    ssize_t got = read(fd, buffer + *n, size - *n);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return error_set_errno("%s", what);
    if (got == 0)
      break;
    *n += (size_t)got;
  }
  return 0;
}

/* The file that was just hashed becomes the object itself: no byte is copied. Only where the cache links hard (or by symbolic links) anyway, and nobody else has the file. */
static int store_by_link(job *j, int fd, tree_entry *e, const oid *o, bool *done)
{
  const odb *db = j->store;
  *done = false;
  if ((db->types[0] != LINK_HARD && db->types[0] != LINK_SYMBOLIC) || e->links != 1 || e->size == 0)
    return 0;
  if (e->flags & (TREE_SYMLINK | TREE_EXECUTABLE)) /* an object has mode 0444: it would take the execute bit away */
    return 0;
  int code = odb_link(j->store, o, fd, done);
  if (*done)
    e->links = 2;
  return code;
}

static int store_small(job *j, int fd, tree_entry *e, const uint8_t *bytes, size_t n)
{
  oid o = {.dir = false};
  bool linked;
  memcpy(o.md5, e->md5, MD5_SIZE);
  if (odb_has(j->store, &o))
    return 0;
  int code = store_by_link(j, fd, e, &o, &linked);
  if (code < 0 || linked)
    return code;
  return odb_write(j->store, &o, bytes, n);
}

/* A large file: cloned where the file system can and then hashed (the clone cannot change any more), else hashed while it is copied. */
static int store_large(job *j, int fd, tree_entry *e, const char *path)
{
  odb_temporary t;
  oid o = {.dir = false};
  bool linked;
  int code = 0;
  if (j->store->types[0] == LINK_HARD || j->store->types[0] == LINK_SYMBOLIC || j->legacy) {
    code = j->legacy ? md5_fd_dos2unix(e->md5, NULL, fd, path) : md5_fd(e->md5, NULL, fd, path);
    memcpy(o.md5, e->md5, MD5_SIZE);
    if (code < 0 || odb_has(j->store, &o))
      return code;
    code = store_by_link(j, fd, e, &o, &linked);
    if (code < 0 || linked)
      return code;
    if (lseek(fd, 0, SEEK_SET) != 0)
      return error_set_errno("%s", path);
  }
  code = odb_new(&t, j->store);
  if (code < 0)
    return code;
  uint8_t *buffer = malloc(SMALL);
  md5_state m;
  md5_start(&m);
  if (!buffer)
    code = error_nomem();
  bool cloned = code == 0 && !j->legacy && j->store->types[0] == LINK_REFLINK && clone_file(t.fd, fd);
  int from = cloned ? t.fd : fd;
  if (cloned && lseek(t.fd, 0, SEEK_SET) != 0)
    code = error_set_errno("%s", path);
  for (size_t n = SMALL; code == 0 && n == SMALL && !cloned;) {
    code = read_small(from, buffer, SMALL, &n, path);
    if (code == 0)
      code = file_write_all(t.fd, buffer, n, j->store->path);
    md5_add(&m, buffer, n);
    if (code == 0)
      code = repo_check_cancelled(j->r);
  }
  if (code == 0 && cloned)
    code = md5_fd(e->md5, NULL, t.fd, path);
  else if (code == 0 && !j->legacy)
    md5_end(&m, e->md5);
  free(buffer);
  memcpy(o.md5, e->md5, MD5_SIZE);
  if (code < 0 || odb_has(j->store, &o)) {
    odb_drop(&t, j->store);
    return code;
  }
  return odb_keep(&t, j->store, &o);
}

static int one_try(job *j, tree_entry *e, const char *path, uint8_t *buffer, bool *stable)
{
  struct stat before, after;
  size_t n = 0;
  int fd = openat(j->folder, path, O_RDONLY | O_CLOEXEC), code = 0;
  if (fd < 0)
    return error_set_errno("%s/%s", j->rel, e->path);
  if (fstat(fd, &before) != 0)
    code = error_set_errno("%s", path);
  else
    note(e, &before);
  if (code == 0 && before.st_size < SMALL) {
    code = read_small(fd, buffer, SMALL, &n, path);
    if (code == 0 && !j->legacy)
      md5_bytes(e->md5, buffer, n);
    else if (code == 0 && lseek(fd, 0, SEEK_SET) == 0)
      code = md5_fd_dos2unix(e->md5, NULL, fd, path);
  } else if (code == 0 && !j->store)
    code = j->legacy ? md5_fd_dos2unix(e->md5, NULL, fd, path) : md5_fd(e->md5, NULL, fd, path);
  else if (code == 0)
    code = store_large(j, fd, e, path);
  if (code == 0 && fstat(fd, &after) != 0)
    code = error_set_errno("%s", path);
  *stable = code == 0 && before.st_size == after.st_size && before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec &&
    (before.st_size >= SMALL || (off_t)n == before.st_size);
  if (*stable && j->store && before.st_size < SMALL)
    code = store_small(j, fd, e, buffer, n);
  close(fd);
  return code;
}

static int hash_one(job *j, tree_entry *e, uint8_t *buffer)
{
  const char *path = j->name ? j->name : e->path;
  if (e->flags & TREE_HASHED) {
    oid o = {.dir = false};
    memcpy(o.md5, e->md5, MD5_SIZE);
    if (!j->store || odb_has(j->store, &o))
      return 0;
  }
  for (int i = 0; i < TRIES; i++) {
    bool stable;
    int code = one_try(j, e, path, buffer, &stable);
    if (code < 0)
      return code;
    if (stable) {
      e->flags |= TREE_HASHED;
      return 0;
    }
  }
  return error_set(OPIS_EBUSY, "%s: changes while it is being read; try again when it is complete", path);
}

static void hash_some(void *user, size_t begin, size_t end, int thread)
{
  job *j = user;
  uint8_t *buffer = malloc(SMALL);
  (void)thread;
  if (!buffer)
    fail(j, error_nomem());
  for (size_t i = begin; i < end && buffer && atomic_load_explicit(&j->code, memory_order_relaxed) == 0; i++) {
    tree_entry *e = &j->t->entries[i];
    int code = hash_one(j, e, buffer);
    if (code == 0)
      code = repo_check_cancelled(j->r);
    if (code < 0)
      fail(j, code);
    unsigned long long done = atomic_fetch_add(&j->done, e->size) + e->size;
    if (i % 64 == 0 || e->size >= SMALL)
      repo_progress(j->r, j->store ? "Adding" : "Hashing", done, j->total, true);
  }
  free(buffer);
}

static int open_place(job *j, const char *rel)
{
  char *path, *folder = NULL;
  bool single = j->t->n == 1 && j->t->entries[0].path[0] == '\0';
  int code = repo_absolute(&path, j->r, rel);
  if (code < 0)
    return code;
  if (single) {
    j->name = path_name(rel);
    folder = path_folder(path);
  }
  j->folder = open(single ? folder : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (j->folder < 0)
    code = error_set_errno("%s", rel);
  free(folder);
  free(path);
  return code;
}

int scan_hash(tree *t, repo *r, const char *rel, bool legacy, odb *store)
{
  bool same;
  job j = {.r = r, .t = t, .folder = -1, .rel = rel, .legacy = legacy, .store = store};
  if (t->n == 0)
    return index_save(t, r, rel, legacy);
  int code = index_apply(t, r, rel, legacy, &same);
  if (code < 0 || (same && !store))
    return code;
  code = open_place(&j, rel);
  if (code < 0)
    return code;
  j.total = tree_bytes(t);
  pool_for(r->pool, t->n, 1, hash_some, &j);
  close(j.folder);
  if (j.code < 0)
    return error_set(j.code, "%s", j.message);
  return same ? 0 : index_save(t, r, rel, legacy);
}

int scan_remember(const tree *t, const repo *r, const char *rel, bool legacy)
{
  return index_save(t, r, rel, legacy);
}
