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

void resize_across_plain(uint8_t *out, int out_width, const uint8_t *in, int width, int channels, const int *bounds, const int32_t *k, int ksize)
{
  (void)width;
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

/* Two pixels at a time, one in each half: 8 bytes are read for 6, where the row has them. */
AVX2 static void across_colour(uint8_t *out, int out_width, const uint8_t *in, int width, const int *bounds, const int32_t *k, int ksize)
{
  const __m128i spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i twice = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const uint8_t *end = in + 3 * (size_t)width;
  for (int x = 0; x < out_width; x++, out += 3, k += ksize) {
    const uint8_t *p = in + 3 * (size_t)bounds[2 * x];
    int n = bounds[2 * x + 1], i = 0;
    int32_t s[4];
    __m256i sums = _mm256_setzero_si256();
    for (; i + 2 <= n && end - p >= 8; i += 2, p += 6) {
      __m256i bytes = _mm256_cvtepu8_epi32(_mm_shuffle_epi8(_mm_loadl_epi64((const __m128i *)(const void *)p), spread));
      __m256i weights = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(_mm_loadl_epi64((const __m128i *)(const void *)(k + i))), twice);
      sums = _mm256_add_epi32(sums, _mm256_mullo_epi32(bytes, weights));
    }
    _mm_storeu_si128((__m128i *)(void *)s, _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1)));
    for (; i < n; i++, p += 3)
      for (int c = 0; c < 3; c++)
        s[c] += p[c] * k[i];
    for (int c = 0; c < 3; c++)
      out[c] = resize_clip(s[c] + (1 << (RESIZE_PRECISION - 1)));
  }
}

AVX2 static void across_avx2(uint8_t *out, int out_width, const uint8_t *in, int width, int channels, const int *bounds, const int32_t *k, int ksize)
{
  if (channels == 1)
    across_grey(out, out_width, in, bounds, k, ksize);
  else if (channels == 3)
    across_colour(out, out_width, in, width, bounds, k, ksize);
  else
    resize_across_plain(out, out_width, in, width, channels, bounds, k, ksize);
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
