/* AVX-512 (F, BW, DQ, VL): vectors of 16 floats. Built three times: with VNNI, whose dpbusd multiplies unsigned by signed bytes, so that the weights are taken as w + 128 and the sums begin at
 * -128 times the sum of the activations; with AMX (amx.h) besides; and without
 * both, by maddubs as in avx2.c. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { VW = 16 };
typedef __m512 vf;
typedef __mmask16 vmask;

#define vf_load(p) _mm512_loadu_ps(p)
#define vf_store(p, v) _mm512_storeu_ps(p, v)
#define vf_load_half(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define vf_store_half(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
#define vf_load_n(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), p)
#define vf_store_n(p, v, n) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1), v)
#define vf_set1(x) _mm512_set1_ps(x)
#define vf_zero() _mm512_setzero_ps()
#define vf_add(a, b) _mm512_add_ps(a, b)
#define vf_sub(a, b) _mm512_sub_ps(a, b)
#define vf_mul(a, b) _mm512_mul_ps(a, b)
#define vf_div(a, b) _mm512_div_ps(a, b)
#define vf_min(a, b) _mm512_min_ps(a, b)
#define vf_max(a, b) _mm512_max_ps(a, b)
#define vf_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vf_fnma(a, b, c) _mm512_fnmadd_ps(a, b, c)
#define vf_round(a) _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define vf_abs(a) _mm512_abs_ps(a)
#define vf_sign_of(a, b) _mm512_or_ps(a, _mm512_and_ps(b, _mm512_set1_ps(-0.0f)))
#define vf_less(a, b) _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define vf_select(m, a, b) _mm512_mask_blend_ps(m, b, a)
#define vf_power_of_2(n) _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23))
#define vf_sum(v) _mm512_reduce_add_ps(v)
#define vf_largest(v) _mm512_reduce_max_ps(v)

typedef __m512i vi;
#define q_float(dot, i) ((void)(i), _mm512_cvtepi32_ps(dot))

#ifdef __AVX512VNNI__
typedef __m512i qw;
#define q_load(w) _mm512_xor_si512(_mm512_loadu_si512(w), _mm512_set1_epi8((char)0x80))
#define q_begin(sum) _mm512_set1_epi32(sum)
/* Not the intrinsic: GCC would copy every sum into another register and back. */
static inline vi q_dot(vi acc, qw w, int32_t four)
{
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(w), "v"(_mm512_set1_epi32(four)));
  return acc;
}
#ifdef NN_AMX
#define MATRICES "nn/x86/amx.h"
#define LINEAR_Q8 linear_q8_tiles
#define LINEAR_BF16 linear_bf16
#define KERNELS nn_kernels_amx
#define KERNELS_NAME "amx"
#else
#define KERNELS nn_kernels_avx512vnni
#define KERNELS_NAME "avx512vnni"
#endif
#else
typedef struct qw {
  __m512i size;
  __mmask64 negative;
} qw;

static inline qw q_load(const int8_t *w)
{
  __m512i v = _mm512_loadu_si512(w);
  return (qw){_mm512_abs_epi8(v), _mm512_movepi8_mask(v)};
}

#define q_begin(sum) ((void)(sum), _mm512_setzero_si512())

static inline vi q_dot(vi acc, qw w, int32_t four)
{
  __m512i x = _mm512_set1_epi32(four);
  x = _mm512_mask_sub_epi8(x, w.negative, _mm512_setzero_si512(), x);
  return _mm512_add_epi32(acc, _mm512_madd_epi16(_mm512_maddubs_epi16(w.size, x), _mm512_set1_epi16(1)));
}
#define KERNELS nn_kernels_avx512
#define KERNELS_NAME "avx512"
#endif

static inline int32_t quantize_block(int8_t *q, const float *x, float factor)
{
  const __m512 f = _mm512_set1_ps(factor);
  const __m512i low = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), f)), high = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16), f));
  _mm_storeu_si128((__m128i *)(void *)q, _mm512_cvtsepi32_epi8(low));
  _mm_storeu_si128((__m128i *)(void *)(q + 16), _mm512_cvtsepi32_epi8(high));
  return _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
}

enum { f32_rows = 12, f32_together = 2, q8_rows = 6, q8_together = 2 };
#include "nn/vector_kernels.h"
