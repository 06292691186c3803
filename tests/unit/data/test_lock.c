/* Locks of other processes: whom they name, and that only who lives holds a path. */
#include "data/repo.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char root[] = "/r", dvc[] = "/r/.dvc";
static const repo r = {.root = root, .dvc = dvc};

static int ask(const char *path, bool write, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int ask(const char *path, bool write, const char *format, ...)
{
  char table[512];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(table, sizeof table, format, args);
  va_end(args);
  return lock_check_table(&r, table, (size_t)n, &path, 1, write);
}

static void who_lives_holds_a_path(void **state)
{
  long pid = (long)getppid();
  (void)state;
  assert_int_equal(ask("data", false, "{\"write\": {\"/r/data\": {\"pid\": %ld, \"cmd\": \"x\"}}}", pid), OPIS_EBUSY);
  assert_int_equal(ask("data/a", false, "{\"write\": {\"/r/data\": {\"pid\": %ld}}}", pid), OPIS_EBUSY);
  assert_int_equal(ask("data", false, "{\"write\": {\"/r/data/a\": {\"pid\": %ld}}}", pid), OPIS_EBUSY);
  assert_int_equal(ask("data", false, "{\"write\": {\"/r/data2\": {\"pid\": %ld}}}", pid), 0);
  assert_int_equal(ask("data", false, "{\"read\": {\"/r/data\": [{\"pid\": %ld}]}}", pid), 0);
  assert_int_equal(ask("data", true, "{\"read\": {\"/r/data\": [{\"pid\": %ld}]}}", pid), OPIS_EBUSY);
  assert_int_equal(ask("data", true, "{\"read\": {\"/r/data\": [{\"pid\": %ld}]}}", (long)getpid()), 0);
}

static void numbers_that_are_no_process(void **state)
{
  long pid = (long)getppid();
  (void)state;
  assert_int_equal(ask("data", false, "{\"write\": {\"/r/data\": {\"pid\": %lld}}}", (1LL << 32) + pid), 0); /* not taken for its lower half */
  assert_int_equal(ask("data", false, "{\"write\": {\"/r/data\": {\"pid\": 0}}}"), 0);
  assert_int_equal(ask("data", false, "{\"write\": {\"/r/data\": {\"pid\": -1}}}"), 0);
  assert_int_equal(ask("data", false, "{\"write\": {\"/r/data\": {\"pid\": \"%ld\"}}}", pid), 0);
  assert_int_equal(ask("data", false, "{\"write\": [{\"/r/data\": {\"pid\": %ld}}]}", pid), 0);
  assert_int_equal(ask("data", false, "{\"write\": {\"/r/data\": {\"pid\": %ld", pid), 0);
}

static void a_claim_names_its_process(void **state)
{
  static const struct {
    const char *content;
    long pid;
  } cases[] = {
    {"/x/.dvc/tmp/opis-h-42.lock", 42},
    {"/opis-h-7.lock/opis-h-42.lock", 42},
    {"/x/opis-h-42.lock\n", 0},
    {"/x/opis-h-42.lock/../../precious", 0},
    {"/x/opis-h-42", 0},
    {"/x/opis-h-042.lock", 0},
    {"/x/opis-h--42.lock", 0},
    {"/x/opis-h- 42.lock", 0},
    {"/x/opis-h-4294967338.lock", 0},
    {"/x/opis-other-42.lock", 0},
    {"/x/opis-h-.lock", 0},
    {"", 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(lock_claim_holder(cases[i].content, "/opis-h-"), cases[i].pid);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(who_lives_holds_a_path),
    cmocka_unit_test(numbers_that_are_no_process),
    cmocka_unit_test(a_claim_names_its_process),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
