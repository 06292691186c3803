/* opis data status: how the work tree differs from what the stage files say. */
#include "data/objects.h"
#include "data/stage_md5.h"

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_entry(status_list *l, const repo *r, const stage *s, const char *group, const output *o, const char *state)
{
  status_entry *larger = realloc(l->items, (l->n + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  l->items = larger;
  larger[l->n] = (status_entry){stage_address(r, s), group, o ? output_shown(r, o) : strdup(""), state};
  l->n++;
  return larger[l->n - 1].stage && larger[l->n - 1].path ? 0 : error_nomem();
}

void status_free(status_list *l)
{
  for (size_t i = 0; i < l->n; i++) {
    free(l->items[i].stage);
    free(l->items[i].path);
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

static int status_of_stage(status_list *l, repo *r, stage *s, const output *only, bool no_updates)
{
  const char *state;
  int code = 0;
  l->stages++;
  if (!s->frozen || !no_updates)
    code = add_news(l, r, s);
  if (code == 0 && !s->frozen)
    code = add_dependencies(l, r, s);
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
  if (code == 0 && s->name && s->cmd && s->locked_cmd && strcmp(s->cmd, s->locked_cmd) != 0)
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
  int code = stages_load(&set, r);
  if (code < 0)
    return code;
  for (size_t i = 0; i < set.n && n == 0 && code == 0; i++) /* also those that have no output */
    code = status_of_stage(l, r, set.items[i], NULL, no_updates);
  if (code == 0)
    code = n ? targets_collect(&t, r, &set, names, n, recursive, with_deps) : 0;
  const stage *last = NULL;
  for (size_t i = 0; code == 0 && i < t.n; i++) {
    stage *s = t.items[i].out->stage;
    bool part = t.items[i].parts.n > 0;
    if (s == last && !part)
      continue;
    last = s;
    code = status_of_stage(l, r, s, part ? t.items[i].out : NULL, no_updates);
  }
  targets_free(&t);
  stages_free(&set);
  if (code < 0)
    status_free(l);
  return code;
}
