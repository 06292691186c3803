#include "decode/generate.h"

#include "decode/logits.h"
#include "util/error.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A row of tokens with, beside each generated one, the beam that chose it. */
typedef struct row {
  int32_t *tokens, *path; /* [max_length] each */
  size_t n;
  float score; /* running rows: sum of log-probabilities; finished ones: after the length penalty */
} row;

struct search {
  generate_options o;
  int32_t *eos;
  size_t beams, vocab, n_prompt, max_length, keep;
  row *rows;                      /* [3 x beams]: what the three below divide among themselves */
  row *running, *next, *finished; /* [beams] each; `next` is where the new state is built */
  size_t live, n_finished;
  logits_candidate *best; /* [keep] */
  int32_t *tokens;        /* [max(n_prompt, beams)]: what is fed next */
  int32_t *source;        /* [beams] */
  bool first, done;
  double log_sum; /* greedy: sum of the chosen tokens' log-probabilities */
  int32_t *memory;
};

/* --- options --- */

static int check_options(const generate_options *o, const int32_t *prompt, size_t n_prompt)
{
  if (o->vocab < 2)
    return error_set(OPIS_EINVALID, "vocabulary: %d tokens are too few", o->vocab);
  if (o->beams < 1 || o->beams > GENERATE_MAX_BEAMS)
    return error_set(OPIS_EINVALID, "beams: %d is outside 1 to %d", o->beams, GENERATE_MAX_BEAMS);
  if (o->max_length < 1 || o->max_length > GENERATE_MAX_LENGTH)
    return error_set(OPIS_EINVALID, "max_length: %d is outside 1 to %d", o->max_length, GENERATE_MAX_LENGTH);
  if (o->min_length < 0)
    return error_set(OPIS_EINVALID, "min_length: %d is negative", o->min_length);
  if (o->candidates < 1 || o->candidates > o->beams)
    return error_set(OPIS_EINVALID, "candidates: %d is outside 1 to beams (%d)", o->candidates, o->beams);
  if (!isfinite(o->length_penalty))
    return error_set(OPIS_EINVALID, "length_penalty: not a finite number");
  if (!isfinite(o->repetition_penalty) || o->repetition_penalty <= 0)
    return error_set(OPIS_EINVALID, "repetition_penalty: must be above 0");
  if (o->no_repeat_ngram < 0)
    return error_set(OPIS_EINVALID, "no_repeat_ngram: %d is negative", o->no_repeat_ngram);
  if (o->early_stopping < 0 || o->early_stopping > 2)
    return error_set(OPIS_EINVALID, "early_stopping: %d is none of its values", o->early_stopping);
  if (o->n_eos < 0 || o->n_eos > 1024)
    return error_set(OPIS_EINVALID, "end tokens: %d of them are too many", o->n_eos);
  if (n_prompt < 1 || n_prompt >= (size_t)o->max_length)
    return error_set(OPIS_EINVALID, "max_length: %d leaves no room behind a prompt of %zu tokens", o->max_length, n_prompt);
  for (size_t i = 0; i < n_prompt; i++)
    if (prompt[i] < 0 || prompt[i] >= o->vocab)
      return error_set(OPIS_EINVALID, "prompt: token %d is outside the vocabulary of %d", prompt[i], o->vocab);
  return 0;
}

static int check_ids(const char *what, const int32_t *ids, size_t n, int vocab)
{
  for (size_t i = 0; i < n; i++)
    if (ids[i] < 0 || ids[i] >= vocab)
      return error_set(OPIS_EINVALID, "%s: token %d is outside the vocabulary of %d", what, ids[i], vocab);
  return 0;
}

static int check_biases(const char *what, const generate_bias *biases, size_t n, int vocab)
{
  int status = 0;
  for (size_t i = 0; i < n && status == 0; i++)
    status = biases[i].n ? check_ids(what, biases[i].ids, biases[i].n, vocab) : error_set(OPIS_EINVALID, "%s: a run of no tokens", what);
  return status;
}

static int check_rules(const generate_rules *r, int vocab)
{
  int status = check_biases("sequence_bias", r->biases, r->n_biases, vocab);
  if (status == 0)
    status = check_biases("bad_words_ids", r->bad_words, r->n_bad_words, vocab);
  if (status == 0 && r->first >= 0)
    status = check_ids("forced_bos_token_id", &r->first, 1, vocab);
  if (status == 0)
    status = check_ids("forced_eos_token_id", r->last, r->n_last, vocab);
  if (status == 0 && (!isfinite(r->decay) || r->decay < 0))
    status = error_set(OPIS_EINVALID, "exponential_decay_length_penalty: must be above 0");
  return status;
}

int search_new(search **out, const generate_options *options, const int32_t *prompt, size_t n_prompt)
{
  *out = NULL;
  int status = check_options(options, prompt, n_prompt);
  if (status == 0 && options->rules)
    status = check_rules(options->rules, options->vocab);
  if (status < 0)
    return status;
  search *s = calloc(1, sizeof *s);
  if (!s)
    return error_nomem();
  s->o = *options;
  s->beams = (size_t)options->beams;
  s->vocab = (size_t)options->vocab;
  s->n_prompt = n_prompt;
  s->max_length = (size_t)options->max_length;
  s->keep = (size_t)(options->n_eos > 1 ? 1 + options->n_eos : 2) * s->beams;

  size_t n_eos = (size_t)options->n_eos, n_rows = 3 * s->beams, feed = n_prompt > s->beams ? n_prompt : s->beams;
  s->rows = calloc(n_rows, sizeof *s->rows);
  s->best = calloc(s->keep, sizeof *s->best);
  s->memory = malloc((n_rows * 2 * s->max_length + n_eos + feed + s->beams) * sizeof *s->memory);
  if (!s->rows || !s->best || !s->memory) {
    search_free(s);
    return error_nomem();
  }
  int32_t *p = s->memory;
  for (size_t i = 0; i < n_rows; i++) {
    s->rows[i].tokens = p;
    s->rows[i].path = p + s->max_length;
    p += 2 * s->max_length;
  }
  s->running = s->rows;
  s->next = s->running + s->beams;
  s->finished = s->next + s->beams;
  s->eos = p;
  s->tokens = s->eos + n_eos;
  s->source = s->tokens + feed;
  if (n_eos)
    memcpy(s->eos, options->eos, n_eos * sizeof *s->eos);
  s->o.eos = s->eos;

  memcpy(s->running[0].tokens, prompt, n_prompt * sizeof *prompt);
  for (size_t i = 0; i < n_prompt; i++)
    s->running[0].path[i] = -1;
  s->running[0].n = n_prompt;
  memcpy(s->tokens, prompt, n_prompt * sizeof *prompt);
  s->live = 1;
  s->first = true;
  *out = s;
  return 0;
}

void search_free(search *s)
{
  if (!s)
    return;
  free(s->rows);
  free(s->best);
  free(s->memory);
  free(s);
}

bool search_done(const search *s)
{
  return s->done;
}

search_input search_feed(const search *s)
{
  return s->first ? (search_input){s->tokens, s->n_prompt, NULL, 1} : (search_input){s->tokens, s->live, s->source, s->live};
}

/* --- one step --- */

static bool is_end(const search *s, int32_t token)
{
  for (int i = 0; i < s->o.n_eos; i++)
    if (s->eos[i] == token)
      return true;
  return false;
}

static void add_biases(float *x, const row *r, const generate_bias *biases, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    const generate_bias *b = &biases[i];
    size_t before = b->n - 1;
    if (b->n == 1 || (b->n <= r->n && memcmp(r->tokens + r->n - before, b->ids, before * sizeof *b->ids) == 0))
      x[b->ids[before]] += b->bias;
  }
}

/* What stands behind min_length in Transformers' order. */
static void process_late(const search *s, float *x, const row *r)
{
  const generate_rules *rules = s->o.rules;
  if (rules->first >= 0 && r->n == 1)
    logits_only(x, s->vocab, &rules->first, 1);
  if (rules->n_last && r->n + 1 == s->max_length)
    logits_only(x, s->vocab, rules->last, rules->n_last);
  if (rules->decay > 0 && r->n > s->n_prompt + (size_t)rules->decay_start) {
    float more = (float)(pow(rules->decay, (double)(r->n - s->n_prompt - (size_t)rules->decay_start)) - 1);
    for (int i = 0; i < s->o.n_eos; i++)
      if (x[s->eos[i]] > -INFINITY)
        x[s->eos[i]] += fabsf(x[s->eos[i]]) * more;
  }
  if (rules->n_suppressed)
    logits_forbid(x, s->vocab, rules->suppressed, (int)rules->n_suppressed);
  if (rules->n_not_first && r->n == s->n_prompt + (s->n_prompt == 1 && rules->first >= 0))
    logits_forbid(x, s->vocab, rules->not_first, (int)rules->n_not_first);
  if (rules->renormalize)
    logits_log_softmax(x, s->vocab); /* all -inf stays so, and is found when a token is chosen */
}

static void process(const search *s, float *x, const row *r)
{
  const generate_rules *rules = s->o.rules;
  if (rules)
    add_biases(x, r, rules->biases, rules->n_biases);
  if (s->o.repetition_penalty != 1.0)
    logits_repetition_penalty(x, r->tokens, r->n, (float)s->o.repetition_penalty);
  if (s->o.no_repeat_ngram > 0)
    logits_no_repeat_ngram(x, r->tokens, r->n, (size_t)s->o.no_repeat_ngram);
  if (rules)
    add_biases(x, r, rules->bad_words, rules->n_bad_words);
  if (s->o.min_length > 0 && r->n < (size_t)s->o.min_length)
    logits_forbid(x, s->vocab, s->eos, s->o.n_eos);
  if (rules)
    process_late(s, x, r);
}

static void row_copy(row *to, const row *from)
{
  memcpy(to->tokens, from->tokens, from->n * sizeof *from->tokens);
  memcpy(to->path, from->path, from->n * sizeof *from->path);
  to->n = from->n;
  to->score = from->score;
}

static void row_extend(row *to, const row *from, int32_t token, int32_t beam, float score)
{
  row_copy(to, from);
  to->tokens[to->n] = token;
  to->path[to->n] = beam;
  to->n++;
  to->score = score;
}

static int not_numbers(void)
{
  return error_set(OPIS_EFORMAT, "model: its logits are no finite numbers, or the options forbid every token");
}

static int advance_greedy(search *s, float *logits)
{
  row *r = &s->running[0];
  process(s, logits, r);
  int64_t token = logits_argmax(logits, s->vocab);
  if (token < 0)
    return not_numbers();
  s->log_sum += (double)logits_log_softmax_at(logits, s->vocab, (size_t)token);
  r->tokens[r->n] = (int32_t)token;
  r->path[r->n] = 0;
  r->n++;
  s->tokens[0] = (int32_t)token;
  s->source[0] = 0;
  s->done = r->n >= s->max_length || is_end(s, (int32_t)token);
  if (s->done) {
    row_copy(&s->finished[0], r);
    s->finished[0].score = (float)(s->log_sum / (double)(r->n - s->n_prompt));
    s->n_finished = 1;
    s->live = 0;
  }
  return 0;
}

/* Puts a finished row among the best `beams`: behind those that are as good, as they came before. */
static void finish(search *s, const row *from, const logits_candidate *c, float score)
{
  size_t at = s->n_finished;
  while (at > 0 && s->finished[at - 1].score < score)
    at--;
  if (at == s->beams)
    return;
  size_t last = s->n_finished < s->beams ? s->n_finished++ : s->beams - 1;
  row spare = s->finished[last];
  memmove(&s->finished[at + 1], &s->finished[at], (last - at) * sizeof *s->finished);
  s->finished[at] = spare;
  row_extend(&s->finished[at], from, c->token, c->beam, score);
}

/* G^length_penalty as the float32 a float32 tensor is divided by. */
static float length_divisor(const search *s, size_t generated)
{
  return (float)pow((double)generated, s->o.length_penalty);
}

typedef struct scoring {
  const search *s;
  float *logits;
  atomic_bool failed;
} scoring;

static void run_scores(void *user, size_t begin, size_t end, int thread)
{
  scoring *j = user;
  (void)thread;
  for (size_t b = begin; b < end; b++) {
    float *x = j->logits + b * j->s->vocab;
    if (logits_log_softmax(x, j->s->vocab) < 0)
      j->failed = true;
    else
      process(j->s, x, &j->s->running[b]);
  }
}

static int advance_beams(search *s, float *logits, pool *threads)
{
  enum { WORTH = 4096 }; /* logits: some microseconds' work */
  size_t n = 0, length = s->running[0].n;
  scoring j = {.s = s, .logits = logits};
  pool_for(threads, s->live, 1 + (WORTH - 1) / s->vocab, run_scores, &j);
  if (j.failed)
    return not_numbers();
  for (size_t b = 0; b < s->live; b++)
    logits_top(s->best, &n, s->keep, logits + b * s->vocab, s->vocab, s->running[b].score, (int32_t)b);
  bool full = length + 1 >= s->max_length;
  float divisor = length_divisor(s, length + 1 - s->n_prompt);
  size_t live = 0;
  for (size_t i = 0; i < n; i++) {
    const logits_candidate *c = &s->best[i];
    const row *from = &s->running[c->beam];
    if (full || is_end(s, c->token)) {
      if (i < s->beams) /* the ranks behind are only there so that enough unfinished ones are among them */
        finish(s, from, c, c->value / divisor);
    } else if (live < s->beams) {
      row_extend(&s->next[live], from, c->token, c->beam, c->value);
      s->tokens[live] = c->token;
      s->source[live] = c->beam;
      live++;
    }
  }
  row *swap = s->running;
  s->running = s->next;
  s->next = swap;
  s->live = live;
  s->done = live == 0;
  if (s->done && s->n_finished == 0)
    return not_numbers();
  if (!s->done && s->n_finished == s->beams) {
    size_t generated = length + 1 - s->n_prompt;
    size_t reach = s->o.early_stopping == 2 && s->o.length_penalty > 0 ? s->max_length - s->n_prompt : generated;
    bool improvable = s->running[0].score / length_divisor(s, reach) > s->finished[s->beams - 1].score;
    s->done = s->o.early_stopping == 1 || !improvable;
  }
  return 0;
}

int search_advance(search *s, float *logits, pool *threads)
{
  if (s->done)
    return error_set(OPIS_EINTERNAL, "search: advanced behind its end");
  int status = s->beams == 1 ? advance_greedy(s, logits) : advance_beams(s, logits, threads);
  s->first = false;
  if (status < 0)
    s->done = true;
  return status;
}

/* --- results --- */

static size_t common_prefix(size_t n, const row *a, const row *b)
{
  size_t i = 0;
  while (i < n && i < b->n && a->tokens[i] == b->tokens[i])
    i++;
  return i;
}

void search_best(const search *s, const int32_t **tokens, size_t *n, size_t *settled)
{
  const row *best = s->live > 0 ? &s->running[0] : &s->finished[0];
  if (s->n_finished > 0 && s->live > 0 && s->finished[0].score >= best->score / length_divisor(s, best->n > s->n_prompt ? best->n - s->n_prompt : 1))
    best = &s->finished[0];
  if (s->done && s->n_finished > 0)
    best = &s->finished[0];
  *tokens = best->tokens;
  *n = *settled = best->n;
  if (s->done)
    return;
  for (size_t b = 0; b < s->live; b++)
    *settled = common_prefix(*settled, best, &s->running[b]);
  for (size_t b = 0; b < s->n_finished; b++)
    *settled = common_prefix(*settled, best, &s->finished[b]);
}

int search_results(generate_result *results, size_t *n_results, const search *s)
{
  *n_results = 0;
  if (!s->done)
    return error_set(OPIS_EINTERNAL, "search: asked for results before its end");
  size_t wanted = (size_t)s->o.candidates;
  for (size_t i = 0; i < wanted && i < s->n_finished; i++) {
    const row *r = &s->finished[i];
    int32_t *p = malloc(2 * r->n * sizeof *p);
    if (!p) {
      while (i-- > 0)
        generate_result_free(&results[i]);
      *n_results = 0;
      return error_nomem();
    }
    memcpy(p, r->tokens, r->n * sizeof *p);
    memcpy(p + r->n, r->path, r->n * sizeof *p);
    results[i] = (generate_result){.tokens = p, .n = r->n, .score = (double)r->score, .beam_path = p + r->n};
    *n_results = i + 1;
  }
  return 0;
}

void generate_result_free(generate_result *r)
{
  if (!r)
    return;
  free(r->tokens);
  memset(r, 0, sizeof *r);
}

int generate(generate_result *results, size_t *n_results, const generate_options *options, const int32_t *prompt, size_t n_prompt, const generate_model *model)
{
  *n_results = 0;
  search *s;
  int status = search_new(&s, options, prompt, n_prompt);
  if (status < 0)
    return status;
  float *logits = NULL;
  size_t bytes = (s->beams * s->vocab * sizeof *logits + 63) & ~(size_t)63;
  logits = aligned_alloc(64, bytes);
  if (!logits)
    status = error_nomem();
  while (status == 0 && !s->done) {
    search_input in = search_feed(s);
    status = model->step(model->user, logits, in.tokens, in.n_tokens, in.source, in.live);
    if (status == 0)
      status = search_advance(s, logits, NULL);
    if (status == 0 && model->progress) {
      const int32_t *tokens;
      size_t n, settled;
      search_best(s, &tokens, &n, &settled);
      status = model->progress(model->user, tokens, n, settled);
    }
  }
  if (status == 0)
    status = search_results(results, n_results, s);
  free(logits);
  search_free(s);
  return status;
}
