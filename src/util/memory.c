#include "util/memory.h"

#include "util/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* WORTH: from here on a large page, which is cleared whole, is ready sooner than the small ones that would be used. */
enum { LINE = 64, LARGE_PAGE = MEMORY_PAGE, WORTH = LARGE_PAGE / 4 };

void *memory_large(size_t size)
{
  if (size > SIZE_MAX / 2) {
    error_nomem();
    return NULL;
  }
  const size_t rest = size % LARGE_PAGE;
  if (rest >= WORTH)
    size += LARGE_PAGE - rest;
  void *p = NULL;
  if (posix_memalign(&p, size < LARGE_PAGE ? LINE : LARGE_PAGE, size) != 0) {
    error_nomem();
    return NULL;
  }
  if (size >= LARGE_PAGE)
    madvise(p, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* a wish: without large pages there are small ones */
  return p;
}

void *memory_page(void **whole)
{
  char *p = calloc(1, 2 * (size_t)LARGE_PAGE); /* fresh from the system, so that what is not touched costs nothing */
  *whole = p;
  if (!p) {
    error_nomem();
    return NULL;
  }
  p += LARGE_PAGE - (uintptr_t)p % LARGE_PAGE;
  madvise(p, LARGE_PAGE, MADV_HUGEPAGE);
  return p;
}
