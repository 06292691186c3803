#include "util/arena.h"

#include "util/error.h"
#include "util/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 256 * 1024, PAGE_ROOM = MEMORY_PAGE - ARENA_ALIGN };

struct arena_block {
  arena_block *next;
  size_t used, size; /* of the bytes that follow the header, which itself takes ARENA_ALIGN bytes */
  void *whole;       /* what free takes */
};

/* All of it 0: large ones come fresh from the system, which calloc knows and does not write again what is 0 already. */
static arena_block *block_new(size_t size)
{
  char *p = size > SIZE_MAX - 3 * ARENA_ALIGN ? NULL : calloc(1, size + 2 * ARENA_ALIGN);
  if (!p)
    return NULL;
  arena_block *b = (arena_block *)(void *)(p + (ARENA_ALIGN - (uintptr_t)p % ARENA_ALIGN) % ARENA_ALIGN);
  b->size = size;
  b->whole = p;
  return b;
}

/* A block as large as a large page, for an arena that holds much. */
static arena_block *block_page(void)
{
  void *whole;
  arena_block *b = memory_page(&whole);
  if (!b)
    return NULL;
  b->size = PAGE_ROOM;
  b->whole = whole;
  return b;
}

void *arena_alloc(arena *a, size_t size)
{
  if (size > SIZE_MAX / 2) {
    error_nomem();
    return NULL;
  }
  size_t rounded = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
  if (rounded == 0)
    rounded = ARENA_ALIGN;
  arena_block *b = a->blocks;
  if (!b || b->size - b->used < rounded) {
    const bool alone = rounded > (b ? PAGE_ROOM : BLOCK_SIZE) / 4; /* a large one goes behind the block in use, which stays in use */
    b = alone ? block_new(rounded) : b ? block_page() : block_new(BLOCK_SIZE);
    if (!b) {
      error_nomem();
      return NULL;
    }
    if (alone && a->blocks) {
      b->next = a->blocks->next;
      a->blocks->next = b;
    } else {
      b->next = a->blocks;
      a->blocks = b;
    }
  }
  void *p = (char *)b + ARENA_ALIGN + b->used;
  b->used += rounded;
  return p;
}

void *arena_calloc(arena *a, size_t n, size_t size)
{
  size_t total;
  if (__builtin_mul_overflow(n, size, &total)) {
    error_nomem();
    return NULL;
  }
  return arena_alloc(a, total);
}

char *arena_strndup(arena *a, const char *s, size_t n)
{
  char *p = arena_alloc(a, n + 1);
  if (p) {
    memcpy(p, s, n);
    p[n] = '\0';
  }
  return p;
}

char *arena_strdup(arena *a, const char *s)
{
  return arena_strndup(a, s, strlen(s));
}

void arena_free(arena *a)
{
  for (arena_block *b = a->blocks; b;) {
    arena_block *next = b->next;
    free(b->whole);
    b = next;
  }
  a->blocks = NULL;
}
