/* A caption reader, forced to one format; what it answers must hold what captions.h promises. */
#include "captions/captions.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
  captions c;
  if (captions_read_memory(&c, bytes, size, "fuzz", FORMAT) < 0)
    return 0;
  for (size_t i = 0; i < c.n; i++)
    if (!*c.items[i].picture || c.items[i].text[c.items[i].length] || c.items[i].line == 0)
      abort();
  for (size_t i = 0; i < c.n_listed; i++)
    if (!*c.listed[i].picture || c.listed[i].length)
      abort();
  captions_free(&c);
  return 0;
}
