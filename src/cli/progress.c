/* The progress line. */
#include "cli/cli.h"

#include "util/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct cli_progress {
  pthread_mutex_t lock;
  const char *what;
  uint64_t total;
  bool bytes, drawn;
  double started, last;
};

static void number(char *s, size_t size, double v, bool bytes)
{
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int u = 0;
  if (!bytes) {
    snprintf(s, size, v < 100 && v != (double)(uint64_t)v ? "%.1f" : "%.0f", v);
    return;
  }
  while (v >= 1024 && u < 4) {
    v /= 1024;
    u++;
  }
  snprintf(s, size, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

cli_progress *cli_progress_new(const char *what, uint64_t total, bool bytes)
{
  if (!isatty(STDERR_FILENO))
    return NULL;
  cli_progress *p = calloc(1, sizeof *p);
  if (!p)
    return NULL;
  pthread_mutex_init(&p->lock, NULL);
  p->what = what;
  p->total = total;
  p->bytes = bytes;
  p->started = clock_seconds();
  return p;
}

void cli_progress_update(cli_progress *p, uint64_t done, uint64_t failed)
{
  if (!p)
    return;
  pthread_mutex_lock(&p->lock);
  double now = clock_seconds();
  if (now - p->last >= 0.1 || done + failed == p->total) {
    char d[32], t[32], r[32];
    double passed = now - p->started, rate = passed > 0 ? (double)(done + failed) / passed : 0;
    p->last = now;
    p->drawn = true;
    number(d, sizeof d, (double)done, p->bytes);
    number(t, sizeof t, (double)p->total, p->bytes);
    number(r, sizeof r, rate, p->bytes);
    fprintf(stderr, "\r\033[K%s: %s", p->what, d);
    if (p->total)
      fprintf(stderr, " of %s", t);
    fputs(" done", stderr);
    if (failed)
      fprintf(stderr, ", %llu failed", (unsigned long long)failed);
    fprintf(stderr, ", %s/s", r);
    if (p->total && rate > 0 && p->total >= done + failed) {
      uint64_t left = (uint64_t)((double)(p->total - done - failed) / rate + 0.5);
      if (left >= 3600)
        fprintf(stderr, ", %llu:%02llu:%02llu left", (unsigned long long)(left / 3600), (unsigned long long)(left / 60 % 60), (unsigned long long)(left % 60));
      else
        fprintf(stderr, ", %llu:%02llu left", (unsigned long long)(left / 60), (unsigned long long)(left % 60));
    }
    fflush(stderr);
  }
  pthread_mutex_unlock(&p->lock);
}

void cli_progress_clear(cli_progress *p)
{
  if (!p)
    return;
  pthread_mutex_lock(&p->lock);
  if (p->drawn)
    fputs("\r\033[K", stderr);
  p->drawn = false;
  pthread_mutex_unlock(&p->lock);
}

void cli_progress_free(cli_progress *p)
{
  if (!p)
    return;
  cli_progress_clear(p);
  pthread_mutex_destroy(&p->lock);
  free(p);
}
