/* What a revision has at a path, laid out in a folder of its own for reading: links to objects of the cache, and copies of what git itself keeps. */
#include "data/git.h"
#include "data/objects.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct layout {
  repo *r;
  const char *hex, *rel, *folder;
  char *made; /* the folder that was made last */
  uint64_t files, missing;
} layout;

/* The part of a root-relative path below what was asked for, its name when it is that itself; NULL: it is elsewhere. */
static const char *below(const layout *l, const char *path)
{
  size_t n = strlen(l->rel);
  if (n == 0)
    return path;
  if (strncmp(path, l->rel, n) != 0)
    return NULL;
  return path[n] == '/' ? path + n + 1 : path[n] ? NULL : path_name(path);
}

/* Where a file goes; its folder is made. */
static int destination(char **to, layout *l, const char *name)
{
  int code = path_join(to, l->folder, name);
  if (code < 0)
    return code;
  char *folder = strdup(*to), *slash = folder ? strrchr(folder, '/') : NULL;
  if (!slash) {
    free(folder);
    return error_nomem();
  }
  *slash = 0;
  if (l->made && strcmp(l->made, folder) == 0) {
    free(folder);
    return 0;
  }
  free(l->made);
  l->made = folder;
  return file_make_folders(folder, 0700);
}

static int link_one(layout *l, const odb *db, const tree_entry *e, const char *name)
{
  char key[OID_KEY], *object = NULL, *to = NULL;
  oid id = {.dir = false};
  memcpy(id.md5, e->md5, MD5_SIZE);
  odb_key(key, &id);
  int code = asprintf(&object, "%s/%s", db->path, key) < 0 ? error_nomem() : destination(&to, l, name);
  if (code == 0 && access(object, R_OK) < 0)
    l->missing++;
  else if (code == 0 && symlink(object, to) < 0 && errno != EEXIST)
    code = error_set_errno("%s", to);
  l->files++;
  free(object);
  free(to);
  return code;
}

static int lay_output(layout *l, const output *o)
{
  tree t;
  size_t n = o->path ? strlen(o->path) : 0;
  bool around = n && strncmp(o->path, l->rel, n) == 0 && (!l->rel[n] || l->rel[n] == '/');
  if (!n || !o->hashed || o->refused || !(around || below(l, o->path)))
    return 0;
  int code = output_want(&t, l->r, o);
  if (code < 0)
    return code == OPIS_ENOTFOUND ? error_prefix(code, "%s at %.8s", o->path, l->hex) : code;
  for (size_t i = 0; code == 0 && i < t.n; i++) {
    char *path;
    if (repo_cancelled(l->r))
      code = repo_check_cancelled(l->r);
    else if (asprintf(&path, "%s%s%s", o->path, *t.entries[i].path ? "/" : "", t.entries[i].path) < 0)
      code = error_nomem();
    else {
      const char *name = below(l, path);
      if (name)
        code = link_one(l, output_store(l->r, o), &t.entries[i], name);
      free(path);
    }
  }
  tree_free(&t);
  return code;
}

static int copy_one(void *user, const char *rel)
{
  layout *l = user;
  const char *name = below(l, rel);
  char *bytes, *to = NULL;
  size_t n;
  if (!name)
    return 0;
  int code = git_read(&bytes, &n, l->r, l->hex, rel);
  if (code == OPIS_ENOTFOUND) /* a module of another repository */
    return 0;
  if (code == 0)
    code = destination(&to, l, name);
  if (code == 0)
    code = file_replace(to, bytes, n, 0600, false);
  l->files++;
  free(bytes);
  free(to);
  return code;
}

int data_layout(repo *r, const char *revision, const char *rel, const char *folder)
{
  char hex[41];
  stages set;
  layout l = {.r = r, .hex = hex, .rel = rel, .folder = folder};
  int code = git_need(r);
  if (code == 0)
    code = git_resolve(hex, r, revision);
  if (code == 0)
    code = stages_load_revision(&set, r, hex);
  if (code < 0)
    return code;
  for (size_t i = 0; code == 0 && i < set.n; i++)
    for (size_t k = 0; code == 0 && k < set.items[i]->n_outs; k++)
      code = lay_output(&l, &set.items[i]->outs[k]);
  if (code == 0)
    code = git_files(r, hex, rel, copy_one, &l);
  stages_free(&set);
  free(l.made);
  if (code == 0 && l.missing)
    return error_set(OPIS_ENOTFOUND, "%s: %llu of %llu files are not in the cache; 'opis data fetch --all-commits' brings them", revision, (unsigned long long)l.missing,
      (unsigned long long)l.files);
  return code == 0 && !l.files ? error_set(OPIS_ENOTFOUND, "%s: revision %s has nothing there", *rel ? rel : ".", revision) : code;
}
