#include "text/vocabulary.h"

#include "util/error.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX
#define SLACK (1 << 20) /* how far ids may run ahead of the number of tokens: vocabularies have holes, and files are often sorted by token */

static size_t slot_of(const vocabulary *v, const int32_t *table, const char *token, size_t n)
{
  uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, then mixed, as the table takes the low bits */
  for (size_t i = 0; i < n; i++)
    h = (h ^ (uint8_t)token[i]) * 0x100000001b3u;
  h ^= h >> 29;
  size_t mask = v->table_size - 1, slot = (size_t)h & mask;
  while (table[slot] != 0) {
    const vocabulary_entry *e = &v->by_id[table[slot] - 1];
    if (e->length == n && memcmp(v->pool.s + e->offset, token, n) == 0)
      break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

static void drop_index(vocabulary *v)
{
  free(atomic_load_explicit(&v->table, memory_order_relaxed));
  atomic_store_explicit(&v->table, NULL, memory_order_relaxed);
}

int vocabulary_index(vocabulary *v)
{
  if (atomic_load_explicit(&v->table, memory_order_acquire) || v->size == 0)
    return 0;
  size_t size = 16;
  while (size < 2 * v->size)
    size *= 2;
  int32_t *table = calloc(size, sizeof *table);
  if (!table)
    return error_nomem();
  v->table_size = size;
  for (size_t i = 0; i < v->size; i++)
    if (v->by_id[i].length != NOBODY)
      table[slot_of(v, table, v->pool.s + v->by_id[i].offset, v->by_id[i].length)] = (int32_t)i + 1;
  atomic_store_explicit(&v->table, table, memory_order_release);
  return 0;
}

/* A new id beyond those that were there goes into the index; anything else makes a new one necessary. */
static int index_new(vocabulary *v, size_t id, bool beyond)
{
  int32_t *table = atomic_load_explicit(&v->table, memory_order_relaxed);
  if (!table)
    return 0;
  if (!beyond || 2 * v->size > v->table_size) {
    drop_index(v);
    return vocabulary_index(v);
  }
  table[slot_of(v, table, v->pool.s + v->by_id[id].offset, v->by_id[id].length)] = (int32_t)id + 1;
  return 0;
}

int vocabulary_add(vocabulary *v, const char *token, size_t n, int64_t id)
{
  if (id < 0 || id > (int64_t)(4 * v->count + SLACK))
    return error_set(OPIS_EFORMAT, "tokenizer: the id %lld cannot be", (long long)id);
  if (n > UINT16_MAX || v->pool.n > UINT32_MAX / 2)
    return error_set(OPIS_EFORMAT, "tokenizer: a token of %zu bytes, or too many of them", n);
  size_t i = (size_t)id;
  bool beyond = i >= v->size;
  if (i >= v->capacity) {
    size_t capacity = i + 1 > 2 * v->capacity ? i + 1 : 2 * v->capacity;
    vocabulary_entry *grown = realloc(v->by_id, capacity * sizeof *grown);
    if (!grown)
      return error_nomem();
    v->by_id = grown;
    v->capacity = capacity;
  }
  for (; v->size <= i; v->size++)
    v->by_id[v->size] = (vocabulary_entry){0, NOBODY};
  v->by_id[i] = (vocabulary_entry){(uint32_t)v->pool.n, (uint32_t)n};
  strbuf_append(&v->pool, token, n);
  v->count++;
  return v->pool.failed ? error_nomem() : index_new(v, i, beyond);
}

void vocabulary_free(vocabulary *v)
{
  strbuf_free(&v->pool);
  free(v->by_id);
  drop_index(v);
  memset(v, 0, sizeof *v);
}

int32_t vocabulary_find(const vocabulary *v, const char *token, size_t n)
{
  if (v->pool.n == 0)
    return -1;
  const int32_t *table = atomic_load_explicit(&v->table, memory_order_acquire);
  if (table)
    return table[slot_of(v, table, token, n)] - 1;
  for (size_t i = v->size; i-- > 0;)
    if (v->by_id[i].length == n && memcmp(v->pool.s + v->by_id[i].offset, token, n) == 0)
      return (int32_t)i;
  return -1;
}

bool vocabulary_get(const vocabulary *v, int64_t id, const char **token, size_t *n)
{
  if (id < 0 || (uint64_t)id >= v->size || v->by_id[id].length == NOBODY)
    return false;
  *token = v->pool.s + v->by_id[id].offset;
  *n = v->by_id[id].length;
  return true;
}
