#include "image/resize_rows.h"

#include <stdlib.h>
#include <string.h>

static inline __attribute__((always_inline)) void across_pixel(uint8_t *out, const uint8_t *p, int n, int channels, const int32_t *k)
{
  int32_t s[4] = {1 << (RESIZE_PRECISION - 1), 1 << (RESIZE_PRECISION - 1), 1 << (RESIZE_PRECISION - 1), 1 << (RESIZE_PRECISION - 1)};
  for (int i = 0; i < n; i++, p += channels)
    for (int c = 0; c < channels; c++)
      s[c] += p[c] * k[i];
  for (int c = 0; c < channels; c++)
    out[c] = resize_clip(s[c]);
}

static void across_row(uint8_t *out, int out_width, const uint8_t *in, int channels, const int *bounds, const int32_t *k, int ksize)
{
  for (int x = 0; x < out_width; x++, out += channels, k += ksize) {
    const uint8_t *p = in + (size_t)bounds[2 * x] * (size_t)channels;
    int n = bounds[2 * x + 1];
    switch (channels) { /* a known number makes a short loop */
    case 1: across_pixel(out, p, n, 1, k); break;
    case 3: across_pixel(out, p, n, 3, k); break;
    default: across_pixel(out, p, n, channels, k);
    }
  }
}

void resize_across_plain(uint8_t *out, int out_width, const uint8_t *in, int width, int rows, int channels, const int *bounds, const int32_t *k, int ksize)
{
  for (int y = 0; y < rows; y++, in += (size_t)width * (size_t)channels, out += (size_t)out_width * (size_t)channels)
    across_row(out, out_width, in, channels, bounds, k, ksize);
}

static inline __attribute__((always_inline)) void down(uint8_t *out, int32_t *sums, const uint8_t *in, size_t n, int rows, const int32_t *k)
{
  for (size_t x = 0; x < n; x++)
    sums[x] = 1 << (RESIZE_PRECISION - 1);
  for (int i = 0; i < rows; i++, in += n)
    for (size_t x = 0; x < n; x++)
      sums[x] += in[x] * k[i];
  for (size_t x = 0; x < n; x++)
    out[x] = resize_clip(sums[x]);
}

void resize_down_plain(uint8_t *out, int32_t *sums, const uint8_t *in, size_t n, int rows, const int32_t *k)
{
  down(out, sums, in, n, rows, k);
}

#ifdef __x86_64__
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))

AVX2 static inline int32_t sum_of(__m256i v)
{
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

AVX2 static void across_grey(uint8_t *out, int out_width, const uint8_t *in, const int *bounds, const int32_t *k, int ksize)
{
  for (int x = 0; x < out_width; x++, k += ksize) {
    const uint8_t *p = in + bounds[2 * x];
    int n = bounds[2 * x + 1], i = 0;
    __m256i sums = _mm256_setzero_si256();
    for (; i + 8 <= n; i += 8) {
      __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p + i)));
      sums = _mm256_add_epi32(sums, _mm256_mullo_epi32(bytes, _mm256_loadu_si256((const __m256i *)(const void *)(k + i))));
    }
    int32_t s = sum_of(sums) + (1 << (RESIZE_PRECISION - 1));
    for (; i < n; i++)
      s += p[i] * k[i];
    out[x] = resize_clip(s);
  }
}

/* The sums of four weighed pixels, two in each half, in R rows: a coefficient of 24 bits is taken apart into 9 and 15, which 16-bit products hold. */
enum { LOW_BITS = 15 };
#define EACH_ROW(r) _Pragma("GCC unroll 4") for (int r = 0; r < R; r++)
typedef struct weights {
  __m256i low, high;
} weights;

AVX2 static inline weights weights_load(const int32_t *k)
{
  const __m256i low = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1), high = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
  const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)k);
  const __m256i both = _mm256_castsi128_si256(_mm_packs_epi32(_mm_and_si128(v, _mm_set1_epi32((1 << LOW_BITS) - 1)), _mm_srai_epi32(v, LOW_BITS)));
  return (weights){_mm256_permutevar8x32_epi32(both, low), _mm256_permutevar8x32_epi32(both, high)};
}

AVX2 static inline __attribute__((always_inline)) void colour_rows(
  uint8_t *out, int out_width, const uint8_t *in, int width, const int *bounds, const int32_t *k, int ksize, const int R)
{
  const __m256i spread = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const __m128i bytes = _mm_setr_epi8(0, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const size_t row = 3 * (size_t)width, out_row = 3 * (size_t)out_width;
  for (int x = 0; x < out_width; x++, k += ksize, out += 3) {
    const int n = bounds[2 * x + 1];
    const uint8_t *p = in + 3 * (size_t)bounds[2 * x];
    if (3 * (size_t)(bounds[2 * x] + n + 3) + 4 > row) { /* 16 bytes are read for 12: not beyond the last row */
      EACH_ROW(r)
      across_pixel(out + (size_t)r * out_row, p + (size_t)r * row, n, 3, k);
      continue;
    }
    __m256i low[RESIZE_TOGETHER], high[RESIZE_TOGETHER];
    EACH_ROW(r)
    low[r] = high[r] = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 4, p += 12) {
      const weights w = weights_load(k + i);
      EACH_ROW(r)
      {
        const __m256i words = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(p + (size_t)r * row))), spread);
        low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(words, w.low));
        high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(words, w.high));
      }
    }
    EACH_ROW(r)
    {
      const __m256i sums = _mm256_add_epi32(_mm256_slli_epi32(high[r], LOW_BITS), low[r]);
      __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
      s = _mm_srai_epi32(_mm_add_epi32(s, _mm_set1_epi32(1 << (RESIZE_PRECISION - 1))), RESIZE_PRECISION);
      s = _mm_shuffle_epi8(_mm_min_epi32(_mm_max_epi32(s, _mm_setzero_si128()), _mm_set1_epi32(255)), bytes);
      const int32_t colour = _mm_cvtsi128_si32(s);
      memcpy(out + (size_t)r * out_row, &colour, 3);
    }
  }
}

AVX2 static void across_colour(uint8_t *out, int out_width, const uint8_t *in, int width, int rows, const int *bounds, const int32_t *k, int ksize)
{
  if (rows == RESIZE_TOGETHER)
    colour_rows(out, out_width, in, width, bounds, k, ksize, RESIZE_TOGETHER);
  else
    for (int y = 0; y < rows; y++)
      colour_rows(out + 3 * (size_t)y * (size_t)out_width, out_width, in + 3 * (size_t)y * (size_t)width, width, bounds, k, ksize, 1);
}

AVX2 static void across_avx2(uint8_t *out, int out_width, const uint8_t *in, int width, int rows, int channels, const int *bounds, const int32_t *k, int ksize)
{
  if (channels == 1)
    for (int y = 0; y < rows; y++)
      across_grey(out + (size_t)y * (size_t)out_width, out_width, in + (size_t)y * (size_t)width, bounds, k, ksize);
  else if (channels == 3)
    across_colour(out, out_width, in, width, rows, bounds, k, ksize);
  else
    resize_across_plain(out, out_width, in, width, rows, channels, bounds, k, ksize);
}

AVX2 static void down_avx2(uint8_t *out, int32_t *sums, const uint8_t *in, size_t n, int rows, const int32_t *k)
{
  size_t x = 0;
  for (; x + 8 <= n; x += 8) { /* the sums stay in a register */
    __m256i s = _mm256_set1_epi32(1 << (RESIZE_PRECISION - 1));
    const uint8_t *p = in + x;
    for (int i = 0; i < rows; i++, p += n)
      s = _mm256_add_epi32(s, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)), _mm256_set1_epi32(k[i])));
    s = _mm256_srai_epi32(s, RESIZE_PRECISION);
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    _mm_storel_epi64((__m128i *)(void *)(out + x), _mm_packus_epi16(words, words));
  }
  for (; x < n; x++) {
    int32_t s = 1 << (RESIZE_PRECISION - 1);
    for (int i = 0; i < rows; i++)
      s += in[(size_t)i * n + x] * k[i];
    out[x] = resize_clip(s);
  }
  (void)sums;
}
#endif

resize_rows resize_rows_choose(void)
{
#ifdef __x86_64__
  const char *forced = getenv("OPIS_CPU");
  if (__builtin_cpu_supports("avx2") && !(forced && strcmp(forced, "generic") == 0))
    return (resize_rows){across_avx2, down_avx2};
#endif
  return (resize_rows){resize_across_plain, resize_down_plain};
}
