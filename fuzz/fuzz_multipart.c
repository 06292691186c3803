/* A Content-Type header and a body, parted by the first line end. What is parsed is read to its last byte, and parameters go on as describe's would. */
#include "serve/multipart.h"
#include "serve/params.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void use(const multipart *m)
{
  params p;
  volatile char sum = 0;
  params_init(&p);
  for (size_t i = 0; i < m->n; i++) {
    const multipart_part *part = &m->parts[i];
    for (size_t k = 0; k < part->size; k++)
      sum = (char)(sum + part->data[k]);
    char *value = strndup(part->data, part->size); /* as the server hands it on */
    if (value && !part->filename)
      params_set(&p, part->name, value, part->size);
    free(value);
  }
  params_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const uint8_t *line_end = size ? memchr(data, '\n', size) : NULL;
  if (!line_end)
    return 0;
  size_t rest = size - (size_t)(line_end - data) - 1;
  char *type = strndup((const char *)data, (size_t)(line_end - data)), *body = malloc(rest ? rest : 1); /* of exactly its size, so that a byte behind it is found */
  multipart m;
  if (type && body) {
    memcpy(body, line_end + 1, rest);
    if (multipart_parse(&m, type, body, rest) == 0) {
      use(&m);
      multipart_free(&m);
    }
  }
  free(type);
  free(body);
  return 0;
}
