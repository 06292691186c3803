/* The searches, written after transformers/generation/utils.py (_sample without sampling, _beam_search) of version 4.57. All scores are float32, as there. */
#include "decode/generate.h"

#include "decode/processors.h"
#include "decode/top.h"
#include "nn/nn.h"
#include "util/error.h"
#include <opis/describe.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float NEVER = -1e9f; /* Transformers' score of what is not there */

/* One row of tokens in the making or finished. */
typedef struct beam {
  int32_t *tokens; /* [max_length] */
  int32_t *path;   /* [max_length]: which beam chose the token; -1 for the prompt */
  float score;     /* running: the sum; finished: divided by the length penalty */
  bool finished;
} beam;

typedef struct search {
  const generate_options *o;
  const generate_model *m;
  size_t B, K, n_prompt, n;                /* n: tokens in each running row */
  beam *running, *next, *results, *merged; /* [B] each */
  float *logits;                           /* [B, vocab] */
  top_item *top;                           /* [K], index = beam * vocab + token */
  int32_t *tokens, *source;                /* [B] of the coming step */
  void *memory;
} search;

static bool is_end(const generate_options *o, int32_t token)
{
  for (int i = 0; i < o->n_eos; i++)
    if (o->eos[i] == token)
      return true;
  return false;
}

static beam *beams_from(char **at, size_t B, size_t length)
{
  beam *b = (beam *)(void *)*at;
  *at += B * sizeof *b;
  for (size_t i = 0; i < B; i++) {
    b[i].tokens = (int32_t *)(void *)*at;
    b[i].path = b[i].tokens + length;
    *at += 2 * length * sizeof(int32_t);
  }
  return b;
}

/* All memory of a search in one piece: nothing is allocated on the way of a token. */
static int search_new(search *s, const generate_options *o, const generate_model *m, const int32_t *prompt, size_t n_prompt)
{
  size_t B = (size_t)o->beams, ends = (size_t)(o->n_eos > 0 ? o->n_eos : 0), L = (size_t)o->max_length, V = (size_t)o->vocab;
  *s = (search){.o = o, .m = m, .B = B, .K = (1 + ends > 2 ? 1 + ends : 2) * B, .n_prompt = n_prompt, .n = n_prompt};
  size_t one = B * (sizeof(beam) + 2 * L * sizeof(int32_t));
  one = (one + 7) / 8 * 8;
  size_t size = 4 * one + B * V * sizeof(float) + s->K * sizeof(top_item) + 2 * B * sizeof(int32_t);
  char *at = s->memory = calloc(1, size);
  if (!at)
    return error_nomem();
  beam **lists[] = {&s->running, &s->next, &s->results, &s->merged};
  for (size_t i = 0; i < 4; i++) {
    char *begin = at;
    *lists[i] = beams_from(&at, B, L);
    at = begin + one;
  }
  s->logits = (float *)(void *)at;
  s->top = (top_item *)(void *)(s->logits + B * V);
  s->tokens = (int32_t *)(void *)(s->top + s->K);
  s->source = s->tokens + B;
  for (size_t i = 0; i < B; i++) {
    memcpy(s->running[i].tokens, prompt, n_prompt * sizeof *prompt);
    memset(s->running[i].path, -1, n_prompt * sizeof *prompt);
    s->running[i].score = i == 0 ? 0 : NEVER;
    s->results[i].score = NEVER;
  }
  return 0;
}

/* dst becomes src with one more token; score and state are the caller's to set. */
static void extend(beam *dst, const beam *src, size_t n, int32_t token, int32_t from)
{
  memcpy(dst->tokens, src->tokens, n * sizeof *dst->tokens);
  memcpy(dst->path, src->path, n * sizeof *dst->path);
  dst->tokens[n] = token;
  dst->path[n] = from;
}

static int tell(const search *s, const beam *b, size_t n)
{
  return s->m->progress ? s->m->progress(s->m->user, b->tokens, n) : 0;
}

static int give(generate_result *r, const beam *b, size_t n, double score)
{
  r->tokens = malloc(2 * n * sizeof *r->tokens);
  if (!r->tokens)
    return error_nomem();
  r->beam_path = r->tokens + n;
  memcpy(r->tokens, b->tokens, n * sizeof *b->tokens);
  memcpy(r->beam_path, b->path, n * sizeof *b->path);
  r->n = n;
  r->score = score;
  return 0;
}

/* ---- greedy ---- */

static int greedy(search *s, const int32_t *prompt)
{
  const generate_options *o = s->o;
  beam *b = &s->running[0];
  const int32_t *tokens = prompt;
  size_t n_tokens = s->n_prompt;
  double sum = 0;
  for (;;) {
    int code = s->m->step(s->m->user, s->logits, tokens, n_tokens, NULL, 1);
    if (code < 0)
      return code;
    processors_apply(s->logits, o, b->tokens, s->n);
    size_t kept = 0;
    top_offer(s->top, &kept, 1, s->logits, (size_t)o->vocab, 0);
    int32_t best = s->top[0].index;
    nn_log_softmax(s->logits, (size_t)o->vocab);
    sum += s->logits[best];
    b->tokens[s->n] = best;
    b->path[s->n] = 0;
    s->n++;
    code = tell(s, b, s->n);
    if (code < 0)
      return code;
    if (is_end(o, best) || s->n == (size_t)o->max_length)
      break;
    tokens = &b->tokens[s->n - 1];
    n_tokens = 1;
    s->source[0] = 0;
  }
  s->results[0] = *b;
  s->results[0].score = (float)(sum / (double)(s->n - s->n_prompt));
  s->results[0].finished = true;
  return 0;
}

/* ---- beams ---- */

/* The best K continuations of the live beams: log_softmax, then the processors, then the running score. */
static void rank(search *s, size_t live, size_t *kept)
{
  size_t V = (size_t)s->o->vocab;
  bool any = processors_any(s->o);
  *kept = 0;
  for (size_t b = 0; b < live; b++) {
    float *scores = s->logits + b * V;
    nn_log_softmax(scores, V);
    if (any)
      processors_apply(scores, s->o, s->running[b].tokens, s->n);
    float before = s->running[b].score;
    if (before != 0)
      for (size_t i = 0; i < V; i++)
        scores[i] += before;
    top_offer(s->top, kept, s->K, scores, V, (int32_t)(b * V));
  }
}

/* Puts a finished row among the results, which stay sorted; those that were there first win among equals. */
static void enter(search *s, const beam *from, int32_t token, int32_t beam_index, float score)
{
  size_t B = s->B;
  if (!(score > s->results[B - 1].score))
    return;
  size_t at = B - 1;
  beam spare = s->results[B - 1];
  for (; at > 0 && s->results[at - 1].score < score; at--)
    s->results[at] = s->results[at - 1];
  extend(&spare, from, s->n, token, beam_index);
  spare.score = score;
  spare.finished = true;
  s->results[at] = spare;
}

static bool all_finished(const search *s)
{
  for (size_t i = 0; i < s->B; i++)
    if (!s->results[i].finished)
      return false;
  return true;
}

/* Whether the best running row could still enter the results (Transformers' _check_early_stop_heuristic). */
static bool can_improve(const search *s)
{
  const generate_options *o = s->o;
  bool longest = o->early_stopping == OPIS_EARLY_STOPPING_NEVER && o->length_penalty > 0;
  double length = longest ? (double)o->max_length - (double)s->n_prompt : (double)s->n - (double)s->n_prompt;
  float best = s->running[0].score / (float)pow(length, o->length_penalty);
  return best > (all_finished(s) ? s->results[s->B - 1].score : NEVER);
}

/* One token for every beam; *over says whether the search has ended. */
static int advance(search *s, size_t *live, bool *over)
{
  const generate_options *o = s->o;
  size_t V = (size_t)o->vocab, kept, next = 0;
  bool full = o->early_stopping == OPIS_EARLY_STOPPING_TRUE && all_finished(s), last = s->n + 1 == (size_t)o->max_length;
  float divisor = (float)pow((double)(s->n + 1 - s->n_prompt), o->length_penalty);
  rank(s, *live, &kept);
  for (size_t r = 0; r < kept; r++) {
    size_t from = (size_t)s->top[r].index / V;
    int32_t token = (int32_t)((size_t)s->top[r].index % V);
    bool ends = last || is_end(o, token);
    if (ends && r < s->B && !full)
      enter(s, &s->running[from], token, (int32_t)from, s->top[r].score / divisor);
    if (!ends && next < s->B) {
      beam *to = &s->next[next];
      extend(to, &s->running[from], s->n, token, (int32_t)from);
      to->score = s->top[r].score;
      s->tokens[next] = token;
      s->source[next] = (int32_t)from;
      next++;
    }
  }
  beam *swap = s->running;
  s->running = s->next;
  s->next = swap;
  s->n++;
  *live = next;
  *over = next == 0 || !can_improve(s) || (o->early_stopping == OPIS_EARLY_STOPPING_TRUE && all_finished(s));
  return 0;
}

static int beam_search(search *s, const int32_t *prompt)
{
  size_t live = 1;
  bool over = false;
  int code = s->m->step(s->m->user, s->logits, prompt, s->n_prompt, NULL, 1);
  while (code == 0) {
    code = advance(s, &live, &over);
    if (code == 0)
      code = tell(s, over && s->results[0].finished ? &s->results[0] : &s->running[0], s->n);
    if (over || code < 0)
      break;
    code = s->m->step(s->m->user, s->logits, s->tokens, live, s->source, live);
  }
  return code;
}

/* ---- both ---- */

static size_t row_length(const generate_options *o, const beam *b, size_t n_prompt, size_t most)
{
  for (size_t i = n_prompt; i < most; i++)
    if (is_end(o, b->tokens[i]))
      return i + 1;
  return most;
}

static int check(const generate_options *o, const int32_t *prompt, size_t n_prompt)
{
  if (o->beams < 1 || o->candidates < 1 || o->candidates > o->beams || o->vocab < 1 || n_prompt < 1)
    return error_set(OPIS_EINVALID, "a search needs 1 or more beams, at most as many candidates, a vocabulary and a start token");
  if ((size_t)o->vocab * (size_t)o->beams > INT32_MAX)
    return error_set(OPIS_ELIMIT, "%d beams over a vocabulary of %d are too many", o->beams, o->vocab);
  if (o->max_length <= 0 || n_prompt >= (size_t)o->max_length)
    return error_set(OPIS_EINVALID, "max_length: %d leaves no room after the %zu tokens of start and prompt", o->max_length, n_prompt);
  for (size_t i = 0; i < n_prompt; i++)
    if (prompt[i] < 0 || prompt[i] >= o->vocab)
      return error_set(OPIS_EINVALID, "prompt: token %d is outside the vocabulary of %d", prompt[i], o->vocab);
  for (int i = 0; i < o->n_eos; i++)
    if (o->eos[i] < 0 || o->eos[i] >= o->vocab)
      return error_set(OPIS_EINVALID, "eos_token_id: %d is outside the vocabulary of %d", o->eos[i], o->vocab);
  return 0;
}

int generate(generate_result *results, size_t *n_results, const generate_options *o, const int32_t *prompt, size_t n_prompt, const generate_model *model)
{
  search s;
  *n_results = 0;
  int code = check(o, prompt, n_prompt);
  if (code < 0)
    return code;
  code = search_new(&s, o, model, prompt, n_prompt);
  if (code == 0)
    code = o->beams == 1 ? greedy(&s, prompt) : beam_search(&s, prompt);
  size_t n = 0;
  for (; code == 0 && n < (size_t)o->candidates && s.results[n].finished; n++)
    code = give(&results[n], &s.results[n], row_length(o, &s.results[n], n_prompt, s.n), s.results[n].score);
  free(s.memory);
  if (code < 0)
    while (n > 0)
      generate_result_free(&results[--n]);
  *n_results = n;
  return code;
}

void generate_result_free(generate_result *r)
{
  free(r->tokens);
  *r = (generate_result){0};
}
