/* Every kernel of every kind that this processor has, against the plain C ones on random shapes, and the plain ones against sums in double. */
#include "nn/context.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t seed = 1;

static double uniform(void) /* -1 to 1 */
{
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(int64_t)seed / 9.3e18;
}

static int below(int n)
{
  return (int)((uniform() + 1) / 2 * n) % n;
}

/* What floats gave since the last release. */
static struct {
  void *at;
  size_t length;
} mapped[16];
static size_t n_mapped;

/* n floats that end where a page begins that is not there, so that a kernel that reads or writes beyond them is found out, without a sanitizer too. */
static float *floats(size_t n)
{
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = n * sizeof(float), whole = (bytes + page - 1) / page * page;
  assert_true(n_mapped < sizeof mapped / sizeof *mapped);
  char *p = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(p != MAP_FAILED && mprotect(p + whole, page, PROT_NONE) == 0);
  mapped[n_mapped].at = p;
  mapped[n_mapped++].length = whole + page;
  return (float *)(void *)(p + whole - bytes);
}

static void release(void)
{
  while (n_mapped > 0) {
    n_mapped--;
    munmap(mapped[n_mapped].at, mapped[n_mapped].length);
  }
}

static float *numbers(size_t n, double scale)
{
  float *x = floats(n);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)(uniform() * scale);
  return x;
}

static const char *const kinds[] = {"generic", "avx2", "avxvnni", "avx512", "avx512vnni", "amx", "neon", "neon-dotprod"};

/* A context whose kernels are of that kind, NULL where this processor has none. */
static nn_context *context(const char *kind, int threads)
{
  pool *p = NULL;
  nn_context *c = NULL;
  setenv("OPIS_CPU", kind, 1);
  if (threads > 1)
    assert_int_equal(pool_new(&p, threads), 0);
  int code = nn_context_new(&c, p);
  unsetenv("OPIS_CPU");
  if (code < 0)
    pool_free(p);
  return code < 0 ? NULL : c;
}

static void done(nn_context *c)
{
  pool *p = nn_context_pool(c);
  nn_context_free(c);
  pool_free(p);
}

static tensor matrix(const float *data, int N, int K)
{
  return (tensor){.name = "w", .type = TENSOR_F32, .n_dims = 2, .dims = {N, K}, .data = data, .size = (size_t)N * (size_t)K * 4};
}

static tensor vector(const float *data, int N)
{
  return (tensor){.name = "b", .type = TENSOR_F32, .n_dims = 1, .dims = {N}, .data = data, .size = (size_t)N * 4};
}

/* The same numbers as IEEE halves; what is lost is taken from w, too. */
static tensor halves(float *w, int N, int K)
{
  const size_t n = (size_t)N * (size_t)K;
  uint16_t *h = (uint16_t *)floats((n + 1) / 2) + n % 2;
  for (size_t i = 0; i < n; i++) {
    h[i] = float_to_half(w[i]);
    w[i] = half_to_float(h[i]);
  }
  return (tensor){.name = "w", .type = TENSOR_F16, .n_dims = 2, .dims = {N, K}, .data = h, .size = n * 2};
}

static double exact_activation(double x, nn_activation a)
{
  switch (a) {
  case NN_NONE: return x;
  case NN_RELU: return fmax(x, 0);
  case NN_RELU6: return fmin(fmax(x, 0), 6);
  case NN_GELU_ERF: return 0.5 * x * (1 + erf(x / sqrt(2.0)));
  case NN_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  case NN_QUICK_GELU: return x / (1 + exp(-1.702 * x));
  case NN_SILU: return x / (1 + exp(-x));
  }
  return 0;
}

static void linear_one(nn_context *c, int M, int N, int K, bool q8, bool half, bool transposed)
{
  float *w = numbers((size_t)N * (size_t)K, 1), *b = numbers((size_t)N, 1), *x = numbers((size_t)M * (size_t)K, 2), *y = floats((size_t)M * (size_t)N);
  float *scale = numbers((size_t)N, 1), *residual = numbers((size_t)M * (size_t)N, 1);
  tensor tw = half ? halves(w, transposed ? K : N, transposed ? N : K) : transposed ? matrix(w, K, N) : matrix(w, N, K), tb = vector(b, N);
  nn_activation act = (nn_activation)below(NN_SILU + 1);
  nn_epilogue e = {act, below(2) ? scale : NULL, below(2) ? residual : NULL, (size_t)N};
  arena a = ARENA_INIT;
  nn_linear *l;
  assert_int_equal(nn_linear_pack(&l, &a, nn_context_pool(c), &(nn_linear_source){&tw, transposed, 0, 0, &tb}, 1, !q8 ? NN_F32 : below(2) ? NN_Q8 : NN_Q8_WIDE), 0);
  assert_int_equal(nn_linear_n(l), N);
  assert_int_equal(nn_linear_k(l), K);
  nn_linear_forward(c, l, y, (size_t)N, x, (size_t)K, (size_t)M, &e);
  for (int m = 0; m < M; m++)
    for (int n = 0; n < N; n++) {
      double sum = 0, size = 0;
      for (int k = 0; k < K; k++) {
        double product = (double)x[m * K + k] * (double)(transposed ? w[k * N + n] : w[n * K + k]);
        sum += product;
        size += fabs(product);
      }
      double want = exact_activation(sum + (double)b[n], act);
      if (e.scale)
        want *= (double)scale[n];
      if (e.residual)
        want += (double)residual[m * N + n];
      double allowed = q8 ? 0.02 * sqrt(size * 2) + 0.02 : 1e-6 * size + 1e-5;
      if (!(fabs((double)y[m * N + n] - want) <= allowed))
        fail_msg("M %d N %d K %d q8 %d: %g, not %g", M, N, K, q8, (double)y[m * N + n], want);
    }
  arena_free(&a);
  release();
}

static void linear_is_the_product(void **state)
{
  (void)state;
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
    nn_context *c = context(kinds[kind], 2);
    if (!c)
      continue;
    for (int i = 0; i < 60; i++)
      linear_one(c, 1 + below(30), 1 + below(70), 1 + below(150), i % 2, below(2), below(3) == 0);
    done(c);
  }
}

/* The same bits for one row alone, in a batch, and with any number of threads; for q8 also on every kind of processor. */
static void rows_do_not_depend_on_their_neighbours(void **state)
{
  (void)state;
  enum { M = 67, N = 85, K = 203 };
  float *w = numbers(N * K, 1), *x = numbers(M * K, 3), *y = floats(M * N), *one = floats(N), *first_kind = floats(M * N);
  tensor tw = matrix(w, N, K);
  for (nn_weights type = NN_F32; type <= NN_Q8_WIDE; type++) {
    arena a = ARENA_INIT;
    nn_linear *l;
    bool first = true;
    assert_int_equal(nn_linear_pack(&l, &a, NULL, &(nn_linear_source){&tw, false, 0, 0, NULL}, 1, type), 0);
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
      for (int threads = 1; threads <= 5; threads += 2) {
        nn_context *c = context(kinds[kind], threads);
        if (!c)
          continue;
        nn_linear_forward(c, l, y, N, x, K, M, NULL);
        for (int m = 0; m < M; m++) {
          nn_linear_forward(c, l, one, N, x + m * K, K, 1, NULL);
          assert_memory_equal(one, y + m * N, N * 4);
        }
        if (type == NN_Q8 && !first)
          assert_memory_equal(y, first_kind, M * N * 4);
        memcpy(first_kind, y, M * N * 4);
        first = false;
        done(c);
      }
    arena_free(&a);
  }
  release();
}

/* A tensor's rows in panels of 16, as a file made by `opis model convert` holds them. */
static tensor in_panels(const tensor *t)
{
  tensor r = *t;
  const int N = (int)t->dims[0], K = (int)t->dims[1];
  const size_t row = t->size / (size_t)N, each = tensor_type_size(t->type);
  const char *from = t->data;
  char *to = (char *)floats(t->size / 4 + 1);
  r.data = to;
  r.panels = true;
  for (int n = 0; n < N; n++) {
    char *panel = to + (size_t)(n / 16) * 16 * row;
    if (n / 16 == N / 16)
      memcpy(to + (size_t)n * row, from + (size_t)n * row, row);
    else if (t->type == TENSOR_Q8_0)
      for (int b = 0; b < K / 32; b++) {
        const char *block = from + (size_t)n * row + (size_t)b * 34;
        memcpy(panel + (b * 16 + n % 16) * 2, block, 2);
        for (int g = 0; g < 8; g++)
          memcpy(panel + K + ((b * 8 + g) * 16 + n % 16) * 4, block + 2 + g * 4, 4);
      }
    else
      for (int k = 0; k < K; k++)
        memcpy(panel + (size_t)(k * 16 + n % 16) * each, from + (size_t)n * row + (size_t)k * each, each);
  }
  return r;
}

/* Panels that a file holds are used where they are, in stacks and slices, and give the bits that packing the same rows gives; what cannot be used so is packed. */
static void panels_of_a_file(void **state)
{
  (void)state;
  nn_context *c = context("generic", 1);
  for (int round = 0; round < 60; round++) {
    const int K = 32 * (1 + below(4)), M = 1 + below(5), first = below(2) ? 16 * below(3) : below(40);
    nn_linear_source rows[2] = {0}, panels[2] = {0};
    tensor plain[2], packed[2];
    const int type = round % 3;
    int all = 0;
    for (int i = 0; i < 2; i++) {
      const int N = first + 1 + (below(2) ? 16 * below(4) + 15 : below(50));
      float *w = numbers((size_t)N * (size_t)K, 1);
      plain[i] = type == 1 ? halves(w, N, K) : matrix(w, N, K);
      if (type == 2) {
        uint8_t *q = (uint8_t *)floats((size_t)N * (size_t)K / 32 * 34 / 4 + 1);
        q8_0_quantise(q, w, (size_t)N * (size_t)K / 32);
        plain[i] = (tensor){.name = "w", .type = TENSOR_Q8_0, .n_dims = 2, .dims = {N, K}, .data = q, .size = (size_t)N * (size_t)K / 32 * 34};
      }
      packed[i] = in_panels(&plain[i]);
      rows[i] = (nn_linear_source){&plain[i], false, i ? first : 0, i ? N - first : 0, NULL};
      panels[i] = (nn_linear_source){&packed[i], false, i ? first : 0, i ? N - first : 0, NULL};
      all += i ? N - first : N;
    }
    arena a = ARENA_INIT;
    nn_linear *l, *borrowing;
    float *x = numbers((size_t)M * (size_t)K, 1), *y = floats((size_t)M * (size_t)all), *z = floats((size_t)M * (size_t)all);
    assert_int_equal(nn_linear_pack(&l, &a, NULL, rows, 2, type == 2 ? NN_Q8 : NN_F32), 0);
    assert_int_equal(nn_linear_pack(&borrowing, &a, NULL, panels, 2, type == 2 ? NN_Q8 : NN_F32), 0);
    assert_false(nn_linear_borrows(l));
    assert_int_equal(nn_linear_borrows(borrowing), plain[0].dims[0] >= 16 || (plain[0].dims[0] % 16 == 0 && first % 16 == 0 && plain[1].dims[0] - first >= 16));
    nn_linear_forward(c, l, y, (size_t)all, x, (size_t)K, (size_t)M, NULL);
    nn_linear_forward(c, borrowing, z, (size_t)all, x, (size_t)K, (size_t)M, NULL);
    assert_memory_equal(y, z, (size_t)M * (size_t)all * sizeof *y);
    arena_free(&a);
    release();
  }
  done(c);
}

static void stacks_and_slices(void **state)
{
  (void)state;
  enum { N = 12, K = 40 };
  float *w = numbers(3 * N * K, 1), *b = numbers(3 * N, 1), *x = numbers(K, 1), whole[3 * N], part[N];
  tensor all = matrix(w, 3 * N, K), bias = vector(b, 3 * N);
  nn_context *c = context("generic", 1);
  arena a = ARENA_INIT;
  nn_linear *l;
  nn_linear_source thirds[3] = {{&all, false, 2 * N, N, &bias}, {&all, false, 0, N, &bias}, {&all, false, N, N, NULL}};
  assert_int_equal(nn_linear_pack(&l, &a, NULL, &(nn_linear_source){&all, false, 0, 0, &bias}, 1, NN_F32), 0);
  nn_linear_forward(c, l, whole, 3 * N, x, K, 1, NULL);
  assert_int_equal(nn_linear_pack(&l, &a, NULL, thirds, 3, NN_F32), 0);
  assert_int_equal(nn_linear_n(l), 3 * N);
  float stacked[3 * N];
  nn_linear_forward(c, l, stacked, 3 * N, x, K, 1, NULL);
  assert_memory_equal(stacked, whole + 2 * N, sizeof part);
  assert_memory_equal(stacked + N, whole, sizeof part);
  assert_memory_not_equal(stacked + 2 * N, whole + N, sizeof part); /* without its bias */
  assert_true(nn_linear_pack(&l, &a, NULL, &(nn_linear_source){&all, false, 3 * N - 1, 2, NULL}, 1, NN_F32) < 0);
  arena_free(&a);
  done(c);
  release();
}

static void activations_are_close_to_exact(void **state)
{
  (void)state;
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
    nn_context *c = context(kinds[kind], 1);
    if (!c)
      continue;
    for (int act = NN_NONE; act <= NN_SILU; act++)
      for (int round = 0; round < 40; round++) {
        size_t n = (size_t)(1 + below(100));
        double scale = round % 4 == 0 ? 0.01 : round % 4 == 1 ? 1 : round % 4 == 2 ? 10 : 200;
        float *x = numbers(n, scale), *y = floats(n);
        memcpy(y, x, n * 4);
        nn_activate(c, y, n, (nn_activation)act);
        for (size_t i = 0; i < n; i++) {
          double want = exact_activation((double)x[i], (nn_activation)act);
          if (!(fabs((double)y[i] - want) <= 1e-6 * fabs(want) + 5e-7 * fabs((double)x[i]) + 1e-30))
            fail_msg("%s: activation %d of %g is %g, not %g", kinds[kind], act, (double)x[i], (double)y[i], want);
        }
        release();
      }
    done(c);
  }
}

static void softmax_and_norm(void **state)
{
  (void)state;
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
    nn_context *c = context(kinds[kind], 1);
    if (!c)
      continue;
    for (int round = 0; round < 60; round++) {
      size_t n = (size_t)(1 + below(300));
      float *x = numbers(n, 20), *y = floats(n), *gain = numbers(n, 2), *bias = numbers(n, 1);
      double most = -1e9, sum = 0, mean = 0, variance = 0;
      for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)x[i]);
      for (size_t i = 0; i < n; i++) {
        sum += exp((double)x[i] - most);
        mean += (double)x[i] / (double)n;
      }
      for (size_t i = 0; i < n; i++)
        variance += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
      memcpy(y, x, n * 4);
      c->k->softmax(y, n);
      for (size_t i = 0; i < n; i++)
        assert_true(fabs((double)y[i] - exp((double)x[i] - most) / sum) < 1e-6);
      assert_true(fabs((double)c->k->sum_exp(x, n, (float)most) - sum) < 1e-5 * sum);
      nn_layer_norm(c, y, n, x, n, 1, n, gain, bias, 1e-5f);
      for (size_t i = 0; i < n; i++) {
        double want = ((double)x[i] - mean) / sqrt(variance + 1e-5) * (double)gain[i] + (double)bias[i];
        assert_true(fabs((double)y[i] - want) < 1e-4);
      }
      release();
    }
    done(c);
  }
}

/* A depthwise convolution's shape, padded as TensorFlow's SAME. */
typedef struct convolution {
  int C, k, stride, H, W, OH, OW, pad_y, pad_x;
} convolution;

static convolution any_convolution(void)
{
  static const int sizes[] = {1, 2, 3, 3, 3, 5, 5, 5, 7};
  convolution v = {.C = 1 + below(100), .k = sizes[below(9)], .stride = 1 + below(3), .H = 1 + below(20), .W = 1 + below(20)};
  v.OH = (v.H + v.stride - 1) / v.stride;
  v.OW = (v.W + v.stride - 1) / v.stride;
  v.pad_y = ((v.OH - 1) * v.stride + v.k - v.H) / 2;
  v.pad_x = ((v.OW - 1) * v.stride + v.k - v.W) / 2;
  v.pad_y = v.pad_y < 0 ? 0 : v.pad_y;
  v.pad_x = v.pad_x < 0 ? 0 : v.pad_x;
  return v;
}

/* y [OH, OW, C] against the sums in double over x [H, W, C], clamped to 0..6. */
static void convolution_is(const convolution *v, const float *y, const float *x, const float *w, const float *b)
{
  for (int oy = 0; oy < v->OH; oy++)
    for (int ox = 0; ox < v->OW; ox++)
      for (int c = 0; c < v->C; c++) {
        double sum = (double)b[c];
        for (int ky = 0; ky < v->k; ky++)
          for (int kx = 0; kx < v->k; kx++) {
            int iy = oy * v->stride + ky - v->pad_y, ix = ox * v->stride + kx - v->pad_x;
            if (iy >= 0 && iy < v->H && ix >= 0 && ix < v->W)
              sum += (double)x[(iy * v->W + ix) * v->C + c] * (double)w[(c * v->k + ky) * v->k + kx];
          }
        assert_true(fabs((double)y[(oy * v->OW + ox) * v->C + c] - fmin(fmax(sum, 0), 6)) < 1e-4);
      }
}

/* By itself, and behind a layer that widens its input, with weights of every format: then against that layer's own output. */
static void convolve_one(nn_context *c)
{
  const convolution v = any_convolution();
  const int places = v.H * v.W, K = 1 + below(70), kind = below(4);
  const bool half = kind == 2;
  const size_t taps = (size_t)(v.C * v.k * v.k), outputs = (size_t)(v.OH * v.OW * v.C);
  float *w = numbers(taps, 1), *b = numbers((size_t)v.C, 1), *y = floats(outputs), *wide = numbers((size_t)(places * v.C), 6);
  tensor tw = {.name = "w", .type = TENSOR_F32, .n_dims = 4, .dims = {v.C, 1, v.k, v.k}, .data = w, .size = taps * 4}, tb = vector(b, v.C);
  arena a = ARENA_INIT;
  nn_depthwise *d;
  nn_linear *expand = NULL;
  const float *x = wide;
  assert_int_equal(nn_depthwise_pack(&d, &a, &tw, &tb, v.stride), 0);
  if (kind > 0) {
    float *we = numbers((size_t)(v.C * K), 1), *be = numbers((size_t)v.C, 1);
    tensor te = half ? halves(we, v.C, K) : matrix(we, v.C, K), tbe = vector(be, v.C);
    assert_int_equal(nn_linear_pack(&expand, &a, NULL, &(nn_linear_source){&te, false, 0, 0, &tbe}, 1, kind == 3 ? NN_Q8 : NN_F32), 0);
    x = numbers((size_t)(places * K), 2);
    const nn_epilogue clipped = {.activation = NN_RELU6};
    nn_linear_forward(c, expand, wide, (size_t)v.C, x, (size_t)K, (size_t)places, &clipped);
  }
  nn_depthwise_forward(c, d, expand, y, v.OH, v.OW, x, v.H, v.W, v.pad_y, v.pad_x, NN_RELU6);
  assert_int_equal(nn_context_check(c), 0);
  convolution_is(&v, y, wide, w, b);
  arena_free(&a);
  release();
}

static void depthwise_is_the_convolution(void **state)
{
  (void)state;
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
    for (int threads = 1; threads <= 3; threads++) {
      nn_context *c = context(kinds[kind], threads);
      for (int round = 0; c && round < 60; round++)
        convolve_one(c);
      if (c)
        done(c);
    }
}

/* Attention in double, with the mask that nn.h describes. */
static void attention_is_softmax_of_products(void **state)
{
  (void)state;
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
    nn_context *c = context(kinds[kind], 2);
    if (!c)
      continue;
    for (int round = 0; round < 40; round++) {
      int heads = 1 + below(4), size = 1 + below(70), keys = 1 + below(50), queries = 1 + below(keys), ld = heads * size, prefix = below(2) ? below(keys) : 0;
      nn_attention a = {heads, size, 0.3f, below(2), prefix};
      float *q = numbers((size_t)(queries * ld), 1), *k = numbers((size_t)(keys * ld), 1), *v = numbers((size_t)(keys * ld), 1), *out = floats((size_t)(queries * ld));
      float *weights = floats((size_t)(heads * queries * keys));
      nn_attention_forward(c, &a, out, (size_t)ld, q, (size_t)ld, (size_t)queries, k, (size_t)ld, v, (size_t)ld, (size_t)keys, weights);
      for (int h = 0; h < heads; h++)
        for (int i = 0; i < queries; i++) {
          int n = keys;
          if (a.causal)
            n = keys - queries + i + 1 < prefix ? prefix : keys - queries + i + 1;
          double scores[64], total = 0;
          for (int t = 0; t < n; t++) {
            scores[t] = 0;
            for (int d = 0; d < size; d++)
              scores[t] += (double)q[i * ld + h * size + d] * (double)k[t * ld + h * size + d];
            scores[t] = exp(scores[t] * (double)0.3f);
            total += scores[t];
          }
          for (int d = 0; d < size; d++) {
            double sum = 0;
            for (int t = 0; t < n; t++)
              sum += scores[t] / total * (double)v[t * ld + h * size + d];
            assert_true(fabs((double)out[i * ld + h * size + d] - sum) < 1e-5);
          }
          for (int t = 0; t < keys; t++)
            assert_true(fabs((double)weights[(h * queries + i) * keys + t] - (t < n ? scores[t] / total : 0)) < 1e-5);
        }
      /* One query over an index that is the identity gives the last row again. */
      int32_t index[64], length = keys;
      float *step = floats((size_t)ld);
      for (int t = 0; t < keys; t++)
        index[t] = t;
      nn_attention_step(c, &a, step, (size_t)ld, q + (queries - 1) * ld, (size_t)ld, 1, k, (size_t)ld, v, (size_t)ld, index, 64, &length);
      for (int d = 0; d < ld; d++)
        assert_true(fabs((double)step[d] - (double)out[(queries - 1) * ld + d]) < 1e-5);
      release();
    }
    done(c);
  }
}

/* Keys and values kept as halves: the same as floats that were halves before, on every kind of processor; and halves are to the nearest, ties to even. */
static void attention_over_halves(void **state)
{
  (void)state;
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
    nn_context *c = context(kinds[kind], 2);
    if (!c)
      continue;
    for (int round = 0; round < 40; round++) {
      const int heads = 1 + below(4), size = 1 + below(150), keys = 1 + below(150), queries = 1 + below(8), ld = heads * size;
      nn_attention a = {.heads = heads, .head_size = size, .scale = 0.25f, .half = true};
      float *q = numbers((size_t)(queries * ld), 1), *k = numbers((size_t)(keys * ld), 1), *v = numbers((size_t)(keys * ld), 1);
      float *out = floats((size_t)(queries * ld)), *want = floats((size_t)(queries * ld));
      float *packed = floats(nn_attention_packed_floats(&a, (size_t)keys));
      v[below(keys * ld)] = 1e6f;
      nn_attention_pack(c, &a, packed, k, (size_t)ld, v, (size_t)ld, (size_t)keys);
      nn_attention_over(c, &a, out, (size_t)ld, q, (size_t)ld, (size_t)queries, packed, (size_t)keys, NULL);
      for (int i = 0; i < keys * ld; i++) {
        k[i] = half_to_float(float_to_half(k[i] * a.scale)) / a.scale; /* a power of 2: exact */
        v[i] = half_to_float(float_to_half(fminf(v[i], 65504)));
      }
      a.half = false;
      packed = floats(nn_attention_packed_floats(&a, (size_t)keys));
      nn_attention_pack(c, &a, packed, k, (size_t)ld, v, (size_t)ld, (size_t)keys);
      nn_attention_over(c, &a, want, (size_t)ld, q, (size_t)ld, (size_t)queries, packed, (size_t)keys, NULL);
      assert_memory_equal(out, want, (size_t)(queries * ld) * sizeof *out);
      float *x = numbers(64, round % 2 ? 1 : 1e-6);
      uint16_t *halved = (uint16_t *)floats(32);
      c->k->halve(halved, x, 64);
      for (int i = 0; i < 64; i++)
        assert_int_equal(halved[i], float_to_half(x[i]));
      release();
    }
    done(c);
  }
}

static void unknown_kinds_are_refused(void **state)
{
  (void)state;
  nn_context *c;
  setenv("OPIS_CPU", "6502", 1);
  assert_int_equal(nn_context_new(&c, NULL), OPIS_EINVALID);
  unsetenv("OPIS_CPU");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(linear_is_the_product),
    cmocka_unit_test(rows_do_not_depend_on_their_neighbours),
    cmocka_unit_test(panels_of_a_file),
    cmocka_unit_test(stacks_and_slices),
    cmocka_unit_test(activations_are_close_to_exact),
    cmocka_unit_test(softmax_and_norm),
    cmocka_unit_test(depthwise_is_the_convolution),
    cmocka_unit_test(attention_is_softmax_of_products),
    cmocka_unit_test(attention_over_halves),
    cmocka_unit_test(unknown_kinds_are_refused),
  };
  return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
