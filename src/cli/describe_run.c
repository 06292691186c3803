/* The run: threads read and decode pictures ahead, the main thread describes them in order, several at once where they are ready. The number of pictures and bytes in flight is bounded. */
#include "cli/describe.h"

#include "cli/cli.h"
#include "engine/engine.h"
#include "image/image.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 2 * ENGINE_PICTURES };
static const size_t BYTES_IN_FLIGHT = (size_t)192 << 20; /* decoded pixels beyond which no further picture is begun */

typedef struct slot {
  bool ready;
  describe_input input;
  describe_loaded loaded;
} slot;

typedef struct state {
  describe_run *r;
  pthread_mutex_t source; /* held while the next input is taken, so that inputs are numbered in their order */
  pthread_mutex_t lock;   /* guards everything below */
  pthread_cond_t ready, space;
  slot slots[WINDOW];
  size_t batch;        /* how many are described together; twice as many are read ahead */
  uint64_t next, head; /* next: the number of the next input to begin; head: the oldest one not yet answered */
  size_t bytes;        /* of decoded pictures in flight */
  int readers;         /* threads still at work */
  int source_code;     /* why the list of inputs ended early */
  bool ended, stop;
} state;

static size_t image_bytes(const opis_image *image)
{
  return image ? (size_t)opis_image_width(image) * (size_t)opis_image_height(image) * 3 : 0;
}

static void keep_error(slot *s, int code)
{
  s->loaded.code = code;
  s->loaded.message = strdup(opis_error_message());
}

static void load_standard_input(slot *s, const opis_image_options *options)
{
  double started = clock_seconds();
  char *bytes;
  size_t size;
  int code = file_read_fd(&bytes, &size, STDIN_FILENO, "standard input", options->max_bytes ? options->max_bytes : OPIS_MAX_BYTES_DEFAULT);
  if (code == 0) {
    code = opis_image_open_memory(&s->loaded.image, bytes, size, options);
    if (code < 0)
      error_prefix(code, "standard input");
    free(bytes);
  }
  if (code < 0) {
    s->loaded.image = NULL;
    keep_error(s, code);
  }
  s->loaded.decode_ms = (clock_seconds() - started) * 1e3;
}

static void load(slot *s, const describe_run *r)
{
  const char *path = s->input.path;
  if (strcmp(path, "-") == 0)
    load_standard_input(s, &r->options->image);
  else if (!describe_ahead_take(r->ahead, &s->loaded, path))
    describe_load(&s->loaded, path, &r->options->image);
}

/* Takes the next input that needs work into a slot of its own; NULL at the end. */
static slot *take(state *t)
{
  describe_run *r = t->r;
  slot *s = NULL;
  pthread_mutex_lock(&t->source);
  for (;;) {
    pthread_mutex_lock(&t->lock);
    while (!t->stop && !t->ended && (t->next - t->head >= 2 * t->batch || (t->bytes > BYTES_IN_FLIGHT && t->next > t->head)))
      pthread_cond_wait(&t->space, &t->lock);
    bool over = t->stop || t->ended;
    pthread_mutex_unlock(&t->lock);
    describe_input input;
    int code = over ? 0 : describe_inputs_next(r->inputs, &input);
    if (code <= 0) {
      pthread_mutex_lock(&t->lock);
      t->ended = true;
      if (code < 0 && !cli_interrupted() && t->source_code == 0) {
        t->source_code = code;
        cli_error("%s", opis_error_message());
      }
      pthread_mutex_unlock(&t->lock);
      break;
    }
    bool no_picture = !input.named && image_sniff_file(input.path) == IMAGE_UNKNOWN;
    int skips = no_picture ? 1 : describe_output_skips(r->output, input.path);
    pthread_mutex_lock(&t->lock);
    if (skips > 0) {
      ++*(no_picture ? &r->skipped : &r->left_alone);
      pthread_mutex_unlock(&t->lock);
      free(input.path);
      continue;
    }
    s = &t->slots[t->next++ % WINDOW];
    *s = (slot){.input = input};
    if (skips < 0)
      keep_error(s, skips);
    pthread_mutex_unlock(&t->lock);
    break;
  }
  pthread_mutex_unlock(&t->source);
  return s;
}

static void *reader(void *user)
{
  state *t = user;
  for (slot *s; (s = take(t));) {
    if (s->loaded.code == 0)
      load(s, t->r);
    pthread_mutex_lock(&t->lock);
    t->bytes += image_bytes(s->loaded.image);
    s->ready = true;
    pthread_cond_signal(&t->ready);
    pthread_mutex_unlock(&t->lock);
  }
  pthread_mutex_lock(&t->lock);
  t->readers--;
  pthread_cond_signal(&t->ready);
  pthread_cond_broadcast(&t->space);
  pthread_mutex_unlock(&t->lock);
  return NULL;
}

/* Waits until the oldest input is loaded and returns how many are, one after the other, up to a batch; 0: there are no more, or Ctrl-C. */
static size_t wait_for_batch(state *t)
{
  size_t n = 0;
  pthread_mutex_lock(&t->lock);
  for (;;) {
    while (n < t->batch && t->head + n < t->next && t->slots[(t->head + n) % WINDOW].ready)
      n++;
    if (n > 0 || (t->head == t->next && t->readers == 0) || cli_interrupted())
      break;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 50000000; /* so that Ctrl-C is seen whatever the readers wait for */
    if (until.tv_nsec >= 1000000000) {
      until.tv_sec++;
      until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&t->ready, &t->lock, &until);
  }
  pthread_mutex_unlock(&t->lock);
  return cli_interrupted() ? 0 : n;
}

/* Describes the loaded pictures among n slots: together, and one by one where that fails, so that each has its own answer. */
static int describe_batch(state *t, slot **slots, size_t n, opis_description **d)
{
  const opis_image *images[ENGINE_PICTURES];
  opis_description *together[ENGINE_PICTURES];
  size_t at[ENGINE_PICTURES], k = 0;
  for (size_t i = 0; i < n; i++) {
    d[i] = NULL;
    if (slots[i]->loaded.image) {
      images[k] = slots[i]->loaded.image;
      at[k++] = i;
    }
  }
  if (k > 1 && opis_describe_images(together, t->r->model, images, k, t->r->options) == 0) {
    for (size_t i = 0; i < k; i++)
      d[at[i]] = together[i];
    return 0;
  }
  for (size_t i = 0; i < k; i++) {
    if (cli_interrupted())
      return OPIS_ECANCELLED;
    int code = opis_describe_image(&d[at[i]], t->r->model, images[i], t->r->options);
    if (code == OPIS_ECANCELLED)
      return code;
    if (code < 0) {
      const char *path = slots[at[i]]->input.path;
      d[at[i]] = NULL;
      keep_error(slots[at[i]], error_prefix(code, "%s", strcmp(path, "-") == 0 ? "standard input" : path));
    }
  }
  return 0;
}

static int answer(state *t, slot *s, const opis_description *d, cli_progress *progress)
{
  describe_run *r = t->r;
  int code = 0;
  if (d && r->dump) {
    code = describe_dump_add(r->dump, r->model, s->loaded.image);
    if (code < 0)
      return code;
  }
  describe_answer a = {s->input.path, d, s->loaded.code, s->loaded.message ? s->loaded.message : "out of memory", s->loaded.decode_ms};
  code = describe_output_write(r->output, &a);
  if (code < 0)
    return code;
  if (d)
    r->done++;
  else {
    r->failed++;
    cli_progress_clear(progress);
    cli_error("%s", a.message);
  }
  cli_progress_update(progress, r->done, r->failed);
  return 0;
}

static void release(state *t, slot *s)
{
  pthread_mutex_lock(&t->lock);
  t->bytes -= image_bytes(s->loaded.image);
  opis_image_free(s->loaded.image);
  free(s->input.path);
  free(s->loaded.message);
  *s = (slot){0};
  t->head++;
  pthread_cond_broadcast(&t->space);
  pthread_mutex_unlock(&t->lock);
}

static int describe_all(state *t, cli_progress *progress)
{
  int code = 0;
  for (size_t n; code == 0 && (n = wait_for_batch(t)) > 0;) {
    slot *slots[ENGINE_PICTURES];
    opis_description *d[ENGINE_PICTURES];
    for (size_t i = 0; i < n; i++)
      slots[i] = &t->slots[(t->head + i) % WINDOW];
    code = describe_batch(t, slots, n, d);
    for (size_t i = 0; i < n; i++) {
      if (code == 0)
        code = answer(t, slots[i], d[i], progress);
      opis_description_free(d[i]);
      release(t, slots[i]);
    }
  }
  return cli_interrupted() ? OPIS_ECANCELLED : code;
}

/* Tells the readers to stop and waits for them. One that hangs in a read (a pipe, a dead network disk) is woken by a signal; false when even that does not help. */
static bool stop_readers(state *t, pthread_t *threads, int n)
{
  pthread_mutex_lock(&t->lock);
  t->stop = true;
  pthread_cond_broadcast(&t->space);
  pthread_mutex_unlock(&t->lock);
  for (int i = 0; i < n; i++)
    for (int tries = 0;; tries++) {
      struct timespec until;
      clock_gettime(CLOCK_REALTIME, &until);
      until.tv_nsec += 20000000;
      if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
      }
      if (pthread_timedjoin_np(threads[i], NULL, &until) == 0)
        break;
      if (cli_interrupted()) {
        pthread_kill(threads[i], SIGURG);
        if (tries > 100)
          return false;
      }
    }
  return true;
}

/* Starts the threads that read; none where the only picture was read ahead, and nothing is left that could wait. */
static int start_readers(state *t, pthread_t *threads, int *started)
{
  const describe_run *r = t->r;
  t->readers = r->jobs;
  *started = 0;
  if (describe_ahead_is_ready(r->ahead)) {
    reader(t);
    return 0;
  }
  while (*started < r->jobs && pthread_create(&threads[*started], NULL, reader, t) == 0)
    ++*started;
  pthread_mutex_lock(&t->lock);
  t->readers -= r->jobs - *started;
  pthread_mutex_unlock(&t->lock);
  return *started ? 0 : error_set(OPIS_ENOMEM, "cannot start a thread");
}

static void on_wake(int number)
{
  (void)number;
}

int describe_run_all(describe_run *r)
{
  state *t = calloc(1, sizeof *t);
  pthread_t *threads = calloc((size_t)r->jobs, sizeof *threads);
  pthread_condattr_t monotonic;
  struct sigaction wake = {.sa_handler = on_wake};
  int started, code;
  if (!t || !threads) {
    free(t);
    free(threads);
    return error_nomem();
  }
  sigaction(SIGURG, &wake, NULL); /* its only use is to break off a read */
  t->r = r;
  t->batch = engine_pictures(r->model);
  pthread_mutex_init(&t->source, NULL);
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->space, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&t->ready, &monotonic);
  pthread_condattr_destroy(&monotonic);
  code = start_readers(t, threads, &started);
  cli_progress *progress = cli_progress_new("describe", r->total, false);
  if (code == 0)
    code = describe_all(t, progress);
  cli_progress_free(progress);
  if (!stop_readers(t, threads, started)) /* the system holds a thread: nothing of ours may be freed under it */
    _exit(CLI_INTERRUPTED);
  if (code == 0)
    code = t->source_code;
  while (t->head < t->next)
    release(t, &t->slots[t->head % WINDOW]);
  pthread_cond_destroy(&t->ready);
  pthread_cond_destroy(&t->space);
  pthread_mutex_destroy(&t->lock);
  pthread_mutex_destroy(&t->source);
  free(threads);
  free(t);
  return code;
}
