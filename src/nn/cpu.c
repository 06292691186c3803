#include <opis/opis.h>

const char *opis_cpu(void)
{
  return "generic";
}
