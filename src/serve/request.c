/* One request, from its headers to its answer, on the I/O thread; others reach in through request_answer and request_event. */
#include "serve/engines.h"
#include "serve/metrics.h"
#include "serve/routes.h"
#include "serve/server.h"

#include "util/clock.h"
#include "util/error.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DISCARD_MAX (UINT64_C(1) << 20) /* a body up to this is read to its end before an early answer, so that the connection stays usable */

const char *request_header(const request *r, const char *name)
{
  return mhd.MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

void request_hold(request *r)
{
  atomic_fetch_add(&r->references, 1);
}

void request_release(request *r)
{
  if (atomic_fetch_sub(&r->references, 1) != 1)
    return;
  receive_free(r);
  for (size_t i = 0; i < r->n_query; i++) {
    free(r->query[i].name);
    free(r->query[i].value);
  }
  free(r->query);
  free(r->method);
  free(r->path);
  free(r->argument);
  free(r->origin);
  free(r->content_type);
  reply_free(&r->reply);
  strbuf_free(&r->events);
  pthread_mutex_destroy(&r->lock);
  free(r);
}

/* With the lock held. */
static void wake(request *r)
{
  if (r->suspended) {
    r->suspended = false;
    mhd.MHD_resume_connection(r->mhd);
  }
}

void request_answer(request *r, reply *out)
{
  pthread_mutex_lock(&r->lock);
  if (r->have_reply || r->streaming || r->aborted)
    reply_free(out);
  else {
    r->reply = *out;
    r->have_reply = true;
    wake(r);
  }
  pthread_mutex_unlock(&r->lock);
  *out = (reply){0};
}

void request_event(request *r, const char *bytes, size_t n)
{
  pthread_mutex_lock(&r->lock);
  if (!r->aborted && !r->have_reply) {
    r->streaming = true;
    strbuf_append(&r->events, bytes, n);
    wake(r);
  }
  pthread_mutex_unlock(&r->lock);
}

void request_stream_end(request *r)
{
  pthread_mutex_lock(&r->lock);
  r->stream_ended = true;
  wake(r);
  pthread_mutex_unlock(&r->lock);
}

bool request_stream_started(request *r)
{
  pthread_mutex_lock(&r->lock);
  bool started = r->streaming;
  pthread_mutex_unlock(&r->lock);
  return started;
}

void request_on_gone(request *r, void (*gone)(void *), void *user)
{
  pthread_mutex_lock(&r->lock);
  r->on_gone = gone;
  r->on_gone_user = user;
  if (gone && r->aborted)
    gone(user);
  pthread_mutex_unlock(&r->lock);
}

void request_gone(request *r)
{
  pthread_mutex_lock(&r->lock);
  if (!r->aborted) {
    r->aborted = true;
    if (r->on_gone)
      r->on_gone(r->on_gone_user);
    wake(r);
  }
  pthread_mutex_unlock(&r->lock);
}

static void find_client(request *r)
{
  const union MHD_ConnectionInfo *info = mhd.MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  strcpy(r->client, "-");
  if (!info || !info->client_addr)
    return;
  if (info->client_addr->sa_family == AF_INET)
    inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr, r->client, sizeof r->client);
  else if (info->client_addr->sa_family == AF_INET6) {
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)info->client_addr)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(a))
      inet_ntop(AF_INET, &a->s6_addr[12], r->client, sizeof r->client);
    else
      inet_ntop(AF_INET6, a, r->client, sizeof r->client);
  }
}

static enum MHD_Result collect_query(void *user, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value, size_t size)
{
  request *r = user;
  (void)kind;
  (void)name_size;
  if (r->n_query >= 256)
    return MHD_NO;
  query_value *q = realloc(r->query, (r->n_query + 1) * sizeof *q);
  if (!q)
    return MHD_NO;
  r->query = q;
  q += r->n_query;
  *q = (query_value){strdup(name), malloc(size + 1), size};
  r->n_query++;
  if (!q->name || !q->value)
    return MHD_NO;
  if (size)
    memcpy(q->value, value, size);
  q->value[size] = '\0';
  return MHD_YES;
}

static request *begin(server *s, struct MHD_Connection *mhd_connection, const char *path, const char *method)
{
  request *r = calloc(1, sizeof *r);
  if (!r)
    return NULL;
  pthread_mutex_init(&r->lock, NULL);
  atomic_init(&r->references, 1);
  r->s = s;
  r->mhd = mhd_connection;
  r->started = r->window_started = clock_seconds();
  r->method = strdup(method);
  r->path = strdup(path);
  const union MHD_ConnectionInfo *info = mhd.MHD_get_connection_info(mhd_connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  r->connection = info ? info->socket_context : NULL;
  const char *type = mhd.MHD_lookup_connection_value(mhd_connection, MHD_HEADER_KIND, "Content-Type");
  if (type)
    r->content_type = strdup(type);
  if (!r->method || !r->path || !r->connection || (type && !r->content_type)) {
    request_release(r);
    return NULL;
  }
  snprintf(r->id, sizeof r->id, "%s%06x", s->id_prefix, (unsigned)atomic_fetch_add(&s->next_id, 1) & 0xffffffu);
  find_client(r);
  mhd.MHD_get_connection_values_n(mhd_connection, MHD_GET_ARGUMENT_KIND, collect_query, r);
  const char *length = request_header(r, "Content-Length");
  r->declared = request_header(r, "Transfer-Encoding") ? UINT64_MAX : length ? strtoull(length, NULL, 10) : 0;
  r->has_body = r->declared > 0;
  atomic_fetch_add(&s->requests_open, 1);
  pthread_mutex_lock(&s->connections_lock);
  r->connection->current = r;
  r->connection->quiet_since = 0;
  pthread_mutex_unlock(&s->connections_lock);
  return r;
}

static enum MHD_Result count_hosts(void *user, enum MHD_ValueKind kind, const char *name, size_t n, const char *value, size_t size)
{
  (void)kind;
  (void)n;
  (void)value;
  (void)size;
  if (name && strcasecmp(name, "Host") == 0)
    ++*(int *)user;
  return MHD_YES;
}

/* Who asks, and for which of our names. False: answered. */
static bool check_sender(request *r, const char *version, reply *out)
{
  const char *host = request_header(r, "Host"), *origin = request_header(r, "Origin");
  int hosts = 0;
  mhd.MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, count_hosts, &hosts);
  if (hosts > 1 || (!host && strcmp(version, MHD_HTTP_VERSION_1_1) == 0))
    return reply_error(out, r, 400, OPIS_EINVALID, "Host: exactly one is needed"), false;
  if (host && !host_allowed(r, host))
    return reply_error(out, r, 403, OPIS_EAUTH, "Host: '%.100s' is no name of this server (start it with --allow-host NAME to add one)", host), false;
  int kind = origin ? origin_check(r, origin, host) : 0;
  if (kind > 0)
    r->origin = strdup(origin);
  if (kind < 0 && strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0)
    return reply_error(out, r, 403, OPIS_EAUTH, "Origin: pages of '%.100s' may not use this server (start it with --cors ORIGIN to allow them)", origin), false;
  return true;
}

/* All that can be said before the body has come. False: answered. */
static bool check(request *r, const char *version, reply *out)
{
  server *s = r->s;
  const char *allow = NULL, *argument = NULL;
  if (!check_sender(r, version, out))
    return false;
  r->route = route_find(s, strcmp(r->method, "HEAD") == 0 ? "GET" : r->method, r->path, &argument, &allow);
  if (argument && !(r->argument = strdup(argument)))
    return reply_error(out, r, 500, OPIS_ENOMEM, "out of memory"), false;
  if (!r->route && allow && strcmp(r->method, "OPTIONS") == 0) {
    *out = (reply){.status = 204, .allow = allow};
    return false;
  }
  if (!r->route && allow) {
    reply_error(out, r, 405, OPIS_EINVALID, "%.20s: %.200s takes only %s", r->method, r->path, allow);
    out->allow = allow;
    return false;
  }
  if (!r->route)
    return reply_error(out, r, 404, OPIS_ENOTFOUND, "%.200s: there is no such path", r->path), false;
  const char *authorization = request_header(r, "Authorization"), *x_api_key = request_header(r, "X-API-Key");
  if (s->keys && !api_keys_check(s->keys, authorization, x_api_key, r->owner) && !(r->route->flags & ROUTE_OPEN)) {
    const char *why = authorization || x_api_key ? "this key is none of the server's" : "a key is needed: Authorization: Bearer KEY";
    if (r->route->flags & ROUTE_CHAT)
      reply_error_coded(out, r, 401, "invalid_api_key", NULL, why);
    else
      reply_error(out, r, 401, OPIS_EAUTH, "%s", why);
    return false;
  }
  if (r->declared != UINT64_MAX && r->declared > s->options.max_upload && r->route->types)
    return reply_error(out, r, 413, OPIS_ELIMIT, "the body has %llu bytes, and the limit is %llu", (unsigned long long)r->declared, (unsigned long long)s->options.max_upload),
           false;
  if (!r->route->types && r->declared > DISCARD_MAX)
    return reply_error(out, r, 413, OPIS_ELIMIT, "%.200s takes no body", r->path), false;
  if (r->route->types && r->has_body && !route_takes(r->route, r->content_type)) {
    strbuf known = STRBUF_INIT;
    for (const char *const *t = r->route->types; *t; t++)
      strbuf_printf(&known, "%s%s%s", t == r->route->types ? "" : ", ", *t, strcmp(*t, "image/") == 0 ? "*" : "");
    reply_error(out, r, 415, OPIS_EUNSUPPORTED, "Content-Type: '%.100s' is none of %s", r->content_type ? r->content_type : "", known.s ? known.s : "");
    strbuf_free(&known);
    return false;
  }
  int code = 0;
  if (!(r->route->flags & ROUTE_PICTURES))
    return true;
  if (atomic_load(&s->draining))
    return reply_error(out, r, 503, OPIS_EBUSY, "the server is going down"), false;
  if (!atomic_load(&s->ready))
    return reply_error(out, r, 503, OPIS_EBUSY, "the model is still being loaded"), false;
  if (engines_full(s->engines, r->owner[0] ? r->owner : r->client, &code))
    return reply_error(out, r, code == OPIS_ELIMIT ? 429 : 503, OPIS_EBUSY, code == OPIS_ELIMIT ? "this client has its share of the queue" : "the queue is full"), false;
  r->keep_body = true;
  return true;
}

/* Called without r->lock: libmicrohttpd takes locks of its own, which it also holds when it asks read_stream for bytes. What the answer is does not change any more. */
static enum MHD_Result send_reply(request *r)
{
  pthread_mutex_lock(&r->lock);
  r->phase = PHASE_REPLYING;
  bool streaming = r->streaming;
  pthread_mutex_unlock(&r->lock);
  struct MHD_Response *response = streaming ? reply_make_stream(r) : reply_make(r, &r->reply);
  r->status = streaming ? 200 : r->reply.status;
  if (!streaming)
    r->sent = r->reply.size;
  if (!response)
    return MHD_NO;
  enum MHD_Result result = mhd.MHD_queue_response(r->mhd, r->status, response);
  mhd.MHD_destroy_response(response);
  return result;
}

/* An answer that does not need the body. */
static enum MHD_Result answer_early(request *r, reply *out)
{
  r->reply = *out;
  r->have_reply = true;
  if (!r->has_body || (r->declared <= DISCARD_MAX && !request_header(r, "Expect"))) {
    r->discarding = true;
    return MHD_YES; /* the answer goes out when the body, if any, is read */
  }
  if (request_header(r, "Expect"))
    return send_reply(r);
  pthread_mutex_lock(&r->s->connections_lock);
  receive_reject(r, 0, 0, NULL);
  pthread_mutex_unlock(&r->s->connections_lock);
  return MHD_YES;
}

enum MHD_Result request_handle(
  void *user, struct MHD_Connection *mhd_connection, const char *path, const char *method, const char *version, const char *data, size_t *size, void **state)
{
  request *r = *state;
  if (!r) {
    if (!(r = begin(user, mhd_connection, path, method)))
      return MHD_NO;
    *state = r;
    reply out = {0};
    return check(r, version, &out) ? MHD_YES : answer_early(r, &out);
  }
  if (*size)
    return receive_body(r, data, size);
  pthread_mutex_lock(&r->lock);
  bool begins = r->phase == PHASE_RECEIVING && !r->have_reply && !r->aborted;
  if (r->phase == PHASE_RECEIVING)
    r->phase = PHASE_WORKING;
  pthread_mutex_unlock(&r->lock);
  if (begins)
    r->route->handle(r);
  pthread_mutex_lock(&r->lock);
  bool gone = r->aborted, answered = r->have_reply || r->streaming;
  if (!gone && !answered) {
    r->suspended = true;
    mhd.MHD_suspend_connection(r->mhd);
  }
  pthread_mutex_unlock(&r->lock);
  return gone ? MHD_NO : answered ? send_reply(r) : MHD_YES;
}

void request_completed(void *user, struct MHD_Connection *mhd_connection, void **state, enum MHD_RequestTerminationCode why)
{
  server *s = user;
  request *r = *state;
  (void)mhd_connection;
  if (!r)
    return;
  *state = NULL;
  pthread_mutex_lock(&s->connections_lock);
  r->connection->current = NULL;
  r->connection->quiet_since = clock_seconds();
  pthread_mutex_unlock(&s->connections_lock);
  if (why != MHD_REQUEST_TERMINATED_COMPLETED_OK) {
    request_gone(r);
    if (r->phase != PHASE_REPLYING && !r->status)
      r->status = 499; /* the client went away; the number is a custom of web servers, and is never sent */
  }
  double seconds = clock_seconds() - r->started;
  metrics_request(s->metrics, r, seconds);
  access_log_write(s->log, r, seconds);
  request_release(r);
  atomic_fetch_sub(&s->requests_open, 1);
}
