#include "util/error.h"

#include "../cmocka_all.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

static void sets_and_returns(void **state)
{
  (void)state;
  assert_int_equal(error_set(OPIS_EFORMAT, "%s: %d", "a.png", 7), OPIS_EFORMAT);
  assert_string_equal(opis_error_message(), "a.png: 7");
}

static void may_name_itself(void **state)
{
  (void)state;
  error_set(OPIS_EIO, "inner");
  error_set(OPIS_EIO, "outer: %s", opis_error_message());
  assert_string_equal(opis_error_message(), "outer: inner");
  assert_int_equal(error_prefix(OPIS_EIO, "most outer"), OPIS_EIO);
  assert_string_equal(opis_error_message(), "most outer: outer: inner");
}

static void errno_becomes_a_code(void **state)
{
  (void)state;
  static const struct {
    int number, code;
  } cases[] = {{ENOENT, OPIS_ENOTFOUND}, {ENOMEM, OPIS_ENOMEM}, {EEXIST, OPIS_EEXISTS}, {EACCES, OPIS_EIO}, {ENOSPC, OPIS_EIO}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    errno = cases[i].number;
    assert_int_equal(error_set_errno("x"), cases[i].code);
  }
  errno = ENOENT;
  error_set_errno("photo.jpg");
  assert_string_equal(opis_error_message(), "photo.jpg: No such file or directory");
}

static void long_messages_are_cut_between_characters(void **state)
{
  (void)state;
  char text[4096];
  for (int shift = 0; shift < 4; shift++) {
    memset(text, 'x', (size_t)shift);
    for (size_t i = (size_t)shift; i + 2 < sizeof text; i += 2)
      memcpy(text + i, "\xD1\x8F", 3);
    error_set(OPIS_EIO, "%s", text);
    const char *m = opis_error_message();
    size_t n = strlen(m);
    assert_true(n >= 1020 && n < 1024);
    assert_int_equal((n - (size_t)shift) % 2, 0);
    assert_memory_equal(m, text, n);
  }
}

static void *other_thread(void *unused)
{
  (void)unused;
  return strlen(opis_error_message()) == 0 ? (void *)1 : NULL;
}

static void belongs_to_its_thread(void **state)
{
  (void)state;
  error_set(OPIS_EIO, "mine");
  pthread_t t;
  void *clean;
  assert_int_equal(pthread_create(&t, NULL, other_thread, NULL), 0);
  pthread_join(t, &clean);
  assert_non_null(clean);
  assert_string_equal(opis_error_message(), "mine");
}

static void codes_have_names(void **state)
{
  (void)state;
  assert_string_equal(opis_error_name(0), "OPIS_OK");
  assert_string_equal(opis_error_name(OPIS_EFORMAT), "OPIS_EFORMAT");
  assert_string_equal(opis_error_name(OPIS_EINTERNAL), "OPIS_EINTERNAL");
  assert_string_equal(opis_error_name(OPIS_ECONFLICT), "OPIS_ECONFLICT");
  assert_string_equal(opis_error_name(12345), "OPIS_EINTERNAL");
  assert_string_equal(opis_error_name(-12345), "OPIS_EINTERNAL");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sets_and_returns),
    cmocka_unit_test(may_name_itself),
    cmocka_unit_test(errno_becomes_a_code),
    cmocka_unit_test(long_messages_are_cut_between_characters),
    cmocka_unit_test(belongs_to_its_thread),
    cmocka_unit_test(codes_have_names),
  };
  return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
