#include "eval/words.h"

#include "util/error.h"
#include <stdlib.h>
#include <string.h>

static uint64_t hash(const unsigned char *p, size_t n)
{
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < n; i++)
    h = (h ^ p[i]) * UINT64_C(0x100000001b3);
  return h ^ h >> 32;
}

static size_t slot_of(const word_table *t, uint64_t h, const void *bytes, size_t length)
{
  size_t at = (size_t)h & (t->n_slots - 1);
  for (; t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
    const struct word_entry *e = &t->entries[t->slots[at] - 1];
    if (e->hash == h && e->length == length && memcmp(e->key, bytes, length) == 0)
      break;
  }
  return at;
}

static int grow(word_table *t)
{
  if (t->n == t->capacity) {
    size_t more = t->capacity ? t->capacity * 2 : 1024;
    void *grown = more > UINT32_MAX / 2 ? NULL : reallocarray(t->entries, more, sizeof *t->entries);
    if (!grown)
      return more > UINT32_MAX / 2 ? error_set(OPIS_ELIMIT, "more than 2^31 different words") : error_nomem();
    t->entries = grown;
    t->capacity = more;
  }
  if (t->n * 2 < t->n_slots)
    return 0;
  size_t more = t->n_slots ? t->n_slots * 2 : 4096;
  uint32_t *slots = calloc(more, sizeof *slots);
  if (!slots)
    return error_nomem();
  for (size_t i = 0; i < t->n; i++) {
    size_t at = (size_t)t->entries[i].hash & (more - 1);
    while (slots[at])
      at = (at + 1) & (more - 1);
    slots[at] = (uint32_t)i + 1;
  }
  free(t->slots);
  t->slots = slots;
  t->n_slots = more;
  return 0;
}

int word_number(word_table *t, uint32_t *number, const void *bytes, size_t length)
{
  int e = grow(t);
  if (e < 0)
    return e;
  uint64_t h = hash(bytes, length);
  size_t at = slot_of(t, h, bytes, length);
  if (!t->slots[at]) {
    char *key = arena_alloc(&t->memory, length + 1);
    if (!key || length > UINT32_MAX)
      return error_nomem();
    memcpy(key, bytes, length);
    key[length] = 0;
    t->entries[t->n] = (struct word_entry){h, key, (uint32_t)length};
    t->slots[at] = (uint32_t)++t->n;
  }
  *number = t->slots[at] - 1;
  return 0;
}

uint32_t word_find(const word_table *t, const void *bytes, size_t length)
{
  if (!t->n_slots)
    return UINT32_MAX;
  size_t at = slot_of(t, hash(bytes, length), bytes, length);
  return t->slots[at] ? t->slots[at] - 1 : UINT32_MAX;
}

void word_table_free(word_table *t)
{
  free(t->slots);
  free(t->entries);
  arena_free(&t->memory);
  *t = (word_table)WORD_TABLE_INIT;
}
