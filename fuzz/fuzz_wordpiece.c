/* A vocab.txt and a text, parted by the first NUL. */
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
  if (!nul)
    return 0;
  tokenizer_source s = {.vocab_txt = (const char *)data, .vocab_txt_size = (size_t)(nul - data)};
  tokenizer *t;
  if (tokenizer_new(&t, &s) < 0)
    return 0;
  size_t rest = size - (size_t)(nul - data) - 1, n;
  char *text = malloc(rest + 1), *back;
  int32_t *ids;
  if (text) {
    memcpy(text, nul + 1, rest);
    text[rest] = '\0';
    if (tokenizer_encode(t, &ids, &n, text) == 0) {
      if (tokenizer_decode(t, &back, ids, n, rest % 2) == 0)
        free(back);
      free(ids);
    }
  }
  free(text);
  tokenizer_free(t);
  return 0;
}
