/* The zip directory: every entry that is accepted is read to its last byte, and found by its name. */
#include "model/zip.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  arena memory = ARENA_INIT;
  zip_archive z;
  if (zip_read(&z, &memory, data, size, "fuzz") == 0)
    for (size_t i = 0; i < z.n; i++) {
      uint8_t sum = 0;
      for (size_t k = 0; k < z.at[i].size; k++)
        sum = (uint8_t)(sum + z.at[i].data[k]);
      if (zip_find(&z, z.at[i].name) != &z.at[i] || (sum == 1 && z.at[i].size == 0))
        abort();
    }
  arena_free(&memory);
  return 0;
}
