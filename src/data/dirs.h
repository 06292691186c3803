/* Directory objects that the cache has not: without them, the files of a folder are not known. A remote is kept open from one to the next, and asked once for each. */
#ifndef DATA_DIRS_H
#define DATA_DIRS_H

#include "data/lost.h"

typedef struct dirs_absent dirs_absent;
typedef struct dirs {
  repo *r;
  const char *remote; /* the one that is asked; NULL: the output's, or the default one */
  struct remote *open;
  uint64_t fetched;
  dirs_absent *absent; /* what the remotes have not */
  size_t n_absent;
} dirs;

#define DIRS_ABSENT "%s: neither in the cache nor on the remote"

/* Brings one into the cache; d is a dirs: this is what used_options.bring asks for. OPIS_ENOTFOUND: the remote has it not. */
int dirs_bring(void *d, const oid *o, bool legacy, const char *remote);
/* Takes those that were found absent out of u, into missing; NULL: they are warned of. */
int dirs_set_absent_aside(used *u, const dirs *d, lost *missing);
void dirs_close(dirs *d);

#endif
