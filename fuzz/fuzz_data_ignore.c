/* Patterns: the first line is the path, the rest the file of patterns. */
#include "data/ignore.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const uint8_t *eol = size ? memchr(data, '\n', size) : NULL;
  ignore g = {0};
  if (!eol || memchr(data, 0, size))
    return 0;
  char *path = strndup((const char *)data, (size_t)(eol - data));
  size_t n = size - (size_t)(eol - data) - 1;
  char *text = malloc(n + 1); /* no byte more than it has, for the sanitizer */
  if (path && text) {
    memcpy(text, eol + 1, n);
    if (ignore_add(&g, text, n) == 0) {
      ignore_test(&g, path, false);
      ignore_test(&g, path, true);
    }
    ignore_match(path, path);
  }
  ignore_free(&g);
  free(text);
  free(path);
  return 0;
}
