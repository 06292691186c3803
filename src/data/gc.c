/* opis data gc: takes objects away that no listed version needs. */
#include "data/git.h"
#include "data/objects.h"
#include "data/progress.h"
#include "data/transfer.h"

#include "util/cpus.h"
#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct sweeping {
  repo *r;
  const gc_options *o;
  gc_result *g;
  const used *keep;
  odb *db;   /* one of the caches */
  used gone; /* what goes */
  progress done;
} sweeping;

void gc_free(gc_result *g)
{
  names_free(&g->list);
}

static int by_id(const void *a, const void *b)
{
  const used_object *x = a, *y = b;
  return x->legacy != y->legacy ? x->legacy - y->legacy : oid_compare(&x->oid, &y->oid);
}

static bool is_kept(const used *keep, const oid *o, bool legacy)
{
  used_object key = {.oid = *o, .legacy = legacy};
  return keep->n && bsearch(&key, keep->items, keep->n, sizeof key, by_id);
}

static int add_gone(sweeping *s, const oid *o, bool legacy)
{
  if (s->gone.n == s->gone.capacity) {
    size_t capacity = s->gone.capacity ? s->gone.capacity * 2 : 256;
    used_object *larger = realloc(s->gone.items, capacity * sizeof *larger);
    if (!larger)
      return error_nomem();
    s->gone.items = larger;
    s->gone.capacity = capacity;
  }
  s->gone.items[s->gone.n++] = (used_object){.oid = *o, .legacy = legacy};
  char text[OID_TEXT];
  oid_text(text, o);
  return s->o->dry ? names_add(&s->g->list, text) : repo_check_cancelled(s->r);
}

static void begin(sweeping *s, const char *what, size_t n)
{
  s->done = (progress){.r = s->r, .what = what, .of_files = n};
}

static int look_here(void *user, const oid *o, uint64_t size)
{
  sweeping *s = user;
  progress_add(&s->done, 1, 0);
  if (is_kept(s->keep, o, s->db->legacy))
    return 0;
  s->g->objects++;
  s->g->bytes += size;
  return add_gone(s, o, s->db->legacy);
}

/* Directory objects first: one that is there promises its files. */
static int sweep_here(sweeping *s, odb *db)
{
  s->db = db;
  begin(s, "Looking at objects", 0);
  int code = odb_list(db, look_here, s);
  begin(s, "Removing", s->gone.n);
  for (int dirs = 1; dirs >= 0 && !s->o->dry; dirs--)
    for (size_t i = 0; i < s->gone.n && code == 0; i++)
      if (s->gone.items[i].oid.dir == (dirs == 1)) {
        code = odb_remove(db, &s->gone.items[i].oid);
        progress_add(&s->done, 1, 0);
        if (code == 0)
          code = repo_check_cancelled(s->r);
      }
  free(s->gone.items);
  s->gone = (used){0};
  return code;
}

static int look_there(void *user, const char *key, uint64_t size)
{
  sweeping *s = user;
  bool legacy = strncmp(key, "files/md5/", 10) != 0;
  const char *at = legacy ? key : key + 10;
  char text[OID_TEXT];
  oid o;
  progress_add(&s->done, 1, 0);
  if (strlen(at) < 4 || strlen(at) > OID_TEXT || at[2] != '/')
    return 0;
  memcpy(text, at, 2);
  strcpy(text + 2, at + 3);
  if (!oid_parse(&o, text) || is_kept(s->keep, &o, legacy))
    return 0;
  s->g->remote_objects++;
  s->g->remote_bytes += size == UINT64_MAX ? 0 : size;
  return add_gone(s, &o, legacy);
}

typedef struct removing {
  remote *side;
  sweeping *s;
  const size_t *list;
} removing;

static int remove_one(void *user, size_t i)
{
  const removing *m = user;
  const used_object *o = &m->s->gone.items[m->list[i]];
  char key[OID_KEY + 16];
  transfer_key(key, &o->oid, o->legacy);
  progress_add(&m->s->done, 1, 0);
  return m->side->ops->remove(m->side, key);
}

/* Many with each request, for services that take many. */
static int remove_many(const removing *m, size_t n)
{
  enum { AT_ONCE = 1000 };
  remote_item *items = calloc(AT_ONCE, sizeof *items);
  char(*keys)[OID_KEY + 16] = calloc(AT_ONCE, sizeof *keys);
  int code = items && keys ? 0 : error_nomem();
  for (size_t at = 0; at < n && code == 0; at += AT_ONCE) {
    size_t some = n - at < AT_ONCE ? n - at : AT_ONCE;
    for (size_t i = 0; i < some; i++) {
      const used_object *o = &m->s->gone.items[m->list[at + i]];
      transfer_key(keys[i], &o->oid, o->legacy);
      items[i] = (remote_item){.key = keys[i]};
    }
    code = m->side->ops->remove_many(m->side, items, some);
    progress_add(&m->s->done, some, 0);
    for (size_t i = 0; i < some && code == 0; i++)
      code = items[i].result; /* its words are the last ones of the thread */
    if (code == 0)
      code = repo_check_cancelled(m->s->r);
  }
  free(items);
  free(keys);
  return code;
}

static int remove_pile(sweeping *s, remote *side, bool dirs)
{
  size_t *list = malloc((s->gone.n + 1) * sizeof *list), n = 0;
  if (!list)
    return error_nomem();
  for (size_t i = 0; i < s->gone.n; i++)
    if (s->gone.items[i].oid.dir == dirs)
      list[n++] = i;
  removing m = {side, s, list};
  int jobs = s->o->jobs > 0 ? s->o->jobs : side->ops->jobs > 0 ? side->ops->jobs : 4 * cpus_available();
  int code = n == 0 ? 0 : side->ops->remove_many ? remove_many(&m, n) : transfer_parallel(s->r, n, jobs, remove_one, &m);
  free(list);
  return code;
}

static int sweep_there(sweeping *s)
{
  remote *side;
  int code = transfer_open(&side, s->r, s->o->remote);
  if (code < 0)
    return code;
  if (side->ops->read_only || !side->ops->list)
    code = error_set(OPIS_EUNSUPPORTED, "%s: this remote can only be read", side->url);
  begin(s, "Looking at the remote's objects", 0);
  if (code == 0)
    code = side->ops->list(side, "", look_there, s);
  begin(s, "Removing from the remote", s->gone.n);
  for (int dirs = 1; dirs >= 0 && !s->o->dry && code == 0; dirs--)
    code = remove_pile(s, side, dirs == 1);
  remote_close(side);
  free(s->gone.items);
  s->gone = (used){0};
  return code;
}

/* ---- what is needed ---- */

typedef struct needing {
  repo *r;
  const gc_options *o;
  used *u;
} needing;

/* Without a directory object nobody knows its files: they could be swept although a version needs them. */
static int bring(void *user, const oid *o, bool legacy, const char *name)
{
  const needing *n = user;
  remote *side;
  char text[OID_TEXT];
  oid_text(text, o);
  int code = transfer_open(&side, n->r, name);
  if (code == 0) {
    code = transfer_bring_one(n->r, side, o, legacy);
    remote_close(side);
  }
  if (code == 0)
    return 0;
  if (n->o->skip_failed) {
    repo_warn(n->r, "%s: not in the cache; its files are not known and may be taken away", text);
    return OPIS_ENOTFOUND;
  }
  return error_set(OPIS_EBUSY,
    "%s: a directory object that is needed is neither in the cache nor on a remote, so that its files are not known; nothing was taken away. Push it from where it is, or use "
    "--skip-failed",
    text);
}

static int need_all(needing *n, const stages *set)
{
  used_options how = {.imports = true, .bring = bring, .user = n};
  int code = 0;
  for (size_t i = 0; i < set->n && code == 0; i++)
    for (size_t k = 0; k < set->items[i]->n_outs && code == 0; k++)
      code = used_add(n->u, n->r, &set->items[i]->outs[k], NULL, &how);
  return code;
}

static int need_commit(void *user, const char *hex)
{
  needing *n = user;
  stages set;
  int code = repo_check_cancelled(n->r);
  if (code == 0)
    code = stages_load_revision(&set, n->r, hex);
  if (code < 0 && n->o->skip_failed && code != OPIS_ECANCELLED) {
    repo_warn(n->r, "%.8s: skipped: %s", hex, opis_error_message());
    return 0;
  }
  if (code < 0)
    return code;
  code = need_all(n, &set);
  stages_free(&set);
  used_bound(n->u);
  return code;
}

static int need_repo(needing *n)
{
  const gc_options *o = n->o;
  stages set;
  int code = stages_load(&set, n->r); /* the work tree always */
  if (code < 0)
    return code;
  code = need_all(n, &set);
  stages_free(&set);
  git_scope scope = {.branches = o->all_branches, .tags = o->all_tags, .all = o->all_commits, .experiments = o->experiments, .revision = o->revision, .num = o->num, .since = NULL};
  if (code == 0 && (o->all_branches || o->all_tags || o->all_commits || o->revision || o->experiments))
    code = git_commits(n->r, &scope, need_commit, n);
  if (code == 0 && o->since && !o->all_commits)
    code = git_commits(n->r, &(git_scope){.since = o->since}, need_commit, n);
  return code;
}

/* Repositories beside this one whose needs count, too; they are locked, since they must not change meanwhile. */
typedef struct others {
  needing n;
  const repo *r; /* this one */
  repo **items;
  size_t count;
} others;

static void others_close(others *o)
{
  for (size_t i = 0; i < o->count; i++)
    repo_close(o->items[i]);
  free(o->items);
}

static bool same_folder(const char *a, const char *b)
{
  struct stat x, y;
  return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* *opened: NULL when it is this one, or open already, or (sharing) when it shares nothing with this one that is cleared. */
static int open_other(repo **opened, others *o, const char *folder, bool sharing)
{
  repo *other, **larger;
  repo_hooks hooks = o->r->hooks;
  hooks.wait_for_lock = false; /* two that hold their own locks would wait for each other */
  *opened = NULL;
  int code = repo_open(&other, folder, false, &hooks);
  if (code < 0)
    return code;
  bool wanted = strcmp(other->root, o->r->root) != 0 && (!sharing || o->n.o->cloud || same_folder(other->cache, o->r->cache));
  for (size_t i = 0; i < o->count && wanted; i++)
    wanted = strcmp(other->root, o->items[i]->root) != 0;
  repo_close(other);
  if (!wanted)
    return 0;
  larger = realloc(o->items, (o->count + 1) * sizeof(repo *));
  if (!larger)
    return error_nomem();
  o->items = larger;
  code = repo_open(opened, folder, true, &hooks);
  if (code == 0)
    o->items[o->count++] = *opened;
  return code;
}

static int need_projects(others *o)
{
  int code = 0;
  for (int i = 0; i < o->n.o->n_projects && code == 0; i++) {
    code = open_other(&o->n.r, o, o->n.o->projects[i], false);
    if (code == 0 && o->n.r)
      code = need_repo(&o->n);
  }
  return code;
}

/* Another work tree of this git repository: what its files name counts, as if -p had named it. Its revisions are this one's. */
static int need_worktree(void *user, const char *root)
{
  others *o = user;
  stages set = {0};
  char *dvc;
  if (asprintf(&dvc, "%s/.dvc", root) < 0)
    return error_nomem();
  bool there = file_is_folder(dvc);
  free(dvc);
  if (!there)
    return 0;
  int code = open_other(&o->n.r, o, root, true);
  if (code == 0 && o->n.r) {
    code = stages_load(&set, o->n.r);
    if (code == 0)
      code = need_all(&o->n, &set);
    stages_free(&set);
  }
  return code < 0 ? error_prefix(code, "the work tree %s", root) : 0;
}

/* --not-in-remote: what a remote has is not needed here. */
static int drop_what_is_there(repo *r, const gc_options *o, used *keep)
{
  remote *side;
  int code = transfer_open(&side, r, o->remote);
  if (code < 0)
    return code;
  uint8_t *where = calloc(keep->n + 1, 1);
  code = where ? transfer_look(where, r, side, keep, THERE, o->jobs) : error_nomem();
  size_t kept = 0;
  for (size_t i = 0; i < keep->n && code == 0; i++)
    if (!where[i])
      keep->items[kept++] = keep->items[i];
  if (code == 0)
    keep->n = kept;
  free(where);
  remote_close(side);
  return code;
}

int data_gc(gc_result *g, repo *r, const gc_options *o)
{
  used keep = {0};
  *g = (gc_result){0};
  if (!(o->workspace || o->all_branches || o->all_tags || o->all_commits || o->experiments || o->revision || o->since))
    return error_set(OPIS_EINVALID, "say what to keep: -w (what is here now), -a (branches), -T (tags), -A (all commits), --rev or --date");
  if (o->not_in_remote && o->cloud)
    return error_set(OPIS_EINVALID, "--not-in-remote and --cloud exclude each other");
  if (o->remote && !o->cloud && !o->not_in_remote)
    return error_set(OPIS_EINVALID, "--remote goes with --cloud or --not-in-remote");
  others beside = {.n = {r, o, &keep}, .r = r};
  int code = need_repo(&beside.n);
  if (code == 0)
    code = need_projects(&beside);
  if (code == 0)
    code = git_worktrees(r, need_worktree, &beside);
  if (code == 0)
    code = used_sort(&keep);
  sweeping s = {.r = r, .o = o, .g = g, .keep = &keep};
  if (code == 0 && o->cloud) /* the remote first: what goes here may be what is left of it */
    code = sweep_there(&s);
  if (code == 0 && o->not_in_remote)
    code = drop_what_is_there(r, o, &keep);
  if (code == 0)
    code = sweep_here(&s, &r->db);
  if (code == 0)
    code = sweep_here(&s, &r->legacy);
  others_close(&beside);
  used_free(&keep);
  if (code < 0)
    gc_free(g);
  return code;
}
