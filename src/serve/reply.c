/* Answers: bodies, errors and headers. */
#include "serve/routes.h"
#include "serve/server.h"

#include "util/error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_POLICY                                                                                                                                                                \
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; manifest-src 'self'; "                                                 \
  "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

char *json_text(const json_t *value)
{
  return json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9));
}

const char *status_words(unsigned status)
{
  switch (status) {
  case 200: return "OK";
  case 204: return "No Content";
  case 400: return "Bad Request";
  case 401: return "Unauthorized";
  case 403: return "Forbidden";
  case 404: return "Not Found";
  case 405: return "Method Not Allowed";
  case 408: return "Request Timeout";
  case 413: return "Content Too Large";
  case 415: return "Unsupported Media Type";
  case 422: return "Unprocessable Content";
  case 429: return "Too Many Requests";
  case 503: return "Service Unavailable";
  default: return "Internal Server Error";
  }
}

unsigned status_of_error(int code)
{
  switch (code) {
  case OPIS_EFORMAT:
  case OPIS_ELIMIT:
  case OPIS_EUNSUPPORTED: return 422;
  case OPIS_EINVALID: return 400;
  case OPIS_ENOTFOUND: return 404;
  case OPIS_ETIMEOUT:
  case OPIS_ECANCELLED:
  case OPIS_EBUSY:
  case OPIS_ENOMEM: return 503;
  case OPIS_ENETWORK: return 422; /* a picture that could not be fetched */
  default: return 500;
  }
}

void reply_free(reply *r)
{
  if (!r->body_static)
    free(r->body);
  r->body = NULL;
}

void reply_text(reply *out, unsigned status, const char *type, char *text)
{
  static char nothing[] = "{\"error\":{\"code\":\"OPIS_ENOMEM\",\"message\":\"out of memory\"}}";
  if (text)
    *out = (reply){.status = status, .type = type, .body = text, .size = strlen(text)};
  else
    *out = (reply){.status = 500, .type = TYPE_JSON, .body = nothing, .size = sizeof nothing - 1, .body_static = true};
}

void reply_json(reply *out, unsigned status, json_t *value)
{
  reply_text(out, status, TYPE_JSON, value ? json_text(value) : NULL);
  json_decref(value);
}

json_t *error_object(const request *r, unsigned status, const char *code, const char *param, const char *message)
{
  strbuf clean = STRBUF_INIT;
  strbuf_put_utf8(&clean, message, strlen(message));
  json_t *o = json_pack("{s:s, s:s}", "code", code, "message", clean.s ? clean.s : "");
  strbuf_free(&clean);
  if (o && r && r->route && (r->route->flags & ROUTE_CHAT)) {
    const char *type = status == 401 ? "authentication_error" : status == 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error";
    json_object_set_new(o, "type", json_string(type));
    json_object_set_new(o, "param", param ? json_string(param) : json_null());
  }
  return o;
}

void reply_error_coded(reply *out, const request *r, unsigned status, const char *code, const char *param, const char *message)
{
  reply_json(out, status, json_pack("{s:o}", "error", error_object(r, status, code, param, message)));
  if (status == 503 || status == 429)
    out->retry_after = 1;
}

void reply_error(reply *out, const request *r, unsigned status, int code, const char *format, ...)
{
  char message[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  reply_error_coded(out, r, status, opis_error_name(code), NULL, message);
}

static void header(struct MHD_Response *response, const char *name, const char *value)
{
  mhd.MHD_add_response_header(response, name, value);
}

static void common_headers(struct MHD_Response *response, const request *r)
{
  header(response, "X-Request-Id", r->id);
  header(response, "X-Content-Type-Options", "nosniff");
  if (r->origin) {
    header(response, "Access-Control-Allow-Origin", r->origin);
    header(response, "Vary", "Origin");
    if (strcmp(r->method, "OPTIONS") == 0) {
      header(response, "Access-Control-Allow-Methods", "GET, POST, DELETE");
      header(response, "Access-Control-Allow-Headers", "Authorization, Content-Type, X-API-Key");
      header(response, "Access-Control-Max-Age", "600");
    }
  } else
    header(response, "Cross-Origin-Resource-Policy", "same-origin");
}

struct MHD_Response *reply_make(const request *r, reply *from)
{
  char number[16];
  struct MHD_Response *response = mhd.MHD_create_response_from_buffer(from->size, from->body, from->body_static || !from->body ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
  if (!response)
    return NULL;
  from->body = NULL; /* libmicrohttpd's now */
  common_headers(response, r);
  if (from->type)
    header(response, "Content-Type", from->type);
  if (from->etag)
    header(response, "ETag", from->etag);
  header(response, "Cache-Control", from->etag ? "no-cache" : "no-store");
  if (from->retry_after) {
    snprintf(number, sizeof number, "%d", from->retry_after);
    header(response, "Retry-After", number);
  }
  if (from->allow)
    header(response, "Allow", from->allow);
  if (from->disposition)
    header(response, "Content-Disposition", from->disposition);
  if (from->status == 401)
    header(response, "WWW-Authenticate", "Bearer");
  if (from->page) {
    header(response, "Content-Security-Policy", PAGE_POLICY);
    header(response, "Referrer-Policy", "no-referrer");
    header(response, "X-Frame-Options", "DENY");
    header(response, "Cross-Origin-Opener-Policy", "same-origin");
    header(response, "Permissions-Policy", "camera=(self), microphone=(), geolocation=()");
  }
  return response;
}

/* Sends what the stream holds; sleeps (suspended) while it holds nothing. */
static ssize_t read_stream(void *user, uint64_t position, char *buffer, size_t most)
{
  request *r = user;
  ssize_t n = 0;
  (void)position;
  pthread_mutex_lock(&r->lock);
  size_t waiting = r->events.n - r->events_sent;
  if (r->aborted || r->events.failed)
    n = MHD_CONTENT_READER_END_WITH_ERROR;
  else if (waiting) {
    n = (ssize_t)(waiting < most ? waiting : most);
    memcpy(buffer, r->events.s + r->events_sent, (size_t)n);
    r->events_sent += (size_t)n;
    r->sent += (uint64_t)n;
    if (r->events_sent == r->events.n) {
      strbuf_reset(&r->events);
      r->events_sent = 0;
    }
  } else if (r->stream_ended)
    n = MHD_CONTENT_READER_END_OF_STREAM;
  else {
    r->suspended = true;
    mhd.MHD_suspend_connection(r->mhd);
  }
  pthread_mutex_unlock(&r->lock);
  return n;
}

static void stream_freed(void *user)
{
  request_release(user);
}

struct MHD_Response *reply_make_stream(request *r)
{
  struct MHD_Response *response = mhd.MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, r, stream_freed);
  if (!response)
    return NULL;
  request_hold(r); /* the response may outlive the request's end by a moment */
  common_headers(response, r);
  header(response, "Content-Type", TYPE_EVENTS);
  header(response, "Cache-Control", "no-store");
  header(response, "X-Accel-Buffering", "no"); /* nginx in front: pass events on at once */
  return response;
}
