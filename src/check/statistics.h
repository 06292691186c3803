/* Whether two samples may come from one source. Pure functions. */
#ifndef CHECK_STATISTICS_H
#define CHECK_STATISTICS_H

#include <stddef.h>

/* The two-sample Kolmogorov-Smirnov statistic: the largest distance between the two distributions; a [n] and b [m] sorted, n, m > 0. */
double stat_ks(const double *a, size_t n, const double *b, size_t m);
/* How likely a distance of at least d is by chance (two-sided). Exact by counting paths (Hodges 1957) up to n * m of 10^8, else Smirnov's limit. NaN without memory. */
double stat_ks_p(double d, size_t n, size_t m);

/* The population stability index: sum of (share - share before) * ln(share / share before) (Kullback and Leibler's symmetric divergence; Siddiqi 2006 gives the customary readings: below 0.1
 * stable, from 0.25 shifted). Half a count is added to each of k bins, so that empty ones do not make it infinite. */
double stat_psi(const double *now, const double *before, size_t k);

/* Pearson's test of homogeneity: the p-value of two rows of k counts. Bins that both lack are left out. 1 when less than two remain. */
double stat_chi2_p(const double *now, const double *before, size_t k);
double stat_gamma_q(double a, double x); /* the regularised upper incomplete gamma function; a > 0, x >= 0 */

#endif
