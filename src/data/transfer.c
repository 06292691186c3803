#include "data/transfer.h"

#include "data/bring.h"
#include "data/objects.h"
#include "data/progress.h"
#include "util/cpus.h"
#include "util/error.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUSHING "Pushing"
#define FETCHING "Fetching"
enum { MOST_JOBS = 256, LIST_PAGE = 1000, MEASURED = 1000 };

/* ---- opening ---- */

typedef struct section {
  const config *c;
  const char *name;
  char *kept[8]; /* paths made absolute */
  int n;
} section;

static const char *setting(const void *user, const char *key)
{
  static const char *const paths[] = {"gdrive_user_credentials_file", "gdrive_service_account_json_file_path", "credentialpath", "configpath", "keyfile", "cert_path", "key_path"};
  section *s = (section *)(uintptr_t)user;
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    char *path;
    if (strcmp(paths[i], key) != 0 || s->n == 8)
      continue;
    if (config_path(&path, s->c, "remote", s->name, key) < 0 || !path)
      return NULL;
    return s->kept[s->n++] = path;
  }
  return config_get(s->c, "remote", s->name, key);
}

int transfer_open(remote **out, const repo *r, const char *name)
{
  char *url = NULL, *whole = NULL;
  section s = {.c = &r->config};
  *out = NULL;
  if (!name)
    name = config_get(&r->config, "core", "", "remote");
  if (!name || !*name)
    return error_set(OPIS_EINVALID, "no remote is set; 'opis data remote add -d NAME URL' sets one");
  if (!config_has_remote(&r->config, name))
    return error_set(OPIS_ENOTFOUND, "%s: no remote of this name; 'opis data remote list' shows them", name);
  s.name = name;
  int code = config_path(&url, &r->config, "remote", name, "url");
  if (code == 0 && !url)
    code = error_set(OPIS_EINVALID, "remote '%s' has no url; 'opis data remote modify %s url URL' sets it", name, name);
  if (code == 0 && strncmp(url, "remote://", 9) == 0) { /* "remote://NAME/path": below another remote */
    const char *other = url + 9, *slash = strchr(other, '/');
    char *base_name = strndup(other, slash ? (size_t)(slash - other) : strlen(other)), *base = NULL;
    code = base_name ? config_path(&base, &r->config, "remote", base_name, "url") : error_nomem();
    if (code == 0 && (!base || strncmp(base, "remote://", 9) == 0))
      code = error_set(OPIS_EINVALID, "remote '%s': %s: no such remote", name, url);
    if (code == 0 && asprintf(&whole, "%s%s", base, slash ? slash : "") < 0)
      code = error_nomem();
    free(base);
    free(base_name);
  }
  if (code == 0) {
    const char *at = whole ? whole : url;
    char *normal = at[0] == '/' ? path_normal("/", at) : NULL;
    code = remote_open(out, name, normal ? normal : at, &(remote_settings){setting, &s});
    free(normal);
  }
  for (int i = 0; i < s.n; i++)
    free(s.kept[i]);
  free(whole);
  free(url);
  return code;
}

void transfer_key(char key[OID_KEY + 16], const oid *o, bool legacy)
{
  char inner[OID_KEY];
  odb_key(inner, o);
  snprintf(key, OID_KEY + 16, "%s%s", legacy ? "" : "files/md5/", inner);
}

int transfer_damaged(const remote *side, const char *key)
{
  return error_set(OPIS_EFORMAT, "%s/%s: damaged on the remote; what arrived is not what its name says, and was thrown away", side->url, key);
}

/* ---- threads ---- */

typedef struct crew {
  repo *r;
  size_t n;
  int (*work)(void *user, size_t i);
  void *user;
  atomic_size_t next;
  atomic_int code;
  pthread_mutex_t lock;
  char message[1024];
} crew;

static void *crew_member(void *argument)
{
  crew *c = argument;
  for (size_t i; atomic_load(&c->code) == 0 && (i = atomic_fetch_add(&c->next, 1)) < c->n;) {
    int code = repo_check_cancelled(c->r);
    if (code == 0)
      code = c->work(c->user, i);
    if (code < 0) {
      pthread_mutex_lock(&c->lock);
      if (atomic_load(&c->code) == 0) {
        snprintf(c->message, sizeof c->message, "%s", opis_error_message());
        atomic_store(&c->code, code);
      }
      pthread_mutex_unlock(&c->lock);
    }
  }
  return NULL;
}

int transfer_parallel(repo *r, size_t n, int jobs, int (*work)(void *user, size_t i), void *user)
{
  crew c = {.r = r, .n = n, .work = work, .user = user, .lock = PTHREAD_MUTEX_INITIALIZER};
  pthread_t threads[MOST_JOBS];
  int started = 0;
  if (jobs > MOST_JOBS)
    jobs = MOST_JOBS;
  while (started + 1 < jobs && (size_t)started + 1 < n && pthread_create(&threads[started], NULL, crew_member, &c) == 0)
    started++;
  crew_member(&c);
  for (int i = 0; i < started; i++)
    pthread_join(threads[i], NULL);
  int code = c.code;
  return code < 0 ? error_set(code, "%s", c.message) : 0;
}

static int jobs_for(const repo *r, const remote *side, int jobs)
{
  const char *own = config_get(&r->config, "remote", side->name, "jobs");
  if (jobs > 0)
    return jobs;
  if (own && atoi(own) > 0)
    return atoi(own);
  if (side->ops->disk && side->ops->disk(side))
    return cpus_available();
  return side->ops->jobs > 0 ? side->ops->jobs : 4 * cpus_available();
}

/* ---- what is where ---- */

typedef struct looking {
  repo *r;
  remote *remote;
  const used *u;
  uint8_t *where;
  size_t *ask;
  atomic_size_t done;
  size_t n;
} looking;

static int look_here(void *user, size_t i)
{
  looking *l = user;
  const used_object *o = &l->u->items[i];
  if (odb_has(o->legacy ? &l->r->legacy : &l->r->db, &o->oid))
    l->where[i] |= HERE;
  return 0;
}

static int look_there(void *user, size_t k)
{
  looking *l = user;
  size_t i = l->ask[k];
  char key[OID_KEY + 16];
  bool there;
  transfer_key(key, &l->u->items[i].oid, l->u->items[i].legacy);
  int code = l->remote->ops->exists(l->remote, key, &there, NULL);
  if (code == 0 && there)
    l->where[i] |= THERE;
  size_t done = atomic_fetch_add(&l->done, 1) + 1;
  if (done % 64 == 0)
    repo_progress(l->r, &(repo_advance){.what = "Asking the remote", .files = done, .of_files = l->n});
  return code;
}

static int mark(void *user, const char *key, uint64_t size)
{
  looking *l = user;
  char text[OID_TEXT];
  used_object o = {.legacy = strncmp(key, "files/md5/", 10) != 0};
  const char *at = o.legacy ? key : key + 10;
  (void)size;
  if (strlen(at) < 4 || strlen(at) >= OID_TEXT + 1 || at[2] != '/')
    return 0;
  snprintf(text, sizeof text, "%.2s%s", at, at + 3);
  if (!oid_parse(&o.oid, text))
    return 0;
  size_t low = used_find(l->u, &o.oid, o.legacy);
  for (; low < l->u->n && l->u->items[low].legacy == o.legacy && oid_same(&l->u->items[low].oid, &o.oid); low++)
    l->where[low] |= THERE;
  return repo_check_cancelled(l->r);
}

static int count_one(void *user, const char *key, uint64_t size)
{
  (void)key;
  (void)size;
  ++*(uint64_t *)user;
  return 0;
}

/* As DVC decides: the objects whose names begin with 00 are a 256th of all; listing them all page by page may be cheaper than asking for each. */
static int list_if_cheaper(looking *l, size_t n, bool legacy, int jobs, bool *listed)
{
  const char *prefix = legacy ? "" : "files/md5/";
  uint64_t sample = 0;
  *listed = false;
  if (!l->remote->ops->list || l->remote->ops->near || n <= 2 * (size_t)jobs)
    return 0;
  int code = l->remote->ops->list(l->remote, legacy ? "00/" : "files/md5/00/", count_one, &sample);
  if (code < 0 || (sample * 256) / LIST_PAGE > n / (size_t)jobs)
    return code;
  *listed = true;
  return l->remote->ops->list(l->remote, prefix, mark, l);
}

int transfer_look(uint8_t *where, repo *r, remote *side, const used *u, int which, int jobs)
{
  looking l = {.r = r, .remote = side, .u = u, .where = where};
  int code = 0;
  if (which & HERE)
    code = transfer_parallel(r, u->n, cpus_available(), look_here, &l);
  if (!(which & THERE) || code < 0)
    return code;
  jobs = jobs_for(r, side, jobs);
  l.ask = malloc((u->n + 1) * sizeof *l.ask);
  if (!l.ask)
    return error_nomem();
  for (int legacy = 0; legacy < 2 && code == 0; legacy++) {
    size_t n = 0;
    bool listed = false;
    for (size_t i = 0; i < u->n; i++)
      if (u->items[i].legacy == (legacy == 1))
        l.ask[n++] = i;
    l.n = n;
    if (n)
      code = list_if_cheaper(&l, n, legacy == 1, jobs, &listed);
    if (code == 0 && n && !listed)
      code = transfer_parallel(r, n, jobs, look_there, &l);
  }
  free(l.ask);
  return code;
}

/* ---- moving ---- */

typedef struct moving {
  repo *r;
  remote *remote;
  const used *u;
  const size_t *list;
  size_t n, share;
  uint8_t *lost; /* [u->n]: not on the remote; NULL: an error */
  progress done;
  int code; /* the first failure of a single object; guarded by lock */
  pthread_mutex_t lock;
  char message[1024];
} moving;

static void moved(void *user, uint64_t bytes)
{
  moving *m = user;
  progress_add(&m->done, 0, bytes);
}

static int cancelled(void *user)
{
  const moving *m = user;
  return repo_cancelled(m->r);
}

static odb *store_of(moving *m, const used_object *o)
{
  return o->legacy ? &m->r->legacy : &m->r->db;
}

/* One object's failure is kept, and the others go on; what concerns all of them (credentials, network, cancelling) ends the work. */
static int note_failure(moving *m, int code)
{
  if (code == OPIS_EAUTH || code == OPIS_ENETWORK || code == OPIS_ETIMEOUT || code == OPIS_ECANCELLED || code == OPIS_ENOMEM)
    return code;
  pthread_mutex_lock(&m->lock);
  if (m->code == 0) {
    m->code = code;
    snprintf(m->message, sizeof m->message, "%s", opis_error_message());
  }
  pthread_mutex_unlock(&m->lock);
  return 0;
}

static int send_one(void *user, size_t k)
{
  moving *m = user;
  const used_object *o = &m->u->items[m->list[k]];
  remote_io io = {moved, cancelled, m};
  char key[OID_KEY + 16];
  struct stat st;
  int fd;
  transfer_key(key, &o->oid, o->legacy);
  int code = odb_read_fd(&fd, store_of(m, o), &o->oid);
  if (code == 0) {
    code = fstat(fd, &st) == 0 ? m->remote->ops->put(m->remote, key, fd, (uint64_t)st.st_size, &io) : error_set_errno("%s", key);
    close(fd);
  }
  if (code < 0)
    return note_failure(m, code);
  progress_add(&m->done, 1, 0);
  return 0;
}

static int bring_into(repo *r, remote *side, const oid *o, bool legacy, const remote_io *io)
{
  odb *db = legacy ? &r->legacy : &r->db;
  odb_temporary t;
  char key[OID_KEY + 16];
  uint8_t md5[MD5_SIZE];
  transfer_key(key, o, legacy);
  int code = odb_new(&t, db, o);
  if (code < 0)
    return code;
  code = side->ops->get(side, key, t.fd, io);
  if (code == 0 && lseek(t.fd, 0, SEEK_SET) != 0)
    code = error_set_errno("%s", key);
  if (code == 0)
    code = md5_fd_either(md5, legacy && !o->dir, t.fd, key, NULL);
  if (code == 0 && memcmp(md5, o->md5, MD5_SIZE) != 0)
    code = transfer_damaged(side, key);
  if (code < 0) {
    odb_drop(&t, db);
    return code;
  }
  return odb_keep(&t, db, o);
}

static int brought(void *user, const used_object *o, int code, uint64_t size)
{
  moving *m = user;
  if (code == OPIS_ENOTFOUND && m->lost) {
    m->lost[o - m->u->items] = 1;
    return 0;
  }
  if (code < 0)
    return note_failure(m, code);
  progress_add(&m->done, 1, size);
  return 0;
}

static int bring_one(void *user, size_t k)
{
  moving *m = user;
  const used_object *o = &m->u->items[m->list[k]];
  remote_io io = {moved, cancelled, m};
  return brought(m, o, bring_into(m->r, m->remote, &o->oid, o->legacy, &io), 0);
}

/* A thread's share of objects that are files. */
static int bring_share(void *user, size_t k)
{
  moving *m = user;
  size_t begin = k * m->share, n = m->n - begin < m->share ? m->n - begin : m->share;
  return bring_files(m->r, m->remote, m->u->items, m->list + begin, n, &(watch){progress_bytes, &m->done}, brought, m);
}

static int bring_shares(moving *m, int jobs)
{
  m->share = m->n / ((size_t)jobs * 4); /* few enough that no thread is left with much when the others are done */
  m->share = m->share < 1 ? 1 : m->share > 128 ? 128 : m->share;
  return transfer_parallel(m->r, (m->n + m->share - 1) / m->share, jobs, bring_share, m);
}

static int told_one(void *user, const used_object *o, int code, uint64_t size)
{
  (void)user;
  (void)o;
  (void)size;
  return code;
}

int transfer_bring_one(repo *r, remote *side, const oid *o, bool legacy)
{
  moving m = {.r = r, .done = {.r = r, .what = FETCHING, .of_files = 1}};
  if (side->ops->open)
    return bring_files(r, side, &(used_object){.oid = *o, .legacy = legacy}, &(size_t){0}, 1, &(watch){progress_bytes, &m.done}, told_one, NULL);
  return bring_into(r, side, o, legacy, &(remote_io){moved, cancelled, &m});
}

/* How much there is to do: what is sent is here to be looked at, if it is not too many; what is brought may be known by its stage file. */
static void measure(moving *m, const uint8_t *todo, bool send)
{
  progress *p = &m->done;
  bool known = true;
  for (size_t i = 0; i < m->u->n; i++)
    p->of_files += todo[i] != 0;
  for (size_t i = 0; known && i < m->u->n; i++) {
    const used_object *o = &m->u->items[i];
    uint64_t size = o->size;
    if (!todo[i])
      continue;
    known = send ? p->of_files <= MEASURED && odb_check(store_of(m, o), &o->oid, &size) == 0 : size > 0;
    p->of_bytes += size;
  }
  if (!known)
    p->of_bytes = 0;
}

/* Files first; then the directory objects whose files all went. */
static int move_all(repo *r, remote *side, const used *u, const uint8_t *todo, int jobs, bool send, uint64_t *done, uint8_t *lost)
{
  moving m = {.r = r, .remote = side, .u = u, .lost = lost, .done = {.r = r, .what = send ? PUSHING : FETCHING}, .lock = PTHREAD_MUTEX_INITIALIZER};
  size_t *list = malloc((u->n + 1) * sizeof *list);
  int code = list ? 0 : error_nomem();
  jobs = jobs_for(r, side, jobs);
  measure(&m, todo, send);
  for (int dirs = 0; dirs < 2 && code == 0; dirs++) {
    size_t n = 0;
    bool failed = m.code < 0;
    for (size_t i = 0; i < u->n; i++)
      if (todo[i] && u->items[i].oid.dir == (dirs == 1) && !(dirs == 1 && send && failed))
        list[n++] = i;
    m.list = list;
    m.n = n;
    if (!send && side->ops->open)
      code = bring_shares(&m, jobs);
    else
      code = transfer_parallel(r, n, jobs, send ? send_one : bring_one, &m);
  }
  *done = m.done.files;
  free(list);
  if (code == 0 && m.code < 0)
    code = error_set(m.code, "%s", m.message);
  return code;
}

int transfer_send(repo *r, remote *side, const used *u, const uint8_t *todo, int jobs, uint64_t *done)
{
  if (side->ops->read_only)
    return error_set(OPIS_EUNSUPPORTED, "%s: this remote can only be read", side->url);
  return move_all(r, side, u, todo, jobs, true, done, NULL);
}

int transfer_bring(repo *r, remote *side, const used *u, const uint8_t *todo, int jobs, uint64_t *done, uint8_t *lost)
{
  return move_all(r, side, u, todo, jobs, false, done, lost);
}
