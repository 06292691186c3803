/* A baseline, over a set with some findings: only those that it names are accepted. */
#include "check/check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
  check_set set = {0};
  check_settings s;
  size_t accepted, counted = 0;
  check_settings_init(&s);
  if (check_add(&set, &s, KEY_DARK, "a.jpg", "dark") < 0 || check_add(&set, &s, KEY_UNREADABLE, "a.jpg", "cut") < 0 || check_add(&set, &s, KEY_MOJIBAKE, "b.jpg#2", "x") < 0)
    abort();
  if (check_accept_memory(&set, &accepted, (const char *)bytes, size, "fuzz") == 0) {
    for (size_t i = 0; i < set.n_findings; i++)
      counted += set.findings[i].accepted;
    if (counted != accepted || accepted > set.n_findings)
      abort();
  }
  check_set_free(&set);
  check_settings_free(&s);
  return 0;
}
