/* One picture alone is read and decoded while the model is being opened. */
#include "cli/describe.h"

#include "util/clock.h"
#include "util/cpus.h"
#include "util/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct describe_ahead {
  const char *path;
  const opis_image_options *options;
  pthread_t thread;
  bool elsewhere, joined;
  cpu_set_t own;
  atomic_bool ready;
  describe_loaded loaded;
};

void describe_load(describe_loaded *l, const char *path, const opis_image_options *options)
{
  double started = clock_seconds();
  l->code = opis_image_open_file(&l->image, path, options);
  if (l->code < 0) {
    l->image = NULL;
    l->message = strdup(opis_error_message());
  }
  l->decode_ms = (clock_seconds() - started) * 1e3;
}

static void *load(void *user)
{
  describe_ahead *a = user;
  if (a->elsewhere)
    cpus_anywhere(&a->own);
  describe_load(&a->loaded, a->path, a->options);
  a->ready = true;
  return NULL;
}

/* Whatever speaks against it, the picture is read when its turn comes. A pipe or a device may let wait, and is left alone until the model is there. */
describe_ahead *describe_ahead_start(const char *path, const opis_image_options *options)
{
  struct stat st;
  if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
    return NULL;
  describe_ahead *a = calloc(1, sizeof *a);
  if (!a)
    return NULL;
  a->path = path;
  a->options = options;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  a->elsewhere = cpus_elsewhere(&attributes, &a->own);
  int failed = pthread_create(&a->thread, &attributes, load, a);
  pthread_attr_destroy(&attributes);
  if (failed) {
    free(a);
    return NULL;
  }
  return a;
}

static void join(describe_ahead *a)
{
  if (!a->joined)
    pthread_join(a->thread, NULL);
  a->joined = true;
}

bool describe_ahead_is_ready(const describe_ahead *a)
{
  return a && a->ready;
}

bool describe_ahead_take(describe_ahead *a, describe_loaded *l, const char *path)
{
  if (!a || strcmp(a->path, path) != 0)
    return false;
  join(a);
  *l = a->loaded;
  a->loaded = (describe_loaded){0};
  a->path = ""; /* once */
  return true;
}

void describe_ahead_free(describe_ahead *a)
{
  if (!a)
    return;
  join(a);
  opis_image_free(a->loaded.image);
  free(a->loaded.message);
  free(a);
}
