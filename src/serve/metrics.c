/* What Prometheus reads. */
#include "serve/metrics.h"
#include "serve/engines.h"
#include "serve/routes.h"

#include "util/clock.h"
#include "util/error.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
static const unsigned statuses[] = {200, 204, 304, 400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 499, 500, 503};
enum { N_BOUNDS = sizeof bounds / sizeof *bounds, N_STATUSES = sizeof statuses / sizeof *statuses, MAX_ROUTES = 32, N_STAGES = 4 };
static const char *const stages[N_STAGES] = {"wait", "decode", "encode", "generate"};

typedef struct histogram {
  uint64_t counts[N_BOUNDS + 1];
  double sum;
} histogram;

struct metrics {
  pthread_mutex_t lock;
  uint64_t requests[MAX_ROUTES + 1][N_STATUSES + 1];
  histogram latency[MAX_ROUTES + 1];
  histogram stage[N_STAGES];
  uint64_t pictures_ok, pictures_failed, tokens, batches, received;
  double busy;
};

int metrics_new(metrics **out)
{
  if (!(*out = calloc(1, sizeof **out)))
    return error_nomem();
  pthread_mutex_init(&(*out)->lock, NULL);
  return 0;
}

void metrics_free(metrics *m)
{
  if (m)
    pthread_mutex_destroy(&m->lock);
  free(m);
}

static void observe(histogram *h, double seconds)
{
  int i = 0;
  while (i < N_BOUNDS && seconds > bounds[i])
    i++;
  h->counts[i]++;
  h->sum += seconds;
}

void metrics_request(metrics *m, const request *r, double seconds)
{
  size_t at = r->route ? route_index(r->route) : MAX_ROUTES;
  int status = 0;
  while (status < N_STATUSES && statuses[status] != r->status)
    status++;
  pthread_mutex_lock(&m->lock);
  m->requests[at][status]++;
  m->received += r->received;
  observe(&m->latency[at], seconds);
  pthread_mutex_unlock(&m->lock);
}

void metrics_picture(metrics *m, bool ok, size_t tokens, double wait, double decode, double encode, double generate)
{
  double seconds[N_STAGES] = {wait, decode, encode, generate};
  pthread_mutex_lock(&m->lock);
  m->pictures_ok += ok;
  m->pictures_failed += !ok;
  m->tokens += tokens;
  for (int i = 0; ok && i < N_STAGES; i++)
    observe(&m->stage[i], seconds[i]);
  pthread_mutex_unlock(&m->lock);
}

void metrics_batch(metrics *m, size_t pictures, double seconds)
{
  (void)pictures;
  pthread_mutex_lock(&m->lock);
  m->batches++;
  m->busy += seconds;
  pthread_mutex_unlock(&m->lock);
}

static void write_histogram(strbuf *b, const char *name, const char *labels, const histogram *h)
{
  uint64_t n = 0;
  for (int i = 0; i <= N_BOUNDS; i++) {
    n += h->counts[i];
    if (i < N_BOUNDS)
      strbuf_printf(b, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels, bounds[i], (unsigned long long)n);
    else
      strbuf_printf(b, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels, (unsigned long long)n);
  }
  strbuf_printf(b, "%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name, labels, h->sum, name, labels, (unsigned long long)n);
}

static void head(strbuf *b, const char *name, const char *type, const char *help)
{
  strbuf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(strbuf *b, const char *name, const char *type, const char *help, double value)
{
  head(b, name, type, help);
  strbuf_printf(b, "%s %.15g\n", name, value);
}

static void write_process(strbuf *b, const server *s)
{
  unsigned long long pages = 0, ignored = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f) {
    if (fscanf(f, "%llu %llu", &ignored, &pages) != 2)
      pages = 0;
    fclose(f);
  }
  struct timespec cpu;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  one(b, "process_resident_memory_bytes", "gauge", "Resident memory.", (double)pages * (double)sysconf(_SC_PAGESIZE));
  one(b, "process_cpu_seconds_total", "counter", "Processor time, user and system.", (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
  one(b, "process_uptime_seconds", "gauge", "Time since the start.", clock_seconds() - s->started);
}

static void write_requests(strbuf *b, const metrics *m)
{
  char labels[160];
  head(b, "opis_http_requests_total", "counter", "Requests answered, by route and status.");
  for (size_t i = 0; i <= MAX_ROUTES; i++)
    for (int k = 0; k <= N_STATUSES; k++)
      if (m->requests[i][k])
        strbuf_printf(b, "opis_http_requests_total{method=\"%s\",route=\"%s\",status=\"%u\"} %llu\n", i < route_count() ? route_table[i].method : "",
          i < route_count() ? route_table[i].path : "", k < N_STATUSES ? statuses[k] : 0, (unsigned long long)m->requests[i][k]);
  head(b, "opis_http_request_duration_seconds", "histogram", "From a request's headers to the end of its answer.");
  for (size_t i = 0; i <= MAX_ROUTES; i++) {
    const histogram *h = &m->latency[i];
    if (h->sum > 0) {
      snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\"", i < route_count() ? route_table[i].method : "", i < route_count() ? route_table[i].path : "");
      write_histogram(b, "opis_http_request_duration_seconds", labels, h);
    }
  }
}

int metrics_write(strbuf *b, server *s)
{
  metrics *m = s->metrics;
  char labels[64];
  pthread_mutex_lock(&m->lock);
  write_requests(b, m);
  head(b, "opis_picture_stage_seconds", "histogram", "What a picture spends in waiting, decoding, encoding (vision) and generating (text).");
  for (int i = 0; i < N_STAGES; i++) {
    snprintf(labels, sizeof labels, "stage=\"%s\"", stages[i]);
    write_histogram(b, "opis_picture_stage_seconds", labels, &m->stage[i]);
  }
  head(b, "opis_pictures_total", "counter", "Pictures, by outcome.");
  strbuf_printf(b, "opis_pictures_total{outcome=\"described\"} %llu\nopis_pictures_total{outcome=\"failed\"} %llu\n", (unsigned long long)m->pictures_ok,
    (unsigned long long)m->pictures_failed);
  one(b, "opis_tokens_total", "counter", "Tokens generated, of best candidates.", (double)m->tokens);
  one(b, "opis_batches_total", "counter", "Calls of a model, each with one picture or several.", (double)m->batches);
  one(b, "opis_busy_seconds_total", "counter", "Time in which models computed; its rate is the load of one model.", m->busy);
  one(b, "opis_received_bytes_total", "counter", "Bytes of request bodies.", (double)m->received);
  pthread_mutex_unlock(&m->lock);
  one(b, "opis_queue_places", "gauge", "Places of the queue (--queue).", s->options.queue);
  one(b, "opis_queue_taken", "gauge", "Pictures that wait or are worked on.", (double)engines_places_taken(s->engines));
  one(b, "opis_requests_open", "gauge", "Requests in hand.", atomic_load(&s->requests_open));
  one(b, "opis_body_bytes", "gauge", "Memory held by request bodies.", (double)atomic_load(&s->body_bytes));
  one(b, "opis_ready", "gauge", "1 when every model is loaded and warm.", atomic_load(&s->ready) && !atomic_load(&s->draining));
  head(b, "opis_model_load_seconds", "gauge", "How long a model took to load and warm up.");
  for (size_t i = 0; i < engines_count(s->engines); i++) {
    const engine *e = engines_at(s->engines, i);
    if (engine_loaded_in(e) > 0)
      strbuf_printf(b, "opis_model_load_seconds{model=\"%s\"} %.6f\n", engine_name(e), engine_loaded_in(e));
  }
  head(b, "opis_build_info", "gauge", "The version, as a label.");
  strbuf_printf(b, "opis_build_info{version=\"%s\",cpu=\"%s\"} 1\n", opis_version(), opis_cpu());
  write_process(b, s);
  return strbuf_check(b);
}
