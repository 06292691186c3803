/* Objects between the cache and a remote: what is where, and many transfers at once. */
#ifndef DATA_TRANSFER_H
#define DATA_TRANSFER_H

#include "data/remote.h"
#include "data/used.h"

/* Opens a remote of the repository's configuration. name NULL: core.remote; OPIS_EINVALID when there is none, or it has no url. */
int transfer_open(remote **out, const repo *r, const char *name);
/* The key of an object on a remote. */
void transfer_key(char key[OID_KEY + 16], const oid *o, bool legacy);
int transfer_damaged(const remote *side, const char *key); /* the error of an object that is not what its name says */

enum { HERE = 1, THERE = 2 };
/* where[i] |= THERE for objects that the remote has, HERE for those of the cache. which: HERE, THERE or both. */
int transfer_look(uint8_t *where, repo *r, remote *side, const used *u, int which, int jobs);

/* Sends, or brings, the objects i with todo[i]; files before the directory objects that name them. A directory object whose file failed is not sent. *done counts those that went; the first error comes
 * out after everything else was tried. lost[i]: set for objects that the remote has not; NULL: they are errors. */
int transfer_send(repo *r, remote *side, const used *u, const uint8_t *todo, int jobs, uint64_t *done);
int transfer_bring(repo *r, remote *side, const used *u, const uint8_t *todo, int jobs, uint64_t *done, uint8_t *lost);
int transfer_bring_one(repo *r, remote *side, const oid *o, bool legacy);

/* Runs work(user, i) for i < n in `jobs` threads; the first error ends it. */
int transfer_parallel(repo *r, size_t n, int jobs, int (*work)(void *user, size_t i), void *user);

#endif
