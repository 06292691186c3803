#include <opis/opis.h>

const char *opis_version(void)
{
  return OPIS_VERSION;
}
