#include "util/pool.h"

#include "../cmocka_all.h"
#include "util/cpus.h"
#include "util/error.h"
#include <pthread.h>
#include <sched.h>
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

/* Processor time of this process in microseconds while it sleeps for so long. */
static long used_in(useconds_t microseconds)
{
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  usleep(microseconds);
  getrusage(RUSAGE_SELF, &after);
  return (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec +
    after.ru_stime.tv_usec - before.ru_stime.tv_usec;
}

static void expecting_too_long_and_resting_sleep(void **state)
{
  (void)state;
  pool *p;
  job *j = calloc(1, sizeof *j);
  assert_int_equal(pool_new(&p, 4), 0);
  pool_expect(NULL);
  pool_rest(NULL);
  for (int i = 0; i < 3; i++) {
    pool_expect(p);
    pool_for(p, N, 1, mark, j);
    usleep(20000); /* longer than workers wait awake */
    assert_true(used_in(200000) < 50000);
    pool_for(p, N, 1, mark, j); /* and they are there again */
    pool_rest(p);
    usleep(20000);
    assert_true(used_in(200000) < 50000);
  }
  for (size_t i = 0; i < N; i++)
    assert_int_equal(atomic_load(&j->seen[i]), 6);
  pool_free(p);
  free(j);
}

/* Piece by piece with pauses around, so that workers come at any moment: before, within and after a loop. */
static void loops_after_pauses(void **state)
{
  (void)state;
  pool *p;
  job *j = calloc(1, sizeof *j);
  int loops = 0;
  assert_int_equal(pool_new(&p, 3), 0);
  for (; loops < 400; loops++) {
    if (loops % 3 == 0)
      pool_expect(p);
    pool_for(p, 7, 1, mark, j);
    for (size_t i = 0; i < 7; i++)
      assert_int_equal(atomic_load(&j->seen[i]), loops + 1); /* all is done when it returns, whoever came late */
    if (loops % 3 == 0)
      pool_rest(p);
    usleep((useconds_t)(loops * 37 % 1500));
  }
  assert_false(atomic_load(&j->clash));
  pool_free(p);
  free(j);
}

typedef struct both {
  atomic_int arrived;
  bool met;
} both;

/* Two pieces that each wait for the other: only where a second thread takes part do they meet. */
static void meet(void *user, size_t begin, size_t end, int thread)
{
  both *b = user;
  (void)thread;
  for (size_t i = begin; i < end; i++) {
    atomic_fetch_add(&b->arrived, 1);
    for (int tries = 0; tries < 2000 && atomic_load(&b->arrived) < 2; tries++)
      usleep(1000);
    if (atomic_load(&b->arrived) < 2)
      b->met = false;
  }
}

static void sleepers_take_part(void **state)
{
  (void)state;
  pool *p;
  assert_int_equal(pool_new(&p, 2), 0);
  for (int i = 0; i < 5; i++) {
    both b = {0, true};
    usleep(20000);
    if (i % 2)
      pool_expect(p);
    pool_for(p, 2, 1, meet, &b);
    if (i % 2)
      pool_rest(p);
    assert_true(b.met);
  }
  pool_free(p);
}

typedef struct may {
  atomic_int threads; /* that took part, of this loop */
  cpu_set_t of[2];
} may;

static void note_processors(void *user, size_t begin, size_t end, int thread)
{
  may *m = user;
  (void)begin;
  (void)end;
  pthread_getaffinity_np(pthread_self(), sizeof m->of[thread], &m->of[thread]);
  atomic_fetch_add(&m->threads, 1);
  for (int tries = 0; tries < 2000 && atomic_load(&m->threads) < 2; tries++)
    usleep(1000);
}

/* Where a worker is kept while it is woken is over when it runs. */
static void workers_may_go_anywhere(void **state)
{
  (void)state;
  pool *p;
  cpu_set_t mine;
  assert_int_equal(pthread_getaffinity_np(pthread_self(), sizeof mine, &mine), 0);
  assert_int_equal(pool_new(&p, 2), 0);
  for (int i = 0; i < 5; i++) {
    may m = {0};
    usleep(20000);
    pool_for(p, 2, 1, note_processors, &m);
    assert_int_equal(atomic_load(&m.threads), 2);
    assert_true(CPU_EQUAL(&mine, &m.of[0]) && CPU_EQUAL(&mine, &m.of[1]));
  }
  pool_free(p);
}

static void hold(void *user, size_t begin, size_t end, int thread)
{
  (void)user;
  (void)begin;
  (void)end;
  if (thread != 0)
    usleep(30000); /* longer than the caller waits awake */
}

static void waits_for_pieces_that_others_are_in(void **state)
{
  (void)state;
  pool *p;
  assert_int_equal(pool_new(&p, 3), 0);
  for (int i = 0; i < 10; i++) {
    job *j = calloc(1, sizeof *j);
    pool_for(p, 100, 1, hold, j);
    pool_for(p, N, 1, mark, j);
    for (size_t k = 0; k < N; k++)
      assert_int_equal(atomic_load(&j->seen[k]), 1);
    free(j);
  }
  pool_free(p);
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
    cmocka_unit_test(expecting_too_long_and_resting_sleep),
    cmocka_unit_test(loops_after_pauses),
    cmocka_unit_test(sleepers_take_part),
    cmocka_unit_test(workers_may_go_anywhere),
    cmocka_unit_test(waits_for_pieces_that_others_are_in),
    cmocka_unit_test(refuses_odd_numbers),
  };
  return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
