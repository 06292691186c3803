/* Products of packed linear layers (linear_pack.c), split into tiles for the threads. */
#include "nn/context.h"

#include <math.h>
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

typedef struct tiles {
  const nn_kernels *k;
  nn_product p;
  size_t M;
  size_t row_tiles, panel_tiles;
} tiles;

/* Where part i of `parts` even ones begins. */
static size_t part(size_t n, size_t parts, size_t i)
{
  return n * i / parts;
}

/* The same in pairs of panels, since most kernels take two at once. */
static int panel_part(const tiles *t, size_t i)
{
  const size_t panels = (size_t)t->p.l->panels;
  return (int)(i == t->panel_tiles ? panels : part(panels, t->panel_tiles, i) / 2 * 2);
}

static void run_tiles(void *user, size_t begin, size_t end, int thread)
{
  const tiles *t = user;
  (void)thread;
  for (size_t i = begin; i < end; i++) {
    const size_t panels = i / t->row_tiles, rows = i % t->row_tiles;
    const nn_tile tile = {part(t->M, t->row_tiles, rows), part(t->M, t->row_tiles, rows + 1), panel_part(t, panels), panel_part(t, panels + 1)};
    t->p.linear(&t->p, tile);
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

static void count(nn_context *c, const nn_linear *l, size_t M)
{
  *(l->format == NN_FORMAT_Q8 ? &c->work.q8 : &c->work.f32) += 2.0 * (double)M * l->N * l->K;
  c->work.weights += (double)l->panels * (double)l->panel_bytes;
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
  count(c, l, t->M);
  nn_product_clamp(&t->p);
  memset(bx + (rows - NN_TILE_ROWS) * (size_t)l->blocks * NN_BLOCK, 0, NN_TILE_ROWS * (size_t)l->blocks * NN_BLOCK * sizeof *bx); /* the last tile may have fewer rows */
  narrow_job j = {c->k, bx, t->p.x, t->p.ldx, l->K, l->blocks};
  pool_for(c->threads, t->M, 1 + 65536 / (size_t)(l->K + 1), run_narrow, &j);
  t->p.bx = bx;
  pool_for(c->threads, (t->M + NN_WIDE_ROWS - 1) / NN_WIDE_ROWS * (size_t)((l->panels + NN_WIDE_PANELS - 1) / NN_WIDE_PANELS), 1, run_wide_tiles, t);
}

bool nn_product_begin(nn_context *c, nn_product *p, size_t M)
{
  const nn_linear *l = p->l;
  const bool q8 = l->format == NN_FORMAT_Q8;
  p->linear = q8 ? c->k->linear_q8 : l->format == NN_FORMAT_F16 ? c->k->linear_f16 : c->k->linear_f32;
  count(c, l, M);
  nn_product_clamp(p);
  if (!q8)
    return true;
  const size_t blocks = M * (size_t)l->blocks;
  int8_t *q = nn_scratch(c, blocks * (NN_BLOCK + sizeof(float) + sizeof(int32_t)));
  if (!q)
    return false;
  float *s = (float *)(void *)(q + blocks * NN_BLOCK);
  quantize_job j = {c->k, q, s, (int32_t *)(void *)(s + blocks), p->x, p->ldx, l->K, l->blocks};
  pool_for(c->threads, M, 1 + 65536 / (size_t)(l->K + 1), run_quantize, &j);
  p->qx = q;
  p->sx = j.s;
  p->nx = j.n;
  return true;
}

void nn_linear_forward(nn_context *c, const nn_linear *l, float *y, size_t ldy, const float *x, size_t ldx, size_t M, const nn_epilogue *e)
{
  tiles t = {.k = c->k, .p = {.l = l, .y = y, .ldy = ldy, .x = x, .ldx = ldx}, .M = M, .row_tiles = (M + ROWS_PER_TILE - 1) / ROWS_PER_TILE};
  if (M == 0)
    return;
  if (e)
    t.p.e = *e;
  if (l->wide && c->k->linear_bf16) {
    forward_wide(c, &t);
    return;
  }
  if (!nn_product_begin(c, &t.p, M))
    return;
  size_t tile_panels = PANELS_PER_TILE;
  if (t.row_tiles == 1) { /* the weights are what takes time: one long piece of them for each thread */
    const size_t share = ((size_t)l->panels + (size_t)pool_threads(c->threads) - 1) / (size_t)pool_threads(c->threads);
    tile_panels = share > PANELS_PER_TILE ? share : PANELS_PER_TILE;
  }
  t.panel_tiles = ((size_t)l->panels + tile_panels - 1) / tile_panels;
  const size_t n = t.row_tiles * t.panel_tiles;
  /* below some hundred thousand multiplications waking a thread costs more than it brings */
  pool_for(c->threads, n, (double)M * l->N * l->K < 2e5 ? n : 1, run_tiles, &t);
}
