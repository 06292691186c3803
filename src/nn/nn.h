/* What the families are built from: packed linear layers, attention, norms, activations, depthwise convolution. Everything is row-major float in and out; what happens in
 * between (packing, 8-bit sums) is the kernel's own business. Kernels are chosen once, by the processor's features or OPIS_CPU (nn/kernels.h).
 *
 * The same words for any number of threads and any batch: a result row depends on its own input row and the weights only, and is summed in an order that does not depend on M or on
 * the number of threads. */
#ifndef NN_NN_H
#define NN_NN_H

#include "model/tensor.h"
#include "util/arena.h"
#include "util/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum nn_activation { NN_NONE, NN_RELU, NN_RELU6, NN_GELU_ERF, NN_GELU_TANH, NN_QUICK_GELU, NN_SILU } nn_activation;

/* Where work happens: the pool and scratch memory of one session. Scratch grows to its largest use and then stays. Not shared between threads. */
typedef struct nn_context nn_context;
int nn_context_new(nn_context **out, pool *threads);
void nn_context_free(nn_context *c);
pool *nn_context_pool(nn_context *c);
/* 0, or OPIS_ENOMEM when scratch memory could not be had since the context was made: results since then are not to be used. Look once after a pass, not after each call. */
int nn_context_check(const nn_context *c);
/* At least size bytes on a cache line for what lies between the layers of a pass: they stay the context's, and what they hold is lost with the next call. NULL without memory, which nn_context_check
 * tells, too. */
void *nn_workspace(nn_context *c, size_t size);

/* What the layers of a context have been asked to do so far, for measuring: operations (a multiply-add is two) of 32-bit floats and of 8-bit integers, and the bytes of weights gone over. */
typedef struct nn_work {
  double f32, q8, weights;
} nn_work;
nn_work nn_context_work(const nn_context *c);

/* What the processor can do at the very most, on all threads of the pool: operations a second with the instructions of the kernels in use, in registers; and bytes a second of reading so many
 * bytes again and again, which come from the caches where they fit (as a model's weights do). Takes a tenth of a second. OPIS_ENOMEM. */
typedef struct nn_peak {
  double f32, q8, memory;
} nn_peak;
int nn_measure_peak(nn_peak *out, size_t bytes, pool *threads);

/* ---- linear: y[M, N] = activation(x[M, K] W^T + bias) ---- */

typedef struct nn_linear nn_linear;

typedef struct nn_linear_source {
  const tensor *weight;
  bool transposed;         /* false: [N, K] (torch's Linear; a 1 x 1 convolution [N, K, 1, 1]); true: [K, N] (GPT-2's Conv1D) */
  int64_t first_row, rows; /* the slice of N to take: 0, N for all of it; for q, k, v out of a fused tensor */
  const tensor *bias;      /* [whole N] or NULL; sliced likewise */
} nn_linear_source;

/* What a layer's weights become. NN_F32: as they are, F16 left as halves and widened as they are used. NN_Q8: q8_0 (a Q8_0 tensor's own, or quantised here), activations quantised on the fly: the same bits on every kind of processor.
 * NN_Q8_WIDE: the same weights for a layer whose rows always come by the hundred, as those of a picture's encoder do: where the processor multiplies matrices of bf16 (AMX), weights and
 * activations are rounded to that instead, which is twice as fast and no coarser; elsewhere as NN_Q8. */
typedef enum nn_weights { NN_F32, NN_Q8, NN_Q8_WIDE } nn_weights;

/* Packs one layer; several sources of one K are stacked along N (q, k and v from separate tensors become one product), by the threads of a pool or, if it is NULL, by the
 * caller alone. Memory is the arena's; but tensors whose rows stand in panels (model/tensor.h) and have the type that is wanted are used where they are, and must stay as long as the layer:
 * nn_linear_borrows tells. OPIS_EFORMAT for shapes that do not fit, OPIS_ENOMEM. */
int nn_linear_pack(nn_linear **out, arena *a, pool *threads, const nn_linear_source *sources, int n_sources, nn_weights weights);
bool nn_linear_borrows(const nn_linear *l);
bool nn_linear_is_q8(const nn_linear *l);
int nn_linear_n(const nn_linear *l);
int nn_linear_k(const nn_linear *l);

typedef struct nn_epilogue {
  nn_activation activation;
  const float *scale;    /* [N], multiplied after the activation (layer scale); NULL: none */
  const float *residual; /* [M, N] with row stride ld_residual, added last; may be y itself; NULL: none */
  size_t ld_residual;
} nn_epilogue;

/* x [M, K] with row stride ldx >= K; y [M, N] with row stride ldy >= N; e may be NULL. y must not overlap x. */
void nn_linear_forward(nn_context *c, const nn_linear *l, float *y, size_t ldy, const float *x, size_t ldx, size_t M, const nn_epilogue *e);

/* ---- attention ---- */

/* One query row's view is q[h * head_size + i]; keys and values of position t likewise at k + t * ldk. out = softmax(scale * q k^T + mask) v, head by head. */
typedef struct nn_attention {
  int heads, head_size;
  float scale;
  bool causal; /* query i sees keys 0 .. keys - queries + i */
  int prefix;  /* with causal: the first `prefix` keys are seen by every query, and queries inside the prefix see exactly the prefix (GIT) */
  bool half;   /* packed keys and values are kept as IEEE halves, for layers whose 8-bit weights round more than that: half as much to read at every step */
} nn_attention;

/* q [queries, heads*head_size] (stride ldq), k and v [keys, heads*head_size] (strides ldk, ldv), out [queries, heads*head_size] (stride ldo).
 * weights: NULL, or [heads, queries, keys] filled with the softmax. */
void nn_attention_forward(nn_context *c, const nn_attention *a, float *out, size_t ldo, const float *q, size_t ldq, size_t queries, const float *k, size_t ldk, const float *v,
  size_t ldv, size_t keys, float *weights);

/* The same in two steps, for keys and values that many passes look at: packed once as the products want them, [nn_attention_packed_floats]. */
size_t nn_attention_packed_floats(const nn_attention *a, size_t keys);
void nn_attention_pack(nn_context *c, const nn_attention *a, float *packed, const float *k, size_t ldk, const float *v, size_t ldv, size_t keys);
void nn_attention_over(nn_context *c, const nn_attention *a, float *out, size_t ldo, const float *q, size_t ldq, size_t queries, const float *packed, size_t keys, float *weights);

/* One new token for each of B beams over cached keys and values: row b of q attends to lengths[b] positions, position t of beam b standing at row index[b * ld_index + t] of k and v
 * (the cache reordered by index, never copied). q, out [B, heads*head_size]. */
void nn_attention_step(nn_context *c, const nn_attention *a, float *out, size_t ldo, const float *q, size_t ldq, size_t B, const float *k, size_t ldk, const float *v, size_t ldv,
  const int32_t *index, size_t ld_index, const int32_t *lengths);

/* ---- the rest ---- */

/* y = (x - mean) / sqrt(variance + eps) * gain + bias over the last dimension, as torch.nn.LayerNorm (biased variance). y may be x. */
void nn_layer_norm(nn_context *c, float *y, size_t ldy, const float *x, size_t ldx, size_t M, size_t N, const float *gain, const float *bias, float eps);

void nn_activate(nn_context *c, float *x, size_t n, nn_activation activation);

/* Depthwise k x k convolution, channels last, and what stands before it in an inverted residual (Sandler et al., arXiv 1801.04381): y [OH, OW, C] = clip(depthwise(clip(expand x))) with x [H, W, K] and
 * expand a layer [C, K]; without one (NULL) x [H, W, C] itself is convolved. Both clip by the same activation: NN_NONE, NN_RELU or NN_RELU6. Padding is given for top and left; bottom and right
 * follow from the output's size. k is at most 31. */
typedef struct nn_depthwise nn_depthwise;
int nn_depthwise_pack(nn_depthwise **out, arena *a, const tensor *weight /* [C, 1, k, k] */, const tensor *bias /* [C] */, int stride);
void nn_depthwise_forward(
  nn_context *c, const nn_depthwise *d, const nn_linear *expand, float *y, int OH, int OW, const float *x, int H, int W, int pad_top, int pad_left, nn_activation activation);

/* Patches of a picture [channels, H, W] as rows of a matrix, so that a convolution is nn_linear_forward: out [OH*OW, channels*kh*kw] in the order of torch's conv weights [N, channels, kh, kw];
 * outside the picture: 0. */
void nn_im2col(nn_context *c, float *out, const float *picture, int channels, int H, int W, int kh, int kw, int stride, int pad_top, int pad_left, int OH, int OW);

/* x[0..n) -> log_softmax in place, in float32 as torch computes it; returns log(sum(exp)). */
float nn_log_softmax(float *x, size_t n);

/* "generic", "avx2", …: the table in use. OPIS_EINVALID when OPIS_CPU names one that this processor or build has not. */
int nn_init(const char **name);

#endif
