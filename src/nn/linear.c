/* Packed linear layers: packing once, and splitting a product into tiles for the threads. */
#include "nn/context.h"

#include "util/error.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_PER_TILE = 48 /* a multiple of what the kernels take at once */, PANELS_PER_TILE = 8 };

int nn_linear_n(const nn_linear *l)
{
  return l->N;
}

int nn_linear_k(const nn_linear *l)
{
  return l->K;
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
  if (stands_transposed(s) && w->type == TENSOR_Q8_0)
    return error_set(OPIS_EFORMAT, "%s: q8_0 cannot be stored transposed", w->name);
  if (s->rows > 0 && (s->first_row < 0 || s->first_row > *N || s->rows > *N - s->first_row))
    return error_set(OPIS_EFORMAT, "%s: has %lld rows, too few", w->name, (long long)*N);
  if (s->bias && tensor_elements(s->bias) != *N)
    return error_set(OPIS_EFORMAT, "%s: has %lld elements, not %lld", s->bias->name, (long long)tensor_elements(s->bias), (long long)*N);
  return 0;
}

static void put_f32(nn_linear *l, int n, const float *row)
{
  float *to = l->f32 + (size_t)(n / NN_PANEL) * (size_t)l->K * NN_PANEL + n % NN_PANEL;
  for (int k = 0; k < l->K; k++)
    to[(size_t)k * NN_PANEL] = row[k];
}

static void put_q8_block(nn_linear *l, int n, int block, const int8_t *q, float scale)
{
  size_t at = (size_t)(n / NN_PANEL) * (size_t)l->blocks + (size_t)block;
  int8_t *to = l->q + at * NN_BLOCK * NN_PANEL + (size_t)(n % NN_PANEL) * 4;
  for (int g = 0; g < NN_BLOCK / 4; g++)
    memcpy(to + (size_t)g * NN_PANEL * 4, q + g * 4, 4);
  l->scale[at * NN_PANEL + (size_t)(n % NN_PANEL)] = scale;
}

/* The q8_0 blocks of a file as they are; other types are quantised like q8_0: scale max|w| / 127, rounded to nearest. */
static void put_q8(nn_linear *l, int n, const nn_linear_source *s, int64_t source_n, const float *row)
{
  int8_t q[NN_BLOCK];
  if (s->weight->type == TENSOR_Q8_0) {
    const uint8_t *block = (const uint8_t *)s->weight->data + (size_t)source_n * (size_t)l->blocks * Q8_0_BLOCK_BYTES;
    for (int b = 0; b < l->blocks; b++, block += Q8_0_BLOCK_BYTES) {
      uint16_t half;
      memcpy(&half, block, 2);
      memcpy(q, block + 2, NN_BLOCK);
      for (int i = 0; i < NN_BLOCK; i++) /* -128 is none that a quantiser writes, and would not fit the kernels' products */
        q[i] = q[i] == -128 ? -127 : q[i];
      put_q8_block(l, n, b, q, half_to_float(half));
    }
    return;
  }
  for (int b = 0; b < l->blocks; b++) {
    int count = l->K - b * NN_BLOCK < NN_BLOCK ? l->K - b * NN_BLOCK : NN_BLOCK;
    float most = 0;
    for (int i = 0; i < count; i++)
      most = fmaxf(most, fabsf(row[b * NN_BLOCK + i]));
    float scale = most / 127.0f, inverse = most > 0 ? 127.0f / most : 0;
    memset(q, 0, sizeof q);
    for (int i = 0; i < count; i++)
      q[i] = (int8_t)lrintf(row[b * NN_BLOCK + i] * inverse);
    put_q8_block(l, n, b, q, scale);
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

static void put(const packing *j, int64_t n, const float *row)
{
  if (j->l->q8)
    put_q8(j->l, j->at + (int)n, j->s, j->first + n, row);
  else
    put_f32(j->l, j->at + (int)n, row);
}

enum { COLUMNS = 64 };

/* A block of columns of a transposed source at a time, so that the file is read row by row. */
static void pack_transposed(void *user, size_t begin, size_t end, int thread)
{
  packing *j = user;
  const size_t K = (size_t)j->l->K;
  float *line = malloc(sizeof(float) * COLUMNS * (K + 1));
  (void)thread;
  if (!line) {
    atomic_store(&j->failed, true);
    return;
  }
  float *block = line + COLUMNS;
  for (int64_t c = (int64_t)begin * COLUMNS; c < (int64_t)end * COLUMNS && c < j->rows; c += COLUMNS) {
    int64_t n = j->rows - c < COLUMNS ? j->rows - c : COLUMNS;
    for (size_t k = 0; k < K; k++) {
      tensor_read_f32(line, j->s->weight, (int64_t)k * j->N + j->first + c, n);
      for (int64_t i = 0; i < n; i++)
        block[(size_t)i * K + k] = line[i];
    }
    for (int64_t i = 0; i < n; i++)
      put(j, c + i, block + (size_t)i * K);
  }
  free(line);
}

static void pack_rows(void *user, size_t begin, size_t end, int thread)
{
  packing *j = user;
  const bool direct = j->l->q8 && j->s->weight->type == TENSOR_Q8_0;
  float *row = malloc(sizeof(float) * (size_t)j->l->K + 1);
  (void)thread;
  if (!row)
    atomic_store(&j->failed, true);
  for (int64_t n = (int64_t)begin; n < (int64_t)end && row; n++) {
    if (!direct)
      tensor_read_f32(row, j->s->weight, (j->first + n) * j->l->K, j->l->K);
    put(j, n, row);
  }
  free(row);
}

int nn_linear_pack(nn_linear **out, arena *a, pool *threads, const nn_linear_source *sources, int n_sources, nn_weights weights)
{
  int64_t N = 0, K = 0;
  bool q8 = weights != NN_F32;
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
  l->q8 = q8;
  l->wide = weights == NN_Q8_WIDE;
  l->panels = (l->N + NN_PANEL - 1) / NN_PANEL;
  l->blocks = (l->K + NN_BLOCK - 1) / NN_BLOCK;
  size_t padded = (size_t)l->panels * NN_PANEL;
  l->bias = arena_calloc(a, padded, sizeof *l->bias);
  if (q8) {
    l->q = arena_calloc(a, padded * (size_t)l->blocks, NN_BLOCK);
    l->scale = arena_calloc(a, padded * (size_t)l->blocks, sizeof *l->scale);
  } else
    l->f32 = arena_calloc(a, padded * (size_t)l->K, sizeof *l->f32);
  if (!l->bias || (q8 ? !l->q || !l->scale : !l->f32))
    return OPIS_ENOMEM;
  int at = 0;
  for (int i = 0; i < n_sources; i++) {
    const nn_linear_source *s = &sources[i];
    int64_t n, k, first = s->first_row;
    source_shape(s, &n, &k);
    int64_t rows = s->rows > 0 ? s->rows : n;
    if (s->bias)
      tensor_read_f32(l->bias + at, s->bias, first, rows);
    packing j = {.l = l, .s = s, .N = n, .first = first, .rows = rows, .at = at};
    const size_t grain = 1 + 65536 / (size_t)(l->K + 1);
    if (stands_transposed(s))
      pool_for(threads, (size_t)(rows + COLUMNS - 1) / COLUMNS, 1 + grain / COLUMNS, pack_transposed, &j);
    else
      pool_for(threads, (size_t)rows, grain, pack_rows, &j);
    if (j.failed)
      return error_nomem();
    at += (int)rows;
  }
  *out = l;
  return 0;
}

/* ---- forward ---- */

typedef struct tiles {
  const nn_kernels *k;
  nn_product p;
  size_t M;
  size_t row_tiles;
} tiles;

static void run_tiles(void *user, size_t begin, size_t end, int thread)
{
  const tiles *t = user;
  (void)thread;
  for (size_t i = begin; i < end; i++) {
    size_t panels = i / t->row_tiles * PANELS_PER_TILE, rows = i % t->row_tiles * ROWS_PER_TILE;
    nn_tile tile = {
      .row_begin = rows,
      .row_end = rows + ROWS_PER_TILE < t->M ? rows + ROWS_PER_TILE : t->M,
      .panel_begin = (int)panels,
      .panel_end = (int)panels + PANELS_PER_TILE < t->p.l->panels ? (int)panels + PANELS_PER_TILE : t->p.l->panels,
    };
    if (t->p.l->q8)
      t->k->linear_q8(&t->p, tile);
    else
      t->k->linear_f32(&t->p, tile);
  }
}

typedef struct quantize_job {
  const nn_kernels *k;
  int8_t *q;
  float *s;
  int32_t *n;
  const float *x;
  size_t ldx;
  int K, blocks;
} quantize_job;

static void run_quantize(void *user, size_t begin, size_t end, int thread)
{
  const quantize_job *j = user;
  (void)thread;
  for (size_t m = begin; m < end; m++)
    j->k->quantize(j->q + m * (size_t)j->blocks * NN_BLOCK, j->s + m * (size_t)j->blocks, j->n + m * (size_t)j->blocks, j->x + m * j->ldx, j->K, j->blocks);
}

void nn_product_clamp(nn_product *p)
{
  nn_activation a = p->e.activation;
  p->clamped = !p->e.scale && (a == NN_NONE || a == NN_RELU || a == NN_RELU6);
  p->low = a == NN_NONE ? -INFINITY : 0;
  p->high = a == NN_RELU6 ? 6 : INFINITY;
}

/* ---- on matrix units ---- */

static void run_wide_tiles(void *user, size_t begin, size_t end, int thread)
{
  const tiles *t = user;
  const int panels = t->p.l->panels, together = (panels + NN_WIDE_PANELS - 1) / NN_WIDE_PANELS;
  (void)thread;
  for (size_t i = begin; i < end; i++) {
    size_t rows = i / (size_t)together * NN_WIDE_ROWS;
    int panel = (int)(i % (size_t)together) * NN_WIDE_PANELS;
    nn_tile tile = {
      .row_begin = rows,
      .row_end = rows + NN_WIDE_ROWS < t->M ? rows + NN_WIDE_ROWS : t->M,
      .panel_begin = panel,
      .panel_end = panel + NN_WIDE_PANELS < panels ? panel + NN_WIDE_PANELS : panels,
    };
    t->k->linear_bf16(&t->p, tile);
  }
}

typedef struct narrow_job {
  const nn_kernels *k;
  uint16_t *to;
  const float *x;
  size_t ldx;
  int K, blocks;
} narrow_job;

static void run_narrow(void *user, size_t begin, size_t end, int thread)
{
  const narrow_job *j = user;
  const size_t tile = (size_t)j->blocks * NN_TILE_ROWS * NN_BLOCK;
  (void)thread;
  for (size_t m = begin; m < end; m++)
    j->k->narrow(j->to + m / NN_TILE_ROWS * tile + m % NN_TILE_ROWS * NN_BLOCK, j->x + m * j->ldx, j->K, j->blocks);
}

static void forward_wide(nn_context *c, tiles *t)
{
  const nn_linear *l = t->p.l;
  const size_t rows = (t->M + NN_TILE_ROWS - 1) / NN_TILE_ROWS * NN_TILE_ROWS, numbers = rows * (size_t)l->blocks * NN_BLOCK;
  uint16_t *bx = nn_scratch(c, numbers * sizeof *bx);
  if (!bx)
    return;
  memset(bx + (rows - NN_TILE_ROWS) * (size_t)l->blocks * NN_BLOCK, 0, NN_TILE_ROWS * (size_t)l->blocks * NN_BLOCK * sizeof *bx); /* the last tile may have fewer rows */
  narrow_job j = {c->k, bx, t->p.x, t->p.ldx, l->K, l->blocks};
  pool_for(c->threads, t->M, 1 + 65536 / (size_t)(l->K + 1), run_narrow, &j);
  t->p.bx = bx;
  pool_for(c->threads, (t->M + NN_WIDE_ROWS - 1) / NN_WIDE_ROWS * (size_t)((l->panels + NN_WIDE_PANELS - 1) / NN_WIDE_PANELS), 1, run_wide_tiles, t);
}

void nn_linear_forward(nn_context *c, const nn_linear *l, float *y, size_t ldy, const float *x, size_t ldx, size_t M, const nn_epilogue *e)
{
  tiles t = {.k = c->k, .p = {.l = l, .y = y, .ldy = ldy, .x = x, .ldx = ldx}, .M = M, .row_tiles = (M + ROWS_PER_TILE - 1) / ROWS_PER_TILE};
  if (M == 0)
    return;
  if (e)
    t.p.e = *e;
  nn_product_clamp(&t.p);
  double work = (double)M * l->N * l->K;
  *(l->q8 ? &c->work.q8 : &c->work.f32) += 2 * work;
  c->work.weights += (double)l->N * l->K * (l->q8 ? 1 + 4.0 / NN_BLOCK : 4);
  if (l->wide && c->k->linear_bf16) {
    forward_wide(c, &t);
    return;
  }
  if (l->q8) {
    size_t blocks = M * (size_t)l->blocks;
    int8_t *q = nn_scratch(c, blocks * (NN_BLOCK + sizeof(float) + sizeof(int32_t)));
    if (!q)
      return;
    float *s = (float *)(void *)(q + blocks * NN_BLOCK);
    quantize_job j = {c->k, q, s, (int32_t *)(void *)(s + blocks), x, ldx, l->K, l->blocks};
    pool_for(c->threads, M, 1 + 65536 / (size_t)(l->K + 1), run_quantize, &j);
    t.p.qx = q;
    t.p.sx = j.s;
    t.p.nx = j.n;
  }
  size_t n = t.row_tiles * (size_t)((l->panels + PANELS_PER_TILE - 1) / PANELS_PER_TILE);
  /* below some hundred thousand multiplications waking a thread costs more than it brings */
  pool_for(c->threads, n, work < 2e5 ? n : 1, run_tiles, &t);
}
