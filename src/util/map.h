/* Numbers by name: a hash table, so that what is done once a name stays so for many names. */
#ifndef UTIL_MAP_H
#define UTIL_MAP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct map_slot {
  const char *key; /* not owned, must outlive the map; NULL: free */
  size_t length, value;
} map_slot;
typedef struct map {
  map_slot *slots;
  size_t n, capacity;
} map; /* all zero: empty */

size_t map_hash(const char *key, size_t length); /* FNV-1a, 64 bits (Fowler, Noll, Vo), folded */
/* The value of a name of so many bytes; NULL: it is not there. Valid until the next map_put. */
size_t *map_get(const map *m, const char *key, size_t length);
/* Puts it there, or changes its value. OPIS_ENOMEM. */
int map_put(map *m, const char *key, size_t length, size_t value);
void map_free(map *m);

#endif
