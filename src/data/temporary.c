#include "data/temporary.h"

#include "data/md5.h"
#include "util/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OLD = 2 * 24 * 3600 };

void temporary_tag(char tag[TEMPORARY_TAG])
{
  char text[256] = "", hex[MD5_HEX];
  uint8_t md5[MD5_SIZE];
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, text, 64), m;
  if (fd >= 0)
    close(fd);
  n = n < 0 ? 0 : n;
  m = readlink("/proc/self/ns/pid", text + n, sizeof text - 64);
  md5_bytes(md5, text, (size_t)(n + (m < 0 ? 0 : m)));
  md5_to_hex(hex, md5);
  memcpy(tag, hex, TEMPORARY_TAG - 1);
  tag[TEMPORARY_TAG - 1] = '\0';
}

void temporary_name(char name[TEMPORARY_NAME], const char *tag, unsigned n)
{
  snprintf(name, TEMPORARY_NAME, "%s-%ld-%u", tag, (long)getpid(), n);
}

static bool stale(int folder, const char *name, const char *tag)
{
  struct stat st;
  size_t n = TEMPORARY_TAG - 1;
  if (strncmp(name, tag, n) == 0 && name[n] == '-') {
    long pid = strtol(name + n + 1, NULL, 10);
    return pid > 0 && (pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH));
  }
  return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - st.st_mtim.tv_sec > OLD;
}

void temporary_sweep(int folder, const char *tag)
{
  int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
  if (!d) {
    if (fd >= 0)
      close(fd);
    return;
  }
  for (struct dirent *e; (e = readdir(d));)
    if (e->d_name[0] != '.' && stale(folder, e->d_name, tag))
      unlinkat(folder, e->d_name, 0);
  closedir(d);
}

int temporary_nameless(int at, const char *folder, mode_t mode)
{
  int fd = openat(at, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
  if (fd < 0 && (errno == EISDIR || errno == EINVAL)) /* what kernels and file systems say that have never heard of it */
    errno = EOPNOTSUPP;
  return fd;
}

bool temporary_link(int fd, int at, const char *name)
{
  char self[40];
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, self, at, name, AT_SYMLINK_FOLLOW) == 0;
}

/* Renaming works inside of one mount only; two of one file system are two. */
static bool one_mount(const char *a, const char *b)
{
  struct statx x, y;
  if (statx(AT_FDCWD, a, 0, STATX_INO | STATX_MNT_ID, &x) != 0 || statx(AT_FDCWD, b, 0, STATX_INO | STATX_MNT_ID, &y) != 0)
    return false;
  bool told = (x.stx_mask & STATX_MNT_ID) && (y.stx_mask & STATX_MNT_ID);
  return x.stx_dev_major == y.stx_dev_major && x.stx_dev_minor == y.stx_dev_minor && (!told || x.stx_mnt_id == y.stx_mnt_id);
}

int temporary_replace_open(file_replacement *f, const char *path, const char *folder, mode_t mode)
{
  const char *slash = strrchr(path, '/');
  char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup("."), tag[TEMPORARY_TAG];
  if (!parent)
    return error_nomem();
  int code = file_make_folders(folder, 0777);
  bool together = code == 0 && one_mount(parent, folder);
  free(parent);
  if (code < 0)
    return code;
  if (!together)
    return file_replace_open(f, path, mode);
  *f = (file_replacement){-1, strdup(path), NULL};
  temporary_tag(tag);
  if (!f->path || asprintf(&f->temporary, "%s/%s-%ld-XXXXXX", folder, tag, (long)getpid()) < 0) {
    free(f->path);
    return error_nomem();
  }
  f->fd = mkostemps(f->temporary, 0, O_CLOEXEC);
  if (f->fd < 0) {
    code = error_set_errno("%s", path);
    free(f->path);
    free(f->temporary);
    return code;
  }
  mode_t mask = umask(0);
  umask(mask);
  struct stat st;
  fchmod(f->fd, stat(path, &st) == 0 ? (st.st_mode & 07777) : (mode & ~mask));
  return 0;
}

int temporary_replace(const char *path, const char *folder, const void *bytes, size_t n, bool sync)
{
  file_replacement f;
  int code = temporary_replace_open(&f, path, folder, 0666);
  if (code < 0)
    return code;
  code = file_write_all(f.fd, bytes, n, path);
  if (code < 0) {
    file_replace_abort(&f);
    return code;
  }
  return file_replace_commit(&f, sync);
}
