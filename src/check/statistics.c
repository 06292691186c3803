#include "check/statistics.h"

#include <math.h>
#include <stdlib.h>

static const double most_paths = 1e8;

double stat_ks(const double *a, size_t n, const double *b, size_t m)
{
  size_t i = 0, j = 0;
  double most = 0;
  while (i < n && j < m) {
    double v = a[i] < b[j] ? a[i] : b[j];
    while (i < n && a[i] <= v)
      i++;
    while (j < m && b[j] <= v)
      j++;
    most = fmax(most, fabs((double)i / (double)n - (double)j / (double)m));
  }
  return most;
}

/* All orders of the two samples are equally likely, so that the last step to (i, j) came from the first sample with probability i / (i + j). Row by row, the share of the paths to each place that were
 * at least d away from the diagonal somewhere: what is summed up is the tail itself, so that tiny ones stay exact. */
static double exact(double d, size_t n, size_t m)
{
  double *row = malloc((m + 1) * sizeof *row), size_n = (double)n, size_m = (double)m;
  /* d is a multiple of 1 / (n m); half a step below it keeps rounding out of the comparison. */
  double limit = (floor(d * size_n * size_m + 0.5) - 0.5) / (size_n * size_m);
  if (!row)
    return NAN;
  for (size_t i = 0; i <= n; i++)
    for (size_t j = 0; j <= m; j++) {
      double x = (double)i, y = (double)j, came = i && j ? (x * row[j] + y * row[j - 1]) / (x + y) : i ? row[0] : j ? row[j - 1] : 0;
      row[j] = fabs(x / size_n - y / size_m) > limit ? 1 : came;
    }
  double tail = row[m];
  free(row);
  return tail;
}

static double smirnov(double lambda)
{
  double sum = 0, sign = 1;
  if (lambda < 0.2)
    return 1;
  for (int k = 1; k <= 100; k++, sign = -sign)
    sum += sign * exp(-2.0 * k * k * lambda * lambda);
  return 2 * sum;
}

double stat_ks_p(double d, size_t n, size_t m)
{
  double p = (double)n * (double)m <= most_paths ? exact(d, n, m) : smirnov(d * sqrt((double)n * (double)m / ((double)n + (double)m)));
  return p < 0 ? 0 : p > 1 ? 1 : p;
}

static double total(const double *counts, size_t k)
{
  double sum = 0;
  for (size_t i = 0; i < k; i++)
    sum += counts[i];
  return sum;
}

double stat_psi(const double *now, const double *before, size_t k)
{
  double n = total(now, k) + 0.5 * (double)k, m = total(before, k) + 0.5 * (double)k, psi = 0;
  for (size_t i = 0; i < k; i++) {
    double p = (now[i] + 0.5) / n, q = (before[i] + 0.5) / m;
    psi += (p - q) * log(p / q);
  }
  return psi;
}

double stat_gamma_q(double a, double x)
{
  if (x <= 0)
    return 1;
  double scale = exp(a * log(x) - x - lgamma(a));
  if (x < a + 1) { /* the series of the lower function */
    double term = 1 / a, sum = term;
    for (double k = a + 1; term > sum * 1e-16; k++)
      sum += term *= x / k;
    return 1 - sum * scale;
  }
  /* Lentz's continued fraction of the upper one. */
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (int i = 1; i < 100000; i++) {
    double factor = -i * (i - a);
    b += 2;
    d = factor * d + b;
    c = b + factor / c;
    d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
    c = fabs(c) < 1e-300 ? 1e-300 : c;
    h *= c * d;
    if (fabs(c * d - 1) < 1e-16)
      break;
  }
  return scale * h;
}

double stat_chi2_p(const double *now, const double *before, size_t k)
{
  double n = total(now, k), m = total(before, k), chi2 = 0;
  size_t bins = 0;
  for (size_t i = 0; i < k; i++) {
    double both = now[i] + before[i];
    if (both <= 0)
      continue;
    double expected = both * n / (n + m), expected_before = both * m / (n + m);
    bins++;
    if (expected > 0)
      chi2 += (now[i] - expected) * (now[i] - expected) / expected;
    if (expected_before > 0)
      chi2 += (before[i] - expected_before) * (before[i] - expected_before) / expected_before;
  }
  return bins < 2 || n <= 0 || m <= 0 ? 1 : stat_gamma_q((double)(bins - 1) / 2, chi2 / 2);
}
