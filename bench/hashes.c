/* How long it takes to find all near pairs among synthetic perceptual hashes: hashes [N [DISTANCE [THREADS]]]. A tenth of them are made from an earlier one by flipping few bits; all of those must be
 * found again, else the exit status is 1. */
#include "check/check.h"
#include "util/clock.h"
#include "util/cpus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static uint64_t next(uint64_t *state)
{
  uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
  x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
  return x ^ x >> 31;
}

typedef struct found {
  const uint32_t *from; /* what each hash was made of; UINT32_MAX: nothing */
  uint64_t pairs, planted;
} found;

static void count(void *user, size_t a, size_t b)
{
  found *f = user;
  f->pairs++;
  f->planted += f->from[b] == a;
}

int main(int argc, char **argv)
{
  size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
  int distance = argc > 2 ? atoi(argv[2]) : 10, threads = argc > 3 ? atoi(argv[3]) : cpus_available();
  uint64_t *hashes = calloc(n + 1, sizeof *hashes), seed = 1, planted = 0;
  uint32_t *from = calloc(n + 1, sizeof *from);
  pool *workers = NULL;
  if (!hashes || !from || pool_new(&workers, threads) < 0)
    return 3;
  for (size_t i = 0; i < n; i++) {
    bool copy = i > 100 && next(&seed) % 10 == 0;
    from[i] = copy ? (uint32_t)(next(&seed) % i) : UINT32_MAX;
    hashes[i] = copy ? hashes[from[i]] : next(&seed);
    planted += copy;
    for (int flips = copy ? (int)(next(&seed) % (uint64_t)(distance + 1)) : 0; flips > 0; flips--)
      hashes[i] ^= UINT64_C(1) << next(&seed) % 64;
  }
  found f = {from, 0, 0};
  double begin = clock_seconds();
  if (check_near_hashes(hashes, n, distance, workers, count, &f) < 0)
    return 3;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("%zu hashes, distance %d, %d threads: %.1f s, %" PRIu64 " pairs, %" PRIu64 " of %" PRIu64 " planted ones, %ld MB\n", n, distance, threads, clock_seconds() - begin,
    f.pairs, f.planted, planted, used.ru_maxrss / 1024);
  pool_free(workers);
  free(hashes);
  free(from);
  return f.planted == planted ? 0 : 1;
}
