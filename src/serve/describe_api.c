/* POST /v1/describe */
#include "serve/history.h"
#include "serve/job.h"
#include "serve/multipart.h"
#include "serve/routes.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static json_t *outcome(const picture *p)
{
  if (!p->error)
    return json_incref(p->result);
  return json_pack("{s:s?, s:o}", "path", p->name, "error", error_object(NULL, 0, opis_error_name(p->error), NULL, p->message ? p->message : ""));
}

static void event(request *r, const char *name, json_t *data)
{
  char *text = data ? json_text(data) : NULL;
  strbuf b = STRBUF_INIT;
  if (text)
    strbuf_printf(&b, "event: %s\ndata: %s\n\n", name, text);
  if (b.s)
    request_event(r, b.s, b.n);
  strbuf_free(&b);
  free(text);
  json_decref(data);
}

static void partial(job *j, picture *p, const char *text)
{
  event(j->request, "partial", json_pack("{s:i, s:s}", "index", (int)p->index, "text", text));
}

static void done_one(job *j, picture *p)
{
  if (!p->error)
    history_add(j->s->history, j->request->owner, p->result);
  if (!j->params.stream || (j->n == 1 && p->error && !request_stream_started(j->request)))
    return;
  json_t *o = p->error ? outcome(p) : json_copy(p->result);
  if (o)
    json_object_set_new(o, "index", json_integer((json_int_t)p->index));
  event(j->request, "result", o);
}

static void done(job *j)
{
  request *r = j->request;
  reply out;
  if (j->params.stream && request_stream_started(r)) {
    request_stream_end(r);
    return;
  }
  if (j->n == 1) {
    const picture *p = &j->pictures[0];
    if (p->error)
      reply_error(&out, r, status_of_error(p->error), p->error, "%s", p->message ? p->message : "");
    else
      reply_json(&out, 200, json_incref(p->result));
  } else {
    json_t *list = json_array();
    for (size_t i = 0; i < j->n; i++)
      json_array_append_new(list, outcome(&j->pictures[i]));
    reply_json(&out, 200, json_pack("{s:o}", "results", list));
  }
  request_answer(r, &out);
}

static bool is_image_field(const multipart_part *p)
{
  return strcmp(p->name, "image") == 0 || strcmp(p->name, "image[]") == 0;
}

static int read_form(job **out, request *r)
{
  multipart m;
  size_t n = 0;
  int status = multipart_parse(&m, r->content_type, r->body ? r->body : "", (size_t)r->received);
  if (status < 0)
    return status;
  for (size_t i = 0; i < m.n; i++)
    n += is_image_field(&m.parts[i]);
  job *j = n ? job_new(r, n) : NULL;
  if (!j)
    status = n ? error_nomem() : error_set(OPIS_EINVALID, "image: there is none in the form (field 'image')");
  n = 0;
  for (size_t i = 0; i < m.n && status == 0; i++) {
    multipart_part *p = &m.parts[i];
    if (is_image_field(p)) {
      j->pictures[n].bytes = p->data;
      j->pictures[n].size = p->size;
      j->pictures[n++].name = p->filename;
      p->filename = NULL;
    } else {
      char *value = malloc(p->size + 1);
      if (value) {
        memcpy(value, p->data, p->size);
        value[p->size] = '\0';
      }
      status = value ? params_set(&j->params, p->name, value, p->size) : error_nomem();
      free(value);
    }
  }
  multipart_free(&m);
  if (status < 0)
    job_free(j);
  else
    *out = j;
  return status;
}

static int read_bytes(job **out, request *r)
{
  job *j = job_new(r, 1);
  if (!j)
    return error_nomem();
  j->pictures[0].bytes = r->body;
  j->pictures[0].size = (size_t)r->received;
  *out = j;
  return 0;
}

static int read_request(job **out, request *r)
{
  job *j = NULL;
  if (!r->received)
    return error_set(OPIS_EINVALID, "image: there is no picture in the body");
  int status = r->content_type && strncasecmp(r->content_type, "multipart/form-data", 19) == 0 ? read_form(&j, r) : read_bytes(&j, r);
  if (status < 0)
    return status;
  for (size_t i = 0; i < r->n_query && status == 0; i++)
    status = params_set(&j->params, r->query[i].name, r->query[i].value, r->query[i].n);
  if (status == 0 && !(j->engine = engines_find(r->s->engines, j->params.model)))
    status = error_set(OPIS_EINVALID, "model: '%.100s' is none of this server's (see /v1/models)", j->params.model);
  if (status == 0)
    status = opis_options_check(engine_model(j->engine), &j->params.options);
  if (status < 0)
    job_free(j);
  else
    *out = j;
  return status;
}

void handle_describe(request *r)
{
  job *j = NULL;
  reply out;
  int status = read_request(&j, r);
  if (status < 0) {
    reply_error(&out, r, status == OPIS_ELIMIT ? 413 : status == OPIS_ENOMEM ? 503 : 400, status, "%s", opis_error_message());
    request_answer(r, &out);
    return;
  }
  if (j->params.stream)
    j->partial = partial;
  j->done_one = done_one;
  j->done = done;
  job_start(j);
}
