/* Bringing what outputs need into the cache, whatever set of stage files they come from. */
#ifndef DATA_SYNC_H
#define DATA_SYNC_H

#include "data/used.h"

/* From their remotes (o->remote: from that one). *missing counts objects that are nowhere; they are no error here. */
int sync_fetch_targets(repo *r, const targets *t, const sync_options *o, uint64_t *fetched, uint64_t *missing);

/* The same for objects that are collected already; u is used up. */
int sync_fetch_used(repo *r, used *u, const sync_options *o, uint64_t *fetched, uint64_t *missing);

/* Sends objects that are collected to their remotes; u is used up. */
int sync_push_used(repo *r, used *u, const sync_options *o, uint64_t *pushed);

#endif
