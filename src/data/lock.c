/* DVC's locks: one file that every command holds (flock, " PID\n" inside), and a table of paths that running pipelines read and write. */
#include "data/repo.h"

#include "util/clock.h"
#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_SECONDS = 3, LARGEST_TABLE = 16 << 20 };

int lock_take(repo *r)
{
  char *folder = NULL, *path = NULL, pid[32] = "";
  int code = 0;
  if (asprintf(&folder, "%s/tmp", r->dvc) < 0 || asprintf(&path, "%s/tmp/lock", r->dvc) < 0)
    return error_nomem();
  code = file_make_folders(folder, 0777);
  r->lock = code < 0 ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (code == 0 && r->lock < 0)
    code = error_set_errno("%s", path);
  double start = clock_seconds();
  while (code == 0 && flock(r->lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      code = error_set_errno("%s", path);
    else if (clock_seconds() - start > WAIT_SECONDS) {
      ssize_t n = pread(r->lock, pid, sizeof pid - 1, 0);
      pid[n > 0 ? n : 0] = '\0';
      pid[strspn(pid, "0123456789 ")] = '\0';
      code = error_set(OPIS_EBUSY, "%s: another opis or DVC (process %s) is at work in this repository; wait for it to end", path, pid[0] ? pid : "unknown");
    } else
      nanosleep(&(struct timespec){0, 50 * 1000 * 1000}, NULL);
    if (code == 0 && repo_cancelled(r))
      code = repo_check_cancelled(r);
  }
  if (code == 0) {
    int n = snprintf(pid, sizeof pid, " %ld\n", (long)getpid());
    if (pwrite(r->lock, pid, (size_t)n, 0) != n || ftruncate(r->lock, n) != 0)
      code = error_set_errno("%s", path);
  }
  if (code < 0 && r->lock >= 0) {
    close(r->lock);
    r->lock = -1;
  }
  free(folder);
  free(path);
  return code;
}

void lock_release(repo *r)
{
  if (r->lock >= 0)
    close(r->lock); /* takes the flock along */
  r->lock = -1;
}

static bool overlap(const char *a, const char *b)
{
  size_t m = strlen(a), n = strlen(b), k = m < n ? m : n;
  return memcmp(a, b, k) == 0 && (m == n || (m > n ? a[k] : b[k]) == '/' || k == 0);
}

static const char *holder(const json_t *info, long *pid)
{
  const char *command = json_string_value(json_object_get(info, "cmd"));
  *pid = (long)json_integer_value(json_object_get(info, "pid"));
  bool alive = *pid > 0 && *pid != getpid() && (kill((pid_t)*pid, 0) == 0 || errno != ESRCH);
  return alive ? (command ? command : "another command") : NULL;
}

static int check_table(const repo *r, const json_t *table, const char *const *rel, size_t n)
{
  const char *path, *command;
  json_t *info;
  long pid;
  json_object_foreach((json_t *)(uintptr_t)table, path, info) for (size_t i = 0; i < n; i++)
  {
    char *absolute;
    if (repo_absolute(&absolute, r, rel[i]) < 0)
      return OPIS_ENOMEM;
    bool same = overlap(absolute, path);
    free(absolute);
    if (!same)
      continue;
    size_t k = json_is_array(info) ? json_array_size(info) : 1;
    for (size_t j = 0; j < k; j++)
      if ((command = holder(json_is_array(info) ? json_array_get(info, j) : info, &pid)))
        return error_set(OPIS_EBUSY, "%s: in use by '%s' (process %ld); wait for it to end", rel[i], command, pid);
  }
  return 0;
}

int lock_check_paths(const repo *r, const char *const *rel, size_t n, bool write)
{
  char *path, *bytes;
  size_t size;
  if (asprintf(&path, "%s/tmp/rwlock", r->dvc) < 0)
    return error_nomem();
  int code = file_read(&bytes, &size, path, LARGEST_TABLE);
  free(path);
  if (code < 0)
    return code == OPIS_ENOTFOUND ? 0 : code;
  json_t *table = json_loadb(bytes, size, 0, NULL);
  free(bytes);
  if (!table)
    return 0; /* an unreadable table is DVC's to mend: it holds nobody back there either */
  code = check_table(r, json_object_get(table, "write"), rel, n);
  if (code == 0 && write)
    code = check_table(r, json_object_get(table, "read"), rel, n);
  json_decref(table);
  return code;
}
