/* Speed of the packed linear layers on the shapes of ViT-B, GPT-2 and opis-small, for every kind of kernel that this processor has: GFLOP/s (f32, f16)
 * or GOP/s (q8; q8w: for rows by the hundred), the best of many runs.
 *   build/bench/kernels [threads] */
#include "nn/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
  static const char *const kinds[] = {"generic", "avx2", "avxvnni", "avx512", "avx512vnni", "amx", "neon", "neon-dotprod"};
  static const struct {
    const char *name;
    tensor_type stored;
    nn_weights weights;
  } types[] = {{"f32", TENSOR_F32, NN_F32}, {"f16", TENSOR_F16, NN_F32}, {"q8 ", TENSOR_F32, NN_Q8}, {"q8w", TENSOR_F32, NN_Q8_WIDE}};
  static const struct {
    int M, N, K;
  } shapes[] = {{197, 2304, 768}, {197, 3072, 768}, {197, 768, 3072}, {4, 3072, 768}, {4, 50257, 768}, {1, 3072, 768}, {16384, 96, 16}, {4096, 24, 144}, {256, 720, 120},
    {256, 120, 720}, {64, 1248, 208}, {64, 208, 1248}, {64, 1280, 352}};
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  pool *p = NULL;
  if (threads > 1 && pool_new(&p, threads) < 0)
    return 1;
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    int M = shapes[s].M, N = shapes[s].N, K = shapes[s].K;
    float *w = malloc((size_t)N * (size_t)K * 4), *x = malloc((size_t)M * (size_t)K * 4), *y = malloc((size_t)M * (size_t)N * 4);
    for (size_t i = 0; i < (size_t)N * (size_t)K; i++)
      w[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    for (size_t i = 0; i < (size_t)M * (size_t)K; i++)
      x[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    uint16_t *h = malloc((size_t)N * (size_t)K * sizeof *h);
    for (size_t i = 0; i < (size_t)N * (size_t)K; i++)
      h[i] = float_to_half(w[i]);
    tensor t = {.name = "w", .n_dims = 2, .dims = {N, K}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
      arena a = ARENA_INIT;
      nn_linear *l;
      const bool half = types[i].stored == TENSOR_F16;
      t.type = types[i].stored;
      t.data = half ? (void *)h : (void *)w;
      t.size = (size_t)N * (size_t)K * (half ? sizeof *h : sizeof *w);
      if (nn_linear_pack(&l, &a, NULL, &(nn_linear_source){&t, false, 0, 0, NULL}, 1, types[i].weights) < 0)
        return 1;
      printf("%5d x %5d x %4d %s", M, N, K, types[i].name);
      for (size_t k = 1; k < sizeof kinds / sizeof *kinds; k++) {
        nn_context *c;
        setenv("OPIS_CPU", kinds[k], 1);
        if (nn_context_new(&c, p) < 0)
          continue;
        double best = 1e9, started = now();
        while (now() - started < 0.3) {
          double from = now();
          nn_linear_forward(c, l, y, (size_t)N, x, (size_t)K, (size_t)M, NULL);
          best = now() - from < best ? now() - from : best;
        }
        printf("  %s %7.1f", kinds[k], 2.0 * M * N * K / best * 1e-9);
        nn_context_free(c);
      }
      putchar('\n');
      arena_free(&a);
    }
    free(w);
    free(h);
    free(x);
    free(y);
  }
  pool_free(p);
  return 0;
}
