/* Settings, opis-check.yaml, and what a baseline accepts. */
#include "unit/cmocka_all.h"

#include "check/check.h"
#include <math.h>
#include <opis/error.h>
#include <string.h>

static void assignments(void **state)
{
  (void)state;
  check_settings s;
  check_settings_init(&s);
  assert_int_equal(check_settings_set(&s, "dark=0.25"), 0);
  assert_true(s.threshold[KEY_DARK] == 0.25);
  assert_int_equal(check_settings_set(&s, "dark=OFF"), 0);
  assert_true(s.off[KEY_DARK]);
  assert_int_equal(check_settings_set(&s, "dark=on"), 0);
  assert_true(!s.off[KEY_DARK] && s.threshold[KEY_DARK] == 0.25);
  static const char *const wrong[] = {
    "dark", "=", "dark=", "dark=x", "dark=1.5", "dark=-1", "dark=nan", "dark=0.2 ", "nothing=1", "unreadable=1", "similar=17", "word_repetition=1"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(check_settings_set(&s, wrong[i]), OPIS_EINVALID);
  check_settings_free(&s);
}

static void what_fails(void **state)
{
  (void)state;
  check_settings s;
  check_settings_init(&s);
  assert_true(s.fails[KEY_UNREADABLE] && s.fails[KEY_LEAK_CONTENT] && s.fails[KEY_ORPHAN_CAPTION] && !s.fails[KEY_DARK] && !s.fails[KEY_EXACT_DUPLICATES]);
  assert_int_equal(check_settings_fail_on(&s, "dark,blurry"), 0);
  assert_true(s.fails[KEY_DARK] && s.fails[KEY_BLURRY] && !s.fails[KEY_UNREADABLE]);
  assert_int_equal(check_settings_fail_on(&s, "default,dark"), 0);
  assert_true(s.fails[KEY_DARK] && s.fails[KEY_UNREADABLE] && !s.fails[KEY_BLURRY]);
  assert_int_equal(check_settings_fail_on(&s, "all"), 0);
  for (int k = 0; k < CHECK_KEYS; k++)
    assert_true(s.fails[k]);
  assert_int_equal(check_settings_fail_on(&s, "dark,nothing"), OPIS_EINVALID);
  assert_true(s.fails[KEY_BLURRY]); /* as it was */
  assert_int_equal(check_settings_fail_on(&s, "none"), 0);
  for (int k = 0; k < CHECK_KEYS; k++)
    assert_true(!s.fails[k]);
  check_settings_free(&s);
}

static int read(check_settings *s, const char *text)
{
  check_settings_init(s);
  return check_config_read_memory(s, text, strlen(text), "x.yaml", "/data");
}

static void settings_file(void **state)
{
  (void)state;
  check_settings s;
  assert_int_equal(read(&s,
                     "require: png\ncaptions: a/c.txt\nagainst: v1\nagainst_captions: /c\nbaseline: b.json\nsplits: {train: t.txt, test: /x/u.txt}\nfail_on: [none]\nset: {dark: "
                     "0.1, alpha: off}\n"),
    0);
  assert_int_equal(s.require, IMAGE_PNG);
  assert_string_equal(s.captions, "/data/a/c.txt");
  assert_string_equal(s.against, "v1"); /* no such folder: a revision */
  assert_string_equal(s.against_captions, "/c");
  assert_string_equal(s.baseline, "/data/b.json");
  assert_int_equal(s.n_splits, 2);
  assert_string_equal(s.splits[0].name, "train");
  assert_string_equal(s.splits[0].file, "/data/t.txt");
  assert_string_equal(s.splits[1].file, "/x/u.txt");
  assert_true(s.threshold[KEY_DARK] == 0.1 && s.off[KEY_ALPHA] && !s.fails[KEY_UNREADABLE]);
  check_settings_free(&s);
  assert_int_equal(read(&s, ""), 0);
  check_settings_free(&s);
  static const char *const wrong[] = {"x: 1", "[]", "set: 1", "set: {dark: {}}", "set: {? [a] : 1}", "fail_on: {}", "fail_on: [[a]]", "require: [png]", "splits: [a]",
    "splits: {a: }", "splits: {a: x, a: y}", "captions: ''", "captions: {}", "? [a]\n: b", "captions: \"a\\0b\""};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(read(&s, wrong[i]), OPIS_EINVALID);
    assert_non_null(strstr(opis_error_message(), "x.yaml: line "));
    check_settings_free(&s);
  }
  assert_int_equal(read(&s, "a: [b"), OPIS_EFORMAT);
  check_settings_free(&s);
}

static void baseline(void **state)
{
  (void)state;
  check_set set = {0};
  check_settings s;
  size_t n;
  check_settings_init(&s);
  check_add(&set, &s, KEY_TRUNCATED, "a.jpg", "x");
  check_add(&set, &s, KEY_TRUNCATED, "b.jpg", "x");
  check_add(&set, &s, KEY_UNREADABLE, "a.jpg", "x");
  check_add(&set, &s, KEY_MOJIBAKE, "a.jpg#1", "x");
  assert_int_equal(check_failures(&set, &s), 3);
  const char *known = "{\"findings\": [{\"key\": \"truncated\", \"path\": \"a.jpg\"}, {\"key\": \"mojibake\", \"path\": \"a.jpg#0\"}, {\"key\": \"of another version\", \"path\": "
                      "\"b.jpg\"}, 5, {}]}";
  assert_int_equal(check_accept_memory(&set, &n, known, strlen(known), "known"), 0);
  assert_true(n == 1 && set.findings[0].accepted && !set.findings[1].accepted && !set.findings[2].accepted && !set.findings[3].accepted);
  assert_int_equal(check_failures(&set, &s), 2);
  assert_int_equal(check_accept_memory(&set, &n, "[]", 2, "known"), 0);
  assert_int_equal(n, 0);
  assert_int_equal(check_accept_memory(&set, &n, "{}", 2, "known"), OPIS_EFORMAT);
  assert_int_equal(check_accept_memory(&set, &n, "{", 1, "known"), OPIS_EFORMAT);
  check_set_free(&set);
  check_settings_free(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(assignments), cmocka_unit_test(what_fails), cmocka_unit_test(settings_file), cmocka_unit_test(baseline)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
