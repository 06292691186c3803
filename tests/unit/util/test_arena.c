#include "util/arena.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include "util/memory.h"
#include <string.h>

static void aligned_and_apart(void **state)
{
  (void)state;
  arena a = ARENA_INIT;
  enum { N = 500 };
  unsigned char *p[N];
  size_t size[N];
  for (int i = 0; i < N; i++) {
    size[i] = (size_t)(i * 7919 % 100000);
    p[i] = arena_alloc(&a, size[i]);
    assert_non_null(p[i]);
    assert_int_equal((uintptr_t)p[i] % ARENA_ALIGN, 0);
    memset(p[i], i & 0xFF, size[i]);
  }
  for (int i = 0; i < N; i++)
    for (size_t j = 0; j < size[i]; j++)
      assert_int_equal(p[i][j], i & 0xFF);
  arena_free(&a);
  arena_free(&a);
}

static void refuses_what_overflows(void **state)
{
  (void)state;
  arena a = ARENA_INIT;
  assert_null(arena_calloc(&a, SIZE_MAX / 4, 8));
  assert_null(arena_alloc(&a, SIZE_MAX - 3));
  assert_string_equal(opis_error_message(), "out of memory");
  arena_free(&a);
}

static void clears_and_copies(void **state)
{
  (void)state;
  arena a = ARENA_INIT;
  unsigned char *p = arena_calloc(&a, 10, 10);
  for (int i = 0; i < 100; i++)
    assert_int_equal(p[i], 0);
  assert_string_equal(arena_strdup(&a, "words"), "words");
  assert_string_equal(arena_strndup(&a, "words", 3), "wor");
  arena_free(&a);
}

/* What holds much goes on in large pages, cleared like the first block. */
static void goes_on_in_large_pages(void **state)
{
  (void)state;
  arena a = ARENA_INIT;
  for (int i = 0; i < 1200; i++) {
    unsigned char *p = arena_calloc(&a, 5000, 1);
    assert_non_null(p);
    for (int j = 0; j < 5000; j++)
      assert_int_equal(p[j], 0);
    memset(p, 0xFF, 5000);
  }
  assert_int_equal((uintptr_t)a.blocks % MEMORY_PAGE, 0);
  arena_free(&a);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(aligned_and_apart),
    cmocka_unit_test(refuses_what_overflows),
    cmocka_unit_test(clears_and_copies),
    cmocka_unit_test(goes_on_in_large_pages),
  };
  return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
