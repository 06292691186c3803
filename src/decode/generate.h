/* Greedy and beam search as Transformers 4.57 does them (docs/architecture.md says where each rule comes from). Knows nothing of pictures or layers: it asks for logits.
 *
 * A search belongs to one thread at a time. Everything is float32, as there: log_softmax, sums and scores. */
#ifndef DECODE_GENERATE_H
#define DECODE_GENERATE_H

#include "util/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run of tokens whose last one becomes more or less likely where the others stand before it. bias -INFINITY: it never comes. */
typedef struct generate_bias {
  const int32_t *ids; /* [n], n >= 1 */
  size_t n;
  float bias;
} generate_bias;

/* Rarer settings, in the order in which Transformers applies them among the others. Ids outside the vocabulary are OPIS_EINVALID. */
typedef struct generate_rules {
  const generate_bias *biases; /* sequence_bias: before the repetition penalty */
  size_t n_biases;
  const generate_bias *bad_words; /* bad_words_ids: behind the n-grams */
  size_t n_bad_words;
  int32_t first;       /* forced_bos_token_id: what follows a row of one token; -1: none */
  const int32_t *last; /* forced_eos_token_id: what the place before max_length gets */
  size_t n_last;
  double decay; /* exponential_decay_length_penalty: end tokens grow by decay ^ (tokens behind decay_start generated ones); 0: off */
  int decay_start;
  const int32_t *suppressed; /* suppress_tokens */
  size_t n_suppressed;
  const int32_t *not_first; /* begin_suppress_tokens */
  size_t n_not_first;
  bool renormalize; /* renormalize_logits */
} generate_rules;

typedef struct generate_options {
  int beams;                  /* 1: greedy; at most GENERATE_MAX_BEAMS */
  int max_length, min_length; /* of the whole row, prompt included; max_length at most GENERATE_MAX_LENGTH */
  double length_penalty;      /* a finished row's score is its sum of log-probabilities / (generated tokens ^ length_penalty) */
  int early_stopping;         /* enum opis_early_stopping without MODEL */
  int no_repeat_ngram;        /* 0: off */
  double repetition_penalty;  /* above 0; 1: off */
  int candidates;             /* rows wanted, at most beams */
  const int32_t *eos;         /* end ids */
  int n_eos;
  int vocab;
  const generate_rules *rules; /* NULL: none. Borrowed until search_free */
} generate_options;

#define GENERATE_MAX_BEAMS 256
#define GENERATE_MAX_LENGTH 65536

typedef struct generate_result {
  int32_t *tokens; /* from the start token up to and including the first end token after the prompt, or up to max_length */
  size_t n;
  double score;
  int32_t *beam_path; /* [n]: for generated token i, which beam's row of step i chose it (to find its attention); -1 for the prompt */
} generate_result;

/* The search as an object that is fed from outside, so that the beams of several pictures can share one pass through the decoder:
 *
 *   while (!search_done(s)) {
 *     feed search_feed()'s tokens, reorder the cache by its source, compute logits [live, vocab]
 *     search_advance(s, logits, threads)
 *   }
 */
typedef struct search search;

/* What the decoder is to be fed next. At the first step that is the whole prompt, for beam 0 alone: live 1, source NULL. Later one token for each live beam: n_tokens == live, and beam b
 * continues beam source[b] of the step before. Live beams are 0 .. live - 1; dead ones are not fed. */
typedef struct search_input {
  const int32_t *tokens; /* [n_tokens] */
  size_t n_tokens;
  const int32_t *source; /* [live], or NULL */
  size_t live;
} search_input;

/* prompt: the start token and whatever follows it; the options (but not their rules) and the prompt are copied. OPIS_EINVALID (an option or id outside its range, the message has the option's name), OPIS_ENOMEM. */
int search_new(search **out, const generate_options *options, const int32_t *prompt, size_t n_prompt);
bool search_done(const search *s);
search_input search_feed(const search *s); /* valid until the next search_advance */
/* logits: [live, vocab] of the tokens that come next; overwritten. The threads (NULL: the caller's own) divide the beams. OPIS_EFORMAT when they are no numbers. */
int search_advance(search *s, float *logits, pool *threads);
/* The best row so far (valid until the next search_advance), and how many of its first tokens no later step can change. */
void search_best(const search *s, const int32_t **row, size_t *n, size_t *settled);
/* Results of a search that is done: see generate(). */
int search_results(generate_result *results, size_t *n_results, const search *s);
void search_free(search *s);

/* The model's side of a search over one picture. */
typedef struct generate_model {
  /* Feeds what search_input describes and writes logits [live, vocab]. */
  int (*step)(void *user, float *logits, const int32_t *tokens, size_t n_tokens, const int32_t *source, size_t live);
  /* After every step, the best row so far, of which the first `settled` tokens stay as they are; other than 0 ends the search with that code (cancelled, timed out). May be NULL. */
  int (*progress)(void *user, const int32_t *row, size_t n, size_t settled);
  void *user;
} generate_model;

/* results [options->candidates], best first, in one malloc'ed piece each; *n_results is how many there are (fewer than wanted only when the vocabulary is too small for more). */
int generate(generate_result *results, size_t *n_results, const generate_options *options, const int32_t *prompt, size_t n_prompt, const generate_model *model);
void generate_result_free(generate_result *r);

#endif
