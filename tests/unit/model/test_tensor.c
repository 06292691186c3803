#include "model/tensor.h"

#include "../cmocka_all.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Every half there is, by the definition of the format. */
static void every_half_widens(void **state)
{
  (void)state;
  for (uint32_t h = 0; h < 65536; h++) {
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double expected = exponent == 31 ? (mantissa ? NAN : INFINITY) : exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    if (h & 0x8000)
      expected = -expected;
    float got = half_to_float((uint16_t)h);
    if (isnan(expected)) {
      assert_true(isnan(got));
      assert_true(isnan(half_to_float(float_to_half(got))));
    } else {
      assert_true((double)got == expected && !signbit(got) == !signbit(expected));
      assert_int_equal(float_to_half(got), h);
    }
  }
}

static void halves_round_to_nearest_even(void **state)
{
  (void)state;
  for (uint32_t h = 0; h < 0x7c00; h++) { /* between every two neighbours: the middle goes to the even one, a little beside it to the nearer */
    float a = half_to_float((uint16_t)h), b = h + 1 == 0x7c00 ? 65536.0f : half_to_float((uint16_t)(h + 1)), middle = (a + b) / 2;
    assert_int_equal(float_to_half(middle), h & 1 ? h + 1 : h);
    assert_int_equal(float_to_half(nextafterf(middle, 0)), h);
    assert_int_equal(float_to_half(nextafterf(middle, INFINITY)), h + 1);
    assert_int_equal(float_to_half(-middle), 0x8000 | (h & 1 ? h + 1 : h));
  }
  assert_int_equal(float_to_half(3e38f), 0x7c00);
  assert_int_equal(float_to_half(1e-30f), 0);
}

static void q8_0_is_close(void **state)
{
  (void)state;
  float x[64], y[64], largest[2] = {0, 0};
  uint8_t blocks[2 * Q8_0_BLOCK_BYTES];
  srand(7);
  for (int round = 0; round < 1000; round++) {
    for (int i = 0; i < 64; i++) {
      x[i] = ((float)rand() / (float)RAND_MAX - 0.5f) * (i < 32 ? 0.1f : 10.0f);
      largest[i / 32] = i % 32 ? fmaxf(largest[i / 32], fabsf(x[i])) : fabsf(x[i]);
    }
    q8_0_quantise(blocks, x, 2);
    tensor t = {.type = TENSOR_Q8_0, .n_dims = 2, .dims = {2, 32}, .data = blocks, .size = sizeof blocks};
    tensor_read_f32(y, &t, 0, 64);
    for (int i = 0; i < 64; i++)
      assert_true(fabsf(x[i] - y[i]) <= largest[i / 32] * (0.5f / 127 + 1e-3f));
    float second[32];
    tensor_read_f32(second, &t, 32, 32);
    assert_memory_equal(second, y + 32, sizeof second);
  }
  memset(x, 0, sizeof x);
  q8_0_quantise(blocks, x, 2);
  for (size_t i = 0; i < sizeof blocks; i++)
    assert_int_equal(blocks[i], 0);
}

static void shapes(void **state)
{
  (void)state;
  char s[96];
  tensor t = {.type = TENSOR_F32, .n_dims = 2, .dims = {1152, 384}};
  const int64_t as_it_is[] = {1152, 384}, turned[] = {384, 1152};
  assert_true(tensor_has_shape(&t, 2, as_it_is));
  assert_false(tensor_has_shape(&t, 2, turned));
  assert_false(tensor_has_shape(&t, 1, as_it_is));
  t.transposed = true;
  assert_true(tensor_has_shape(&t, 2, turned));
  assert_false(tensor_has_shape(&t, 2, as_it_is));
  assert_string_equal(tensor_shape_text(s, &t), "[384, 1152]");
  t.n_dims = 0;
  assert_int_equal(tensor_elements(&t), 1);
}

static void other_types_widen(void **state)
{
  (void)state;
  float y[2];
  int64_t i64[] = {-5, 1 << 20};
  int32_t i32[] = {-5, 7};
  uint8_t u8[] = {0, 255};
  double f64[] = {0.5, -3};
  uint16_t bf16[] = {0x3f80, 0xc040};
  struct {
    tensor_type type;
    const void *data;
    float a, b;
  } cases[] = {{TENSOR_I64, i64, -5, 1 << 20}, {TENSOR_I32, i32, -5, 7}, {TENSOR_U8, u8, 0, 255}, {TENSOR_F64, f64, 0.5f, -3}, {TENSOR_BF16, bf16, 1, -3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tensor t = {.type = cases[i].type, .n_dims = 1, .dims = {2}, .data = cases[i].data};
    tensor_read_f32(y, &t, 0, 2);
    assert_true(y[0] == cases[i].a && y[1] == cases[i].b);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_half_widens),
    cmocka_unit_test(halves_round_to_nearest_even),
    cmocka_unit_test(q8_0_is_close),
    cmocka_unit_test(shapes),
    cmocka_unit_test(other_types_widen),
  };
  return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
