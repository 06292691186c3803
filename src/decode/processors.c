#include "decode/processors.h"

#include <math.h>
#include <string.h>

/* Keskar et al., CTRL (arXiv 1909.05858): each token that was there is made less likely, once however often it was there. */
static void repetition(float *scores, float penalty, const int32_t *row, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    bool seen = false;
    for (size_t j = 0; j < i && !seen; j++)
      seen = row[j] == row[i];
    if (seen)
      continue;
    float *s = &scores[row[i]];
    *s = *s < 0 ? *s * penalty : *s / penalty;
  }
}

/* Forbids every token that would end an n-gram which the row already holds. */
static void ngrams(float *scores, size_t size, const int32_t *row, size_t n)
{
  if (n + 1 < size)
    return;
  const int32_t *tail = row + n + 1 - size;
  for (size_t i = 0; i + size <= n; i++)
    if (memcmp(row + i, tail, (size - 1) * sizeof *row) == 0)
      scores[row[i + size - 1]] = -INFINITY;
}

void processors_apply(float *scores, const generate_options *o, const int32_t *row, size_t n)
{
  if (o->repetition_penalty != 1.0)
    repetition(scores, (float)o->repetition_penalty, row, n);
  if (o->no_repeat_ngram > 0)
    ngrams(scores, (size_t)o->no_repeat_ngram, row, n);
  if (n < (size_t)(o->min_length > 0 ? o->min_length : 0))
    for (int i = 0; i < o->n_eos; i++)
      scores[o->eos[i]] = -INFINITY;
}

bool processors_any(const generate_options *o)
{
  return o->repetition_penalty != 1.0 || o->no_repeat_ngram > 0 || o->min_length > 0;
}
