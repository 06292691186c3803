/* Tests of two samples: against counting all orders, and closed forms. SciPy is asked in tests/interop. */
#include "unit/cmocka_all.h"

#include "check/statistics.h"
#include <math.h>
#include <stdio.h>

static void close_to(double a, double b, double relative)
{
  if (!(fabs(a - b) <= relative * fabs(b) + 1e-300)) {
    fprintf(stderr, "%.17g is not %.17g\n", a, b);
    fail();
  }
}

/* All ways to place n of n + m marks: the share whose distance is at least d. */
static double by_counting(double d, unsigned n, unsigned m)
{
  double far = 0, all = 0;
  for (uint32_t order = 0; order < UINT32_C(1) << (n + m); order++) {
    if (__builtin_popcount(order) != (int)n)
      continue;
    double most = 0;
    unsigned i = 0, j = 0;
    for (unsigned k = 0; k < n + m; k++) {
      if (order >> k & 1)
        i++;
      else
        j++;
      most = fmax(most, fabs((double)i / n - (double)j / m));
    }
    far += most >= d - 1e-9;
    all++;
  }
  return far / all;
}

static void ks_p_counts_orders(void **state)
{
  (void)state;
  for (unsigned n = 1; n <= 7; n++)
    for (unsigned m = 1; m <= 7; m++)
      for (unsigned step = 1; step <= n * m; step++)
        close_to(stat_ks_p((double)step / (n * m), n, m), by_counting((double)step / (n * m), n, m), 1e-12);
}

static void ks_distance(void **state)
{
  (void)state;
  const double a[] = {1, 2, 2, 3, 5}, b[] = {2, 4, 4, 6}, c[] = {7, 8};
  close_to(stat_ks(a, 5, b, 4), 0.8 - 0.25, 1e-12);
  close_to(stat_ks(b, 4, a, 5), 0.8 - 0.25, 1e-12);
  assert_true(stat_ks(a, 5, c, 2) == 1 && stat_ks(a, 5, a, 5) == 0);
  assert_true(stat_ks_p(0, 5, 5) == 1);
}

static void ks_limit_meets_the_exact_one(void **state)
{
  (void)state;
  /* 10^4 x 10^4 pairs are counted, one more is Smirnov's limit: the two hardly differ. */
  close_to(stat_ks_p(0.02, 10001, 10001), stat_ks_p(0.02, 10000, 10000), 0.01);
  assert_true(stat_ks_p(0.5, 200000, 300000) == 0 && stat_ks_p(1e-6, 200000, 300000) == 1);
}

static void gamma_function(void **state)
{
  (void)state;
  for (double x = 0.01; x < 60; x *= 1.7) { /* closed forms */
    close_to(stat_gamma_q(1, x), exp(-x), 1e-10);
    close_to(stat_gamma_q(0.5, x), erfc(sqrt(x)), 1e-9);
    close_to(stat_gamma_q(3, x), exp(-x) * (1 + x + x * x / 2), 1e-10);
  }
  assert_true(stat_gamma_q(2, 0) == 1);
}

static void chi_squared(void **state)
{
  (void)state;
  const double now[] = {10, 20, 30, 0}, before[] = {20, 20, 20, 0}, same[] = {20, 40, 60, 0};
  /* (100/15 - ...) by hand: expected 15, 20, 25 twice; 25/15 + 25/25, twice = 16/3; two degrees of freedom: exp(-8/3) */
  close_to(stat_chi2_p(now, before, 4), exp(-8.0 / 3), 1e-10);
  assert_true(stat_chi2_p(now, same, 4) > 0.999999);
  assert_true(stat_chi2_p(now, before, 1) == 1);
}

static void stability_index(void **state)
{
  (void)state;
  const double now[] = {9.5, 29.5}, before[] = {19.5, 19.5};
  close_to(stat_psi(now, before, 2), -0.25 * log(0.5) + 0.25 * log(1.5), 1e-12);
  close_to(stat_psi(now, before, 2), stat_psi(before, now, 2), 1e-12);
  assert_true(stat_psi(now, now, 2) == 0);
  const double empty[] = {0, 100};
  assert_true(isfinite(stat_psi(empty, before, 2)));
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(ks_p_counts_orders), cmocka_unit_test(ks_distance), cmocka_unit_test(ks_limit_meets_the_exact_one),
    cmocka_unit_test(gamma_function), cmocka_unit_test(chi_squared), cmocka_unit_test(stability_index)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
