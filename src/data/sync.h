/* Bringing what outputs need into the cache, whatever set of stage files they come from. */
#ifndef DATA_SYNC_H
#define DATA_SYNC_H

#include "data/lost.h"

/* From their remotes (o->remote: from that one). Objects that are nowhere are no error here: they are added to missing. */
int sync_fetch_targets(repo *r, const targets *t, const sync_options *o, uint64_t *fetched, lost *missing);

/* The same for objects that are collected already; u is used up. */
int sync_fetch_used(repo *r, used *u, const sync_options *o, uint64_t *fetched, lost *missing);

/* Directory objects that the cache has not, as far as the remote can be asked: it is warned of when it cannot. */
void sync_bring_dirs(repo *r, const targets *t);

/* Sends objects that are collected to their remotes; u is used up. */
int sync_push_used(repo *r, used *u, const sync_options *o, uint64_t *pushed, lost *missing);

#endif
