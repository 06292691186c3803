#include "util/strbuf.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include <stdlib.h>
#include <string.h>

static void grows(void **state)
{
  (void)state;
  strbuf b = STRBUF_INIT;
  for (int i = 0; i < 10000; i++)
    strbuf_printf(&b, "%d,", i % 10);
  assert_int_equal(b.n, 20000);
  assert_int_equal(strlen(b.s), 20000);
  assert_int_equal(strbuf_check(&b), 0);
  strbuf_reset(&b);
  strbuf_puts(&b, "a");
  strbuf_putc(&b, 'b');
  char *s = strbuf_take(&b);
  assert_string_equal(s, "ab");
  free(s);
  s = strbuf_take(&b);
  assert_string_equal(s, "");
  free(s);
}

static void remembers_failure(void **state)
{
  (void)state;
  strbuf b = STRBUF_INIT;
  strbuf_puts(&b, "x");
  strbuf_append(&b, "", SIZE_MAX / 2);
  assert_int_equal(strbuf_check(&b), OPIS_ENOMEM);
  strbuf_puts(&b, "y");
  assert_null(strbuf_take(&b));
}

static void mends_utf8(void **state)
{
  (void)state;
  static const struct {
    const char *in, *out;
  } cases[] = {
    {"plain", "plain"},
    {"\xD1\x8F \xE2\x82\xAC \xF0\x9F\x98\x80", "\xD1\x8F \xE2\x82\xAC \xF0\x9F\x98\x80"},
    {"a\xFFz", "a\xEF\xBF\xBDz"},
    {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                 /* overlong */
    {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* a surrogate */
    {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
    {"cut \xE2\x82", "cut \xEF\xBF\xBD\xEF\xBF\xBD"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    strbuf b = STRBUF_INIT;
    bool same = strcmp(cases[i].in, cases[i].out) == 0;
    assert_int_equal(strbuf_put_utf8(&b, cases[i].in, strlen(cases[i].in)), same);
    assert_int_equal(utf8_valid(cases[i].in, strlen(cases[i].in)), same);
    assert_string_equal(b.s, cases[i].out);
    strbuf_free(&b);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(grows), cmocka_unit_test(remembers_failure), cmocka_unit_test(mends_utf8)};
  return cmocka_run_group_tests_name("strbuf", tests, NULL, NULL);
}
