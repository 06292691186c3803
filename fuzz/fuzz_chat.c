/* The JSON of a chat completion request, and the data URIs in it. */
#include "serve/chat.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  chat_request c;
  char *body = malloc(size ? size : 1); /* of exactly its size, without a NUL behind it */
  if (!body)
    return 0;
  if (size)
    memcpy(body, data, size);
  if (chat_parse(&c, body, size) == 0)
    for (size_t i = 0; i < c.n_urls; i++) {
      char *bytes;
      size_t n;
      if (data_uri_decode(&bytes, &n, c.urls[i]) == 0)
        free(bytes);
    }
  chat_free(&c);
  free(body);
  return 0;
}
