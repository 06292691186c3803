/* Accepted findings. */
#include "check/check.h"

#include "util/error.h"
#include "util/file.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30 };

typedef struct accepted_one {
  int key;
  const char *path;
} accepted_one;

static int by_both(const void *a, const void *b)
{
  const accepted_one *x = a, *y = b;
  return x->key != y->key ? x->key - y->key : strcmp(x->path, y->path);
}

int check_accept_memory(check_set *set, size_t *n, const char *bytes, size_t size, const char *name)
{
  json_error_t why;
  json_t *o = json_loadb(bytes, size, 0, &why), *list = json_is_object(o) ? json_object_get(o, "findings") : o;
  *n = 0;
  if (!o)
    return error_set(OPIS_EFORMAT, "%s: line %d: no JSON: %s", name, why.line, why.text);
  if (!json_is_array(list)) {
    json_decref(o);
    return error_set(OPIS_EFORMAT, "%s: no list of findings in it; write one with --report json=FILE", name);
  }
  size_t all = json_array_size(list), known = 0;
  accepted_one *ones = calloc(all + 1, sizeof *ones);
  for (size_t i = 0; ones && i < all; i++) {
    const json_t *f = json_array_get(list, i);
    const char *key = json_string_value(json_object_get(f, "key")), *path = json_string_value(json_object_get(f, "path"));
    int k = key ? check_key_find(key) : -1; /* keys of another version accept nothing */
    if (k >= 0 && path)
      ones[known++] = (accepted_one){k, path};
  }
  if (ones) {
    qsort(ones, known, sizeof *ones, by_both);
    for (size_t i = 0; known && i < set->n_findings; i++) {
      accepted_one one = {set->findings[i].key, set->findings[i].path};
      set->findings[i].accepted = bsearch(&one, ones, known, sizeof *ones, by_both) != NULL;
      *n += set->findings[i].accepted;
    }
  }
  free(ones);
  json_decref(o);
  return ones ? 0 : error_nomem();
}

int check_accept(check_set *set, size_t *n, const char *file)
{
  char *bytes;
  size_t size;
  int e = file_read(&bytes, &size, file, MOST_BYTES);
  if (e < 0)
    return e;
  e = check_accept_memory(set, n, bytes, size, file);
  free(bytes);
  return e;
}
