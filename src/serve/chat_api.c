/* POST /v1/chat/completions, in OpenAI's form. */
#include "serve/chat.h"
#include "serve/fetch.h"
#include "serve/history.h"
#include "serve/job.h"
#include "serve/routes.h"
#include "serve/workers.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct chat_state {
  char id[40];
  json_int_t created;
  bool usage, role_sent;
} chat_state;

static json_t *choice(int index, const char *name, json_t *value, const char *finish)
{
  return json_pack("{s:i, s:o, s:n, s:s?}", "index", index, name, value, "logprobs", "finish_reason", finish);
}

static json_t *envelope(const job *j, const char *object, json_t *choices)
{
  const chat_state *c = j->user;
  return json_pack("{s:s, s:s, s:I, s:s, s:o}", "id", c->id, "object", object, "created", c->created, "model", engine_name(j->engine), "choices", choices);
}

static json_t *usage(const job *j)
{
  json_int_t n = 0;
  for (size_t i = 0; i < j->n; i++)
    n += (json_int_t)j->pictures[i].tokens;
  return json_pack("{s:i, s:I, s:I}", "prompt_tokens", 0, "completion_tokens", n, "total_tokens", n);
}

static void chunk(const job *j, json_t *choices, json_t *extra)
{
  json_t *o = envelope(j, "chat.completion.chunk", choices);
  if (o && extra)
    json_object_set_new(o, "usage", extra);
  char *text = o ? json_text(o) : NULL;
  strbuf b = STRBUF_INIT;
  if (text)
    strbuf_printf(&b, "data: %s\n\n", text);
  if (b.s)
    request_event(j->request, b.s, b.n);
  strbuf_free(&b);
  free(text);
  json_decref(o);
}

static void delta(job *j, const char *text, size_t n)
{
  chat_state *c = j->user;
  json_t *d = json_object();
  if (!c->role_sent)
    json_object_set_new(d, "role", json_string("assistant"));
  c->role_sent = true;
  json_object_set_new(d, "content", json_stringn(text, n));
  chunk(j, json_pack("[o]", choice(0, "delta", d, NULL)), NULL);
}

/* Sends what of `text` can no longer change, as far as `n`: what was sent before is its beginning. */
static void send_up_to(job *j, const char *text, size_t n)
{
  size_t sent = j->sent ? strlen(j->sent) : 0;
  if (n <= sent || strncmp(text, j->sent ? j->sent : "", sent) != 0)
    return;
  delta(j, text + sent, n - sent);
  free(j->sent);
  j->sent = strndup(text, n);
}

/* What all beams agree on is never taken back; tokenizers may still join the last word or two with what follows ("do n't"). */
static void settled(job *j, picture *p, const char *text)
{
  (void)p;
  size_t n = strlen(text);
  for (int words = 0; words < 2 && n > 0; words++)
    while (n > 0 && text[--n] != ' ') {
    }
  send_up_to(j, text, n);
}

static char *whole_text(const job *j)
{
  strbuf b = STRBUF_INIT;
  for (size_t i = 0; i < j->n; i++)
    strbuf_printf(&b, "%s%s", i ? "\n" : "", json_string_value(json_object_get(j->pictures[i].result, "description")));
  return strbuf_take(&b);
}

static const char *finish_reason(const job *j)
{
  for (size_t i = 0; i < j->n; i++)
    if (j->params.options.max_length && j->pictures[i].tokens + 1 >= (size_t)j->params.options.max_length)
      return "length";
  return "stop";
}

static void finish_stream(job *j, const char *text)
{
  const chat_state *c = j->user;
  send_up_to(j, text, strlen(text));
  if (!c->role_sent)
    delta(j, "", 0);
  chunk(j, json_pack("[o]", choice(0, "delta", json_object(), finish_reason(j))), NULL);
  if (c->usage)
    chunk(j, json_array(), usage(j));
  request_event(j->request, "data: [DONE]\n\n", 14);
  request_stream_end(j->request);
}

static json_t *message(const char *text)
{
  return json_pack("{s:s, s:s, s:n}", "role", "assistant", "content", text, "refusal");
}

static json_t *choices_of(const job *j, const char *text)
{
  json_t *list = json_array(), *candidates = json_object_get(j->pictures[0].result, "candidates");
  if (j->n > 1 || json_array_size(candidates) < 2)
    json_array_append_new(list, choice(0, "message", message(text), finish_reason(j)));
  else
    for (size_t i = 0; i < json_array_size(candidates); i++)
      json_array_append_new(list, choice((int)i, "message", message(json_string_value(json_object_get(json_array_get(candidates, i), "description"))), finish_reason(j)));
  return list;
}

static void done_one(job *j, picture *p)
{
  if (!p->error)
    history_add(j->s->history, j->request->owner, p->result);
}

static void fail_stream(const job *j, const picture *p)
{
  json_t *o = json_pack("{s:o}", "error", error_object(j->request, status_of_error(p->error), opis_error_name(p->error), NULL, p->message ? p->message : ""));
  char *text = o ? json_text(o) : NULL;
  strbuf b = STRBUF_INIT;
  strbuf_printf(&b, "data: %s\n\n", text ? text : "{}");
  if (b.s)
    request_event(j->request, b.s, b.n);
  strbuf_free(&b);
  free(text);
  json_decref(o);
  request_stream_end(j->request);
}

static void done(job *j)
{
  request *r = j->request;
  reply out;
  for (size_t i = 0; i < j->n; i++) {
    const picture *p = &j->pictures[i];
    if (p->error && request_stream_started(r)) {
      fail_stream(j, p);
      return;
    }
    if (p->error) {
      reply_error_coded(&out, r, status_of_error(p->error), opis_error_name(p->error), "messages", p->message ? p->message : "");
      request_answer(r, &out);
      return;
    }
  }
  char *text = whole_text(j);
  if (j->params.stream && text)
    finish_stream(j, text);
  else {
    json_t *o = text ? envelope(j, "chat.completion", choices_of(j, text)) : NULL;
    if (o) {
      json_object_set_new(o, "usage", usage(j));
      json_object_set_new(o, "system_fingerprint", json_string(engine_sha256(j->engine)));
    }
    reply_json(&out, 200, o);
    request_answer(r, &out);
  }
  free(text);
}

static void refuse(request *r, unsigned status, const char *code, const char *param)
{
  reply out;
  reply_error_coded(&out, r, status, code, param, opis_error_message());
  request_answer(r, &out);
}

/* Names that clients put there when they were given a URL instead of a model. */
static bool is_placeholder(const char *model)
{
  return !*model || strcmp(model, "tgi") == 0 || strcmp(model, "dummy") == 0 || strcmp(model, "default") == 0 || strncmp(model, "http://", 7) == 0 ||
    strncmp(model, "https://", 8) == 0;
}

static int take_urls(job *j, chat_request *c)
{
  for (size_t i = 0; i < c->n_urls; i++) {
    picture *p = &j->pictures[i];
    if (strncasecmp(c->urls[i], "http://", 7) == 0 || strncasecmp(c->urls[i], "https://", 8) == 0) {
      if (!j->s->options.allow_fetch)
        return error_set(OPIS_EINVALID, "image_url: this server fetches nothing (start it with --allow-fetch, or send a data URI)");
      p->url = c->urls[i];
      c->urls[i] = NULL;
    } else {
      char *bytes;
      int status = data_uri_decode(&bytes, &p->size, c->urls[i]);
      if (status < 0)
        return status;
      p->bytes = p->owned = bytes;
    }
  }
  return 0;
}

static void choose_options(job *j, const chat_request *c)
{
  opis_options *o = &j->params.options;
  const opis_model *model = engine_model(j->engine);
  if (c->text && opis_model_takes_prompt(model)) {
    j->params.prompt = strdup(c->text);
    o->prompt = j->params.prompt;
    if (opis_options_check(model, o) < 0) /* longer than the model reads */
      o->prompt = NULL;
  }
  if (c->max_tokens && !o->max_length) {
    o->max_length = c->max_tokens + 1;
    if (opis_options_check(model, o) < 0) /* more than the model can: its own limit holds */
      o->max_length = 0;
  }
  if (o->candidates > 1 && o->beams == 0)
    o->beams = o->candidates > 4 ? o->candidates : 4;
}

static void start(request *r, chat_request *c)
{
  engine *e = engines_find(r->s->engines, c->params.model && !is_placeholder(c->params.model) ? c->params.model : NULL);
  if (!e) {
    error_set(OPIS_ENOTFOUND, "model: '%.100s' is none of this server's (see /v1/models)", c->params.model);
    refuse(r, 404, "model_not_found", "model");
    return;
  }
  job *j = job_new(r, c->n_urls);
  chat_state *state = j ? calloc(1, sizeof *state) : NULL;
  if (!state) {
    job_free(j);
    error_nomem();
    refuse(r, 503, "OPIS_ENOMEM", NULL);
    return;
  }
  snprintf(state->id, sizeof state->id, "chatcmpl-%s", r->id);
  state->created = (json_int_t)time(NULL);
  state->usage = c->usage;
  j->user = state;
  j->engine = e;
  j->params = c->params;
  params_init(&c->params);
  choose_options(j, c);
  int status = take_urls(j, c);
  const char *param = status < 0 ? "messages" : NULL;
  if (status == 0)
    status = opis_options_check(engine_model(e), &j->params.options);
  if (status < 0) {
    refuse(r, 400, opis_error_name(status), param);
    job_free(j);
    return;
  }
  if (j->params.stream && j->n == 1)
    j->settled = settled;
  j->done_one = done_one;
  j->done = done;
  job_start(j);
}

/* On a worker: the JSON of a large picture takes its time. */
static void work(void *user)
{
  request *r = user;
  chat_request c;
  int status = chat_parse(&c, r->body ? r->body : "", (size_t)r->received);
  if (status < 0)
    refuse(r, status == OPIS_ENOMEM ? 503 : 400, opis_error_name(status), c.param);
  else
    start(r, &c);
  chat_free(&c);
  request_release(r);
}

void handle_chat(request *r)
{
  request_hold(r);
  if (workers_submit(r->s->workers, work, r) < 0) {
    refuse(r, 503, "OPIS_ENOMEM", NULL);
    request_release(r);
  }
}
