/* The table of kernels: one for each kind of processor, all meaning what the plain C ones in generic/ say. nn's own; the other rooms see nn.h.
 *
 * Layers are packed the same way for every kind: panels of 16 output channels, so that one packed model serves whatever kernels a process chose, and a file can hold it (model/tensor.h).
 *   f32, f16: [K, 16]
 *   q8:  scales half [blocks, 16], then weights int8 [blocks, 8, 16, 4]: in every block of 32 along K, groups of 4 bytes for each of the 16 channels. A panel is read from its first byte to its
 *        last, and the next one follows on it: memory is fastest so.
 *        Activations are quantised row by row in blocks of 32: q = round(x / s), s = max|x| / 127. A product is sum over blocks of (s_x s_w) x (the exact integer dot product), added
 *        with one fused multiply-add a block, in the order of K: the same bits on every kind of processor, for every M and number of threads.
 *        linear_bf16 takes the same packed weights, times their scales and rounded to bf16, with activations in bf16: sums in f32, in an order that depends on K only. */
#ifndef NN_KERNELS_H
#define NN_KERNELS_H

#include "nn/nn.h"

enum { NN_PANEL = 16, NN_BLOCK = 32, NN_TILE_ROWS = 16, NN_WIDE_ROWS = 256, NN_WIDE_PANELS = 2, NN_GROUP = 2 * NN_PANEL, NN_PLACES = 8 };

typedef enum nn_format { NN_FORMAT_F32, NN_FORMAT_F16, NN_FORMAT_Q8 } nn_format;

/* Panels that stand one behind the other, from this number of the layer's on: the mapped file's own or memory of the model's arena. */
typedef struct nn_run {
  int panel;
  const void *first;
} nn_run;

struct nn_linear {
  int N, K;
  int panels, blocks; /* ceil(N / 16); ceil(K / 32) */
  nn_format format;
  bool wide, borrows; /* borrows: some panels are the file's */
  size_t panel_bytes;
  int n_runs;
  nn_run *runs;
  float *bias; /* [panels * 16], 0 where there is none */
};

size_t nn_panel_bytes(nn_format format, int K);

static inline const void *nn_panel(const nn_linear *l, int panel)
{
  int i = l->n_runs - 1;
  while (l->runs[i].panel > panel)
    i--;
  return (const char *)l->runs[i].first + (size_t)(panel - l->runs[i].panel) * l->panel_bytes;
}

/* A panel of 8-bit weights: its scales as IEEE halves [blocks, 16]; behind them its weights. */
static inline const uint16_t *nn_panel_scales(const nn_linear *l, int panel)
{
  return (const uint16_t *)nn_panel(l, panel);
}

static inline const int8_t *nn_panel_weights(const nn_linear *l, int panel)
{
  return (const int8_t *)nn_panel(l, panel) + (size_t)l->blocks * NN_PANEL * sizeof(uint16_t);
}

struct nn_depthwise {
  int C, k, stride;
  float *weight; /* [panels, k * k, 16], 0 beyond C */
  float *bias;   /* [panels * 16] */
};

#define NN_LARGEST_HALF 65504.0f

/* A rectangle of a product: rows row_begin.. of x and y, panels panel_begin.. of the weights. */
typedef struct nn_tile {
  size_t row_begin, row_end;
  int panel_begin, panel_end;
} nn_tile;

typedef struct nn_product nn_product;

struct nn_product {
  const nn_linear *l;
  void (*linear)(const nn_product *p, nn_tile t); /* the kernel of the weights' format */
  float *y;                                       /* row first_row from panel first_panel on */
  size_t ldy, first_row;
  int first_panel;
  const float *x; /* f32 */
  size_t ldx;
  const int8_t *qx;   /* q8: [M, blocks * 32] */
  const float *sx;    /* q8: [M, blocks] */
  const int32_t *nx;  /* q8: [M, blocks], -128 times the sum of a block of qx */
  const uint16_t *bx; /* bf16: [ceil(M / 16), blocks, 16, 32], so that a tile is 1 KB in one piece */
  bool clamped;       /* the epilogue is no more than bias, a clamp to low..high, and the residual */
  float low, high;
  nn_epilogue e;
};

/* Settles clamped, low and high from the epilogue. */
void nn_product_clamp(nn_product *p);

/* Where the outputs of a row begin with a panel. */
static inline float *nn_product_out(const nn_product *p, size_t row, int panel)
{
  return p->y + (row - p->first_row) * p->ldy + (size_t)(panel - p->first_panel) * NN_PANEL;
}

/* One row of outputs of a depthwise convolution, and up to 16 channels of it. The input's rows stand with zeros for the places beside the picture, and each place NN_GROUP numbers from the next;
 * outputs are computed NN_PLACES at a time, so that nn_places_read of a row must be there to read. */
typedef struct nn_depthwise_row {
  int k, stride, columns, channels;
  const float *const *lines;  /* [k]: the rows, from the first channel */
  const float *weight, *bias; /* [k * k, 16], [16] */
  float *y;
  size_t ldy;
  float low, high; /* outputs are clamped to */
} nn_depthwise_row;

static inline size_t nn_places_read(int columns, int k, int stride)
{
  return (((size_t)columns + NN_PLACES - 1) / NN_PLACES * NN_PLACES - 1) * (size_t)stride + (size_t)k;
}

typedef struct nn_kernels {
  const char *name;
  void (*linear_f32)(const nn_product *p, nn_tile t);
  void (*linear_f16)(const nn_product *p, nn_tile t); /* weights widened as they are used, which is exact: what linear_f32 gives for the same numbers */
  void (*linear_q8)(const nn_product *p, nn_tile t);
  void (*quantize)(int8_t *q, float *s, int32_t *n, const float *x, int K, int blocks); /* one row; padded with zeros; n: -128 times the sum of each block */
  /* With matrix units, else NULL: 8-bit weights and activations in bf16. A tile has at most NN_WIDE_ROWS rows and NN_WIDE_PANELS panels. */
  void (*linear_bf16)(const nn_product *p, nn_tile t);
  void (*narrow)(uint16_t *to, const float *x, int K, int blocks); /* one row to bf16, a block each 16 * 32 numbers; padded with zeros */
  void (*halve)(uint16_t *to, const float *x, size_t n);           /* to the nearest IEEE half, ties to even, beyond the largest to that; n is a multiple of 16 */
  float (*dot)(const float *a, const float *b, size_t n);
  void (*axpy)(float *y, float a, const float *x, size_t n); /* y += a x */
  void (*softmax)(float *x, size_t n);
  float (*sum_exp)(const float *x, size_t n, float max);                                                   /* sum of exp(x - max) */
  void (*layer_norm)(float *y, const float *x, size_t N, const float *gain, const float *bias, float eps); /* one row */
  void (*activate)(float *x, size_t n, nn_activation a);
  void (*depthwise)(const nn_depthwise_row *r);
} nn_kernels;

extern const nn_kernels nn_kernels_generic;
#if defined(__x86_64__)
extern const nn_kernels nn_kernels_avx2, nn_kernels_avxvnni, nn_kernels_avx512, nn_kernels_avx512vnni, nn_kernels_amx;
#elif defined(__aarch64__)
extern const nn_kernels nn_kernels_neon, nn_kernels_neon_dotprod;
#endif

/* The table for this processor, or the one that OPIS_CPU names; NULL (OPIS_EINVALID) when that one is not to be had. */
const nn_kernels *nn_kernels_choose(void);

#endif
