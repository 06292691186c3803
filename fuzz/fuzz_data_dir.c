/* A directory object (.dir): what is taken is safe to make files from, sorted, and comes out as it went in. */
#include "data/tree.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *path)
{
  if (!*path || *path == '/')
    abort();
  for (const char *p = path; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL) {
    size_t n = strcspn(p, "/");
    if (n == 0 || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
      abort();
  }
}

typedef struct out {
  char *s;
  size_t n;
} out;

static int sink(void *user, const char *bytes, size_t n)
{
  out *o = user;
  o->s = realloc(o->s, o->n + n + 1);
  memcpy(o->s + o->n, bytes, n);
  o->n += n;
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  tree t, back;
  out o = {0};
  uint8_t md5[MD5_SIZE];
  if (tree_parse(&t, (const char *)data, size, "fuzz") < 0)
    return 0;
  for (size_t i = 0; i < t.n; i++) {
    check_name(t.entries[i].path);
    if (i && tree_compare_paths(t.entries[i - 1].path, t.entries[i].path) >= 0)
      abort();
  }
  if (tree_write(&t, md5, NULL, sink, &o) < 0 || tree_parse(&back, o.s, o.n, "fuzz") < 0 || back.n != t.n)
    abort();
  for (size_t i = 0; i < t.n; i++)
    if (strcmp(t.entries[i].path, back.entries[i].path) != 0 || memcmp(t.entries[i].md5, back.entries[i].md5, MD5_SIZE) != 0)
      abort();
  free(o.s);
  tree_free(&back);
  tree_free(&t);
  return 0;
}
