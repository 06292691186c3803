#include "util/map.h"

#include "../cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beside a plain array: names put, put again, and asked for that are not there. */
static void holds_what_was_put(void **state)
{
  (void)state;
  enum { NAMES = 5000 };
  static char names[NAMES][16];
  size_t values[NAMES], n = 0;
  bool there[NAMES] = {false};
  map m = {0};
  assert_null(map_get(&m, "a", 1));
  srand(1);
  for (int i = 0; i < NAMES; i++)
    snprintf(names[i], sizeof names[i], "%d/%d", i % 97, i);
  for (int step = 0; step < 3 * NAMES; step++) {
    int i = rand() % NAMES;
    values[i] = (size_t)rand();
    assert_int_equal(map_put(&m, names[i], strlen(names[i]), values[i]), 0);
    n += !there[i];
    there[i] = true;
  }
  assert_int_equal(m.n, n);
  for (int i = 0; i < NAMES; i++) {
    const size_t *value = map_get(&m, names[i], strlen(names[i]));
    assert_int_equal(value != NULL, there[i]);
    if (value)
      assert_int_equal(*value, values[i]);
  }
  map_free(&m);
  assert_null(map_get(&m, names[0], strlen(names[0])));
}

static void names_are_bytes(void **state)
{
  (void)state;
  map m = {0};
  assert_int_equal(map_put(&m, "a\0b", 3, 1), 0);
  assert_int_equal(map_put(&m, "a\0c", 3, 2), 0);
  assert_int_equal(map_put(&m, "", 0, 3), 0);
  assert_int_equal(*map_get(&m, "a\0b", 3), 1);
  assert_int_equal(*map_get(&m, "a\0c", 3), 2);
  assert_int_equal(*map_get(&m, "xyz", 0), 3);
  assert_null(map_get(&m, "a", 1));
  map_free(&m);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(holds_what_was_put), cmocka_unit_test(names_are_bytes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
