#include "data/used.h"

#include "data/git.h"
#include "data/objects.h"
#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t used_find(const used *u, const oid *o, bool legacy)
{
  size_t low = 0, high = u->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const used_object *m = &u->items[middle];
    int c = m->legacy != legacy ? m->legacy - legacy : oid_compare(&m->oid, o);
    if (c < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < u->n && u->items[low].legacy == legacy && oid_same(&u->items[low].oid, o) ? low : u->n;
}

void used_free(used *u)
{
  for (size_t i = 0; i < u->n; i++)
    free(u->items[i].name);
  for (size_t i = 0; i < u->n_remotes; i++)
    free(u->remotes[i]);
  free(u->items);
  free(u->remotes);
  name_set_free(&u->lists);
  *u = (used){0};
}

static const char *keep_remote(used *u, const char *name)
{
  if (!name)
    return NULL;
  for (size_t i = 0; i < u->n_remotes; i++)
    if (strcmp(u->remotes[i], name) == 0)
      return u->remotes[i];
  char **larger = realloc(u->remotes, (u->n_remotes + 1) * sizeof *larger);
  if (!larger)
    return NULL;
  u->remotes = larger;
  larger[u->n_remotes] = strdup(name);
  return larger[u->n_remotes++];
}

used_object *used_new(used *u)
{
  if (u->n == u->capacity) {
    size_t capacity = u->capacity ? u->capacity + u->capacity / 2 : 256;
    used_object *larger = realloc(u->items, capacity * sizeof *larger);
    if (!larger) {
      error_nomem();
      return NULL;
    }
    u->items = larger;
    u->capacity = capacity;
  }
  used_object *o = &u->items[u->n++];
  *o = (used_object){0};
  return o;
}

typedef struct adding {
  used *u;
  const used *only;
  bool legacy, names;
  const char *remote, *shown;
  const selection *parts;
} adding;

static bool wanted(const used *only, const oid *o, bool legacy)
{
  return !only || used_find(only, o, legacy) < only->n;
}

static int add_file(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  adding *a = user;
  (void)n;
  if (!selection_has(a->parts, path))
    return 0;
  oid id = {.dir = false};
  memcpy(id.md5, md5, MD5_SIZE);
  if (!wanted(a->only, &id, a->legacy))
    return 0;
  used_object *o = used_new(a->u);
  if (!o)
    return OPIS_ENOMEM;
  o->oid = id;
  o->legacy = a->legacy;
  o->remote = a->remote;
  if (a->names && asprintf(&o->name, "%s/%s", a->shown, path) < 0) {
    o->name = NULL;
    return error_nomem();
  }
  return 0;
}

static int add_files(repo *r, const output *out, adding *a, const used_options *options)
{
  odb *db = output_store(r, out);
  bool theirs = stage_is_import(out->stage) && out->stage->deps[0].repo_url; /* no remote of ours has to have it; DVC keeps nothing of imports at all */
  if (options->bring && !theirs && !odb_has(db, &out->oid)) {
    int code = options->bring(options->user, &out->oid, out->legacy, a->remote);
    if (code < 0)
      return code == OPIS_ENOTFOUND ? 0 : code;
  }
  int code = objects_each(db, &out->oid, add_file, a);
  return code == OPIS_ENOTFOUND ? 0 : code;
}

/* Whether a folder comes for the first time: of many commits, most have the same. */
static int is_new(bool *fresh, used *u, const output *out, const char *shown)
{
  char text[OID_TEXT], *key;
  oid_text(text, &out->oid);
  if (asprintf(&key, "%s%s %s:%s", out->legacy ? "2 " : "", text, out->remote ? out->remote : "", shown ? shown : "") < 0)
    return error_nomem();
  *fresh = !map_get(&u->lists.known, key, strlen(key));
  int code = *fresh ? names_add_once(&u->lists, key) : 0;
  free(key);
  return code;
}

int used_add(used *u, repo *r, const output *out, const selection *parts, const used_options *options)
{
  if (out->refused || !out->cache || !out->hashed || (options->pushable && !out->push))
    return 0;
  if (options->remote && out->remote && strcmp(options->remote, out->remote) != 0)
    return 0;
  if (options->max_size && out->has_size && out->size >= options->max_size)
    return 0;
  if (!options->imports && stage_is_import(out->stage) && out->stage->deps[0].repo_url)
    return 0;
  const char *name = keep_remote(u, out->remote);
  char *shown = options->names ? output_shown(r, out) : NULL;
  bool own = wanted(options->only, &out->oid, out->legacy), fresh = true;
  int code = out->oid.dir && !(parts && parts->n) ? is_new(&fresh, u, out, shown) : 0;
  if (code < 0 || !fresh) {
    free(shown);
    return code;
  }
  used_object *o = own ? used_new(u) : NULL;
  if ((out->remote && !name) || (options->names && !shown) || (own && !o)) {
    free(shown);
    return error_nomem();
  }
  if (own)
    *o = (used_object){.oid = out->oid, .legacy = out->legacy, .size = out->has_size && !out->oid.dir ? out->size : 0, .remote = name, .name = shown};
  adding a = {.u = u, .only = options->only, .legacy = out->legacy, .names = options->names, .remote = name, .parts = parts, .shown = shown};
  code = out->oid.dir ? add_files(r, out, &a, options) : 0;
  if (!own)
    free(shown);
  return code;
}

static int by_id(const void *a, const void *b)
{
  const used_object *x = a, *y = b;
  if (x->legacy != y->legacy)
    return x->legacy - y->legacy;
  int c = oid_compare(&x->oid, &y->oid);
  return c ? c : (x->remote != NULL) - (y->remote != NULL);
}

bool used_same_remote(const char *a, const char *b)
{
  return a == b || (a && b && strcmp(a, b) == 0);
}

int used_sort(used *u)
{
  size_t kept = 0;
  if (u->n)
    qsort(u->items, u->n, sizeof *u->items, by_id);
  for (size_t i = 0; i < u->n; i++) {
    const used_object *last = kept ? &u->items[kept - 1] : NULL;
    if (last && last->legacy == u->items[i].legacy && oid_same(&last->oid, &u->items[i].oid) && used_same_remote(last->remote, u->items[i].remote)) {
      free(u->items[i].name);
      continue;
    }
    u->items[kept++] = u->items[i];
  }
  u->n = kept;
  return 0;
}

void used_bound(used *u)
{
  enum { LEAST = 1 << 16 };
  if (u->n < u->sort_at || u->n < LEAST)
    return;
  used_sort(u);
  u->sort_at = u->n * 2;
}

typedef struct collecting {
  used *u;
  repo *r;
  char *const *names;
  int n;
  const sync_options *o;
  const used_options *options;
} collecting;

/* In other revisions, a target that is not there is no error. */
static int collect(collecting *c, const stages *set, bool required)
{
  targets t;
  bool *absent = required ? NULL : calloc((size_t)c->n + 1, sizeof *absent);
  if (!required && !absent)
    return error_nomem();
  int code = targets_collect_known(&t, c->r, set, c->names, c->n, c->o->recursive, c->o->with_deps, absent);
  free(absent);
  for (size_t i = 0; code == 0 && i < t.n; i++)
    code = used_add(c->u, c->r, t.items[i].out, &t.items[i].parts, c->options);
  targets_free(&t);
  return code;
}

static int collect_commit(void *user, const char *hex)
{
  collecting *c = user;
  stages set;
  int code = repo_check_cancelled(c->r);
  if (code == 0)
    code = stages_load_revision(&set, c->r, hex);
  if (code < 0 && c->options->skip_broken && code != OPIS_ECANCELLED && code != OPIS_ENOMEM) {
    repo_warn(c->r, "%.8s: skipped: %s", hex, opis_error_message());
    return 0;
  }
  if (code < 0)
    return code;
  code = collect(c, &set, false);
  stages_free(&set);
  used_bound(c->u);
  return code;
}

int used_collect(used *u, repo *r, char *const *names, int n, const sync_options *o, const used_options *options)
{
  used_options with_remote = *options;
  with_remote.remote = o->remote;
  collecting c = {u, r, names, n, o, &with_remote};
  stages set;
  *u = (used){0};
  bool others = o->all_branches || o->all_tags || o->all_commits;
  int code = stages_load_lazily(&set, r);
  if (code < 0)
    return code;
  code = collect(&c, &set, !others);
  stages_free(&set);
  bool without_git = !r->git_root && config_true(&r->config, "core", "no_scm", false); /* it has no other revisions, which is no error for DVC either */
  if (code == 0 && others && !without_git)
    code = git_commits(r, &(git_scope){.branches = o->all_branches, .tags = o->all_tags, .all = o->all_commits}, collect_commit, &c);
  if (code < 0)
    used_free(u);
  return code;
}
