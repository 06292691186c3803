/* A stand-in for the engine behind opis/describe.h: deterministic words, slow or broken on demand, so that tests can fill queues and walk away.
 * OPIS_FAKE_MS: milliseconds a token. A picture that is 13 pixels wide fails; a prompt is put before the words. */
#include <opis/opis.h>

#include "util/clock.h"
#include "util/error.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const words[] = {"a", "small", "picture", "with", "nothing", "on", "it"};
enum { WORDS = sizeof words / sizeof *words, GRID = 4 };

struct opis_model {
  char name[128];
  int threads;
};

struct opis_description {
  char text[2][5000]; /* the second one longer by a word */
  int candidates, width, height;
  bool attention;
  int32_t tokens[WORDS + 2];
  float weights[WORDS + 2][GRID * GRID];
};

static long setting(const char *name)
{
  const char *value = getenv(name);
  return value ? strtol(value, NULL, 10) : 0;
}

static void pause_ms(long ms)
{
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&t, NULL);
}

int opis_model_open(opis_model **model, const char *name, const opis_model_options *options)
{
  pause_ms(setting("OPIS_FAKE_LOAD_MS"));
  if (name && strcmp(name, "missing") == 0)
    return error_set(OPIS_ENOTFOUND, "missing: no such model");
  if (!(*model = calloc(1, sizeof **model)))
    return error_nomem();
  (*model)->threads = options ? options->threads : 0;
  const char *usual = getenv("OPIS_MODEL"); /* as the library */
  snprintf((*model)->name, sizeof(*model)->name, "%s", name ? name : usual ? usual : "fake");
  return 0;
}

void opis_model_free(opis_model *model)
{
  free(model);
}

const char *opis_model_name(const opis_model *model)
{
  return model->name;
}

const char *opis_model_family(const opis_model *model)
{
  return strstr(model->name, "prompt") ? "git" : "vit-gpt2";
}

const char *opis_model_sha256(const opis_model *model)
{
  (void)model;
  return "0000000000000000000000000000000000000000000000000000000000000000";
}

int opis_model_precision(const opis_model *model)
{
  (void)model;
  return OPIS_PRECISION_F32;
}

uint64_t opis_model_parameters(const opis_model *model)
{
  return 12345 + (uint64_t)model->threads; /* so that a test sees the setting */
}

int opis_model_takes_prompt(const opis_model *model)
{
  return strstr(model->name, "prompt") != NULL;
}

int opis_model_threads(const opis_model *model)
{
  (void)model;
  return 1;
}

int opis_options_check(const opis_model *model, const opis_options *o)
{
  int beams = o->beams ? o->beams : 4;
  if (o->candidates > beams)
    return error_set(OPIS_EINVALID, "candidates: %d is more than beams (%d)", o->candidates, beams);
  if (o->max_length > 512)
    return error_set(OPIS_EINVALID, "max_length: more than the model's 512 places");
  if (o->prompt && !opis_model_takes_prompt(model))
    return error_set(OPIS_EINVALID, "prompt: this model's family takes none");
  return 0;
}

static int describe(opis_description **out, size_t index, const opis_image *image, const opis_options *o, double until)
{
  opis_description *d = calloc(1, sizeof *d);
  if (!d)
    return error_nomem();
  d->width = opis_image_width(image);
  d->height = opis_image_height(image);
  d->candidates = o->candidates ? o->candidates : 1;
  d->attention = o->attention != 0;
  int status = d->width == 13 ? error_set(OPIS_EINTERNAL, "unlucky picture") : 0;
  int n = snprintf(d->text[0], sizeof d->text[0], "%s%s", o->prompt ? o->prompt : "", o->prompt ? " " : "");
  for (int t = 0; t < WORDS && status == 0; t++) {
    pause_ms(setting("OPIS_FAKE_MS"));
    n += snprintf(d->text[0] + n, sizeof d->text[0] - (size_t)n, "%s%s", t ? " " : "", words[t]);
    d->tokens[t + 1] = t + 1;
    for (int i = 0; i < GRID * GRID; i++)
      d->weights[t + 1][i] = i == (t * 5) % (GRID * GRID) ? 0.5f : 0.5f / (GRID * GRID);
    if (o->partial)
      o->partial(o->user, index, d->text[0]);
    if (o->settled) { /* beams agree on all but the last word */
      char *last = o->beams == 1 ? NULL : strrchr(d->text[0], ' '), kept = last ? *last : '\0';
      if (last)
        *last = '\0';
      o->settled(o->user, index, d->text[0]);
      if (last)
        *last = kept;
    }
    if (o->cancelled && o->cancelled(o->user))
      status = error_set(OPIS_ECANCELLED, "cancelled");
    else if (clock_seconds() > until)
      status = error_set(OPIS_ETIMEOUT, "too slow");
  }
  snprintf(d->text[1], sizeof d->text[1], "another %.4900s", d->text[0]);
  if (status < 0) {
    free(d);
    return status;
  }
  *out = d;
  return 0;
}

int opis_describe_images(opis_description **out, opis_model *model, const opis_image *const *images, size_t n, const opis_options *options)
{
  double until = options->timeout > 0 ? clock_seconds() + options->timeout : INFINITY;
  (void)model;
  for (size_t i = 0; i < n; i++) {
    int status = describe(&out[i], i, images[i], options, until);
    if (status < 0) {
      while (i--)
        opis_description_free(out[i]);
      return status;
    }
  }
  return 0;
}

int opis_describe_image(opis_description **out, opis_model *model, const opis_image *image, const opis_options *options)
{
  return opis_describe_images(out, model, &image, 1, options);
}

void opis_description_free(opis_description *d)
{
  free(d);
}

const char *opis_description_text(const opis_description *d)
{
  return d->text[0];
}

size_t opis_description_candidates(const opis_description *d)
{
  return (size_t)d->candidates;
}

const char *opis_description_candidate_text(const opis_description *d, size_t i)
{
  return d->text[i ? 1 : 0];
}

double opis_description_candidate_score(const opis_description *d, size_t i)
{
  (void)d;
  return -0.25 - 0.125 * (double)i;
}

const int32_t *opis_description_candidate_tokens(const opis_description *d, size_t i, size_t *n)
{
  (void)i;
  *n = WORDS + 2;
  return d->tokens;
}

const char *opis_description_token_text(const opis_description *d, size_t i, size_t token)
{
  static const char *const texts[] = {"", "a", " small", " picture", " with", " nothing", " on", " it", ""};
  (void)d;
  (void)i;
  return texts[token];
}

const float *opis_description_attention(const opis_description *d, size_t i, size_t token, int *grid_width, int *grid_height)
{
  (void)i;
  *grid_width = *grid_height = GRID;
  return d->attention && token > 0 ? d->weights[token] : NULL;
}

int opis_description_width(const opis_description *d)
{
  return d->width;
}

int opis_description_height(const opis_description *d)
{
  return d->height;
}

opis_timing opis_description_timing(const opis_description *d)
{
  (void)d;
  return (opis_timing){0, 1, 2};
}
