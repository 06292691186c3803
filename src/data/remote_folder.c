/* A folder as a remote: a disk, a network share, a mounted bucket. */
#include "data/odb.h"
#include "data/remote.h"
#include "data/temporary.h"
#include "data/watch.h"

#include "util/error.h"
#include "util/file.h"
#include "util/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

typedef struct folder_remote {
  remote base;
  char *path;
  _Atomic int fd; /* -1 until it is needed, and there */
  atomic_uint next;
  pthread_mutex_t lock;
  char tag[TEMPORARY_TAG]; /* of this process's temporary files: other machines may use the same folder */
  atomic_bool swept;       /* what killed processes left is away */
  atomic_bool named;       /* files in the making need names here: the file system has none without */
  atomic_bool no_clones;   /* one failed; the others are not tried */
} folder_remote;

#define TEMPORARY ".opis"

enum { DEEPEST = 16 };

static int full_path(char **path, const remote *r, const char *key)
{
  const folder_remote *f = (const folder_remote *)r;
  return asprintf(path, "%s/%s", f->path, key) < 0 ? error_nomem() : 0;
}

/* The folder itself, open; -1 and errno where it is not there. It stays the same one when something else is mounted over it meanwhile. */
static int top(folder_remote *f)
{
  int fd = atomic_load_explicit(&f->fd, memory_order_acquire);
  if (fd >= 0)
    return fd;
  pthread_mutex_lock(&f->lock);
  if (atomic_load(&f->fd) < 0) {
    fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
      atomic_store_explicit(&f->fd, fd, memory_order_release);
  } else
    fd = atomic_load(&f->fd);
  pthread_mutex_unlock(&f->lock);
  return fd;
}

static int failed(const folder_remote *f, const char *key)
{
  return error_set_errno("%s/%s", f->path, key);
}

static void folder_close(remote *r)
{
  folder_remote *f = (folder_remote *)r;
  if (atomic_load(&f->swept))
    unlinkat(f->fd, TEMPORARY, AT_REMOVEDIR); /* stays when somebody else is pushing */
  if (atomic_load(&f->fd) >= 0)
    close(f->fd);
  free(f->path);
  free(f);
}

static bool folder_disk(const remote *r)
{
  struct statfs fs;
  char *path = strdup(((const folder_remote *)r)->path);
  int found = path ? statfs(path, &fs) : -1;
  for (char *slash; path && found != 0 && errno == ENOENT && (slash = strrchr(path, '/')) && slash > path;) { /* not made yet: where it will be */
    *slash = '\0';
    found = statfs(path, &fs);
  }
  free(path);
  return found == 0 &&
    (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == TMPFS_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC ||
      fs.f_type == F2FS_SUPER_MAGIC);
}

static int folder_exists(remote *r, const char *key, bool *there, uint64_t *size)
{
  folder_remote *f = (folder_remote *)r;
  struct stat st;
  int fd = top(f), error = fd >= 0 && fstatat(fd, key, &st, 0) == 0 ? 0 : errno;
  *there = error == 0 && S_ISREG(st.st_mode);
  if (size)
    *size = *there ? (uint64_t)st.st_size : 0;
  return error == 0 || error == ENOENT || error == ENOTDIR ? 0 : failed(f, key);
}

static int list_folder(DIR *d, strbuf *key, size_t prefix_n, const char *prefix, remote_list_fn *each, void *user, int depth)
{
  size_t length = key->n;
  int code = 0;
  for (struct dirent *e; code == 0 && (e = readdir(d));) {
    struct stat st;
    if (e->d_name[0] == '.')
      continue;
    strbuf_puts(key, e->d_name);
    size_t k = key->n < prefix_n ? key->n : prefix_n;
    if (strbuf_check(key) < 0)
      code = error_nomem();
    else if (memcmp(key->s, prefix, k) == 0 && fstatat(dirfd(d), e->d_name, &st, 0) == 0) {
      if (S_ISREG(st.st_mode) && key->n >= prefix_n)
        code = each(user, key->s, (uint64_t)st.st_size);
      else if (S_ISDIR(st.st_mode) && depth < DEEPEST) {
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *inner = fd >= 0 ? fdopendir(fd) : NULL;
        if (!inner)
          code = error_set_errno("%s", key->s);
        else {
          strbuf_putc(key, '/');
          code = list_folder(inner, key, prefix_n, prefix, each, user, depth + 1);
          closedir(inner);
        }
      }
    }
    key->n = length;
    key->s[length] = '\0';
  }
  return code;
}

static int folder_list(remote *r, const char *prefix, remote_list_fn *each, void *user)
{
  char *path;
  strbuf key = STRBUF_INIT;
  const char *slash = strrchr(prefix, '/');
  size_t n = slash ? (size_t)(slash - prefix) + 1 : 0; /* the whole folders of the prefix need no search */
  strbuf_append(&key, prefix, n);
  int code = strbuf_check(&key) < 0 ? error_nomem() : full_path(&path, r, key.s);
  if (code < 0)
    return code;
  DIR *d = opendir(path);
  if (!d)
    code = errno == ENOENT ? 0 : error_set_errno("%s", path);
  else {
    code = list_folder(d, &key, strlen(prefix), prefix, each, user, 0);
    closedir(d);
  }
  free(path);
  strbuf_free(&key);
  return code;
}

static int folder_open(remote *r, const char *key, int *fd)
{
  folder_remote *f = (folder_remote *)r;
  int at = top(f);
  *fd = at < 0 ? -1 : openat(at, key, O_RDONLY | O_CLOEXEC);
  return *fd < 0 ? failed(f, key) : 0;
}

/* A watch's function, of a remote_io. */
static int told(void *user, uint64_t n)
{
  const remote_io *io = user;
  if (io->moved)
    io->moved(io->user, n);
  return io->cancelled && io->cancelled(io->user) ? error_set(OPIS_ECANCELLED, "stopped; the same command goes on from here") : 0;
}

static int folder_get(remote *r, const char *key, int fd, const remote_io *io)
{
  int from, code = folder_open(r, key, &from);
  if (code < 0)
    return code;
  code = copy_file(fd, from, true, key, io ? &(watch){told, (void *)(uintptr_t)io} : NULL);
  close(from);
  return code;
}

static int make_parent(const folder_remote *f, const char *key)
{
  char *folder;
  const char *slash = strrchr(key, '/');
  if (asprintf(&folder, "%s/%.*s", f->path, slash ? (int)(slash - key) : 0, key) < 0)
    return error_nomem();
  int code = file_make_folders(folder, 0777);
  free(folder);
  return code;
}

/* Once: the folder is there, without what killed processes left in it. */
static int prepare(folder_remote *f)
{
  if (atomic_load_explicit(&f->swept, memory_order_acquire))
    return 0;
  int code = file_make_folders(f->path, 0777), at = code < 0 ? -1 : top(f);
  if (code == 0 && at < 0)
    code = error_set_errno("%s", f->path);
  pthread_mutex_lock(&f->lock);
  if (code == 0 && !atomic_load(&f->swept)) {
    int fd = openat(at, TEMPORARY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    temporary_tag(f->tag);
    if (fd >= 0) {
      temporary_sweep(fd, f->tag);
      close(fd);
    }
    atomic_store_explicit(&f->swept, true, memory_order_release);
  }
  pthread_mutex_unlock(&f->lock);
  return code;
}

/* Objects have mode 0444 as DVC leaves them; a file system without modes is fine, too. */
static int fill(folder_remote *f, int to, int from, const char *key, uint64_t size, const remote_io *io)
{
  const watch w = {told, (void *)(uintptr_t)io};
  struct stat st;
  bool clones = !atomic_load_explicit(&f->no_clones, memory_order_relaxed);
  if (clones && clone_file(to, from)) {
    if (io)
      told(w.user, size);
  } else {
    if (clones)
      atomic_store_explicit(&f->no_clones, true, memory_order_relaxed);
    int code = copy_file(to, from, false, key, io ? &w : NULL);
    if (code < 0)
      return code;
  }
  if (fstat(to, &st) != 0)
    return failed(f, key);
  if ((st.st_mode & 07777) != 0444)
    fchmod(to, 0444);
  return 0;
}

/* A file that has no name until it is whole. *done is false where that does not work. */
static int put_nameless(folder_remote *f, const char *key, int from, uint64_t size, const remote_io *io, bool *done)
{
  const char *slash = strrchr(key, '/');
  char *folder = strndup(key, slash ? (size_t)(slash - key) : 0);
  *done = false;
  if (!folder)
    return error_nomem();
  int to = temporary_nameless(f->fd, *folder ? folder : ".", 0444), code = 0;
  if (to < 0 && errno == ENOENT && (code = make_parent(f, key)) == 0)
    to = temporary_nameless(f->fd, *folder ? folder : ".", 0444);
  free(folder);
  if (to < 0) {
    if (code == 0 && errno == EOPNOTSUPP)
      atomic_store(&f->named, true);
    return code;
  }
  code = fill(f, to, from, key, size, io);
  if (code == 0)
    *done = temporary_link(to, f->fd, key);
  if (close(to) != 0 && code == 0 && *done) { /* quotas, and disks behind a network */
    code = failed(f, key);
    unlinkat(f->fd, key, 0);
  }
  return code;
}

static int put_named(folder_remote *f, const char *key, int from, uint64_t size, const remote_io *io)
{
  char name[TEMPORARY_NAME + sizeof TEMPORARY] = TEMPORARY "/";
  int code = 0;
  temporary_name(name + sizeof TEMPORARY, f->tag, atomic_fetch_add(&f->next, 1));
  int to = openat(f->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (to < 0 && errno == ENOENT && (code = make_parent(f, name)) == 0)
    to = openat(f->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (to < 0)
    return code < 0 ? code : failed(f, name);
  code = fill(f, to, from, key, size, io);
  if (close(to) != 0 && code == 0)
    code = failed(f, name);
  if (code == 0 && renameat(f->fd, name, f->fd, key) != 0) {
    code = errno == ENOENT ? make_parent(f, key) : failed(f, key);
    if (code == 0 && renameat(f->fd, name, f->fd, key) != 0)
      code = failed(f, key);
  }
  if (code < 0)
    unlinkat(f->fd, name, 0);
  return code;
}

static int folder_put(remote *r, const char *key, int fd, uint64_t size, const remote_io *io)
{
  folder_remote *f = (folder_remote *)r;
  bool done = false;
  int code = prepare(f);
  if (code == 0 && !atomic_load_explicit(&f->named, memory_order_relaxed))
    code = put_nameless(f, key, fd, size, io, &done);
  if (code == 0 && !done)
    code = lseek(fd, 0, SEEK_SET) == 0 ? put_named(f, key, fd, size, io) : failed(f, key);
  return code;
}

static int folder_remove(remote *r, const char *key)
{
  folder_remote *f = (folder_remote *)r;
  int fd = top(f);
  return (fd >= 0 && unlinkat(fd, key, 0) == 0) || errno == ENOENT ? 0 : failed(f, key);
}

static const remote_ops folder_ops = {
  .kind = "folder",
  .near = true,
  .disk = folder_disk,
  .close = folder_close,
  .exists = folder_exists,
  .list = folder_list,
  .get = folder_get,
  .open = folder_open,
  .put = folder_put,
  .remove = folder_remove,
};

int remote_folder_open(remote **out, const char *url, const remote_settings *settings)
{
  (void)settings;
  folder_remote *f = calloc(1, sizeof *f);
  if (!f)
    return error_nomem();
  f->base.ops = &folder_ops;
  f->path = strdup(strncasecmp(url, "file://", 7) == 0 ? url + 7 : url);
  f->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  f->fd = -1;
  if (!f->path) {
    folder_close(&f->base);
    return error_nomem();
  }
  for (size_t n = strlen(f->path); n > 1 && f->path[n - 1] == '/';)
    f->path[--n] = '\0';
  *out = &f->base;
  return 0;
}
