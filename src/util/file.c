#include "util/file.h"

#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int file_read_fd(char **bytes, size_t *size, int fd, const char *what, uint64_t max)
{
  struct stat st;
  size_t capacity = 64 * 1024, n = 0;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
    if ((uint64_t)st.st_size > max)
      return error_set(OPIS_ELIMIT, "%s: %lld bytes, more than the limit of %llu", what, (long long)st.st_size, (unsigned long long)max);
    capacity = (size_t)st.st_size + 2;
  } else if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
    return error_set(OPIS_EIO, "%s: is a folder", what);
  char *buffer = malloc(capacity);
  if (!buffer)
    return error_nomem();
  for (;;) {
    if (n + 1 >= capacity) {
      if (n > max)
        break;
      char *larger = realloc(buffer, capacity *= 2);
      if (!larger) {
        free(buffer);
        return error_nomem();
      }
      buffer = larger;
    }
    ssize_t got = read(fd, buffer + n, capacity - 1 - n);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      int code = error_set_errno("%s", what);
      free(buffer);
      return code;
    }
    if (got == 0)
      break;
    n += (size_t)got;
  }
  if (n > max) {
    free(buffer);
    return error_set(OPIS_ELIMIT, "%s: more than the limit of %llu bytes", what, (unsigned long long)max);
  }
  buffer[n] = '\0';
  *bytes = buffer;
  *size = n;
  return 0;
}

int file_read(char **bytes, size_t *size, const char *path, uint64_t max)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return error_set_errno("%s", path);
  int code = file_read_fd(bytes, size, fd, path, max);
  close(fd);
  return code;
}

int file_map_open(file_map *map, const char *path)
{
  *map = (file_map){NULL, 0};
  int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0;
  struct stat st;
  if (fd < 0)
    return error_set_errno("%s", path);
  if (fstat(fd, &st) != 0)
    code = error_set_errno("%s", path);
  else if (!S_ISREG(st.st_mode))
    code = error_set(OPIS_EIO, "%s: not a regular file", path);
  else if (st.st_size > 0) {
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
      code = error_set_errno("%s", path);
    else
      *map = (file_map){p, (size_t)st.st_size};
  }
  close(fd);
  return code;
}

void file_map_close(file_map *map)
{
  if (map->data)
    munmap((void *)(uintptr_t)map->data, map->size);
  *map = (file_map){NULL, 0};
}

void file_map_passed(const file_map *map, size_t begin, size_t end)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  begin -= begin % page;
  end = end < map->size ? end - end % page : map->size;
  if (begin < end)
    madvise((void *)(uintptr_t)(map->data + begin), end - begin, MADV_DONTNEED);
}

int file_append(strbuf *to, const char *path, uint64_t max)
{
  char *bytes;
  size_t n;
  int code = file_read(&bytes, &n, path, max);
  if (code < 0)
    return code;
  strbuf_append(to, bytes, n);
  free(bytes);
  return strbuf_check(to) < 0 ? error_nomem() : 0;
}

int file_write_all(int fd, const void *bytes, size_t size, const char *what)
{
  const char *p = bytes;
  while (size > 0) {
    ssize_t put = write(fd, p, size);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return error_set_errno("%s", what);
    p += put;
    size -= (size_t)put;
  }
  return 0;
}

/* A device or a pipe is written, not replaced: a rename over /dev/null would take it from the whole machine. Files in memory (/dev/shm) are ordinary ones. */
static bool is_written_in_place(const char *path)
{
  struct stat st;
  return (strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0) || (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

int file_replace_open(file_replacement *r, const char *path, mode_t mode)
{
  *r = (file_replacement){-1, strdup(path), NULL};
  if (r->path && is_written_in_place(path)) {
    r->fd = open(path, O_WRONLY | O_CLOEXEC);
    if (r->fd >= 0)
      return 0;
    int code = error_set_errno("%s", path);
    free(r->path);
    return code;
  }
  if (!r->path || asprintf(&r->temporary, "%s.XXXXXX.tmp", path) < 0) {
    free(r->path);
    return error_nomem();
  }
  r->fd = mkostemps(r->temporary, 4, O_CLOEXEC);
  if (r->fd < 0) {
    int code = error_set_errno("%s", path);
    free(r->path);
    free(r->temporary);
    return code;
  }
  mode_t mask = umask(0);
  umask(mask);
  struct stat st;
  fchmod(r->fd, stat(path, &st) == 0 ? (st.st_mode & 07777) : (mode & ~mask));
  return 0;
}

static int sync_folder_of(const char *path)
{
  const char *slash = strrchr(path, '/');
  char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
  if (!folder)
    return error_nomem();
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = 0;
  if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL && errno != EROFS))
    code = error_set_errno("%s", folder);
  if (fd >= 0)
    close(fd);
  free(folder);
  return code;
}

int file_replace_commit(file_replacement *r, bool sync)
{
  int code = 0;
  if (sync && r->temporary && fsync(r->fd) != 0)
    code = error_set_errno("%s", r->path);
  if (close(r->fd) != 0 && code == 0)
    code = error_set_errno("%s", r->path);
  r->fd = -1;
  if (!r->temporary) {
    free(r->path);
    return code;
  }
  if (code == 0 && rename(r->temporary, r->path) != 0)
    code = error_set_errno("%s", r->path);
  if (code < 0)
    unlink(r->temporary);
  else if (sync)
    code = sync_folder_of(r->path);
  free(r->path);
  free(r->temporary);
  return code;
}

void file_replace_abort(file_replacement *r)
{
  if (r->fd >= 0)
    close(r->fd);
  if (r->temporary)
    unlink(r->temporary);
  free(r->path);
  free(r->temporary);
  *r = (file_replacement){-1, NULL, NULL};
}

int file_replace(const char *path, const void *bytes, size_t size, mode_t mode, bool sync)
{
  file_replacement r;
  int code = file_replace_open(&r, path, mode);
  if (code < 0)
    return code;
  code = file_write_all(r.fd, bytes, size, path);
  if (code < 0) {
    file_replace_abort(&r);
    return code;
  }
  return file_replace_commit(&r, sync);
}

char *file_behind(const char *path)
{
  struct stat st;
  char *real = lstat(path, &st) == 0 && S_ISLNK(st.st_mode) ? realpath(path, NULL) : NULL;
  if (!real && !(real = strdup(path)))
    error_nomem();
  return real;
}

int file_make_folders(const char *path, mode_t mode)
{
  if (file_is_folder(path))
    return 0;
  char *copy = strdup(path);
  if (!copy)
    return error_nomem();
  int code = 0;
  for (char *p = copy + 1; code == 0; p++) {
    if (*p != '/' && *p != '\0')
      continue;
    char kept = *p;
    *p = '\0';
    if (mkdir(copy, mode) != 0 && errno != EEXIST)
      code = error_set_errno("%s", copy);
    *p = kept;
    if (!kept)
      break;
  }
  if (code == 0 && !file_is_folder(path))
    code = error_set(OPIS_EEXISTS, "%s: exists and is no folder", path);
  free(copy);
  return code;
}

bool file_is_folder(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_exists(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0;
}

int path_join(char **joined, const char *folder, const char *name)
{
  size_t n = strlen(folder);
  int made = name[0] == '/' || n == 0 ? asprintf(joined, "%s", name) : asprintf(joined, "%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
  return made < 0 ? error_nomem() : 0;
}

char *file_account_home(void)
{
  struct passwd entry, *p = NULL;
  char text[4096];
  return strdup(getpwuid_r(getuid(), &entry, text, sizeof text, &p) == 0 && p ? p->pw_dir : "/");
}

char *file_home(void)
{
  const char *home = getenv("HOME");
  return home && *home ? strdup(home) : file_account_home();
}
