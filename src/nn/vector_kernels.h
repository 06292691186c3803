/* The kernels, written once for every kind of processor with vectors. x86/avx2.c, x86/avx512.c and arm/neon.c define the vector type and its operations, and then include this file:
 *   VW, vf, vmask       lanes of a vector of floats (4, 8 or 16; 16 is a multiple of it); the type; the type of a comparison
 *   vf_load, vf_store, vf_load_half and vf_store_half (IEEE halves), vf_load_n, vf_store_n (the first n < VW lanes, the rest read as 0), vf_set1, vf_zero
 *   vf_add, vf_sub, vf_mul, vf_div, vf_min, vf_max, vf_abs, vf_round (to the nearest even), vf_fma (a b + c), vf_fnma (c - a b)
 *   vf_less, vf_select (m ? a : b), vf_sign_of (a >= 0 with the sign of b), vf_power_of_2 (2^n of a whole n in -126..127), vf_sum, vf_largest
 *   qw, vi              16 channels x 4 bytes of weights made ready; 16 sums of int32 as NN_PANEL / VW vectors
 *   q_load, q_begin (the sums before a block, from -128 x the sum of its activations), q_dot (sums += weights x the same 4 activations), q_float (vector i of the sums as floats)
 *   quantize_block      32 floats times a factor, rounded to int8; returns their sum
 *   f32_rows, f32_together, q8_rows, q8_together: how many rows and panels the registers hold at once
 *   KERNELS, KERNELS_NAME: the table to define
 *   MATRICES: the file with what the processor's matrix units do, where it has them: LINEAR_Q8, LINEAR_BF16, narrow
 * Each output is summed along K in the same order as in generic/, one fused multiply-add at a time, so that products come out the same for every M, tile and thread. */
#include "nn/kernels.h"

#include <math.h>
#include <string.h>

enum { NV = NN_PANEL / VW, f16_rows = f32_rows, f16_together = f32_together };
#define EACH(i, n) _Pragma("GCC unroll 32") for (int i = 0; i < (n); i++)
#define INLINE static inline __attribute__((always_inline))

/* ---- exp and its family ---- */

/* exp(x) by Cody and Waite's reduction and a polynomial of degree 6 (Cephes' expf); at most 2 ulp, 0 below -87.3. */
INLINE vf vexp(vf x)
{
  const vf low = vf_set1(-87.33654f), high = vf_set1(88.72283f);
  vmask under = vf_less(x, low);
  x = vf_min(vf_max(x, low), high);
  vf n = vf_min(vf_round(vf_mul(x, vf_set1(1.44269504088896341f))), vf_set1(127.0f));
  vf r = vf_fnma(n, vf_set1(0.693359375f), x);
  r = vf_fnma(n, vf_set1(-2.12194440e-4f), r);
  vf p = vf_set1(1.9875691500e-4f);
  p = vf_fma(p, r, vf_set1(1.3981999507e-3f));
  p = vf_fma(p, r, vf_set1(8.3334519073e-3f));
  p = vf_fma(p, r, vf_set1(4.1665795894e-2f));
  p = vf_fma(p, r, vf_set1(1.6666665459e-1f));
  p = vf_fma(p, r, vf_set1(5.0000001201e-1f));
  p = vf_fma(p, vf_mul(r, r), vf_add(r, vf_set1(1.0f)));
  return vf_select(under, vf_zero(), vf_mul(p, vf_power_of_2(n)));
}

/* tanh(x) = 1 - 2 / (exp(2x) + 1), and Cephes' polynomial below 0.625, where that would cancel; about 3 ulp. */
INLINE vf vtanh(vf x)
{
  const vf one = vf_set1(1.0f), two = vf_set1(2.0f);
  vf a = vf_abs(x), z = vf_mul(a, a);
  vf big = vf_sub(one, vf_div(two, vf_add(vexp(vf_mul(vf_min(a, vf_set1(20.0f)), two)), one)));
  vf p = vf_set1(-5.70498872745e-3f);
  p = vf_fma(p, z, vf_set1(2.06390887954e-2f));
  p = vf_fma(p, z, vf_set1(-5.37397155531e-2f));
  p = vf_fma(p, z, vf_set1(1.33314422036e-1f));
  p = vf_fma(p, z, vf_set1(-3.33332819422e-1f));
  vf small = vf_fma(vf_mul(p, z), a, a);
  return vf_sign_of(vf_select(vf_less(a, vf_set1(0.625f)), small, big), x);
}

/* erf(x): a polynomial in x below 0.92, 1 - exp(-p(x)) above, with the minimax coefficients that N. Juffa published for erff; at most 3 ulp. */
INLINE vf verf(vf x)
{
  vf a = vf_abs(x), s = vf_mul(a, a);
  vf t = vf_fma(vf_set1(-1.72853470e-5f), a, vf_set1(3.83197126e-4f)), u = vf_fma(vf_set1(-3.88396438e-3f), a, vf_set1(2.42546219e-2f));
  t = vf_fma(t, s, u);
  t = vf_fma(t, a, vf_set1(-1.06777877e-1f));
  t = vf_fma(t, a, vf_set1(-6.34846687e-1f));
  t = vf_fma(t, a, vf_set1(-1.28717512e-1f));
  t = vf_fma(t, a, vf_sub(vf_zero(), a));
  vf far = vf_sub(vf_set1(1.0f), vexp(t));
  vf p = vf_set1(-5.96761703e-4f);
  p = vf_fma(p, s, vf_set1(4.99119423e-3f));
  p = vf_fma(p, s, vf_set1(-2.67681349e-2f));
  p = vf_fma(p, s, vf_set1(1.12819925e-1f));
  p = vf_fma(p, s, vf_set1(-3.76125336e-1f));
  p = vf_fma(p, s, vf_set1(1.28379166e-1f));
  vf near = vf_fma(p, a, a);
  return vf_sign_of(vf_select(vf_less(vf_set1(0.921875f), a), far, near), x);
}

INLINE vf vactivate(vf x, nn_activation a)
{
  const vf half = vf_set1(0.5f), one = vf_set1(1.0f);
  switch (a) {
  case NN_NONE: return x;
  case NN_RELU: return vf_max(x, vf_zero());
  case NN_RELU6: return vf_min(vf_max(x, vf_zero()), vf_set1(6.0f));
  case NN_GELU_ERF: return vf_mul(vf_mul(half, x), vf_add(one, verf(vf_mul(x, vf_set1(0.70710678118654752f)))));
  case NN_GELU_TANH: { /* (1 + tanh u) / 2 = 1 / (1 + exp(-2u)) */
    vf cube = vf_mul(vf_mul(vf_mul(vf_set1(0.044715f), x), x), x);
    return vf_div(x, vf_add(one, vexp(vf_mul(vf_set1(-2 * 0.79788456080286536f), vf_add(x, cube)))));
  }
  case NN_QUICK_GELU: return vf_div(x, vf_add(one, vexp(vf_mul(vf_set1(-1.702f), x))));
  case NN_SILU: return vf_div(x, vf_add(one, vexp(vf_sub(vf_zero(), x))));
  }
  return x;
}

INLINE void activate_by(float *x, size_t n, const nn_activation a)
{
  size_t i = 0;
  for (; i + VW <= n; i += VW)
    vf_store(x + i, vactivate(vf_load(x + i), a));
  if (i < n)
    vf_store_n(x + i, vactivate(vf_load_n(x + i, n - i), a), n - i);
}

static void activate(float *x, size_t n, nn_activation a)
{
  switch (a) {
  case NN_NONE: break;
  case NN_RELU: activate_by(x, n, NN_RELU); break;
  case NN_RELU6: activate_by(x, n, NN_RELU6); break;
  case NN_GELU_ERF: activate_by(x, n, NN_GELU_ERF); break;
  case NN_GELU_TANH: activate_by(x, n, NN_GELU_TANH); break;
  case NN_QUICK_GELU: activate_by(x, n, NN_QUICK_GELU); break;
  case NN_SILU: activate_by(x, n, NN_SILU); break;
  }
}

/* ---- linear ---- */

/* The outputs of some rows and panels from their sums [rows, ld], which are used up: bias, activation, scale, residual. */
static __attribute__((noinline)) void finish_any(const nn_product *p, size_t m, int panel, float *sums, size_t ld, size_t rows, int panels)
{
  const int first = panel * NN_PANEL;
  const size_t width = (size_t)(panels * NN_PANEL), left = p->l->N > first ? (size_t)(p->l->N - first) : 0, n = left < width ? left : width;
  const float *bias = p->l->bias + first, *scale = p->e.scale ? p->e.scale + first : NULL, *residual = p->e.residual ? p->e.residual + m * p->e.ld_residual + first : NULL;
  float *y = nn_product_out(p, m, panel);
  for (size_t r = 0; r < rows; r++, sums += ld, y += p->ldy) {
    for (size_t i = 0; i < width; i += VW)
      vf_store(sums + i, vf_add(vf_load(sums + i), vf_load(bias + i)));
    if (p->clamped)
      for (size_t i = 0; i < width; i += VW)
        vf_store(sums + i, vf_min(vf_set1(p->high), vf_max(vf_set1(p->low), vf_load(sums + i))));
    else
      activate(sums, width, p->e.activation);
    for (size_t i = 0; i < n; i += VW) {
      const size_t lanes = n - i < VW ? n - i : VW;
      vf v = vf_load(sums + i);
      if (scale)
        v = vf_mul(v, vf_load_n(scale + i, lanes));
      if (residual)
        v = vf_add(v, vf_load_n(residual + i, lanes));
      vf_store_n(y + i, v, lanes);
    }
    if (residual)
      residual += p->e.ld_residual;
  }
}

/* The outputs of R rows x P panels. What most layers want is done in registers; the rest, and the panel that N does not fill, goes through memory. */
INLINE void finish(const nn_product *p, size_t m, int panel, const vf acc[][NV], const int R, const int P)
{
  if (!p->clamped || (panel + P) * NN_PANEL > p->l->N) {
    _Alignas(64) float sums[f32_rows * f32_together * NN_PANEL];
    EACH (i, R * P)
      EACH (v, NV)
        vf_store(sums + i * NN_PANEL + v * VW, acc[i][v]);
    finish_any(p, m, panel, sums, (size_t)P * NN_PANEL, (size_t)R, P);
    return;
  }
  const vf low = vf_set1(p->low), high = vf_set1(p->high);
  const size_t ldy = p->ldy, ldr = p->e.ld_residual, first = (size_t)panel * NN_PANEL;
  const float *bias = p->l->bias + first, *residual = p->e.residual ? p->e.residual + m * ldr + first : NULL;
  float *y = nn_product_out(p, m, panel);
  EACH (j, P)
    EACH (v, NV) {
      const int at = j * NN_PANEL + v * VW;
      const vf b = vf_load(bias + at);
      if (residual)
        EACH (r, R)
          vf_store(y + (size_t)r * ldy + at, vf_add(vf_min(high, vf_max(low, vf_add(acc[r * P + j][v], b))), vf_load(residual + (size_t)r * ldr + at)));
      else
        EACH (r, R)
          vf_store(y + (size_t)r * ldy + at, vf_min(high, vf_max(low, vf_add(acc[r * P + j][v], b))));
    }
}

/* A few rows (a step of decoding) go over the weights about as fast as memory gives them, from the first byte to the last, and ask for what comes so many bytes later: processors fetch too little
 * by themselves. Many rows wait only for the first of their weights that come from far; in 8 bits, which are over sooner, they ask for the panels that follow. */
enum { FEW_ROWS = 4, FEW_AHEAD = 8192, MANY_AHEAD = 2048 };

/* R rows x P panels in registers: R P NV accumulators. `half`: of 16-bit weights, which are widened on their way into the registers. */
INLINE void rows_float(const nn_product *p, size_t m, int panel, const int R, const int P, const bool half)
{
  enum { MOST = f32_rows * f32_together };
  const nn_linear *l = p->l;
  const size_t ldx = p->ldx, size = half ? sizeof(uint16_t) : sizeof(float), ahead = R > FEW_ROWS ? MANY_AHEAD : FEW_AHEAD;
  const char *w[4] = {nn_panel(l, panel)}, *const end = w[0] + l->panel_bytes;
  const float *x[(f32_rows + 2) / 3];
  vf acc[MOST][NV];
  EACH (i, R * P)
    EACH (v, NV)
      acc[i][v] = vf_zero();
  EACH (i, (R + 2) / 3)
    x[i] = p->x + (m + 3 * (size_t)i) * ldx;
  EACH (j, P - 1)
    w[j + 1] = nn_panel(l, panel + j + 1);
  while (w[0] < end) {
    vf weight[4][NV];
    EACH (j, P) {
      __builtin_prefetch(w[j] + ahead);
      EACH (v, NV)
        weight[j][v] = half ? vf_load_half((const uint16_t *)(const void *)w[j] + v * VW) : vf_load((const float *)(const void *)w[j] + v * VW);
      w[j] += NN_PANEL * size;
    }
    EACH (r, R) {
      vf one = vf_set1(x[r / 3][(size_t)(r % 3) * ldx]);
      EACH (j, P)
        EACH (v, NV)
          acc[r * P + j][v] = vf_fma(one, weight[j][v], acc[r * P + j][v]);
    }
    EACH (i, (R + 2) / 3) {
      x[i]++;
      __asm__("" : "+r"(x[i])); /* one pointer for three rows: the compiler would keep one for each, and has not so many registers */
    }
  }
  finish(p, m, panel, acc, R, P);
}

INLINE void rows_f32(const nn_product *p, size_t m, int panel, const int R, const int P)
{
  rows_float(p, m, panel, R, P, false);
}

INLINE void rows_f16(const nn_product *p, size_t m, int panel, const int R, const int P)
{
  rows_float(p, m, panel, R, P, true);
}

INLINE void rows_q8(const nn_product *p, size_t m, int panel, const int R, const int P)
{
  enum { MOST = q8_rows * q8_together };
  const nn_linear *l = p->l;
  const size_t blocks = (size_t)l->blocks, ldq = blocks * NN_BLOCK;
  const int8_t *w[4], *x = p->qx + m * ldq;
  const uint16_t *sw[4];
  const float *sx = p->sx + m * blocks;
  const int32_t *nx = p->nx + m * blocks;
  vf acc[MOST][NV];
  EACH (i, R * P)
    EACH (v, NV)
      acc[i][v] = vf_zero();
  EACH (j, P) {
    sw[j] = nn_panel_scales(l, panel + j);
    w[j] = nn_panel_weights(l, panel + j);
  }
  for (size_t b = 0; b < blocks; b++, sx++, nx++) {
    vi dot[MOST];
    EACH (r, R)
      EACH (j, P)
        dot[r * P + j] = q_begin(nx[(size_t)r * blocks]);
    for (int g = 0; g < NN_BLOCK / 4; g++, x += 4) {
      qw weight[4];
      EACH (j, P) {
        if (R <= FEW_ROWS)
          __builtin_prefetch(w[j] + FEW_AHEAD);
        else
          __builtin_prefetch(w[j] + (size_t)P * l->panel_bytes, 0, 2);
        weight[j] = q_load(w[j]);
        w[j] += 4 * NN_PANEL;
      }
      EACH (r, R) {
        int32_t four;
        memcpy(&four, x + (size_t)r * ldq, 4);
        EACH (j, P)
          dot[r * P + j] = q_dot(dot[r * P + j], weight[j], four);
      }
    }
    EACH (j, P)
      EACH (v, NV) {
        const vf scale = vf_load_half(sw[j] + v * VW);
        EACH (r, R)
          acc[r * P + j][v] = vf_fma(q_float(dot[r * P + j], v), vf_mul(vf_set1(sx[(size_t)r * blocks]), scale), acc[r * P + j][v]);
      }
    EACH (j, P)
      sw[j] += NN_PANEL;
  }
  finish(p, m, panel, acc, R, P);
}

/* n rows x P panels: one unrolled piece of code for each number of rows up to `most`, and as even numbers of them as can be. */
#define BY_ROWS(kind)                                                                                                                                                              \
  INLINE void kind##_panels(const nn_product *p, nn_tile t, int panel, const size_t most, const int P)                                                                             \
  {                                                                                                                                                                                \
    size_t pieces = (t.row_end - t.row_begin + most - 1) / most;                                                                                                                   \
    for (size_t m = t.row_begin, n; m < t.row_end; m += n, pieces--) {                                                                                                             \
      n = (t.row_end - m + pieces - 1) / pieces;                                                                                                                                   \
      switch (n) {                                                                                                                                                                 \
      case 1: rows_##kind(p, m, panel, 1, P); break;                                                                                                                               \
      case 2: rows_##kind(p, m, panel, 2, P); break;                                                                                                                               \
      case 3: rows_##kind(p, m, panel, most < 3 ? 1 : 3, P); break;                                                                                                                \
      case 4: rows_##kind(p, m, panel, most < 4 ? 1 : 4, P); break;                                                                                                                \
      case 5: rows_##kind(p, m, panel, most < 5 ? 1 : 5, P); break;                                                                                                                \
      case 6: rows_##kind(p, m, panel, most < 6 ? 1 : 6, P); break;                                                                                                                \
      case 7: rows_##kind(p, m, panel, most < 7 ? 1 : 7, P); break;                                                                                                                \
      case 8: rows_##kind(p, m, panel, most < 8 ? 1 : 8, P); break;                                                                                                                \
      case 9: rows_##kind(p, m, panel, most < 9 ? 1 : 9, P); break;                                                                                                                \
      case 10: rows_##kind(p, m, panel, most < 10 ? 1 : 10, P); break;                                                                                                             \
      case 11: rows_##kind(p, m, panel, most < 11 ? 1 : 11, P); break;                                                                                                             \
      default: rows_##kind(p, m, panel, most < 12 ? 1 : 12, P); break;                                                                                                             \
      }                                                                                                                                                                            \
    }                                                                                                                                                                              \
  }                                                                                                                                                                                \
  static __attribute__((noinline)) void kind##_many(const nn_product *p, nn_tile t, int panel)                                                                                     \
  {                                                                                                                                                                                \
    kind##_panels(p, t, panel, kind##_rows, kind##_together);                                                                                                                      \
  }                                                                                                                                                                                \
  static __attribute__((noinline)) void kind##_few(const nn_product *p, nn_tile t, int panel)                                                                                      \
  {                                                                                                                                                                                \
    kind##_panels(p, t, panel, (int)FEW_ROWS < (int)kind##_rows ? FEW_ROWS : kind##_rows, 1);                                                                                      \
  }                                                                                                                                                                                \
  static __attribute__((noinline)) void kind##_one(const nn_product *p, nn_tile t, int panel)                                                                                      \
  {                                                                                                                                                                                \
    kind##_panels(p, t, panel, kind##_rows, 1);                                                                                                                                    \
  }                                                                                                                                                                                \
  /* Tiles of many rows go by `together` panels and the last panels one by one, those of few rows by one panel after the other. */                                                 \
  static void linear_##kind(const nn_product *p, nn_tile t)                                                                                                                        \
  {                                                                                                                                                                                \
    bool few = t.row_end - t.row_begin <= FEW_ROWS;                                                                                                                                \
    int panel = t.panel_begin;                                                                                                                                                     \
    for (; !few && panel + kind##_together <= t.panel_end; panel += kind##_together)                                                                                               \
      kind##_many(p, t, panel);                                                                                                                                                    \
    for (; panel < t.panel_end; panel++)                                                                                                                                           \
      (few ? kind##_few : kind##_one)(p, t, panel);                                                                                                                                \
  }

BY_ROWS(f32)
BY_ROWS(f16)
BY_ROWS(q8)

/* Blocks whose largest numbers, scales and sums are found together, a lane for each. */
enum { TOGETHER_BLOCKS = 16 };

static void quantize(int8_t *q, float *s, int32_t *n, const float *x, int K, int blocks)
{
  _Alignas(64) float top[TOGETHER_BLOCKS], factor[TOGETHER_BLOCKS];
  const vf most = vf_set1(127.0f);
  int whole = K / NN_BLOCK;
  for (int b = 0; b < whole; b += TOGETHER_BLOCKS) {
    const int some = whole - b < TOGETHER_BLOCKS ? whole - b : TOGETHER_BLOCKS;
    memset(top, 0, sizeof top);
    for (int i = 0; i < some; i++) {
      const float *from = x + (size_t)(b + i) * NN_BLOCK;
      vf high = vf_abs(vf_load(from));
      EACH (v, NN_BLOCK / VW - 1)
        high = vf_max(high, vf_abs(vf_load(from + (v + 1) * VW)));
      top[i] = vf_largest(high);
    }
    EACH (i, TOGETHER_BLOCKS / VW) {
      vf t = vf_load(top + i * VW);
      vf_store(factor + i * VW, vf_select(vf_less(vf_zero(), t), vf_div(most, t), vf_zero()));
      vf_store(top + i * VW, vf_div(t, most));
    }
    memcpy(s + b, top, (size_t)some * sizeof *s);
    for (int i = 0; i < some; i++)
      n[b + i] = -128 * quantize_block(q + (size_t)(b + i) * NN_BLOCK, x + (size_t)(b + i) * NN_BLOCK, factor[i]);
  }
  if (whole < blocks)
    nn_kernels_generic.quantize(q + (size_t)whole * NN_BLOCK, s + whole, n + whole, x + (size_t)whole * NN_BLOCK, K - whole * NN_BLOCK, 1);
}

/* ---- vectors ---- */

static void halve(uint16_t *to, const float *x, size_t n)
{
  const vf most = vf_set1(NN_LARGEST_HALF), least = vf_set1(-NN_LARGEST_HALF);
  for (size_t i = 0; i < n; i += VW)
    vf_store_half(to + i, vf_min(vf_max(vf_load(x + i), least), most));
}

static float dot(const float *a, const float *b, size_t n)
{
  vf s0 = vf_zero(), s1 = s0;
  size_t i = 0;
  for (; i + 2 * VW <= n; i += 2 * VW) {
    s0 = vf_fma(vf_load(a + i), vf_load(b + i), s0);
    s1 = vf_fma(vf_load(a + i + VW), vf_load(b + i + VW), s1);
  }
  if (i + VW <= n) {
    s0 = vf_fma(vf_load(a + i), vf_load(b + i), s0);
    i += VW;
  }
  if (i < n)
    s1 = vf_fma(vf_load_n(a + i, n - i), vf_load_n(b + i, n - i), s1);
  return vf_sum(vf_add(s0, s1));
}

static void axpy(float *y, float a, const float *x, size_t n)
{
  vf v = vf_set1(a);
  size_t i = 0;
  for (; i + VW <= n; i += VW)
    vf_store(y + i, vf_fma(v, vf_load(x + i), vf_load(y + i)));
  if (i < n)
    vf_store_n(y + i, vf_fma(v, vf_load_n(x + i, n - i), vf_load_n(y + i, n - i)), n - i);
}

static float largest(const float *x, size_t n)
{
  float most = -INFINITY;
  size_t i = 0;
  if (n >= VW) {
    vf v = vf_load(x);
    for (i = VW; i + VW <= n; i += VW)
      v = vf_max(v, vf_load(x + i));
    most = vf_largest(v);
  }
  for (; i < n; i++)
    most = x[i] > most ? x[i] : most;
  return most;
}

/* The last, incomplete vector of exp(x - most), with 0 in the lanes that are none. */
INLINE vf exp_tail(const float *x, size_t n, vf most)
{
  float lanes[VW] = {0};
  vf_store(lanes, vexp(vf_sub(vf_load_n(x, n), most)));
  return vf_load_n(lanes, n);
}

static void softmax(float *x, size_t n)
{
  vf most = vf_set1(largest(x, n)), total = vf_zero();
  size_t i = 0;
  for (; i + VW <= n; i += VW) {
    vf e = vexp(vf_sub(vf_load(x + i), most));
    vf_store(x + i, e);
    total = vf_add(total, e);
  }
  if (i < n) {
    vf e = exp_tail(x + i, n - i, most);
    vf_store_n(x + i, e, n - i);
    total = vf_add(total, e);
  }
  vf inverse = vf_set1(1.0f / vf_sum(total));
  for (i = 0; i + VW <= n; i += VW)
    vf_store(x + i, vf_mul(vf_load(x + i), inverse));
  if (i < n)
    vf_store_n(x + i, vf_mul(vf_load_n(x + i, n - i), inverse), n - i);
}

static float sum_exp(const float *x, size_t n, float max)
{
  vf most = vf_set1(max);
  double sum = 0;
  for (size_t begin = 0; begin < n; begin += 4096) { /* partial sums in double: 50,257 terms would lose digits */
    size_t end = n - begin < 4096 ? n : begin + 4096, i = begin;
    vf total = vf_zero();
    for (; i + VW <= end; i += VW)
      total = vf_add(total, vexp(vf_sub(vf_load(x + i), most)));
    if (i < end)
      total = vf_add(total, exp_tail(x + i, end - i, most));
    sum += (double)vf_sum(total);
  }
  return (float)sum;
}

static void layer_norm(float *y, const float *x, size_t N, const float *gain, const float *bias, float eps)
{
  size_t whole = N / VW * VW, rest = N - whole;
  vf total = vf_zero(), squares = vf_zero();
  for (size_t i = 0; i < whole; i += VW)
    total = vf_add(total, vf_load(x + i));
  float sum = vf_sum(total);
  for (size_t i = whole; i < N; i++)
    sum += x[i];
  float centre = sum / (float)N, square = 0;
  vf mean = vf_set1(centre);
  for (size_t i = 0; i < whole; i += VW) {
    vf d = vf_sub(vf_load(x + i), mean);
    squares = vf_fma(d, d, squares);
  }
  for (size_t i = whole; i < N; i++)
    square += (x[i] - centre) * (x[i] - centre);
  vf inverse = vf_set1(1.0f / sqrtf((vf_sum(squares) + square) / (float)N + eps));
  for (size_t i = 0; i < whole; i += VW)
    vf_store(y + i, vf_fma(vf_mul(vf_sub(vf_load(x + i), mean), inverse), vf_load(gain + i), vf_load(bias + i)));
  if (rest)
    vf_store_n(y + whole, vf_fma(vf_mul(vf_sub(vf_load_n(x + whole, rest), mean), inverse), vf_load_n(gain + whole, rest), vf_load_n(bias + whole, rest)), rest);
}

/* ---- depthwise ---- */

INLINE void depthwise_of(const nn_depthwise_row *r, const int k, const int stride)
{
  const vf low = vf_set1(r->low), high = vf_set1(r->high);
  for (int c = 0; c < r->channels; c += VW) {
    const vf bias = vf_load(r->bias + c);
    const size_t n = r->channels - c < VW ? (size_t)(r->channels - c) : VW;
    float *y = r->y + c;
    for (int x = 0; x < r->columns; x += NN_PLACES, y += NN_PLACES * r->ldy) {
      const float *w = r->weight + c;
      vf acc[NN_PLACES];
      EACH (i, NN_PLACES)
        acc[i] = bias;
      EACH (ky, k) {
        const float *from = r->lines[ky] + (size_t)(x * stride) * NN_GROUP + c;
        EACH (kx, k) {
          const vf one = vf_load(w);
          w += NN_PANEL;
          EACH (i, NN_PLACES)
            acc[i] = vf_fma(vf_load(from + (i * stride + kx) * NN_GROUP), one, acc[i]);
        }
      }
      EACH (i, NN_PLACES)
        acc[i] = vf_min(high, vf_max(low, acc[i]));
      if (n == VW && r->columns - x >= NN_PLACES)
        EACH (i, NN_PLACES)
          vf_store(y + (size_t)i * r->ldy, acc[i]);
      else
        EACH (i, NN_PLACES)
          if (x + i < r->columns)
            vf_store_n(y + (size_t)i * r->ldy, acc[i], n);
    }
  }
}

static void depthwise(const nn_depthwise_row *r)
{
  if (r->k == 3 && r->stride == 1)
    depthwise_of(r, 3, 1);
  else if (r->k == 3 && r->stride == 2)
    depthwise_of(r, 3, 2);
  else if (r->k == 5 && r->stride == 1)
    depthwise_of(r, 5, 1);
  else if (r->k == 5 && r->stride == 2)
    depthwise_of(r, 5, 2);
  else
    nn_kernels_generic.depthwise(r);
}

#ifdef MATRICES
#include MATRICES
#else
#define LINEAR_Q8 linear_q8
#endif

const nn_kernels KERNELS = {
  .name = KERNELS_NAME,
  .linear_f32 = linear_f32,
  .linear_f16 = linear_f16,
  .linear_q8 = LINEAR_Q8,
#ifdef LINEAR_BF16
  .linear_bf16 = LINEAR_BF16,
  .narrow = narrow,
#endif
  .quantize = quantize,
  .halve = halve,
  .dot = dot,
  .axpy = axpy,
  .softmax = softmax,
  .sum_exp = sum_exp,
  .layer_norm = layer_norm,
  .activate = activate,
  .depthwise = depthwise,
};
