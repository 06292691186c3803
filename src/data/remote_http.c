/* A web server as a remote: only to be read, and asked for each object, as there is no listing. */
#include "data/remote_web.h"

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct http_remote {
  remote base;
  web web;
  char *url;           /* without user and password */
  char *authorization; /* a whole header line, or NULL */
} http_remote;

static void http_close(remote *r)
{
  http_remote *h = (http_remote *)r;
  web_close(&h->web);
  free(h->url);
  if (h->authorization)
    explicit_bzero(h->authorization, strlen(h->authorization));
  free(h->authorization);
  free(h);
}

static int ask(http_remote *h, http_response *a, const char *key, const char *header, http_request *q, const remote_io *io)
{
  const char *headers[3] = {h->authorization ? h->authorization : header, h->authorization ? header : NULL, NULL};
  strbuf url = STRBUF_INIT;
  strbuf_puts(&url, h->url);
  strbuf_putc(&url, '/');
  http_put_escaped(&url, key, true);
  int code = strbuf_check(&url);
  q->url = url.s;
  q->headers = headers;
  q->follow = true;
  if (code == 0)
    code = web_perform(&h->web, a, q, io);
  q->url = NULL;
  q->headers = NULL;
  strbuf_free(&url);
  return code;
}

static int refused(const http_remote *h, const char *key, int status)
{
  strbuf what = STRBUF_INIT;
  strbuf_printf(&what, "%s/%s", h->url, key);
  int code = what.failed ? error_nomem() : web_failed(what.s, status, NULL);
  strbuf_free(&what);
  return code;
}

static int http_exists(remote *r, const char *key, bool *there, uint64_t *size)
{
  http_remote *h = (http_remote *)r;
  http_response a = HTTP_RESPONSE_INIT;
  int code = ask(h, &a, key, NULL, &(http_request){.method = "HEAD"}, NULL);
  bool head = a.status != 405 && a.status != 501;
  if (code == 0 && !head) { /* no HEAD here: the first byte of a GET */
    code = ask(h, &a, key, "Range: bytes=0-0", &(http_request){.method = "GET"}, NULL);
    if (code == OPIS_ELIMIT) /* it sends all the same */
      code = 0;
  }
  *there = code == 0 && ((a.status >= 200 && a.status < 300) || (!head && a.status == 416)); /* 416: an empty file has no first byte */
  if (code == 0 && !*there && a.status != 404 && a.status != 410)
    code = refused(h, key, a.status);
  if (size) {
    const char *length = *there && head ? http_header(&a, "Content-Length") : NULL;
    *size = length ? strtoull(length, NULL, 10) : UINT64_MAX;
  }
  http_response_free(&a);
  return code;
}

static int http_get(remote *r, const char *key, int fd, const remote_io *io)
{
  http_remote *h = (http_remote *)r;
  http_response a = HTTP_RESPONSE_INIT;
  int code = ask(h, &a, key, NULL, &(http_request){.output_file = true, .output_fd = fd}, io);
  if (code == 0 && (a.status < 200 || a.status >= 300))
    code = refused(h, key, a.status);
  http_response_free(&a);
  return code;
}

static const remote_ops http_ops = {
  .kind = "http",
  .read_only = true,
  .jobs = 16,
  .close = http_close,
  .exists = http_exists,
  .get = http_get,
};

/* auth = basic with user and password; auth = custom with custom_auth_header and password; or both in the URL. */
static int authorize(http_remote *h, const web_url *u, const remote_settings *s)
{
  const char *auth = remote_setting(s, "auth"), *user = remote_setting(s, "user"), *password = remote_setting(s, "password"), *name = remote_setting(s, "custom_auth_header");
  bool ask_for = !password && remote_setting_bool(s, "ask_password", false);
  if (!auth && !u->user)
    return 0;
  if (auth && ask_for)
    return error_set(OPIS_EUNSUPPORTED, "%s: opis does not ask for passwords; 'opis data remote modify --local NAME password PASSWORD' keeps it out of git", u->url);
  if (auth && strcasecmp(auth, "custom") == 0) {
    if (!name || !password)
      return error_set(OPIS_EINVALID, "%s: auth = custom needs custom_auth_header and password", u->url);
    if (strpbrk(name, ":\r\n") || strpbrk(password, "\r\n"))
      return error_set(OPIS_EINVALID, "%s: custom_auth_header and password make no header", u->url);
    return asprintf(&h->authorization, "%s: %s", name, password) < 0 ? error_nomem() : 0;
  }
  if (auth && strcasecmp(auth, "basic") != 0)
    return error_set(OPIS_EUNSUPPORTED, "%s: auth = %s: only basic and custom are done", u->url, auth);
  if (!user)
    user = u->user;
  if (!password)
    password = u->password;
  if (auth && (!user || !password))
    return error_set(OPIS_EINVALID, "%s: auth = basic needs user and password", u->url);
  h->authorization = web_basic(user, password ? password : "");
  return h->authorization ? 0 : error_nomem();
}

int remote_http_open(remote **out, const char *url, const remote_settings *settings)
{
  web_url u;
  http_remote *h = calloc(1, sizeof *h);
  if (!h)
    return error_nomem();
  h->base.ops = &http_ops;
  int code = web_open(&h->web, settings);
  if (code == 0 && (code = web_url_parse(&u, url)) == 0) {
    code = authorize(h, &u, settings);
    h->url = u.url;
    u.url = NULL;
    web_url_free(&u);
  }
  if (code < 0) {
    http_close(&h->base);
    return code;
  }
  *out = &h->base;
  return 0;
}
