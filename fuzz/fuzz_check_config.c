/* opis-check.yaml. What is accepted must be within the limits of its check. */
#include "check/check.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
  check_settings s;
  check_settings_init(&s);
  if (check_config_read_memory(&s, (const char *)bytes, size, "fuzz", "/nowhere") == 0)
    for (int k = 0; k < CHECK_KEYS; k++)
      if (!isnan(s.threshold[k]) && !(s.threshold[k] >= check_keys[k].least && s.threshold[k] <= check_keys[k].most))
        abort();
  for (size_t i = 0; i < s.n_splits; i++)
    if (!*s.splits[i].name || !*s.splits[i].file)
      abort();
  check_settings_free(&s);
  return 0;
}
