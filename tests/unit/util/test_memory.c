#include "util/memory.h"

#include "../cmocka_all.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void whole_pages_from_half_a_megabyte_on(void **state)
{
  (void)state;
  const size_t sizes[] = {100, (512 << 10) - 1, 512 << 10, 1 << 20, 2 << 20, (2 << 20) + 1, (6 << 20) + (512 << 10)};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char *p = memory_large(sizes[i]);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % (sizes[i] >= 512 << 10 ? MEMORY_PAGE : 64), 0);
    memset(p, 1, sizes[i]);
    free(p);
  }
  assert_null(memory_large(SIZE_MAX - 100));
}

static void a_page_is_cleared(void **state)
{
  (void)state;
  for (int turn = 0; turn < 3; turn++) { /* the later ones may be memory that was used */
    void *whole;
    unsigned char *p = memory_page(&whole);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % MEMORY_PAGE, 0);
    for (size_t i = 0; i < MEMORY_PAGE; i++)
      assert_int_equal(p[i], 0);
    memset(p, 0xFF, MEMORY_PAGE);
    free(whole);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(whole_pages_from_half_a_megabyte_on),
    cmocka_unit_test(a_page_is_cleared),
  };
  return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
