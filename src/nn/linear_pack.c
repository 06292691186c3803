/* Packing linear layers once: into panels (nn/kernels.h), or pointing to those that the file holds already. */
#include "nn/kernels.h"

#include "util/error.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

size_t nn_panel_bytes(nn_format format, int K)
{
  switch (format) {
  case NN_FORMAT_F32: return (size_t)K * NN_PANEL * sizeof(float);
  case NN_FORMAT_F16: return (size_t)K * NN_PANEL * sizeof(uint16_t);
  case NN_FORMAT_Q8: break;
  }
  return (size_t)((K + NN_BLOCK - 1) / NN_BLOCK) * NN_PANEL * Q8_0_BLOCK_BYTES;
}

bool nn_linear_is_q8(const nn_linear *l)
{
  return l->format == NN_FORMAT_Q8;
}

bool nn_linear_borrows(const nn_linear *l)
{
  return l->borrows;
}

/* Whether the bytes stand as [K, N]: GPT-2's layers do on the hub, and do not in a GGUF. */
static bool stands_transposed(const nn_linear_source *s)
{
  return s->transposed != s->weight->transposed;
}

/* Shapes of a source: [N, K] or transposed [K, N]; trailing dimensions of 1 x 1 (or larger) convolutions belong to K. */
static int source_shape(const nn_linear_source *s, int64_t *N, int64_t *K)
{
  const tensor *w = s->weight;
  int64_t first = w->n_dims > 0 ? w->dims[0] : 0, rest = first ? tensor_elements(w) / first : 0;
  *N = stands_transposed(s) ? rest : first;
  *K = stands_transposed(s) ? first : rest;
  if (w->n_dims < 2 || *N > INT32_MAX / 64 || *K > INT32_MAX / 64)
    return error_set(OPIS_EFORMAT, "%s: no matrix of a size that a model has", w->name);
  if (stands_transposed(s) && (w->type == TENSOR_Q8_0 || w->panels))
    return error_set(OPIS_EFORMAT, "%s: %s cannot be stored transposed", w->name, w->panels ? "panels" : "q8_0");
  if (s->rows > 0 && (s->first_row < 0 || s->first_row > *N || s->rows > *N - s->first_row))
    return error_set(OPIS_EFORMAT, "%s: has %lld rows, too few", w->name, (long long)*N);
  if (s->bias && tensor_elements(s->bias) != *N)
    return error_set(OPIS_EFORMAT, "%s: has %lld elements, not %lld", s->bias->name, (long long)tensor_elements(s->bias), (long long)*N);
  return 0;
}

static int64_t source_rows(const nn_linear_source *s)
{
  int64_t n, k;
  return s->rows > 0 ? s->rows : source_shape(s, &n, &k) == 0 ? n : 0;
}

/* 16-bit halves stay what they are: widening them as they are used is exact, and half as much is read. */
static nn_format format_of(const nn_linear_source *sources, int n, nn_weights weights)
{
  bool halves = true;
  for (int i = 0; i < n; i++)
    halves = halves && sources[i].weight->type == TENSOR_F16;
  return weights != NN_F32 ? NN_FORMAT_Q8 : halves ? NN_FORMAT_F16 : NN_FORMAT_F32;
}

/* How many of a source's rows, the layer's from `at` on, are panels of the file that can be used where they are. */
static int64_t borrowed_rows(const nn_linear *l, const nn_linear_source *s, int at)
{
  static const tensor_type types[] = {[NN_FORMAT_F32] = TENSOR_F32, [NN_FORMAT_F16] = TENSOR_F16, [NN_FORMAT_Q8] = TENSOR_Q8_0};
  const tensor *w = s->weight;
  const bool fits = w->panels && w->type == types[l->format] && (uintptr_t)w->data % sizeof(float) == 0;
  if (!fits || at % NN_PANEL != 0 || s->first_row % NN_PANEL != 0)
    return 0;
  /* the rows behind a tensor's last whole panel stand as rows */
  const int64_t whole = w->dims[0] / NN_PANEL * NN_PANEL - s->first_row, rows = source_rows(s);
  return whole < 0 ? 0 : (rows < whole ? rows : whole) / NN_PANEL * NN_PANEL;
}

static void add_run(nn_linear *l, int panel, const void *first)
{
  if (first || l->n_runs == 0 || l->runs[l->n_runs - 1].first) /* panels of our own stand together */
    l->runs[l->n_runs++] = (nn_run){panel, first};
}

/* Which panels are the file's and which our own, whose memory is taken. */
static int lay_out(nn_linear *l, arena *a, const nn_linear_source *sources, int n_sources)
{
  int at = 0;
  l->runs = arena_calloc(a, 2 * (size_t)n_sources, sizeof *l->runs);
  if (!l->runs)
    return OPIS_ENOMEM;
  for (int i = 0; i < n_sources; i++) {
    const nn_linear_source *s = &sources[i];
    const int64_t rows = source_rows(s), borrowed = borrowed_rows(l, s, at);
    if (borrowed > 0)
      add_run(l, at / NN_PANEL, (const char *)s->weight->data + (size_t)(s->first_row / NN_PANEL) * l->panel_bytes);
    if (rows > borrowed)
      add_run(l, (at + (int)borrowed) / NN_PANEL, NULL);
    l->borrows |= borrowed > 0;
    at += (int)rows;
  }
  for (int i = 0; i < l->n_runs; i++) {
    const int end = i + 1 < l->n_runs ? l->runs[i + 1].panel : l->panels;
    if (!l->runs[i].first && !(l->runs[i].first = arena_calloc(a, (size_t)(end - l->runs[i].panel), l->panel_bytes)))
      return OPIS_ENOMEM;
  }
  return 0;
}

/* ---- rows into panels of our own ---- */

static void *own_panel(const nn_linear *l, int n)
{
  return (void *)(uintptr_t)nn_panel(l, n / NN_PANEL);
}

static void put_f32(const nn_linear *l, int n, const float *row)
{
  float *to = (float *)own_panel(l, n) + n % NN_PANEL;
  for (int k = 0; k < l->K; k++)
    to[(size_t)k * NN_PANEL] = row[k];
}

static void put_f16(const nn_linear *l, int n, const float *row)
{
  uint16_t *to = (uint16_t *)own_panel(l, n) + n % NN_PANEL;
  for (int k = 0; k < l->K; k++)
    to[(size_t)k * NN_PANEL] = float_to_half(row[k]); /* it was a half */
}

/* A row of q8_0 blocks. */
static void put_q8(const nn_linear *l, int n, const uint8_t *block)
{
  uint16_t *scale = (uint16_t *)own_panel(l, n) + n % NN_PANEL;
  int8_t *to = (int8_t *)own_panel(l, n) + (size_t)l->blocks * NN_PANEL * sizeof *scale + (size_t)(n % NN_PANEL) * 4;
  for (int b = 0; b < l->blocks; b++, block += Q8_0_BLOCK_BYTES, scale += NN_PANEL) {
    int8_t q[NN_BLOCK];
    memcpy(scale, block, sizeof *scale);
    memcpy(q, block + sizeof *scale, NN_BLOCK);
    for (int i = 0; i < NN_BLOCK; i++) /* -128 is none that a quantiser writes, and would not fit the kernels' products */
      q[i] = q[i] == -128 ? -127 : q[i];
    for (int g = 0; g < NN_BLOCK / 4; g++, to += (size_t)NN_PANEL * 4)
      memcpy(to, q + (size_t)g * 4, 4);
  }
}

/* A source's rows first..first + rows become the layer's from `at` on. */
typedef struct packing {
  nn_linear *l;
  const nn_linear_source *s;
  int64_t N, first, rows;
  int at;
  atomic_bool failed; /* for want of memory */
} packing;

/* What a row needs beside itself: [blocks * 32] floats and as many in q8_0, where the layer has 8 bits. */
static size_t row_floats(const nn_linear *l)
{
  return (size_t)l->blocks * NN_BLOCK;
}

static size_t row_bytes(const nn_linear *l)
{
  return row_floats(l) * sizeof(float) + (size_t)l->blocks * Q8_0_BLOCK_BYTES;
}

/* row: [blocks * 32], zeros behind K; its q8_0 blocks go behind it. */
static void put(const packing *j, int64_t n, float *row)
{
  const nn_linear *l = j->l;
  uint8_t *blocks = (uint8_t *)(row + row_floats(l));
  switch (l->format) {
  case NN_FORMAT_F32: put_f32(l, j->at + (int)n, row); break;
  case NN_FORMAT_F16: put_f16(l, j->at + (int)n, row); break;
  case NN_FORMAT_Q8:
    q8_0_quantise(blocks, row, (size_t)l->blocks);
    put_q8(l, j->at + (int)n, blocks);
    break;
  }
}

enum { COLUMNS = 64 };

/* A block of columns of a transposed source at a time, so that the file is read row by row. */
static void pack_transposed(void *user, size_t begin, size_t end, int thread)
{
  packing *j = user;
  const size_t K = (size_t)j->l->K;
  float *line = calloc(1, sizeof(float) * COLUMNS * (K + 1) + row_bytes(j->l));
  (void)thread;
  if (!line) {
    atomic_store(&j->failed, true);
    return;
  }
  float *block = line + COLUMNS, *row = block + COLUMNS * K;
  for (int64_t c = (int64_t)begin * COLUMNS; c < (int64_t)end * COLUMNS && c < j->rows; c += COLUMNS) {
    int64_t n = j->rows - c < COLUMNS ? j->rows - c : COLUMNS;
    for (size_t k = 0; k < K; k++) {
      tensor_read_f32(line, j->s->weight, (int64_t)k * j->N + j->first + c, n);
      for (int64_t i = 0; i < n; i++)
        block[(size_t)i * K + k] = line[i];
    }
    for (int64_t i = 0; i < n; i++) {
      memcpy(row, block + (size_t)i * K, K * sizeof *row);
      put(j, c + i, row);
    }
  }
  free(line);
}

static void pack_rows(void *user, size_t begin, size_t end, int thread)
{
  packing *j = user;
  const nn_linear *l = j->l;
  const bool direct = l->format == NN_FORMAT_Q8 && j->s->weight->type == TENSOR_Q8_0;
  float *row = calloc(1, row_bytes(l));
  (void)thread;
  if (!row)
    atomic_store(&j->failed, true);
  for (int64_t n = (int64_t)begin; n < (int64_t)end && row; n++)
    if (direct) { /* the blocks of a file as they are */
      uint8_t *blocks = (uint8_t *)(row + row_floats(l));
      tensor_read_q8_0(blocks, j->s->weight, j->first + n);
      put_q8(l, j->at + (int)n, blocks);
    } else {
      tensor_read_f32(row, j->s->weight, (j->first + n) * l->K, l->K);
      put(j, n, row);
    }
  free(row);
}

static int pack(nn_linear *l, pool *threads, const nn_linear_source *s, int at)
{
  int64_t n, k, rows = source_rows(s), borrowed = borrowed_rows(l, s, at);
  source_shape(s, &n, &k);
  if (s->bias)
    tensor_read_f32(l->bias + at, s->bias, s->first_row, rows);
  packing j = {.l = l, .s = s, .N = n, .first = s->first_row + borrowed, .rows = rows - borrowed, .at = at + (int)borrowed};
  const size_t grain = 1 + 65536 / (size_t)(l->K + 1);
  if (stands_transposed(s))
    pool_for(threads, (size_t)(j.rows + COLUMNS - 1) / COLUMNS, 1 + grain / COLUMNS, pack_transposed, &j);
  else
    pool_for(threads, (size_t)j.rows, grain, pack_rows, &j);
  return j.failed ? error_nomem() : 0;
}

int nn_linear_pack(nn_linear **out, arena *a, pool *threads, const nn_linear_source *sources, int n_sources, nn_weights weights)
{
  int64_t N = 0, K = 0;
  for (int i = 0; i < n_sources; i++) {
    int64_t n, k;
    int code = source_shape(&sources[i], &n, &k);
    if (code < 0)
      return code;
    if (i > 0 && k != K)
      return error_set(OPIS_EFORMAT, "%s: is %lld wide, the others of its layer %lld", sources[i].weight->name, (long long)k, (long long)K);
    K = k;
    N += sources[i].rows > 0 ? sources[i].rows : n;
  }
  nn_linear *l = arena_calloc(a, 1, sizeof *l);
  if (!l || N > INT32_MAX / 64)
    return error_nomem();
  l->N = (int)N;
  l->K = (int)K;
  l->format = format_of(sources, n_sources, weights);
  l->wide = weights == NN_Q8_WIDE;
  l->panels = (l->N + NN_PANEL - 1) / NN_PANEL;
  l->blocks = (l->K + NN_BLOCK - 1) / NN_BLOCK;
  l->panel_bytes = nn_panel_bytes(l->format, l->K);
  l->bias = arena_calloc(a, (size_t)l->panels * NN_PANEL, sizeof *l->bias);
  int code = l->bias ? lay_out(l, a, sources, n_sources) : OPIS_ENOMEM, at = 0;
  for (int i = 0; i < n_sources && code == 0; i++) {
    code = pack(l, threads, &sources[i], at);
    at += (int)source_rows(&sources[i]);
  }
  *out = l;
  return code;
}
