/* What characters and words of a caption tell. */
#include "unit/cmocka_all.h"

#include "check/text.h"
#include <stdlib.h>
#include <string.h>

static text_facts look(const char *s)
{
  text_facts f;
  text_look(&f, s, strlen(s));
  return f;
}

static void garbled(void **state)
{
  (void)state;
  static const char *const broken[] = {"cafÃ©", "donâ€™t", "â€œquotedâ€\xC2\x9D", "naÃ¯ve", "Â£5", "Â©", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "æ—¥æœ¬", "ðŸ˜€", "lost â€", "Ã¼ber", "Å¼Ã³Å‚w"};
  static const char *const right[] = {
    "café", "don’t", "“quoted”", "naïve", "£5", "©", "Привет", "日本", "😀", "É…", "CAFÉ»", "ÀÉÈ", "Ångström", "Þór’s", "50 €", "SÃO", "Æ", "Â", "Ã", "â"};
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    text_facts f = look(broken[i]);
    assert_true(f.length > 0 && f.garbled + f.length <= strlen(broken[i]) && f.valid);
  }
  for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
    text_facts f = look(right[i]);
    if (f.length)
      fail_msg("%s", right[i]);
  }
  assert_true(look("a\xEF\xBF\xBD").lost == 1 && look("a").lost == 0);
}

static void encoding(void **state)
{
  (void)state;
  assert_true(look("plain").valid && look("日本語").valid);
  static const char *const bad[] = {"ab\xFFz", "ab\xC3", "ab\xE2\x82", "ab\xC0\xAF", "ab\xED\xA0\x80", "ab\xF4\x90\x80\x80", "ab\x80"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    text_facts f = look(bad[i]);
    assert_true(!f.valid && f.bad_at == 2 && f.letters >= 2);
  }
}

static void unseen(void **state)
{
  (void)state;
  text_facts f;
  text_look(&f, "a\0b", 3);
  assert_int_equal(f.control, 1);
  assert_int_equal(look("a\tb").control, '\t');
  assert_int_equal(look("a\xE2\x80\xAE").control, 0x202E);
  assert_int_equal(look("a\xC2\x85").control, 0x85);
  assert_int_equal(look("👨‍👩‍👧 می‌خواهم é").control, 0); /* joiners belong to writing */
  assert_int_equal(look("").letters, 0);
  assert_int_equal(look(" - . …").letters, 0);
  assert_true(look("5").letters && look("é").letters && look("🐕").letters);
}

static void scripts(void **state)
{
  (void)state;
  assert_int_equal(look("A man, 5 µm ½").scripts, SCRIPT_LATIN);
  assert_int_equal(look("Человек").scripts, SCRIPT_CYRILLIC);
  assert_int_equal(look("Ελλάδα").scripts, SCRIPT_GREEK);
  assert_true(look("w\xD0\xBEman").word_mixes);
  assert_true(!look("woman и man").word_mixes && look("woman и man").scripts == (SCRIPT_LATIN | SCRIPT_CYRILLIC));
  assert_int_equal(look("日本語 ひらがな カタカナ 한국어").scripts, look("漢").scripts);
  assert_string_equal(text_script_name(look("ไทย").scripts), "Thai");
  assert_string_equal(text_script_name(look("עברית").scripts), "Hebrew");
  assert_string_equal(text_script_name(0), "no");
}

static void fold(const char *s, const char *expected, size_t words)
{
  arena a = ARENA_INIT;
  size_t n;
  const char *folded = text_folded(&a, s, strlen(s), false, &n);
  assert_non_null(folded);
  assert_string_equal(folded, expected);
  assert_int_equal(n, strlen(expected));
  assert_int_equal(text_words(folded, n), words);
  arena_free(&a);
}

static void folding(void **state)
{
  (void)state;
  fold("A Man  runs .", "a man runs", 3);
  fold("  \" Don't \" (stop) !", "don't stop", 2);
  fold("3.5 km, well-known", "3.5 km well-known", 3);
  fold("Straße", "strasse", 1);
  fold("CAFE\xCC\x81", "café", 1);
  fold("a\xC2\xA0"
       "b",
    "a b", 2);
  fold("...", "", 0);
  fold("", "", 0);
  fold("x\xFF", "x\xFF", 1);
  fold("日本語", "日本語", 1);
}

static void clauses(void **state)
{
  (void)state;
  static const char *const pairs[][2] = {
    {"Snow , snow flies .", "snow , snow flies"}, {"a, \"b\" (c) d.", "a , b , c d"}, {"3.5 km, 3.5", "3.5 km , 3.5"}, {", a", "a"}, {"a.,!b ,, c", "a.,!b , c"}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    arena a = ARENA_INIT;
    size_t n;
    assert_string_equal(text_folded(&a, pairs[i][0], strlen(pairs[i][0]), true, &n), pairs[i][1]);
    assert_int_equal(n, strlen(pairs[i][1]));
    arena_free(&a);
  }
}

static size_t times(const char *s, const char *row)
{
  size_t begin, length, n = text_repetition(s, strlen(s), &begin, &length);
  assert_int_equal(length, strlen(row));
  assert_memory_equal(s + begin, row, length);
  return n;
}

static void repetition(void **state)
{
  (void)state;
  assert_int_equal(times("a man runs", ""), 1);
  assert_int_equal(times("a man and a man runs", ""), 1);
  assert_int_equal(times("a a man", "a"), 2);
  assert_int_equal(times("a an an an and", "an"), 3);
  assert_int_equal(times("dog on the beach on the beach runs", "on the beach"), 2);
  assert_int_equal(times("x a b a b a b", "a b"), 3);
  assert_int_equal(times("1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8", "1 2 3 4 5 6 7 8"), 2);
  assert_int_equal(times("1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9", ""), 1);
  assert_int_equal(times("man mankind", ""), 1);
  assert_int_equal(times("", ""), 1);
  char *long_one = malloc(2000001); /* a megabyte of one word: linear, not square */
  assert_non_null(long_one);
  for (size_t i = 0; i < 2000000; i += 2)
    memcpy(long_one + i, "a ", 2);
  size_t begin, length;
  assert_int_equal(text_repetition(long_one, 1999999, &begin, &length), 1000000);
  free(long_one);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(garbled), cmocka_unit_test(encoding), cmocka_unit_test(unseen), cmocka_unit_test(scripts), cmocka_unit_test(folding),
    cmocka_unit_test(clauses), cmocka_unit_test(repetition)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
