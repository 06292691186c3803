/* Rows of a resize: what the processor at hand takes against the plain ones, on random shapes. */
#include "../cmocka_all.h"

#include "image/resize_rows.h"
#include <stdlib.h>
#include <string.h>

static uint64_t next(uint64_t *state)
{
  uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
  x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
  return x ^ x >> 31;
}

static int below(uint64_t *seed, int n)
{
  return (int)(next(seed) % (uint64_t)n);
}

/* Weights as a filter has them: some are negative, together they stay below 2^23. */
static int32_t weight(uint64_t *seed)
{
  return below(seed, 1 << 17) - (1 << 14);
}

static void across(void **state)
{
  (void)state;
  uint64_t seed = 1;
  resize_rows rows = resize_rows_choose();
  for (int round = 0; round < 4000; round++) {
    int channels = 1 + below(&seed, 4), width = 1 + below(&seed, 90), out_width = 1 + below(&seed, 60), ksize = RESIZE_WEIGHTS * (1 + below(&seed, 10)),
        height = 1 + below(&seed, RESIZE_TOGETHER);
    const size_t size = (size_t)(out_width * channels * height);
    uint8_t *in = malloc((size_t)(width * channels * height)), *out = malloc(size), *plain = malloc(size); /* exact: reading beyond is seen */
    int *bounds = malloc((size_t)out_width * 2 * sizeof *bounds);
    int32_t *k = calloc((size_t)(out_width * ksize), sizeof *k);
    assert_true(in && out && plain && bounds && k);
    for (int i = 0; i < width * channels * height; i++)
      in[i] = round % 7 ? (uint8_t)next(&seed) : (uint8_t)(255 * (next(&seed) & 1));
    for (int x = 0; x < out_width; x++) {
      bounds[2 * x] = below(&seed, width);
      int most = width - bounds[2 * x] < ksize ? width - bounds[2 * x] : ksize;
      bounds[2 * x + 1] = round % 3 ? most : 1 + below(&seed, most);
      for (int i = 0; i < bounds[2 * x + 1]; i++)
        k[x * ksize + i] = weight(&seed);
    }
    rows.across(out, out_width, in, width, height, channels, bounds, k, ksize);
    resize_across_plain(plain, out_width, in, width, height, channels, bounds, k, ksize);
    assert_memory_equal(out, plain, size);
    free(in);
    free(out);
    free(plain);
    free(bounds);
    free(k);
  }
}

static void down(void **state)
{
  (void)state;
  uint64_t seed = 2;
  resize_rows rows = resize_rows_choose();
  for (int round = 0; round < 2000; round++) {
    size_t n = 1 + (size_t)below(&seed, 100);
    int count = 1 + below(&seed, 40);
    uint8_t *in = malloc(n * (size_t)count), *out = malloc(n), *plain = malloc(n);
    int32_t *sums = malloc(n * sizeof *sums), k[40];
    assert_true(in && out && plain && sums);
    for (size_t i = 0; i < n * (size_t)count; i++)
      in[i] = (uint8_t)next(&seed);
    for (int i = 0; i < count; i++)
      k[i] = weight(&seed);
    rows.down(out, sums, in, n, count, k);
    resize_down_plain(plain, sums, in, n, count, k);
    assert_memory_equal(out, plain, n);
    free(in);
    free(out);
    free(plain);
    free(sums);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(across), cmocka_unit_test(down)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
