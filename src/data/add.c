/* opis data add and commit: content into the cache, and the files that name it. */
#include "data/git.h"
#include "data/gitignore.h"
#include "data/objects.h"
#include "data/source.h"

#include "util/error.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What was found at an output, put into its stage and the store. inside: only this part of a folder is taken anew, the rest stays as it was recorded. */
static int merge_inside(tree *t, repo *r, const output *o, const char *inside)
{
  tree old, merged = TREE_INIT;
  size_t begin, end;
  const char *part = inside + strlen(o->path) + 1;
  size_t n = strlen(part);
  int code = output_want(&old, r, o);
  if (code < 0)
    return code;
  (void)begin;
  (void)end;
  for (int pass = 0; pass < 2 && code == 0; pass++) {
    const tree *from = pass ? t : &old;
    for (size_t i = 0; i < from->n && code == 0; i++) {
      const tree_entry *e = &from->entries[i];
      bool in = strncmp(e->path, part, n) == 0 && (!e->path[n] || e->path[n] == '/');
      if (in != (pass == 1))
        continue;
      tree_entry *copy = tree_add(&merged, e->path, strlen(e->path));
      if (copy) {
        const char *path = copy->path;
        *copy = *e;
        copy->path = path;
      } else
        code = OPIS_ENOMEM;
    }
  }
  if (code == 0) { /* sizes of what stays come from the work tree, or the cache */
    tree_sort(&merged);
    for (size_t i = 0; i < merged.n; i++) {
      tree_entry *e = &merged.entries[i], *now = tree_find(t, e->path);
      oid id = {.dir = false};
      memcpy(id.md5, e->md5, MD5_SIZE);
      if (now && memcmp(now->md5, e->md5, MD5_SIZE) == 0)
        e->size = now->size;
      else
        odb_check(output_store(r, o), &id, &e->size);
    }
  }
  tree_free(&old);
  if (code == 0) {
    tree_free(t);
    *t = merged;
  } else
    tree_free(&merged);
  return code;
}

static int save_output(repo *r, stage *s, size_t i, const char *inside, bool store, bool relink);

/* Without relinking, the work tree's files stay as they are: they do not become objects themselves either. */
static int save_and_link(repo *r, stage *s, size_t i, const char *inside, bool store, bool relink)
{
  odb *const stores[] = {&r->db, &r->legacy};
  link_type first[2];
  for (int k = 0; k < 2; k++) {
    first[k] = stores[k]->types[0];
    if (!relink)
      stores[k]->types[0] = LINK_COPY;
  }
  int code = save_output(r, s, i, inside, store, relink);
  for (int k = 0; k < 2; k++)
    stores[k]->types[0] = first[k];
  return code;
}

static int save_output(repo *r, stage *s, size_t i, const char *inside, bool store, bool relink)
{
  output *o = &s->outs[i];
  tree t;
  path_kind kind;
  oid id = {.dir = false};
  bool was_legacy = o->legacy;
  int code = 0;
  if (o->refused)
    return error_set(OPIS_EUNSUPPORTED, "%s: %s", o->written, o->refused);
  if (o->legacy && o->hashed) { /* an output of DVC 2 stays one as long as it did not change */
    code = output_look(&t, &kind, r, o, NULL);
    if (code < 0)
      return code;
    if (kind == PATH_FOLDER)
      code = objects_save(&id, &t, r, NULL);
    else if (t.n)
      memcpy(id.md5, t.entries[0].md5, MD5_SIZE);
    bool same = code == 0 && kind != PATH_MISSING && oid_same(&id, &o->oid);
    tree_free(&t);
    if (code < 0)
      return code;
    if (!same)
      o->legacy = false;
  } else
    o->legacy = false;
  odb *db = output_store(r, o);
  code = output_look(&t, &kind, r, o, store && o->cache && !inside ? db : NULL);
  if (code == 0 && kind == PATH_MISSING)
    code = error_set(OPIS_ENOTFOUND, "%s: no such file or folder", o->written);
  if (code == 0 && inside && kind == PATH_FOLDER && o->hashed && o->oid.dir) {
    code = merge_inside(&t, r, o, inside);
    if (code == 0 && store) { /* the part's files into the store; the others are there or are not, as before */
      tree part = TREE_INIT;
      path_kind part_kind = scan_kind(r, inside);
      if (part_kind != PATH_MISSING) {
        code = part_kind == PATH_FILE ? scan_file(&part, r, inside) : scan_folder(&part, r, inside);
        if (code == 0)
          code = scan_hash(&part, r, inside, o->legacy, db);
        tree_free(&part);
        int forgot = place_forget(r, inside);
        code = code < 0 ? code : forgot;
      }
    }
  }
  if (code == 0 && kind == PATH_FOLDER)
    code = objects_save(&id, &t, r, store && o->cache ? db : NULL);
  else if (code == 0) {
    memcpy(id.md5, t.entries[0].md5, MD5_SIZE);
    id.dir = false;
  }
  if (code == 0 && !(was_legacy && o->legacy)) {
    bool executable = kind == PATH_FILE && (t.entries[0].flags & TREE_EXECUTABLE);
    code = stage_set_output(s, i, &id, tree_bytes(&t), t.n, executable);
  }
  if (code == 0 && kind == PATH_FOLDER && t.n == 0)
    repo_warn(r, "%s: the folder is empty", o->written);
  if (code == 0 && store && o->cache && relink)
    code = place_relink(r, o->path, db, &t);
  if (code == 0)
    code = odb_sync(db);
  tree_free(&t);
  return code;
}

/* The output that a path belongs to, or a new .dvc file for it. *owned: the stage is the caller's. */
static int find_or_make(stage **s, size_t *index, char **inside, bool *owned, const stages *set, const char *rel)
{
  output *o = stages_find(set, rel, false);
  *owned = false;
  *inside = NULL;
  if (o) {
    if (o->stage->name || o->stage->cmd)
      return error_set(OPIS_ECONFLICT, "%s: an output of the pipeline stage in %s; run the pipeline, or use 'opis data commit'", rel, o->stage->file);
    if (o->stage->n_deps)
      return error_set(OPIS_ECONFLICT, "%s: an import (%s); 'opis data update' brings its source's changes", rel, o->stage->file);
    *s = o->stage;
    *index = (size_t)(o - o->stage->outs);
    if (strcmp(o->path, rel) != 0 && !(*inside = strdup(rel)))
      return error_nomem();
    return 0;
  }
  size_t n = strlen(rel);
  for (size_t i = 0; i < set->n; i++)
    for (size_t k = 0; k < set->items[i]->n_outs; k++) {
      const char *path = set->items[i]->outs[k].path;
      if (path && strncmp(path, rel, n) == 0 && path[n] == '/')
        return error_set(OPIS_ECONFLICT, "%s: holds '%s', which %s tracks already; 'opis data remove %s' first", rel, path, set->items[i]->file, set->items[i]->file);
    }
  char *file;
  if (asprintf(&file, "%s.dvc", rel) < 0)
    return error_nomem();
  int code = stage_new(s, file, path_name(rel));
  free(file);
  *index = 0;
  *owned = code == 0;
  return code;
}

static int check_source(repo *r, const char *rel, const char *typed)
{
  bool ignored;
  path_kind kind = scan_kind(r, rel);
  struct stat st;
  char *path;
  size_t n = strlen(rel);
  if (*rel == '\0')
    return error_set(OPIS_EINVALID, "%s: the repository itself cannot be tracked", typed);
  if (n > 4 && strcmp(rel + n - 4, ".dvc") == 0 && kind == PATH_FILE)
    return error_set(OPIS_EINVALID, "%s: a .dvc file is what git tracks, not data", typed);
  if (kind == PATH_MISSING)
    return error_set(OPIS_ENOTFOUND, "%s: no such file or folder", typed);
  int code = repo_check_no_links(r, rel);
  if (code == 0)
    code = repo_absolute(&path, r, rel);
  if (code < 0)
    return code;
  if (kind == PATH_FOLDER && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
    code = error_set(OPIS_EINVALID, "%s: a symbolic link to a folder; data behind it is not part of the repository", typed);
  free(path);
  if (code == 0)
    code = scan_is_ignored(&ignored, r, rel, kind == PATH_FOLDER);
  if (code == 0 && ignored)
    code = error_set(OPIS_EINVALID, "%s: ignored by .dvcignore", typed);
  if (code == 0 && strlen(path_name(rel)) + 4 > NAME_MAX) /* before anything is written */
    code = error_set(OPIS_EINVALID, "%s: the name is too long for a .dvc file beside it; move it into a folder and add that", typed);
  return code;
}

static int add_one(repo *r, const stages *set, const char *typed, const add_options *a, name_list *written)
{
  char *rel, *inside = NULL, *shown = NULL;
  stage *s = NULL;
  size_t i = 0;
  bool owned = false;
  int code = repo_relative(&rel, r, typed);
  if (code < 0)
    return code;
  code = check_source(r, rel, typed);
  if (code == 0)
    code = find_or_make(&s, &i, &inside, &owned, set, rel);
  if (code == 0)
    code = stage_check_place(r, s->file);
  if (code == 0)
    code = lock_check_paths(r, (const char *const[]){s->outs[i].path}, 1, true);
  if (code == 0 && !inside)
    code = gitignore_check_untracked(r, rel);
  if (code == 0)
    code = save_and_link(r, s, i, inside, !a->no_commit, !a->no_relink);
  if (code == 0)
    code = gitignore_add(r, s->outs[i].path);
  if (code == 0)
    code = stage_save(r, s);
  if (code == 0) {
    shown = repo_shown(r, s->file);
    code = shown ? names_add(written, shown) : error_nomem();
  }
  if (owned)
    stage_free(s);
  free(shown);
  free(inside);
  free(rel);
  return code;
}

static bool contains(const name_list *l, const char *s)
{
  for (size_t i = 0; i < l->n; i++)
    if (strcmp(l->items[i], s) == 0)
      return true;
  return false;
}

/* Patterns turned into the names that they match; ".dvc" files among them are not data. */
static int expand(name_list *out, char *const *paths, int n, bool patterns)
{
  int code = 0;
  for (int i = 0; i < n && code == 0; i++) {
    glob_t g = {0};
    if (!patterns || glob(paths[i], 0, NULL, &g) != 0) {
      if (patterns && strpbrk(paths[i], "*?["))
        code = error_set(OPIS_ENOTFOUND, "%s: the pattern matches nothing", paths[i]);
      else if (!contains(out, paths[i]))
        code = names_add(out, paths[i]);
      globfree(&g);
      continue;
    }
    for (size_t k = 0; k < g.gl_pathc && code == 0; k++) {
      size_t length = strlen(g.gl_pathv[k]);
      bool ours = (length > 4 && strcmp(g.gl_pathv[k] + length - 4, ".dvc") == 0) || strcmp(path_name(g.gl_pathv[k]), ".gitignore") == 0;
      if (!ours && !contains(out, g.gl_pathv[k]))
        code = names_add(out, g.gl_pathv[k]);
    }
    globfree(&g);
  }
  return code;
}

int data_add(repo *r, char *const *paths, int n, const add_options *a, name_list *written)
{
  stages set;
  name_list all = {0};
  int code = 0;
  if (a->out || a->to_remote) {
    if (a->out && n > 1)
      return error_set(OPIS_EINVALID, "--out: names the place of one source, not of %d", n);
    for (int i = 0; i < n && code == 0; i++)
      code = add_outside(r, paths[i], a, written);
    int told = repo_stage_touched(r);
    return code < 0 ? code : told;
  }
  code = expand(&all, paths, n, a->glob);
  if (code == 0)
    code = stages_load(&set, r);
  if (code < 0) {
    names_free(&all);
    return code;
  }
  for (size_t i = 0; i < all.n && code == 0; i++)
    code = add_one(r, &set, all.items[i], a, written);
  stages_free(&set);
  names_free(&all);
  int staged = repo_stage_touched(r);
  return code < 0 ? code : staged;
}

/* ---- commit ---- */

static int commit_one(repo *r, const target *t, bool force, bool relink, bool (*ask)(void *user, const char *question), void *user)
{
  output *o = t->out;
  stage *s = o->stage;
  size_t i = (size_t)(o - s->outs);
  tree now;
  path_kind kind;
  oid id = {.dir = false};
  char question[512];
  if (o->refused)
    return error_set(OPIS_EUNSUPPORTED, "%s: %s", o->written, o->refused);
  if (s->name)
    return error_set(OPIS_EUNSUPPORTED, "%s: an output of a pipeline stage; opis does not write dvc.lock", o->written);
  if (!o->cache)
    return 0;
  int code = output_look(&now, &kind, r, o, NULL);
  if (code == 0 && kind == PATH_MISSING)
    code = error_set(OPIS_ENOTFOUND, "%s: no such file or folder", o->written);
  if (code == 0 && kind == PATH_FOLDER)
    code = objects_save(&id, &now, r, NULL);
  else if (code == 0)
    memcpy(id.md5, now.entries[0].md5, MD5_SIZE);
  bool changed = code == 0 && !(o->hashed && oid_same(&id, &o->oid));
  tree_free(&now);
  if (code < 0)
    return code;
  if (changed && !force) {
    snprintf(question, sizeof question, "%s is not what %s says. Commit what is there now?", o->written, s->file);
    if (!ask || !ask(user, question))
      return error_set(OPIS_ECONFLICT, "%s: changed since it was added; -f commits what is there now", s->file);
  }
  code = save_and_link(r, s, i, t->inside, true, relink);
  if (code == 0)
    code = gitignore_add(r, o->path);
  return code == 0 && changed ? stage_save(r, s) : code;
}

int data_commit(repo *r, char *const *names, int n, bool force, bool recursive, bool with_deps, bool no_relink, bool (*ask)(void *user, const char *question), void *user)
{
  stages set;
  targets t;
  int code = stages_load(&set, r);
  if (code < 0)
    return code;
  code = targets_collect(&t, r, &set, names, n, recursive, with_deps);
  for (size_t i = 0; code == 0 && i < t.n; i++)
    if (n > 0 || !t.items[i].out->stage->name)
      code = commit_one(r, &t.items[i], force, !no_relink, ask, user);
  targets_free(&t);
  stages_free(&set);
  int staged = repo_stage_touched(r);
  return code < 0 ? code : staged;
}
