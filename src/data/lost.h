/* Objects that are needed and are nowhere: neither in the cache nor on the remote. */
#ifndef DATA_LOST_H
#define DATA_LOST_H

#include "data/used.h"

typedef struct lost {
  used objects;  /* without names */
  size_t denied; /* of these, so many that a directory object of the remote names: the remote says that it has them */
} lost;

int lost_add(lost *l, const used_object *o, bool denied);
void lost_free(lost *l);

/* Calls collect for the objects that only lists, with names: what they are is known only now that some are missing. */
typedef int lost_collect(used *u, void *user, const used_options *options);

/* Warns of each, by the name that collect finds, and says how it is mended. */
int lost_tell(lost *l, repo *r, lost_collect *collect, void *user);

#endif
