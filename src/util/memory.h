/* Memory for large arrays. */
#ifndef UTIL_MEMORY_H
#define UTIL_MEMORY_H

#include <stddef.h>

/* size bytes on a cache line, not cleared; from half a megabyte on, on large pages where the system has them, which are there at once where small ones come one by one, a microsecond each. free() gives
 * them back. NULL (and the thread's error message) when there is no memory. */
void *memory_large(size_t size);

/* MEMORY_PAGE bytes, all 0, likewise on a large page. free(*whole) gives them back. */
enum { MEMORY_PAGE = 2 << 20 };
void *memory_page(void **whole);

#endif
