/* The lexer's patterns: longest match, first of equals, trailing parts. */
#include "../cmocka_all.h"

#include "eval/pattern.h"
#include <opis/error.h>
#include <stdlib.h>
#include <string.h>

static const pattern_macro macros[] = {{"digit", "[0-9]"}, {"number", "{digit}+(\\.{digit}+)?"}, {NULL, NULL}};

static int match(pattern_set *s, const char *text, size_t *length)
{
  return pattern_match(s, (const uint8_t *)text, strlen(text), length);
}

static void test_longest_then_first(void **state)
{
  (void)state;
  pattern_set *s;
  size_t n;
  assert_int_equal(pattern_set_new(&s, macros), 0);
  assert_int_equal(pattern_set_add(s, "cat", NULL), 0);
  assert_int_equal(pattern_set_add(s, "[a-z]+", NULL), 0);
  assert_int_equal(pattern_set_add(s, "{number}", NULL), 0);
  assert_int_equal(pattern_set_add(s, "x{2,3}y", NULL), 0);
  assert_int_equal(match(s, "cat", &n), 0);
  assert_int_equal(n, 3);
  assert_int_equal(match(s, "CAT!", &n), 0); /* a letter by itself stands for both cases */
  assert_int_equal(match(s, "cats", &n), 1);
  assert_int_equal(n, 4);
  assert_int_equal(match(s, "3.14.15", &n), 2);
  assert_int_equal(n, 4);
  assert_int_equal(match(s, "3.x", &n), 2);
  assert_int_equal(n, 1);
  assert_int_equal(match(s, "XXY", &n), 3);
  assert_int_equal(match(s, "XXXY", &n), 3);
  assert_int_equal(match(s, "XXXXY", &n), PATTERN_NONE);
  assert_int_equal(match(s, "XY", &n), PATTERN_NONE);
  assert_int_equal(match(s, "", &n), PATTERN_NONE);
  pattern_set_free(s);
}

static void test_trailing_part_is_not_taken(void **state)
{
  (void)state;
  pattern_set *s;
  size_t n;
  assert_int_equal(pattern_set_new(&s, macros), 0);
  assert_int_equal(pattern_set_add(s, "[a-z]+", NULL), 0);
  assert_int_equal(pattern_set_add(s, "[a-z]+", "'(s|ll)"), 0);
  assert_int_equal(match(s, "dog's", &n), 1);
  assert_int_equal(n, 3);
  assert_int_equal(match(s, "they'll go", &n), 1);
  assert_int_equal(n, 4);
  assert_int_equal(match(s, "dog'x", &n), 0);
  assert_int_equal(n, 3);
  pattern_set_free(s);
}

static void test_wrong_patterns_are_refused(void **state)
{
  (void)state;
  static const char *const wrong[] = {"(a", "[a-", "{nothing}", "a)"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    pattern_set *s;
    assert_int_equal(pattern_set_new(&s, macros), 0);
    assert_int_equal(pattern_set_add(s, wrong[i], NULL), OPIS_EINTERNAL);
    pattern_set_free(s);
  }
}

/* A pattern with very many states: forgetting them must not change what matches. */
static void test_more_states_than_are_kept(void **state)
{
  (void)state;
  pattern_set *s;
  size_t n;
  char text[4000];
  unsigned seed = 1;
  assert_int_equal(pattern_set_new(&s, macros), 0);
  assert_int_equal(pattern_set_add(s, "[ab]*a[ab]{13,13}c", NULL), 0);
  assert_int_equal(pattern_set_add(s, "[ab]", NULL), 0);
  for (size_t i = 0; i < sizeof text; i++)
    text[i] = (seed = seed * 1103515245 + 12345) >> 16 & 1 ? 'a' : 'b';
  for (int i = 0; i < 40; i++) {
    size_t length = 20 + (size_t)i * 90;
    char last = text[length];
    text[length] = 'c';
    int k = pattern_match(s, (const uint8_t *)text, length + 1, &n);
    if (k == 0)
      assert_true(n == length + 1 && text[length - 14] == 'a');
    else
      assert_true(k == 1 && n == 1);
    text[length] = last;
  }
  pattern_set_free(s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_longest_then_first),
    cmocka_unit_test(test_trailing_part_is_not_taken),
    cmocka_unit_test(test_wrong_patterns_are_refused),
    cmocka_unit_test(test_more_states_than_are_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
