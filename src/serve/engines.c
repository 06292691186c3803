/* Describing what waits. Each model has one thread, which takes the oldest picture and with it those that wait with the same options, and describes them in one call. */
#include "serve/engines.h"
#include "serve/job.h"
#include "serve/metrics.h"

#include "util/clock.h"
#include "util/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 8, MAX_AHEAD = 3 * MAX_BATCH };
#define AHEAD_BYTES (UINT64_C(256) << 20) /* of decoded pixels that wait */

typedef struct share {
  char client[64];
  size_t taken;
  struct share *next;
} share;

struct engine {
  engines *all;
  const char *wanted; /* -m's MODEL; NULL: the default */
  char name[300], sha256[65];
  opis_model *model;
  double loaded_in;
  picture *first, **last;
  pthread_cond_t more;
  pthread_t thread;
  bool running;
};

struct engines {
  server *s;
  pthread_mutex_t lock;
  pthread_cond_t room;
  size_t taken, decoded;
  uint64_t decoded_bytes;
  share *shares;
  atomic_bool cancel, stop; /* cancel: nothing more is described; stop: threads end when their queues are empty */
  size_t loaded, n;
  engine list[];
};

int engines_new(engines **out, server *s)
{
  size_t n = s->options.n_models ? (size_t)s->options.n_models : 1;
  engines *e = calloc(1, sizeof *e + n * sizeof e->list[0]);
  if (!e)
    return error_nomem();
  e->s = s;
  e->n = n;
  pthread_mutex_init(&e->lock, NULL);
  pthread_cond_init(&e->room, NULL);
  for (size_t i = 0; i < n; i++) {
    e->list[i] = (engine){.all = e, .wanted = s->options.n_models ? s->options.models[i] : NULL};
    e->list[i].last = &e->list[i].first;
    pthread_cond_init(&e->list[i].more, NULL);
  }
  *out = e;
  return 0;
}

void engines_free(engines *e)
{
  if (!e)
    return;
  for (size_t i = 0; i < e->n; i++) {
    opis_model_free(e->list[i].model);
    pthread_cond_destroy(&e->list[i].more);
  }
  for (share *s = e->shares, *next; s; s = next) {
    next = s->next;
    free(s);
  }
  pthread_mutex_destroy(&e->lock);
  pthread_cond_destroy(&e->room);
  free(e);
}

size_t engines_count(const engines *e)
{
  return e->n;
}

engine *engines_at(const engines *e, size_t i)
{
  return (engine *)(uintptr_t)&e->list[i];
}

engine *engines_find(const engines *e, const char *name)
{
  for (size_t i = 0; i < e->n; i++)
    if (!name || strcmp(e->list[i].name, name) == 0 || (e->list[i].wanted && strcmp(e->list[i].wanted, name) == 0))
      return engines_at(e, i);
  return NULL;
}

const char *engine_name(const engine *e)
{
  return e->name;
}

opis_model *engine_model(const engine *e)
{
  return e->model;
}

const char *engine_sha256(const engine *e)
{
  return e->sha256;
}

double engine_loaded_in(const engine *e)
{
  return e->loaded_in;
}

/* Places */

static share **find_share(engines *e, const char *client)
{
  share **s = &e->shares;
  while (*s && strcmp((*s)->client, client) != 0)
    s = &(*s)->next;
  return s;
}

/* A client may take three quarters of the queue: however many requests it has, another's first one finds a place. */
static size_t share_of(const engines *e)
{
  size_t queue = (size_t)e->s->options.queue;
  return queue - queue / 4;
}

static int reserve(engines *e, const char *client, size_t n, bool only_look)
{
  size_t queue = (size_t)e->s->options.queue;
  if (n > share_of(e))
    return error_set(OPIS_EINVALID, "%zu pictures in one request, and at most %zu fit (--queue)", n, share_of(e));
  share **at = find_share(e, client);
  if (e->taken + n > queue)
    return error_set(OPIS_EBUSY, "the queue is full");
  if (*at && (*at)->taken + n > share_of(e))
    return error_set(OPIS_ELIMIT, "this client has its share of the queue");
  if (only_look)
    return 0;
  if (!*at) {
    if (!(*at = calloc(1, sizeof **at)))
      return error_nomem();
    strncpy((*at)->client, client, sizeof(*at)->client - 1);
  }
  (*at)->taken += n;
  e->taken += n;
  return 0;
}

int engines_reserve(engines *e, const char *client, size_t n)
{
  pthread_mutex_lock(&e->lock);
  int status = reserve(e, client, n, false);
  pthread_mutex_unlock(&e->lock);
  return status;
}

bool engines_full(engines *e, const char *client, int *code)
{
  pthread_mutex_lock(&e->lock);
  *code = reserve(e, client, 1, true);
  pthread_mutex_unlock(&e->lock);
  return *code < 0;
}

void engines_give_back(engines *e, const char *client, size_t n)
{
  pthread_mutex_lock(&e->lock);
  share **at = find_share(e, client), *s = *at;
  e->taken -= n;
  if (s && (s->taken -= n) == 0) {
    *at = s->next;
    free(s);
  }
  pthread_mutex_unlock(&e->lock);
}

size_t engines_places_taken(engines *e)
{
  pthread_mutex_lock(&e->lock);
  size_t n = e->taken;
  pthread_mutex_unlock(&e->lock);
  return n;
}

/* Pixels that wait */

static uint64_t pixels_of(const picture *p)
{
  return p->image ? 3 * (uint64_t)opis_image_width(p->image) * (uint64_t)opis_image_height(p->image) : 0;
}

void engines_wait_for_room(engines *e)
{
  pthread_mutex_lock(&e->lock);
  while ((e->decoded >= MAX_AHEAD || e->decoded_bytes >= AHEAD_BYTES) && !atomic_load(&e->cancel))
    pthread_cond_wait(&e->room, &e->lock);
  pthread_mutex_unlock(&e->lock);
}

static void forget_pixels(engines *e, picture *p)
{
  pthread_mutex_lock(&e->lock);
  e->decoded--;
  e->decoded_bytes -= pixels_of(p);
  pthread_cond_broadcast(&e->room);
  pthread_mutex_unlock(&e->lock);
  opis_image_free(p->image);
  p->image = NULL;
}

void engine_submit(engine *e, picture *p)
{
  pthread_mutex_lock(&e->all->lock);
  e->all->decoded++;
  e->all->decoded_bytes += pixels_of(p);
  p->next = NULL;
  *e->last = p;
  e->last = &p->next;
  pthread_cond_signal(&e->more);
  pthread_mutex_unlock(&e->all->lock);
}

/* Batches */

typedef struct batch {
  engine *e;
  picture *pictures[MAX_BATCH];
  size_t n;
  double deadline; /* the latest of its pictures' */
} batch;

static bool same_double(double a, double b)
{
  return a == b || (isnan(a) && isnan(b));
}

static bool same_options(const params *a, const params *b)
{
  const opis_options *x = &a->options, *y = &b->options;
  return x->beams == y->beams && x->max_length == y->max_length && x->min_length == y->min_length && same_double(x->length_penalty, y->length_penalty) &&
    x->early_stopping == y->early_stopping && x->no_repeat_ngram == y->no_repeat_ngram && same_double(x->repetition_penalty, y->repetition_penalty) &&
    x->candidates == y->candidates && x->attention == y->attention && strcmp(x->prompt ? x->prompt : "", y->prompt ? y->prompt : "") == 0;
}

/* With the lock held: takes the oldest and its like out of the queue. */
static void take(batch *b, engine *e)
{
  *b = (batch){.e = e};
  for (picture **at = &e->first; *at && b->n < MAX_BATCH;) {
    picture *p = *at;
    if (b->n == 0 || same_options(&b->pictures[0]->job->params, &p->job->params)) {
      b->pictures[b->n++] = p;
      if (p->job->deadline > b->deadline)
        b->deadline = p->job->deadline;
      *at = p->next;
      if (!p->next)
        e->last = at;
    } else
      at = &p->next;
  }
}

/* Nobody waits for it any more. */
static int batch_cancelled(void *user)
{
  const batch *b = user;
  if (atomic_load(&b->e->all->cancel))
    return 1;
  for (size_t i = 0; i < b->n; i++)
    if (!atomic_load(&b->pictures[i]->job->cancelled))
      return 0;
  return 1;
}

static void batch_partial(void *user, size_t index, const char *text)
{
  const batch *b = user;
  picture *p = b->pictures[index];
  if (p->job->partial && !atomic_load(&p->job->cancelled))
    p->job->partial(p->job, p, text);
}

static void batch_settled(void *user, size_t index, const char *text)
{
  const batch *b = user;
  picture *p = b->pictures[index];
  if (p->job->settled && !atomic_load(&p->job->cancelled))
    p->job->settled(p->job, p, text);
}

static bool any_settled(const batch *b)
{
  for (size_t i = 0; i < b->n; i++)
    if (b->pictures[i]->job->settled)
      return true;
  return false;
}

static bool any_partial(const batch *b)
{
  for (size_t i = 0; i < b->n; i++)
    if (b->pictures[i]->job->partial)
      return true;
  return false;
}

static void finish(batch *b, picture *p, const opis_description *d, double began)
{
  const job *j = p->job;
  opis_timing t = opis_description_timing(d);
  size_t row = 0;
  opis_description_candidate_tokens(d, 0, &row);
  p->tokens = row ? row - 1 : 0;
  p->result = description_json(p, b->e, d, j->params.options.attention != 0);
  metrics_picture(b->e->all->s->metrics, p->result != NULL, p->tokens, began - j->request->started, p->decode_ms / 1e3, t.encode / 1e3, t.generate / 1e3);
  forget_pixels(b->e->all, p);
  if (!p->result)
    picture_fail(p, OPIS_ENOMEM, "out of memory");
  picture_done(p);
}

static void fail(batch *b, picture *p, int code, const char *message)
{
  forget_pixels(b->e->all, p);
  picture_fail(p, code, message);
  picture_done(p);
}

static void describe(batch *b)
{
  const opis_image *images[MAX_BATCH];
  opis_description *descriptions[MAX_BATCH] = {NULL};
  double began = clock_seconds();
  opis_options options = b->pictures[0]->job->params.options;
  options.cancelled = batch_cancelled;
  options.partial = any_partial(b) ? batch_partial : NULL; /* texts that nobody reads are not made */
  options.settled = any_settled(b) ? batch_settled : NULL;
  options.user = b;
  options.timeout = fmax(b->deadline - began, 0.001);
  for (size_t i = 0; i < b->n; i++)
    images[i] = b->pictures[i]->image;
  int status = opis_describe_images(descriptions, b->e->model, images, b->n, &options);
  metrics_batch(b->e->all->s->metrics, b->n, clock_seconds() - began);
  if (status == 0)
    for (size_t i = 0; i < b->n; i++) {
      finish(b, b->pictures[i], descriptions[i], began);
      opis_description_free(descriptions[i]);
    }
  else if (b->n > 1 && status != OPIS_ECANCELLED && status != OPIS_ETIMEOUT)
    for (size_t i = 0; i < b->n; i++) { /* one of them may have spoilt it for the others */
      batch alone = {.e = b->e, .pictures = {b->pictures[i]}, .n = 1, .deadline = b->pictures[i]->job->deadline};
      describe(&alone);
    }
  else {
    char message[1024];
    snprintf(message, sizeof message, "%s", status == OPIS_ETIMEOUT ? "the picture took longer than the server's time limit" : opis_error_message());
    for (size_t i = 0; i < b->n; i++)
      fail(b, b->pictures[i], status, message);
  }
}

/* What nobody waits for any more is not begun. */
static void drop_late(batch *b)
{
  size_t kept = 0;
  double now = clock_seconds();
  for (size_t i = 0; i < b->n; i++) {
    picture *p = b->pictures[i];
    if (atomic_load(&b->e->all->cancel) || atomic_load(&p->job->cancelled))
      fail(b, p, OPIS_ECANCELLED, "cancelled");
    else if (now > p->job->deadline)
      fail(b, p, OPIS_ETIMEOUT, "waited longer than the server's time limit");
    else
      b->pictures[kept++] = p;
  }
  b->n = kept;
}

/* A first picture touches every weight, so that the first user does not wait for the disk. */
static int warm_up(const engine *e)
{
  static const uint8_t grey[3] = {128, 128, 128};
  opis_image *image;
  opis_description *d = NULL;
  opis_options o = OPIS_OPTIONS_INIT;
  o.beams = 4;
  o.max_length = 8;
  int status = opis_image_from_pixels(&image, grey, 1, 1, 3, 0);
  if (status < 0)
    return status;
  status = opis_describe_image(&d, e->model, image, &o);
  opis_description_free(d);
  opis_image_free(image);
  return status;
}

static int load(engine *e)
{
  opis_model_options o = OPIS_MODEL_OPTIONS_INIT;
  double began = clock_seconds();
  o.threads = e->all->s->options.threads;
  int status = opis_model_open(&e->model, e->wanted, &o);
  if (status < 0)
    return status;
  snprintf(e->name, sizeof e->name, "%s", opis_model_name(e->model));
  snprintf(e->sha256, sizeof e->sha256, "%s", opis_model_sha256(e->model));
  if ((status = warm_up(e)) < 0)
    return error_prefix(status, "%s", e->name);
  e->loaded_in = clock_seconds() - began;
  return 0;
}

static void *run(void *user)
{
  engine *e = user;
  engines *all = e->all;
  batch b;
  int status = load(e);
  pthread_mutex_lock(&all->lock);
  if (status < 0) {
    if (!atomic_load(&all->s->failed))
      snprintf(all->s->failure, sizeof all->s->failure, "%s", opis_error_message());
    atomic_store(&all->s->failed, true);
    pthread_mutex_unlock(&all->lock);
    return NULL;
  }
  if (++all->loaded == all->n)
    atomic_store(&all->s->ready, true);
  for (;;) {
    while (!e->first && !atomic_load(&all->stop))
      pthread_cond_wait(&e->more, &all->lock);
    if (!e->first)
      break;
    take(&b, e);
    pthread_mutex_unlock(&all->lock);
    drop_late(&b);
    if (b.n)
      describe(&b);
    pthread_mutex_lock(&all->lock);
  }
  pthread_mutex_unlock(&all->lock);
  return NULL;
}

int engines_start(engines *e)
{
  for (size_t i = 0; i < e->n; i++) {
    if (pthread_create(&e->list[i].thread, NULL, run, &e->list[i]) != 0)
      return error_set(OPIS_ENOMEM, "a thread cannot be started");
    e->list[i].running = true;
  }
  return 0;
}

void engines_cancel_all(engines *e)
{
  pthread_mutex_lock(&e->lock);
  atomic_store(&e->cancel, true);
  pthread_cond_broadcast(&e->room);
  pthread_mutex_unlock(&e->lock);
}

void engines_stop(engines *e)
{
  engines_cancel_all(e);
  pthread_mutex_lock(&e->lock);
  atomic_store(&e->stop, true);
  for (size_t i = 0; i < e->n; i++)
    pthread_cond_broadcast(&e->list[i].more);
  pthread_mutex_unlock(&e->lock);
  for (size_t i = 0; i < e->n; i++)
    if (e->list[i].running)
      pthread_join(e->list[i].thread, NULL);
}
