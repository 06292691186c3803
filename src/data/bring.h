/* Objects from a remote whose objects are files (remote_ops.open): small ones are read, hashed together and only then written; large ones are hashed while they are copied, or after they were cloned. */
#ifndef DATA_BRING_H
#define DATA_BRING_H

#include "data/remote.h"
#include "data/repo.h"
#include "data/used.h"
#include "data/watch.h"

/* Told of each object: 0 and how many bytes of it no watch was told of, or why it did not come (the thread's error message says it). Not 0 ends the work with this code. */
typedef int bring_told(void *user, const used_object *o, int code, uint64_t size);
/* The objects list[0..n), by this thread. w: of large ones, on their way; it ends the work. */
int bring_files(repo *r, remote *side, const used_object *objects, const size_t *list, size_t n, const watch *w, bring_told *told, void *user);

#endif
