/* DVC's locks: one file that every command holds (flock, " PID\n" inside; with core.hardlink_lock, for file systems without flock, a file that exists as long as it is held), and a table of paths that
 * running pipelines read and write. */
#include "data/repo.h"

#include "util/clock.h"
#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_SECONDS = 3, LARGEST_TABLE = 16 << 20, LARGEST_CLAIM = 64 * 1024, HOLD_SECONDS = 365 * 24 * 3600 /* DVC's */ };

static int wait_a_little(const repo *r, double start, const char *path, const char *holder)
{
  if (clock_seconds() - start > WAIT_SECONDS && !r->hooks.wait_for_lock)
    return error_set(OPIS_EBUSY, "%s: another opis or DVC (process %s) is at work in this repository; wait for it to end", path, *holder ? holder : "unknown");
  nanosleep(&(struct timespec){0, 50 * 1000 * 1000}, NULL);
  return repo_check_cancelled(r);
}

static int take_flock(repo *r, const char *path)
{
  char pid[32] = "";
  int code = 0;
  r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (r->lock < 0)
    return error_set_errno("%s", path);
  double start = clock_seconds();
  while (code == 0 && flock(r->lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return error_set_errno("%s", path);
    ssize_t n = pread(r->lock, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789 ")] = '\0';
    code = wait_a_little(r, start, path, pid + strspn(pid, " "));
  }
  if (code < 0)
    return code;
  int n = snprintf(pid, sizeof pid, " %ld\n", (long)getpid());
  return pwrite(r->lock, pid, (size_t)n, 0) != n || ftruncate(r->lock, n) != 0 ? error_set_errno("%s", path) : 0;
}

static bool is_process(int64_t n)
{
  return n > 0 && n <= INT_MAX;
}

/* "FOLDER/opis-HOST-PID.lock" and nothing else: the file it names may be taken away. */
long lock_claim_holder(const char *content, const char *mark)
{
  const char *at = NULL;
  char *end;
  for (const char *next = content; (next = strstr(next, mark)); next++)
    at = next + strlen(mark);
  long pid = at && *at >= '1' && *at <= '9' ? strtol(at, &end, 10) : 0;
  return is_process(pid) && strcmp(end, ".lock") == 0 ? pid : 0;
}

/* As DVC does it: a file of our own, whose time says how long it holds, is linked to the lock's name. */
static int take_link(repo *r, const char *path)
{
  char host[256] = "", mark[300];
  int code = 0;
  gethostname(host, sizeof host - 1);
  snprintf(mark, sizeof mark, "/opis-%s-", host);
  if (asprintf(&r->claim, "%s/tmp%s%ld.lock", r->dvc, mark, (long)getpid()) < 0) {
    r->claim = NULL;
    return error_nomem();
  }
  code = file_replace(r->claim, r->claim, strlen(r->claim), 0666, false);
  struct timespec until[2] = {{.tv_sec = time(NULL) + HOLD_SECONDS}, {.tv_sec = time(NULL) + HOLD_SECONDS}};
  if (code == 0 && utimensat(AT_FDCWD, r->claim, until, 0) != 0)
    code = error_set_errno("%s", r->claim);
  double start = clock_seconds();
  while (code == 0 && link(r->claim, path) != 0) {
    char *content = NULL, holder[32] = "";
    size_t n;
    struct stat st;
    if (errno != EEXIST) {
      code = error_set_errno("%s", path);
      break;
    }
    long pid = file_read(&content, &n, path, LARGEST_CLAIM) == 0 ? lock_claim_holder(content, mark) : 0;
    bool dead = pid > 0 && (pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH));
    if (dead || (stat(path, &st) == 0 && st.st_mtime < time(NULL))) {
      unlink(path);
      if (dead && strcmp(content, r->claim) != 0)
        unlink(content);
    } else {
      if (pid)
        snprintf(holder, sizeof holder, "%ld", pid);
      code = wait_a_little(r, start, path, holder);
    }
    free(content);
  }
  if (code < 0) {
    unlink(r->claim);
    free(r->claim);
    r->claim = NULL;
  }
  return code;
}

static int lock_path(char **path, const repo *r)
{
  return asprintf(path, "%s/tmp/lock", r->dvc) < 0 ? error_nomem() : 0;
}

int lock_take(repo *r)
{
  char *folder = NULL, *path = NULL;
  if (asprintf(&folder, "%s/tmp", r->dvc) < 0)
    return error_nomem();
  int code = file_make_folders(folder, 0777);
  free(folder);
  if (code == 0)
    code = lock_path(&path, r);
  if (code == 0)
    code = config_true(&r->config, "core", "hardlink_lock", false) ? take_link(r, path) : take_flock(r, path);
  if (code < 0 && r->lock >= 0) {
    close(r->lock);
    r->lock = -1;
  }
  free(path);
  return code;
}

void lock_release(repo *r)
{
  char *path;
  if (r->lock >= 0)
    close(r->lock); /* takes the flock along */
  r->lock = -1;
  if (r->claim && lock_path(&path, r) == 0) {
    unlink(path);
    unlink(r->claim);
    free(path);
  }
  free(r->claim);
  r->claim = NULL;
}

static const char *holder(const json_t *info, int64_t *pid)
{
  const char *command = json_string_value(json_object_get(info, "cmd"));
  *pid = json_integer_value(json_object_get(info, "pid"));
  bool alive = is_process(*pid) && *pid != getpid() && (kill((pid_t)*pid, 0) == 0 || errno != ESRCH);
  return alive ? (command ? command : "another command") : NULL;
}

static int check_table(const repo *r, const json_t *table, const char *const *rel, size_t n)
{
  const char *path, *command;
  json_t *info;
  int64_t pid;
  json_object_foreach((json_t *)(uintptr_t)table, path, info) for (size_t i = 0; i < n; i++)
  {
    char *absolute;
    if (repo_absolute(&absolute, r, rel[i]) < 0)
      return OPIS_ENOMEM;
    bool same = path_overlaps(absolute, path);
    free(absolute);
    if (!same)
      continue;
    size_t k = json_is_array(info) ? json_array_size(info) : 1;
    for (size_t j = 0; j < k; j++)
      if ((command = holder(json_is_array(info) ? json_array_get(info, j) : info, &pid)))
        return error_set(OPIS_EBUSY, "%s: in use by '%s' (process %ld); wait for it to end", rel[i], command, (long)pid);
  }
  return 0;
}

int lock_check_table(const repo *r, const char *bytes, size_t size, const char *const *rel, size_t n, bool write)
{
  json_t *table = json_loadb(bytes, size, 0, NULL);
  if (!table)
    return 0; /* an unreadable table is DVC's to mend: it holds nobody back there either */
  int code = check_table(r, json_object_get(table, "write"), rel, n);
  if (code == 0 && write)
    code = check_table(r, json_object_get(table, "read"), rel, n);
  json_decref(table);
  return code;
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
  code = lock_check_table(r, bytes, size, rel, n, write);
  free(bytes);
  return code;
}
