/* A tokenizer.json from outside: read, then used both ways. */
#include "text/tokenizer.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  tokenizer_source s = {.tokenizer_json = (const char *)data, .tokenizer_json_size = size};
  tokenizer *t;
  if (tokenizer_new(&t, &s) < 0)
    return 0;
  int32_t *ids, row[] = {0, 1, 2, 3, 7, -1, 1 << 30};
  size_t n;
  char *text;
  if (tokenizer_encode(t, &ids, &n, "A man's [SEP] \xC3\xA9t\xC3\xA9, ab  <|endoftext|> ") == 0)
    free(ids);
  if (tokenizer_decode(t, &text, row, sizeof row / sizeof *row, size % 2) == 0)
    free(text);
  tokenizer_free(t);
  return 0;
}
