/* What is done to a row of logits before a token is chosen. All in place, float32. */
#ifndef DECODE_LOGITS_H
#define DECODE_LOGITS_H

#include <stddef.h>
#include <stdint.h>

/* x[i] - max(x) - log(sum(exp(x - max(x)))), in this order as torch's kernel. Returns -1 when a value is NaN or +inf, or when all are -inf. */
int logits_log_softmax(float *x, size_t n);
/* The same for one element, nothing overwritten; NaN where logits_log_softmax fails. */
float logits_log_softmax_at(const float *x, size_t n, size_t i);
/* The index of the largest value, the first of equals. -1 when a value is NaN or +inf, or when all are -inf. */
int64_t logits_argmax(const float *x, size_t n);

/* Processors, in the order Transformers applies them. row is everything so far, prompt included; ids are below n. */
void logits_repetition_penalty(float *x, const int32_t *row, size_t n_row, float penalty); /* negative values multiplied, others divided; once an id */
void logits_no_repeat_ngram(float *x, const int32_t *row, size_t n_row, size_t ngram);     /* -inf for what would repeat an n-gram of the row */
void logits_only(float *x, size_t n, const int32_t *ids, size_t n_ids);                    /* 0 for these, -inf for all others */
void logits_forbid(float *x, size_t n, const int32_t *ids, int n_ids);                     /* -inf; ids outside the vocabulary are ignored */

typedef struct logits_candidate {
  float value;
  int32_t beam, token;
} logits_candidate;

/* Merges the values x[i] + offset of one beam into best [*n <= k], which stays sorted: larger first, equals by the smaller (beam, token). Beams are given in rising order. -inf never enters. */
void logits_top(logits_candidate *best, size_t *n, size_t k, const float *x, size_t vocab, float offset, int32_t beam);

#endif
