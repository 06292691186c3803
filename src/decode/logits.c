#include "decode/logits.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Eight floats at a time in the compilers' own vector types: the same results on every machine, whatever the width of its registers. */
#define LANES 8
typedef float vf __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t vi __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4)));

/* A loop built for wider registers, too, and chosen at run time. Without multiply-add instructions, whose results would be others. */
#define INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define CHOSEN(result, name, parameters, arguments)                                                                                                                                \
  __attribute__((target("avx512f"))) static result name##_avx512 parameters                                                                                                        \
  {                                                                                                                                                                                \
    return name##_body arguments;                                                                                                                                                  \
  }                                                                                                                                                                                \
  __attribute__((target("avx2"))) static result name##_avx2 parameters                                                                                                             \
  {                                                                                                                                                                                \
    return name##_body arguments;                                                                                                                                                  \
  }                                                                                                                                                                                \
  static result name parameters                                                                                                                                                    \
  {                                                                                                                                                                                \
    return __builtin_cpu_supports("avx512f") ? name##_avx512 arguments : __builtin_cpu_supports("avx2") ? name##_avx2 arguments : name##_body arguments;                           \
  }
#else
#define CHOSEN(result, name, parameters, arguments)                                                                                                                                \
  static result name parameters                                                                                                                                                    \
  {                                                                                                                                                                                \
    return name##_body arguments;                                                                                                                                                  \
  }
#endif

/* Helpers take pointers: passing wide vectors by value depends on the machine's calling convention. */
INLINE void load(vf *v, const float *p)
{
  memcpy(v, p, sizeof *v);
}

/* exp(x) for x <= 0 within 2 units in the last place; below -87.3 it is 0. Range reduction by log 2 in two parts and the minimax polynomial of the Cephes library (expf). */
INLINE void exp_nonpositive(vf *out, const vf *in)
{
  vf x = *in;
  vi tiny = x < -87.3f;
  x = (vf)(((vi)x & ~tiny)); /* 0 there: no overflow on the way */
  vf scaled = x * 1.44269504088896341f;
  vi k = __builtin_convertvector(scaled - 0.5f, vi); /* rounds towards zero, and scaled <= 0: this is the nearest integer, or one off at the border, which is harmless */
  vf kf = __builtin_convertvector(k, vf);
  vf r = x - kf * 0.693359375f;
  r = r - kf * -2.12194440e-4f;
  vf y = r * 1.9875691500E-4f + 1.3981999507E-3f;
  y = y * r + 8.3334519073E-3f;
  y = y * r + 4.1665795894E-2f;
  y = y * r + 1.6666665459E-1f;
  y = y * r + 5.0000001201E-1f;
  y = y * r * r + r + 1.0f;
  vf two_k = (vf)((k + 127) << 23);
  y = y * two_k;
  *out = (vf)((vi)y & ~tiny);
}

/* The largest value; NaN when one is NaN. */
INLINE float row_max_body(const float *x, size_t n)
{
  size_t i = 0;
  float max = -INFINITY;
  bool nan = false;
  if (n >= LANES) {
    vf m, v;
    load(&m, x);
    vi bad = m != m; // NOLINT(misc-redundant-expression): NaN
    for (i = LANES; i + LANES <= n; i += LANES) {
      load(&v, x + i);
      vi larger = v > m;
      m = (vf)(((vi)v & larger) | ((vi)m & ~larger));
      bad |= v != v; // NOLINT(misc-redundant-expression)
    }
    for (int l = 0; l < LANES; l++) {
      nan |= bad[l] != 0;
      max = m[l] > max ? m[l] : max;
    }
  }
  for (; i < n; i++) {
    nan |= x[i] != x[i];
    max = x[i] > max ? x[i] : max;
  }
  return nan ? NAN : max;
}

CHOSEN(float, row_max, (const float *x, size_t n), (x, n))

/* log of the sum of exp(x - max). The sum is taken in double: its error then does not depend on the order. */
INLINE float log_sum_body(const float *x, size_t n, float max)
{
  typedef double vd __attribute__((vector_size(LANES * sizeof(double)), aligned(8)));
  vd sums = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    vf v;
    load(&v, x + i);
    v -= max;
    exp_nonpositive(&v, &v);
    sums += __builtin_convertvector(v, vd);
  }
  double sum = 0;
  for (int l = 0; l < LANES; l++)
    sum += sums[l];
  for (; i < n; i++)
    sum += (double)expf(x[i] - max);
  return (float)log(sum);
}

CHOSEN(float, log_sum, (const float *x, size_t n, float max), (x, n, max))

INLINE void subtract_body(float *x, size_t n, float max, float lse)
{
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    vf v;
    load(&v, x + i);
    v = v - max - lse;
    memcpy(x + i, &v, sizeof v);
  }
  for (; i < n; i++)
    x[i] = x[i] - max - lse;
}

CHOSEN(void, subtract, (float *x, size_t n, float max, float lse), (x, n, max, lse))

int logits_log_softmax(float *x, size_t n)
{
  float max = row_max(x, n);
  if (!isfinite(max))
    return -1;
  subtract(x, n, max, log_sum(x, n, max));
  return 0;
}

float logits_log_softmax_at(const float *x, size_t n, size_t i)
{
  float max = row_max(x, n);
  return isfinite(max) ? x[i] - max - log_sum(x, n, max) : NAN;
}

int64_t logits_argmax(const float *x, size_t n)
{
  float max = row_max(x, n);
  if (!isfinite(max))
    return -1;
  size_t i = 0;
  while (x[i] != max)
    i++;
  return (int64_t)i;
}

void logits_repetition_penalty(float *x, const int32_t *row, size_t n_row, float penalty)
{
  for (size_t i = 0; i < n_row; i++) {
    bool again = false; /* rows are short: looking back costs less than a table of the vocabulary */
    for (size_t j = 0; j < i && !again; j++)
      again = row[j] == row[i];
    float *v = &x[row[i]];
    if (!again)
      *v = *v < 0 ? *v * penalty : *v / penalty;
  }
}

void logits_no_repeat_ngram(float *x, const int32_t *row, size_t n_row, size_t ngram)
{
  if (n_row < ngram)
    return;
  const int32_t *end = row + n_row - (ngram - 1); /* what an n-gram that ends at the next token begins with */
  for (size_t i = 0; i + ngram <= n_row; i++)
    if (memcmp(row + i, end, (ngram - 1) * sizeof *row) == 0)
      x[row[i + ngram - 1]] = -INFINITY;
}

void logits_forbid(float *x, size_t n, const int32_t *ids, int n_ids)
{
  for (int i = 0; i < n_ids; i++)
    if (ids[i] >= 0 && (size_t)ids[i] < n)
      x[ids[i]] = -INFINITY;
}

void logits_only(float *x, size_t n, const int32_t *ids, size_t n_ids)
{
  for (size_t i = 0; i < n; i++)
    x[i] = -INFINITY;
  for (size_t i = 0; i < n_ids; i++)
    x[ids[i]] = 0;
}

INLINE void top_body(logits_candidate *best, size_t *n, size_t k, const float *x, size_t vocab, float offset, int32_t beam)
{
  enum { BLOCK = 64 };
  size_t have = *n;
  float bar = have == k ? best[k - 1].value : -INFINITY; /* what a value must exceed */
  for (size_t begin = 0; begin < vocab; begin += BLOCK) {
    size_t end = begin + BLOCK < vocab ? begin + BLOCK : vocab;
    if (end - begin == BLOCK) { /* most blocks have nothing to offer */
      vi any = {0};
      for (size_t i = begin; i < end; i += LANES) {
        vf v;
        load(&v, x + i);
        any |= v + offset > bar;
      }
      int32_t hit = 0;
      for (int l = 0; l < LANES; l++)
        hit |= any[l];
      if (hit == 0)
        continue;
    }
    for (size_t i = begin; i < end; i++) {
      float value = x[i] + offset;
      if (!(value > bar))
        continue;
      size_t at = have < k ? have++ : k - 1;
      for (; at > 0 && best[at - 1].value < value; at--)
        best[at] = best[at - 1];
      best[at] = (logits_candidate){value, beam, (int32_t)i};
      if (have == k)
        bar = best[k - 1].value;
    }
  }
  *n = have;
}

CHOSEN(void, top, (logits_candidate * best, size_t *n, size_t k, const float *x, size_t vocab, float offset, int32_t beam), (best, n, k, x, vocab, offset, beam))

void logits_top(logits_candidate *best, size_t *n, size_t k, const float *x, size_t vocab, float offset, int32_t beam)
{
  top(best, n, k, x, vocab, offset, beam);
}
