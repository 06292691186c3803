/* Pillow's resampling, bit for bit (Pillow 13's Resample.c, 8 bits a channel): separable convolution, coefficients rounded to 22 fractional bits. What lies between the passes has 8 bits,
 * so that their order shows: horizontally first, but since Pillow 13.0 vertically first where the height loses more than twice as many pixels as the width does. */
#include "image/image.h"

#include "image/resize_rows.h"
#include "util/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- filters: their value at x, and how far they reach ---- */

static double box(double x)
{
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x)
{
  x = fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x)
{
  x = fabs(x);
  if (x == 0.0)
    return 1.0;
  if (x >= 1.0)
    return 0.0;
  x *= M_PI;
  return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x)); /* Pillow has its constants in single precision */
}

/* Keys' cubic with a = -0.5. */
static double bicubic(double x)
{
  const double a = -0.5;
  x = fabs(x);
  if (x < 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0)
    return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

static double sinc(double x)
{
  if (x == 0.0)
    return 1.0;
  x *= M_PI;
  return sin(x) / x;
}

static double lanczos(double x)
{
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct {
  double (*value)(double);
  double support;
} filters[] = {[IMAGE_LANCZOS] = {lanczos, 3.0}, [IMAGE_BILINEAR] = {bilinear, 1.0}, [IMAGE_BICUBIC] = {bicubic, 2.0}, [IMAGE_BOX] = {box, 0.5}, [IMAGE_HAMMING] = {hamming, 1.0}};

/* ---- coefficients of one direction ---- */

typedef struct axis {
  int ksize;
  int *bounds; /* [out, 2]: first input, count */
  int32_t *k;  /* [out, ksize] */
} axis;

static void axis_free(axis *a)
{
  free(a->bounds);
  free(a->k);
}

static int axis_new(axis *a, int in, int out, image_filter filter)
{
  double scale = (double)in / out, filterscale = scale < 1.0 ? 1.0 : scale, support = filters[filter].support * filterscale;
  if (support > INT32_MAX / 8)
    return error_set(OPIS_ELIMIT, "cannot shrink %d pixels to %d", in, out);
  a->ksize = ((int)ceil(support) * 2 + 1 + RESIZE_WEIGHTS - 1) / RESIZE_WEIGHTS * RESIZE_WEIGHTS;
  a->bounds = malloc((size_t)out * 2 * sizeof *a->bounds);
  a->k = calloc((size_t)out * (size_t)a->ksize, sizeof *a->k);
  double *w = malloc((size_t)a->ksize * sizeof *w);
  if (!a->bounds || !a->k || !w) {
    axis_free(a);
    free(w);
    return error_nomem();
  }
  for (int x = 0; x < out; x++) {
    double center = (x + 0.5) * scale, total = 0.0, step = 1.0 / filterscale;
    int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
    if (first < 0)
      first = 0;
    if (last > in)
      last = in;
    int n = last - first;
    for (int i = 0; i < n; i++) {
      w[i] = filters[filter].value((i + first - center + 0.5) * step);
      total += w[i];
    }
    for (int i = 0; i < n; i++) {
      double v = total != 0.0 ? w[i] / total : w[i];
      a->k[(size_t)x * (size_t)a->ksize + (size_t)i] = v < 0 ? (int32_t)(-0.5 + v * (1 << RESIZE_PRECISION)) : (int32_t)(0.5 + v * (1 << RESIZE_PRECISION));
    }
    a->bounds[2 * x] = first;
    a->bounds[2 * x + 1] = n;
  }
  free(w);
  return 0;
}

/* ---- passes ---- */

static void horizontal(uint8_t *out, int out_width, const uint8_t *in, int width, int height, int channels, const axis *a)
{
  resize_across *across = resize_rows_choose().across;
  for (int y = 0; y < height; y += RESIZE_TOGETHER)
    across(out + (size_t)y * (size_t)out_width * (size_t)channels, out_width, in + (size_t)y * (size_t)width * (size_t)channels, width,
      height - y < RESIZE_TOGETHER ? height - y : RESIZE_TOGETHER, channels, a->bounds, a->k, a->ksize);
}

static int vertical(uint8_t *out, int out_height, const uint8_t *in, int width, int channels, const axis *a, int first_row)
{
  resize_down *down = resize_rows_choose().down;
  size_t row = (size_t)width * (size_t)channels;
  int32_t *sums = malloc(row * sizeof *sums);
  if (!sums)
    return error_nomem();
  for (int y = 0; y < out_height; y++, out += row)
    down(out, sums, in + (size_t)(a->bounds[2 * y] - first_row) * row, row, a->bounds[2 * y + 1], a->k + (size_t)y * (size_t)a->ksize);
  free(sums);
  return 0;
}

/* Pillow's nearest neighbour: an affine transform, the source of x being floor((x + 0.5) * scale), accumulated in double. */
static int nearest(uint8_t *out, int out_width, int out_height, const uint8_t *in, int width, int height, int channels)
{
  double sx = (double)width / out_width, sy = (double)height / out_height, at;
  int *from = malloc((size_t)out_width * sizeof *from);
  if (!from)
    return error_nomem();
  at = sx * 0.5;
  for (int x = 0; x < out_width; x++, at += sx)
    from[x] = at < width ? (int)at : width - 1;
  at = sy * 0.5;
  for (int y = 0; y < out_height; y++, at += sy) {
    const uint8_t *row = in + (size_t)(at < height ? (int)at : height - 1) * (size_t)width * (size_t)channels;
    for (int x = 0; x < out_width; x++, out += channels)
      memcpy(out, row + (size_t)from[x] * (size_t)channels, (size_t)channels);
  }
  free(from);
  return 0;
}

/* An axis without coefficients is one whose size stays. */
static int across_then_down(uint8_t *out, int out_width, int out_height, const uint8_t *in, int width, int height, int channels, const axis *h, const axis *v)
{
  int first = 0, last = height;
  if (v->k) { /* only the rows that the second pass will read */
    first = v->bounds[0];
    last = v->bounds[2 * out_height - 2] + v->bounds[2 * out_height - 1];
  }
  in += (size_t)first * (size_t)width * (size_t)channels;
  if (!h->k)
    return vertical(out, out_height, in, width, channels, v, first);
  if (!v->k) {
    horizontal(out, out_width, in, width, height, channels, h);
    return 0;
  }
  uint8_t *between = malloc((size_t)out_width * (size_t)(last - first) * (size_t)channels);
  if (!between)
    return error_nomem();
  horizontal(between, out_width, in, width, last - first, channels, h);
  int code = vertical(out, out_height, between, out_width, channels, v, first);
  free(between);
  return code;
}

static int down_then_across(uint8_t *out, int out_width, int out_height, const uint8_t *in, int width, int channels, const axis *h, const axis *v)
{
  if (!h->k)
    return vertical(out, out_height, in, width, channels, v, 0);
  uint8_t *between = malloc((size_t)width * (size_t)out_height * (size_t)channels);
  if (!between)
    return error_nomem();
  int code = vertical(between, out_height, in, width, channels, v, 0);
  if (code == 0)
    horizontal(out, out_width, between, width, out_height, channels, h);
  free(between);
  return code;
}

int image_resize(uint8_t *out, int out_width, int out_height, const uint8_t *pixels, int width, int height, int channels, image_filter filter)
{
  size_t c = (size_t)channels;
  if (out_width <= 0 || out_height <= 0 || width <= 0 || height <= 0 || channels < 1 || channels > 4 || filter < IMAGE_NEAREST || filter > IMAGE_HAMMING)
    return error_set(OPIS_EINVALID, "cannot resize %d x %d to %d x %d", width, height, out_width, out_height);
  bool wide = out_width != width, high = out_height != height;
  if (!wide && !high) {
    memcpy(out, pixels, (size_t)width * (size_t)height * c);
    return 0;
  }
  if (filter == IMAGE_NEAREST)
    return nearest(out, out_width, out_height, pixels, width, height, channels);
  /* The order of Pillow 13 (its pull request 9549); up to 12.3 it was always false. */
  bool vertical_first = height > out_height && (int64_t)height - out_height > 2 * ((int64_t)width - out_width);
  axis h = {0}, v = {0};
  int code = wide ? axis_new(&h, width, out_width, filter) : 0;
  if (code == 0 && high)
    code = axis_new(&v, height, out_height, filter);
  if (code == 0)
    code = vertical_first ? down_then_across(out, out_width, out_height, pixels, width, channels, &h, &v)
                          : across_then_down(out, out_width, out_height, pixels, width, height, channels, &h, &v);
  axis_free(&h);
  axis_free(&v);
  return code;
}
