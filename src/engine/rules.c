/* The rarer generation settings, from JSON. */
#include "engine/engine.h"

#include "util/error.h"

#include <math.h>
#include <string.h>

enum { MAX_IDS = 1 << 20, MAX_BIASES = 4096 };

typedef struct reader {
  arena *memory;
  const json_t *(*get)(const void *user, const char *key);
  const void *user;
} reader;

static int wrong(const char *key)
{
  return error_set(OPIS_EFORMAT, "generation settings: %s: not a value that opis knows", key);
}

/* One id or a list of them. Negative ones, which some files hold, name no token. */
static int read_ids(const int32_t **out, size_t *n, const reader *r, const json_t *v, const char *key)
{
  size_t size = json_is_array(v) ? json_array_size(v) : 1;
  *n = 0;
  if (size > MAX_IDS)
    return wrong(key);
  int32_t *ids = arena_calloc(r->memory, size + 1, sizeof *ids);
  if (!ids)
    return OPIS_ENOMEM;
  for (size_t i = 0; i < size; i++) {
    const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
    if (!json_is_integer(id) || json_integer_value(id) > INT32_MAX)
      return wrong(key);
    if (json_integer_value(id) >= 0)
      ids[(*n)++] = (int32_t)json_integer_value(id);
  }
  *out = ids;
  return 0;
}

/* Of equal runs the last one counts, as in a dictionary. */
static void drop_equal(generate_bias *runs, size_t *n)
{
  size_t kept = 0;
  for (size_t i = 0; i < *n; i++) {
    bool again = false;
    for (size_t j = i + 1; j < *n && !again; j++)
      again = runs[i].n == runs[j].n && memcmp(runs[i].ids, runs[j].ids, runs[i].n * sizeof *runs[i].ids) == 0;
    if (!again)
      runs[kept++] = runs[i];
  }
  *n = kept;
}

/* [[id, ...], ...], or [[[id, ...], bias], ...]. */
static int read_runs(const generate_bias **out, size_t *n, const reader *r, const char *key, bool with_bias)
{
  const json_t *v = r->get(r->user, key);
  size_t size = json_array_size(v);
  if (!v)
    return 0;
  if (!json_is_array(v) || size == 0 || size > (with_bias ? MAX_BIASES : MAX_IDS))
    return wrong(key);
  generate_bias *runs = arena_calloc(r->memory, size, sizeof *runs);
  if (!runs)
    return OPIS_ENOMEM;
  for (size_t i = 0; i < size; i++) {
    const json_t *item = json_array_get(v, i), *ids = with_bias ? json_array_get(item, 0) : item, *bias = json_array_get(item, 1);
    if (!json_is_array(ids) || json_array_size(ids) == 0 || (with_bias && !json_is_number(bias)))
      return wrong(key);
    int code = read_ids(&runs[i].ids, &runs[i].n, r, ids, key);
    if (code < 0)
      return code;
    if (runs[i].n != json_array_size(ids))
      return wrong(key);
    runs[i].bias = with_bias ? (float)json_number_value(bias) : -INFINITY;
  }
  *out = runs;
  *n = size;
  if (with_bias)
    drop_equal(runs, n);
  return 0;
}

static int read_lists(generate_rules *rules, const reader *r)
{
  const struct {
    const char *key;
    const int32_t **ids;
    size_t *n;
  } lists[] = {{"forced_eos_token_id", &rules->last, &rules->n_last}, {"suppress_tokens", &rules->suppressed, &rules->n_suppressed},
    {"begin_suppress_tokens", &rules->not_first, &rules->n_not_first}};
  int code = 0;
  for (size_t i = 0; i < sizeof lists / sizeof *lists && code == 0; i++) {
    const json_t *v = r->get(r->user, lists[i].key);
    if (v)
      code = read_ids(lists[i].ids, lists[i].n, r, v, lists[i].key);
  }
  return code;
}

/* A word that is nothing but an end token is not forbidden. */
static void keep_ends(generate_rules *rules, const int32_t *ends, int n_ends)
{
  generate_bias *words = (generate_bias *)(uintptr_t)rules->bad_words; /* just made, and not shared yet */
  size_t n = 0;
  for (size_t i = 0; i < rules->n_bad_words; i++) {
    bool end = false;
    for (int e = 0; e < n_ends; e++)
      end |= words[i].n == 1 && words[i].ids[0] == ends[e];
    if (!end)
      words[n++] = words[i];
  }
  rules->n_bad_words = n;
}

int rules_read(const generate_rules **out, arena *memory, const json_t *(*get)(const void *user, const char *key), const void *user, const int32_t *ends, int n_ends)
{
  const reader r = {memory, get, user};
  generate_rules *rules = arena_calloc(memory, 1, sizeof *rules);
  *out = NULL;
  if (!rules)
    return OPIS_ENOMEM;
  rules->first = -1;
  int code = read_runs(&rules->biases, &rules->n_biases, &r, "sequence_bias", true);
  if (code == 0)
    code = read_runs(&rules->bad_words, &rules->n_bad_words, &r, "bad_words_ids", false);
  if (code == 0)
    code = read_lists(rules, &r);
  if (code < 0)
    return code;
  keep_ends(rules, ends, n_ends);
  const json_t *first = get(user, "forced_bos_token_id"), *decay = get(user, "exponential_decay_length_penalty"), *again = get(user, "renormalize_logits");
  if (first && (!json_is_integer(first) || json_integer_value(first) < 0 || json_integer_value(first) > INT32_MAX))
    return wrong("forced_bos_token_id");
  if (first)
    rules->first = (int32_t)json_integer_value(first);
  if (decay) {
    const json_t *start = json_array_get(decay, 0), *factor = json_array_get(decay, 1);
    if (json_array_size(decay) != 2 || !json_is_integer(start) || json_integer_value(start) < 0 || json_integer_value(start) > GENERATE_MAX_LENGTH || !json_is_number(factor) ||
      !(json_number_value(factor) > 0))
      return wrong("exponential_decay_length_penalty");
    rules->decay_start = (int)json_integer_value(start);
    rules->decay = json_number_value(factor);
  }
  if (again && !json_is_boolean(again))
    return wrong("renormalize_logits");
  rules->renormalize = json_is_true(again);
  bool any = rules->n_biases || rules->n_bad_words || rules->first >= 0 || rules->n_last || rules->decay > 0 || rules->n_suppressed || rules->n_not_first || rules->renormalize;
  *out = any ? rules : NULL;
  return 0;
}
