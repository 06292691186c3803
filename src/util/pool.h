/* A pool of persistent worker threads for loops whose pieces take microseconds to milliseconds. Between the loops of what a caller announced (pool_expect) workers stay awake, for a millisecond at most;
 * otherwise they sleep soon after a loop: an idle pool costs nothing. */
#ifndef UTIL_POOL_H
#define UTIL_POOL_H

#include <stddef.h>

typedef struct pool pool;

/* threads: in all, the caller's own included (1: no workers, everything runs on the caller). OPIS_EINVALID outside 1..1024. */
int pool_new(pool **out, int threads);
void pool_free(pool *p);         /* no loop may be running; NULL is allowed */
int pool_threads(const pool *p); /* 1 for NULL */

/* More loops are coming: sleeping workers are woken now, so that they are there for the first one. Each pool_expect has its pool_rest, after the last loop. NULL is allowed. */
void pool_expect(pool *p);
void pool_rest(pool *p);

/* Calls work(user, begin, end, thread) for pieces that together cover 0..n, each of at least `grain` items (the last one maybe fewer); returns when all are done.
 * Nobody waits for a worker that has not begun: one that wakes too late finds the loop closed.
 * thread is 0..pool_threads - 1 and unique among the calls that run at once. Which thread takes which piece is not determined: results must not depend on it.
 * One loop at a time runs on the workers; a second caller meanwhile runs its loop alone on its own thread, as thread 0. p may be NULL: all on the caller. */
void pool_for(pool *p, size_t n, size_t grain, void (*work)(void *user, size_t begin, size_t end, int thread), void *user);

#endif
