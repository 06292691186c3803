/* Greedy and beam search as Transformers 4.57 does them (docs/architecture.md says where each rule comes from). Knows nothing of pictures or layers: it asks for logits. */
#ifndef DECODE_GENERATE_H
#define DECODE_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct generate_options {
  int beams;                  /* 1: greedy */
  int max_length, min_length; /* of the whole row, prompt included */
  double length_penalty;
  int early_stopping; /* enum opis_early_stopping without MODEL */
  int no_repeat_ngram;
  double repetition_penalty;
  int candidates;
  const int32_t *eos; /* end ids */
  int n_eos;
  int vocab;
} generate_options;

/* The model's side of a search over one picture. */
typedef struct generate_model {
  /* Feeds one token for each of `live` beams and writes the logits of the next: logits [live, vocab]. Beam b of this step continues beam source[b] of the step before (the cache is
   * reordered by index); at the first step the whole prompt is fed for beam 0 alone, and live is 1: tokens [n_tokens], source NULL. */
  int (*step)(void *user, float *logits, const int32_t *tokens, size_t n_tokens, const int32_t *source, size_t live);
  /* After every step, the best row so far; other than 0 ends the search with that code (cancelled, timed out). May be NULL. */
  int (*progress)(void *user, const int32_t *row, size_t n);
  void *user;
} generate_model;

typedef struct generate_result {
  int32_t *tokens; /* from the start token up to and including the first end token after the prompt */
  size_t n;
  double score;
  int32_t *beam_path; /* [n]: for generated token i, which beam's row of step i chose it (to find its attention); -1 for the prompt */
} generate_result;

/* results [options->candidates], best first, in one malloc'ed piece each; *n_results is how many there are. prompt holds the start token and whatever follows it. */
int generate(generate_result *results, size_t *n_results, const generate_options *options, const int32_t *prompt, size_t n_prompt, const generate_model *model);
void generate_result_free(generate_result *r);

#endif
