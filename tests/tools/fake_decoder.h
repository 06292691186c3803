/* A decoder for tests of the search: its logits are a hash of the row of tokens, in integer and exactly rounded arithmetic, so that another language computes the very same numbers
 * (tests/interop/fake_decoder.py). A case is a JSON object; see run_case. */
#ifndef TESTS_FAKE_DECODER_H
#define TESTS_FAKE_DECODER_H

#include "decode/generate.h"
#include "engine/engine.h"

#include "util/error.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fake_decoder {
  uint32_t seed;
  int vocab;
  float scale, end_bias;
  const generate_options *o;
  int32_t *rows; /* [beams, max_length], twice */
  size_t n;      /* tokens in each row so far */
  int steps, calls;
} fake_decoder;

static inline uint32_t fake_mix(uint32_t h)
{
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

static inline void fake_logits(const fake_decoder *d, float *logits, const int32_t *row, size_t n)
{
  uint32_t h = d->seed;
  for (size_t i = 0; i < n; i++)
    h = fake_mix(h * 31u + (uint32_t)row[i] + 1u);
  for (int v = 0; v < d->vocab; v++) {
    float u = (float)(fake_mix(h ^ ((uint32_t)v * 0x9e3779b1u)) >> 8) * 0x1p-24f;
    logits[v] = u * u * d->scale - 3.0f;
  }
  for (int i = 0; i < d->o->n_eos; i++)
    logits[d->o->eos[i]] += d->end_bias;
}

static inline int fake_step(void *user, float *logits, const int32_t *tokens, size_t n_tokens, const int32_t *source, size_t live)
{
  fake_decoder *d = user;
  size_t beams = (size_t)d->o->beams, width = (size_t)d->o->max_length;
  int32_t *now = d->rows + (d->calls % 2 ? beams * width : 0), *before = d->rows + (d->calls % 2 ? 0 : beams * width);
  d->calls++;
  if (!source) {
    if (live != 1)
      return error_set(OPIS_EINTERNAL, "the first step has %zu beams", live);
    memcpy(now, tokens, n_tokens * sizeof *tokens);
    d->n = n_tokens;
  } else {
    if (n_tokens != live || d->n >= width)
      return error_set(OPIS_EINTERNAL, "a step has %zu tokens for %zu beams", n_tokens, live);
    for (size_t b = 0; b < live; b++) {
      memcpy(now + b * width, before + (size_t)source[b] * width, d->n * sizeof *now);
      now[b * width + d->n] = tokens[b];
    }
    d->n++;
  }
  for (size_t b = 0; b < live; b++)
    fake_logits(d, logits + b * (size_t)d->vocab, now + b * width, d->n);
  return 0;
}

static inline int fake_progress(void *user, const int32_t *row, size_t n, size_t settled)
{
  fake_decoder *d = user;
  (void)row;
  d->steps++;
  return settled <= n && n <= (size_t)d->o->max_length ? 0 : error_set(OPIS_EINTERNAL, "progress tells nonsense");
}

static inline const json_t *fake_rule(const void *user, const char *key)
{
  const json_t *v = json_object_get(user, key);
  return json_is_null(v) ? NULL : v;
}

/* {"seed", "vocab", "scale", "end_bias", "prompt": [], "eos": [], and generate's options by Transformers' names}
 * -> {"sequences": [[]], "scores": [], "beam_indices": [[]]} or {"error": "..."}. */
static inline json_t *run_case(const json_t *c)
{
  int32_t prompt[64], eos[64];
  size_t n_prompt = json_array_size(json_object_get(c, "prompt")), n_eos = json_array_size(json_object_get(c, "eos"));
  for (size_t i = 0; i < n_prompt; i++)
    prompt[i] = (int32_t)json_integer_value(json_array_get(json_object_get(c, "prompt"), i));
  for (size_t i = 0; i < n_eos; i++)
    eos[i] = (int32_t)json_integer_value(json_array_get(json_object_get(c, "eos"), i));
  const json_t *early = json_object_get(c, "early_stopping");
  generate_options o = {.beams = (int)json_integer_value(json_object_get(c, "num_beams")),
    .max_length = (int)json_integer_value(json_object_get(c, "max_length")),
    .min_length = (int)json_integer_value(json_object_get(c, "min_length")),
    .length_penalty = json_number_value(json_object_get(c, "length_penalty")),
    .early_stopping = json_is_string(early) ? 2 : json_is_true(early),
    .no_repeat_ngram = (int)json_integer_value(json_object_get(c, "no_repeat_ngram_size")),
    .repetition_penalty = json_number_value(json_object_get(c, "repetition_penalty")),
    .candidates = (int)json_integer_value(json_object_get(c, "num_return_sequences")),
    .eos = eos,
    .n_eos = (int)n_eos,
    .vocab = (int)json_integer_value(json_object_get(c, "vocab"))};
  fake_decoder d = {.seed = (uint32_t)json_integer_value(json_object_get(c, "seed")),
    .vocab = o.vocab,
    .scale = (float)json_number_value(json_object_get(c, "scale")),
    .end_bias = (float)json_number_value(json_object_get(c, "end_bias")),
    .o = &o,
    .rows = calloc(2 * (size_t)o.beams * (size_t)o.max_length, sizeof(int32_t))};
  arena memory = ARENA_INIT;
  int read = rules_read(&o.rules, &memory, fake_rule, c, eos, (int)n_eos);
  generate_result *results = calloc((size_t)o.beams, sizeof *results);
  size_t n = 0;
  generate_model model = {fake_step, fake_progress, &d};
  int status = read < 0 ? read : d.rows && results ? generate(results, &n, &o, prompt, n_prompt, &model) : OPIS_ENOMEM;
  json_t *out = json_object();
  if (status < 0) {
    json_object_set_new(out, "error", json_string(opis_error_message()));
  } else {
    json_t *sequences = json_array(), *scores = json_array(), *paths = json_array();
    for (size_t i = 0; i < n; i++) {
      json_t *row = json_array(), *path = json_array();
      for (size_t k = 0; k < results[i].n; k++)
        json_array_append_new(row, json_integer(results[i].tokens[k]));
      for (size_t k = n_prompt; k < results[i].n; k++)
        json_array_append_new(path, json_integer(results[i].beam_path[k]));
      json_array_append_new(sequences, row);
      json_array_append_new(paths, path);
      json_array_append_new(scores, json_real(results[i].score));
      generate_result_free(&results[i]);
    }
    json_object_set_new(out, "sequences", sequences);
    json_object_set_new(out, "scores", scores);
    json_object_set_new(out, "beam_indices", paths);
  }
  free(results);
  free(d.rows);
  arena_free(&memory);
  return out;
}

#endif
