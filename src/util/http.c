#include "util/http.h"

#include "util/error.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_SECONDS 15L
#define STALL_SECONDS 30L /* without a single byte */
#define LONGEST_WAIT 60.0
enum { MAX_HEADERS = 256 * 1024, MAX_REDIRECTS = 10, USUAL_ATTEMPTS = 5 };

#define CURL_FUNCTIONS(X)                                                                                                                                                          \
  X(global_init) X(easy_init) X(easy_setopt) X(easy_perform) X(easy_getinfo) X(easy_reset) X(easy_cleanup) X(easy_strerror) X(slist_append) X(slist_free_all)
static struct {
#define MEMBER(name) __typeof__(curl_##name) *name;
  CURL_FUNCTIONS(MEMBER)
#undef MEMBER
  bool there;
} lib; /* written once, under pthread_once */

static void open_library(void)
{
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    library = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return;
  lib.there = true;
#define FIND(name) lib.there &= (lib.name = (__typeof__(lib.name))dlsym(library, "curl_" #name)) != NULL;
  CURL_FUNCTIONS(FIND)
#undef FIND
  lib.there = lib.there && lib.global_init(CURL_GLOBAL_DEFAULT) == 0;
}

struct http_client {
  CURL *curl;
};

int http_client_new(http_client **out)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  *out = NULL;
  pthread_once(&once, open_library);
  if (!lib.there)
    return error_set(OPIS_EUNSUPPORTED, "libcurl is not installed (on Debian: apt-get install libcurl4)");
  http_client *c = calloc(1, sizeof *c);
  if (c)
    c->curl = lib.easy_init();
  if (!c || !c->curl) {
    free(c);
    return error_nomem();
  }
  *out = c;
  return 0;
}

void http_client_free(http_client *c)
{
  if (!c)
    return;
  lib.easy_cleanup(c->curl);
  free(c);
}

void http_response_free(http_response *r)
{
  strbuf_free(&r->body);
  strbuf_free(&r->headers);
  free(r->url);
  *r = (http_response)HTTP_RESPONSE_INIT;
}

const char *http_header(const http_response *r, const char *name)
{
  size_t n = strlen(name);
  for (size_t at = 0; at < r->headers.n; at += strlen(r->headers.s + at) + 1) {
    const char *line = r->headers.s + at;
    if (strncasecmp(line, name, n) == 0 && line[n] == ':')
      return line + n + 1 + strspn(line + n + 1, " \t");
  }
  return NULL;
}

void http_put_escaped(strbuf *b, const char *s, bool path)
{
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c) || (path && c == '/'))
      strbuf_putc(b, (char)c);
    else
      strbuf_printf(b, "%%%02X", c);
  }
}

/* One try of a request. */
typedef struct transfer {
  const http_request *request;
  http_response *response;
  CURL *curl;
  uint64_t sent;      /* of the body */
  uint64_t asked, at; /* where the rest begins; how far the output is written */
  uint64_t total;     /* of the output, 0: unknown */
  bool judged, keep;  /* the headers are complete; the body goes to the output */
  bool cancelled;
  int code; /* a failure of our own */
} transfer;

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
  transfer *t = user;
  strbuf *h = &t->response->headers;
  n *= size;
  if (n >= 5 && memcmp(data, "HTTP/", 5) == 0) { /* another answer begins: after a redirect, or "100 Continue" */
    strbuf_reset(h);
    t->judged = false;
  }
  size_t length = n;
  while (length > 0 && (data[length - 1] == '\r' || data[length - 1] == '\n'))
    length--;
  if (h->n + length >= MAX_HEADERS || memchr(data, '\0', length))
    return 0;
  if (length) {
    strbuf_append(h, data, length);
    strbuf_putc(h, '\0');
  }
  return h->failed ? 0 : n;
}

static int fail(transfer *t, int code)
{
  if (t->code == 0)
    t->code = code;
  return -1;
}

/* "bytes 100-199/200": whether the answer begins where it was asked to. */
static bool begins_at(const http_response *r, uint64_t at, uint64_t *total)
{
  const char *range = http_header(r, "Content-Range"), *slash;
  if (!range || strncasecmp(range, "bytes ", 6) != 0)
    return false;
  if ((slash = strchr(range, '/')) && slash[1] != '*')
    *total = strtoull(slash + 1, NULL, 10);
  return strtoull(range + 6, NULL, 10) == at;
}

/* The first byte of a body: what kind of answer it belongs to. */
static int judge(transfer *t)
{
  long status = 0;
  curl_off_t length = -1;
  t->judged = true;
  lib.easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
  lib.easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  t->keep = t->request->output_file && status >= 200 && status < 300;
  if (!t->keep)
    return 0;
  t->total = length >= 0 ? (uint64_t)length : 0;
  if (t->asked > 0 && (status == 206 || http_header(t->response, "Content-Range"))) { /* some servers send a range under 200 */
    if (!begins_at(t->response, t->asked, &t->total))
      return fail(t, error_set(OPIS_EFORMAT, "%s: the answer to a range begins elsewhere", t->request->url));
    t->at = t->asked;
    return 0;
  }
  t->at = 0;
  if (ftruncate(t->request->output_fd, 0) != 0)
    return fail(t, error_set_errno("cutting the output"));
  return 0;
}

static int write_out(transfer *t, const char *data, size_t n)
{
  while (n > 0) {
    ssize_t k = pwrite(t->request->output_fd, data, n, (off_t)t->at);
    if (k < 0 && errno == EINTR)
      continue;
    if (k < 0)
      return fail(t, error_set_errno("writing"));
    data += k;
    n -= (size_t)k;
    t->at += (uint64_t)k;
  }
  return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
  transfer *t = user;
  n *= size;
  if (!t->judged && judge(t) < 0)
    return 0;
  if (t->keep)
    return write_out(t, data, n) < 0 ? 0 : n;
  uint64_t max = t->request->max_body ? t->request->max_body : UINT64_C(16) << 20;
  if (t->response->body.n + n > max) {
    fail(t, error_set(OPIS_ELIMIT, "%s: an answer of more than %llu bytes", t->request->url, (unsigned long long)max));
    return 0;
  }
  strbuf_append(&t->response->body, data, n);
  return t->response->body.failed ? 0 : n;
}

static size_t on_send(char *data, size_t size, size_t n, void *user)
{
  transfer *t = user;
  const http_request *q = t->request;
  uint64_t left = q->body_size - t->sent;
  n *= size;
  if (n > left)
    n = (size_t)left;
  if (n == 0)
    return 0;
  if (!q->body_file)
    memcpy(data, (const char *)q->body + t->sent, n);
  else {
    ssize_t got;
    do
      got = pread(q->body_fd, data, n, (off_t)(q->body_offset + t->sent));
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
      fail(t, got < 0 ? error_set_errno("reading what is sent") : error_set(OPIS_EIO, "what is sent became shorter meanwhile"));
      return CURL_READFUNC_ABORT;
    }
    n = (size_t)got;
  }
  t->sent += n;
  return n;
}

/* libcurl goes back to the beginning after a redirect or an authentication. */
static int on_seek(void *user, curl_off_t offset, int origin)
{
  transfer *t = user;
  if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->request->body_size)
    return CURL_SEEKFUNC_FAIL;
  t->sent = (uint64_t)offset;
  return CURL_SEEKFUNC_OK;
}

static bool ask_progress(transfer *t)
{
  const http_request *q = t->request;
  uint64_t done = q->body_size ? t->sent : q->output_file ? t->at : t->response->body.n, total = q->body_size ? q->body_size : t->total;
  if (q->progress && q->progress(q->user, done, total) != 0)
    t->cancelled = true;
  return !t->cancelled;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
  (void)a;
  (void)b;
  (void)c;
  (void)d;
  return !ask_progress(user);
}

static struct curl_slist *add(struct curl_slist *list, const char *line, bool *failed)
{
  struct curl_slist *longer = lib.slist_append(list, line);
  if (longer)
    return longer;
  *failed = true;
  return list;
}

static struct curl_slist *make_headers(const transfer *t, const strbuf *own, bool *failed)
{
  const http_request *q = t->request;
  struct curl_slist *list = NULL;
  char line[512];
  for (size_t i = 0; q->headers && q->headers[i]; i++)
    list = add(list, q->headers[i], failed);
  for (size_t at = 0; at < own->n; at += strlen(own->s + at) + 1)
    list = add(list, own->s + at, failed);
  if (q->body_size)
    list = add(list, "Expect:", failed); /* a server that does not answer it costs a second each time */
  if (t->asked > 0) {
    snprintf(line, sizeof line, "Range: bytes=%llu-", (unsigned long long)t->asked);
    list = add(list, line, failed);
    if (q->output_tag) {
      snprintf(line, sizeof line, "If-Range: %.400s", q->output_tag);
      list = add(list, line, failed);
    }
  }
  return list;
}

static void set_trust(CURL *c, const http_trust *t)
{
  lib.easy_setopt(c, CURLOPT_CONNECTTIMEOUT, t->connect_seconds > 0 ? t->connect_seconds : CONNECT_SECONDS);
  lib.easy_setopt(c, CURLOPT_LOW_SPEED_TIME, t->stall_seconds > 0 ? t->stall_seconds : STALL_SECONDS);
  if (t->direct)
    lib.easy_setopt(c, CURLOPT_PROXY, "");
  if (t->anyone) {
    lib.easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
    lib.easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (t->authorities)
    lib.easy_setopt(c, CURLOPT_CAINFO, t->authorities);
  if (t->certificate)
    lib.easy_setopt(c, CURLOPT_SSLCERT, t->certificate);
  if (t->key)
    lib.easy_setopt(c, CURLOPT_SSLKEY, t->key);
}

static CURLcode try_once(transfer *t, struct curl_slist *headers)
{
  const http_request *q = t->request;
  CURL *c = t->curl;
  bool put = q->body || q->body_file;
  lib.easy_reset(c);
  lib.easy_setopt(c, CURLOPT_URL, q->url);
  lib.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  lib.easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  lib.easy_setopt(c, CURLOPT_FOLLOWLOCATION, q->follow ? 1L : 0L);
  lib.easy_setopt(c, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
  lib.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  lib.easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
  set_trust(c, q->trust ? q->trust : &(http_trust){0});
  lib.easy_setopt(c, CURLOPT_USERAGENT, "opis/" OPIS_VERSION);
  lib.easy_setopt(c, CURLOPT_HTTPHEADER, headers);
  lib.easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
  lib.easy_setopt(c, CURLOPT_HEADERDATA, t);
  lib.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
  lib.easy_setopt(c, CURLOPT_WRITEDATA, t);
  lib.easy_setopt(c, CURLOPT_BUFFERSIZE, 256L * 1024);
  lib.easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  lib.easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
  lib.easy_setopt(c, CURLOPT_XFERINFODATA, t);
  if (put) {
    lib.easy_setopt(c, CURLOPT_UPLOAD, 1L);
    lib.easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->body_size);
    lib.easy_setopt(c, CURLOPT_READFUNCTION, on_send);
    lib.easy_setopt(c, CURLOPT_READDATA, t);
    lib.easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
    lib.easy_setopt(c, CURLOPT_SEEKDATA, t);
  }
  if (q->method && strcmp(q->method, "HEAD") == 0)
    lib.easy_setopt(c, CURLOPT_NOBODY, 1L);
  else if (q->method)
    lib.easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
  return lib.easy_perform(c);
}

/* Failures of the way, which another try may not meet. */
static bool is_passing(CURLcode code)
{
  switch (code) {
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_CONNECT:
  case CURLE_OPERATION_TIMEDOUT:
  case CURLE_PARTIAL_FILE:
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_HTTP2:
  case CURLE_HTTP2_STREAM:
  case CURLE_SSL_CONNECT_ERROR: return true;
  default: return false;
  }
}

static bool is_passing_status(int status)
{
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

/* Seconds that the answer asks for: a number, or a date. Negative when it does not. */
static double retry_after(const http_response *r)
{
  const char *v = http_header(r, "Retry-After");
  char *end;
  struct tm when = {0};
  if (!v)
    return -1;
  double seconds = strtod(v, &end);
  if (end == v) {
    if (!strptime(v, "%a, %d %b %Y %H:%M:%S GMT", &when))
      return -1;
    seconds = difftime(timegm(&when), time(NULL));
  }
  return seconds < 0 ? 0 : seconds;
}

static void wait_before(transfer *t, double seconds)
{
  if (!(seconds < LONGEST_WAIT))
    seconds = LONGEST_WAIT;
  for (; seconds > 0 && ask_progress(t); seconds -= 0.1)
    nanosleep(&(struct timespec){0, (long)(1e9 * (seconds < 0.1 ? seconds : 0.1))}, NULL);
}

static int failure(const transfer *t, CURLcode code)
{
  if (t->cancelled)
    return error_set(OPIS_ECANCELLED, "%s: cancelled", t->request->url);
  if (t->code < 0)
    return t->code;
  if (t->response->body.failed || t->response->headers.failed || code == CURLE_OUT_OF_MEMORY)
    return error_nomem();
  if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
    return error_set(OPIS_EINVALID, "%s: no http address", t->request->url);
  return error_set(OPIS_ENETWORK, "%s: %s", t->request->url, lib.easy_strerror(code));
}

int http_perform(http_client *client, http_response *out, const http_request *request)
{
  transfer t = {.request = request, .response = out, .curl = client->curl, .at = request->output_offset};
  int attempts = request->attempts ? request->attempts : USUAL_ATTEMPTS;
  double pause = 0.5;
  CURLcode code = CURLE_OK;
  for (int left = attempts;;) {
    uint64_t before = t.at;
    bool failed = false, again;
    strbuf own = STRBUF_INIT;
    http_response_free(out);
    if (request->sign && (t.code = request->sign(request->sign_user, &own)) < 0) {
      strbuf_free(&own);
      break;
    }
    t.judged = t.keep = false;
    t.sent = 0;
    t.asked = request->output_file ? t.at : 0;
    struct curl_slist *headers = make_headers(&t, &own, &failed);
    code = failed || own.failed ? CURLE_OUT_OF_MEMORY : try_once(&t, headers);
    lib.slist_free_all(headers);
    strbuf_free(&own);
    long status = 0;
    char *url = NULL;
    lib.easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
    lib.easy_getinfo(t.curl, CURLINFO_EFFECTIVE_URL, &url);
    out->status = (int)status;
    out->url = url ? strdup(url) : NULL;
    if (code == CURLE_OK && !t.judged && judge(&t) < 0) /* an empty body */
      break;
    again = code == CURLE_OK ? is_passing_status(out->status) || (request->passing && request->passing(out)) : is_passing(code) && t.code == 0;
    if (!again || t.cancelled)
      break;
    if (t.at > before) { /* it went on: a new count */
      left = attempts;
      pause = 0.5;
    }
    if (--left <= 0)
      break;
    double asked = code == CURLE_OK ? retry_after(out) : -1;
    wait_before(&t, asked >= 0 ? asked : pause);
    pause *= 2;
    if (t.cancelled)
      break;
  }
  if (code != CURLE_OK || t.cancelled || t.code < 0)
    return failure(&t, code);
  ask_progress(&t);
  return 0;
}
