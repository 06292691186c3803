#include "data/source.h"

#include "data/clone.h"
#include "data/git.h"
#include "data/objects.h"
#include "data/sync.h"
#include "data/transfer.h"
#include "util/error.h"
#include "util/file.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
  (void)st;
  (void)at;
  if (type == FTW_DP)
    rmdir(path);
  else
    unlink(path);
  return 0;
}

static void remove_folder(char *path)
{
  if (path)
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  free(path);
}

void source_close(source *s)
{
  if (!s)
    return;
  stages_free(&s->stages);
  if (s->near) {
    odb_close(&s->near_db);
    odb_close(&s->near_legacy);
  }
  repo_close(s->repo);
  remove_folder(s->scratch);
  remove_folder(s->clone);
  free(s->near);
  free(s);
}

static int temporary_folder(char **out, const char *folder)
{
  *out = NULL;
  int code = file_make_folders(folder, 0777);
  if (code == 0 && asprintf(out, "%s/source-XXXXXX", folder) < 0) {
    *out = NULL;
    code = error_nomem();
  }
  if (code == 0 && !mkdtemp(*out)) {
    code = error_set_errno("%s", folder);
    free(*out);
    *out = NULL;
  }
  return code;
}

/* Objects that come are not the source's business: they go where they are wanted. */
static int turn_caches(source *s, const source_options *o)
{
  repo *r = s->repo;
  char *path = NULL, *cache = NULL;
  int code = 0;
  if (!s->clone) {
    s->near = strdup(r->cache);
    code = s->near ? odb_open(&s->near_db, r->db.path, false, NULL, false) : error_nomem();
    if (code == 0)
      code = odb_open(&s->near_legacy, r->legacy.path, true, NULL, false);
    if (code < 0)
      return code;
  }
  if (!o->into) {
    code = temporary_folder(&s->scratch, o->folder);
    cache = s->scratch;
  } else
    cache = o->into->cache;
  if (code == 0 && asprintf(&path, "%s/files/md5", cache) < 0) {
    path = NULL;
    code = error_nomem();
  }
  odb_close(&r->db);
  odb_close(&r->legacy);
  bool shared = o->into && o->into->db.shared;
  int opened = odb_open(&r->db, path ? path : "", false, NULL, shared);
  if (code == 0)
    code = opened;
  opened = odb_open(&r->legacy, cache ? cache : "", true, NULL, shared);
  if (code == 0)
    code = opened;
  if (code == 0) {
    free(r->cache);
    r->cache = strdup(cache);
    code = r->cache ? 0 : error_nomem();
  }
  free(path);
  return code;
}

static int open_here(source *s, const char *path, const char *rev, const repo_hooks *hooks)
{
  int code = s->clone ? repo_open_root(&s->repo, path, hooks) : repo_open_any(&s->repo, path, hooks);
  if (code < 0)
    return code;
  bool born = false;
  if (s->repo->git_root) {
    code = git_has_commits(&born, s->repo);
    if (code == 0 && (born || rev))
      code = git_resolve(s->lock, s->repo, rev ? rev : "HEAD");
  } else if (rev)
    code = error_set(OPIS_EINVALID, "%s: not under git, so that it has no revision %s", path, rev);
  if (code == 0 && rev)
    memcpy(s->hex, s->lock, sizeof s->hex);
  return code;
}

/* Settings of the command line, as if they stood in the last configuration file. */
static int lay_settings(repo *r, const source_options *o)
{
  strbuf text = STRBUF_INIT;
  char *bytes;
  size_t n;
  bool found;
  int code = 0;
  if (o->config) {
    code = file_read(&bytes, &n, o->config, 1 << 20);
    if (code == 0)
      code = config_parse(&r->config, bytes, n, CONFIG_LOCAL, o->config);
    if (code == 0)
      free(bytes);
  }
  const char *name = o->remote ? o->remote : config_get(&r->config, "core", "", "remote");
  if (!name && o->n_remote_config) /* a source without a remote of its own */
    name = "upstream";
  if (code == 0 && name)
    code = config_edit(&text, "core", "", "remote", name, &found);
  for (int i = 0; i < o->n_remote_config && code == 0; i++) {
    const char *equals = strchr(o->remote_config[i], '=');
    char *key = equals ? strndup(o->remote_config[i], (size_t)(equals - o->remote_config[i])) : NULL;
    if (!key || !name)
      code =
        error_set(OPIS_EINVALID, "--remote-config %s: %s", o->remote_config[i], equals ? "the source has no default remote; name one with --remote" : "not of the form KEY=VALUE");
    else
      code = config_edit(&text, "remote", name, key, equals + 1, &found);
    free(key);
  }
  if (code == 0 && text.n)
    code = config_parse(&r->config, text.s, text.n, CONFIG_LOCAL, "the command line");
  if (code == 0 && o->remote && !config_has_remote(&r->config, o->remote))
    code = error_set(OPIS_ENOTFOUND, "%s: the source has no remote of this name", o->remote);
  strbuf_free(&text);
  return code;
}

static bool is_here(const char *url)
{
  char bare[PATH_MAX];
  return file_is_folder(url) && !(snprintf(bare, sizeof bare, "%s/objects", url) < PATH_MAX && file_is_folder(bare)); /* a bare git repository has no work tree to stand in */
}

int source_newest(char hex[41], const char *url, const char *rev, const repo_hooks *hooks)
{
  repo *r;
  if (!is_here(url))
    return clone_newest(hex, url, rev);
  int code = repo_open_any(&r, url, hooks);
  if (code == 0) {
    code = git_resolve(hex, r, rev ? rev : "HEAD");
    repo_close(r);
  }
  return code;
}

int source_here(char **here, const source *s)
{
  char cwd[PATH_MAX];
  size_t n = strlen(s->repo->root);
  bool below = !s->clone && !s->hex[0] && getcwd(cwd, sizeof cwd) && strncmp(cwd, s->repo->root, n) == 0 && cwd[n] == '/';
  *here = strdup(below ? cwd + n + 1 : "");
  return *here ? 0 : error_nomem();
}

int source_path(char **path, const source *s, const char *typed)
{
  char *here = NULL, *from = NULL;
  size_t n = s && !s->clone ? strlen(s->repo->root) : 0;
  *path = NULL;
  if (n && strncmp(typed, s->repo->root, n) == 0 && (typed[n] == '/' || !typed[n]))
    typed = typed[n] ? typed + n : "/";
  int code = s && *typed && *typed != '/' ? source_here(&here, s) : 0;
  if (code == 0 && asprintf(&from, "/%s", here ? here : "") < 0) {
    from = NULL;
    code = error_nomem();
  }
  if (code == 0 && !(*path = path_normal(from, typed)))
    code = OPIS_ENOMEM;
  if (code == 0)
    memmove(*path, *path + 1, strlen(*path));
  free(here);
  free(from);
  return code;
}

/* Whether there is the root of a DVC repository at a path below this one: in the revision, too, where one is read. */
static bool is_root(const source *s, const char *path)
{
  char *dvc = NULL, *rel = NULL;
  uint32_t mode = 040000;
  uint64_t size;
  bool there = asprintf(&rel, "%s/.dvc", path) >= 0 && asprintf(&dvc, "%s/%s", s->repo->root, rel) >= 0 && file_is_folder(dvc) &&
    (!s->hex[0] || git_entry(&mode, &size, s->repo, s->hex, rel) == 0) && S_ISDIR(mode);
  free(dvc);
  free(rel);
  return there;
}

/* Goes to another root in the same place. */
static int move_to(source *s, const char *root, const repo_hooks *hooks)
{
  repo *r;
  int code = repo_open_root(&r, root, hooks);
  if (code < 0)
    return code;
  repo_close(s->repo);
  s->repo = r;
  return 0;
}

/* What roots below this one track is not this one's: goes to the innermost that a path is in or is. */
static int enter(source *s, char **path, const repo_hooks *hooks)
{
  char *root, *inner = strdup(*path), *rest = NULL;
  int code = inner ? 0 : error_nomem();
  while (inner && *inner && !is_root(s, inner)) {
    char *slash = strrchr(inner, '/');
    *(slash ? slash : inner) = '\0';
  }
  if (inner && *inner) {
    size_t n = strlen(inner);
    rest = strdup(*path + n + ((*path)[n] == '/'));
    code = rest ? repo_absolute(&root, s->repo, inner) : error_nomem();
    if (code == 0) {
      code = move_to(s, root, hooks);
      free(root);
    }
    if (code == 0) {
      free(*path);
      *path = rest;
      rest = NULL;
    }
  }
  free(inner);
  free(rest);
  return code;
}

static int load(source *s)
{
  stages_free(&s->stages);
  s->stages = (stages){0};
  return !s->repo->dvc_there ? 0 : s->hex[0] ? stages_load_revision(&s->stages, s->repo, s->hex) : stages_load(&s->stages, s->repo);
}

/* Whether the revision has anything at a path, or data there. */
static bool has(const source *s, const char *path)
{
  uint32_t mode;
  uint64_t size;
  bool there = git_entry(&mode, &size, s->repo, s->hex, path) == 0;
  for (size_t i = 0; i < s->stages.n && !there; i++)
    for (size_t k = 0; k < s->stages.items[i]->n_outs && !there; k++)
      there = s->stages.items[i]->outs[k].path && path_overlaps(s->stages.items[i]->outs[k].path, path);
  return there;
}

/* Of a revision, paths are for DVC from git's root, whichever folder of it the url names: where nothing is at the path below that folder, it is looked for there. */
static int go_up(source *s, char **path, const repo_hooks *hooks)
{
  if (!s->hex[0] || s->clone || !s->repo->git_root || strcmp(s->repo->git_root, s->repo->root) == 0)
    return 0;
  int code = load(s);
  if (code < 0 || has(s, *path))
    return code;
  char *root = strdup(s->repo->git_root);
  code = root ? move_to(s, root, hooks) : error_nomem();
  free(root);
  return code < 0 ? code : enter(s, path, hooks);
}

int source_open(source **out, char **path, const char *url, const char *typed, const source_options *o)
{
  source *s = calloc(1, sizeof *s);
  char bare[PATH_MAX];
  *out = NULL;
  if (!s)
    return error_nomem();
  int code = 0;
  bool here = is_here(url);
  if (here)
    code = open_here(s, url, o->rev, &o->hooks);
  else {
    code = temporary_folder(&s->clone, o->folder);
    if (code == 0) {
      snprintf(bare, sizeof bare, "%s/tree", s->clone);
      code = clone_into(bare, url, o->rev);
    }
    if (code == 0) {
      code = open_here(s, bare, NULL, &o->hooks);
      memcpy(s->hex, s->lock, sizeof s->hex); /* as git has it: what the checkout made of it does not count */
    }
  }
  if (code == 0 && path) {
    code = source_path(path, o->into ? NULL : s, typed);
    if (code == 0)
      code = enter(s, path, &o->hooks);
    if (code == 0)
      code = go_up(s, path, &o->hooks);
  }
  if (code == 0)
    code = lay_settings(s->repo, o);
  if (code == 0)
    code = turn_caches(s, o);
  if (code == 0)
    code = load(s);
  if (code < 0)
    source_close(s);
  else
    *out = s;
  return code;
}

/* ---- objects ---- */

int source_bring_dir(source *s, const oid *o, bool legacy, const char *name)
{
  remote *side;
  odb *db = legacy ? &s->repo->legacy : &s->repo->db, *near = legacy ? &s->near_legacy : &s->near_db;
  int code = 0;
  if (odb_has(db, o))
    return 0;
  if (s->near && odb_has(near, o)) {
    code = remote_open(&side, "", s->near, NULL);
    if (code < 0)
      return code;
    code = transfer_bring_one(s->repo, side, o, legacy);
    remote_close(side);
    if (code == 0)
      return 0;
  }
  code = transfer_open(&side, s->repo, name);
  if (code < 0)
    return code == OPIS_EINVALID ? error_set(OPIS_ENOTFOUND, "%s: a directory object that its cache has not, and it has no remote", s->repo->root) : code;
  code = transfer_bring_one(s->repo, side, o, legacy);
  remote_close(side);
  return code;
}

const char *source_remote(const source *s, const char *path)
{
  for (size_t i = 0; i < s->stages.n; i++)
    for (size_t k = 0; k < s->stages.items[i]->n_outs; k++) {
      const output *o = &s->stages.items[i]->outs[k];
      size_t n = o->remote && o->path ? strlen(o->path) : 0;
      if (n && strncmp(path, o->path, n) == 0 && (!path[n] || path[n] == '/'))
        return o->remote;
    }
  return NULL;
}

static bool any_remote(const source *s)
{
  for (size_t i = 0; i < s->stages.n; i++)
    for (size_t k = 0; k < s->stages.items[i]->n_outs; k++)
      if (s->stages.items[i]->outs[k].remote)
        return true;
  return false;
}

/* The objects behind the files that are no files of the source itself; near: only those that its cache has not. */
static int need(used *u, source *s, const tree *t, const tree_entry *root, bool near)
{
  bool several = any_remote(s);
  for (size_t i = 0; i < t->n + 1; i++) {
    const tree_entry *e = i < t->n ? &t->entries[i] : root;
    bool legacy = (e->flags & VIEW_LEGACY) != 0;
    oid id = {.dir = false};
    if (e->flags & (VIEW_DIR | VIEW_FILE_HERE) || !(e->flags & TREE_HASHED))
      continue;
    memcpy(id.md5, e->md5, MD5_SIZE);
    if (near && odb_has(legacy ? &s->near_legacy : &s->near_db, &id))
      continue;
    used_object *o = used_new(u);
    if (!o)
      return OPIS_ENOMEM;
    o->oid = id;
    o->legacy = legacy;
    o->remote = several ? source_remote(s, e->path) : NULL;
  }
  return 0;
}

/* What its cache has comes from there, and leaves u. */
static int bring_near(source *s, used *u, int jobs)
{
  remote *side = NULL;
  uint64_t done;
  size_t kept = 0;
  uint8_t *where = calloc(u->n + 1, 1);
  int code = where ? remote_open(&side, "", s->near, NULL) : error_nomem();
  used_sort(u);
  if (code == 0)
    code = transfer_look(where, s->repo, side, u, HERE | THERE, jobs);
  for (size_t i = 0; i < u->n && code == 0; i++)
    where[i] = where[i] == THERE;
  if (code == 0)
    code = transfer_bring(s->repo, side, u, where, jobs, &done, NULL);
  remote_close(side);
  for (size_t i = 0; i < u->n && code == 0; i++)
    if (!where[i])
      u->items[kept++] = u->items[i];
  u->n = kept;
  free(where);
  return code;
}

int source_bring(source *s, const tree *t, const tree_entry *root, bool direct, int jobs)
{
  uint64_t fetched = 0;
  used u = {0};
  lost missing = {0};
  int code = need(&u, s, t, root, direct && s->near);
  if (code == 0 && s->near && !direct)
    code = bring_near(s, &u, jobs);
  if (code == 0) /* the rest comes from their remote */
    code = sync_fetch_used(s->repo, &u, &(sync_options){.jobs = jobs}, &fetched, &missing);
  else
    used_free(&u);
  if (code == OPIS_EINVALID)
    code = error_set(OPIS_ENOTFOUND, "%s: %s", s->repo->root, opis_error_message());
  if (code == 0 && missing.objects.n)
    code = error_set(OPIS_ENOTFOUND, "%zu objects are neither in the cache of the source nor on its remote; somebody has to push them there", missing.objects.n);
  lost_free(&missing);
  return code;
}

int source_read(int *fd, source *s, const oid *o, bool legacy)
{
  int code = odb_read_fd(fd, legacy ? &s->repo->legacy : &s->repo->db, o);
  return code == OPIS_ENOTFOUND && s->near ? odb_read_fd(fd, legacy ? &s->near_legacy : &s->near_db, o) : code;
}
