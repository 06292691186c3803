/* AVX2, FMA and F16C: vectors of 8 floats. Built twice: with VNNI in 256 bits, whose dpbusd is used as in avx512.c; and without, where products of bytes go by maddubs, whose 16-bit sums cannot
 * saturate because |x| and |w| are at most 127: a pair is at most 32,258. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { VW = 8 };
typedef __m256 vf, vmask;

#define vf_load(p) _mm256_loadu_ps(p)
#define vf_load_half(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define vf_store_half(p, v) _mm_storeu_si128((__m128i *)(void *)(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT))
#define vf_store(p, v) _mm256_storeu_ps(p, v)
#define vf_set1(x) _mm256_set1_ps(x)
#define vf_zero() _mm256_setzero_ps()
#define vf_add(a, b) _mm256_add_ps(a, b)
#define vf_sub(a, b) _mm256_sub_ps(a, b)
#define vf_mul(a, b) _mm256_mul_ps(a, b)
#define vf_div(a, b) _mm256_div_ps(a, b)
#define vf_min(a, b) _mm256_min_ps(a, b)
#define vf_max(a, b) _mm256_max_ps(a, b)
#define vf_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vf_fnma(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define vf_round(a) _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define vf_abs(a) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define vf_sign_of(a, b) _mm256_or_ps(a, _mm256_and_ps(b, _mm256_set1_ps(-0.0f)))
#define vf_less(a, b) _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define vf_select(m, a, b) _mm256_blendv_ps(b, a, m)
#define vf_power_of_2(n) _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23))

static inline __m256i first_lanes(size_t n)
{
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vf vf_load_n(const float *p, size_t n)
{
  return _mm256_maskload_ps(p, first_lanes(n));
}

static inline void vf_store_n(float *p, vf v, size_t n)
{
  _mm256_maskstore_ps(p, first_lanes(n), v);
}

static inline float vf_sum(vf v)
{
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

static inline float vf_largest(vf v)
{
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}

typedef struct vi {
  __m256i v[2];
} vi;
#ifdef __AVXVNNI__
typedef struct qw {
  __m256i w[2];
} qw;

static inline qw q_load(const int8_t *w)
{
  const __m256i *p = (const __m256i *)(const void *)w, sign = _mm256_set1_epi8((char)0x80);
  return (qw){{_mm256_xor_si256(_mm256_loadu_si256(p), sign), _mm256_xor_si256(_mm256_loadu_si256(p + 1), sign)}};
}

static inline vi q_begin(int32_t sum)
{
  return (vi){{_mm256_set1_epi32(sum), _mm256_set1_epi32(sum)}};
}

/* Not the intrinsic: GCC would copy every sum into another register and back. */
static inline vi q_dot(vi acc, qw w, int32_t four)
{
  const __m256i x = _mm256_set1_epi32(four);
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc.v[0]) : "x"(w.w[0]), "x"(x));
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc.v[1]) : "x"(w.w[1]), "x"(x));
  return acc;
}
#define KERNELS nn_kernels_avxvnni
#define KERNELS_NAME "avxvnni"
#else
typedef struct qw {
  __m256i w[2], size[2];
} qw;

static inline qw q_load(const int8_t *w)
{
  const __m256i *p = (const __m256i *)(const void *)w;
  __m256i a = _mm256_loadu_si256(p), b = _mm256_loadu_si256(p + 1);
  return (qw){{a, b}, {_mm256_abs_epi8(a), _mm256_abs_epi8(b)}};
}

static inline vi q_begin(int32_t sum)
{
  (void)sum;
  return (vi){{_mm256_setzero_si256(), _mm256_setzero_si256()}};
}

static inline vi q_dot(vi acc, qw w, int32_t four)
{
  const __m256i ones = _mm256_set1_epi16(1), x = _mm256_set1_epi32(four);
  acc.v[0] = _mm256_add_epi32(acc.v[0], _mm256_madd_epi16(_mm256_maddubs_epi16(w.size[0], _mm256_sign_epi8(x, w.w[0])), ones));
  acc.v[1] = _mm256_add_epi32(acc.v[1], _mm256_madd_epi16(_mm256_maddubs_epi16(w.size[1], _mm256_sign_epi8(x, w.w[1])), ones));
  return acc;
}
#define KERNELS nn_kernels_avx2
#define KERNELS_NAME "avx2"
#endif

#define q_float(dot, i) _mm256_cvtepi32_ps((dot).v[i])

static inline int32_t quantize_block(int8_t *q, const float *x, float factor)
{
  const __m256 f = _mm256_set1_ps(factor);
  __m256i i0 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), f)), i1 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), f));
  __m256i i2 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 16), f)), i3 = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 24), f));
  __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(i0, i1), _mm256_packs_epi32(i2, i3));
  _mm256_storeu_si256((__m256i *)(void *)q, _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  i0 = _mm256_add_epi32(_mm256_add_epi32(i0, i1), _mm256_add_epi32(i2, i3));
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(i0), _mm256_extracti128_si256(i0, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

enum { f32_rows = 6, f32_together = 1, q8_rows = 4, q8_together = 1 };
#include "nn/vector_kernels.h"
