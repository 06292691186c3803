/* Inside the room: rows of one pass of a resize, plain and for processors with AVX2. Sums of integers: the same bits from both. */
#ifndef IMAGE_RESIZE_ROWS_H
#define IMAGE_RESIZE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RESIZE_PRECISION = 32 - 8 - 2, RESIZE_TOGETHER = 4, RESIZE_WEIGHTS = 4 };

static inline uint8_t resize_clip(int32_t v)
{
  v >>= RESIZE_PRECISION;
  return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Up to RESIZE_TOGETHER rows across: out [rows, out_width, channels], each pixel from the bounds[2 x + 1] ones from bounds[2 x] on, weighed by k [out_width, ksize], where ksize is a multiple of
 * RESIZE_WEIGHTS and what a pixel does not need is 0. in [rows, width, channels]. */
typedef void resize_across(uint8_t *out, int out_width, const uint8_t *in, int width, int rows, int channels, const int *bounds, const int32_t *k, int ksize);
/* One row down: out [n] from `rows` rows of n bytes each, weighed by k [rows]; sums [n] is for working in. */
typedef void resize_down(uint8_t *out, int32_t *sums, const uint8_t *in, size_t n, int rows, const int32_t *k);

resize_across resize_across_plain;
resize_down resize_down_plain;

typedef struct resize_rows {
  resize_across *across;
  resize_down *down;
} resize_rows;
resize_rows resize_rows_choose(void); /* for this processor; OPIS_CPU=generic keeps to the plain ones */

#endif
