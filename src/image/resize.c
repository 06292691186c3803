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

/* One pass over a picture, whose rows the threads divide among themselves. */
typedef struct pass {
  resize_rows rows;
  const axis *a;
  uint8_t *out;
  const uint8_t *in;
  int width, height, channels; /* of `in` */
  int out_width;               /* across */
  int first_row;               /* down: the row of the picture that `in` begins with */
  int32_t *sums;               /* down: [threads, width * channels] */
} pass;

static void run_horizontal(void *user, size_t begin, size_t end, int thread)
{
  const pass *j = user;
  (void)thread;
  const size_t row = (size_t)j->width * (size_t)j->channels, out_row = (size_t)j->out_width * (size_t)j->channels;
  for (size_t y = begin * RESIZE_TOGETHER; y < end * RESIZE_TOGETHER && y < (size_t)j->height; y += RESIZE_TOGETHER) {
    const int left = j->height - (int)y;
    j->rows.across(j->out + y * out_row, j->out_width, j->in + y * row, j->width, left < RESIZE_TOGETHER ? left : RESIZE_TOGETHER, j->channels, j->a->bounds, j->a->k, j->a->ksize);
  }
}

static void run_vertical(void *user, size_t begin, size_t end, int thread)
{
  const pass *j = user;
  const size_t row = (size_t)j->width * (size_t)j->channels;
  for (size_t y = begin; y < end; y++)
    j->rows.down(j->out + y * row, j->sums + (size_t)thread * row, j->in + (size_t)(j->a->bounds[2 * y] - j->first_row) * row, row, j->a->bounds[2 * y + 1],
      j->a->k + y * (size_t)j->a->ksize);
}

/* A piece is at least this many bytes of what is read: some ten microseconds' work. */
enum { PIECE = 64 << 10 };

static size_t grain(size_t bytes_an_item)
{
  return PIECE / (bytes_an_item + 1) + 1;
}

static void horizontal(pool *threads, uint8_t *out, int out_width, const uint8_t *in, int width, int height, int channels, const axis *a)
{
  pass j = {.rows = resize_rows_choose(), .a = a, .out = out, .in = in, .width = width, .height = height, .channels = channels, .out_width = out_width};
  pool_for(threads, ((size_t)height + RESIZE_TOGETHER - 1) / RESIZE_TOGETHER, grain((size_t)RESIZE_TOGETHER * (size_t)width * (size_t)channels), run_horizontal, &j);
}

static int vertical(pool *threads, uint8_t *out, int out_height, const uint8_t *in, int width, int channels, const axis *a, int first_row)
{
  size_t row = (size_t)width * (size_t)channels;
  pass j = {.rows = resize_rows_choose(), .a = a, .out = out, .in = in, .width = width, .channels = channels, .first_row = first_row};
  j.sums = malloc((size_t)pool_threads(threads) * row * sizeof *j.sums);
  if (!j.sums)
    return error_nomem();
  pool_for(threads, (size_t)out_height, grain((size_t)a->ksize * row), run_vertical, &j);
  free(j.sums);
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
static int across_then_down(pool *threads, uint8_t *out, int out_width, int out_height, const uint8_t *in, int width, int height, int channels, const axis *h, const axis *v)
{
  int first = 0, last = height;
  if (v->k) { /* only the rows that the second pass will read */
    first = v->bounds[0];
    last = v->bounds[2 * out_height - 2] + v->bounds[2 * out_height - 1];
  }
  in += (size_t)first * (size_t)width * (size_t)channels;
  if (!h->k)
    return vertical(threads, out, out_height, in, width, channels, v, first);
  if (!v->k) {
    horizontal(threads, out, out_width, in, width, height, channels, h);
    return 0;
  }
  uint8_t *between = malloc((size_t)out_width * (size_t)(last - first) * (size_t)channels);
  if (!between)
    return error_nomem();
  horizontal(threads, between, out_width, in, width, last - first, channels, h);
  int code = vertical(threads, out, out_height, between, out_width, channels, v, first);
  free(between);
  return code;
}

static int down_then_across(pool *threads, uint8_t *out, int out_width, int out_height, const uint8_t *in, int width, int channels, const axis *h, const axis *v)
{
  if (!h->k)
    return vertical(threads, out, out_height, in, width, channels, v, 0);
  uint8_t *between = malloc((size_t)width * (size_t)out_height * (size_t)channels);
  if (!between)
    return error_nomem();
  int code = vertical(threads, between, out_height, in, width, channels, v, 0);
  if (code == 0)
    horizontal(threads, out, out_width, between, width, out_height, channels, h);
  free(between);
  return code;
}

int image_resize(pool *threads, uint8_t *out, int out_width, int out_height, const uint8_t *pixels, int width, int height, int channels, image_filter filter)
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
    code = vertical_first ? down_then_across(threads, out, out_width, out_height, pixels, width, channels, &h, &v)
                          : across_then_down(threads, out, out_width, out_height, pixels, width, height, channels, &h, &v);
  axis_free(&h);
  axis_free(&v);
  return code;
}
