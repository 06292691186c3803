/* Scores and hashes of pictures against their definitions written down plainly. */
#include "unit/cmocka_all.h"

#include "check/measure.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 200 };

static uint64_t next(uint64_t *state)
{
  uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
  x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
  return x ^ x >> 31;
}

typedef struct pixels {
  int width, height, channels;
  uint8_t p[MOST * MOST * 3];
} pixels;

static check_facts measure(const pixels *x)
{
  static uint8_t file[MOST * MOST * 3 + 64];
  check_facts f;
  int head = snprintf((char *)file, 64, "P%d\n%d %d\n255\n", x->channels == 3 ? 6 : 5, x->width, x->height);
  size_t size = (size_t)(x->width * x->height * x->channels);
  memcpy(file + head, x->p, size);
  assert_int_equal(check_measure(&f, file, (size_t)head + size, UINT64_C(1) << 30), 0);
  assert_int_equal(f.state, CHECK_READ);
  return f;
}

/* Noise of any spread around any level, in blocks of any size. */
static void make(pixels *x, uint64_t *seed, int most)
{
  x->width = 1 + (int)(next(seed) % (uint64_t)most);
  x->height = 1 + (int)(next(seed) % (uint64_t)most);
  x->channels = next(seed) % 4 ? 3 : 1;
  int level = (int)(next(seed) % 256), spread = 1 + (int)(next(seed) % 256), block = 1 + (int)(next(seed) % 9);
  uint64_t key = next(seed);
  for (int y = 0; y < x->height; y++)
    for (int k = 0; k < x->width; k++)
      for (int c = 0; c < x->channels; c++) {
        uint64_t place = key + (uint64_t)((y / block * MOST + k / block) * 3 + c);
        int v = level + (int)(next(&place) % (uint64_t)spread) - spread / 2;
        x->p[(y * x->width + k) * x->channels + c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
      }
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static const uint8_t *at(const pixels *x, int i, int c)
{
  return &x->p[i * x->channels + (x->channels == 3 ? c : 0)];
}

static double percentile(const double *sorted, int n, double percent)
{
  double place = percent / 100 * (n - 1);
  int low = (int)floor(place);
  return low + 1 < n ? sorted[low] + (sorted[low + 1] - sorted[low]) * (place - low) : sorted[low];
}

static void brightness_and_information(void **state)
{
  (void)state;
  static double sorted[MOST * MOST];
  pixels *x = malloc(sizeof *x);
  uint64_t seed = 1;
  assert_non_null(x);
  for (int round = 0; round < 150; round++) {
    make(x, &seed, MOST);
    int n = x->width * x->height, counts[768] = {0};
    double entropy = 0, mean[3] = {0};
    for (int i = 0; i < n; i++) {
      double r = *at(x, i, 0), g = *at(x, i, 1), b = *at(x, i, 2);
      sorted[i] = sqrt(0.241 * r * r + 0.691 * g * g + 0.068 * b * b) / 255;
      for (int c = 0; c < x->channels; c++)
        counts[256 * c + *at(x, i, c)]++;
      for (int c = 0; c < 3; c++)
        mean[c] += (double)*at(x, i, c) / n;
    }
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int i = 0; i < 256 * x->channels; i++)
      if (counts[i])
        entropy -= (double)counts[i] / (n * x->channels) * log2((double)counts[i] / (n * x->channels));
    check_facts f = measure(x);
    assert_int_equal(f.mode, x->channels == 3 ? CHECK_RGB : CHECK_L);
    assert_true(fabs(f.dark - percentile(sorted, n, 99)) < 1e-9);
    assert_true(fabs(f.light - (1 - percentile(sorted, n, 5))) < 1e-9);
    assert_true(fabs(f.low_information - fmin(1, 0.1 * entropy)) < 1e-9);
    assert_true(fabs(f.brightness - sqrt(0.241 * mean[0] * mean[0] + 0.691 * mean[1] * mean[1] + 0.068 * mean[2] * mean[2]) / 255) < 1e-9);
  }
  free(x);
}

/* Pictures of up to 64 pixels are not shrunk before. */
static void sharpness(void **state)
{
  (void)state;
  pixels *x = malloc(sizeof *x);
  uint64_t seed = 2;
  assert_non_null(x);
  for (int round = 0; round < 150; round++) {
    static int grey[64][64];
    make(x, &seed, 64);
    int n = x->width * x->height, counts[256] = {0};
    double sum = 0, squares = 0, spread = 0;
    for (int i = 0; i < n; i++) {
      int v = x->channels == 1 ? *at(x, i, 0) : (*at(x, i, 0) * 19595 + *at(x, i, 1) * 38470 + *at(x, i, 2) * 7471 + 0x8000) >> 16;
      grey[i / x->width][i % x->width] = v;
      counts[v]++;
    }
    for (int y = 0; y < x->height; y++)
      for (int k = 0; k < x->width; k++) {
        int v = grey[y][k];
        if (y && k && y < x->height - 1 && k < x->width - 1) {
          v *= 9;
          for (int i = -1; i <= 1; i++)
            for (int j = -1; j <= 1; j++)
              v -= grey[y + i][k + j];
          v = v < 0 ? 0 : v > 255 ? 255 : v;
        }
        sum += v;
        squares += v * v;
      }
    for (int i = 0; i < 256; i++)
      spread += (counts[i] - n / 256.0) * (counts[i] - n / 256.0) / 256;
    double edges = 1 - exp(-0.01 * sqrt(fmax(0, squares / n - sum / n * (sum / n)))), wide = 1 - exp(-0.01 * sqrt(spread));
    assert_true(fabs(measure(x).blurry - fmin(1, edges + (wide <= 0.18 ? 0 : wide))) < 1e-6);
  }
  free(x);
}

static void contents(void **state)
{
  (void)state;
  pixels *x = malloc(sizeof *x);
  uint64_t seed = 3;
  assert_non_null(x);
  for (int round = 0; round < 50; round++) {
    make(x, &seed, 60);
    check_facts one = measure(x), again = measure(x);
    assert_memory_equal(one.content, again.content, sizeof one.content);
    size_t i = next(&seed) % (uint64_t)(x->width * x->height * x->channels);
    x->p[i] ^= 1;
    check_facts changed = measure(x);
    assert_memory_not_equal(one.content, changed.content, sizeof one.content);
    x->p[i] ^= 1;
    if (x->width != x->height) { /* the same bytes in another shape are another picture */
      int width = x->width;
      x->width = x->height;
      x->height = width;
      check_facts turned = measure(x);
      assert_memory_not_equal(one.content, turned.content, sizeof one.content);
    }
  }
  free(x);
}

/* Each of the 64 lowest terms against their median, by the sums that define them. */
static void perceptual_hash(void **state)
{
  (void)state;
  uint64_t seed = 4;
  for (int round = 0; round < 60; round++) {
    uint8_t grey[32 * 32];
    double low[64], sorted[64];
    int smooth = 1 + (int)(next(&seed) % 8);
    for (int i = 0; i < 32 * 32; i++) {
      uint64_t place = (uint64_t)round << 32 | (uint64_t)(i / 32 / smooth * 32 + i % 32 / smooth);
      grey[i] = (uint8_t)next(&place);
    }
    for (int v = 0; v < 8; v++)
      for (int u = 0; u < 8; u++) {
        low[8 * v + u] = 0;
        for (int y = 0; y < 32; y++)
          for (int x = 0; x < 32; x++)
            low[8 * v + u] += 4 * grey[32 * y + x] * cos(M_PI * (2 * y + 1) * v / 64) * cos(M_PI * (2 * x + 1) * u / 64);
      }
    memcpy(sorted, low, sizeof low);
    qsort(sorted, 64, sizeof *sorted, by_value);
    double median = (sorted[31] + sorted[32]) / 2;
    uint64_t hash = check_phash(grey);
    for (int i = 0; i < 64; i++)
      if (fabs(low[i] - median) > 1e-6)
        assert_int_equal(hash >> (63 - i) & 1, low[i] > median);
  }
}

static void what_cannot_be_read(void **state)
{
  (void)state;
  check_facts f;
  assert_int_equal(check_measure(&f, (const uint8_t *)"", 0, 1000), 0);
  assert_int_equal(f.state, CHECK_NO_PICTURE);
  assert_int_equal(check_measure(&f, (const uint8_t *)"\xff\xd8\xff\xe0", 4, 1000), 0);
  assert_true(f.state == CHECK_TRUNCATED || f.state == CHECK_UNREADABLE);
  assert_int_equal(check_measure(&f, (const uint8_t *)"P6\n90 90\n255\n", 13, 1000), 0);
  assert_int_equal(f.state, CHECK_UNREADABLE); /* too many pixels */
  assert_true(*f.why);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(brightness_and_information), cmocka_unit_test(sharpness), cmocka_unit_test(contents), cmocka_unit_test(perceptual_hash),
    cmocka_unit_test(what_cannot_be_read)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
