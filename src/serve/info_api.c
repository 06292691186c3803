/* What the server says of itself: models, health, readiness, metrics, its own description, and the page's files. */
#include "serve/assets.h"
#include "serve/engines.h"
#include "serve/metrics.h"
#include "serve/routes.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void answer(request *r, unsigned status, json_t *o)
{
  reply out;
  reply_json(&out, status, o);
  if (status == 503)
    out.retry_after = 1;
  request_answer(r, &out);
}

static json_t *model_json(const engine *e)
{
  const opis_model *m = engine_model(e);
  return json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:s, s:b, s:s}", "id", engine_name(e), "object", "model", "created", (json_int_t)0, "owned_by", "opis", "family",
    opis_model_family(m), "parameters", (json_int_t)opis_model_parameters(m), "precision", opis_model_precision(m) == OPIS_PRECISION_Q8 ? "q8" : "f32", "takes_prompt",
    opis_model_takes_prompt(m), "sha256", engine_sha256(e));
}

static bool loading(request *r)
{
  if (atomic_load(&r->s->ready))
    return false;
  reply out;
  reply_error(&out, r, 503, OPIS_EBUSY, "the model is still being loaded");
  request_answer(r, &out);
  return true;
}

void handle_models(request *r)
{
  if (loading(r))
    return;
  json_t *list = json_array();
  for (size_t i = 0; i < engines_count(r->s->engines); i++)
    json_array_append_new(list, model_json(engines_at(r->s->engines, i)));
  answer(r, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

void handle_model(request *r)
{
  if (loading(r))
    return;
  engine *e = engines_find(r->s->engines, r->argument);
  reply out;
  if (e) {
    answer(r, 200, model_json(e));
    return;
  }
  reply_error(&out, r, 404, OPIS_ENOTFOUND, "model: '%.100s' is none of this server's", r->argument);
  request_answer(r, &out);
}

/* What the page needs to know before anything else. */
void handle_info(request *r)
{
  const serve_options *o = &r->s->options;
  answer(r, 200,
    json_pack("{s:s, s:b, s:b, s:b, s:I, s:i}", "version", opis_version(), "ready", atomic_load(&r->s->ready), "history", r->s->history != NULL, "keys", r->s->keys != NULL,
      "max_upload", (json_int_t)o->max_upload, "queue", o->queue));
}

void handle_healthz(request *r)
{
  answer(r, 200, json_pack("{s:s}", "status", "ok"));
}

void handle_readyz(request *r)
{
  if (atomic_load(&r->s->draining))
    answer(r, 503, json_pack("{s:s}", "status", "going down"));
  else if (!atomic_load(&r->s->ready))
    answer(r, 503, json_pack("{s:s}", "status", "loading"));
  else
    answer(r, 200, json_pack("{s:s}", "status", "ready"));
}

void handle_metrics(request *r)
{
  strbuf b = STRBUF_INIT;
  reply out;
  metrics_write(&b, r->s);
  reply_text(&out, 200, "text/plain; version=0.0.4; charset=utf-8", strbuf_take(&b));
  request_answer(r, &out);
}

void handle_openapi(request *r)
{
  reply out = {.status = 200, .type = TYPE_JSON, .body = r->s->openapi, .size = strlen(r->s->openapi), .body_static = true};
  request_answer(r, &out);
}

void handle_page(request *r)
{
  for (const asset *a = assets; a->path; a++) {
    if (strcmp(a->path, r->path) != 0)
      continue;
    const char *known = request_header(r, "If-None-Match");
    reply out = {.status = 200, .type = a->type, .body = (char *)(uintptr_t)a->bytes, .size = a->size, .body_static = true, .etag = a->etag, .page = true};
    if (known && strcmp(known, a->etag) == 0) {
      out.status = 304;
      out.type = NULL;
      out.size = 0;
    }
    request_answer(r, &out);
    return;
  }
}
