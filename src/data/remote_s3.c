/* Amazon's S3 and the many services that speak as it does. */
#include "data/remote_s3.h"

#include "data/s3_sign.h"
#include "data/s3_xml.h"
#include "util/crypto.h"
#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS_AT_ONCE = 32, DELETE_AT_ONCE = 1000 };
#define LONGEST_ANSWER (UINT64_C(64) << 20)

static void s3_close(remote *r)
{
  s3_remote *s = (s3_remote *)r;
  web_close(&s->web);
  s3_config_free(&s->config);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

/* ---- one request ---- */

int s3_full_key(strbuf *b, const s3_remote *s, const char *key)
{
  strbuf_printf(b, "%s%s%s", s->config.prefix, *s->config.prefix && *key ? "/" : "", key);
  return strbuf_check(b);
}

typedef struct signing {
  s3_remote *s;
  const s3_call *call;
  const char *host, *path;
  const strbuf *headers;
} signing;

static int sign(void *user, strbuf *headers)
{
  const signing *g = user;
  s3_config *c = &g->s->config;
  time_t now = time(NULL);
  int code = 0;
  pthread_mutex_lock(&g->s->lock);
  if (c->source == S3_ANONYMOUS) {
    if (g->headers->n)
      strbuf_append(headers, g->headers->s, g->headers->n);
    code = strbuf_check(headers);
  } else if ((code = s3_config_renew(c, &g->s->web, now)) == 0)
    code = s3_sign(headers,
      &(s3_signing){g->call->method, g->host, g->path, g->call->query ? g->call->query : "", c->region, g->call->payload ? g->call->payload : S3_EMPTY, g->headers, c->keys.id,
        c->keys.secret, c->keys.token, now});
  pthread_mutex_unlock(&g->s->lock);
  return code;
}

/* Errors that pass but do not show it by their status: an upload that was too slow, and what went wrong after "200 OK" was sent. */
static bool passing(const http_response *a)
{
  static const char *const slow[] = {"<Code>RequestTimeout</Code>", "<Code>IncompleteBody</Code>"}, *const late[] = {"<Code>InternalError</Code>", "<Code>SlowDown</Code>"};
  for (int i = 0; i < 2 && a->body.s; i++)
    if ((a->status == 400 && strstr(a->body.s, slow[i])) || (a->status == 200 && strstr(a->body.s, late[i])))
      return true;
  return false;
}

static int place(strbuf *host, strbuf *path, strbuf *url, s3_remote *s, const s3_call *call)
{
  const s3_config *c = &s->config;
  strbuf key = STRBUF_INIT;
  const char *scheme = c->ssl ? "https" : "http", *rest = "";
  int code = call->key ? s3_full_key(&key, s, call->key) : 0;
  if (!c->path_style)
    strbuf_printf(host, "%s.", c->bucket);
  if (c->endpoint) {
    const char *from = strstr(c->endpoint, "://") + 3;
    size_t n = strcspn(from, "/");
    scheme = strncmp(c->endpoint, "https", 5) == 0 ? "https" : "http";
    strbuf_append(host, from, n);
    rest = from + n;
  } else {
    pthread_mutex_lock(&s->lock);
    strbuf_printf(host, "s3.%s.amazonaws.com%s", c->region, strncmp(c->region, "cn-", 3) == 0 ? ".cn" : "");
    pthread_mutex_unlock(&s->lock);
  }
  strbuf_puts(path, rest);
  strbuf_putc(path, '/');
  if (c->path_style)
    strbuf_puts(path, c->bucket);
  if (call->key) {
    if (c->path_style)
      strbuf_putc(path, '/');
    http_put_escaped(path, key.s, true);
  }
  strbuf_printf(url, "%s://%s%s%s%s", scheme, host->s, path->s, call->query ? "?" : "", call->query ? call->query : "");
  strbuf_free(&key);
  return code < 0 ? code : host->failed || path->failed || url->failed ? error_nomem() : 0;
}

/* The region that an answer names in place of ours. */
static bool other_region(s3_remote *s, const http_response *a)
{
  const char *header = http_header(a, "x-amz-bucket-region");
  char *inner = header || a->status < 300 ? NULL : s3_text(a, "Error", "Region");
  const char *region = header ? header : inner;
  bool changed = false;
  if (region && *region && strlen(region) < 64 && !region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")] &&
    (a->status == 301 || a->status == 307 || a->status == 400 || a->status == 403)) {
    char *copy = strdup(region);
    pthread_mutex_lock(&s->lock);
    if (copy && strcmp(s->config.region, region) != 0) {
      free(s->config.region);
      s->config.region = copy;
      copy = NULL;
      changed = true;
    }
    pthread_mutex_unlock(&s->lock);
    free(copy);
  }
  free(inner);
  return changed;
}

int s3_perform(s3_remote *s, http_response *a, s3_call *call, const remote_io *io)
{
  strbuf headers = STRBUF_INIT;
  int code = 0;
  if (call->headers && call->headers->n)
    strbuf_append(&headers, call->headers->s, call->headers->n);
  if (call->object && s->config.every_headers.n)
    strbuf_append(&headers, s->config.every_headers.s, s->config.every_headers.n);
  if ((code = strbuf_check(&headers)) < 0)
    return code;
  for (int regions = 0; regions < 2; regions++) {
    strbuf host = STRBUF_INIT, path = STRBUF_INIT, url = STRBUF_INIT;
    code = place(&host, &path, &url, s, call);
    signing g = {s, call, host.s, path.s, &headers};
    call->http.url = url.s;
    call->http.method = call->method;
    call->http.sign = sign;
    call->http.sign_user = &g;
    call->http.passing = passing;
    if (!call->http.max_body)
      call->http.max_body = LONGEST_ANSWER;
    if (code == 0)
      code = web_perform(&s->web, a, &call->http, io);
    call->http.url = NULL;
    call->http.sign_user = NULL;
    strbuf_free(&host);
    strbuf_free(&path);
    strbuf_free(&url);
    if (code < 0 || a->status < 300 || !other_region(s, a))
      break;
  }
  strbuf_free(&headers);
  if (code == 0 && a->status < 300)
    atomic_store(&s->bucket_there, true);
  return code;
}

/* ---- answers ---- */

typedef struct finding {
  const char *parent, *name;
  char *text;
} finding;

static int find(void *user, const char *parent, const char *name, const char *text)
{
  finding *f = user;
  if (!f->text && text && (!f->parent || strcmp(parent, f->parent) == 0) && strcmp(name, f->name) == 0 && !(f->text = strdup(text)))
    return error_nomem();
  return 0;
}

char *s3_text(const http_response *a, const char *parent, const char *name)
{
  finding f = {parent, name, NULL};
  if (!a->body.n || s3_xml(a->body.s, a->body.n, find, &f, "S3") < 0) {
    free(f.text);
    return NULL;
  }
  return f.text;
}

bool s3_is_error(const http_response *a, const char *code)
{
  char *said = s3_text(a, "Error", "Code");
  bool same = said && strcmp(said, code) == 0;
  free(said);
  return same;
}

/* What to mend, by the service's code. */
static const struct known {
  const char *code;
  int error;
  const char *mend;
} known[] = {
  {"NoSuchBucket", OPIS_EINVALID, "there is no such bucket at this endpoint"},
  {"NoSuchKey", OPIS_ENOTFOUND, "not there"},
  {"InvalidAccessKeyId", OPIS_EAUTH, "the service does not know this access_key_id"},
  {"XAdminUserNotFound", OPIS_EAUTH, "the service does not know this access_key_id"}, /* Versity's */
  {"SignatureDoesNotMatch", OPIS_EAUTH, "secret_access_key does not belong to access_key_id"},
  {"ExpiredToken", OPIS_EAUTH, "session_token has run out; get new credentials"},
  {"TokenRefreshRequired", OPIS_EAUTH, "session_token has run out; get new credentials"},
  {"InvalidToken", OPIS_EAUTH, "session_token is not valid"},
  {"AccessDenied", OPIS_EAUTH, "these credentials may not do this"},
  {"AllAccessDisabled", OPIS_EAUTH, "the bucket is closed to everybody"},
  {"RequestTimeTooSkewed", OPIS_EAUTH, "the clock of this machine is wrong by more than 15 minutes"},
  {"AuthorizationHeaderMalformed", OPIS_EAUTH, "the request is signed for another region; set the remote's region"},
  {"QuotaExceeded", OPIS_EIO, "the storage is full"},
};

int s3_failed(s3_remote *s, const char *key, const http_response *a)
{
  strbuf what = STRBUF_INIT, why = STRBUF_INIT;
  char *said = s3_text(a, "Error", "Code"), *words = s3_text(a, "Error", "Message");
  strbuf_printf(&what, "s3://%s/", s->config.bucket);
  s3_full_key(&what, s, key ? key : "");
  if (said)
    strbuf_printf(&why, "%.64s%s%.200s", said, words && *words ? ": " : "", words ? words : "");
  for (char *p = why.s; p && *p; p++)
    if ((unsigned char)*p < ' ')
      *p = ' ';
  int code = what.failed || why.failed ? error_nomem() : 0;
  const struct known *k = NULL;
  for (size_t i = 0; said && i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].code, said) == 0)
      k = &known[i];
  if (code == 0)
    code = k                     ? error_set(k->error, "%s: %s (%s)", what.s, k->mend, k->code)
      : said && a->status == 404 ? error_set(OPIS_EIO, "%s: %s", what.s, why.s) /* something else is not there */
                                 : web_failed(what.s, a->status, why.n ? why.s : NULL);
  free(said);
  free(words);
  strbuf_free(&what);
  strbuf_free(&why);
  return code;
}

/* ---- the operations ---- */

static int nothing(void *user, const char *key, uint64_t size)
{
  (void)user;
  (void)key;
  (void)size;
  return 1;
}

/* HEAD has no words: "no such bucket" looks like "no such object" until something else has answered. Who may not list is believed. */
static int bucket_is_there(s3_remote *s)
{
  if (atomic_load(&s->bucket_there))
    return 0;
  int code = s3_list(&s->base, "files/md5/00/", nothing, NULL);
  if (code >= 0 || code == OPIS_EAUTH) {
    atomic_store(&s->bucket_there, true);
    return 0;
  }
  return code;
}

int s3_exists(remote *r, const char *key, bool *there, uint64_t *size)
{
  s3_remote *s = (s3_remote *)r;
  http_response a = HTTP_RESPONSE_INIT;
  int code = s3_perform(s, &a, &(s3_call){.method = "HEAD", .key = key, .object = true}, NULL);
  *there = code == 0 && a.status >= 200 && a.status < 300;
  if (code == 0 && !*there) {
    if (a.status == 404)
      code = bucket_is_there(s);
    else if ((code = s3_list(r, key, nothing, NULL)) >= 0) /* HEAD gives no reason; asked otherwise, the service does */
      code = s3_failed(s, key, &a);
  }
  if (size) {
    const char *length = *there ? http_header(&a, "Content-Length") : NULL;
    *size = length ? strtoull(length, NULL, 10) : UINT64_MAX;
  }
  http_response_free(&a);
  return code;
}

static int s3_get(remote *r, const char *key, int fd, const remote_io *io)
{
  s3_remote *s = (s3_remote *)r;
  http_response a = HTTP_RESPONSE_INIT;
  int code = s3_perform(s, &a, &(s3_call){.method = "GET", .key = key, .object = true, .http = {.output_file = true, .output_fd = fd}}, io);
  if (code == 0 && (a.status < 200 || a.status >= 300))
    code = s3_failed(s, key, &a);
  http_response_free(&a);
  return code;
}

static int s3_put(remote *r, const char *key, int fd, uint64_t size, const remote_io *io)
{
  s3_remote *s = (s3_remote *)r;
  http_response a = HTTP_RESPONSE_INIT;
  char payload[SHA256_HEX];
  if (size > s->config.threshold)
    return s3_put_parts(s, key, fd, size, io);
  strbuf headers = STRBUF_INIT;
  int code = s3_sum_fd(payload, &headers, fd, 0, size, key);
  if (s->config.put_headers.n)
    strbuf_append(&headers, s->config.put_headers.s, s->config.put_headers.n);
  if (code == 0)
    code = strbuf_check(&headers);
  s3_call call = {.method = "PUT", .key = key, .payload = payload, .headers = &headers, .object = true, .http = {.body_file = true, .body_fd = fd, .body_size = size}};
  if (code == 0)
    code = s3_perform(s, &a, &call, io);
  if (code == 0 && (a.status < 200 || a.status >= 300))
    code = s3_failed(s, key, &a);
  strbuf_free(&headers);
  http_response_free(&a);
  return code;
}

static int s3_remove(remote *r, const char *key)
{
  s3_remote *s = (s3_remote *)r;
  http_response a = HTTP_RESPONSE_INIT;
  int code = s3_perform(s, &a, &(s3_call){.method = "DELETE", .key = key}, NULL);
  if (code == 0 && (a.status < 200 || a.status >= 300)) {
    code = s3_failed(s, key, &a);
    if (code == OPIS_ENOTFOUND)
      code = 0;
  }
  http_response_free(&a);
  return code;
}

int s3_replace(char **to, const char *text)
{
  free(*to);
  *to = strdup(text);
  return *to ? 0 : error_nomem();
}

/* ---- many away at once ---- */

typedef struct removing {
  s3_remote *s;
  remote_item *items;
  size_t n;
  char *key, *why;
} removing;

static int on_removed(void *user, const char *parent, const char *name, const char *text)
{
  removing *m = user;
  if (strcmp(parent, "Error") == 0 && text)
    return strcmp(name, "Key") == 0 ? s3_replace(&m->key, text) : strcmp(name, "Code") == 0 ? s3_replace(&m->why, text) : 0;
  if (strcmp(name, "Error") != 0 || text || !m->key)
    return 0;
  size_t skip = *m->s->config.prefix ? strlen(m->s->config.prefix) + 1 : 0;
  for (size_t i = 0; i < m->n && strlen(m->key) > skip; i++)
    if (strcmp(m->items[i].key, m->key + skip) == 0 && !(m->why && strcmp(m->why, "NoSuchKey") == 0))
      m->items[i].result = error_set(
        m->why && strcmp(m->why, "AccessDenied") == 0 ? OPIS_EAUTH : OPIS_EIO, "s3://%s/%s: not taken away (%s)", m->s->config.bucket, m->key, m->why ? m->why : "no reason given");
  return 0;
}

/* Keys of objects are plain: what XML would have to escape is asked away one by one. */
static bool is_plain(const char *s)
{
  return !strpbrk(s, "<>&\"'") && (unsigned char)*s >= ' ';
}

static int remove_page(s3_remote *s, remote_item *items, size_t n, bool *refused)
{
  strbuf body = STRBUF_INIT, headers = STRBUF_INIT;
  http_response a = HTTP_RESPONSE_INIT;
  uint8_t md5[EVP_MAX_MD_SIZE], sum[32];
  char payload[SHA256_HEX];
  removing m = {s, items, n, NULL, NULL};
  strbuf_puts(&body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
  for (size_t i = 0; i < n; i++) {
    items[i].result = 0;
    strbuf_puts(&body, "<Object><Key>");
    s3_full_key(&body, s, items[i].key);
    strbuf_puts(&body, "</Key></Object>");
  }
  strbuf_puts(&body, "</Delete>");
  int code = strbuf_check(&body);
  if (code == 0)
    code = s3_sha256(payload, body.s, body.n);
  if (code == 0 && EVP_Digest(body.s, body.n, md5, NULL, EVP_md5(), NULL) == 1) {
    EVP_EncodeBlock(sum, md5, 16);
    strbuf_printf(&headers, "content-md5: %s%c", (const char *)sum, '\0');
  }
  if (code == 0)
    code = s3_perform(s, &a, &(s3_call){.method = "POST", .query = "delete=", .payload = payload, .headers = &headers, .http = {.body = body.s, .body_size = body.n}}, NULL);
  *refused = code == 0 && (a.status == 400 || a.status == 405 || a.status == 501);
  if (code == 0 && !*refused && a.status != 200)
    code = s3_failed(s, NULL, &a);
  if (code == 0 && !*refused)
    code = s3_xml(a.body.s, a.body.n, on_removed, &m, s->base.url);
  free(m.key);
  free(m.why);
  strbuf_free(&body);
  strbuf_free(&headers);
  http_response_free(&a);
  return code;
}

static int s3_remove_many(remote *r, remote_item *items, size_t n)
{
  s3_remote *s = (s3_remote *)r;
  int code = 0;
  bool one_by_one = !is_plain(s->config.prefix); /* some services have no such request */
  for (size_t at = 0; at < n && code == 0; at += DELETE_AT_ONCE) {
    size_t some = n - at < DELETE_AT_ONCE ? n - at : DELETE_AT_ONCE;
    if (!one_by_one)
      code = remove_page(s, items + at, some, &one_by_one);
    for (size_t i = at; one_by_one && i < at + some && code == 0; i++)
      if ((items[i].result = s3_remove(r, items[i].key)) == OPIS_EAUTH || items[i].result == OPIS_ENETWORK)
        code = items[i].result;
  }
  return code;
}

static const remote_ops s3_ops = {
  .kind = "s3",
  .jobs = REQUESTS_AT_ONCE,
  .close = s3_close,
  .exists = s3_exists,
  .list = s3_list,
  .get = s3_get,
  .put = s3_put,
  .remove = s3_remove,
  .remove_many = s3_remove_many,
};

int remote_s3_open(remote **out, const char *url, const remote_settings *settings)
{
  s3_remote *s = calloc(1, sizeof *s);
  if (!s)
    return error_nomem();
  s->base.ops = &s3_ops;
  pthread_mutex_init(&s->lock, NULL);
  int code = web_open(&s->web, settings);
  if (code == 0)
    code = s3_config_read(&s->config, url, settings);
  if (code < 0) {
    s3_close(&s->base);
    return code;
  }
  *out = &s->base;
  return 0;
}
