#include "data/remote_web.h"

#include "util/crypto.h"
#include "util/error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static long seconds(const remote_settings *s, const char *key)
{
  const char *v = remote_setting(s, key);
  double n = v ? strtod(v, NULL) : 0;
  return n <= 0 ? 0 : n < 1 ? 1 : n > 86400 ? 86400 : (long)n;
}

int web_open(web *w, const remote_settings *settings)
{
  static const char *const paths[] = {"ssl_verify", "cert_path", "key_path"};
  *w = (web){.lock = PTHREAD_MUTEX_INITIALIZER};
  w->trust.connect_seconds = seconds(settings, "connect_timeout");
  w->trust.stall_seconds = seconds(settings, "read_timeout");
  w->trust.anyone = !remote_setting_bool(settings, "ssl_verify", true);
  for (int i = 0; i < 3; i++) {
    const char *v = remote_setting(settings, paths[i]);
    if (v && (i > 0 || (strchr(v, '/') || strchr(v, '.'))) && !(w->strings[i] = strdup(v)))
      return error_nomem();
  }
  if (w->strings[0])
    w->trust.anyone = false;
  w->trust.authorities = w->strings[0];
  w->trust.certificate = w->strings[1];
  w->trust.key = w->strings[2];
  return 0;
}

void web_close(web *w)
{
  for (int i = 0; i < w->n; i++)
    http_client_free(w->idle[i]);
  for (int i = 0; i < 3; i++)
    free(w->strings[i]);
  pthread_mutex_destroy(&w->lock);
}

void web_counted(web_count *count, uint64_t whole)
{
  if (whole <= count->told)
    return;
  if (count->io && count->io->moved)
    count->io->moved(count->io->user, whole - count->told);
  count->told = whole;
}

int web_progress(void *user, uint64_t done, uint64_t total)
{
  web_count *count = user;
  (void)total;
  web_counted(count, done);
  return count->io && count->io->cancelled ? count->io->cancelled(count->io->user) : 0;
}

int web_perform(web *w, http_response *out, const http_request *request, const remote_io *io)
{
  http_client *c = NULL;
  http_request q = *request;
  web_count count = {io, 0};
  pthread_mutex_lock(&w->lock);
  if (w->n > 0)
    c = w->idle[--w->n];
  pthread_mutex_unlock(&w->lock);
  int code = c ? 0 : http_client_new(&c);
  if (code < 0)
    return code;
  if (!q.trust)
    q.trust = &w->trust;
  if (io && !q.progress) {
    q.progress = web_progress;
    q.user = &count;
  }
  code = http_perform(c, out, &q);
  pthread_mutex_lock(&w->lock);
  if (w->n < WEB_CONNECTIONS) {
    w->idle[w->n++] = c;
    c = NULL;
  }
  pthread_mutex_unlock(&w->lock);
  http_client_free(c);
  return code;
}

/* ---- URLs ---- */

static int digit(char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *web_decoded(const char *s, size_t n)
{
  char *out = malloc(n + 1), *to = out;
  for (size_t i = 0; out && i < n; i++) {
    if (s[i] == '%' && i + 2 < n && digit(s[i + 1]) >= 0 && digit(s[i + 2]) >= 0) {
      *to++ = (char)(16 * digit(s[i + 1]) + digit(s[i + 2]));
      i += 2;
    } else
      *to++ = s[i];
  }
  if (out)
    *to = '\0';
  return out;
}

int web_url_parse(web_url *u, const char *url)
{
  *u = (web_url){0};
  const char *colon = strstr(url, "://");
  if (!colon || colon == url)
    return error_set(OPIS_EINVALID, "a remote's address without '://'");
  const char *host = colon + 3, *path = host + strcspn(host, "/?#"), *at = NULL;
  for (const char *p = host; p < path; p++)
    if (*p == '@')
      at = p;
  size_t n = strlen(path);
  while (n > 0 && path[n - 1] == '/')
    n--;
  bool ok = true;
  if (at) {
    const char *middle = memchr(host, ':', (size_t)(at - host));
    ok &= (u->user = web_decoded(host, (size_t)((middle ? middle : at) - host))) != NULL;
    if (middle)
      ok &= (u->password = web_decoded(middle + 1, (size_t)(at - middle - 1))) != NULL;
    host = at + 1;
  }
  ok &= (u->scheme = strndup(url, (size_t)(colon - url))) != NULL;
  ok &= (u->host = strndup(host, (size_t)(path - host))) != NULL;
  ok &= (u->path = strndup(path, n)) != NULL;
  for (char *p = u->scheme; p && *p; p++)
    *p = (char)tolower((unsigned char)*p);
  if (ok && asprintf(&u->url, "%s://%s%s", u->scheme, u->host, u->path) >= 0)
    return 0;
  u->url = NULL;
  web_url_free(u);
  return error_nomem();
}

void web_url_free(web_url *u)
{
  free(u->url);
  free(u->scheme);
  free(u->host);
  free(u->path);
  free(u->user);
  if (u->password)
    explicit_bzero(u->password, strlen(u->password));
  free(u->password);
  *u = (web_url){0};
}

char *web_basic(const char *user, const char *password)
{
  static const char start[] = "Authorization: Basic ";
  char *pair, *line = NULL;
  int n = asprintf(&pair, "%s:%s", user, password);
  if (n < 0)
    return NULL;
  line = malloc(sizeof start + (size_t)(n + 2) / 3 * 4 + 1);
  if (line) {
    strcpy(line, start);
    EVP_EncodeBlock((unsigned char *)line + sizeof start - 1, (const unsigned char *)pair, n);
  }
  explicit_bzero(pair, (size_t)n);
  free(pair);
  return line;
}

int web_failed(const char *what, int status, const char *why)
{
  const char *between = why && *why ? ": " : "";
  if (!why)
    why = "";
  switch (status) {
  case 404:
  case 410: return error_set(OPIS_ENOTFOUND, "%s: not there%s%s", what, between, why);
  case 401:
  case 403:
  case 407: return error_set(OPIS_EAUTH, "%s: the server refuses (%d%s%s); see the credentials of the remote", what, status, between, why);
  case 408:
  case 429:
  case 500:
  case 502:
  case 503:
  case 504: return error_set(OPIS_ENETWORK, "%s: the server answers %d%s%s, also after several tries", what, status, between, why);
  default: return error_set(OPIS_EIO, "%s: the server answers %d%s%s", what, status, between, why);
  }
}
