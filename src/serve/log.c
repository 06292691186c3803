/* The access log: one JSON object a line. Queries, file names and texts stay out of it: they are the users'. */
#include "serve/server.h"

#include "util/error.h"
#include "util/file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct access_log {
  pthread_mutex_t lock;
  bool is_on; /* as it was opened: read without the lock */
  char *path; /* NULL: a descriptor that is not ours */
  int fd;     /* -1: none; changed under the lock */
};

static int open_log(const char *path)
{
  return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

int access_log_open(access_log **out, const char *where)
{
  access_log *log = calloc(1, sizeof *log);
  if (!log)
    return error_nomem();
  pthread_mutex_init(&log->lock, NULL);
  log->fd = -1;
  if (strcmp(where, "-") == 0)
    log->fd = STDOUT_FILENO;
  else if (strcmp(where, "none") != 0) {
    log->path = strdup(where);
    log->fd = open_log(where);
    if (!log->path || log->fd < 0) {
      int status = error_set_errno("%s", where);
      access_log_free(log);
      return status;
    }
  }
  log->is_on = log->fd >= 0;
  *out = log;
  return 0;
}

void access_log_reopen(access_log *log)
{
  pthread_mutex_lock(&log->lock);
  int fd = log->path ? open_log(log->path) : -1;
  if (fd >= 0) {
    close(log->fd);
    log->fd = fd;
  }
  pthread_mutex_unlock(&log->lock);
}

void access_log_free(access_log *log)
{
  if (!log)
    return;
  if (log->path && log->fd >= 0)
    close(log->fd);
  pthread_mutex_destroy(&log->lock);
  free(log->path);
  free(log);
}

void access_log_write(access_log *log, const request *r, double seconds)
{
  char when[64];
  struct timespec now;
  struct tm tm;
  if (!log->is_on)
    return;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &tm);
  size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(when + n, sizeof when - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
  strbuf path = STRBUF_INIT, agent = STRBUF_INIT;
  const char *a = request_header(r, "User-Agent");
  strbuf_put_utf8(&path, r->path, strnlen(r->path, 256));
  strbuf_put_utf8(&agent, a ? a : "", a ? strnlen(a, 256) : 0);
  json_t *o = json_pack("{s:s s:s s:s s:s s:s s:i s:I s:I s:f s:i s:s}", "time", when, "id", r->id, "client", r->client, "method", r->method, "path", path.s ? path.s : "",
    "status", (int)r->status, "bytes_in", (json_int_t)r->received, "bytes_out", (json_int_t)r->sent, "ms", (double)(long long)(seconds * 1e5) / 100, "pictures", r->pictures,
    "agent", agent.s ? agent.s : "");
  char *line = o ? json_text(o) : NULL;
  if (line) {
    size_t length = strlen(line);
    line[length] = '\n'; /* in the place of the NUL: one write, so that lines of two processes do not mix */
    pthread_mutex_lock(&log->lock);
    if (write(log->fd, line, length + 1) < 0) {
      /* a full disk must not stop the server */
    }
    pthread_mutex_unlock(&log->lock);
  }
  free(line);
  json_decref(o);
  strbuf_free(&path);
  strbuf_free(&agent);
}
