/* NEON (always there on arm64): vectors of 4 floats. Built twice: with the dot product of bytes (ARMv8.2), and without, by widening multiplications. */
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VW = 4 };
typedef float32x4_t vf;
typedef uint32x4_t vmask;

#define vf_load(p) vld1q_f32(p)
#define vf_load_half(p) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))
#define vf_store_half(p, v) vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)))
#define vf_store(p, v) vst1q_f32(p, v)
#define vf_set1(x) vdupq_n_f32(x)
#define vf_zero() vdupq_n_f32(0)
#define vf_add(a, b) vaddq_f32(a, b)
#define vf_sub(a, b) vsubq_f32(a, b)
#define vf_mul(a, b) vmulq_f32(a, b)
#define vf_div(a, b) vdivq_f32(a, b)
#define vf_min(a, b) vminq_f32(a, b)
#define vf_max(a, b) vmaxq_f32(a, b)
#define vf_fma(a, b, c) vfmaq_f32(c, a, b)
#define vf_fnma(a, b, c) vfmsq_f32(c, a, b)
#define vf_round(a) vrndnq_f32(a)
#define vf_abs(a) vabsq_f32(a)
#define vf_sign_of(a, b) vbslq_f32(vdupq_n_u32(0x80000000u), b, a)
#define vf_less(a, b) vcltq_f32(a, b)
#define vf_select(m, a, b) vbslq_f32(m, a, b)
#define vf_power_of_2(n) vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23))
#define vf_sum(v) vaddvq_f32(v)
#define vf_largest(v) vmaxvq_f32(v)

static inline vf vf_load_n(const float *p, size_t n)
{
  float lanes[4] = {0};
  memcpy(lanes, p, n * sizeof *lanes);
  return vld1q_f32(lanes);
}

static inline void vf_store_n(float *p, vf v, size_t n)
{
  float lanes[4];
  vst1q_f32(lanes, v);
  memcpy(p, lanes, n * sizeof *lanes);
}

typedef struct vi {
  int32x4_t v[4];
} vi;
typedef struct qw {
  int8x16_t w[4];
} qw;

static inline qw q_load(const int8_t *w)
{
  return (qw){{vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)}};
}

static inline vi q_begin(int32_t sum)
{
  (void)sum;
  return (vi){{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
}

static inline vi q_dot(vi acc, qw w, int32_t four)
{
  int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(four));
  for (int i = 0; i < 4; i++)
#ifdef __ARM_FEATURE_DOTPROD
    acc.v[i] = vdotq_s32(acc.v[i], w.w[i], x);
#else
  { /* two products of bytes fit 16 bits, and are added in pairs */
    int16x8_t low = vmull_s8(vget_low_s8(w.w[i]), vget_low_s8(x)), high = vmull_high_s8(w.w[i], x);
    acc.v[i] = vaddq_s32(acc.v[i], vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
  }
#endif
  return acc;
}

#define q_float(dot, i) vcvtq_f32_s32((dot).v[i])

static inline int32_t quantize_block(int8_t *q, const float *x, float factor)
{
  int16x8_t sum = vdupq_n_s16(0);
  for (int i = 0; i < 32; i += 8) {
    int16x4_t a = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), factor))), b = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), factor)));
    vst1_s8(q + i, vmovn_s16(vcombine_s16(a, b)));
    sum = vaddq_s16(sum, vcombine_s16(a, b));
  }
  return vaddlvq_s16(sum);
}

#ifdef __ARM_FEATURE_DOTPROD
#define KERNELS nn_kernels_neon_dotprod
#define KERNELS_NAME "neon-dotprod"
#else
#define KERNELS nn_kernels_neon
#define KERNELS_NAME "neon"
#endif
enum { f32_rows = 6, f32_together = 1, q8_rows = 2, q8_together = 1 };
#include "nn/vector_kernels.h"
