/* Attention: softmax(scale q k^T + mask) v, head by head, as two products of the packed linear layers' kernels: the keys of a head are a layer of `keys` outputs, its values one of head_size
 * outputs. A tile of queries has its scores in some kilobytes; the matrix of all scores is never stored. */
#include "nn/context.h"

#include <string.h>

enum { QUERIES = 48 }; /* in a tile */

static size_t whole_panels(size_t n)
{
  return (n + NN_PANEL - 1) / NN_PANEL * NN_PANEL;
}

/* Packed: zeros that stand for the layers' biases, then for each head its keys [panels of positions, head_size, 16], scaled, and its values [panels of channels, keys, 16]; these two as floats or
 * halves. */
typedef struct packed_sizes {
  size_t zeros;      /* floats */
  size_t keys, head; /* numbers */
  size_t number;     /* bytes */
} packed_sizes;

static packed_sizes sizes_of(const nn_attention *a, size_t keys)
{
  size_t size = (size_t)a->head_size, k = whole_panels(keys) * size;
  return (packed_sizes){whole_panels(keys > size ? keys : size), k, k + whole_panels(size) * keys, a->half ? sizeof(uint16_t) : sizeof(float)};
}

static char *head_at(const float *packed, const packed_sizes *s, size_t head)
{
  return (char *)(uintptr_t)(packed + s->zeros) + head * s->head * s->number;
}

size_t nn_attention_packed_floats(const nn_attention *a, size_t keys)
{
  packed_sizes s = sizes_of(a, keys);
  return s.zeros + ((size_t)a->heads * s.head * s.number + sizeof(float) - 1) / sizeof(float);
}

/* ---- packing ---- */

typedef struct pack_job {
  const nn_kernels *kernels;
  const nn_attention *a;
  float *packed;
  const float *k, *v;
  size_t ldk, ldv, keys;
} pack_job;

/* 4 x 4 numbers at a time, in the compilers' own vectors. */
typedef float four __attribute__((vector_size(4 * sizeof(float)), aligned(4)));

static void transpose_four(float *to, const float *from, size_t ld, float scale)
{
  four r[4];
  for (size_t i = 0; i < 4; i++) {
    memcpy(&r[i], from + i * ld, sizeof r[i]);
    r[i] *= scale;
  }
  const four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  const four c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  r[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  r[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  r[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  r[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
  for (size_t i = 0; i < 4; i++)
    memcpy(to + i * NN_PANEL, &r[i], sizeof r[i]);
}

static void pack_keys(float *to, const float *k, size_t ldk, size_t keys, size_t size, float scale)
{
  for (size_t first = 0; first < keys; first += NN_PANEL, to += size * NN_PANEL) {
    const size_t n = keys - first < NN_PANEL ? keys - first : NN_PANEL, whole = n / 4 * 4, even = size / 4 * 4;
    const float *from = k + first * ldk;
    for (size_t t = 0; t < whole; t += 4) {
      for (size_t i = 0; i < even; i += 4)
        transpose_four(to + i * NN_PANEL + t, from + t * ldk + i, ldk, scale);
      for (size_t i = even; i < size; i++)
        for (size_t j = t; j < t + 4; j++)
          to[i * NN_PANEL + j] = scale * from[j * ldk + i];
    }
    for (size_t t = whole; t < NN_PANEL; t++)
      for (size_t i = 0; i < size; i++)
        to[i * NN_PANEL + t] = t < n ? scale * from[t * ldk + i] : 0;
  }
}

static void pack_values(float *to, const float *v, size_t ldv, size_t keys, size_t size)
{
  for (size_t first = 0; first < size; first += NN_PANEL) {
    const size_t n = size - first < NN_PANEL ? size - first : NN_PANEL;
    for (size_t t = 0; t < keys; t++, to += NN_PANEL) {
      const float *from = v + t * ldv + first;
      if (n == NN_PANEL)
        memcpy(to, from, NN_PANEL * sizeof *to);
      else {
        memcpy(to, from, n * sizeof *to);
        memset(to + n, 0, (NN_PANEL - n) * sizeof *to);
      }
    }
  }
}

/* The same as halves, some lines of 16 at a time. */
enum { LINES = 64 };

static void pack_keys_halved(const nn_kernels *kernels, uint16_t *to, const float *k, size_t ldk, size_t keys, size_t size, float scale)
{
  _Alignas(64) float lines[LINES * NN_PANEL];
  for (size_t first = 0; first < keys; first += NN_PANEL)
    for (size_t i = 0; i < size; i += LINES) {
      const size_t n = size - i < LINES ? size - i : LINES;
      pack_keys(lines, k + first * ldk + i, ldk, keys - first < NN_PANEL ? keys - first : NN_PANEL, n, scale);
      kernels->halve(to, lines, n * NN_PANEL);
      to += n * NN_PANEL;
    }
}

static void pack_values_halved(const nn_kernels *kernels, uint16_t *to, const float *v, size_t ldv, size_t keys, size_t size)
{
  _Alignas(64) float lines[LINES * NN_PANEL];
  for (size_t first = 0; first < size; first += NN_PANEL)
    for (size_t t = 0; t < keys; t += LINES) {
      const size_t n = keys - t < LINES ? keys - t : LINES;
      pack_values(lines, v + t * ldv + first, ldv, n, size - first < NN_PANEL ? size - first : NN_PANEL);
      kernels->halve(to, lines, n * NN_PANEL);
      to += n * NN_PANEL;
    }
}

static void run_pack(void *user, size_t begin, size_t end, int thread)
{
  const pack_job *j = user;
  packed_sizes s = sizes_of(j->a, j->keys);
  size_t size = (size_t)j->a->head_size;
  (void)thread;
  for (size_t head = begin; head < end; head++) {
    void *keys = head_at(j->packed, &s, head), *values = head_at(j->packed, &s, head) + s.keys * s.number;
    if (j->a->half) {
      pack_keys_halved(j->kernels, keys, j->k + head * size, j->ldk, j->keys, size, j->a->scale);
      pack_values_halved(j->kernels, values, j->v + head * size, j->ldv, j->keys, size);
    } else {
      pack_keys(keys, j->k + head * size, j->ldk, j->keys, size, j->a->scale);
      pack_values(values, j->v + head * size, j->ldv, j->keys, size);
    }
  }
}

void nn_attention_pack(nn_context *c, const nn_attention *a, float *packed, const float *k, size_t ldk, const float *v, size_t ldv, size_t keys)
{
  pack_job j = {c->k, a, packed, k, v, ldk, ldv, keys};
  memset(packed, 0, sizes_of(a, keys).zeros * sizeof *packed);
  pool_for(c->threads, (size_t)a->heads, 1 + 32768 / (keys * (size_t)a->head_size + 1), run_pack, &j);
}

/* ---- queries over packed keys and values ---- */

typedef struct over_job {
  const nn_kernels *k;
  const nn_attention *a;
  float *out;
  const float *q, *packed;
  size_t ldo, ldq, queries, keys, tiles;
  float *scores; /* [threads, QUERIES, ld_scores] */
  size_t ld_scores;
  float *weights;
} over_job;

/* How many keys query i sees. */
static size_t visible(const over_job *j, size_t i)
{
  if (!j->a->causal)
    return j->keys;
  size_t before = j->keys - j->queries + i + 1, prefix = (size_t)j->a->prefix;
  return before < prefix ? prefix : before;
}

static void multiply(const nn_kernels *k, float *y, size_t ldy, const float *x, size_t ldx, size_t M, const void *weights, bool half, size_t N, size_t K, const float *zeros)
{
  const nn_format format = half ? NN_FORMAT_F16 : NN_FORMAT_F32;
  const int panels = (int)(whole_panels(N) / NN_PANEL);
  nn_run run = {0, weights};
  nn_linear l = {
    .N = (int)N, .K = (int)K, .panels = panels, .format = format, .panel_bytes = nn_panel_bytes(format, (int)K), .n_runs = 1, .runs = &run, .bias = (float *)(uintptr_t)zeros};
  nn_product p = {.l = &l, .y = y, .ldy = ldy, .x = x, .ldx = ldx};
  nn_product_clamp(&p);
  (half ? k->linear_f16 : k->linear_f32)(&p, (nn_tile){0, M, 0, panels});
}

static void run_over(void *user, size_t begin, size_t end, int thread)
{
  const over_job *j = user;
  packed_sizes s = sizes_of(j->a, j->keys);
  size_t size = (size_t)j->a->head_size;
  float *scores = j->scores + (size_t)thread * QUERIES * j->ld_scores;
  for (size_t at = begin; at < end; at++) {
    size_t head = at / j->tiles, first = at % j->tiles * QUERIES, M = j->queries - first < QUERIES ? j->queries - first : QUERIES;
    const char *packed = head_at(j->packed, &s, head);
    multiply(j->k, scores, j->ld_scores, j->q + first * j->ldq + head * size, j->ldq, M, packed, j->a->half, j->keys, size, j->packed);
    for (size_t m = 0; m < M; m++) {
      float *row = scores + m * j->ld_scores;
      size_t n = visible(j, first + m);
      j->k->softmax(row, n);
      memset(row + n, 0, (j->keys - n) * sizeof *row);
      if (j->weights)
        memcpy(j->weights + (head * j->queries + first + m) * j->keys, row, j->keys * sizeof *row);
    }
    multiply(j->k, j->out + first * j->ldo + head * size, j->ldo, scores, j->ld_scores, M, packed + s.keys * s.number, j->a->half, size, j->keys, j->packed);
  }
}

static size_t scores_floats(const nn_context *c, size_t keys)
{
  return (size_t)pool_threads(c->threads) * QUERIES * (whole_panels(keys) + NN_PANEL);
}

static void over(
  nn_context *c, const nn_attention *a, float *out, size_t ldo, const float *q, size_t ldq, size_t queries, const float *packed, size_t keys, float *weights, float *scores)
{
  over_job j = {c->k, a, out, q, packed, ldo, ldq, queries, keys, (queries + QUERIES - 1) / QUERIES, scores, whole_panels(keys) + NN_PANEL, weights};
  size_t work = (queries < QUERIES ? queries : QUERIES) * keys * (size_t)a->head_size * 2;
  c->work.f32 += 4.0 * (double)queries * (double)keys * a->heads * a->head_size;
  pool_for(c->threads, (size_t)a->heads * j.tiles, 1 + 200000 / (work + 1), run_over, &j);
}

void nn_attention_over(nn_context *c, const nn_attention *a, float *out, size_t ldo, const float *q, size_t ldq, size_t queries, const float *packed, size_t keys, float *weights)
{
  float *scores = nn_scratch(c, scores_floats(c, keys) * sizeof *scores);
  if (scores)
    over(c, a, out, ldo, q, ldq, queries, packed, keys, weights, scores);
}

void nn_attention_forward(nn_context *c, const nn_attention *a, float *out, size_t ldo, const float *q, size_t ldq, size_t queries, const float *k, size_t ldk, const float *v,
  size_t ldv, size_t keys, float *weights)
{
  size_t floats = (nn_attention_packed_floats(a, keys) + 15) / 16 * 16;
  float *packed = nn_scratch(c, (floats + scores_floats(c, keys)) * sizeof *packed);
  if (!packed)
    return;
  nn_attention_pack(c, a, packed, k, ldk, v, ldv, keys);
  over(c, a, out, ldo, q, ldq, queries, packed, keys, weights, packed + floats);
}

/* ---- a step of decoding ---- */

typedef struct step_job {
  const nn_kernels *k;
  const nn_attention *a;
  float *out;
  const float *q, *keys, *values;
  size_t ldo, ldq, ldk, ldv, ld_index, longest;
  const int32_t *index, *lengths;
  float *scores; /* one line for each thread */
} step_job;

static void run_step(void *user, size_t begin, size_t end, int thread)
{
  const step_job *j = user;
  size_t size = (size_t)j->a->head_size, heads = (size_t)j->a->heads;
  float *scores = j->scores + (size_t)thread * j->longest;
  for (size_t at = begin; at < end; at++) {
    size_t b = at / heads, head = at % heads, n = (size_t)j->lengths[b];
    const int32_t *index = j->index + b * j->ld_index;
    const float *q = j->q + b * j->ldq + head * size, *k = j->keys + head * size, *v = j->values + head * size;
    for (size_t t = 0; t < n; t++)
      scores[t] = j->a->scale * j->k->dot(q, k + (size_t)index[t] * j->ldk, size);
    j->k->softmax(scores, n);
    float *out = j->out + b * j->ldo + head * size;
    memset(out, 0, size * sizeof *out);
    for (size_t t = 0; t < n; t++)
      j->k->axpy(out, scores[t], v + (size_t)index[t] * j->ldv, size);
  }
}

void nn_attention_step(nn_context *c, const nn_attention *a, float *out, size_t ldo, const float *q, size_t ldq, size_t B, const float *k, size_t ldk, const float *v, size_t ldv,
  const int32_t *index, size_t ld_index, const int32_t *lengths)
{
  size_t longest = 0;
  for (size_t b = 0; b < B; b++)
    longest = (size_t)lengths[b] > longest ? (size_t)lengths[b] : longest;
  step_job j = {c->k, a, out, q, k, v, ldo, ldq, ldk, ldv, ld_index, longest, index, lengths, NULL};
  j.scores = nn_scratch(c, (size_t)pool_threads(c->threads) * longest * sizeof(float));
  if (!j.scores)
    return;
  size_t work = longest * (size_t)a->head_size * 2;
  c->work.f32 += 4.0 * (double)B * (double)longest * a->heads * a->head_size;
  pool_for(c->threads, B * (size_t)a->heads, 1 + 100000 / (work + 1), run_step, &j);
}
