/* opis data push, fetch, pull, status --cloud. */
#include "data/sync.h"

#include "data/dirs.h"
#include "data/objects.h"
#include "data/transfer.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>

/* The objects of one remote out of all. */
typedef struct group {
  const char *remote; /* NULL: the default one, or the one asked for */
  used u;
} group;

static used *group_for(group **groups, size_t *n, const char *name)
{
  for (size_t k = 0; k < *n; k++)
    if (used_same_remote((*groups)[k].remote, name))
      return &(*groups)[k].u;
  group *larger = realloc(*groups, (*n + 1) * sizeof *larger);
  if (!larger)
    return NULL;
  *groups = larger;
  larger[*n] = (group){.remote = name};
  return &larger[(*n)++].u;
}

/* Takes the items over: u is left empty but for the names of remotes. Those of one remote alone, as nearly always, stay the array that they are. */
static int split(group **out, size_t *n, used *u, const char *forced)
{
  size_t first = 0;
  *out = NULL;
  *n = 0;
  while (!forced && first < u->n && used_same_remote(u->items[first].remote, u->items[0].remote))
    first++;
  if (u->n && (forced || first == u->n)) {
    used *g = group_for(out, n, forced ? forced : u->items[0].remote);
    if (!g)
      return error_nomem();
    *g = (used){.items = u->items, .n = u->n, .capacity = u->capacity};
    u->items = NULL;
    u->n = u->capacity = 0;
  }
  for (size_t i = 0; i < u->n; i++) {
    used *g = group_for(out, n, u->items[i].remote);
    used_object *o = g ? used_new(g) : NULL;
    if (!o)
      return error_nomem();
    *o = u->items[i];
    u->items[i].name = NULL;
  }
  for (size_t k = 0; k < *n; k++)
    used_sort(&(*out)[k].u);
  return 0;
}

static void free_groups(group *g, size_t n)
{
  for (size_t i = 0; i < n; i++)
    used_free(&g[i].u);
  free(g);
}

/* ---- push ---- */

typedef struct promise {
  const used *u;
  const uint8_t *where;
  bool legacy, broken;
} promise;

static int keep_promise(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  promise *p = user;
  oid o = {.dir = false};
  (void)path;
  (void)n;
  memcpy(o.md5, md5, MD5_SIZE);
  size_t i = used_find(p->u, &o, p->legacy);
  p->broken |= i < p->u->n && p->where[i] == 0;
  return 0;
}

/* A directory object says to everybody, DVC too, that its files are there: it does not go where one of them is missing. */
static int hold_back(repo *r, const used *u, const uint8_t *where, uint8_t *todo)
{
  int code = 0;
  for (size_t i = 0; i < u->n && code == 0; i++)
    if (todo[i] && u->items[i].oid.dir) {
      promise p = {u, where, u->items[i].legacy, false};
      code = objects_each(u->items[i].legacy ? &r->legacy : &r->db, &u->items[i].oid, keep_promise, &p);
      todo[i] = !p.broken;
    }
  return code;
}

static int push_group(repo *r, const group *g, int jobs, uint64_t *pushed, lost *missing)
{
  remote *side;
  uint64_t done = 0;
  size_t before = missing->objects.n;
  int code = transfer_open(&side, r, g->remote);
  if (code < 0)
    return code;
  uint8_t *where = calloc(g->u.n + 1, 1), *todo = calloc(g->u.n + 1, 1);
  code = where && todo ? transfer_look(where, r, side, &g->u, HERE | THERE, jobs) : error_nomem();
  for (size_t i = 0; i < g->u.n && code == 0; i++) {
    if (where[i] == 0)
      code = lost_add(missing, &g->u.items[i], false);
    todo[i] = where[i] == HERE;
  }
  if (code == 0 && missing->objects.n > before)
    code = hold_back(r, &g->u, where, todo);
  if (code == 0)
    code = transfer_send(r, side, &g->u, todo, jobs, &done);
  *pushed += done;
  free(todo);
  free(where);
  remote_close(side);
  return code;
}

int sync_push_used(repo *r, used *u, const sync_options *o, uint64_t *pushed, lost *missing)
{
  group *groups = NULL;
  size_t n_groups = 0;
  *pushed = 0;
  int code = split(&groups, &n_groups, u, o->remote);
  for (size_t i = 0; i < n_groups && code == 0; i++)
    code = push_group(r, &groups[i], o->jobs, pushed, missing);
  free_groups(groups, n_groups);
  used_free(u);
  return code;
}

/* --glob: what the patterns stand for goes on as names. */
typedef struct expanded {
  name_list names;
  sync_options o;
  char *const *items;
  int n;
} expanded;

static int expand(expanded *e, repo *r, char *const *names, int n, const sync_options *o)
{
  *e = (expanded){.o = *o, .items = names, .n = n};
  if (!o->glob || n == 0)
    return 0;
  e->o.glob = false;
  int code = data_expand(&e->names, r, names, n);
  e->items = e->names.items;
  e->n = (int)e->names.n;
  return code;
}

/* What a command is about, to be collected a second time when some of it is missing. */
typedef struct scope {
  repo *r;
  char *const *names;
  int n;
  const sync_options *o;
  bool push;
} scope;

static int collect_again(used *u, void *user, const used_options *options)
{
  const scope *s = user;
  used_options own = *options;
  own.pushable = s->push;
  own.skip_broken = true;
  return used_collect(u, s->r, s->names, s->n, s->o, &own);
}

int data_push(repo *r, char *const *names, int n, const sync_options *o, sync_result *result)
{
  used u;
  expanded e;
  lost missing = {0};
  *result = (sync_result){0};
  int code = expand(&e, r, names, n, o);
  if (code == 0)
    code = used_collect(&u, r, e.items, e.n, &e.o, &(used_options){.pushable = true, .skip_broken = true});
  if (code == 0)
    code = sync_push_used(r, &u, &e.o, &result->moved, &missing);
  if (code == 0)
    code = lost_tell(&missing, r, collect_again, &(scope){r, e.items, e.n, &e.o, true});
  result->missing = missing.objects.n;
  lost_free(&missing);
  names_free(&e.names);
  return code;
}

typedef struct commits {
  repo *r;
  char *const *hex;
  size_t n;
} commits;

static int collect_commits(used *u, void *user, const used_options *options)
{
  const commits *c = user;
  int code = 0;
  *u = (used){0};
  for (size_t i = 0; i < c->n && code == 0; i++) {
    stages set;
    targets t = {0};
    code = stages_load_revision(&set, c->r, c->hex[i]);
    if (code < 0)
      break;
    code = targets_collect(&t, c->r, &set, NULL, 0, false, false);
    for (size_t k = 0; k < t.n && code == 0; k++)
      code = used_add(u, c->r, t.items[k].out, NULL, options);
    targets_free(&t);
    stages_free(&set);
    used_bound(u);
  }
  if (code < 0)
    used_free(u);
  return code;
}

int data_push_commits(repo *r, char *const *hex, size_t n, uint64_t *pushed)
{
  used u;
  lost missing = {0};
  commits c = {r, hex, n};
  *pushed = 0;
  int code = collect_commits(&u, &c, &(used_options){.pushable = true});
  if (code == 0)
    code = sync_push_used(r, &u, &(sync_options){0}, pushed, &missing);
  if (code == 0)
    code = lost_tell(&missing, r, collect_commits, &c);
  if (code == 0 && missing.objects.n)
    code = error_set(OPIS_ENOTFOUND, "%zu object%s of what git pushes %s neither in the cache nor on the remote", missing.objects.n, missing.objects.n == 1 ? "" : "s",
      missing.objects.n == 1 ? "is" : "are");
  lost_free(&missing);
  return code;
}

/* ---- fetch ---- */

typedef struct denying {
  const used *u;
  uint8_t *gone;
  bool legacy;
} denying;

enum { GONE = 1, DENIED };

static int deny(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  denying *d = user;
  oid o = {.dir = false};
  (void)path;
  (void)n;
  memcpy(o.md5, md5, MD5_SIZE);
  size_t i = used_find(d->u, &o, d->legacy);
  if (i < d->u->n && d->gone[i])
    d->gone[i] = DENIED;
  return 0;
}

/* A directory object on the remote says that its files are there, too: where they are not, something was lost there. What was never pushed is another matter. */
static int find_denied(repo *r, remote *side, const used *u, uint8_t *gone)
{
  int code = 0;
  for (size_t i = 0; i < u->n && code == 0; i++) {
    const used_object *o = &u->items[i];
    char key[OID_KEY + 16];
    bool there;
    if (!o->oid.dir || gone[i])
      continue;
    transfer_key(key, &o->oid, o->legacy);
    code = side->ops->exists(side, key, &there, NULL);
    if (code == 0 && there)
      code = objects_each(o->legacy ? &r->legacy : &r->db, &o->oid, deny, &(denying){u, gone, o->legacy});
  }
  return code;
}

static int fetch_group(repo *r, const group *g, int jobs, uint64_t *fetched, lost *missing)
{
  remote *side = NULL;
  uint64_t done = 0;
  size_t todo = 0;
  uint8_t *where = calloc(g->u.n + 1, 1), *gone = calloc(g->u.n + 1, 1);
  int code = where && gone ? transfer_look(where, r, NULL, &g->u, HERE, jobs) : error_nomem();
  for (size_t i = 0; i < g->u.n && code == 0; i++) {
    where[i] = where[i] != HERE;
    todo += where[i];
  }
  if (code == 0 && todo)
    code = transfer_open(&side, r, g->remote);
  if (code == 0 && todo)
    code = transfer_bring(r, side, &g->u, where, jobs, &done, gone);
  *fetched += done;
  if (code == 0 && todo && memchr(gone, GONE, g->u.n))
    code = find_denied(r, side, &g->u, gone);
  for (size_t i = 0; i < g->u.n && code == 0; i++)
    if (gone[i])
      code = lost_add(missing, &g->u.items[i], gone[i] == DENIED);
  free(gone);
  free(where);
  remote_close(side);
  return code;
}

int sync_fetch_used(repo *r, used *u, const sync_options *o, uint64_t *fetched, lost *missing)
{
  group *groups = NULL;
  size_t n_groups = 0;
  int code = split(&groups, &n_groups, u, o->remote);
  for (size_t i = 0; i < n_groups && code == 0; i++)
    code = fetch_group(r, &groups[i], o->jobs, fetched, missing);
  free_groups(groups, n_groups);
  used_free(u);
  int synced = odb_sync(&r->db);
  if (code == 0)
    code = synced;
  if (code == 0)
    code = odb_sync(&r->legacy);
  return code;
}

static int fetch_collected(const dirs *d, used *u, const sync_options *o, uint64_t *fetched, lost *missing)
{
  int code = dirs_set_absent_aside(u, d, missing);
  if (code == 0)
    return sync_fetch_used(d->r, u, o, fetched, missing);
  used_free(u);
  return code;
}

static int fetch(repo *r, char *const *names, int n, const sync_options *o, uint64_t *fetched, lost *missing)
{
  used u;
  dirs d = {.r = r, .remote = o->remote};
  *fetched = 0;
  int code = used_collect(&u, r, names, n, o, &(used_options){.bring = dirs_bring, .skip_broken = true, .max_size = o->max_size, .user = &d});
  *fetched = d.fetched;
  if (code == 0)
    code = fetch_collected(&d, &u, o, fetched, missing);
  dirs_close(&d);
  return code;
}

void sync_bring_dirs(repo *r, const targets *t)
{
  dirs d = {.r = r};
  bool asked = true;
  for (size_t i = 0; i < t->n && asked; i++) {
    const output *o = t->items[i].out;
    if (!o->refused && o->cache && o->hashed && o->oid.dir && !stage_is_import(o->stage) && !odb_has(output_store(r, o), &o->oid)) {
      int code = dirs_bring(&d, &o->oid, o->legacy, o->remote);
      asked = code == 0 || code == OPIS_ENOTFOUND;
      if (!asked && code != OPIS_EINVALID) /* without a remote, there is nobody to ask */
        repo_warn(r, "the remote cannot be asked what is in %s: %s", o->path, opis_error_message());
    }
  }
  dirs_close(&d);
}

int sync_fetch_targets(repo *r, const targets *t, const sync_options *o, uint64_t *fetched, lost *missing)
{
  used u = {0};
  dirs d = {.r = r, .remote = o->remote};
  int code = 0;
  *fetched = 0;
  for (size_t i = 0; i < t->n && code == 0; i++)
    code = used_add(&u, r, t->items[i].out, &t->items[i].parts, &(used_options){.bring = dirs_bring, .user = &d});
  *fetched = d.fetched;
  if (code == 0)
    code = fetch_collected(&d, &u, o, fetched, missing);
  else
    used_free(&u);
  dirs_close(&d);
  return code;
}

/* Imports come from their source, not from a remote of ours. c: one that had no data so far is put into place here, as its stage file does not name them. */
static int fetch_imports(changes *c, repo *r, char *const *names, int n, const sync_options *o, uint64_t *fetched)
{
  stages set;
  targets t;
  const stage *last = NULL;
  int code = stages_load_lazily(&set, r);
  if (code < 0)
    return code;
  code = targets_collect(&t, r, &set, names, n, o->recursive, o->with_deps);
  for (size_t i = 0; code == 0 && i < t.n; i++) {
    stage *s = t.items[i].out->stage;
    if (s == last)
      continue;
    last = s;
    bool named = t.items[i].out->hashed;
    code = import_bring(r, s, o->jobs, fetched);
    if (code == 0 && c && !named && t.items[i].out->hashed)
      code = place_output(c, r, t.items[i].out, NULL, &(checkout_options){.force = o->force});
  }
  targets_free(&t);
  stages_free(&set);
  return code;
}

static int bring(changes *c, repo *r, char *const *names, int n, const sync_options *o, sync_result *result, bool place)
{
  lost missing = {0};
  expanded e;
  checkout_options how = {.force = o->force, .allow_missing = o->allow_missing, .recursive = o->recursive, .with_deps = o->with_deps, .lists_asked_for = !o->remote};
  *result = (sync_result){0};
  int code = expand(&e, r, names, n, o);
  if (code == 0)
    code = fetch(r, e.items, e.n, &e.o, &result->moved, &missing);
  if (code == 0)
    code = fetch_imports(c, r, e.items, e.n, &e.o, &result->moved);
  if (code == 0)
    code = lost_tell(&missing, r, collect_again, &(scope){r, e.items, e.n, &e.o, false});
  result->missing = missing.objects.n;
  if (code == 0 && place)
    code = data_checkout(c, r, e.items, e.n, &how);
  if ((code == 0 || code == OPIS_ENOTFOUND) && missing.denied)
    code = error_set(OPIS_ENOTFOUND, "the remote lacks files of folders that it has: something was lost there");
  else if (code == OPIS_ENOTFOUND && missing.objects.n)
    code = error_set(code, "not everything could be put into place: some of it is neither in the cache nor on the remote");
  names_free(&e.names);
  lost_free(&missing);
  return code;
}

int data_fetch(repo *r, char *const *names, int n, const sync_options *o, sync_result *result)
{
  return bring(NULL, r, names, n, o, result, false);
}

int data_pull(changes *c, repo *r, char *const *names, int n, const sync_options *o, sync_result *result)
{
  return bring(c, r, names, n, o, result, true);
}

/* ---- status --cloud ---- */

static int compare_group(cloud_list *l, repo *r, group *g, int jobs)
{
  remote *side;
  int code = transfer_open(&side, r, g->remote);
  if (code < 0)
    return code;
  uint8_t *where = calloc(g->u.n + 1, 1);
  code = where ? transfer_look(where, r, side, &g->u, HERE | THERE, jobs) : error_nomem();
  for (size_t i = 0; i < g->u.n && code == 0; i++) {
    if (where[i] == (HERE | THERE))
      continue;
    if (where[i] == 0 && g->u.items[i].oid.dir) { /* DVC leaves it out, too: what its files are, nobody knows */
      repo_warn(r, DIRS_ABSENT, g->u.items[i].name);
      continue;
    }
    cloud_entry *larger = realloc(l->items, (l->n + 1) * sizeof *larger);
    if (!larger) {
      code = error_nomem();
      break;
    }
    l->items = larger;
    larger[l->n++] = (cloud_entry){g->u.items[i].name, where[i] == HERE ? "new" : where[i] == THERE ? "deleted" : "missing"};
    g->u.items[i].name = NULL;
  }
  free(where);
  remote_close(side);
  return code;
}

static int rank(const char *state)
{
  return *state == 'm' ? 0 : *state == 'n' ? 1 : 2;
}

static int by_name(const void *a, const void *b)
{
  const cloud_entry *x = a, *y = b;
  int c = strcmp(x->name, y->name);
  return c ? c : rank(x->state) - rank(y->state);
}

/* One entry a name: of several versions, DVC tells what is missing before what is new, and that before what is deleted. */
static void sort_names(cloud_list *l)
{
  size_t kept = 0;
  qsort(l->items, l->n, sizeof *l->items, by_name);
  for (size_t i = 0; i < l->n; i++)
    if (kept && strcmp(l->items[kept - 1].name, l->items[i].name) == 0)
      free(l->items[i].name);
    else
      l->items[kept++] = l->items[i];
  l->n = kept;
}

int data_status_cloud(cloud_list *l, repo *r, char *const *names, int n, const sync_options *o)
{
  used u;
  group *groups = NULL;
  size_t n_groups = 0;
  dirs d = {.r = r, .remote = o->remote};
  *l = (cloud_list){0};
  int code = used_collect(&u, r, names, n, o, &(used_options){.names = true, .pushable = true, .bring = dirs_bring, .user = &d});
  if (code == 0)
    code = dirs_set_absent_aside(&u, &d, NULL);
  dirs_close(&d);
  if (code < 0)
    return code;
  code = split(&groups, &n_groups, &u, o->remote);
  for (size_t i = 0; i < n_groups && code == 0; i++)
    code = compare_group(l, r, &groups[i], o->jobs);
  free_groups(groups, n_groups);
  used_free(&u);
  if (code == 0 && l->n)
    sort_names(l);
  if (code < 0)
    cloud_free(l);
  return code;
}

void cloud_free(cloud_list *l)
{
  for (size_t i = 0; i < l->n; i++)
    free(l->items[i].name);
  free(l->items);
  *l = (cloud_list){0};
}
