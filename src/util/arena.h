/* An arena: many allocations that are freed together. Not thread-safe: one arena a thread, or a lock around it. */
#ifndef UTIL_ARENA_H
#define UTIL_ARENA_H

#include <stddef.h>

typedef struct arena_block arena_block;
typedef struct arena {
  arena_block *blocks; /* the newest first */
} arena;

#define ARENA_INIT                                                                                                                                                                 \
  {                                                                                                                                                                                \
    NULL                                                                                                                                                                           \
  }
#define ARENA_ALIGN 64 /* every allocation starts on a cache line, which is also what the widest vectors like */

/* size bytes, not cleared; NULL (and the thread's error message) when there is no memory. A size of 0 gives a unique address. */
void *arena_alloc(arena *a, size_t size);
/* n x size bytes, cleared, with the product checked against overflow. */
void *arena_calloc(arena *a, size_t n, size_t size);
char *arena_strdup(arena *a, const char *s);
char *arena_strndup(arena *a, const char *s, size_t n);
void arena_free(arena *a);

#endif
