/* A folder as a remote: a disk, a network share, a mounted bucket. */
#include "data/odb.h"
#include "data/remote.h"
#include "data/temporary.h"

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
  atomic_uint next;
  pthread_mutex_t lock;
  char tag[TEMPORARY_TAG]; /* of this process's temporary files: other machines may use the same folder */
  atomic_bool used;        /* their folder is there, and swept */
} folder_remote;

#define TEMPORARY ".opis"

enum { DEEPEST = 16 };

static int full_path(char **path, const remote *r, const char *key)
{
  const folder_remote *f = (const folder_remote *)r;
  return asprintf(path, "%s/%s", f->path, key) < 0 ? error_nomem() : 0;
}

static void folder_close(remote *r)
{
  folder_remote *f = (folder_remote *)r;
  char *path;
  if (atomic_load(&f->used) && asprintf(&path, "%s/" TEMPORARY, f->path) >= 0) {
    rmdir(path); /* stays when somebody else is pushing */
    free(path);
  }
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
  char *path;
  struct stat st;
  int code = full_path(&path, r, key);
  if (code < 0)
    return code;
  *there = stat(path, &st) == 0 && S_ISREG(st.st_mode);
  if (!*there && errno != ENOENT && errno != ENOTDIR)
    code = error_set_errno("%s", path);
  if (size)
    *size = *there ? (uint64_t)st.st_size : 0;
  free(path);
  return code;
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
  char *path;
  int code = full_path(&path, r, key);
  if (code < 0)
    return code;
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  if (*fd < 0)
    code = error_set_errno("%s", path);
  free(path);
  return code;
}

static int folder_get(remote *r, const char *key, int fd, const remote_io *io)
{
  struct stat st;
  int from, code = folder_open(r, key, &from);
  if (code < 0)
    return code;
  code = copy_file(fd, from, true, key);
  if (code == 0 && io && io->moved && fstat(from, &st) == 0)
    io->moved(io->user, (uint64_t)st.st_size);
  close(from);
  return code;
}

static int make_parent(const char *path)
{
  char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
  int code = folder ? file_make_folders(folder, 0777) : error_nomem();
  free(folder);
  return code;
}

/* Once: the folder of temporary files, without what killed processes left in it. */
static int prepare(folder_remote *f)
{
  char *path;
  int code = 0;
  if (atomic_load_explicit(&f->used, memory_order_acquire))
    return 0;
  pthread_mutex_lock(&f->lock);
  if (!atomic_load(&f->used)) {
    code = asprintf(&path, "%s/" TEMPORARY, f->path) < 0 ? error_nomem() : file_make_folders(path, 0777);
    int fd = code < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
      temporary_tag(f->tag);
      temporary_sweep(fd, f->tag);
      close(fd);
      atomic_store_explicit(&f->used, true, memory_order_release);
    } else if (code == 0)
      code = error_set_errno("%s", path);
    free(path);
  }
  pthread_mutex_unlock(&f->lock);
  return code;
}

static int folder_put(remote *r, const char *key, int fd, uint64_t size, const remote_io *io)
{
  folder_remote *f = (folder_remote *)r;
  char *path, *temporary = NULL, name[TEMPORARY_NAME];
  int code = full_path(&path, r, key);
  if (code == 0)
    code = prepare(f);
  temporary_name(name, f->tag, atomic_fetch_add(&f->next, 1));
  if (code == 0 && asprintf(&temporary, "%s/" TEMPORARY "/%s", f->path, name) < 0)
    code = error_nomem();
  if (code < 0) {
    free(path);
    return code;
  }
  int to = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (to < 0 && errno == ENOENT && (code = make_parent(temporary)) == 0)
    to = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (to < 0)
    code = code < 0 ? code : error_set_errno("%s", temporary);
  if (code == 0)
    code = copy_file(to, fd, true, path);
  if (code == 0)
    fchmod(to, 0444); /* as DVC leaves them; a file system without modes is fine, too */
  if (to >= 0 && close(to) != 0 && code == 0)
    code = error_set_errno("%s", temporary);
  if (code == 0 && rename(temporary, path) != 0) {
    code = errno == ENOENT ? make_parent(path) : error_set_errno("%s", path);
    if (code == 0 && rename(temporary, path) != 0)
      code = error_set_errno("%s", path);
  }
  if (code < 0 && to >= 0)
    unlink(temporary);
  if (code == 0 && io && io->moved)
    io->moved(io->user, size);
  free(temporary);
  free(path);
  return code;
}

static int folder_remove(remote *r, const char *key)
{
  char *path;
  int code = full_path(&path, r, key);
  if (code == 0 && unlink(path) != 0 && errno != ENOENT)
    code = error_set_errno("%s", path);
  free(path);
  return code;
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
  if (!f->path) {
    folder_close(&f->base);
    return error_nomem();
  }
  for (size_t n = strlen(f->path); n > 1 && f->path[n - 1] == '/';)
    f->path[--n] = '\0';
  *out = &f->base;
  return 0;
}
