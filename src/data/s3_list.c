/* Listing a bucket: pages of 1,000 keys, each asked for by where the one before ended. Objects have their folders by hash, so that a listing of more than a page goes on in many places at once. */
#include "data/remote_s3.h"
#include "data/s3_xml.h"
#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 16, FOLDERS = 256 };
static const char objects[] = "files/md5/";

typedef struct page {
  remote_list_fn *each;
  void *user;
  pthread_mutex_t *lock; /* around each; NULL: there is one thread only */
  size_t skip;           /* of a key: the remote's own prefix */
  char *key, *next;
  uint64_t size;
  bool more;
} page;

/* Keys come percent-encoded ("encoding-type=url"): XML cannot hold every name. */
static void decode(char *s)
{
  char *to = s;
  for (; *s; s++) {
    unsigned v;
    if (*s == '%' && s[1] && s[2] && sscanf(s + 1, "%2x", &v) == 1 && v) {
      *to++ = (char)v;
      s += 2;
    } else
      *to++ = *s == '+' ? ' ' : *s;
  }
  *to = '\0';
}

static int give(page *p)
{
  uint64_t size = p->size;
  p->size = UINT64_MAX;
  decode(p->key);
  if (strlen(p->key) <= p->skip)
    return 0;
  if (p->lock)
    pthread_mutex_lock(p->lock);
  int code = p->each(p->user, p->key + p->skip, size);
  if (p->lock)
    pthread_mutex_unlock(p->lock);
  return code;
}

static int on_entry(void *user, const char *parent, const char *name, const char *text)
{
  page *p = user;
  if (strcmp(parent, "Contents") == 0 && text) {
    if (strcmp(name, "Key") == 0)
      return s3_replace(&p->key, text);
    if (strcmp(name, "Size") == 0)
      p->size = strtoull(text, NULL, 10);
  } else if (strcmp(parent, "ListBucketResult") == 0) {
    if (strcmp(name, "IsTruncated") == 0 && text)
      p->more = strcmp(text, "true") == 0;
    else if (strcmp(name, "NextContinuationToken") == 0 && text)
      return s3_replace(&p->next, text);
    else if (strcmp(name, "Contents") == 0 && !text && p->key)
      return give(p);
  }
  return 0;
}

/* The keys of a prefix that come behind `after` (NULL: all): all pages, or the first one, whose last key is then *last (below the remote; NULL: it was the only one). */
static int list_pages(s3_remote *s, const char *prefix, const char *after, page *p, char **last)
{
  strbuf full = STRBUF_INIT, start = STRBUF_INIT;
  int code = 0;
  char *token = NULL;
  const char *slash = *s->config.prefix ? "/" : "";
  strbuf_printf(&full, "%s%s%s", s->config.prefix, slash, prefix);
  if (after)
    strbuf_printf(&start, "%s%s%s", s->config.prefix, slash, after);
  if (full.failed || start.failed)
    code = error_nomem();
  p->skip = *s->config.prefix ? strlen(s->config.prefix) + 1 : 0;
  p->size = UINT64_MAX;
  for (p->more = true; code == 0 && p->more;) {
    http_response a = HTTP_RESPONSE_INIT;
    strbuf query = STRBUF_INIT;
    if (token) {
      strbuf_puts(&query, "continuation-token=");
      http_put_escaped(&query, token, false);
      strbuf_putc(&query, '&');
    }
    strbuf_puts(&query, "encoding-type=url&list-type=2&max-keys=1000&prefix=");
    http_put_escaped(&query, full.s, false);
    if (after && !token) {
      strbuf_puts(&query, "&start-after=");
      http_put_escaped(&query, start.s, false);
    }
    if ((code = strbuf_check(&query)) == 0)
      code = s3_perform(s, &a, &(s3_call){.method = "GET", .query = query.s}, NULL);
    if (code == 0 && a.status != 200)
      code = s3_failed(s, prefix, &a);
    p->more = false;
    if (code == 0)
      code = s3_xml(a.body.s, a.body.n, on_entry, p, s->base.url);
    if (code == 0 && p->more && (!p->next || (token && strcmp(token, p->next) == 0)))
      code = error_set(OPIS_EFORMAT, "%s: a listing that does not go on", s->base.url);
    free(token);
    token = p->next;
    p->next = NULL;
    strbuf_free(&query);
    http_response_free(&a);
    if (code == 0 && last && p->more && p->key && strlen(p->key) > p->skip) {
      code = s3_replace(last, p->key + p->skip);
      break;
    }
  }
  free(token);
  free(p->key);
  p->key = NULL;
  strbuf_free(&full);
  strbuf_free(&start);
  return code;
}

/* ---- many places at once ---- */

typedef struct listing {
  s3_remote *s;
  remote_list_fn *each;
  void *user;
  const char *after; /* where the first page ended */
  unsigned first;    /* the folder that it is in */
  atomic_uint next;
  atomic_int code;
  pthread_mutex_t lock;
  char message[1024]; /* of code */
} listing;

/* Called under the lock. */
static int pass_on(void *user, const char *key, uint64_t size)
{
  listing *l = user;
  int code = atomic_load(&l->code);
  return code != 0 ? code : l->each(l->user, key, size);
}

static void *work(void *user)
{
  listing *l = user;
  for (unsigned i; atomic_load(&l->code) == 0 && (i = atomic_fetch_add(&l->next, 1)) < FOLDERS;) {
    char prefix[sizeof objects + 2];
    page p = {.each = pass_on, .user = l, .lock = &l->lock};
    snprintf(prefix, sizeof prefix, "%s%02x", objects, i);
    int code = list_pages(l->s, prefix, i == l->first ? l->after : NULL, &p, NULL);
    if (code != 0) {
      pthread_mutex_lock(&l->lock);
      if (atomic_load(&l->code) == 0) {
        snprintf(l->message, sizeof l->message, "%s", opis_error_message());
        atomic_store(&l->code, code);
      }
      pthread_mutex_unlock(&l->lock);
    }
  }
  return NULL;
}

/* The folders from the one that `after` is in. */
static int list_folders(s3_remote *s, const char *after, unsigned first, remote_list_fn *each, void *user)
{
  listing l = {.s = s, .each = each, .user = user, .after = after, .first = first, .next = first, .lock = PTHREAD_MUTEX_INITIALIZER};
  pthread_t threads[AT_ONCE];
  int started = 0;
  while (started + 1 < AT_ONCE && pthread_create(&threads[started], NULL, work, &l) == 0)
    started++;
  work(&l);
  for (int i = 0; i < started; i++)
    pthread_join(threads[i], NULL);
  int code = atomic_load(&l.code);
  return code < 0 ? error_set(code, "%s", l.message) : code;
}

static int hex(char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int s3_list(remote *r, const char *prefix, remote_list_fn *each, void *user)
{
  s3_remote *s = (s3_remote *)r;
  size_t n = sizeof objects - 1;
  page p = {.each = each, .user = user};
  char *last = NULL;
  if (strcmp(prefix, objects) != 0) /* one folder, or everything, also what DVC 2 has left */
    return list_pages(s, prefix, NULL, &p, NULL);
  int code = list_pages(s, prefix, NULL, &p, &last);
  if (code == 0 && last) {
    bool ours = strlen(last) > n + 2 && hex(last[n]) >= 0 && hex(last[n + 1]) >= 0;
    code = ours ? list_folders(s, last, (unsigned)(16 * hex(last[n]) + hex(last[n + 1])), each, user) : list_pages(s, prefix, last, &p, NULL);
  }
  free(last);
  return code;
}
