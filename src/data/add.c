/* opis data add and commit: content into the cache, and the files that name it. */
#include "data/gitignore.h"
#include "data/parts.h"
#include "data/records.h"
#include "data/source.h"
#include "data/stage_md5.h"

#include "util/error.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Without relinking, the work tree's files stay as they are: they do not become objects themselves either. What was set before comes out of it. */
static void set_linking(repo *r, bool relink, link_type before[2])
{
  odb *const stores[] = {&r->db, &r->legacy};
  for (int k = 0; k < 2; k++) {
    before[k] = stores[k]->types[0];
    if (!relink)
      stores[k]->types[0] = LINK_COPY;
  }
}

static void reset_linking(repo *r, const link_type before[2])
{
  r->db.types[0] = before[0];
  r->legacy.types[0] = before[1];
}

/* What was found at an output, put into its stage and the store (which the disk may not have yet). */
static int save_output(repo *r, stage *s, size_t i, bool store, bool relink)
{
  output *o = &s->outs[i];
  tree t;
  path_kind kind;
  oid id;
  const char *changed = "";
  if (o->refused)
    return error_set(OPIS_EUNSUPPORTED, "%s: %s", o->written, o->refused);
  int code = o->legacy && o->hashed ? output_changed(&changed, r, o) : 0;
  if (code < 0)
    return code;
  if (changed) /* an output of DVC 2 stays one as long as it did not change */
    o->legacy = false;
  odb *db = output_store(r, o);
  code = output_hash(&id, &t, &kind, r, o, store && o->cache ? db : NULL);
  if (code < 0)
    return code;
  if (kind == PATH_MISSING)
    code = error_set(OPIS_ENOTFOUND, "%s: no such file or folder", o->written);
  else {
    bool executable = kind == PATH_FILE && (t.entries[0].flags & TREE_EXECUTABLE);
    code = o->legacy ? stage_measure_output(s, i, tree_bytes(&t), t.n, executable) : stage_set_output(s, i, &id, tree_bytes(&t), t.n, executable);
  }
  if (code == 0 && kind == PATH_FOLDER && t.n == 0)
    repo_warn(r, "%s: the folder is empty", o->written);
  if (code == 0 && store && o->cache && relink)
    code = place_relink(r, o->path, db, &t);
  if (code == OPIS_EUNSUPPORTED) { /* what is there stays as it is */
    repo_warn(r, "%s", opis_error_message());
    code = 0;
  }
  tree_free(&t);
  return code;
}

/* Whether what is recorded of an output is for add to change. */
static int check_stage(const stage *s, const char *rel)
{
  if (s->name || s->cmd)
    return error_set(OPIS_ECONFLICT, "%s: an output of the pipeline stage in %s; run the pipeline, or use 'opis data commit'", rel, s->file);
  if (s->n_deps)
    return error_set(OPIS_ECONFLICT, "%s: an import (%s); 'opis data update' brings its source's changes", rel, s->file);
  return 0;
}

/* A .dvc file for a path that is not tracked yet. */
static int make_stage(stage **s, const stages *set, const char *rel)
{
  const output *in = stages_find_below(set, rel);
  if (in)
    return error_set(OPIS_ECONFLICT, "%s: holds '%s', which %s tracks already; 'opis data remove %s' first", rel, in->path, in->stage->file, in->stage->file);
  char *file;
  if (asprintf(&file, "%s.dvc", rel) < 0)
    return error_nomem();
  int code = stage_new(s, file, path_name(rel));
  free(file);
  return code;
}

/* inside: it is a part of a tracked folder. */
static int check_source(repo *r, const char *rel, const char *typed, bool inside)
{
  bool ignored = false;
  path_kind kind = scan_kind(r, rel);
  struct stat st;
  char *path;
  if (*rel == '\0')
    return error_set(OPIS_EINVALID, "%s: the repository itself cannot be tracked", typed);
  if (!inside && path_is_stage_file(rel))
    return error_set(OPIS_EINVALID, "%s: a .dvc file is what git tracks, not data; data need another name", typed);
  if (!inside && kind == PATH_MISSING)
    return error_set(OPIS_ENOTFOUND, "%s: no such file or folder", typed);
  int code = repo_check_no_links(r, rel);
  if (code == 0)
    code = repo_check_own(r, rel);
  if (code == 0)
    code = repo_absolute(&path, r, rel);
  if (code < 0)
    return code;
  if (kind == PATH_FOLDER && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
    code = error_set(OPIS_EINVALID, "%s: a symbolic link to a folder; data behind it is not part of the repository", typed);
  free(path);
  if (code == 0 && kind != PATH_MISSING)
    code = scan_is_ignored(&ignored, r, rel, kind == PATH_FOLDER);
  if (code == 0 && ignored)
    code = error_set(OPIS_EINVALID, "%s: ignored by .dvcignore", typed);
  if (code == 0 && !inside && strlen(path_name(rel)) + 4 > NAME_MAX) /* before anything is written */
    code = error_set(OPIS_EINVALID, "%s: the name is too long for a .dvc file beside it; move it into a folder and add that", typed);
  return code;
}

typedef struct adding {
  repo *r;
  const stages *set;
  const add_options *options;
  parts parts; /* of one folder, as long as one path after another is inside of it */
  gitignored rules;
  records records;
} adding;

static int finish_parts(adding *a)
{
  output *o = a->parts.o;
  if (!o)
    return 0;
  int code = parts_save(&a->parts, !a->options->no_commit);
  if (code == 0)
    code = records_add(&a->records, o, false, true);
  parts_close(&a->parts);
  return code;
}

static int add_part(adding *a, output *o, const char *rel)
{
  int code = 0;
  if (a->parts.o != o) {
    code = finish_parts(a);
    if (code == 0)
      code = check_stage(o->stage, rel);
    if (code == 0)
      code = stage_check_place_among(&a->rules, a->r, o->stage->file);
    if (code == 0)
      code = lock_check_paths(a->r, (const char *const[]){o->path}, 1, true);
    if (code == 0)
      code = parts_open(&a->parts, a->r, o);
  }
  return code < 0 ? code : parts_take(&a->parts, rel, !a->options->no_commit, !a->options->no_relink);
}

static int add_whole(adding *a, output *o, const char *rel)
{
  stage *s = o ? o->stage : NULL;
  size_t i = o ? (size_t)(o - s->outs) : 0;
  int code = 0;
  if (o && a->parts.o == o) /* all of it takes the place of parts */
    parts_close(&a->parts);
  else
    code = finish_parts(a);
  if (code == 0)
    code = o ? check_stage(s, rel) : make_stage(&s, a->set, rel);
  if (code == 0)
    code = stage_check_place_among(&a->rules, a->r, s->file);
  if (code == 0)
    code = lock_check_paths(a->r, (const char *const[]){s->outs[i].path}, 1, true);
  if (code == 0 && s->outs[i].cache)
    code = gitignore_check_untracked(a->r, rel);
  if (code == 0)
    code = save_output(a->r, s, i, !a->options->no_commit, !a->options->no_relink);
  if (code == 0)
    return records_add(&a->records, &s->outs[i], !o, true);
  if (!o)
    stage_free(s);
  return code;
}

static int add_one(adding *a, const char *typed)
{
  char *rel;
  int code = repo_relative(&rel, a->r, typed);
  if (code < 0)
    return code;
  output *o = stages_find(a->set, rel, false);
  bool inside = o && strcmp(o->path, rel) != 0;
  code = check_source(a->r, rel, typed, inside);
  if (code == 0)
    code = inside ? add_part(a, o, rel) : add_whole(a, o, rel);
  free(rel);
  return code;
}

/* Patterns turned into the names that they match; ".dvc" files among them are not data. */
static int expand(name_set *out, char *const *paths, int n, bool patterns)
{
  int code = 0;
  for (int i = 0; i < n && code == 0; i++) {
    glob_t g = {0};
    if (!patterns || glob(paths[i], 0, NULL, &g) != 0) {
      if (patterns && strpbrk(paths[i], "*?["))
        code = error_set(OPIS_ENOTFOUND, "%s: the pattern matches nothing", paths[i]);
      else
        code = names_add_once(out, paths[i]);
      globfree(&g);
      continue;
    }
    for (size_t k = 0; k < g.gl_pathc && code == 0; k++) {
      bool ours = path_is_stage_file(g.gl_pathv[k]) || strcmp(path_name(g.gl_pathv[k]), ".gitignore") == 0;
      if (!ours)
        code = names_add_once(out, g.gl_pathv[k]);
    }
    globfree(&g);
  }
  return code;
}

int data_add(repo *r, char *const *paths, int n, const add_options *a, name_list *written)
{
  stages set;
  name_set all = {0};
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
    name_set_free(&all);
    return code;
  }
  adding each = {.r = r, .set = &set, .options = a};
  link_type linking[2];
  set_linking(r, !a->no_relink, linking);
  for (size_t i = 0; i < all.list.n && code == 0; i++)
    code = add_one(&each, all.list.items[i]);
  char first[1024] = "";
  if (code < 0)
    snprintf(first, sizeof first, "%s", opis_error_message());
  int finished = finish_parts(&each), saved = records_save(&each.records, r, written); /* after an error, too: what was named before it is added */
  finished = finished < 0 ? finished : saved;
  records_free(&each.records);
  gitignored_close(&each.rules);
  code = code < 0 ? error_set(code, "%s", first) : finished;
  reset_linking(r, linking);
  stages_free(&set);
  name_set_free(&all);
  int staged = repo_stage_touched(r);
  return code < 0 ? code : staged;
}

/* ---- commit ---- */

static int commit_parts(repo *r, output *o, const selection *named, bool relink)
{
  parts p;
  char *inside;
  int code = parts_open(&p, r, o);
  for (size_t i = 0; i < named->n && code == 0; i++) {
    code = asprintf(&inside, "%s/%s", o->path, named->paths[i]) < 0 ? error_nomem() : parts_take(&p, inside, true, relink);
    free(inside);
  }
  if (code == 0)
    code = parts_save(&p, true);
  parts_close(&p);
  return code;
}

/* The first thing of a stage that is not what was recorded; *what: its name, malloc'ed, NULL when there is none. */
static int find_change(char **what, repo *r, const stage *s, const target *t, size_t n)
{
  const char *state = NULL;
  bool edited = false;
  int code = 0;
  *what = NULL;
  for (size_t i = 0; code == 0 && !state && i < s->n_deps + n; i++) {
    const output *o = i < s->n_deps ? &s->deps[i] : t[i - s->n_deps].out;
    code = output_changed(&state, r, o); /* what the cache lacks is for commit to mend */
    if (code == 0 && state)
      *what = output_shown(r, o);
  }
  if (code == 0 && !state)
    code = stage_is_edited(&edited, s);
  if (code == 0 && edited)
    *what = repo_shown(r, s->file);
  return code < 0 || *what || !(state || edited) ? code : error_nomem();
}

static int save_dependency(repo *r, stage *s, size_t i)
{
  output *d = &s->deps[i];
  tree t;
  path_kind kind;
  oid id;
  if (!d->path && !d->outside)
    return 0;
  int code = output_hash(&id, &t, &kind, r, d, NULL);
  if (code < 0)
    return code;
  bool same = d->hashed && oid_same(&id, &d->oid), again = d->legacy && !same;
  if (kind == PATH_MISSING)
    code = error_set(OPIS_ENOTFOUND, "%s: no such file or folder, and %s depends on it", d->written, s->file);
  else if (again) /* what DVC 2 hashed as text and has changed is hashed as it is */
    d->legacy = false;
  else if (!d->legacy)
    code = stage_set_dependency(s, i, &id, tree_bytes(&t), t.n, kind == PATH_FILE && (t.entries[0].flags & TREE_EXECUTABLE));
  tree_free(&t);
  return code == 0 && again ? save_dependency(r, s, i) : code;
}

/* What its dependencies are now, into the stage. */
static int save_dependencies(repo *r, stage *s)
{
  int code = 0;
  for (size_t i = 0; i < s->n_deps && code == 0; i++)
    code = save_dependency(r, s, i);
  return code;
}

static int commit_output(repo *r, const target *t, bool relink)
{
  output *o = t->out;
  stage *s = o->stage;
  return t->parts.n ? commit_parts(r, o, &t->parts, relink) : save_output(r, s, (size_t)(o - s->outs), true, relink);
}

/* t: n targets, of one stage. */
static int commit_stage(records *l, repo *r, const target *t, size_t n, bool force, bool relink, bool (*ask)(void *user, const char *question), void *user)
{
  stage *s = t->out->stage;
  char question[512], *what = NULL;
  if (s->name)
    return error_set(OPIS_EUNSUPPORTED, "%s: an output of a pipeline stage; opis does not write dvc.lock", t->out->written);
  for (size_t i = 0; i < n; i++)
    if (t[i].out->refused)
      return error_set(OPIS_EUNSUPPORTED, "%s: %s", t[i].out->written, t[i].out->refused);
  int code = find_change(&what, r, s, t, n);
  if (code == 0 && what && !force) {
    snprintf(question, sizeof question, "%s is not what %s says. Commit what is there now?", what, s->file);
    if (!ask || !ask(user, question))
      code = error_set(OPIS_ECONFLICT, "%s: changed since it was recorded in %s; -f commits what is there now", what, s->file);
  }
  bool save = what || force;
  free(what);
  if (code == 0 && save)
    code = save_dependencies(r, s);
  for (size_t i = 0; i < n && code == 0; i++)
    code = commit_output(r, &t[i], relink);
  if (code == 0 && save && (s->n_deps || s->md5))
    code = stage_put_md5(s, false);
  for (size_t i = 0; i < n && code == 0; i++)
    code = records_add(l, t[i].out, false, save && i == n - 1);
  return code;
}

int data_commit(repo *r, char *const *names, int n, bool force, bool recursive, bool with_deps, bool no_relink, bool (*ask)(void *user, const char *question), void *user)
{
  stages set;
  targets t;
  int code = stages_load_lazily(&set, r);
  if (code < 0)
    return code;
  code = targets_collect(&t, r, &set, names, n, recursive, with_deps);
  link_type linking[2];
  records l = {0};
  char first[1024] = "";
  set_linking(r, !no_relink, linking);
  for (size_t i = 0, end; code == 0 && i < t.n; i = end) {
    const stage *s = t.items[i].out->stage;
    for (end = i + 1; end < t.n && t.items[end].out->stage == s;)
      end++;
    if (n > 0 || !s->name)
      code = commit_stage(&l, r, &t.items[i], end - i, force, !no_relink, ask, user);
  }
  if (code < 0)
    snprintf(first, sizeof first, "%s", opis_error_message());
  int saved = records_save(&l, r, NULL); /* after an error, too */
  code = code < 0 ? error_set(code, "%s", first) : saved;
  records_free(&l);
  reset_linking(r, linking);
  targets_free(&t);
  stages_free(&set);
  int staged = repo_stage_touched(r);
  return code < 0 ? code : staged;
}
