/* Scores as cleanvision 0.3.7 has them (through NumPy and Pillow), from pixels as they are stored: not turned by EXIF. */
#include "check/measure.h"

#include "util/error.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COARSE = 12, BUCKETS = (65025000 >> COARSE) + 1 };

/* One picture in hand. */
typedef struct work {
  size_t n; /* pixels */
  const uint8_t *rgb;
  uint8_t *grey;           /* [n] as Pillow's convert("L") */
  uint32_t *keys;          /* [n] 1000 x brightness squared: 241 R^2 + 691 G^2 + 68 B^2 */
  uint32_t (*counts)[256]; /* [3] histograms of the channels */
  uint32_t *buckets;       /* [BUCKETS] how many keys share their upper bits */
} work;

static void pass(work *w, bool *all_grey)
{
  uint32_t red[256], green[256], blue[256], different = 0;
  for (uint32_t i = 0; i < 256; i++) {
    red[i] = 241 * i * i;
    green[i] = 691 * i * i;
    blue[i] = 68 * i * i;
  }
  for (size_t i = 0; i < w->n; i++) {
    uint32_t r = w->rgb[3 * i], g = w->rgb[3 * i + 1], b = w->rgb[3 * i + 2], key = red[r] + green[g] + blue[b];
    w->counts[0][r]++;
    w->counts[1][g]++;
    w->counts[2][b]++;
    w->keys[i] = key;
    w->buckets[key >> COARSE]++;
    w->grey[i] = (uint8_t)((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16);
    different |= (r ^ g) | (g ^ b);
  }
  *all_grey = different == 0;
}

/* The keys that would stand at `rank` and behind it if all were sorted. */
static void at_rank(uint32_t keys[2], const work *w, size_t rank)
{
  size_t below = 0, bucket = 0, next;
  uint32_t fine[1 << COARSE], least = UINT32_MAX, k = 0;
  while (below + w->buckets[bucket] <= rank)
    below += w->buckets[bucket++];
  for (next = bucket + 1; next < BUCKETS && !w->buckets[next]; next++) {
  }
  memset(fine, 0, sizeof fine);
  uint32_t base = (uint32_t)bucket << COARSE, range = (uint32_t)(next + 1 - bucket) << COARSE;
  for (size_t i = 0; i < w->n; i++) {
    uint32_t above = w->keys[i] - base; /* wraps around below it */
    if (above >= range)
      continue;
    if (above < 1 << COARSE)
      fine[above]++;
    else if (w->keys[i] < least) /* all buckets up to the next one are empty */
      least = w->keys[i];
  }
  while (below + fine[k] <= rank)
    below += fine[k++];
  keys[0] = base | k;
  if (below + fine[k] <= rank + 1) /* the next one is another */
    for (k++; k < 1 << COARSE && !fine[k]; k++) {
    }
  keys[1] = k < 1 << COARSE ? (base | k) : least != UINT32_MAX ? least : keys[0];
}

static double brightness(uint32_t key)
{
  return sqrt((double)key / 1000) / 255;
}

/* numpy.percentile with linear interpolation. */
static double percentile(const work *w, double percent)
{
  double at = percent / 100 * (double)(w->n - 1), low = floor(at), t = at - low;
  uint32_t keys[2];
  at_rank(keys, w, (size_t)low);
  double a = brightness(keys[0]), b = brightness(keys[1]);
  return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;
}

static double mean_of(const uint32_t counts[256], size_t n)
{
  double sum = 0;
  for (int i = 0; i < 256; i++)
    sum += (double)counts[i] * i;
  return sum / (double)n;
}

static double entropy(const work *w, int bands)
{
  double bits = 0;
  for (int c = 0; c < bands; c++)
    for (int i = 0; i < 256; i++)
      if (w->counts[c][i]) {
        double p = (double)w->counts[c][i] / ((double)w->n * bands);
        bits -= p * log2(p);
      }
  return bits;
}

/* The variance of Pillow's FIND_EDGES, which leaves the border as it is. */
static double edge_variance(const uint8_t *grey, int width, int height)
{
  double sum = 0, squares = 0, n = (double)width * height;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const uint8_t *p = grey + (size_t)y * (size_t)width + x;
      int v = *p;
      if (x > 0 && y > 0 && x < width - 1 && y < height - 1 && width >= 3 && height >= 3) {
        v = 8 * p[0] - p[-1] - p[1];
        for (int k = -1; k <= 1; k++)
          v -= p[k - width] + p[k + width];
        v = v < 0 ? 0 : v > 255 ? 255 : v;
      }
      sum += v;
      squares += (double)v * v;
    }
  return (squares - sum * sum / n) / n;
}

static double sharpness(const uint8_t *grey, int width, int height)
{
  uint32_t counts[256] = {0};
  size_t n = (size_t)width * (size_t)height;
  for (size_t i = 0; i < n; i++)
    counts[grey[i]]++;
  double mean = (double)n / 256, variance = 0;
  for (int i = 0; i < 256; i++)
    variance += (counts[i] - mean) * (counts[i] - mean);
  double edges = edge_variance(grey, width, height);
  double blur = 1 - exp(-0.01 * sqrt(edges > 0 ? edges : 0)), spread = 1 - exp(-0.01 * sqrt(variance / 256));
  if (spread <= 0.18)
    spread = 0;
  return fmin(blur + spread, 1);
}

/* cleanvision's blurriness: of the picture shrunk so that its longer side is 64. */
static int blurriness(double *score, const work *w, int width, int height, bool is_grey)
{
  int longest = width > height ? width : height;
  if (longest <= 64) {
    *score = sharpness(w->grey, width, height);
    return 0;
  }
  int small_width = (int)((int64_t)width * 64 / longest), small_height = (int)((int64_t)height * 64 / longest);
  small_width += small_width == 0;
  small_height += small_height == 0;
  uint8_t small[64 * 64 * 3], grey[64 * 64];
  int channels = is_grey ? 1 : 3, e = image_resize(NULL, small, small_width, small_height, is_grey ? w->grey : w->rgb, width, height, channels, IMAGE_BICUBIC);
  if (e < 0)
    return e;
  for (int i = 0; i < small_width * small_height; i++) {
    const uint8_t *p = small + i * channels;
    grey[i] = is_grey ? p[0] : (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
  }
  *score = sharpness(grey, small_width, small_height);
  return 0;
}

/* ---- hashes ---- */

/* cos(pi (2 i + 1) (2 k + 1) / (2 n)) for n = 2, 4, 8, 16, 32 and i, k below n / 2, one table behind the other. */
enum { COSINES = 1 + 4 + 16 + 64 + 256 };

static void make_cosines(double table[COSINES])
{
  for (int n = 2; n <= 32; n *= 2)
    for (int k = 0; k < n / 2; k++)
      for (int i = 0; i < n / 2; i++)
        *table++ = cos(M_PI * (2 * i + 1) * (2 * k + 1) / (2 * n));
}

/* The cosine transform (type 2, scaled as SciPy's) of n values, n a power of two; halving it keeps exact zeros exact, on which hashes of plain pictures depend. */
static void cosine(double *out, const double *in, int n, const double table[COSINES])
{
  if (n == 1) {
    out[0] = 2 * in[0];
    return;
  }
  double even[16] = {0}, odd[16] = {0}, sums[16];
  int half = n / 2;
  const double *factors = table + (half * half - 1) / 3; /* 1 + 4 + 16 + ... before it */
  for (int i = 0; i < half; i++) {
    even[i] = in[i] + in[n - 1 - i];
    odd[i] = in[i] - in[n - 1 - i];
  }
  cosine(sums, even, half, table);
  for (int k = 0; k < half; k++) {
    double s = 0;
    for (int i = 0; i < half; i++)
      s += odd[i] * factors[k * half + i];
    out[2 * k] = sums[k];
    out[2 * k + 1] = 2 * s;
  }
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

uint64_t check_phash(const uint8_t grey[32 * 32])
{
  double table[COSINES], columns[8][32], in[32], out[32], low[64], sorted[64];
  make_cosines(table);
  for (int x = 0; x < 32; x++) {
    for (int y = 0; y < 32; y++)
      in[y] = grey[y * 32 + x];
    cosine(out, in, 32, table);
    for (int k = 0; k < 8; k++)
      columns[k][x] = out[k];
  }
  for (int k = 0; k < 8; k++) {
    cosine(out, columns[k], 32, table);
    memcpy(low + 8 * k, out, 8 * sizeof *low);
  }
  memcpy(sorted, low, sizeof low);
  qsort(sorted, 64, sizeof *sorted, by_value);
  double median = (sorted[31] + sorted[32]) / 2;
  uint64_t bits = 0;
  for (int i = 0; i < 64; i++)
    bits = bits << 1 | (low[i] > median);
  return bits;
}

/* 128 bits by multiplying and folding, 16 bytes at a time. Equal bytes are what it is for, not enemies. */
static void mix(uint64_t h[2], const void *bytes, size_t n)
{
  const uint8_t *p = bytes;
  while (n) {
    uint64_t v[2] = {0, 0};
    size_t take = n < 16 ? n : 16;
    memcpy(v, p, take);
    unsigned __int128 a = (unsigned __int128)(h[0] ^ v[0]) * UINT64_C(0x9E3779B97F4A7C15), b = (unsigned __int128)(h[1] ^ v[1] ^ v[0]) * UINT64_C(0xD6E8FEB86659FD93);
    h[0] = (uint64_t)a ^ (uint64_t)(a >> 64) ^ (uint64_t)b;
    h[1] = (uint64_t)b ^ (uint64_t)(b >> 64) ^ (h[1] << 23 | h[1] >> 41) ^ v[1];
    p += take;
    n -= take;
  }
}

/* What the decoder drops (alpha, lower bits, further frames) must not make two files equal: there the file's own bytes count, too. */
static void hash_content(check_facts *f, const work *w, const uint8_t *bytes, size_t size)
{
  uint64_t head[3] = {f->mode == CHECK_L ? 1 : 3, (uint64_t)f->width, (uint64_t)f->height};
  f->content[0] = UINT64_C(0x243F6A8885A308D3);
  f->content[1] = UINT64_C(0x13198A2E03707344);
  mix(f->content, head, sizeof head);
  mix(f->content, w->rgb, 3 * w->n);
  if (f->alpha || f->animated || f->bits > 8)
    mix(f->content, bytes, size);
}

/* ---- one picture ---- */

static int score(check_facts *f, work *w)
{
  bool grey;
  pass(w, &grey);
  f->grey = grey;
  f->dark = percentile(w, 99);
  f->light = 1 - percentile(w, 5);
  f->low_information = fmin(0.1 * entropy(w, f->mode == CHECK_L ? 1 : 3), 1);
  double r = mean_of(w->counts[0], w->n), g = mean_of(w->counts[1], w->n), b = mean_of(w->counts[2], w->n);
  f->brightness = sqrt(0.241 * r * r + 0.691 * g * g + 0.068 * b * b) / 255;
  int e = blurriness(&f->blurry, w, f->width, f->height, f->mode == CHECK_L);
  uint8_t small[32 * 32];
  if (e == 0)
    e = image_resize(NULL, small, 32, 32, w->grey, f->width, f->height, 1, IMAGE_LANCZOS);
  if (e == 0)
    f->phash = check_phash(small);
  return e;
}

int check_measure(check_facts *f, const uint8_t *bytes, size_t size, uint64_t max_pixels)
{
  opis_image *image;
  int orientation;
  image_limits limits = {max_pixels, false};
  *f = (check_facts){0};
  check_probe(f, bytes, size);
  int e = image_load(&image, &orientation, bytes, size, &limits);
  if (e == OPIS_ENOMEM)
    return e;
  if (e < 0) {
    f->state = f->kind == IMAGE_UNKNOWN ? CHECK_NO_PICTURE : e == OPIS_EFORMAT && check_is_cut(bytes, size, (image_kind)f->kind) ? CHECK_TRUNCATED : CHECK_UNREADABLE;
    snprintf(f->why, sizeof f->why, "%s", opis_error_message());
    return 0;
  }
  f->orientation = (uint8_t)orientation;
  f->width = image->width;
  f->height = image->height;
  work w = {.n = (size_t)image->width * (size_t)image->height, .rgb = image->rgb};
  w.grey = malloc(w.n);
  w.keys = malloc(w.n * sizeof *w.keys);
  w.counts = calloc(3, sizeof *w.counts);
  w.buckets = calloc(BUCKETS, sizeof *w.buckets);
  e = w.grey && w.keys && w.counts && w.buckets ? score(f, &w) : error_nomem();
  if (e == 0)
    hash_content(f, &w, bytes, size);
  free(w.grey);
  free(w.keys);
  free(w.counts);
  free(w.buckets);
  opis_image_free(image);
  return e;
}
