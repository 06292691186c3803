/* Shared libraries that are opened when they are first needed. */
#ifndef UTIL_LIBRARY_H
#define UTIL_LIBRARY_H

/* A handle for dlsym, never closed; NULL when there is no such library. What a package has linked to this library beside it (a wheel gives its libraries names of their own) is used before the
 * system's: `symbol` tells it. */
void *library_open(const char *name, const char *symbol);

#endif
