/* WebDAV, SFTP, Google Drive and other clouds through rclone: one rclone for as long as the remote is open, asked over HTTP on this machine by as many threads as there are, so that it keeps its
 * connections, its tokens and what it knows of folders. Bytes come from it as from any web server, which can go on where it broke off; it takes files by their path. */
#include "data/odb.h"
#include "data/rclone.h"
#include "data/remote_web.h"

#include "util/clock.h"
#include "util/error.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

enum { TRIES = 3, LONGEST_WORDS = 600 };

typedef struct rclone_remote {
  remote base;
  rclone_setup setup;
  web web;
  pthread_mutex_t lock; /* while rclone starts */
  bool tried;
  int code; /* of starting it */
  char message[1024];
  rclone_daemon daemon;
  bool rename; /* uploads go to another name first, as they could be seen half */
  unsigned long long tag;
  atomic_uint next; /* of those names */
  atomic_bool swept;
} rclone_remote;

static void rclone_close(remote *r)
{
  rclone_remote *c = (rclone_remote *)r;
  web_close(&c->web);
  rclone_stop(&c->daemon);
  rclone_setup_free(&c->setup);
  pthread_mutex_destroy(&c->lock);
  free(c);
}

/* ---- what rclone says went wrong ---- */

#define SLOW "; the server does not answer in time ('timeout' of the remote is how many seconds it has)"

static const struct {
  const char *words; /* in small letters */
  int code;
  const char *mend;
} known[] = {
  {"object not found", OPIS_ENOTFOUND, ""},
  {"directory not found", OPIS_ENOTFOUND, ""},
  {"knownhosts", OPIS_EAUTH, "; the host's key is not the one in ~/.ssh/known_hosts: if that is right, ssh-keyscan HOST >>~/.ssh/known_hosts"},
  {"unable to authenticate", OPIS_EAUTH, "; see user, password or keyfile of the remote"},
  {"401 unauthorized", OPIS_EAUTH, "; see user and password of the remote"},
  {"403 forbidden", OPIS_EAUTH, "; see user and password of the remote"},
  {"accessdenied", OPIS_EAUTH, "; see the credentials of the remote"},
  {"authenticationfailed", OPIS_EAUTH, "; see the credentials of the remote"},
  {"invalid_grant", OPIS_EAUTH, "; the token is not valid any more: a service account does not run out, and 'rclone config reconnect' or DVC get a new token"},
  {"couldn't fetch token", OPIS_EAUTH, "; see the credentials of the remote"},
  {"failed to configure token", OPIS_EAUTH, "; see the credentials of the remote"},
  {"insufficientpermissions", OPIS_EAUTH, "; the account must be allowed to write to the folder"},
  {"storagequotaexceeded", OPIS_EIO, "; a service account has no room of its own: use a folder of a shared drive, or gdrive_service_account_user_email"},
  {"didn't find section in config file", OPIS_EINVALID, "; 'rclone listremotes' shows the names there are"},
  {"no such host", OPIS_ENETWORK, ""},
  {"connection refused", OPIS_ENETWORK, ""},
  {"i/o timeout", OPIS_ETIMEOUT, SLOW},
  {"timeout awaiting", OPIS_ETIMEOUT, SLOW},
  {"no route to host", OPIS_ENETWORK, ""},
};

static int failed(const char *what, const char *words)
{
  char plain[LONGEST_WORDS];
  size_t n = 0, date = words ? strspn(words, "0123456789/: ") : 0;
  if (date == 20) /* "2024/01/31 12:00:00 " */
    words += date;
  for (; words && words[n] && words[n] != '\n' && n + 1 < sizeof plain; n++)
    plain[n] = (unsigned char)words[n] < ' ' ? ' ' : words[n];
  plain[n] = '\0';
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcasestr(plain, known[i].words))
      return error_set(known[i].code, "%s: %s%s", what, plain, known[i].mend);
  return error_set(OPIS_EIO, "%s: %s", what, n ? plain : "rclone says nothing of the reason");
}

/* ---- asking it ---- */

static int call_once(rclone_remote *c, json_t **answer, const char *command, const char *body, const char *what, const remote_io *io)
{
  static const http_trust patient = {.stall_seconds = 7 * 86400, .direct = true}; /* it answers when the file has gone; it has time limits of its own */
  http_response a = HTTP_RESPONSE_INIT;
  const char *headers[] = {c->daemon.authorization, "Content-Type: application/json", NULL};
  char url[128];
  remote_io quiet = {NULL, io ? io->cancelled : NULL, io ? io->user : NULL};
  snprintf(url, sizeof url, "%s/%s", c->daemon.url, command);
  int code =
    web_perform(&c->web, &a, &(http_request){.url = url, .method = "POST", .headers = headers, .body = body, .body_size = strlen(body), .attempts = 1, .trust = &patient}, &quiet);
  json_t *j = code == 0 && a.body.s ? json_loadb(a.body.s, a.body.n, 0, NULL) : NULL;
  if (code == OPIS_ENETWORK)
    code = error_set(OPIS_EIO, "%s: rclone has ended before its time", what);
  else if (code == 0 && a.status != 200)
    code = failed(what, json_string_value(json_object_get(j, "error")));
  http_response_free(&a);
  if (code == 0 && answer)
    *answer = j;
  else
    json_decref(j);
  return code;
}

/* rclone tries again what it knows to pass; this is for the rest. A time-out it has sat through often enough. */
static int call(rclone_remote *c, json_t **answer, const char *command, json_t *input, const char *key, const remote_io *io)
{
  char *body = input ? json_dumps(input, JSON_COMPACT) : NULL, *what = NULL;
  json_decref(input);
  int code = body && asprintf(&what, "%s%s%s", c->base.url, *key ? "/" : "", key) >= 0 ? 0 : error_nomem();
  for (int try = 1; code == 0; try++) {
    code = call_once(c, answer, command, body, what, io);
    if ((code != OPIS_EIO && code != OPIS_ENETWORK) || try == TRIES)
      break;
    if (io && io->cancelled && io->cancelled(io->user)) {
      code = error_set(OPIS_ECANCELLED, "%s: cancelled", what);
      break;
    }
    nanosleep(&(struct timespec){try, 0}, NULL);
    code = 0;
  }
  free(body);
  free(what);
  return code;
}

/* The first request starts rclone, and asks it whether it gets there at all. */
static int begin(rclone_remote *c)
{
  json_t *info = NULL;
  int code = rclone_start(&c->daemon, &c->setup);
  if (code == 0)
    code = call(c, &info, "operations/fsinfo", json_pack("{s:s}", "fs", c->setup.fs), "", NULL);
  c->rename = !c->setup.whole && json_is_true(json_object_get(json_object_get(info, "Features"), "Move"));
  json_decref(info);
  return code;
}

static int ready(rclone_remote *c)
{
  pthread_mutex_lock(&c->lock);
  if (!c->tried) {
    c->tried = true;
    c->code = begin(c);
    if (c->code < 0)
      snprintf(c->message, sizeof c->message, "%s", opis_error_message());
  }
  int code = c->code;
  pthread_mutex_unlock(&c->lock);
  return code < 0 ? error_set(code, "%s", c->message) : 0;
}

/* ---- the operations ---- */

static int rclone_exists(remote *r, const char *key, bool *there, uint64_t *size)
{
  rclone_remote *c = (rclone_remote *)r;
  json_t *answer = NULL;
  *there = false;
  int code = ready(c);
  if (code == 0)
    code = call(c, &answer, "operations/stat", json_pack("{s:s, s:s, s:{s:b, s:b, s:b}}", "fs", c->setup.fs, "remote", key, "opt", "filesOnly", 1, "noModTime", 1, "noMimeType", 1),
      key, NULL);
  if (code == OPIS_ENOTFOUND)
    code = 0;
  json_t *item = json_object_get(answer, "item");
  *there = code == 0 && json_is_object(item) && !json_is_true(json_object_get(item, "IsDir"));
  if (size)
    *size = *there && json_integer_value(json_object_get(item, "Size")) >= 0 ? (uint64_t)json_integer_value(json_object_get(item, "Size")) : UINT64_MAX;
  json_decref(answer);
  return code;
}

static int rclone_get(remote *r, const char *key, int fd, const remote_io *io)
{
  static const http_trust near = {.stall_seconds = 600, .direct = true};
  rclone_remote *c = (rclone_remote *)r;
  strbuf url = STRBUF_INIT, what = STRBUF_INIT;
  http_response a = HTTP_RESPONSE_INIT;
  int code = ready(c);
  if (code < 0)
    return code;
  const char *headers[] = {c->daemon.authorization, NULL};
  strbuf_printf(&url, "%s/%%5B", c->daemon.url);
  http_put_escaped(&url, c->setup.fs, true);
  strbuf_puts(&url, "%5D/");
  http_put_escaped(&url, key, true);
  strbuf_printf(&what, "%s/%s", r->url, key);
  if ((code = strbuf_check(&url)) == 0 && (code = strbuf_check(&what)) == 0)
    code = web_perform(&c->web, &a, &(http_request){.url = url.s, .headers = headers, .output_file = true, .output_fd = fd, .attempts = TRIES, .trust = &near}, io);
  if (code == OPIS_ENETWORK)
    code = error_set(OPIS_ENETWORK, "%s: broke off, also after several tries", what.s);
  else if (code == 0 && a.status != 200 && a.status != 206) {
    json_t *j = a.body.s ? json_loadb(a.body.s, a.body.n, 0, NULL) : NULL;
    code = a.status == 404 ? error_set(OPIS_ENOTFOUND, "%s: not there", what.s) : failed(what.s, json_string_value(json_object_get(j, "error")));
    json_decref(j);
  }
  http_response_free(&a);
  strbuf_free(&url);
  strbuf_free(&what);
  return code;
}

/* Where an open file is. */
static int path_of(char path[4096], int fd, const char *key)
{
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, 4095);
  if (n <= 0)
    return error_set_errno("%s", key);
  path[n] = '\0';
  if (path[0] != '/' || access(path, R_OK) != 0)
    return error_set(OPIS_EIO, "%s: went away while it was sent", key);
  return utf8_valid(path, (size_t)n) ? 0 : error_set(OPIS_EUNSUPPORTED, "%s: rclone takes only files whose path is UTF-8", key);
}

/* What killed runs have left under other names, here or on other machines, goes after a day. */
static void sweep(rclone_remote *c)
{
  char *where = NULL;
  size_t n = strlen(c->setup.fs);
  bool joined = n > 0 && (c->setup.fs[n - 1] == ':' || c->setup.fs[n - 1] == '/');
  if (atomic_exchange(&c->swept, true) || asprintf(&where, "%s%s.opis", c->setup.fs, joined ? "" : "/") < 0)
    return;
  json_t *input = json_pack("{s:s, s:{s:s}}", "fs", where, "_filter", "MinAge", "24h");
  char *body = json_dumps(input, JSON_COMPACT);
  json_decref(input);
  if (body)
    call_once(c, NULL, "operations/delete", body, c->base.url, NULL); /* fails where there is no such folder */
  free(body);
  free(where);
}

/* What rclone has sent of a large file so far: it is asked now and then while its answer is waited for. */
typedef struct sending {
  rclone_remote *c;
  const remote_io *io;
  char group[32]; /* rclone counts by it */
  uint64_t size, told;
  double asked;
} sending;

static void tell(sending *s, uint64_t whole)
{
  whole = whole < s->size ? whole : s->size;
  if (s->io && s->io->moved && whole > s->told)
    s->io->moved(s->io->user, whole - s->told);
  s->told = whole > s->told ? whole : s->told;
}

static int look_at(void *user)
{
  enum { LARGE = 4 << 20 };
  sending *s = user;
  double now = clock_seconds();
  if (s->size >= LARGE && s->io && s->io->moved && now - s->asked >= 0.5) {
    json_t *answer = NULL;
    char body[64];
    snprintf(body, sizeof body, "{\"group\":\"%s\"}", s->group);
    s->asked = now;
    if (call_once(s->c, &answer, "core/stats", body, s->c->base.url, NULL) == 0)
      tell(s, (uint64_t)json_integer_value(json_object_get(answer, "bytes")));
    json_decref(answer);
  }
  return s->io && s->io->cancelled ? s->io->cancelled(s->io->user) : 0;
}

static int rclone_put(remote *r, const char *key, int fd, uint64_t size, const remote_io *io)
{
  rclone_remote *c = (rclone_remote *)r;
  char path[4096], temporary[64];
  sending s = {.c = c, .io = io, .size = size, .asked = clock_seconds()};
  int code = ready(c);
  if (code == 0)
    code = path_of(path, fd, key);
  if (code < 0)
    return code;
  unsigned n = atomic_fetch_add(&c->next, 1);
  snprintf(temporary, sizeof temporary, ".opis/%llx-%u", c->tag, n);
  snprintf(s.group, sizeof s.group, "opis/%u", n);
  const char *to = c->rename ? temporary : key;
  if (c->rename)
    sweep(c);
  code = call(c, NULL, "operations/copyfile", json_pack("{s:s, s:s, s:s, s:s, s:s}", "srcFs", "/", "srcRemote", path + 1, "dstFs", c->setup.fs, "dstRemote", to, "_group", s.group),
    key, &(remote_io){NULL, look_at, &s});
  if (code == OPIS_ENOTFOUND) /* of a folder there, not of what is sent */
    code = error_set(OPIS_EIO, "%s", opis_error_message());
  if (code == 0 && c->rename) {
    code = call(c, NULL, "operations/movefile", json_pack("{s:s, s:s, s:s, s:s}", "srcFs", c->setup.fs, "srcRemote", temporary, "dstFs", c->setup.fs, "dstRemote", key), key, io);
    if (code < 0 && code != OPIS_ECANCELLED) { /* somebody else was quicker: some servers rename over nothing that is there */
      char message[1024];
      bool there = false;
      uint64_t length = 0;
      snprintf(message, sizeof message, "%s", opis_error_message());
      if (rclone_exists(r, key, &there, &length) == 0 && there && length == size)
        code = 0;
      call(c, NULL, "operations/deletefile", json_pack("{s:s, s:s}", "fs", c->setup.fs, "remote", temporary), key, NULL);
      if (code < 0)
        code = error_set(code == OPIS_ENOTFOUND ? OPIS_EIO : code, "%s", message);
    }
  }
  if (code == 0)
    tell(&s, size);
  return code;
}

static int rclone_remove(remote *r, const char *key)
{
  rclone_remote *c = (rclone_remote *)r;
  int code = ready(c);
  if (code == 0)
    code = call(c, NULL, "operations/deletefile", json_pack("{s:s, s:s}", "fs", c->setup.fs, "remote", key), key, NULL);
  return code == OPIS_ENOTFOUND ? 0 : code;
}

/* ---- listing: a run of its own, so that a million names need no memory ---- */

typedef struct listing {
  strbuf key;
  size_t folder; /* bytes of key that are the folder listed */
  const char *prefix;
  remote_list_fn *each;
  void *user;
} listing;

/* "SIZE;PATH" */
static int on_line(void *user, const char *text)
{
  listing *l = user;
  char *end;
  long long size = strtoll(text, &end, 10);
  if (end == text || *end != ';')
    return 0;
  l->key.n = l->folder;
  strbuf_puts(&l->key, end + 1);
  if (strbuf_check(&l->key) < 0)
    return OPIS_ENOMEM;
  return strncmp(l->key.s, l->prefix, strlen(l->prefix)) == 0 ? l->each(l->user, l->key.s, size < 0 ? UINT64_MAX : (uint64_t)size) : 0;
}

static int rclone_list(remote *r, const char *prefix, remote_list_fn *each, void *user)
{
  rclone_remote *c = (rclone_remote *)r;
  const char *slash = strrchr(prefix, '/');
  listing l = {.key = STRBUF_INIT, .folder = slash ? (size_t)(slash - prefix) + 1 : 0, .prefix = prefix, .each = each, .user = user};
  size_t at = strlen(c->setup.fs);
  bool joined = at > 0 && (c->setup.fs[at - 1] == ':' || c->setup.fs[at - 1] == '/');
  char *where = NULL, *said = NULL;
  int status = 0;
  strbuf_append(&l.key, prefix, l.folder);
  int code = strbuf_check(&l.key);
  if (code == 0 && asprintf(&where, "%s%s%.*s", c->setup.fs, joined ? "" : "/", (int)(l.folder ? l.folder - 1 : 0), prefix) < 0)
    code = error_nomem();
  const char *arguments[] = {
    "rclone", "lsf", "-R", "--files-only", "--fast-list", "--format", "sp", "--separator", ";", "--ask-password=false", where, c->setup.own ? NULL : "--config", "", NULL};
  if (code == 0)
    code = rclone_run(&status, &said, &c->setup, arguments, on_line, &l);
  if (code == 0 && status != 0 && status != 3) { /* 3: no such folder */
    const char *words = said ? strstr(said, "ERROR : ") : NULL, *last = said;
    for (const char *p = said; p && (p = strchr(p, '\n')) && p[1]; p++)
      last = p + 1;
    code = failed(r->url, words ? words + 8 : last);
    if (code == OPIS_ENOTFOUND)
      code = 0;
  }
  free(said);
  free(where);
  strbuf_free(&l.key);
  return code;
}

/* How many requests at once is all that differs. */
#define KIND(n)                                                                                                                                                                    \
  {                                                                                                                                                                                \
    .kind = "rclone", .jobs = n, .close = rclone_close, .exists = rclone_exists, .list = rclone_list, .get = rclone_get, .put = rclone_put, .remove = rclone_remove                \
  }
static const remote_ops few = KIND(8), many = KIND(16);

int remote_rclone_open(remote **out, const char *url, const remote_settings *settings)
{
  rclone_remote *c = calloc(1, sizeof *c);
  if (!c)
    return error_nomem();
  c->base.ops = &many;
  c->daemon = (rclone_daemon){.pid = -1, .pipe = -1, .log = -1};
  pthread_mutex_init(&c->lock, NULL);
  int code = web_open(&c->web, NULL);
  if (code == 0)
    code = rclone_setup_read(&c->setup, url, settings);
  if (c->setup.jobs <= few.jobs)
    c->base.ops = &few;
  if (code == 0 && getrandom(&c->tag, sizeof c->tag, 0) != sizeof c->tag)
    code = error_set(OPIS_EIO, "no random numbers");
  if (code < 0) {
    rclone_close(&c->base);
    return code;
  }
  *out = &c->base;
  return 0;
}
