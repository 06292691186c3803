/* The interpreter of pickles alone: whatever it makes must be readable, and no deeper than it says. */
#include "model/pickle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  arena memory = ARENA_INIT;
  const pickle_value *v;
  size_t used;
  if (pickle_read(&v, &used, &memory, data, size, "fuzz") == 0) {
    if (used > size || v->depth > PICKLE_MAX_DEPTH)
      abort();
    for (size_t i = 0; v->kind == PICKLE_DICT && i < v->n; i++)
      if (v->items[i]->kind > PICKLE_TENSOR)
        abort();
  }
  arena_free(&memory);
  return 0;
}
