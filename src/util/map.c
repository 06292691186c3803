#include "util/map.h"

#include "util/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t map_hash(const char *key, size_t length)
{
  uint64_t h = 0xCBF29CE484222325U;
  for (size_t i = 0; i < length; i++)
    h = (h ^ (unsigned char)key[i]) * 0x100000001B3U;
  return (size_t)(h ^ h >> 32);
}

/* The name's slot, or the free one where it would be. */
static map_slot *find(const map *m, const char *key, size_t length)
{
  size_t mask = m->capacity - 1, i = map_hash(key, length) & mask;
  while (m->slots[i].key && !(m->slots[i].length == length && memcmp(m->slots[i].key, key, length) == 0))
    i = (i + 1) & mask;
  return &m->slots[i];
}

size_t *map_get(const map *m, const char *key, size_t length)
{
  map_slot *s = m->n ? find(m, key, length) : NULL;
  return s && s->key ? &s->value : NULL;
}

static int grow(map *m)
{
  map larger = {.n = m->n, .capacity = m->capacity ? m->capacity * 2 : 16};
  larger.slots = calloc(larger.capacity, sizeof *larger.slots);
  if (!larger.slots)
    return error_nomem();
  for (size_t i = 0; i < m->capacity; i++)
    if (m->slots[i].key)
      *find(&larger, m->slots[i].key, m->slots[i].length) = m->slots[i];
  free(m->slots);
  *m = larger;
  return 0;
}

int map_put(map *m, const char *key, size_t length, size_t value)
{
  if (m->n + m->n / 2 >= m->capacity && grow(m) < 0)
    return error_nomem();
  map_slot *s = find(m, key, length);
  if (s->key)
    s->value = value;
  else {
    *s = (map_slot){key, length, value};
    m->n++;
  }
  return 0;
}

void map_free(map *m)
{
  free(m->slots);
  *m = (map){0};
}
