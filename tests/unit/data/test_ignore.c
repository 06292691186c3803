/* Patterns, against what git and DVC say of them (the random comparison with both is tests/interop/test_ignore.py). */
#include "data/ignore.h"

#include "../cmocka_all.h"
#include <string.h>

static void matches(void **state)
{
  static const struct {
    const char *pattern, *path;
    bool yes;
  } cases[] = {
    {"a", "a", true},
    {"a", "b", false},
    {"*.jpg", "x.jpg", true},
    {"*.jpg", ".jpg", true},
    {"*", "a/b", false},
    {"a/*", "a/b", true},
    {"a/*", "a/b/c", false},
    {"**/b", "b", true},
    {"**/b", "a/x/b", true},
    {"a/**", "a/b/c", true},
    {"a/**", "a", false},
    {"a/**/b", "a/b", true},
    {"a/**/b", "a/x/y/b", true},
    {"a**b", "axxb", true},
    {"a**b", "a/b", false},
    {"?", "/", false},
    {"?", "\xC3\xA9", true},
    {"[a-c]", "b", true},
    {"[!a-c]", "b", false},
    {"[^a-c]", "d", true},
    {"[]]", "]", true},
    {"[a-]", "-", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\[a]", "[a]", true},
    {"a*b*c", "aXbYc", true},
    {"a*b*c", "aXbY", false},
    {"*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (ignore_match(cases[i].pattern, cases[i].path) != cases[i].yes)
      fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].path);
}

static void last_rule_decides(void **state)
{
  (void)state;
  ignore top = {0}, below = {.parent = &top, .depth = 4};
  static const char rules[] = "# a comment\n\n*.tmp\r\n!keep.tmp\n/tied\nonly/\nsub/deep\n\\#hash\n\\!bang\ntrail  \n", inner[] = "!x.tmp\n/here\n";
  assert_int_equal(ignore_add(&top, rules, sizeof rules - 1), 0);
  assert_int_equal(ignore_add(&below, inner, sizeof inner - 1), 0);
  assert_true(ignore_test(&top, "a.tmp", false));
  assert_true(ignore_test(&top, "d/a.tmp", false));
  assert_false(ignore_test(&top, "d/keep.tmp", false));
  assert_true(ignore_test(&top, "tied", false));
  assert_false(ignore_test(&top, "d/tied", false));
  assert_true(ignore_test(&top, "d/only", true));
  assert_false(ignore_test(&top, "d/only", false));
  assert_true(ignore_test(&top, "sub/deep", false));
  assert_false(ignore_test(&top, "x/sub/deep", false));
  assert_true(ignore_test(&top, "#hash", false));
  assert_true(ignore_test(&top, "!bang", false));
  assert_true(ignore_test(&top, "trail", false));
  assert_false(ignore_test(&top, "# a comment", false));
  assert_false(ignore_test(&below, "sub/x.tmp", false)); /* the inner file comes first */
  assert_true(ignore_test(&below, "sub/y.tmp", false));
  assert_true(ignore_test(&below, "sub/here", false));
  assert_false(ignore_test(&below, "sub/d/here", false));
  ignore_free(&top);
  ignore_free(&below);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(matches),
    cmocka_unit_test(last_rule_decides),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
