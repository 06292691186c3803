/* Weights in panels against the same in rows: what is read is the same, wherever it is asked for. */
#include "model/panels.h"

#include "../cmocka_all.h"
#include <stdlib.h>
#include <string.h>

static size_t bytes_of(tensor_type type, int64_t n)
{
  return type == TENSOR_Q8_0 ? (size_t)n / Q8_0_BLOCK * Q8_0_BLOCK_BYTES : (size_t)n * tensor_type_size(type);
}

/* The tensor of these rows, in panels. */
static tensor in_panels(uint8_t *data, const tensor *rows)
{
  const int64_t N = rows->dims[0], K = tensor_elements(rows) / N;
  const size_t panel = bytes_of(rows->type, TENSOR_PANEL * K);
  tensor t = *rows;
  memcpy(data, rows->data, rows->size);
  for (int64_t p = 0; p < N / TENSOR_PANEL; p++)
    panels_put(data + (size_t)p * panel, (const uint8_t *)rows->data + (size_t)p * panel, t.type, K);
  t.data = data;
  t.panels = true;
  return t;
}

static uint8_t any_byte(tensor_type type, size_t at)
{
  uint8_t b = (uint8_t)rand();
  if (type == TENSOR_Q8_0) /* no -128, and scales that are numbers */
    return at % Q8_0_BLOCK_BYTES == 1 ? b & 0x3f : at % Q8_0_BLOCK_BYTES > 1 && b == 0x80 ? 0x7f : b;
  return type == TENSOR_F16 && at % 2 == 1 ? b & 0x3f : type == TENSOR_F32 && at % 4 == 3 ? b & 0x3f : b;
}

static void every_part_reads_the_same(void **state)
{
  static const tensor_type types[] = {TENSOR_F32, TENSOR_F16, TENSOR_Q8_0};
  (void)state;
  srand(3);
  for (int round = 0; round < 200; round++) {
    tensor_type type = types[round % 3];
    const int64_t unit = type == TENSOR_Q8_0 ? Q8_0_BLOCK : 1, N = 16 + rand() % 50, units = 1 + rand() % (type == TENSOR_Q8_0 ? 12 : 400), K = units * unit, n = N * K;
    uint8_t *rows = malloc(bytes_of(type, n)), *data = malloc(bytes_of(type, n)), *row = malloc(bytes_of(type, K));
    float *a = malloc((size_t)n * sizeof *a), *b = malloc((size_t)n * sizeof *b);
    for (size_t i = 0; i < bytes_of(type, n); i++)
      rows[i] = any_byte(type, i);
    tensor plain = {.type = type, .n_dims = 2, .dims = {N, K}, .data = rows, .size = bytes_of(type, n)}, t = in_panels(data, &plain);
    assert_true(panels_fit(&plain));
    if (K > 1) /* a column stands the same either way */
      assert_memory_not_equal(rows, data, t.size);
    assert_memory_equal(rows + bytes_of(type, N / 16 * 16 * K), data + bytes_of(type, N / 16 * 16 * K), bytes_of(type, N % 16 * K)); /* the rest as it stood */
    tensor_read_f32(a, &plain, 0, n);
    tensor_read_f32(b, &t, 0, n);
    assert_memory_equal(a, b, (size_t)n * sizeof *a);
    for (int i = 0; i < 20; i++) {
      int64_t first = rand() % (N * units) * unit, count = rand() % (N * units - first / unit + 1) * unit, r = rand() % N;
      memset(b, 0, (size_t)n * sizeof *b);
      tensor_read_f32(b, &t, first, count);
      assert_memory_equal(a + first, b, (size_t)count * sizeof *a);
      panels_gather(row, &t, r, 0, K);
      assert_memory_equal(row, rows + bytes_of(type, r * K), bytes_of(type, K));
      panels_gather(row, &plain, r, 0, K);
      assert_memory_equal(row, rows + bytes_of(type, r * K), bytes_of(type, K));
    }
    free(rows);
    free(data);
    free(row);
    free(a);
    free(b);
  }
}

/* Where each number of a small panel stands, in the words of the header. */
static void a_panel_is_as_written(void **state)
{
  (void)state;
  enum { K = 64, BLOCKS = K / 32, ROW = BLOCKS * Q8_0_BLOCK_BYTES };
  uint8_t rows[16 * ROW], panel[16 * ROW];
  float f32[16 * 3], f32_panel[16 * 3];
  for (int i = 0; i < 16 * 3; i++)
    f32[i] = (float)i;
  panels_put((uint8_t *)f32_panel, (const uint8_t *)f32, TENSOR_F32, 3);
  for (int r = 0; r < 16; r++)
    for (int k = 0; k < 3; k++)
      assert_true(f32_panel[k * 16 + r] == f32[r * 3 + k]);
  for (int i = 0; i < 16 * ROW; i++)
    rows[i] = (uint8_t)(i * 7 % 251);
  rows[5 * ROW + 34 + 2 + 9] = 0x80; /* -128 becomes -127 */
  panels_put(panel, rows, TENSOR_Q8_0, K);
  for (int r = 0; r < 16; r++)
    for (int b = 0; b < BLOCKS; b++) {
      const uint8_t *block = rows + r * ROW + b * Q8_0_BLOCK_BYTES, *scale = panel + (b * 16 + r) * 2, *q = panel + BLOCKS * 16 * 2 + b * 512;
      assert_memory_equal(scale, block, 2);
      for (int i = 0; i < 32; i++)
        assert_int_equal(q[i / 4 * 64 + r * 4 + i % 4], block[2 + i] == 0x80 ? 0x81 : block[2 + i]);
    }
}

static void what_fits(void **state)
{
  static const struct {
    tensor t;
    bool fits;
  } cases[] = {
    {{.type = TENSOR_F32, .n_dims = 2, .dims = {16, 1}}, true},
    {{.type = TENSOR_F16, .n_dims = 4, .dims = {16, 3, 3, 3}}, true},
    {{.type = TENSOR_Q8_0, .n_dims = 2, .dims = {50257, 768}}, true},
    {{.type = TENSOR_F32, .n_dims = 2, .dims = {15, 1}}, false},
    {{.type = TENSOR_F32, .n_dims = 1, .dims = {768}}, false},
    {{.type = TENSOR_F32}, false},
    {{.type = TENSOR_F16, .n_dims = 4, .dims = {32, 1, 3, 3}}, false}, /* depthwise */
    {{.type = TENSOR_BF16, .n_dims = 2, .dims = {16, 16}}, false},
    {{.type = TENSOR_I64, .n_dims = 2, .dims = {16, 16}}, false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(panels_fit(&cases[i].t), cases[i].fits);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_part_reads_the_same),
    cmocka_unit_test(a_panel_is_as_written),
    cmocka_unit_test(what_fits),
  };
  return cmocka_run_group_tests_name("panels", tests, NULL, NULL);
}
