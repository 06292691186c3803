/* Reading files of the work tree: their hashes, and their way into the store, on all cores. Small files are read a batch at a time and hashed together (md5_many); large ones one by one. */
#include "data/index.h"
#include "data/progress.h"
#include "data/scan.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL = 1 << 20, TRIES = 3, BATCH = 32, BATCH_BYTES = 2 << 20 };

typedef struct job {
  repo *r;
  tree *t;
  int folder;       /* what the entries' paths are relative to */
  const char *name; /* of the file itself when the tree is one file */
  const char *rel;
  bool legacy;
  odb *store;
  pthread_mutex_t lock;
  size_t next; /* the first entry that nobody has taken; guarded by lock */
  progress done;
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

/* Reads until there are `least` bytes, or the file ends; not more than `most`. */
static int read_some(int fd, uint8_t *buffer, size_t least, size_t most, size_t *n, const char *what)
{
  *n = 0;
  do {
    ssize_t got = read(fd, buffer + *n, most - *n);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return error_set_errno("%s", what);
    if (got == 0)
      break;
    *n += (size_t)got;
  } while (*n < least);
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

/* A file by itself: cloned where the file system can and then hashed (the clone cannot change any more), else hashed while it is copied. */
static int store_alone(job *j, int fd, tree_entry *e, const char *path, const watch *w)
{
  odb_temporary t;
  oid o = {.dir = false};
  bool linked;
  int code = 0;
  if (j->store->types[0] == LINK_HARD || j->store->types[0] == LINK_SYMBOLIC || j->legacy) {
    code = md5_fd_either(e->md5, j->legacy, fd, path, w);
    memcpy(o.md5, e->md5, MD5_SIZE);
    if (code < 0 || odb_has(j->store, &o))
      return code;
    code = store_by_link(j, fd, e, &o, &linked);
    if (code < 0 || linked)
      return code;
    if (lseek(fd, 0, SEEK_SET) != 0)
      return error_set_errno("%s", path);
  }
  code = odb_new(&t, j->store, NULL);
  if (code < 0)
    return code;
  if (j->legacy)
    code = copy_file(t.fd, fd, true, path, NULL);
  else if (j->store->types[0] == LINK_REFLINK && clone_file(t.fd, fd))
    code = md5_fd(e->md5, NULL, t.fd, path, w);
  else
    code = copy_hashed(e->md5, t.fd, fd, path, w);
  memcpy(o.md5, e->md5, MD5_SIZE);
  if (code < 0 || odb_has(j->store, &o)) {
    odb_drop(&t, j->store);
    return code;
  }
  return odb_keep(&t, j->store, &o);
}

static bool same_state(const struct stat *a, const struct stat *b)
{
  return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int open_file(job *j, tree_entry *e, int *fd, struct stat *st)
{
  *fd = openat(j->folder, j->name ? j->name : e->path, O_RDONLY | O_CLOEXEC);
  if (*fd >= 0 && fstat(*fd, st) == 0) {
    note(e, st);
    return 0;
  }
  int code = error_set_errno("%s/%s", j->rel, e->path);
  if (*fd >= 0)
    close(*fd);
  return code;
}

static int changes_all_the_time(const tree_entry *e, const job *j)
{
  return error_set(OPIS_EBUSY, "%s: changes while it is being read; try again when it is complete", j->name ? j->name : e->path);
}

/* A large file, or one of DVC 2. */
static int hash_alone(job *j, tree_entry *e)
{
  const watch w = {progress_bytes, &j->done};
  const char *path = j->name ? j->name : e->path;
  for (int i = 0; i < TRIES; i++) {
    struct stat before, after;
    int fd, code = open_file(j, e, &fd, &before);
    if (code < 0)
      return code;
    code = j->store ? store_alone(j, fd, e, path, &w) : md5_fd_either(e->md5, j->legacy, fd, path, &w);
    if (code == 0 && fstat(fd, &after) != 0)
      code = error_set_errno("%s", path);
    close(fd);
    if (code < 0)
      return code;
    if (same_state(&before, &after)) {
      e->flags |= TREE_HASHED;
      return 0;
    }
  }
  return changes_all_the_time(e, j);
}

/* ---- batches ---- */

typedef struct batch {
  size_t n, used;
  tree_entry *entries[BATCH];
  int fd[BATCH]; /* open still, where the file itself may become the object */
  md5_piece pieces[BATCH];
  uint8_t md5[BATCH][MD5_SIZE];
  uint8_t bytes[BATCH_BYTES];
} batch;

static bool is_known(const job *j, const tree_entry *e)
{
  oid o = {.dir = false};
  memcpy(o.md5, e->md5, MD5_SIZE);
  return (e->flags & TREE_HASHED) && (!j->store || odb_has(j->store, &o));
}

/* Reads a small file; what is hashed later is what was read here. *alone: it is not as small as it was. */
static int read_file(job *j, batch *b, tree_entry *e, bool *alone)
{
  const char *path = j->name ? j->name : e->path;
  *alone = false;
  for (int i = 0; i < TRIES; i++) {
    struct stat before, after;
    size_t n = 0;
    int fd, code = open_file(j, e, &fd, &before);
    if (code < 0)
      return code;
    *alone = (uint64_t)before.st_size >= BATCH_BYTES - b->used;
    if (!*alone) /* a byte more than there should be: some file systems lie about sizes */
      code = read_some(fd, b->bytes + b->used, e->size, e->size + 1, &n, path);
    if (code == 0 && fstat(fd, &after) != 0)
      code = error_set_errno("%s", path);
    if (code == 0 && !*alone && same_state(&before, &after) && n == e->size) {
      b->entries[b->n] = e;
      b->fd[b->n] = fd;
      b->pieces[b->n++] = (md5_piece){b->bytes + b->used, n};
      b->used += n;
      return 0;
    }
    close(fd);
    if (code < 0 || *alone)
      return code;
  }
  return changes_all_the_time(e, j);
}

/* *untold: the bytes of which the progress does not know yet. */
static int hash_batch(job *j, batch *b, size_t begin, size_t end, uint64_t *untold)
{
  int code = 0;
  *untold = 0;
  b->n = b->used = 0;
  for (size_t i = begin; i < end && code == 0; i++) {
    tree_entry *e = &j->t->entries[i];
    bool alone = j->legacy || e->size >= SMALL;
    if (is_known(j, e)) {
      *untold += e->size;
      continue;
    }
    if (!alone)
      code = read_file(j, b, e, &alone);
    if (code == 0 && alone)
      code = hash_alone(j, e);
    else
      *untold += e->size;
  }
  if (code == 0)
    md5_many(b->md5, b->pieces, b->n);
  for (size_t i = 0; i < b->n; i++) {
    tree_entry *e = b->entries[i];
    if (code == 0) {
      memcpy(e->md5, b->md5[i], MD5_SIZE);
      e->flags |= TREE_HASHED;
      if (j->store)
        code = store_small(j, b->fd[i], e, b->pieces[i].bytes, b->pieces[i].n);
    }
    close(b->fd[i]);
  }
  return code;
}

/* The next entries that nobody has taken: a large file alone, or as many small ones as a batch has room for. */
static bool take(job *j, size_t *begin, size_t *end)
{
  pthread_mutex_lock(&j->lock);
  *begin = *end = j->next;
  uint64_t bytes = 0;
  while (*end < j->t->n && *end - *begin < BATCH) {
    uint64_t size = j->t->entries[*end].size;
    if (*end > *begin && (size >= SMALL || size > BATCH_BYTES - bytes))
      break;
    bytes += size;
    ++*end;
    if (size >= SMALL)
      break;
  }
  j->next = *end;
  pthread_mutex_unlock(&j->lock);
  return *begin < *end;
}

static void hash_some(void *user, size_t first, size_t last, int thread)
{
  job *j = user;
  batch *b = malloc(sizeof *b);
  size_t begin, end;
  uint64_t untold;
  (void)first;
  (void)last;
  (void)thread;
  if (!b)
    fail(j, error_nomem());
  while (b && atomic_load_explicit(&j->code, memory_order_relaxed) == 0 && take(j, &begin, &end)) {
    int code = hash_batch(j, b, begin, end, &untold);
    if (code == 0)
      code = repo_check_cancelled(j->r);
    if (code < 0)
      fail(j, code);
    progress_add(&j->done, end - begin, untold);
  }
  free(b);
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

static int hash(tree *t, repo *r, const char *rel, const char *index, bool legacy, odb *store)
{
  bool same;
  job j = {.r = r, .t = t, .folder = -1, .rel = rel, .legacy = legacy, .store = store, .lock = PTHREAD_MUTEX_INITIALIZER};
  if (t->n == 0)
    return index_save(t, r, index, legacy);
  int code = index_apply(t, r, index, legacy, &same);
  if (code < 0 || (same && !store))
    return code;
  code = open_place(&j, rel);
  if (code < 0)
    return code;
  j.done = (progress){.r = r, .what = store ? "Adding" : "Hashing", .of_files = t->n, .of_bytes = tree_bytes(t)};
  size_t threads = (size_t)pool_threads(r->pool);
  pool_for(r->pool, t->n < threads ? t->n : threads, 1, hash_some, &j); /* one file wakes nobody: of thousands of targets, each is hashed by itself */
  close(j.folder);
  if (j.code < 0)
    return error_set(j.code, "%s", j.message);
  return same ? 0 : index_save(t, r, index, legacy);
}

int scan_hash(tree *t, repo *r, const char *rel, bool legacy, odb *store)
{
  return hash(t, r, rel, rel, legacy, store);
}

int scan_hash_foreign(tree *t, repo *r, const char *rel, const char *name, bool legacy)
{
  char *index;
  if (asprintf(&index, INDEX_FOREIGN "%s", name) < 0)
    return error_nomem();
  int code = hash(t, r, rel, index, legacy, NULL);
  free(index);
  return code;
}

int scan_remember(const tree *t, const repo *r, const char *rel, bool legacy)
{
  return index_save(t, r, rel, legacy);
}
