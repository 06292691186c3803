#include "cli/pathset.h"

#include "util/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct pathset_entry {
  char *path;
  size_t count;
};

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t hash(const char *s)
{
  uint64_t h = UINT64_C(14695981039346656037);
  for (; *s; s++)
    h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
  return h;
}

static struct pathset_entry *find(const pathset *s, const char *path)
{
  size_t mask = s->capacity - 1;
  for (size_t i = (size_t)hash(path) & mask;; i = (i + 1) & mask)
    if (!s->entries[i].path || strcmp(s->entries[i].path, path) == 0)
      return &s->entries[i];
}

static int grow(pathset *s)
{
  pathset larger = {NULL, s->used, s->capacity ? s->capacity * 2 : 64};
  larger.entries = calloc(larger.capacity, sizeof *larger.entries);
  if (!larger.entries)
    return error_nomem();
  for (size_t i = 0; i < s->capacity; i++)
    if (s->entries[i].path)
      *find(&larger, s->entries[i].path) = s->entries[i];
  free(s->entries);
  *s = larger;
  return 0;
}

int pathset_add(pathset *s, const char *path)
{
  if (s->used * 4 >= s->capacity * 3 && grow(s) < 0)
    return OPIS_ENOMEM;
  struct pathset_entry *e = find(s, path);
  if (!e->path) {
    e->path = strdup(path);
    if (!e->path)
      return error_nomem();
    s->used++;
  }
  return e->count++ == 0;
}

bool pathset_take(pathset *s, const char *path)
{
  struct pathset_entry *e = s->capacity ? find(s, path) : NULL;
  if (!e || e->count == 0)
    return false;
  e->count--;
  return true;
}

void pathset_free(pathset *s)
{
  for (size_t i = 0; i < s->capacity; i++)
    free(s->entries[i].path);
  free(s->entries);
  *s = (pathset)PATHSET_INIT;
}
