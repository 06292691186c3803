/* Finding libmicrohttpd at run time. */
#include "serve/mhd.h"

#include "util/error.h"

#include <dlfcn.h>

mhd_library mhd;

int mhd_open(void)
{
  void *library = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return error_set(OPIS_EUNSUPPORTED, "libmicrohttpd: %s (on Debian: apt-get install libmicrohttpd12)", dlerror());
#define FIND(name)                                                                                                                                                                 \
  if (!(mhd.name = (__typeof__(name) *)dlsym(library, #name)))                                                                                                                     \
    return error_set(OPIS_EUNSUPPORTED, "libmicrohttpd: %s", dlerror());
  MHD_FUNCTIONS(FIND)
#undef FIND
  return 0;
}
