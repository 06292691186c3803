/* Objects from a remote whose objects are files (remote_ops.open): small ones are read, hashed together and only then written; large ones are hashed while they are copied, or after they were cloned. */
#ifndef DATA_BRING_H
#define DATA_BRING_H

#include "data/remote.h"
#include "data/repo.h"
#include "data/used.h"

/* Told of each object: 0 and its size, or why it did not come (the thread's error message says it). Not 0 ends the work with this code. */
typedef int bring_told(void *user, const used_object *o, int code, uint64_t size);
/* The objects list[0..n), by this thread. */
int bring_files(repo *r, remote *side, const used_object *objects, const size_t *list, size_t n, bring_told *told, void *user);

#endif
