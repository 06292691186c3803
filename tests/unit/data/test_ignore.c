/* Patterns, against what git and DVC say of them (the random comparison with both is tests/interop/test_ignore.py). */
#include "data/ignore.h"

#include "../cmocka_all.h"
#include <stdio.h>
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

/* Rule after rule, the last first: what ignore_test, which looks mere names up, must say, too. */
static bool tried(char rules[][16], size_t n, const char *path, bool is_folder)
{
  const char *slash = strrchr(path, '/');
  while (n-- > 0) {
    char *r = rules[n];
    bool negated = *r == '!';
    char pattern[16];
    strcpy(pattern, r + negated);
    size_t k = strlen(pattern);
    bool folder_only = pattern[k - 1] == '/';
    if (folder_only)
      pattern[k - 1] = '\0';
    bool tied = strchr(pattern, '/') != NULL;
    if ((!folder_only || is_folder) && ignore_match(pattern + (*pattern == '/'), tied || !slash ? path : slash + 1))
      return !negated;
  }
  return false;
}

static void names_among_patterns(void **state)
{
  static const char *const bodies[] = {"a", "b", "c", "a/b", "*", "?", "\\a", "[a]", "b*", "\\*", "a\\/b", "\\[a]", "c/a"},
                           *const paths[] = {"a", "b", "c", "*", "[a]", "a/b", "c/a", "c/b", "b/*", "a/c"};
  uint32_t random = 1;
  (void)state;
  for (int round = 0; round < 20000; round++) {
    ignore g = {0};
    char rules[6][16], text[128] = "";
    size_t n = 1 + (random >> 8) % 6;
    for (size_t i = 0; i < n; i++) {
      random = random * 1664525 + 1013904223;
      snprintf(
        rules[i], sizeof rules[i], "%s%s%s%s", random >> 28 == 0 ? "!" : "", (random >> 24 & 3) == 0 ? "/" : "", bodies[(random >> 8) % 13], (random >> 22 & 3) == 0 ? "/" : "");
      snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n", rules[i]);
    }
    assert_int_equal(ignore_add(&g, text, strlen(text)), 0);
    for (size_t i = 0; i < 20; i++)
      if (ignore_test(&g, paths[i / 2], i % 2) != tried(rules, n, paths[i / 2], i % 2))
        fail_msg("%s%s: %s", paths[i / 2], i % 2 ? "/" : "", text);
    ignore_free(&g);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(matches),
    cmocka_unit_test(last_rule_decides),
    cmocka_unit_test(names_among_patterns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
