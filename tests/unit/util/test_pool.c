#include "util/pool.h"

#include "../cmocka_all.h"
#include "util/cpus.h"
#include "util/error.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { N = 10000 };
typedef struct job {
  atomic_int seen[N];
  atomic_int inside[64];
  atomic_bool clash;
} job;

static void mark(void *user, size_t begin, size_t end, int thread)
{
  job *j = user;
  if (atomic_fetch_add(&j->inside[thread], 1) != 0)
    atomic_store(&j->clash, true);
  for (size_t i = begin; i < end; i++)
    atomic_fetch_add(&j->seen[i], 1);
  atomic_fetch_sub(&j->inside[thread], 1);
}

static void every_item_once(void **state)
{
  (void)state;
  static const int threads[] = {1, 2, 3, 8};
  for (size_t t = 0; t < 4; t++) {
    pool *p;
    assert_int_equal(pool_new(&p, threads[t]), 0);
    assert_int_equal(pool_threads(p), threads[t]);
    for (size_t n = 0; n < N; n = n * 3 + 1)
      for (size_t grain = 0; grain < 100; grain = grain * 4 + 1) {
        job *j = calloc(1, sizeof *j);
        pool_for(p, n, grain, mark, j);
        assert_false(atomic_load(&j->clash));
        for (size_t i = 0; i < N; i++)
          assert_int_equal(atomic_load(&j->seen[i]), i < n);
        free(j);
      }
    pool_free(p);
  }
}

static void works_without_a_pool(void **state)
{
  (void)state;
  job *j = calloc(1, sizeof *j);
  pool_for(NULL, 10, 1, mark, j);
  for (size_t i = 0; i < N; i++)
    assert_int_equal(atomic_load(&j->seen[i]), i < 10);
  assert_int_equal(pool_threads(NULL), 1);
  free(j);
}

static void *many_loops(void *p)
{
  intptr_t wrong = 0;
  for (int i = 0; i < 200; i++) {
    job *j = calloc(1, sizeof *j);
    pool_for(p, 500, 1, mark, j);
    for (size_t k = 0; k < 500; k++)
      wrong += atomic_load(&j->seen[k]) != 1;
    free(j);
  }
  return (void *)wrong;
}

static void callers_on_many_threads(void **state)
{
  (void)state;
  pool *p;
  pthread_t t[4];
  void *wrong;
  assert_int_equal(pool_new(&p, 3), 0);
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&t[i], NULL, many_loops, p), 0);
  for (int i = 0; i < 4; i++) {
    pthread_join(t[i], &wrong);
    assert_null(wrong);
  }
  pool_free(p);
}

static void sleeps_when_idle(void **state)
{
  (void)state;
  pool *p;
  struct rusage before, after;
  job *j = calloc(1, sizeof *j);
  assert_int_equal(pool_new(&p, 4), 0);
  pool_for(p, N, 1, mark, j);
  usleep(20000);
  getrusage(RUSAGE_SELF, &before);
  usleep(300000);
  getrusage(RUSAGE_SELF, &after);
  long used = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec;
  assert_true(used < 50000); /* four spinning workers would use 300,000 and more */
  pool_free(p);
  free(j);
}

static void refuses_odd_numbers(void **state)
{
  (void)state;
  pool *p;
  assert_int_equal(pool_new(&p, 0), OPIS_EINVALID);
  assert_null(p);
  assert_int_equal(pool_new(&p, 100000), OPIS_EINVALID);
  pool_free(NULL);
  assert_true(cpus_available() >= 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_item_once),
    cmocka_unit_test(works_without_a_pool),
    cmocka_unit_test(callers_on_many_threads),
    cmocka_unit_test(sleeps_when_idle),
    cmocka_unit_test(refuses_odd_numbers),
  };
  return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
