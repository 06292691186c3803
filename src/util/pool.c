#include "util/pool.h"

#include "util/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SPINS = 2000 }; /* about 20 to 50 microseconds of pauses */

struct pool {
  int threads;          /* workers + 1 */
  pthread_t *workers;   /* [threads - 1] */
  pthread_mutex_t busy; /* held by the caller whose loop runs */
  pthread_mutex_t lock; /* guards sleeping and waking */
  pthread_cond_t wake, done;
  atomic_uint generation; /* grows by one with every loop, and at the end */
  atomic_int working;     /* workers that have not yet left the present loop */
  bool stop;
  /* the present loop */
  void (*work)(void *, size_t, size_t, int);
  void *user;
  size_t n, piece;
  atomic_size_t next;
};

typedef struct start {
  pool *p;
  int thread;
} start;

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void run_pieces(pool *p, int thread)
{
  for (;;) {
    size_t begin = atomic_fetch_add_explicit(&p->next, p->piece, memory_order_relaxed);
    if (begin >= p->n)
      return;
    size_t end = p->n - begin < p->piece ? p->n : begin + p->piece;
    p->work(p->user, begin, end, thread);
  }
}

static void *worker(void *argument)
{
  start s = *(start *)argument;
  free(argument);
  pool *p = s.p;
  unsigned seen = 0;
  for (;;) {
    for (int i = 0; i < SPINS && atomic_load_explicit(&p->generation, memory_order_acquire) == seen; i++)
      pause_briefly();
    if (atomic_load_explicit(&p->generation, memory_order_acquire) == seen) {
      pthread_mutex_lock(&p->lock);
      while (atomic_load_explicit(&p->generation, memory_order_acquire) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
      pthread_mutex_unlock(&p->lock);
    }
    seen++;
    if (p->stop)
      return NULL;
    run_pieces(p, s.thread);
    if (atomic_fetch_sub_explicit(&p->working, 1, memory_order_acq_rel) == 1) {
      pthread_mutex_lock(&p->lock);
      pthread_cond_signal(&p->done);
      pthread_mutex_unlock(&p->lock);
    }
  }
}

/* Starts the next generation: workers that spin see it, those that sleep are woken. */
static void announce(pool *p)
{
  pthread_mutex_lock(&p->lock);
  atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
  pthread_cond_broadcast(&p->wake);
  pthread_mutex_unlock(&p->lock);
}

int pool_new(pool **out, int threads)
{
  *out = NULL;
  if (threads < 1 || threads > 1024)
    return error_set(OPIS_EINVALID, "threads: %d is outside 1..1024", threads);
  pool *p = calloc(1, sizeof *p);
  if (!p)
    return error_nomem();
  p->workers = calloc((size_t)threads, sizeof *p->workers);
  if (!p->workers) {
    free(p);
    return error_nomem();
  }
  pthread_mutex_init(&p->busy, NULL);
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->wake, NULL);
  pthread_cond_init(&p->done, NULL);
  p->threads = 1;
  for (int i = 1; i < threads; i++) {
    start *s = malloc(sizeof *s);
    if (s)
      *s = (start){p, i};
    if (!s || pthread_create(&p->workers[i - 1], NULL, worker, s) != 0) {
      free(s);
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
  p->stop = true;
  announce(p);
  for (int i = 0; i < p->threads - 1; i++)
    pthread_join(p->workers[i], NULL);
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
  atomic_store_explicit(&p->next, 0, memory_order_relaxed);
  atomic_store_explicit(&p->working, p->threads - 1, memory_order_relaxed);
  announce(p);
  run_pieces(p, 0);
  for (int i = 0; i < SPINS && atomic_load_explicit(&p->working, memory_order_acquire) > 0; i++)
    pause_briefly();
  if (atomic_load_explicit(&p->working, memory_order_acquire) > 0) {
    pthread_mutex_lock(&p->lock);
    while (atomic_load_explicit(&p->working, memory_order_acquire) > 0)
      pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
  }
  pthread_mutex_unlock(&p->busy);
}
