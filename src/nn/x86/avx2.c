/* AVX2 and FMA. Each output is summed along K in the same order as in generic/, one fused multiply-add at a time, so that products come out the same for every M, tile and thread. */
#include "nn/kernels.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

/* ---- exp and its family ---- */

/* exp(x) by Cody and Waite's reduction and a polynomial of degree 6 (Cephes' expf); at most 2 ulp, 0 below -87.3. */
static inline __m256 exp8(__m256 x)
{
  const __m256 low = _mm256_set1_ps(-87.33654f), high = _mm256_set1_ps(88.72283f);
  __m256 under = _mm256_cmp_ps(x, low, _CMP_LT_OQ);
  x = _mm256_min_ps(_mm256_max_ps(x, low), high);
  __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896341f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  n = _mm256_min_ps(n, _mm256_set1_ps(127.0f));
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.9875691500e-4f);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1f));
  p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), _mm256_add_ps(r, _mm256_set1_ps(1.0f)));
  __m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_andnot_ps(under, _mm256_mul_ps(p, _mm256_castsi256_ps(e)));
}

/* tanh(x) = 1 - 2 / (exp(2x) + 1), and x (1 - x^2/3 + 2 x^4/15 - 17 x^6/315) where that would cancel; about 3 ulp. */
static inline __m256 tanh8(__m256 x)
{
  const __m256 one = _mm256_set1_ps(1.0f), two = _mm256_set1_ps(2.0f), sign = _mm256_set1_ps(-0.0f);
  __m256 a = _mm256_andnot_ps(sign, x);
  __m256 big = _mm256_sub_ps(one, _mm256_div_ps(two, _mm256_add_ps(exp8(_mm256_mul_ps(_mm256_min_ps(a, _mm256_set1_ps(20.0f)), two)), one)));
  __m256 z = _mm256_mul_ps(a, a);
  __m256 p = _mm256_set1_ps(-5.70498872745e-3f); /* Cephes' tanhf, |x| < 0.625 */
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(2.06390887954e-2f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(-5.37397155531e-2f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(1.33314422036e-1f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(-3.33332819422e-1f));
  __m256 small = _mm256_fmadd_ps(_mm256_mul_ps(p, z), a, a);
  __m256 t = _mm256_blendv_ps(big, small, _mm256_cmp_ps(a, _mm256_set1_ps(0.625f), _CMP_LT_OQ));
  return _mm256_or_ps(t, _mm256_and_ps(x, sign));
}

/* erf(x): a polynomial in x below 0.92, 1 - exp(-p(x)) above, with the minimax coefficients that N. Juffa published for erff; at most 3 ulp. */
static inline __m256 erf8(__m256 x)
{
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 a = _mm256_andnot_ps(sign, x), s = _mm256_mul_ps(a, a);
  /* far from 0 */
  __m256 t = _mm256_set1_ps(-1.72853470e-5f);
  t = _mm256_fmadd_ps(t, a, _mm256_set1_ps(3.83197126e-4f));
  __m256 u = _mm256_set1_ps(-3.88396438e-3f);
  u = _mm256_fmadd_ps(u, a, _mm256_set1_ps(2.42546219e-2f));
  t = _mm256_fmadd_ps(t, s, u);
  t = _mm256_fmadd_ps(t, a, _mm256_set1_ps(-1.06777877e-1f));
  t = _mm256_fmadd_ps(t, a, _mm256_set1_ps(-6.34846687e-1f));
  t = _mm256_fmadd_ps(t, a, _mm256_set1_ps(-1.28717512e-1f));
  t = _mm256_fmadd_ps(t, a, _mm256_sub_ps(_mm256_setzero_ps(), a));
  __m256 far = _mm256_sub_ps(_mm256_set1_ps(1.0f), exp8(t));
  __m256 p = _mm256_set1_ps(-5.96761703e-4f);
  p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(4.99119423e-3f));
  p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(-2.67681349e-2f));
  p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(1.12819925e-1f));
  p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(-3.76125336e-1f));
  p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(1.28379166e-1f));
  __m256 near = _mm256_fmadd_ps(p, a, a);
  __m256 r = _mm256_blendv_ps(near, far, _mm256_cmp_ps(a, _mm256_set1_ps(0.921875f), _CMP_GT_OQ));
  return _mm256_or_ps(r, _mm256_and_ps(x, sign));
}

static inline __m256 activate8(__m256 x, nn_activation a)
{
  const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f), zero = _mm256_setzero_ps();
  switch (a) {
  case NN_NONE: return x;
  case NN_RELU: return _mm256_max_ps(x, zero);
  case NN_RELU6: return _mm256_min_ps(_mm256_max_ps(x, zero), _mm256_set1_ps(6.0f));
  case NN_GELU_ERF: return _mm256_mul_ps(_mm256_mul_ps(half, x), _mm256_add_ps(one, erf8(_mm256_mul_ps(x, _mm256_set1_ps(0.70710678118654752f)))));
  case NN_GELU_TANH: {
    __m256 cube = _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(0.044715f), x), x), x);
    __m256 t = tanh8(_mm256_mul_ps(_mm256_set1_ps(0.79788456080286536f), _mm256_add_ps(x, cube)));
    return _mm256_mul_ps(_mm256_mul_ps(half, x), _mm256_add_ps(one, t));
  }
  case NN_QUICK_GELU: return _mm256_div_ps(x, _mm256_add_ps(one, exp8(_mm256_mul_ps(_mm256_set1_ps(-1.702f), x))));
  case NN_SILU: return _mm256_div_ps(x, _mm256_add_ps(one, exp8(_mm256_sub_ps(zero, x))));
  }
  return x;
}

/* Loads and stores of the last, incomplete eight. */
static inline __m256i tail_mask(size_t n)
{
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lanes);
}

static void activate(float *x, size_t n, nn_activation a)
{
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(x + i, activate8(_mm256_loadu_ps(x + i), a));
  if (i < n) {
    __m256i m = tail_mask(n - i);
    _mm256_maskstore_ps(x + i, m, activate8(_mm256_maskload_ps(x + i, m), a));
  }
}

/* ---- linear ---- */

/* Eight outputs of one row: bias, activation, scale, residual. */
static inline void finish8(const nn_product *p, size_t m, int first, __m256 acc)
{
  const nn_linear *l = p->l;
  if (first >= l->N)
    return;
  size_t n = (size_t)(l->N - first);
  __m256i mask = tail_mask(n < 8 ? n : 8);
  __m256 v = activate8(_mm256_add_ps(acc, _mm256_loadu_ps(l->bias + first)), p->e.activation);
  if (p->e.scale)
    v = _mm256_mul_ps(v, _mm256_maskload_ps(p->e.scale + first, mask));
  if (p->e.residual)
    v = _mm256_add_ps(v, _mm256_maskload_ps(p->e.residual + m * p->e.ld_residual + first, mask));
  if (n >= 8)
    _mm256_storeu_ps(p->y + m * p->ldy + first, v);
  else
    _mm256_maskstore_ps(p->y + m * p->ldy + first, mask, v);
}

/* R rows x 16 channels, R at most 6: 12 accumulators, two registers of weights, one of x. */
#define ROWS_F32(R)                                                                                                                                                                \
  static void rows_f32_##R(const nn_product *p, size_t m, int panel)                                                                                                               \
  {                                                                                                                                                                                \
    const nn_linear *l = p->l;                                                                                                                                                     \
    const float *w = l->f32 + (size_t)panel * (size_t)l->K * NN_PANEL, *x = p->x + m * p->ldx;                                                                                     \
    __m256 acc[R][2];                                                                                                                                                              \
    for (int r = 0; r < R; r++)                                                                                                                                                    \
      acc[r][0] = acc[r][1] = _mm256_setzero_ps();                                                                                                                                 \
    for (int k = 0; k < l->K; k++, w += NN_PANEL) {                                                                                                                                \
      __m256 w0 = _mm256_loadu_ps(w), w1 = _mm256_loadu_ps(w + 8);                                                                                                                 \
      for (int r = 0; r < R; r++) {                                                                                                                                                \
        __m256 v = _mm256_broadcast_ss(x + (size_t)r * p->ldx + k);                                                                                                                \
        acc[r][0] = _mm256_fmadd_ps(v, w0, acc[r][0]);                                                                                                                             \
        acc[r][1] = _mm256_fmadd_ps(v, w1, acc[r][1]);                                                                                                                             \
      }                                                                                                                                                                            \
    }                                                                                                                                                                              \
    for (int r = 0; r < R; r++) {                                                                                                                                                  \
      finish8(p, m + (size_t)r, panel * NN_PANEL, acc[r][0]);                                                                                                                      \
      finish8(p, m + (size_t)r, panel * NN_PANEL + 8, acc[r][1]);                                                                                                                  \
    }                                                                                                                                                                              \
  }
ROWS_F32(1)
ROWS_F32(2)
ROWS_F32(3)
ROWS_F32(4)
ROWS_F32(5)
ROWS_F32(6)

static void linear_f32(const nn_product *p, nn_tile t)
{
  static void (*const rows[])(const nn_product *, size_t, int) = {rows_f32_1, rows_f32_2, rows_f32_3, rows_f32_4, rows_f32_5, rows_f32_6};
  for (int panel = t.panel_begin; panel < t.panel_end; panel++)
    for (size_t m = t.row_begin; m < t.row_end;) {
      size_t n = t.row_end - m < 6 ? t.row_end - m : 6;
      rows[n - 1](p, m, panel);
      m += n;
    }
}

/* Exact: |x| and |w| are at most 127, so a pair of products is at most 32,258 and fits 16 bits. */
#define ROWS_Q8(R)                                                                                                                                                                 \
  static void rows_q8_##R(const nn_product *p, size_t m, int panel)                                                                                                                \
  {                                                                                                                                                                                \
    const nn_linear *l = p->l;                                                                                                                                                     \
    const __m256i ones = _mm256_set1_epi16(1);                                                                                                                                     \
    const size_t blocks = (size_t)l->blocks, ldq = blocks * NN_BLOCK;                                                                                                              \
    const int8_t *w = l->q + (size_t)panel * blocks * NN_BLOCK * NN_PANEL, *x = p->qx + m * ldq;                                                                                   \
    const float *sw = l->scale + (size_t)panel * blocks * NN_PANEL, *sx = p->sx + m * blocks;                                                                                      \
    __m256 acc[R][2];                                                                                                                                                              \
    for (int r = 0; r < R; r++)                                                                                                                                                    \
      acc[r][0] = acc[r][1] = _mm256_setzero_ps();                                                                                                                                 \
    for (size_t b = 0; b < blocks; b++, x += NN_BLOCK, sw += NN_PANEL) {                                                                                                           \
      __m256i dot[R][2];                                                                                                                                                           \
      for (int r = 0; r < R; r++)                                                                                                                                                  \
        dot[r][0] = dot[r][1] = _mm256_setzero_si256();                                                                                                                            \
      for (int g = 0; g < NN_BLOCK / 4; g++, w += 4 * NN_PANEL) {                                                                                                                  \
        __m256i w0 = _mm256_loadu_si256((const __m256i *)(const void *)w), w1 = _mm256_loadu_si256((const __m256i *)(const void *)(w + 32));                                       \
        __m256i a0 = _mm256_abs_epi8(w0), a1 = _mm256_abs_epi8(w1);                                                                                                                \
        for (int r = 0; r < R; r++) {                                                                                                                                              \
          int four;                                                                                                                                                                \
          memcpy(&four, x + (size_t)r * ldq + g * 4, 4);                                                                                                                           \
          __m256i v = _mm256_set1_epi32(four);                                                                                                                                     \
          dot[r][0] = _mm256_add_epi32(dot[r][0], _mm256_madd_epi16(_mm256_maddubs_epi16(a0, _mm256_sign_epi8(v, w0)), ones));                                                     \
          dot[r][1] = _mm256_add_epi32(dot[r][1], _mm256_madd_epi16(_mm256_maddubs_epi16(a1, _mm256_sign_epi8(v, w1)), ones));                                                     \
        }                                                                                                                                                                          \
      }                                                                                                                                                                            \
      __m256 s0 = _mm256_loadu_ps(sw), s1 = _mm256_loadu_ps(sw + 8);                                                                                                               \
      for (int r = 0; r < R; r++) {                                                                                                                                                \
        __m256 s = _mm256_broadcast_ss(sx + (size_t)r * blocks + b);                                                                                                               \
        acc[r][0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[r][0]), _mm256_mul_ps(s, s0), acc[r][0]);                                                                               \
        acc[r][1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[r][1]), _mm256_mul_ps(s, s1), acc[r][1]);                                                                               \
      }                                                                                                                                                                            \
    }                                                                                                                                                                              \
    for (int r = 0; r < R; r++) {                                                                                                                                                  \
      finish8(p, m + (size_t)r, panel * NN_PANEL, acc[r][0]);                                                                                                                      \
      finish8(p, m + (size_t)r, panel * NN_PANEL + 8, acc[r][1]);                                                                                                                  \
    }                                                                                                                                                                              \
  }
ROWS_Q8(1)
ROWS_Q8(2)
ROWS_Q8(3)
ROWS_Q8(4)

static void linear_q8(const nn_product *p, nn_tile t)
{
  static void (*const rows[])(const nn_product *, size_t, int) = {rows_q8_1, rows_q8_2, rows_q8_3, rows_q8_4};
  for (int panel = t.panel_begin; panel < t.panel_end; panel++)
    for (size_t m = t.row_begin; m < t.row_end;) {
      size_t left = t.row_end - m, n = left < 4 ? left : 4;
      rows[n - 1](p, m, panel);
      m += n;
    }
}

static void quantize(int8_t *q, float *s, const float *x, int K, int blocks)
{
  const __m256 sign = _mm256_set1_ps(-0.0f);
  for (int b = 0; b < blocks; b++, q += NN_BLOCK, x += NN_BLOCK) {
    int n = K - b * NN_BLOCK;
    if (n < NN_BLOCK) {
      nn_kernels_generic.quantize(q, s + b, x, n, 1);
      return;
    }
    __m256 v0 = _mm256_loadu_ps(x), v1 = _mm256_loadu_ps(x + 8), v2 = _mm256_loadu_ps(x + 16), v3 = _mm256_loadu_ps(x + 24);
    __m256 most = _mm256_max_ps(_mm256_max_ps(_mm256_andnot_ps(sign, v0), _mm256_andnot_ps(sign, v1)), _mm256_max_ps(_mm256_andnot_ps(sign, v2), _mm256_andnot_ps(sign, v3)));
    __m128 m4 = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    m4 = _mm_max_ps(m4, _mm_movehl_ps(m4, m4));
    m4 = _mm_max_ss(m4, _mm_shuffle_ps(m4, m4, 1));
    float top = _mm_cvtss_f32(m4);
    s[b] = top / 127.0f;
    __m256 inverse = _mm256_set1_ps(top > 0 ? 127.0f / top : 0);
    __m256i i0 = _mm256_cvtps_epi32(_mm256_mul_ps(v0, inverse)), i1 = _mm256_cvtps_epi32(_mm256_mul_ps(v1, inverse));
    __m256i i2 = _mm256_cvtps_epi32(_mm256_mul_ps(v2, inverse)), i3 = _mm256_cvtps_epi32(_mm256_mul_ps(v3, inverse));
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(i0, i1), _mm256_packs_epi32(i2, i3));
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)q, bytes);
  }
}

/* ---- vectors ---- */

static inline float sum8(__m256 v)
{
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

static float dot(const float *a, const float *b, size_t n)
{
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
    s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
    s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
  }
  for (; i + 8 <= n; i += 8)
    s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
  if (i < n) {
    __m256i m = tail_mask(n - i);
    s1 = _mm256_fmadd_ps(_mm256_maskload_ps(a + i, m), _mm256_maskload_ps(b + i, m), s1);
  }
  return sum8(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

static void axpy(float *y, float a, const float *x, size_t n)
{
  __m256 v = _mm256_set1_ps(a);
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(v, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  if (i < n) {
    __m256i m = tail_mask(n - i);
    _mm256_maskstore_ps(y + i, m, _mm256_fmadd_ps(v, _mm256_maskload_ps(x + i, m), _mm256_maskload_ps(y + i, m)));
  }
}

static float largest(const float *x, size_t n)
{
  float most = -INFINITY;
  size_t i = 0;
  if (n >= 8) {
    __m256 v = _mm256_loadu_ps(x);
    for (i = 8; i + 8 <= n; i += 8)
      v = _mm256_max_ps(v, _mm256_loadu_ps(x + i));
    float eight[8];
    _mm256_storeu_ps(eight, v);
    for (int k = 0; k < 8; k++)
      most = eight[k] > most ? eight[k] : most;
  }
  for (; i < n; i++)
    most = x[i] > most ? x[i] : most;
  return most;
}

static void softmax(float *x, size_t n)
{
  __m256 most = _mm256_set1_ps(largest(x, n)), total = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 e = exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i), most));
    _mm256_storeu_ps(x + i, e);
    total = _mm256_add_ps(total, e);
  }
  if (i < n) {
    __m256i m = tail_mask(n - i);
    __m256 e = _mm256_and_ps(exp8(_mm256_sub_ps(_mm256_maskload_ps(x + i, m), most)), _mm256_castsi256_ps(m));
    _mm256_maskstore_ps(x + i, m, e);
    total = _mm256_add_ps(total, e);
  }
  __m256 inverse = _mm256_set1_ps(1.0f / sum8(total));
  for (i = 0; i + 8 <= n; i += 8)
    _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), inverse));
  if (i < n) {
    __m256i m = tail_mask(n - i);
    _mm256_maskstore_ps(x + i, m, _mm256_mul_ps(_mm256_maskload_ps(x + i, m), inverse));
  }
}

static float sum_exp(const float *x, size_t n, float max)
{
  __m256 most = _mm256_set1_ps(max);
  double sum = 0;
  for (size_t begin = 0; begin < n; begin += 4096) { /* partial sums in double: 50,257 terms would lose digits */
    size_t end = n - begin < 4096 ? n : begin + 4096, i = begin;
    __m256 total = _mm256_setzero_ps();
    for (; i + 8 <= end; i += 8)
      total = _mm256_add_ps(total, exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i), most)));
    if (i < end) {
      __m256i m = tail_mask(end - i);
      total = _mm256_add_ps(total, _mm256_and_ps(exp8(_mm256_sub_ps(_mm256_maskload_ps(x + i, m), most)), _mm256_castsi256_ps(m)));
    }
    sum += (double)sum8(total);
  }
  return (float)sum;
}

static void layer_norm(float *y, const float *x, size_t N, const float *gain, const float *bias, float eps)
{
  __m256 total = _mm256_setzero_ps();
  size_t i = 0, whole = N / 8 * 8;
  __m256i tail = tail_mask(N - whole);
  for (; i < whole; i += 8)
    total = _mm256_add_ps(total, _mm256_loadu_ps(x + i));
  total = _mm256_add_ps(total, _mm256_maskload_ps(x + whole, tail));
  __m256 mean = _mm256_set1_ps(sum8(total) / (float)N), squares = _mm256_setzero_ps();
  for (i = 0; i < whole; i += 8) {
    __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + i), mean);
    squares = _mm256_fmadd_ps(d, d, squares);
  }
  __m256 last = _mm256_and_ps(_mm256_sub_ps(_mm256_maskload_ps(x + whole, tail), mean), _mm256_castsi256_ps(tail));
  squares = _mm256_fmadd_ps(last, last, squares);
  __m256 inverse = _mm256_set1_ps(1.0f / sqrtf(sum8(squares) / (float)N + eps));
  for (i = 0; i < whole; i += 8) {
    __m256 v = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), mean), inverse);
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(v, _mm256_loadu_ps(gain + i), _mm256_loadu_ps(bias + i)));
  }
  if (whole < N)
    _mm256_maskstore_ps(y + whole, tail, _mm256_fmadd_ps(_mm256_mul_ps(last, inverse), _mm256_maskload_ps(gain + whole, tail), _mm256_maskload_ps(bias + whole, tail)));
}

/* ---- depthwise ---- */

/* Eight channels of one output place; the taps that fall outside the picture are left out. */
static inline __m256 place8(const nn_depthwise *d, const float *x, int W, int y0, int x0, int ky0, int ky1, int kx0, int kx1, size_t c, __m256 acc, __m256i mask, bool whole)
{
  size_t C = (size_t)d->C;
  for (int ky = ky0; ky < ky1; ky++) {
    const float *from = x + ((size_t)(y0 + ky) * (size_t)W + (size_t)(x0 + kx0)) * C + c, *w = d->weight + (size_t)(ky * d->k + kx0) * C + c;
    for (int kx = kx0; kx < kx1; kx++, from += C, w += C)
      acc = whole ? _mm256_fmadd_ps(_mm256_loadu_ps(from), _mm256_loadu_ps(w), acc) : _mm256_fmadd_ps(_mm256_maskload_ps(from, mask), _mm256_maskload_ps(w, mask), acc);
  }
  return acc;
}

static void depthwise(const nn_depthwise *d, float *y, int OW, const float *x, int H, int W, int oy, int pad_top, int pad_left, nn_activation a)
{
  size_t C = (size_t)d->C, whole = C / 8 * 8;
  int y0 = oy * d->stride - pad_top, ky0 = y0 < 0 ? -y0 : 0, ky1 = H - y0 < d->k ? H - y0 : d->k;
  __m256i mask = tail_mask(C - whole);
  for (int ox = 0; ox < OW; ox++, y += C) {
    int x0 = ox * d->stride - pad_left, kx0 = x0 < 0 ? -x0 : 0, kx1 = W - x0 < d->k ? W - x0 : d->k;
    for (size_t c = 0; c < whole; c += 8)
      _mm256_storeu_ps(y + c, activate8(place8(d, x, W, y0, x0, ky0, ky1, kx0, kx1, c, _mm256_loadu_ps(d->bias + c), mask, true), a));
    if (whole < C)
      _mm256_maskstore_ps(y + whole, mask, activate8(place8(d, x, W, y0, x0, ky0, ky1, kx0, kx1, whole, _mm256_maskload_ps(d->bias + whole, mask), mask, false), a));
  }
}

const nn_kernels nn_kernels_avx2 = {
  .name = "avx2",
  .linear_f32 = linear_f32,
  .linear_q8 = linear_q8,
  .quantize = quantize,
  .dot = dot,
  .axpy = axpy,
  .softmax = softmax,
  .sum_exp = sum_exp,
  .layer_norm = layer_norm,
  .activate = activate,
  .depthwise = depthwise,
};
