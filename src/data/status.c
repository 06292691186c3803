/* opis data status: how the work tree differs from what the stage files say. */
#include "data/objects.h"
#include "data/params.h"
#include "data/stage_md5.h"

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LARGEST_PARAMS = 256 << 20 };

static int add_entry(status_list *l, const repo *r, const stage *s, const char *group, const output *o, const char *state)
{
  status_entry *larger = realloc(l->items, (l->n + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  l->items = larger;
  larger[l->n] = (status_entry){stage_address(r, s), group, o ? output_shown(r, o) : strdup(""), NULL, state};
  l->n++;
  return larger[l->n - 1].stage && larger[l->n - 1].path ? 0 : error_nomem();
}

void status_free(status_list *l)
{
  for (size_t i = 0; i < l->n; i++) {
    free(l->items[i].stage);
    free(l->items[i].path);
    free(l->items[i].key);
  }
  free(l->items);
  *l = (status_list){0};
}

/* What DVC says of an import whose source has something newer. A source that cannot be asked is told, and holds nothing up. */
static int add_news(status_list *l, repo *r, const stage *s)
{
  bool outdated;
  char *path;
  int code = import_outdated(&outdated, r, s);
  if (code == OPIS_ENOMEM || code == OPIS_ECANCELLED)
    return code;
  if (code < 0)
    repo_warn(r, "%s: whether there is something newer is not known: %s", s->file, opis_error_message());
  if (code < 0 || !outdated)
    return 0;
  if (asprintf(&path, "%s (%s)", s->deps[0].written, s->deps[0].repo_url) < 0)
    return error_nomem();
  code = add_entry(l, r, s, "changed deps", NULL, "update available");
  if (code == 0) {
    free(l->items[l->n - 1].path);
    l->items[l->n - 1].path = path;
  } else
    free(path);
  return code;
}

static int add_dependencies(status_list *l, repo *r, const stage *s)
{
  const char *state;
  int code = 0;
  for (size_t i = 0; i < s->n_deps && code == 0; i++) {
    const output *d = &s->deps[i];
    if (!d->path && !d->outside && !d->repo_url)
      repo_warn(r, "%s: whether %s is another than recorded is not known: opis asks no URL", s->file, d->written);
    code = output_state(&state, r, d);
    if (code == 0 && state)
      code = add_entry(l, r, s, "changed deps", d, state);
  }
  return code;
}

/* ---- parameters ---- */

/* Parameter files, each read once. */
typedef struct param_files {
  repo *r;
  arena memory;
  map by_path; /* const value * of each */
} param_files;

static int read_file(void *user, char **bytes, size_t *n, const char *path)
{
  const param_files *files = user;
  char *absolute = NULL;
  int code = *path == '/' ? 0 : repo_absolute(&absolute, files->r, path);
  if (code == 0)
    code = file_read(bytes, n, absolute ? absolute : path, LARGEST_PARAMS);
  free(absolute);
  return code;
}

/* *out NULL: nobody knows what is in it, which was told. */
static int load_params(const value **out, param_files *files, const char *at)
{
  const size_t *known = map_get(&files->by_path, at, strlen(at));
  *out = known ? (const value *)(uintptr_t)*known : NULL;
  if (known)
    return 0;
  param_source source = {read_file, files, files->r->root, &files->r->config};
  int code = param_file_read(out, &files->memory, &source, at);
  if (code == OPIS_EUNSUPPORTED) {
    repo_warn(files->r, "%s; whether parameters in it have changed is not known", opis_error_message());
    *out = NULL;
    code = 0;
  }
  char *key = code == 0 ? arena_strdup(&files->memory, at) : NULL;
  return code < 0 ? code : key ? map_put(&files->by_path, key, strlen(key), (size_t)(uintptr_t)*out) : OPIS_ENOMEM;
}

typedef struct param_entries {
  status_list *l;
  const repo *r;
  const stage *s;
  const char *path; /* as shown */
  size_t first;     /* entry of the stage */
  bool any;
} param_entries;

/* What was said of the same file so far, as a dependency, gives way: it is one name in DVC's answer, too. */
static int add_param(void *user, const char *key, const char *state)
{
  param_entries *e = user;
  status_list *l = e->l;
  int code = add_entry(l, e->r, e->s, "changed deps", NULL, state);
  if (code < 0)
    return code;
  status_entry *last = &l->items[l->n - 1];
  free(last->path);
  last->path = strdup(e->path);
  last->key = key ? strdup(key) : NULL;
  if (!last->path || (key && !last->key))
    return error_nomem();
  for (size_t i = e->first; !e->any && i + 1 < l->n; i++)
    if (strcmp(l->items[i].path, e->path) == 0) {
      status_entry now = *last;
      *last = l->items[i];
      l->items[i] = now;
      free(last->stage);
      free(last->path);
      free(last->key);
      l->n--;
      break;
    }
  e->any = true;
  return 0;
}

static int add_params_of_file(status_list *l, param_files *files, const stage *s, const stage_params *p, size_t first)
{
  char *at = NULL, *shown = NULL;
  const value *data;
  struct stat st;
  repo *r = files->r;
  bool ignored = false;
  param_source source = {read_file, files, r->root, &r->config};
  int code = param_file_locate(&at, &source, s->wdir, p->written);
  if (code < 0)
    return code;
  bool inside = *at != '/', there = inside ? scan_kind(r, at) != PATH_MISSING : stat(at, &st) == 0;
  if (inside && there)
    code = scan_is_ignored(&ignored, r, at, scan_kind(r, at) == PATH_FOLDER);
  shown = inside ? repo_shown(r, at) : strdup(at);
  param_entries e = {l, r, s, shown, first, false};
  if (code == 0 && !shown)
    code = error_nomem();
  if (code == 0 && (!there || ignored))
    code = add_param(&e, NULL, "deleted");
  else if (code == 0 && !p->locked)
    code = add_param(&e, NULL, "new");
  else if (code == 0) {
    code = load_params(&data, files, at);
    if (code == 0 && data && (code = stage_params_compare(p, &files->memory, data, add_param, &e)) < 0 && code != OPIS_ENOMEM)
      error_prefix(code, "%s", at);
  }
  free(at);
  free(shown);
  return code;
}

static int add_params(status_list *l, param_files *files, const stage *s, size_t first)
{
  int code = 0;
  for (size_t i = 0; i < s->n_params && code == 0; i++)
    code = add_params_of_file(l, files, s, &s->params[i], first);
  return code;
}

static int status_of_stage(status_list *l, param_files *files, stage *s, const output *only, bool no_updates)
{
  repo *r = files->r;
  size_t first = l->n;
  const char *state;
  int code = 0;
  l->stages++;
  if (!s->frozen || !no_updates)
    code = add_news(l, r, s);
  if (code == 0 && !s->frozen)
    code = add_dependencies(l, r, s);
  if (code == 0 && !s->frozen)
    code = add_params(l, files, s, first);
  for (size_t i = 0; i < s->n_outs && code == 0; i++) {
    output *o = &s->outs[i];
    if (only && o != only)
      continue;
    if (o->refused) {
      repo_warn(r, "%s: %s: %s", s->file, o->written, o->refused);
      continue;
    }
    code = output_state(&state, r, o);
    if (code == 0 && state)
      code = add_entry(l, r, s, "changed outs", o, state);
  }
  if (code == 0 && s->always_changed)
    code = add_entry(l, r, s, "always changed", NULL, "");
  if (code == 0 && s->command_changed)
    code = add_entry(l, r, s, "changed command", NULL, "");
  bool edited = false;
  if (code == 0)
    code = stage_is_edited(&edited, s);
  if (code == 0 && edited)
    code = add_entry(l, r, s, "changed checksum", NULL, "");
  return code;
}

int data_status(status_list *l, repo *r, char *const *names, int n, bool recursive, bool with_deps, bool no_updates)
{
  stages set;
  targets t = {0};
  *l = (status_list){0};
  int code = stages_load_lazily(&set, r);
  if (code < 0)
    return code;
  param_files files = {.r = r};
  code = n ? targets_collect(&t, r, &set, names, n, recursive, with_deps) : stages_check(&set);
  for (size_t i = 0; i < set.n && n == 0 && code == 0; i++) /* also those that have no output */
    code = status_of_stage(l, &files, set.items[i], NULL, no_updates);
  const stage *last = NULL;
  for (size_t i = 0, k = 0; code == 0 && i + k < t.n + t.n_bare;) {
    if (k < t.n_bare && t.bare[k].before == i) {
      code = status_of_stage(l, &files, t.bare[k++].stage, NULL, no_updates);
      continue;
    }
    const target *one = &t.items[i++];
    stage *s = one->out->stage;
    bool part = one->parts.n > 0;
    if (s == last && !part)
      continue;
    last = s;
    code = status_of_stage(l, &files, s, part ? one->out : NULL, no_updates);
  }
  map_free(&files.by_path);
  arena_free(&files.memory);
  targets_free(&t);
  stages_free(&set);
  if (code < 0)
    status_free(l);
  return code;
}
