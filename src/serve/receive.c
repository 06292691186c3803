/* Receiving bodies: into memory, within a budget for all requests together. libmicrohttpd sends nothing while a body is coming, so an answer that must not wait for the rest (over the
 * limit, too slow) is written to the socket past it; then the sending side is closed and what still comes is thrown away for a moment, for a reset would take the answer with it. */
#include "serve/server.h"

#include "util/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LINGER_SECONDS 3.0
#define LINGER_BYTES (UINT64_C(64) << 20)

static bool reserve(server *s, uint64_t more)
{
  uint64_t before = atomic_fetch_add(&s->body_bytes, more);
  if (before + more <= s->body_budget)
    return true;
  atomic_fetch_sub(&s->body_bytes, more);
  return false;
}

static bool grow(request *r, size_t need)
{
  if (need <= r->body_capacity)
    return true;
  uint64_t most = r->declared < r->s->options.max_upload ? r->declared : r->s->options.max_upload;
  size_t capacity = r->body_capacity ? r->body_capacity : 65536;
  while (capacity < need)
    capacity *= 2;
  if (capacity > most)
    capacity = most > need ? (size_t)most : need;
  if (!reserve(r->s, capacity - r->body_capacity))
    return false;
  char *body = realloc(r->body, capacity);
  if (!body) {
    atomic_fetch_sub(&r->s->body_bytes, capacity - r->body_capacity);
    return false;
  }
  r->body = body;
  r->body_capacity = capacity;
  return true;
}

void receive_free(request *r)
{
  free(r->body);
  r->body = NULL;
  atomic_fetch_sub(&r->s->body_bytes, r->body_capacity);
  r->body_capacity = 0;
}

void receive_reject(request *r, unsigned status, int code, const char *message)
{
  pthread_mutex_lock(&r->lock);
  if (r->aborted || r->phase != PHASE_RECEIVING) {
    pthread_mutex_unlock(&r->lock);
    return;
  }
  if (!r->have_reply) {
    reply_error(&r->reply, r, status, code, "%s", message);
    r->have_reply = true;
  }
  const reply *a = &r->reply;
  strbuf b = STRBUF_INIT;
  strbuf_printf(&b, "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\nX-Request-Id: %s\r\n", a->status, status_words(a->status),
    a->type ? a->type : TYPE_JSON, a->size, r->id);
  if (a->retry_after)
    strbuf_printf(&b, "Retry-After: %d\r\n", a->retry_after);
  if (a->allow)
    strbuf_printf(&b, "Allow: %s\r\n", a->allow);
  if (a->status == 401)
    strbuf_puts(&b, "WWW-Authenticate: Bearer\r\n");
  if (r->origin)
    strbuf_printf(&b, "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n", r->origin);
  strbuf_puts(&b, "\r\n");
  strbuf_append(&b, a->body ? a->body : "", a->size);
  r->aborted = true;
  r->status = a->status;
  if (!b.failed)
    r->sent = (uint64_t)(send(r->connection->fd, b.s, b.n, MSG_DONTWAIT | MSG_NOSIGNAL) > 0 ? a->size : 0);
  strbuf_free(&b);
  shutdown(r->connection->fd, SHUT_WR);
  r->connection->linger_until = clock_seconds() + LINGER_SECONDS;
  r->window_received = 0;
  receive_free(r);
  pthread_mutex_unlock(&r->lock);
}

static void reject(request *r, unsigned status, int code, const char *message)
{
  pthread_mutex_lock(&r->s->connections_lock);
  receive_reject(r, status, code, message);
  pthread_mutex_unlock(&r->s->connections_lock);
}

enum MHD_Result receive_body(request *r, const char *data, size_t *size)
{
  size_t n = *size;
  char words[128];
  *size = 0;
  pthread_mutex_lock(&r->lock);
  bool aborted = r->aborted;
  r->window_received += n;
  bool enough = r->window_received > LINGER_BYTES;
  pthread_mutex_unlock(&r->lock);
  if (aborted)
    return enough ? MHD_NO : MHD_YES;
  r->received += n;
  if (r->discarding || !r->keep_body)
    return MHD_YES;
  if (r->received > r->s->options.max_upload) {
    snprintf(words, sizeof words, "the body is longer than the limit of %" PRIu64 " bytes", r->s->options.max_upload);
    reject(r, 413, OPIS_ELIMIT, words);
    return MHD_YES;
  }
  pthread_mutex_lock(&r->lock); /* the watchdog may give the memory back */
  bool ok = r->aborted || grow(r, (size_t)r->received);
  if (ok && !r->aborted)
    memcpy(r->body + r->received - n, data, n);
  pthread_mutex_unlock(&r->lock);
  if (!ok)
    reject(r, 503, OPIS_EBUSY, "too many uploads at a time");
  return MHD_YES;
}
