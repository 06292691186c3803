/* A request's pictures: places in the queue, decoding, and what happens when the last one is done. */
#include "serve/job.h"

#include "serve/fetch.h"
#include "serve/metrics.h"
#include "serve/workers.h"

#include "util/clock.h"
#include "util/error.h"

#include <stdlib.h>
#include <string.h>

static const char *client_of(const request *r)
{
  return r->owner[0] ? r->owner : r->client;
}

job *job_new(request *r, size_t n)
{
  job *j = calloc(1, sizeof *j);
  if (!j)
    return NULL;
  if (!(j->pictures = calloc(n, sizeof *j->pictures))) {
    free(j);
    return NULL;
  }
  for (size_t i = 0; i < n; i++)
    j->pictures[i] = (picture){.job = j, .index = i};
  j->n = n;
  j->s = r->s;
  j->request = r;
  params_init(&j->params);
  request_hold(r);
  return j;
}

void job_free(job *j)
{
  if (!j)
    return;
  for (size_t i = 0; i < j->n; i++) {
    picture *p = &j->pictures[i];
    opis_image_free(p->image);
    json_decref(p->result);
    free(p->name);
    free(p->owned);
    free(p->url);
    free(p->message);
  }
  free(j->pictures);
  params_free(&j->params);
  free(j->user);
  free(j->sent);
  request_release(j->request);
  free(j);
}

void picture_fail(picture *p, int code, const char *message)
{
  p->error = code;
  free(p->message);
  p->message = strdup(message);
  metrics_picture(p->job->s->metrics, false, 0, 0, 0, 0, 0);
}

void picture_done(picture *p)
{
  job *j = p->job;
  if (j->done_one)
    j->done_one(j, p);
  engines_give_back(j->s->engines, client_of(j->request), 1);
  if (atomic_fetch_sub(&j->left, 1) != 1)
    return;
  request_on_gone(j->request, NULL, NULL);
  j->done(j);
  job_free(j);
}

static void fail(picture *p, int code)
{
  char message[1024];
  snprintf(message, sizeof message, "%s", opis_error_message());
  picture_fail(p, code, message);
  picture_done(p);
}

/* On a worker: bytes to pixels. */
static void prepare(void *user)
{
  picture *p = user;
  job *j = p->job;
  opis_image_options o = j->params.options.image;
  if (p->url && !atomic_load(&j->cancelled)) {
    char *bytes;
    int status = fetch_picture(&bytes, &p->size, p->url, j->s->options.max_upload, &j->cancelled);
    if (status < 0) {
      fail(p, status);
      return;
    }
    p->bytes = p->owned = bytes;
  }
  engines_wait_for_room(j->s->engines);
  if (atomic_load(&j->cancelled)) {
    fail(p, error_set(OPIS_ECANCELLED, "cancelled"));
    return;
  }
  double began = clock_seconds();
  o.max_bytes = j->s->options.max_upload;
  o.max_pixels = j->s->options.max_pixels;
  int status = opis_image_open_memory(&p->image, p->bytes, p->size, &o);
  p->decode_ms = (clock_seconds() - began) * 1e3;
  free(p->owned);
  p->owned = NULL;
  p->bytes = NULL;
  if (status < 0)
    fail(p, status);
  else
    engine_submit(j->engine, p);
}

static void client_gone(void *user)
{
  job *j = user;
  atomic_store(&j->cancelled, true);
}

void job_start(job *j)
{
  request *r = j->request;
  reply out;
  int status = engines_reserve(j->s->engines, client_of(r), j->n);
  if (status < 0) {
    if (status == OPIS_EINVALID)
      reply_error(&out, r, 413, OPIS_ELIMIT, "%s", opis_error_message());
    else
      reply_error(&out, r, status == OPIS_ELIMIT ? 429 : 503, OPIS_EBUSY, "%s", opis_error_message());
    request_answer(r, &out);
    job_free(j);
    return;
  }
  r->pictures = (int)j->n;
  atomic_store(&j->left, j->n);
  j->deadline = clock_seconds() + j->s->options.timeout;
  request_on_gone(r, client_gone, j);
  size_t n = j->n; /* the job may be gone behind the last one */
  for (size_t i = 0; i < n; i++)
    if (workers_submit(j->s->workers, prepare, &j->pictures[i]) < 0)
      fail(&j->pictures[i], OPIS_ENOMEM);
}

static json_t *texts(const opis_description *d)
{
  json_t *list = json_array();
  for (size_t i = 0; i < opis_description_candidates(d); i++) {
    size_t n;
    const int32_t *tokens = opis_description_candidate_tokens(d, i, &n);
    json_t *ids = json_array();
    for (size_t t = 0; t < n; t++)
      json_array_append_new(ids, json_integer(tokens[t]));
    json_array_append_new(list, json_pack("{s:s, s:f, s:o}", "description", opis_description_candidate_text(d, i), "score", opis_description_candidate_score(d, i), "tokens", ids));
  }
  return list;
}

/* {"width", "height", "tokens": [{"text", "weights": [height x width] or null}, …]}, one entry a token of the best row. */
static json_t *attention_json(const opis_description *d)
{
  size_t n;
  int width = 0, height = 0;
  opis_description_candidate_tokens(d, 0, &n);
  json_t *list = json_array();
  for (size_t t = 0; t < n; t++) {
    int w, h;
    const float *weights = opis_description_attention(d, 0, t, &w, &h);
    json_t *numbers = weights ? json_array() : json_null();
    if (weights) {
      width = w;
      height = h;
      for (int i = 0; i < w * h; i++)
        json_array_append_new(numbers, json_real((double)(long long)((double)weights[i] * 1e6 + 0.5) / 1e6));
    }
    json_array_append_new(list, json_pack("{s:s, s:o}", "text", opis_description_token_text(d, 0, t), "weights", numbers));
  }
  return json_pack("{s:i, s:i, s:o}", "width", width, "height", height, "tokens", list);
}

json_t *description_json(const picture *p, const engine *e, const opis_description *d, bool attention)
{
  json_t *candidates = texts(d), *best = json_array_get(candidates, 0);
  opis_timing t = opis_description_timing(d);
  json_t *o = json_pack("{s:s?, s:s, s:O?, s:O?, s:o, s:s, s:s, s:s, s:i, s:i, s:{s:f, s:f, s:f}}", "path", p->name, "description", opis_description_text(d), "score",
    json_object_get(best, "score"), "tokens", json_object_get(best, "tokens"), "candidates", candidates, "model", engine_name(e), "model_sha256", engine_sha256(e), "version",
    opis_version(), "width", opis_description_width(d), "height", opis_description_height(d), "ms", "decode", p->decode_ms, "encode", t.encode, "generate", t.generate);
  if (o && attention)
    json_object_set_new(o, "attention", attention_json(d));
  return o;
}
