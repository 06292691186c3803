/* A disk that fails, or a process that dies, at one chosen moment: preloaded into opis by tests/data/test_faults.py. Every call that changes the file system counts.
 *
 * FAULT=count           does nothing but count; the number is written to the file that FAULT_COUNT names
 * FAULT=kill:N          the N-th call (from 1) is never made: SIGKILL
 * FAULT=half:N          the same, but a write has put half of its bytes down before
 * FAULT=EIO:N           the N-th call fails once
 * FAULT=ENOSPC:N        from the N-th on, whatever needs room fails
 *
 * FAULT_NAMES=1 beside one of these: the file system knows no files without a name (O_TMPFILE), as NFS does not */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* The real functions' addresses, looked up where they are needed: no header may have declared the macro-named variants. */
#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))(uintptr_t)dlsym(RTLD_NEXT, name))

static atomic_ulong calls;
static unsigned long at;
static enum { OFF, COUNT, KILL, HALF, FAIL_EIO, FAIL_ENOSPC } mode;
static char count_path[4096];
static bool names_only;

__attribute__((constructor)) static void begin(void)
{
  const char *fault = getenv("FAULT"), *colon = fault ? strchr(fault, ':') : NULL, *path = getenv("FAULT_COUNT");
  if (!fault)
    return;
  at = colon ? strtoul(colon + 1, NULL, 10) : 0;
  mode = strncmp(fault, "kill", 4) == 0 ? KILL
    : strncmp(fault, "half", 4) == 0    ? HALF
    : strncmp(fault, "EIO", 3) == 0     ? FAIL_EIO
    : strncmp(fault, "ENOSPC", 6) == 0  ? FAIL_ENOSPC
                                        : COUNT;
  names_only = getenv("FAULT_NAMES") != NULL;
  snprintf(count_path, sizeof count_path, "%s", path ? path : "");
  unsetenv("FAULT"); /* programs that opis starts are not under test */
  unsetenv("LD_PRELOAD");
}

__attribute__((destructor)) static void end(void)
{
  char text[32];
  if (mode == OFF || !count_path[0])
    return;
  int n = snprintf(text, sizeof text, "%lu", atomic_load(&calls)), fd = REAL(int, "open", const char *, int, ...)(count_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd >= 0 && REAL(ssize_t, "write", int, const void *, size_t)(fd, text, (size_t)n) == n)
    close(fd);
}

static void die(void)
{
  kill(getpid(), SIGKILL);
  for (;;)
    pause();
}

/* Whether this call fails, errno set; may not come back. */
static bool fails(bool needs_room)
{
  if (mode == OFF)
    return false;
  unsigned long n = atomic_fetch_add(&calls, 1) + 1;
  if ((mode == KILL || mode == HALF) && n == at)
    die();
  if ((mode == FAIL_EIO && n == at) || (mode == FAIL_ENOSPC && n >= at && needs_room)) {
    errno = mode == FAIL_EIO ? EIO : ENOSPC;
    return true;
  }
  return false;
}

static bool is_output(int fd)
{
  return fd >= 0 && fd <= 2;
}

static ssize_t put(int fd, const void *bytes, size_t n, off_t where, bool positioned)
{
  ssize_t (*write_)(int, const void *, size_t) = REAL(ssize_t, "write", int, const void *, size_t);
  ssize_t (*pwrite_)(int, const void *, size_t, off_t) = REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
  if (!is_output(fd)) {
    if (mode == HALF && n > 1 && atomic_load(&calls) + 1 == at) {
      ssize_t some = positioned ? pwrite_(fd, bytes, n / 2, where) : write_(fd, bytes, n / 2);
      (void)some;
    }
    if (fails(true))
      return -1;
  }
  return positioned ? pwrite_(fd, bytes, n, where) : write_(fd, bytes, n);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
  return put(fd, bytes, n, 0, false);
}
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t where)
{
  return put(fd, bytes, n, where, true);
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t where)
{
  return put(fd, bytes, n, where, true);
}

static bool makes(int flags)
{
  return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

static bool writes(int flags)
{
  return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
}

#define OPEN(name)                                                                                                                                                                 \
  int name(const char *path, int flags, ...)                                                                                                                                       \
  {                                                                                                                                                                                \
    va_list a;                                                                                                                                                                     \
    va_start(a, flags);                                                                                                                                                            \
    mode_t m = makes(flags) ? (mode_t)va_arg(a, int) : 0;                                                                                                                          \
    va_end(a);                                                                                                                                                                     \
    if (writes(flags) && strncmp(path, "/dev/", 5) != 0 && fails(makes(flags)))                                                                                                    \
      return -1;                                                                                                                                                                   \
    return REAL(int, #name, const char *, int, ...)(path, flags, m);                                                                                                               \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                                                                               \
  int name(int folder, const char *path, int flags, ...)                                                                                                                           \
  {                                                                                                                                                                                \
    va_list a;                                                                                                                                                                     \
    va_start(a, flags);                                                                                                                                                            \
    mode_t m = makes(flags) ? (mode_t)va_arg(a, int) : 0;                                                                                                                          \
    va_end(a);                                                                                                                                                                     \
    if ((flags & O_TMPFILE) == O_TMPFILE && names_only) {                                                                                                                          \
      errno = EOPNOTSUPP;                                                                                                                                                          \
      return -1;                                                                                                                                                                   \
    }                                                                                                                                                                              \
    if (writes(flags) && fails(makes(flags)))                                                                                                                                      \
      return -1;                                                                                                                                                                   \
    return REAL(int, #name, int, const char *, int, ...)(folder, path, flags, m);                                                                                                  \
  }
OPENAT(openat)
OPENAT(openat64)

int ioctl(int fd, unsigned long request, ...)
{
  va_list a;
  va_start(a, request);
  void *argument = va_arg(a, void *);
  va_end(a);
  if (request == 0x40049409 /* FICLONE */ && fails(true))
    return -1;
  return REAL(int, "ioctl", int, unsigned long, ...)(fd, request, argument);
}

/* The others are all alike: the arguments go through. */
#define CALL(result, name, room, parameters, ...)                                                                                                                                  \
  result name parameters                                                                                                                                                           \
  {                                                                                                                                                                                \
    if (fails(room))                                                                                                                                                               \
      return -1;                                                                                                                                                                   \
    return ((result(*) parameters)(uintptr_t)dlsym(RTLD_NEXT, #name))(__VA_ARGS__);                                                                                                \
  }
CALL(int, creat, true, (const char *path, mode_t m), path, m)
CALL(int, mkostemps, true, (char *template, int suffix, int flags), template, suffix, flags)
CALL(int, mkostemps64, true, (char *template, int suffix, int flags), template, suffix, flags)
CALL(int, rename, true, (const char *from, const char *to), from, to)
CALL(int, renameat, true, (int a, const char *from, int b, const char *to), a, from, b, to)
CALL(int, renameat2, true, (int a, const char *from, int b, const char *to, unsigned flags), a, from, b, to, flags)
CALL(int, link, true, (const char *from, const char *to), from, to)
CALL(int, linkat, true, (int a, const char *from, int b, const char *to, int flags), a, from, b, to, flags)
CALL(int, symlink, true, (const char *to, const char *path), to, path)
CALL(int, symlinkat, true, (const char *to, int folder, const char *path), to, folder, path)
CALL(int, unlink, false, (const char *path), path)
CALL(int, unlinkat, false, (int folder, const char *path, int flags), folder, path, flags)
CALL(int, mkdir, true, (const char *path, mode_t m), path, m)
CALL(int, mkdirat, true, (int folder, const char *path, mode_t m), folder, path, m)
CALL(int, rmdir, false, (const char *path), path)
CALL(int, ftruncate, false, (int fd, off_t n), fd, n)
CALL(int, ftruncate64, false, (int fd, off64_t n), fd, n)
CALL(int, fallocate, true, (int fd, int how, off_t from, off_t n), fd, how, from, n)
CALL(int, fallocate64, true, (int fd, int how, off64_t from, off64_t n), fd, how, from, n)
CALL(int, chmod, false, (const char *path, mode_t m), path, m)
CALL(int, fchmod, false, (int fd, mode_t m), fd, m)
CALL(int, fchmodat, false, (int folder, const char *path, mode_t m, int flags), folder, path, m, flags)
CALL(ssize_t, copy_file_range, true, (int from, off64_t *a, int to, off64_t *b, size_t n, unsigned flags), from, a, to, b, n, flags)
CALL(int, fsync, true, (int fd), fd)
CALL(int, fdatasync, true, (int fd), fd)
CALL(int, syncfs, true, (int fd), fd)
CALL(int, utimensat, false, (int folder, const char *path, const struct timespec t[2], int flags), folder, path, t, flags)
CALL(int, futimens, false, (int fd, const struct timespec t[2]), fd, t)
