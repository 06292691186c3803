#include "util/library.h"

#include <dlfcn.h>
#include <stddef.h>

void *library_open(const char *name, const char *symbol)
{
  Dl_info of;
  void *linked = dlsym(RTLD_DEFAULT, symbol), *library = NULL;
  if (linked && dladdr(linked, &of) && of.dli_fname)
    library = dlopen(of.dli_fname, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  return library ? library : dlopen(name, RTLD_NOW | RTLD_LOCAL);
}
