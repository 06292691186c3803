#include "util/cpus.h"

#include "../cmocka_all.h"

typedef struct begun {
  cpu_set_t own, at_first, afterwards;
} begun;

static void *begin(void *user)
{
  begun *b = user;
  pthread_getaffinity_np(pthread_self(), sizeof b->at_first, &b->at_first);
  cpus_anywhere(&b->own);
  pthread_getaffinity_np(pthread_self(), sizeof b->afterwards, &b->afterwards);
  return NULL;
}

static void begins_elsewhere_and_may_go_anywhere(void **state)
{
  (void)state;
  begun b;
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (cpus_available() > 1) {
    assert_true(cpus_elsewhere(&attributes, &b.own));
    assert_int_equal(pthread_create(&thread, &attributes, begin, &b), 0);
    pthread_join(thread, NULL);
    assert_int_equal(CPU_COUNT(&b.at_first), CPU_COUNT(&b.own) - 1);
    assert_true(CPU_EQUAL(&b.afterwards, &b.own));
  }
  pthread_attr_destroy(&attributes);
}

static void with_one_processor_there_is_no_other(void **state)
{
  (void)state;
  cpu_set_t before, one, own;
  pthread_attr_t attributes;
  const int here = sched_getcpu();
  assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  CPU_SET((size_t)here, &one);
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  pthread_attr_init(&attributes);
  assert_false(cpus_elsewhere(&attributes, &own));
  pthread_attr_destroy(&attributes);
  assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(begins_elsewhere_and_may_go_anywhere),
    cmocka_unit_test(with_one_processor_there_is_no_other),
  };
  return cmocka_run_group_tests_name("cpus", tests, NULL, NULL);
}
