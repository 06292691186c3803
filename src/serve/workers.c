/* A plain queue of work and its threads. */
#include "serve/workers.h"

#include "util/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct item {
  void (*work)(void *user);
  void *user;
  struct item *next;
} item;

struct workers {
  pthread_mutex_t lock;
  pthread_cond_t more;
  item *first, **last;
  bool stop;
  int n;
  pthread_t threads[];
};

static void *run(void *user)
{
  workers *w = user;
  pthread_mutex_lock(&w->lock);
  for (;;) {
    while (!w->first && !w->stop)
      pthread_cond_wait(&w->more, &w->lock);
    item *i = w->first;
    if (!i)
      break;
    if (!(w->first = i->next))
      w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    i->work(i->user);
    free(i);
    pthread_mutex_lock(&w->lock);
  }
  pthread_mutex_unlock(&w->lock);
  return NULL;
}

int workers_new(workers **out, int threads)
{
  workers *w = calloc(1, sizeof *w + (size_t)threads * sizeof w->threads[0]);
  if (!w)
    return error_nomem();
  pthread_mutex_init(&w->lock, NULL);
  pthread_cond_init(&w->more, NULL);
  w->last = &w->first;
  for (; w->n < threads; w->n++)
    if (pthread_create(&w->threads[w->n], NULL, run, w) != 0) {
      workers_free(w);
      return error_set(OPIS_ENOMEM, "a thread cannot be started");
    }
  *out = w;
  return 0;
}

int workers_submit(workers *w, void (*work)(void *user), void *user)
{
  item *i = malloc(sizeof *i);
  if (!i)
    return error_nomem();
  *i = (item){work, user, NULL};
  pthread_mutex_lock(&w->lock);
  *w->last = i;
  w->last = &i->next;
  pthread_cond_signal(&w->more);
  pthread_mutex_unlock(&w->lock);
  return 0;
}

void workers_free(workers *w)
{
  if (!w)
    return;
  pthread_mutex_lock(&w->lock);
  w->stop = true;
  pthread_cond_broadcast(&w->more);
  pthread_mutex_unlock(&w->lock);
  for (int i = 0; i < w->n; i++)
    pthread_join(w->threads[i], NULL);
  pthread_mutex_destroy(&w->lock);
  pthread_cond_destroy(&w->more);
  free(w);
}
