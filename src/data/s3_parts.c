/* Long files go to S3 in parts: some at once, each tried again alone, and what a killed, cancelled or cut-off run has sent is not sent again. A run that the service refuses takes its parts away. */
#include "data/md5.h"
#include "data/remote_s3.h"
#include "data/s3_sign.h"
#include "data/s3_xml.h"
#include "util/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_PARTS = 10000, PARTS_AT_ONCE = 4, PIECE = 256 * 1024, LONGEST_TAG = 80 };

typedef struct sending {
  s3_remote *s;
  const char *key;
  int fd;
  uint64_t size, part;
  int n;
  char *upload;              /* percent-encoded */
  char (*tags)[LONGEST_TAG]; /* the service's names of the parts that are there; [0] is 0: not there */
  const remote_io *io;
  atomic_int next, code;
  pthread_mutex_t lock;
  char message[1024]; /* of code */
} sending;

static uint64_t part_size(const sending *m, int i)
{
  uint64_t from = (uint64_t)i * m->part;
  return m->size - from < m->part ? m->size - from : m->part;
}

/* ---- what an earlier run has left ---- */

typedef struct finding {
  const char *key;
  char *at, *id, *found;
} finding;

static int keep(char **to, const char *text)
{
  free(*to);
  *to = strdup(text);
  return *to ? 0 : error_nomem();
}

static int on_upload(void *user, const char *parent, const char *name, const char *text)
{
  finding *f = user;
  if (strcmp(parent, "Upload") == 0 && text)
    return strcmp(name, "Key") == 0 ? keep(&f->at, text) : strcmp(name, "UploadId") == 0 ? keep(&f->id, text) : 0;
  if (strcmp(name, "Upload") == 0 && f->at && f->id && strcmp(f->at, f->key) == 0)
    return keep(&f->found, f->id);
  return 0;
}

static int find_upload(sending *m)
{
  strbuf key = STRBUF_INIT, query = STRBUF_INIT;
  http_response a = HTTP_RESPONSE_INIT;
  int code = s3_full_key(&key, m->s, m->key);
  strbuf_puts(&query, "max-uploads=100&prefix=");
  if (code == 0)
    http_put_escaped(&query, key.s, false);
  strbuf_puts(&query, "&uploads=");
  if (code == 0 && (code = strbuf_check(&query)) == 0)
    code = s3_perform(m->s, &a, &(s3_call){.method = "GET", .query = query.s}, NULL);
  finding f = {.key = key.s};
  if (code == 0 && a.status == 200 && s3_xml(a.body.s, a.body.n, on_upload, &f, m->s->base.url) == 0 && f.found) { /* else: this service does not say */
    strbuf id = STRBUF_INIT;
    http_put_escaped(&id, f.found, false);
    m->upload = strbuf_take(&id);
    code = m->upload ? 0 : error_nomem();
  }
  free(f.at);
  free(f.id);
  free(f.found);
  strbuf_free(&key);
  strbuf_free(&query);
  http_response_free(&a);
  return code;
}

typedef struct part_page {
  sending *m;
  long number, next;
  uint64_t size;
  char tag[LONGEST_TAG];
  bool more;
} part_page;

static int on_part(void *user, const char *parent, const char *name, const char *text)
{
  part_page *p = user;
  if (strcmp(parent, "Part") == 0 && text) {
    if (strcmp(name, "PartNumber") == 0)
      p->number = strtol(text, NULL, 10);
    else if (strcmp(name, "Size") == 0)
      p->size = strtoull(text, NULL, 10);
    else if (strcmp(name, "ETag") == 0)
      snprintf(p->tag, sizeof p->tag, "%s", strlen(text) < sizeof p->tag ? text : "");
  } else if (strcmp(name, "Part") == 0 && !text) {
    if (p->number >= 1 && p->number <= p->m->n && p->size == part_size(p->m, (int)p->number - 1))
      memcpy(p->m->tags[p->number - 1], p->tag, sizeof p->tag);
    p->number = 0;
    p->tag[0] = '\0';
  } else if (strcmp(name, "IsTruncated") == 0 && text)
    p->more = strcmp(text, "true") == 0;
  else if (strcmp(name, "NextPartNumberMarker") == 0 && text)
    p->next = strtol(text, NULL, 10);
  return 0;
}

static int find_parts(sending *m)
{
  part_page p = {.m = m, .more = true};
  int code = 0;
  for (long marker = 0; p.more && code == 0; marker = p.next) {
    char start[64] = "";
    strbuf query = STRBUF_INIT;
    http_response a = HTTP_RESPONSE_INIT;
    if (marker)
      snprintf(start, sizeof start, "part-number-marker=%ld&", marker);
    strbuf_printf(&query, "%suploadId=%s", start, m->upload);
    if ((code = strbuf_check(&query)) == 0)
      code = s3_perform(m->s, &a, &(s3_call){.method = "GET", .key = m->key, .query = query.s}, NULL);
    p.more = false;
    p.next = 0;
    if (code == 0 && (a.status != 200 || s3_xml(a.body.s, a.body.n, on_part, &p, m->s->base.url) < 0)) {
      free(m->upload); /* gone meanwhile, or nothing that we understand: a new one */
      m->upload = NULL;
      memset(m->tags, 0, (size_t)m->n * sizeof *m->tags);
      p.more = false;
    }
    if (p.next <= marker)
      p.more = false;
    strbuf_free(&query);
    http_response_free(&a);
  }
  return code;
}

/* ---- sending ---- */

static int begin(sending *m)
{
  strbuf id = STRBUF_INIT;
  http_response a = HTTP_RESPONSE_INIT;
  int code =
    s3_perform(m->s, &a, &(s3_call){.method = "POST", .key = m->key, .query = "uploads=", .headers = &m->s->config.put_headers, .object = true, .http = {.body = ""}}, NULL);
  if (code == 0 && a.status != 200)
    code = s3_failed(m->s, m->key, &a);
  if (code == 0) {
    char *text = s3_text(&a, NULL, "UploadId");
    if (text && *text) {
      http_put_escaped(&id, text, false);
      m->upload = strbuf_take(&id);
      code = m->upload ? 0 : error_nomem();
    } else
      code = error_set(OPIS_EFORMAT, "%s: an upload without a name", m->s->base.url);
    free(text);
  }
  http_response_free(&a);
  return code;
}

static int hash_part(char hex[MD5_HEX], const sending *m, int i)
{
  uint64_t at = (uint64_t)i * m->part, left = part_size(m, i);
  uint8_t digest[MD5_SIZE];
  char *piece = malloc(PIECE);
  md5_state state;
  int code = piece ? 0 : error_nomem();
  md5_start(&state);
  while (code == 0 && left > 0) {
    ssize_t n = pread(m->fd, piece, left < PIECE ? (size_t)left : PIECE, (off_t)at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      code = n < 0 ? error_set_errno("%s", m->key) : error_set(OPIS_EIO, "%s: became shorter meanwhile", m->key);
    else {
      md5_add(&state, piece, (size_t)n);
      at += (uint64_t)n;
      left -= (uint64_t)n;
    }
  }
  md5_end(&state, digest);
  md5_to_hex(hex, digest);
  free(piece);
  return code;
}

static int send_part(sending *m, int i)
{
  char payload[SHA256_HEX], hex[MD5_HEX], number[32];
  uint64_t size = part_size(m, i);
  web_count count = {m->io, 0};
  http_response a = HTTP_RESPONSE_INIT;
  strbuf query = STRBUF_INIT, headers = STRBUF_INIT;
  int code = 0;
  if (m->tags[i][0]) {
    const char *tag = m->tags[i] + (m->tags[i][0] == '"');
    code = hash_part(hex, m, i);
    if (code == 0 && strncmp(tag, hex, 32) == 0) {
      web_counted(&count, size);
      return 0;
    }
    m->tags[i][0] = '\0';
  }
  snprintf(number, sizeof number, "%d", i + 1);
  strbuf_printf(&query, "partNumber=%s&uploadId=%s", number, m->upload);
  if (code == 0)
    code = strbuf_check(&query);
  if (code == 0)
    code = s3_sum_fd(payload, &headers, m->fd, (uint64_t)i * m->part, size, m->key);
  s3_call call = {.method = "PUT",
    .key = m->key,
    .query = query.s,
    .payload = payload,
    .headers = &headers,
    .object = true,
    .http = {.body_file = true, .body_fd = m->fd, .body_offset = (uint64_t)i * m->part, .body_size = size}};
  if (code == 0)
    code = s3_perform(m->s, &a, &call, m->io);
  if (code == 0 && (a.status < 200 || a.status >= 300))
    code = s3_is_error(&a, "NoSuchUpload") ? error_set(OPIS_EBUSY, "%s: another run has ended this upload", m->key) : s3_failed(m->s, m->key, &a);
  if (code == 0) {
    const char *tag = http_header(&a, "ETag");
    if (!tag || strlen(tag) >= LONGEST_TAG || strpbrk(tag, "<&"))
      code = error_set(OPIS_EFORMAT, "%s: a part without an ETag", m->s->base.url);
    else
      snprintf(m->tags[i], sizeof m->tags[i], "%s", tag);
  }
  strbuf_free(&query);
  strbuf_free(&headers);
  http_response_free(&a);
  return code;
}

static void *work(void *user)
{
  sending *m = user;
  for (int i; atomic_load(&m->code) == 0 && (i = atomic_fetch_add(&m->next, 1)) < m->n;) {
    int code = m->io && m->io->cancelled && m->io->cancelled(m->io->user) ? error_set(OPIS_ECANCELLED, "%s: cancelled", m->key) : send_part(m, i);
    if (code < 0) {
      pthread_mutex_lock(&m->lock);
      if (atomic_load(&m->code) == 0) {
        snprintf(m->message, sizeof m->message, "%s", opis_error_message());
        atomic_store(&m->code, code);
      }
      pthread_mutex_unlock(&m->lock);
    }
  }
  return NULL;
}

static int send_parts(sending *m)
{
  pthread_t threads[PARTS_AT_ONCE];
  int started = 0;
  atomic_store(&m->next, 0);
  atomic_store(&m->code, 0);
  while (started + 1 < PARTS_AT_ONCE && started + 1 < m->n && pthread_create(&threads[started], NULL, work, m) == 0)
    started++;
  work(m);
  for (int i = 0; i < started; i++)
    pthread_join(threads[i], NULL);
  int code = atomic_load(&m->code);
  return code < 0 ? error_set(code, "%s", m->message) : 0;
}

static int end(sending *m)
{
  strbuf body = STRBUF_INIT, query = STRBUF_INIT;
  http_response a = HTTP_RESPONSE_INIT;
  char payload[SHA256_HEX];
  strbuf_puts(&body, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
  for (int i = 0; i < m->n; i++)
    strbuf_printf(&body, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i + 1, m->tags[i]);
  strbuf_puts(&body, "</CompleteMultipartUpload>");
  strbuf_printf(&query, "uploadId=%s", m->upload);
  int code = strbuf_check(&body);
  if (code == 0 && (code = strbuf_check(&query)) == 0)
    code = s3_sha256(payload, body.s, body.n);
  if (code == 0)
    code =
      s3_perform(m->s, &a, &(s3_call){.method = "POST", .key = m->key, .query = query.s, .payload = payload, .object = true, .http = {.body = body.s, .body_size = body.n}}, NULL);
  if (code == 0) {
    char *wrong = s3_text(&a, "Error", "Code"); /* also under the status 200 */
    if (wrong && (strcmp(wrong, "NoSuchUpload") == 0 || strcmp(wrong, "InvalidPart") == 0))
      code = error_set(OPIS_EBUSY, "%s: another run has ended this upload", m->key);
    else if (wrong || a.status != 200)
      code = s3_failed(m->s, m->key, &a);
    free(wrong);
  }
  strbuf_free(&body);
  strbuf_free(&query);
  http_response_free(&a);
  return code;
}

/* Keeps the error that there was. */
static void take_back(sending *m)
{
  char message[1024];
  strbuf query = STRBUF_INIT;
  http_response a = HTTP_RESPONSE_INIT;
  snprintf(message, sizeof message, "%s", opis_error_message());
  strbuf_printf(&query, "uploadId=%s", m->upload);
  if (!query.failed)
    s3_perform(m->s, &a, &(s3_call){.method = "DELETE", .key = m->key, .query = query.s, .http = {.attempts = 1}}, NULL);
  strbuf_free(&query);
  http_response_free(&a);
  error_set(OPIS_EIO, "%s", message);
}

static int send_once(sending *m, bool take_up)
{
  memset(m->tags, 0, (size_t)m->n * sizeof *m->tags);
  int code = take_up ? find_upload(m) : 0;
  if (code == 0 && m->upload)
    code = find_parts(m);
  if (code == 0 && !m->upload)
    code = begin(m);
  if (code == 0)
    code = send_parts(m);
  if (code == 0)
    code = end(m);
  if (code < 0 && m->upload && code != OPIS_ECANCELLED && code != OPIS_ENETWORK && code != OPIS_EBUSY)
    take_back(m);
  free(m->upload);
  m->upload = NULL;
  return code;
}

int s3_put_parts(s3_remote *s, const char *key, int fd, uint64_t size, const remote_io *io)
{
  sending m = {.s = s, .key = key, .fd = fd, .size = size, .part = s->config.part, .io = io, .lock = PTHREAD_MUTEX_INITIALIZER};
  while (m.part < UINT64_MAX / 4 && (size + m.part - 1) / m.part > MOST_PARTS)
    m.part *= 2;
  m.n = (int)((size + m.part - 1) / m.part);
  m.tags = calloc((size_t)m.n, sizeof *m.tags);
  if (!m.tags)
    return error_nomem();
  int code = send_once(&m, true);
  if (code == OPIS_EBUSY) { /* completed by somebody else, or by ourselves when the answer was lost; or taken away */
    bool there = false;
    uint64_t length = 0;
    code = s3_exists(&s->base, key, &there, &length);
    if (code == 0 && !(there && length == size)) {
      code = send_once(&m, false);
      if (code == OPIS_EBUSY)
        code = error_set(OPIS_EIO, "s3://%s/%s: another run keeps ending this upload", s->config.bucket, key);
    }
  }
  free(m.tags);
  return code;
}
