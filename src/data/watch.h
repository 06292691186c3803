/* Who is told, while a file's bytes go by, how many did, and may end it: long work on one large file is not silent, and can be interrupted. */
#ifndef DATA_WATCH_H
#define DATA_WATCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct watch {
  int (*bytes)(void *user, uint64_t n); /* so many more, from the thread that reads or writes them; not 0 ends the work with this code */
  void *user;
} watch; /* NULL: nobody */

static inline int watch_tell(const watch *w, uint64_t n)
{
  return w ? w->bytes(w->user, n) : 0;
}

#endif
