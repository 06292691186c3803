/* Generation settings: where Transformers finds them, and what it takes for granted (GenerationConfig of 4.57). */
#include "engine/engine.h"

#include "util/error.h"

#include <math.h>
#include <string.h>

/* Transformers' defaults: a document that says the same says nothing, and the next one is asked. */
static bool is_usual(const char *key, const json_t *v)
{
  static const struct {
    const char *key;
    double value;
  } usual[] = {{"max_length", GENERATION_USUAL_LENGTH}, {"min_length", 0}, {"num_beams", 1}, {"no_repeat_ngram_size", 0}, {"length_penalty", 1}, {"repetition_penalty", 1},
    {"num_return_sequences", 1}};
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
    if (strcmp(usual[i].key, key) == 0)
      return json_is_number(v) && json_number_value(v) == usual[i].value;
  return strcmp(key, "early_stopping") == 0 && json_is_false(v);
}

/* The first of the model's documents that has something to say of the key. */
static const json_t *setting(const captioner *m, const char *key)
{
  const json_t *same = NULL;
  for (size_t i = 0; i < sizeof m->settings / sizeof *m->settings; i++) {
    const json_t *v = json_object_get(m->settings[i], key);
    if (v && !json_is_null(v) && !is_usual(key, v))
      return v;
    if (v && !json_is_null(v))
      same = v;
  }
  return same;
}

static int wrong(const char *key)
{
  return error_set(OPIS_EFORMAT, "generation settings: %s: not a value that opis knows", key);
}

static int read_int(int *out, const captioner *m, const char *key, int min, int max)
{
  const json_t *v = setting(m, key);
  if (!v)
    return 0;
  if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
    return wrong(key);
  *out = (int)json_integer_value(v);
  return 0;
}

static int read_number(double *out, const captioner *m, const char *key)
{
  const json_t *v = setting(m, key);
  if (!v)
    return 0;
  if (!json_is_number(v) || !isfinite(json_number_value(v)))
    return wrong(key);
  *out = json_number_value(v);
  return 0;
}

static int read_early_stopping(int *out, const captioner *m)
{
  const json_t *v = setting(m, "early_stopping");
  if (!v)
    return 0;
  if (json_is_boolean(v))
    *out = json_is_true(v) ? OPIS_EARLY_STOPPING_TRUE : OPIS_EARLY_STOPPING_FALSE;
  else if (json_is_string(v) && strcmp(json_string_value(v), "never") == 0)
    *out = OPIS_EARLY_STOPPING_NEVER;
  else
    return wrong("early_stopping");
  return 0;
}

/* One id or a list of them. */
static int read_ends(generation *g, const captioner *m)
{
  const json_t *v = setting(m, "eos_token_id");
  g->search.n_eos = 0;
  if (m->end_token >= 0) {
    g->ends[g->search.n_eos++] = m->end_token;
    return 0;
  }
  size_t n = json_is_array(v) ? json_array_size(v) : v ? 1 : 0;
  if (n > ENGINE_MAX_ENDS)
    return wrong("eos_token_id");
  for (size_t i = 0; i < n; i++) {
    const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= m->text.vocab)
      return wrong("eos_token_id");
    g->ends[g->search.n_eos++] = (int32_t)json_integer_value(id);
  }
  return 0;
}

static int read_start(generation *g, const captioner *m)
{
  int start = m->start_token;
  int code = start >= 0 ? 0 : read_int(&start, m, "decoder_start_token_id", 0, INT32_MAX);
  if (code == 0 && start < 0)
    code = read_int(&start, m, "bos_token_id", 0, INT32_MAX);
  if (code == 0 && (start < 0 || start >= m->text.vocab))
    code = error_set(OPIS_EFORMAT, "generation settings: decoder_start_token_id: %s", start < 0 ? "missing, and so is bos_token_id" : "outside the vocabulary");
  g->start = start;
  return code;
}

/* Settings that would change the words and that opis does not do: better refused than passed over. */
static int refuse_unknown(const captioner *m)
{
  static const char *const keys[] = {"force_words_ids", "constraints", "stop_strings", "guidance_scale", "penalty_alpha", "dola_layers", "diversity_penalty", "num_beam_groups",
    "watermarking_config", "encoder_repetition_penalty", "encoder_no_repeat_ngram_size"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const json_t *v = setting(m, keys[i]);
    bool off = !v || json_is_false(v) || (json_is_number(v) && (json_number_value(v) == 0 || json_number_value(v) == 1));
    bool of_words = strncmp(keys[i], "encoder_", 8) == 0 && !m->takes_prompt; /* a picture repeats no words: Transformers passes these over */
    if (!off && !of_words)
      return error_set(OPIS_EUNSUPPORTED, "generation settings: %s: opis does not do that", keys[i]);
  }
  return 0;
}

static const json_t *rule(const void *user, const char *key)
{
  return setting(user, key);
}

int generation_read(generation *g, arena *memory, const captioner *m)
{
  *g = (generation){.search = {.beams = 1,
                      .max_length = GENERATION_USUAL_LENGTH,
                      .length_penalty = 1.0,
                      .early_stopping = OPIS_EARLY_STOPPING_FALSE,
                      .repetition_penalty = 1.0,
                      .candidates = 1,
                      .vocab = m->text.vocab}};
  generate_options *o = &g->search;
  int code = refuse_unknown(m);
  if (code == 0)
    code = read_int(&o->beams, m, "num_beams", 1, 64);
  if (code == 0)
    code = read_int(&o->max_length, m, "max_length", 1, GENERATE_MAX_LENGTH);
  if (code == 0)
    code = read_int(&o->min_length, m, "min_length", 0, GENERATE_MAX_LENGTH);
  if (code == 0)
    code = read_int(&o->no_repeat_ngram, m, "no_repeat_ngram_size", 0, GENERATE_MAX_LENGTH);
  if (code == 0)
    code = read_number(&o->length_penalty, m, "length_penalty");
  if (code == 0)
    code = read_number(&o->repetition_penalty, m, "repetition_penalty");
  if (code == 0 && !(o->repetition_penalty > 0))
    code = wrong("repetition_penalty");
  if (code == 0)
    code = read_early_stopping(&o->early_stopping, m);
  if (code == 0)
    code = read_ends(g, m);
  if (code == 0)
    code = read_int(&o->candidates, m, "num_return_sequences", 1, 64);
  if (code == 0 && o->candidates > o->beams)
    code = error_set(OPIS_EFORMAT, "generation settings: num_return_sequences: %d is more than the %d beams", o->candidates, o->beams);
  if (code == 0)
    code = rules_read(&o->rules, memory, rule, m, g->ends, o->n_eos);
  return code == 0 ? read_start(g, m) : code;
}

static int outside(const char *option, long value, long min, long max)
{
  return error_set(OPIS_EINVALID, "%s: %ld is outside %ld..%ld", option, value, min, max);
}

int generation_apply(generation *g, const opis_model *model, const opis_options *o)
{
  generate_options *s = &g->search;
  *g = model->generation;
  s->eos = g->ends;
  if (!o)
    return 0;
  if (o->version != OPIS_OPTIONS_VERSION)
    return error_set(OPIS_EINVALID, "options: version %u; begin with OPIS_OPTIONS_INIT", o->version);
  if (o->beams < 0 || o->beams > 64)
    return outside("beams", o->beams, 1, 64);
  if (o->beams)
    s->beams = o->beams;
  if (o->max_length < 0 || o->max_length > GENERATE_MAX_LENGTH)
    return outside("max_length", o->max_length, 1, GENERATE_MAX_LENGTH);
  if (o->max_length)
    s->max_length = o->max_length;
  if (o->min_length < -1 || o->min_length > GENERATE_MAX_LENGTH)
    return outside("min_length", o->min_length, 0, GENERATE_MAX_LENGTH);
  if (o->min_length >= 0)
    s->min_length = o->min_length;
  if (!isnan(o->length_penalty))
    s->length_penalty = o->length_penalty;
  if (!isnan(o->repetition_penalty)) {
    if (!(o->repetition_penalty > 0) || isinf(o->repetition_penalty))
      return error_set(OPIS_EINVALID, "repetition_penalty: %g is not above 0", o->repetition_penalty);
    s->repetition_penalty = o->repetition_penalty;
  }
  if (o->early_stopping < OPIS_EARLY_STOPPING_MODEL || o->early_stopping > OPIS_EARLY_STOPPING_NEVER)
    return outside("early_stopping", o->early_stopping, -1, 2);
  if (o->early_stopping != OPIS_EARLY_STOPPING_MODEL)
    s->early_stopping = o->early_stopping;
  if (o->no_repeat_ngram < -1 || o->no_repeat_ngram > GENERATE_MAX_LENGTH)
    return outside("no_repeat_ngram", o->no_repeat_ngram, 0, GENERATE_MAX_LENGTH);
  if (o->no_repeat_ngram >= 0)
    s->no_repeat_ngram = o->no_repeat_ngram;
  if (o->candidates < 0 || o->candidates > s->beams)
    return error_set(OPIS_EINVALID, "candidates: %d is not 1 to the number of beams, %d", o->candidates, s->beams);
  if (o->candidates)
    s->candidates = o->candidates;
  else if (s->candidates > s->beams)
    s->candidates = s->beams;
  if (o->prompt && *o->prompt && !model->captioner.takes_prompt)
    return error_set(OPIS_EINVALID, "prompt: a model of the family %s takes none", model->captioner.family);
  return 0;
}
