/* One picture alone is read and decoded while the model is being opened. */
#include "cli/describe.h"

#include "util/clock.h"
#include "util/error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct describe_ahead {
  const char *path;
  const opis_image_options *options;
  pthread_t thread;
  bool joined;
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
  describe_load(&a->loaded, a->path, a->options);
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
  if (pthread_create(&a->thread, NULL, load, a) != 0) {
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
