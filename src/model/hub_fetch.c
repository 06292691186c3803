#include "model/hub_fetch.h"

#include "model/digest.h"
#include "model/store.h"
#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AT_ONCE = 4, MAX_REDIRECTS = 5 };

/* What the fetching threads share. */
typedef struct crew {
  hub_job *job;
  pthread_mutex_t lock;
  size_t next;
  bool stop; /* somebody failed */
  int code;
  char message[1024];
} crew;

typedef struct worker {
  crew *crew;
  http_client *client;
  hub_file *file; /* the one in hand */
} worker;

int hub_status_error(const http_response *r, const char *what, bool has_token)
{
  const char *said = http_header(r, "X-Error-Code"), *words = http_header(r, "X-Error-Message");
  if (said && strcmp(said, "GatedRepo") == 0)
    return error_set(
      OPIS_EAUTH, "%s: its owner grants access on its page at the hub%s", what, has_token ? ", and has not granted it to this HF_TOKEN" : "; set HF_TOKEN to a token that has it");
  if (said && strcmp(said, "RevisionNotFound") == 0)
    return error_set(OPIS_ENOTFOUND, "%s: the hub has no such revision", what);
  if (r->status == 401 || r->status == 403)
    return error_set(OPIS_EAUTH, "%s: the hub has no such repository, or it is private: %s (HTTP %d)", what,
      has_token ? "the token in HF_TOKEN has no access" : "check its name, or set HF_TOKEN", r->status);
  if (r->status == 404)
    return error_set(OPIS_ENOTFOUND, "%s: the hub does not have it (HTTP 404)", what);
  if (r->status == 429)
    return error_set(OPIS_ENETWORK, "%s: the hub asks to come back later (HTTP 429)", what);
  return error_set(OPIS_ENETWORK, "%s: the hub answered HTTP %d%s%.200s", what, r->status, words ? ": " : "", words ? words : "");
}

/* Tells the sum of what is here; called with the bytes of the file in hand. */
static int tell(worker *w, uint64_t done)
{
  crew *c = w->crew;
  const hub_options *o = c->job->options;
  uint64_t sum = 0, total = 0;
  pthread_mutex_lock(&c->lock);
  w->file->done = done < w->file->size ? done : w->file->size;
  for (size_t i = 0; i < c->job->n; i++) {
    sum += c->job->files[i].done;
    total += c->job->files[i].size;
  }
  int stop = c->stop || (o && o->progress && o->progress(o->user, sum, total) != 0);
  pthread_mutex_unlock(&c->lock);
  return stop;
}

static int on_transfer(void *user, uint64_t done, uint64_t total)
{
  (void)total;
  return tell(user, done);
}

static int on_digest(void *user, uint64_t done)
{
  worker *w = user;
  (void)done;
  return tell(w, w->file->done);
}

static int make_url(char **url, const hub_job *job, const char *file)
{
  strbuf b = STRBUF_INIT;
  strbuf_printf(&b, "%s/%s/resolve/", job->endpoint, job->repo);
  http_put_escaped(&b, job->commit, false);
  strbuf_putc(&b, '/');
  http_put_escaped(&b, file, true);
  *url = strbuf_take(&b);
  return *url ? 0 : error_nomem();
}

/* W/"abc" -> abc. False when it is none that could stand in a file's name. */
static bool plain_tag(char to[65], const char *tag)
{
  if (tag && strncmp(tag, "W/", 2) == 0)
    tag += 2;
  size_t n = tag ? strlen(tag) : 0;
  if (n >= 2 && tag[0] == '"' && tag[n - 1] == '"') {
    tag++;
    n -= 2;
  }
  to[0] = '\0';
  if (n == 0 || n > 64)
    return false;
  memcpy(to, tag, n);
  to[n] = '\0';
  digest_kind kind;
  return digest_is(to, &kind);
}

/* "http://host:port" of an address. */
static size_t origin_length(const char *url)
{
  const char *host = strstr(url, "://");
  return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0;
}

/* Asks for size and digest. The hub says them in its own answer, before it points to where the bytes are; only renamed repositories are followed. */
static int ask(worker *w, char **url)
{
  const hub_job *job = w->crew->job;
  const char *const headers[] = {"Accept-Encoding: identity", job->authorization, NULL};
  http_response r = HTTP_RESPONSE_INIT;
  char tag[65];
  int code = 0;
  for (int hop = 0;; hop++) {
    http_request q = {.url = *url, .method = "HEAD", .headers = headers, .progress = on_transfer, .user = w};
    code = http_perform(w->client, &r, &q);
    const char *to = http_header(&r, "Location");
    if (code < 0 || r.status < 300 || r.status >= 400 || !to || to[0] != '/' || to[1] == '/' || hop == MAX_REDIRECTS)
      break;
    char *next;
    if (asprintf(&next, "%.*s%s", (int)origin_length(*url), *url, to) < 0) {
      code = error_nomem();
      break;
    }
    free(*url);
    *url = next;
  }
  if (code == 0 && (r.status < 200 || r.status >= 400))
    code = hub_status_error(&r, w->file->name, job->authorization != NULL);
  if (code == 0) {
    const char *size = http_header(&r, "X-Linked-Size");
    if (!size && r.status == 200)
      size = http_header(&r, "Content-Length");
    if (size && *size >= '0' && *size <= '9')
      w->file->size = strtoull(size, NULL, 10);
    if (plain_tag(tag, http_header(&r, "X-Linked-Etag")) || plain_tag(tag, http_header(&r, "ETag")))
      strcpy(w->file->digest, tag);
  }
  http_response_free(&r);
  return code;
}

/* 0 when the file's bytes are what the hub says. */
static int check(worker *w, const char *path)
{
  const hub_file *f = w->file;
  struct stat st;
  char hex[65];
  digest_kind kind;
  if (stat(path, &st) != 0)
    return error_set_errno("%s", path);
  if ((uint64_t)st.st_size != f->size)
    return error_set(OPIS_EFORMAT, "%s: %lld bytes came, the hub says %llu", f->name, (long long)st.st_size, (unsigned long long)f->size);
  if (!f->digest[0] || !digest_is(f->digest, &kind))
    return 0;
  int code = digest_file(hex, kind, path, on_digest, w);
  if (code == 0 && strcmp(hex, f->digest) != 0)
    code = error_set(OPIS_EFORMAT, "%s: what came has the digest %s, the hub says %s", f->name, hex, f->digest);
  return code;
}

static void count(worker *w, bool over_network, uint64_t bytes)
{
  pthread_mutex_lock(&w->crew->lock);
  *(over_network ? &w->crew->job->fetched : &w->crew->job->reused) += bytes;
  pthread_mutex_unlock(&w->crew->lock);
}

/* Takes the file from where it is already: the folder itself (an earlier try), the installed revision, the Hugging Face cache. OPIS_ENOTFOUND: nowhere. */
static int reuse(worker *w, const char *path)
{
  const hub_job *job = w->crew->job;
  const hub_file *f = w->file;
  char *from = NULL;
  if (!f->digest[0])
    return OPIS_ENOTFOUND;
  int code = file_exists(path) ? check(w, path) : OPIS_ENOTFOUND;
  if (code == 0 || code == OPIS_ECANCELLED)
    return code;
  const char *known = json_string_value(json_object_get(json_object_get(json_object_get(job->installed, "files"), f->name), "sha256"));
  code = known && strcmp(known, f->digest) == 0 ? path_join(&from, job->installed_folder, f->name) : hub_cache_blob(&from, job->repo, f->digest);
  if (code == 0)
    code = model_store_copy(path, from, true);
  free(from);
  if (code == 0)
    code = check(w, path);
  if (code < 0)
    unlink(path);
  return code == 0 || code == OPIS_ECANCELLED || code == OPIS_ENOMEM ? code : OPIS_ENOTFOUND;
}

/* From the first byte, or from where an earlier try stopped. */
static int download(worker *w, const char *url, const char *part)
{
  const hub_job *job = w->crew->job;
  const char *const headers[] = {"Accept-Encoding: identity", job->authorization, NULL};
  struct stat st;
  http_response r = HTTP_RESPONSE_INIT;
  int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0666), code = 0;
  if (fd < 0 || fstat(fd, &st) != 0)
    code = error_set_errno("%s", part);
  uint64_t have = code == 0 && (uint64_t)st.st_size <= w->file->size ? (uint64_t)st.st_size : 0;
  if (code == 0 && (have == 0 || have < w->file->size)) {
    http_request q = {.url = url, .headers = headers, .follow = true, .output_file = true, .output_fd = fd, .output_offset = have, .progress = on_transfer, .user = w};
    code = http_perform(w->client, &r, &q);
    if (code == OPIS_EIO)
      code = error_prefix(code, "%s", part);
    else if (code == 0 && (r.status < 200 || r.status >= 300))
      code = hub_status_error(&r, w->file->name, job->authorization != NULL);
    if (fstat(fd, &st) == 0)
      count(w, true, (uint64_t)st.st_size > have ? (uint64_t)st.st_size - have : (uint64_t)st.st_size);
  }
  if (have)
    count(w, false, have);
  http_response_free(&r);
  if (fd >= 0 && close(fd) != 0 && code == 0)
    code = error_set_errno("%s", part);
  return code;
}

static int fetch_to(worker *w, const char *url, const char *path)
{
  char *part;
  if (asprintf(&part, "%s.%.16s.part", path, w->file->digest) < 0)
    return error_nomem();
  bool resumed = file_exists(part);
  int code = download(w, url, part);
  if (code == 0)
    code = check(w, part);
  if (code == OPIS_EFORMAT && resumed) { /* the part that was here may have been the broken one: once more from the beginning */
    unlink(part);
    code = download(w, url, part);
    if (code == 0)
      code = check(w, part);
  }
  if (code == OPIS_EFORMAT)
    unlink(part);
  if (code == 0 && rename(part, path) != 0)
    code = error_set_errno("%s", path);
  free(part);
  return code;
}

static int fetch_one(worker *w)
{
  const hub_job *job = w->crew->job;
  char *url, *path = NULL;
  int code = make_url(&url, job, w->file->name);
  if (code == 0)
    code = ask(w, &url);
  if (code == 0)
    code = path_join(&path, job->folder, w->file->name);
  if (code == 0) {
    code = reuse(w, path);
    if (code == 0)
      count(w, false, w->file->size);
    else if (code == OPIS_ENOTFOUND)
      code = fetch_to(w, url, path);
  }
  if (code == 0)
    tell(w, w->file->size);
  free(url);
  free(path);
  return code;
}

static void *work(void *user)
{
  crew *c = user;
  worker w = {.crew = c};
  int code = http_client_new(&w.client);
  for (;;) {
    pthread_mutex_lock(&c->lock);
    if (code < 0 && !c->stop) {
      c->stop = true;
      c->code = code;
      snprintf(c->message, sizeof c->message, "%s", opis_error_message());
    }
    bool done = c->stop || c->next >= c->job->n;
    if (!done)
      w.file = &c->job->files[c->next++];
    pthread_mutex_unlock(&c->lock);
    if (done)
      break;
    code = fetch_one(&w);
  }
  http_client_free(w.client);
  return NULL;
}

int hub_fetch(hub_job *job, size_t first)
{
  crew c = {.job = job, .next = first};
  pthread_t threads[AT_ONCE];
  int n = 0;
  pthread_mutex_init(&c.lock, NULL);
  while (n + 1 < AT_ONCE && (size_t)n + 1 < job->n - first && pthread_create(&threads[n], NULL, work, &c) == 0)
    n++;
  work(&c);
  for (int i = 0; i < n; i++)
    pthread_join(threads[i], NULL);
  pthread_mutex_destroy(&c.lock);
  return c.code < 0 ? error_set(c.code, "%s", c.message) : 0;
}
