#include "util/pool.h"

#include "util/clock.h"
#include "util/cpus.h"
#include "util/error.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Seconds that a thread waits awake: a worker for the next loop, by itself and while work is expected; and a caller for workers that are still in their last piece. */
static const double BRIEFLY = 50e-6, EXPECTING = 1e-3;

/* The state of the loop that runs, in one word, so that a worker joins it or finds it closed in one step: how many workers are inside, whether more may join, and the number of the loop. */
enum { INSIDE = 0xffff, OPEN = 1 << 16, STOP = 1 << 17, LOOP_SHIFT = 32 };

typedef struct member {
  pool *p;
  int thread; /* 1.. */
  pthread_t id;
  /* guarded by the pool's lock */
  bool asleep, placed;
  bool knows_own;
  double moved;  /* the worker's own: when it last stepped aside */
  cpu_set_t own; /* the processors that it may use, as they were when it went to sleep */
} member;

struct pool {
  int threads;      /* workers + 1 */
  member *workers;  /* [threads - 1] */
  atomic_int hopes; /* pool_expect without its pool_rest */
  atomic_int sleepers;
  atomic_bool caller_sleeps;
  atomic_int caller_at; /* the processor where the last loop began */
  pthread_mutex_t busy; /* held by the caller whose loop runs */
  pthread_mutex_t lock; /* guards sleeping and waking */
  pthread_cond_t wake, done;
  unsigned nudges; /* grows when sleepers are to look again; guarded by lock */
  /* The present loop, on a cache line of its own. What is not atomic is written only while the loop is closed and nobody is inside. */
  _Alignas(64) atomic_uint_fast64_t state;
  atomic_size_t next;
  void (*work)(void *, size_t, size_t, int);
  void *user;
  size_t n, piece;
};

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* A wait that stays awake: asks the clock now and then, and lets others have the processor, among them perhaps whoever is waited for. */
typedef struct vigil {
  double began;
  unsigned turns;
} vigil;

/* False when `seconds` are over. */
static bool vigil_keep(vigil *v, double seconds)
{
  enum { TURNS = 32, TURNS_ALONE = 256 }; /* a turn takes some 10 to 50 nanoseconds */
  pause_briefly();
  if (++v->turns % TURNS != 0)
    return true;
  double now = clock_seconds();
  if (v->began <= 0)
    v->began = now;
  if (v->turns % TURNS_ALONE == 0)
    sched_yield();
  return now - v->began < seconds;
}

static void run_pieces(pool *p, size_t begin, int thread)
{
  const size_t n = p->n, piece = p->piece;
  for (; begin < n; begin = atomic_fetch_add_explicit(&p->next, piece, memory_order_relaxed))
    p->work(p->user, begin, n - begin < piece ? n : begin + piece, thread);
}

/* ---- workers ---- */

/* Sleeps until the state is another than `seen`, or somebody expects work. */
static void sleep_until_woken(member *w, uint64_t seen)
{
  pool *p = w->p;
  pthread_mutex_lock(&p->lock);
  w->knows_own = pthread_getaffinity_np(pthread_self(), sizeof w->own, &w->own) == 0;
  w->asleep = true;
  atomic_fetch_add(&p->sleepers, 1);
  for (unsigned nudges = p->nudges; atomic_load(&p->state) >> LOOP_SHIFT == seen && nudges == p->nudges;)
    pthread_cond_wait(&p->wake, &p->lock);
  if (w->asleep)
    atomic_fetch_sub(&p->sleepers, 1);
  w->asleep = false;
  if (w->placed)
    cpus_anywhere(&w->own);
  w->placed = false;
  pthread_mutex_unlock(&p->lock);
}

/* A worker that finds itself on the caller's processor goes to another, for the reason that wake_sleepers has; not often, since where there are more threads than processors some share one. */
static void step_aside(member *w)
{
  enum { OFTEN_MS = 20 };
  cpu_set_t own, others;
  const int here = sched_getcpu();
  if (here < 0 || here != atomic_load_explicit(&w->p->caller_at, memory_order_relaxed))
    return;
  const double now = clock_seconds();
  if (now - w->moved < OFTEN_MS * 1e-3 || pthread_getaffinity_np(pthread_self(), sizeof own, &own) != 0)
    return;
  w->moved = now;
  if (cpus_without(&others, &own, here) && pthread_setaffinity_np(pthread_self(), sizeof others, &others) == 0)
    cpus_anywhere(&own);
}

static void *worker(void *argument)
{
  member *w = argument;
  pool *p = w->p;
  uint64_t seen = 0;
  for (;;) {
    if (atomic_load_explicit(&p->hopes, memory_order_relaxed) > 0)
      step_aside(w);
    uint_fast64_t state = atomic_load_explicit(&p->state, memory_order_acquire);
    for (vigil v = {0}; state >> LOOP_SHIFT == seen; state = atomic_load_explicit(&p->state, memory_order_acquire))
      if (!vigil_keep(&v, atomic_load_explicit(&p->hopes, memory_order_relaxed) > 0 ? EXPECTING : BRIEFLY)) {
        sleep_until_woken(w, seen);
        v = (vigil){0};
      }
    if (state & STOP)
      return NULL;
    seen = state >> LOOP_SHIFT;
    bool joined = false;
    while (!joined && state & OPEN && state >> LOOP_SHIFT == seen)
      joined = atomic_compare_exchange_weak_explicit(&p->state, &state, state + 1, memory_order_acquire, memory_order_acquire);
    if (!joined) /* too late: it is closed */
      continue;
    run_pieces(p, atomic_fetch_add_explicit(&p->next, p->piece, memory_order_relaxed), w->thread);
    state = atomic_fetch_sub(&p->state, 1) - 1;
    if (!(state & (INSIDE | OPEN)) && atomic_load(&p->caller_sleeps)) {
      pthread_mutex_lock(&p->lock);
      pthread_cond_signal(&p->done);
      pthread_mutex_unlock(&p->lock);
    }
  }
}

/* Wakes those who sleep. Each is kept off the caller's processor until it runs: under a hypervisor, Linux takes a processor that sleeps for one that was taken away (vcpu_is_preempted), and would let
 * caller and worker share the caller's, a tick of the clock each, beside an idle one. */
static void wake_sleepers(pool *p)
{
  pthread_mutex_lock(&p->lock);
  const int here = sched_getcpu();
  for (member *w = p->workers; w < p->workers + p->threads - 1; w++) {
    if (!w->asleep)
      continue;
    cpu_set_t others;
    w->placed = w->knows_own && cpus_without(&others, &w->own, here) && pthread_setaffinity_np(w->id, sizeof others, &others) == 0;
    w->asleep = false;
    atomic_fetch_sub(&p->sleepers, 1);
  }
  p->nudges++;
  pthread_cond_broadcast(&p->wake);
  pthread_mutex_unlock(&p->lock);
}

int pool_new(pool **out, int threads)
{
  *out = NULL;
  if (threads < 1 || threads > 1024)
    return error_set(OPIS_EINVALID, "threads: %d is outside 1..1024", threads);
  void *memory = NULL;
  if (posix_memalign(&memory, 64, sizeof(pool)) != 0)
    return error_nomem();
  pool *p = memory;
  *p = (pool){.threads = 1, .workers = calloc((size_t)threads, sizeof *p->workers)};
  if (!p->workers) {
    free(p);
    return error_nomem();
  }
  pthread_mutex_init(&p->busy, NULL);
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->wake, NULL);
  pthread_cond_init(&p->done, NULL);
  for (int i = 1; i < threads; i++) {
    member *w = &p->workers[i - 1];
    w->p = p;
    w->thread = i;
    if (pthread_create(&w->id, NULL, worker, w) != 0) {
      pool_free(p);
      return error_set(OPIS_ENOMEM, "cannot start worker thread %d of %d", i, threads - 1);
    }
    p->threads++;
  }
  *out = p;
  return 0;
}

void pool_free(pool *p)
{
  if (!p)
    return;
  atomic_fetch_add(&p->state, ((uint_fast64_t)1 << LOOP_SHIFT) + STOP);
  wake_sleepers(p);
  for (int i = 0; i < p->threads - 1; i++)
    pthread_join(p->workers[i].id, NULL);
  pthread_cond_destroy(&p->done);
  pthread_cond_destroy(&p->wake);
  pthread_mutex_destroy(&p->lock);
  pthread_mutex_destroy(&p->busy);
  free(p->workers);
  free(p);
}

int pool_threads(const pool *p)
{
  return p ? p->threads : 1;
}

void pool_expect(pool *p)
{
  if (!p)
    return;
  atomic_fetch_add(&p->hopes, 1);
  if (atomic_load(&p->sleepers) > 0)
    wake_sleepers(p);
}

void pool_rest(pool *p)
{
  if (p)
    atomic_fetch_sub(&p->hopes, 1);
}

/* ---- loops ---- */

/* Lets nobody else in, and waits for those who are still in their pieces. */
static void close_loop(pool *p)
{
  uint_fast64_t state = atomic_fetch_and(&p->state, ~(uint_fast64_t)OPEN);
  for (vigil v = {0}; state & INSIDE; state = atomic_load(&p->state)) {
    if (vigil_keep(&v, EXPECTING))
      continue;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->caller_sleeps, true);
    while (atomic_load(&p->state) & INSIDE)
      pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->lock);
  }
}

void pool_for(pool *p, size_t n, size_t grain, void (*work)(void *user, size_t begin, size_t end, int thread), void *user)
{
  if (n == 0)
    return;
  if (grain == 0)
    grain = 1;
  if (!p || p->threads == 1 || n <= grain || pthread_mutex_trylock(&p->busy) != 0) {
    work(user, 0, n, 0);
    return;
  }
  /* Four pieces a thread even out threads that the system held up, without many visits to the counter. */
  size_t piece = n / ((size_t)p->threads * 4);
  p->piece = piece < grain ? grain : piece;
  p->n = n;
  p->work = work;
  p->user = user;
  atomic_store_explicit(&p->caller_at, sched_getcpu(), memory_order_relaxed);
  atomic_store_explicit(&p->next, p->piece, memory_order_relaxed); /* the first piece is the caller's own */
  atomic_fetch_add(&p->state, ((uint_fast64_t)1 << LOOP_SHIFT) + OPEN);
  if (atomic_load(&p->sleepers) > 0)
    wake_sleepers(p);
  run_pieces(p, 0, 0);
  close_loop(p);
  pthread_mutex_unlock(&p->busy);
}
