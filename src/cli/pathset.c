#include "cli/pathset.h"

#include "util/error.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int pathset_add(pathset *s, const char *path)
{
  size_t n = strlen(path), *count = map_get(&s->counts, path, n);
  if (count)
    return (*count)++ == 0;
  char *key = strdup(path);
  if (!key)
    return error_nomem();
  int code = map_put(&s->counts, key, n, 1);
  if (code < 0)
    free(key);
  return code < 0 ? code : 1;
}

bool pathset_take(pathset *s, const char *path)
{
  size_t *count = map_get(&s->counts, path, strlen(path));
  if (!count || *count == 0)
    return false;
  --*count;
  return true;
}

void pathset_free(pathset *s)
{
  for (size_t i = 0; i < s->counts.capacity; i++)
    free((char *)(uintptr_t)s->counts.slots[i].key);
  map_free(&s->counts);
}
