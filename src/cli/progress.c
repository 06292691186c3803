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

/* "3 of 10", or of sizes "1.2 MiB of 3.4 MiB". */
static void put_amount(uint64_t done, uint64_t total, bool bytes)
{
  char text[32];
  number(text, sizeof text, (double)done, bytes);
  fputs(text, stderr);
  if (total) {
    number(text, sizeof text, (double)total, bytes);
    fprintf(stderr, " of %s", text);
  }
}

/* The speed, and how long the rest will take. */
static void put_pace(const cli_progress *p, double now, uint64_t done, uint64_t total, bool bytes)
{
  char text[32];
  double passed = now - p->started, rate = (double)done / passed;
  if (passed < 0.05) /* nothing is known yet */
    return;
  number(text, sizeof text, rate, bytes);
  fprintf(stderr, ", %s/s", text);
  if (!total || rate <= 0 || total < done)
    return;
  unsigned long long left = (unsigned long long)((double)(total - done) / rate + 0.5);
  if (left >= 3600)
    fprintf(stderr, ", %llu:%02llu:%02llu left", left / 3600, left / 60 % 60, left % 60);
  else
    fprintf(stderr, ", %llu:%02llu left", left / 60, left % 60);
}

/* Whether it is time to draw again; then the line is begun. */
static bool begin(cli_progress *p, double now, bool complete)
{
  if (now - p->last < 0.1 && !complete)
    return false;
  p->last = now;
  p->drawn = true;
  fprintf(stderr, "\r\033[K%s: ", p->what);
  return true;
}

void cli_progress_update(cli_progress *p, uint64_t done, uint64_t failed)
{
  if (!p)
    return;
  pthread_mutex_lock(&p->lock);
  double now = clock_seconds();
  if (begin(p, now, done + failed == p->total)) {
    put_amount(done, p->total, p->bytes);
    fputs(" done", stderr);
    if (failed)
      fprintf(stderr, ", %llu failed", (unsigned long long)failed);
    put_pace(p, now, done + failed, p->total, p->bytes);
    fflush(stderr);
  }
  pthread_mutex_unlock(&p->lock);
}

void cli_progress_files(cli_progress *p, uint64_t files, uint64_t of_files, uint64_t bytes, uint64_t of_bytes)
{
  if (!p)
    return;
  pthread_mutex_lock(&p->lock);
  double now = clock_seconds();
  if (begin(p, now, false)) { /* of thousands of targets each has an end */
    if (files || of_files) {
      put_amount(files, of_files, false);
      fputs((of_files ? of_files : files) == 1 ? " file" : " files", stderr);
    }
    if (bytes || of_bytes) {
      fputs(files || of_files ? ", " : "", stderr);
      put_amount(bytes, of_bytes, true);
    }
    if (of_bytes || (bytes && !of_files)) /* the rest is told by what is known: files, when it is not how large they all are */
      put_pace(p, now, bytes, of_bytes, true);
    else
      put_pace(p, now, files, of_files, false);
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
