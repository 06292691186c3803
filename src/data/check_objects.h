/* Objects hashed on all cores, small ones many at once: which are not what their names say. */
#ifndef DATA_CHECK_OBJECTS_H
#define DATA_CHECK_OBJECTS_H

#include "data/odb.h"

#include "util/pool.h"

typedef struct object_check {
  oid oid;
  uint64_t size; /* as it was listed */
  odb *db;       /* where it is */
  bool damaged;  /* found: other bytes, or bytes that the disk cannot read */
} object_check;

/* Fills in `damaged`; an object that has gone meanwhile is not. p may be NULL. w: told from any thread. */
int objects_check(object_check *items, size_t n, pool *p, const watch *w);

#endif
