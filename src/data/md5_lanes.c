/* Compiled once for each kind of vector: 16 lanes with AVX-512, 8 with AVX2, 4 with what every processor of 64 bits has. */
#include "data/md5_lanes.h"

#include "data/md5_steps.h"

#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
enum { LANES = 16 };
#define TABLE md5_lanes_avx512
#define NAME "avx512"
#elif defined(__AVX2__)
enum { LANES = 8 };
#define TABLE md5_lanes_avx2
#define NAME "avx2"
#else
enum { LANES = 4 };
#define TABLE md5_lanes_4
#define NAME "4"
#endif

typedef uint32_t vec __attribute__((vector_size(LANES * 4)));
typedef uint32_t quarter __attribute__((vector_size(16)));

#if defined(__AVX512F__) /* any function of three bits in one instruction, given as its eight answers; and a rotation */
#define TERNARY(x, y, z, answers) ((vec)_mm512_ternarylogic_epi32((__m512i)(x), (__m512i)(y), (__m512i)(z), answers))
#define F(x, y, z) TERNARY(x, y, z, 0xca)
#define G(x, y, z) TERNARY(x, y, z, 0xe4)
#define H(x, y, z) TERNARY(x, y, z, 0x96)
#define I(x, y, z) TERNARY(x, y, z, 0x39)
#define ROTATE(x, n) ((vec)_mm512_rol_epi32((__m512i)(x), n))
#else
#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))
#define ROTATE(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#endif
#define STEP(f, a, b, c, d, k, t, s)                                                                                                                                               \
  a += w[k] + (uint32_t)(t) + f(b, c, d);                                                                                                                                          \
  a = ROTATE(a, s) + b;

/* Shuffles inside of each 16 bytes: i..l are words, 0..3 of a and 4..7 of b. */
#define WORD(i, part) ((i) < 4 ? (part) + (i) : LANES + (part) + (i)-4)
#define PART(i, j, k, l, part) WORD(i, part), WORD(j, part), WORD(k, part), WORD(l, part)
#if defined(__AVX512F__)
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, PART(i, j, k, l, 0), PART(i, j, k, l, 4), PART(i, j, k, l, 8), PART(i, j, k, l, 12))
#elif defined(__AVX2__)
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, PART(i, j, k, l, 0), PART(i, j, k, l, 4))
#else
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, PART(i, j, k, l, 0))
#endif

static inline quarter load(const uint8_t *p)
{
  quarter q;
  memcpy(&q, p, sizeof q);
  return q;
}

/* Four words of the streams i, i + 4, i + 8, …, each in a part of the vector. */
static inline vec gather(const uint8_t *const p[], size_t at, int i)
{
#if defined(__AVX512F__)
  typedef uint32_t half __attribute__((vector_size(32)));
  half low = __builtin_shufflevector(load(p[i] + at), load(p[i + 4] + at), 0, 1, 2, 3, 4, 5, 6, 7);
  half high = __builtin_shufflevector(load(p[i + 8] + at), load(p[i + 12] + at), 0, 1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__AVX2__)
  return __builtin_shufflevector(load(p[i] + at), load(p[i + 4] + at), 0, 1, 2, 3, 4, 5, 6, 7);
#else
  return load(p[i] + at);
#endif
}

static void add(uint32_t h[4][MD5_LANES_MOST], const uint8_t *const p[MD5_LANES_MOST], size_t blocks)
{
  vec a, b, c, d, w[16];
  memcpy(&a, h[0], sizeof a);
  memcpy(&b, h[1], sizeof b);
  memcpy(&c, h[2], sizeof c);
  memcpy(&d, h[3], sizeof d);
  for (size_t at = 0; at < blocks * 64; at += 64) {
    vec a0 = a, b0 = b, c0 = c, d0 = d;
    for (int k = 0; k < 16; k += 4) { /* w[k]: word k of every stream, in the order of the streams */
      vec r0 = gather(p, at + 4 * (size_t)k, 0), r1 = gather(p, at + 4 * (size_t)k, 1), r2 = gather(p, at + 4 * (size_t)k, 2), r3 = gather(p, at + 4 * (size_t)k, 3);
      vec low01 = SHUFFLE(r0, r1, 0, 4, 1, 5), high01 = SHUFFLE(r0, r1, 2, 6, 3, 7), low23 = SHUFFLE(r2, r3, 0, 4, 1, 5), high23 = SHUFFLE(r2, r3, 2, 6, 3, 7);
      w[k] = SHUFFLE(low01, low23, 0, 1, 4, 5);
      w[k + 1] = SHUFFLE(low01, low23, 2, 3, 6, 7);
      w[k + 2] = SHUFFLE(high01, high23, 0, 1, 4, 5);
      w[k + 3] = SHUFFLE(high01, high23, 2, 3, 6, 7);
    }
    MD5_STEPS(STEP)
    a += a0;
    b += b0;
    c += c0;
    d += d0;
  }
  memcpy(h[0], &a, sizeof a);
  memcpy(h[1], &b, sizeof b);
  memcpy(h[2], &c, sizeof c);
  memcpy(h[3], &d, sizeof d);
}

const md5_lanes TABLE = {NAME, LANES, add};
