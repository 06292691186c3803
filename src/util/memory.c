#include "util/memory.h"

#include "util/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { LINE = 64, LARGE_PAGE = 2 << 20 };

void *memory_large(size_t size)
{
  const size_t rest = size % LARGE_PAGE;
  if (size > LARGE_PAGE && rest > LARGE_PAGE / 2) /* a last page that is used for the most part */
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
