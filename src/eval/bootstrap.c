/* How sure a score is: resampling of pictures, with numbers that are the same in every run. */
#include "eval/eval.h"

#include "eval/sums.h"
#include "util/error.h"
#include <math.h>
#include <stdlib.h>

/* splitmix64: small, and good enough to choose pictures. */
static uint64_t next_random(uint64_t *state)
{
  uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t n)
{
  return (size_t)((next_random(state) >> 32) * (uint64_t)n >> 32);
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static eval_interval percentiles(double *values, int n)
{
  qsort(values, (size_t)n, sizeof *values, by_value);
  int low = (int)floor(0.025 * (n - 1)), high = (int)ceil(0.975 * (n - 1));
  return (eval_interval){values[low], values[high]};
}

/* Intervals of a's scores, or with b of the differences a - b. */
static int intervals(eval_interval interval[EVAL_METRICS], const eval_result *a, const eval_result *b, int samples)
{
  double *values = calloc((size_t)samples * EVAL_METRICS, sizeof *values);
  if (!values)
    return error_nomem();
  uint64_t state = 1;
  for (int i = 0; i < samples; i++) {
    eval_sums sums = {0}, others = {0};
    double score[EVAL_METRICS], other[EVAL_METRICS] = {0};
    for (size_t k = 0; k < a->n; k++) {
      size_t picture = below(&state, a->n);
      eval_sums_add(&sums, &a->pictures[picture]);
      if (b)
        eval_sums_add(&others, &b->pictures[picture]);
    }
    eval_sums_score(score, &sums);
    if (b)
      eval_sums_score(other, &others);
    for (int m = 0; m < EVAL_METRICS; m++)
      values[m * samples + i] = score[m] - other[m];
  }
  for (int m = 0; m < EVAL_METRICS; m++)
    interval[m] = percentiles(values + m * samples, samples);
  free(values);
  return 0;
}

int eval_confidence(eval_interval interval[EVAL_METRICS], const eval_result *result, int samples)
{
  return intervals(interval, result, NULL, samples);
}

int eval_compare(eval_comparison *c, const eval_result *a, const eval_result *b, int samples)
{
  *c = (eval_comparison){0};
  int e = intervals(c->interval, a, b, samples), reached[EVAL_METRICS] = {0};
  for (int m = 0; m < EVAL_METRICS; m++)
    c->difference[m] = a->score[m] - b->score[m];
  for (size_t i = 0; i < a->n; i++) {
    c->better += a->pictures[i].cider > b->pictures[i].cider;
    c->worse += a->pictures[i].cider < b->pictures[i].cider;
  }
  uint64_t state = 2;
  for (int i = 0; e == 0 && i < samples; i++) {
    eval_sums x = {0}, y = {0};
    double one[EVAL_METRICS], two[EVAL_METRICS];
    uint64_t bits = 0;
    for (size_t k = 0; k < a->n; k++) {
      if (k % 64 == 0)
        bits = next_random(&state);
      bool exchanged = bits >> (k % 64) & 1;
      eval_sums_add(&x, exchanged ? &b->pictures[k] : &a->pictures[k]);
      eval_sums_add(&y, exchanged ? &a->pictures[k] : &b->pictures[k]);
    }
    eval_sums_score(one, &x);
    eval_sums_score(two, &y);
    for (int m = 0; m < EVAL_METRICS; m++)
      reached[m] += fabs(one[m] - two[m]) >= fabs(c->difference[m]) - 1e-12;
  }
  for (int m = 0; m < EVAL_METRICS; m++)
    c->p[m] = (reached[m] + 1.0) / (samples + 1.0);
  return e;
}
