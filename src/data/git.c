#include "data/git_private.h"

#include "util/error.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int git_failed(const git *g, const char *what)
{
  const git_error *e = g->git_error_last();
  return error_set(OPIS_EIO, "%s: git: %s", what, e && e->message ? e->message : "unknown error");
}

static int load(git *g)
{
  char name[64];
  snprintf(name, sizeof name, "libgit2.so.%s", LIBGIT2_SOVERSION);
  g->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!g->library)
    return error_set(OPIS_EUNSUPPORTED, "libgit2: %s (on Debian: apt-get install libgit2-%s)", dlerror(), LIBGIT2_SOVERSION);
#define GIT_FIND(name)                                                                                                                                                             \
  if (!(g->name = (__typeof__(name) *)dlsym(g->library, #name)))                                                                                                                   \
    return error_set(OPIS_EUNSUPPORTED, "libgit2: %s", dlerror());
  GIT_FUNCTIONS(GIT_FIND)
#undef GIT_FIND
  g->git_libgit2_init();
  return 0;
}

int git_need(repo *r)
{
  if (r->git)
    return 0;
  if (!r->git_root)
    return error_set(OPIS_EINVALID, "%s: not under git, so that it has no revisions", r->root);
  git *g = calloc(1, sizeof *g);
  if (!g)
    return error_nomem();
  r->git = g;
  int code = load(g);
  if (code == 0 && g->git_repository_open(&g->repository, r->git_root) < 0)
    code = git_failed(g, r->git_root);
  if (code == 0) {
    const char *below = r->root + strlen(r->git_root);
    below += *below == '/';
    if (asprintf(&g->prefix, "%s%s", below, *below ? "/" : "") < 0) {
      g->prefix = NULL;
      code = error_nomem();
    }
  }
  if (code < 0) {
    git_close(g);
    r->git = NULL;
  }
  return code;
}

static void forget_folder(git *g)
{
  if (g->folder)
    g->git_tree_free(g->folder);
  free(g->folder_path);
  g->folder = NULL;
  g->folder_path = NULL;
}

void git_close(git *g)
{
  if (!g)
    return;
  if (g->repository)
    forget_folder(g);
  if (g->index)
    g->git_index_free(g->index);
  if (g->repository)
    g->git_repository_free(g->repository);
  free(g->prefix);
  free(g); /* the library stays: libgit2 does not like to be unloaded */
}

static int need_index(repo *r)
{
  int code = git_need(r);
  if (code == 0 && !r->git->index && r->git->git_repository_index(&r->git->index, r->git->repository) < 0)
    code = git_failed(r->git, r->git_root);
  return code;
}

int git_prefixed(char **path, const repo *r, const char *rel, const char *tail)
{
  return asprintf(path, "%s%s%s", r->git->prefix, rel, tail) < 0 ? error_nomem() : 0;
}

int git_tracks(bool *tracked, repo *r, const char *rel)
{
  char *path;
  *tracked = false;
  if (!r->git_root)
    return 0;
  int code = need_index(r);
  if (code == 0)
    code = git_prefixed(&path, r, rel, "");
  if (code < 0)
    return code;
  *tracked = r->git->git_index_get_bypath(r->git->index, path, 0) != NULL;
  free(path);
  if (*tracked)
    return 0;
  code = git_prefixed(&path, r, rel, "/");
  if (code == 0)
    *tracked = r->git->git_index_find_prefix(NULL, r->git->index, path) == 0;
  free(path);
  return code;
}

int git_add(repo *r, char **rel, size_t n)
{
  if (!r->git_root)
    return 0;
  int code = need_index(r);
  if (code == 0 && r->git->git_index_read(r->git->index, 0) < 0)
    code = git_failed(r->git, r->git_root);
  for (size_t i = 0; i < n && code == 0; i++) {
    char *path, *absolute;
    code = git_prefixed(&path, r, rel[i], "");
    if (code == 0)
      code = repo_absolute(&absolute, r, rel[i]);
    if (code < 0)
      break;
    FILE *f = fopen(absolute, "re");
    if (!f)
      r->git->git_index_remove_bypath(r->git->index, path); /* was not in it: nothing to take out */
    else {
      fclose(f);
      if (r->git->git_index_add_bypath(r->git->index, path) < 0)
        code = git_failed(r->git, rel[i]);
    }
    free(path);
    free(absolute);
  }
  if (code == 0 && r->git->git_index_write(r->git->index) < 0)
    code = git_failed(r->git, r->git_root);
  return code;
}

int git_hooks_folder(char **path, repo *r)
{
  git_config *c;
  const char *elsewhere = NULL;
  *path = NULL;
  int code = git_need(r);
  if (code < 0)
    return code;
  git *g = r->git;
  if (g->git_repository_config_snapshot(&c, g->repository) < 0)
    return git_failed(g, r->git_root);
  if (g->git_config_get_string(&elsewhere, c, "core.hooksPath") == 0 && *elsewhere)
    code = error_set(OPIS_EUNSUPPORTED,
      "core.hooksPath is %s: hooks there may be other repositories' or other people's, too. Add this line to its post-checkout, post-merge, post-rewrite and pre-push: opis data "
      "hooks run \"${0##*/}\" -- \"$@\"",
      elsewhere);
  else if (asprintf(path, "%shooks", g->git_repository_commondir(g->repository)) < 0) {
    *path = NULL;
    code = error_nomem();
  }
  g->git_config_free(c);
  return code;
}

bool git_rebasing(repo *r)
{
  if (git_need(r) < 0)
    return false;
  int state = r->git->git_repository_state(r->git->repository);
  return state == GIT_REPOSITORY_STATE_REBASE || state == GIT_REPOSITORY_STATE_REBASE_INTERACTIVE || state == GIT_REPOSITORY_STATE_REBASE_MERGE ||
    state == GIT_REPOSITORY_STATE_APPLY_MAILBOX_OR_REBASE;
}

int git_has_commits(bool *any, repo *r)
{
  git_oid id;
  int code = git_need(r);
  *any = code == 0 && r->git->git_reference_name_to_id(&id, r->git->repository, "HEAD") == 0;
  return code;
}

int git_resolve(char hex[41], repo *r, const char *revision)
{
  git_object *o = NULL, *commit = NULL;
  int code = git_need(r);
  if (code < 0)
    return code;
  git *g = r->git;
  if (g->git_revparse_single(&o, g->repository, revision) < 0)
    return error_set(OPIS_ENOTFOUND, "%s: no revision of this git repository", revision);
  if (g->git_object_peel(&commit, o, GIT_OBJECT_COMMIT) < 0)
    code = error_set(OPIS_ENOTFOUND, "%s: names no commit", revision);
  else
    g->git_oid_tostr(hex, 41, g->git_object_id(commit));
  g->git_object_free(commit);
  g->git_object_free(o);
  return code;
}

static int open_tree(git_tree **tree, repo *r, const char *hex)
{
  git_oid id;
  git_commit *commit;
  int code = git_need(r);
  if (code < 0)
    return code;
  git *g = r->git;
  if (g->git_oid_fromstr(&id, hex) < 0 || g->git_commit_lookup(&commit, g->repository, &id) < 0)
    return git_failed(g, hex);
  if (g->git_commit_tree(tree, commit) < 0)
    code = git_failed(g, hex);
  g->git_commit_free(commit);
  return code;
}

/* Keeps the tree of a folder. *found: false when the commit has none there. */
static int open_folder(bool *found, repo *r, const char *hex, char *folder)
{
  git_tree *top, *tree;
  git_tree_entry *entry;
  int code = open_tree(&top, r, hex);
  if (code < 0) {
    free(folder);
    return code;
  }
  git *g = r->git;
  forget_folder(g);
  tree = *folder ? NULL : top;
  if (*folder && g->git_tree_entry_bypath(&entry, top, folder) == 0) {
    if (g->git_tree_lookup(&tree, g->repository, g->git_tree_entry_id(entry)) < 0)
      tree = NULL;
    g->git_tree_entry_free(entry);
  }
  if (tree != top)
    g->git_tree_free(top);
  *found = tree != NULL;
  if (!tree) {
    free(folder);
    return 0;
  }
  g->folder = tree;
  g->folder_path = folder;
  memcpy(g->folder_hex, hex, sizeof g->folder_hex);
  return 0;
}

int git_find(bool *found, git_oid *id, repo *r, const char *hex, const char *path)
{
  git_tree_entry *entry;
  *found = true;
  char *folder = path_folder(path);
  int code = folder ? git_need(r) : OPIS_ENOMEM;
  if (code < 0) {
    free(folder);
    return code;
  }
  git *g = r->git;
  if (g->folder && memcmp(g->folder_hex, hex, 40) == 0 && strcmp(g->folder_path, folder) == 0)
    free(folder);
  else
    code = open_folder(found, r, hex, folder);
  if (code < 0 || !*found)
    return code;
  *found = g->git_tree_entry_bypath(&entry, g->folder, path_name(path)) == 0;
  if (*found) {
    *id = *g->git_tree_entry_id(entry);
    g->git_tree_entry_free(entry);
  }
  return 0;
}

int git_read(char **bytes, size_t *n, repo *r, const char *hex, const char *rel)
{
  git_oid id;
  git_blob *blob;
  char *path;
  bool found = false;
  *bytes = NULL;
  int code = git_need(r);
  if (code == 0)
    code = git_prefixed(&path, r, rel, "");
  if (code < 0)
    return code;
  code = git_find(&found, &id, r, hex, path);
  free(path);
  if (code < 0)
    return code;
  git *g = r->git;
  if (!found)
    return error_set(OPIS_ENOTFOUND, "%s: not in revision %.8s", rel, hex);
  if (g->git_blob_lookup(&blob, g->repository, &id) < 0)
    return error_set(OPIS_ENOTFOUND, "%s: no file in revision %.8s", rel, hex);
  *n = (size_t)g->git_blob_rawsize(blob);
  *bytes = malloc(*n + 1);
  if (*bytes) {
    memcpy(*bytes, g->git_blob_rawcontent(blob), *n);
    (*bytes)[*n] = '\0';
  } else
    code = error_nomem();
  g->git_blob_free(blob);
  return code;
}

typedef struct tree_search {
  git *g;
  git_tree *tree;
  int (*each)(void *user, const char *rel);
  void *user;
  int code;
  const char *below; /* every file at or below this; NULL: stage files alone */
} tree_search;

static bool is_wanted(const tree_search *s, const char *rel, const char *name)
{
  size_t m = s->below ? strlen(s->below) : 0;
  if (s->below)
    return m == 0 || (strncmp(rel, s->below, m) == 0 && (!rel[m] || rel[m] == '/'));
  return path_is_stage_file(name);
}

/* Whether a folder of the revision, with or without a '/' at its end, is the root of a DVC repository. */
static bool is_dvc_root(const git *g, const git_tree *tree, const char *folder)
{
  char *path;
  git_tree_entry *entry;
  size_t n = strlen(folder);
  if (asprintf(&path, "%s%s.dvc", folder, n && folder[n - 1] == '/' ? "" : "/") < 0)
    return false;
  bool there = g->git_tree_entry_bypath(&entry, tree, path) == 0;
  free(path);
  if (!there)
    return false;
  there = g->git_tree_entry_type(entry) == GIT_OBJECT_TREE;
  g->git_tree_entry_free(entry);
  return there;
}

static int visit(const char *root, const git_tree_entry *entry, void *payload)
{
  tree_search *s = payload;
  const char *name = s->g->git_tree_entry_name(entry), *prefix = s->g->prefix;
  size_t m = strlen(prefix);
  char *rel;
  if (s->g->git_tree_entry_type(entry) == GIT_OBJECT_TREE) {
    if (strcmp(name, ".dvc") == 0)
      return 1;
    if (asprintf(&rel, "%s%s/", root, name) < 0)
      return -1;
    /* Only what leads to the root, or is below it and no repository of its own. */
    size_t k = strlen(rel);
    bool other = strncmp(rel, prefix, k < m ? k : m) != 0 || (k > m && is_dvc_root(s->g, s->tree, rel));
    free(rel);
    return other;
  }
  if (s->g->git_tree_entry_type(entry) != GIT_OBJECT_BLOB || strncmp(root, prefix, m) != 0)
    return 0;
  if (asprintf(&rel, "%s%s", root + m, name) < 0) {
    s->code = error_nomem();
    return -1;
  }
  s->code = is_wanted(s, rel, name) ? s->each(s->user, rel) : 0;
  free(rel);
  return s->code < 0 ? -1 : 0;
}

static int search(repo *r, const char *hex, const char *below, int (*each)(void *user, const char *rel), void *user)
{
  git_tree *tree;
  int code = open_tree(&tree, r, hex);
  if (code < 0)
    return code;
  tree_search s = {r->git, tree, each, user, 0, below};
  if (r->git->git_tree_walk(tree, GIT_TREEWALK_PRE, visit, &s) < 0)
    code = s.code < 0 ? s.code : git_failed(r->git, hex);
  r->git->git_tree_free(tree);
  return code;
}

int git_stage_files(repo *r, const char *hex, int (*each)(void *user, const char *rel), void *user)
{
  return search(r, hex, NULL, each, user);
}

int git_files(repo *r, const char *hex, const char *rel, int (*each)(void *user, const char *rel), void *user)
{
  return search(r, hex, rel, each, user);
}

/* ---- listing ---- */

typedef struct tree_listing {
  git *g;
  git_odb *objects;
  const git_tree *tree;
  const char *folder; /* below the root, with git's prefix before it */
  size_t skip;        /* bytes of the prefix */
  int (*each)(void *user, const char *rel, uint32_t mode, uint64_t size);
  void *user;
  int code;
} tree_listing;

static int list_entry(const char *top, const git_tree_entry *entry, void *payload)
{
  tree_listing *l = payload;
  git_object_t type;
  size_t size = 0, n = strlen(l->folder);
  char *path;
  uint32_t mode = (uint32_t)l->g->git_tree_entry_filemode(entry);
  if (l->g->git_tree_entry_type(entry) == GIT_OBJECT_COMMIT)
    return 0; /* a submodule: another repository */
  if (S_ISDIR(mode) && (strcmp(l->g->git_tree_entry_name(entry), ".dvc") == 0 || strcmp(l->g->git_tree_entry_name(entry), ".hg") == 0))
    return 1;
  if (asprintf(&path, "%s%s", top, l->g->git_tree_entry_name(entry)) < 0) {
    l->code = error_nomem();
    return -1;
  }
  size_t m = strlen(path), k = n < m ? n : m;
  bool deeper = m > l->skip && strncmp(path, l->g->prefix, l->skip) == 0;
  if (S_ISDIR(mode) && deeper && is_dvc_root(l->g, l->tree, path)) {
    free(path);
    return 1;
  }
  bool on_the_way = n && strncmp(path, l->folder, k) == 0 && (m < n ? l->folder[m] == '/' : m == n), inside = !n || (m > n && strncmp(path, l->folder, n) == 0 && path[n] == '/');
  if (inside) {
    l->g->git_odb_read_header(&size, &type, l->objects, l->g->git_tree_entry_id(entry));
    l->code = l->each(l->user, path + l->skip, mode, size);
  }
  free(path);
  return l->code < 0 ? -1 : inside || on_the_way ? 0 : 1;
}

/* The folder as git names it: with its prefix, without a '/' at the end. */
static int git_name(char **path, const repo *r, const char *rel)
{
  int code = git_prefixed(path, r, rel, "");
  size_t n = code == 0 ? strlen(*path) : 0;
  if (n && (*path)[n - 1] == '/')
    (*path)[n - 1] = '\0';
  return code;
}

int git_each(repo *r, const char *hex, const char *folder, int (*each)(void *user, const char *rel, uint32_t mode, uint64_t size), void *user)
{
  git_tree *tree;
  char *path = NULL;
  int code = open_tree(&tree, r, hex);
  if (code < 0)
    return code;
  git *g = r->git;
  tree_listing l = {.g = g, .tree = tree, .skip = strlen(g->prefix), .each = each, .user = user};
  code = git_name(&path, r, folder);
  l.folder = path;
  if (code == 0 && g->git_repository_odb(&l.objects, g->repository) < 0)
    code = git_failed(g, r->git_root);
  if (code == 0 && g->git_tree_walk(tree, GIT_TREEWALK_PRE, list_entry, &l) < 0)
    code = l.code < 0 ? l.code : git_failed(g, hex);
  if (l.objects)
    g->git_odb_free(l.objects);
  g->git_tree_free(tree);
  free(path);
  return code;
}

int git_entry(uint32_t *mode, uint64_t *size, repo *r, const char *hex, const char *rel)
{
  git_tree *tree;
  git_tree_entry *entry = NULL;
  git_odb *objects = NULL;
  git_object_t type;
  size_t bytes = 0;
  char *path = NULL;
  int code = open_tree(&tree, r, hex);
  if (code < 0)
    return code;
  git *g = r->git;
  code = git_name(&path, r, rel);
  *mode = 040000;
  if (code == 0 && *path && g->git_tree_entry_bypath(&entry, tree, path) < 0)
    code = error_set(OPIS_ENOTFOUND, "%s: not in revision %.8s", rel, hex);
  if (code == 0 && entry)
    *mode = (uint32_t)g->git_tree_entry_filemode(entry);
  if (code == 0 && g->git_repository_odb(&objects, g->repository) < 0)
    code = git_failed(g, r->git_root);
  if (code == 0)
    g->git_odb_read_header(&bytes, &type, objects, entry ? g->git_tree_entry_id(entry) : g->git_tree_id(tree));
  *size = bytes;
  if (objects)
    g->git_odb_free(objects);
  if (entry)
    g->git_tree_entry_free(entry);
  g->git_tree_free(tree);
  free(path);
  return code;
}
