/* dvc.yaml: its stages as templates and loops make them, with what dvc.lock knows of them. */
#include "data/pipeline_schema.h"
#include "data/stage_parts.h"
#include "data/template.h"

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STAGES = 1000000 };

typedef struct pipeline {
  stages *set;
  arena *memory;
  const char *rel;
  char *folder, *lock_name;
  const param_source *source;
  template_scope scope;
  const yaml_node *locks;
  map locked; /* the stages of dvc.lock by their names: numbers of their values in locks->items */
} pipeline;

static int wrong(const pipeline *p, const char *name, const char *key, const char *wanted)
{
  return error_set(OPIS_EFORMAT, "%s: stages.%s%s%s: %s", p->rel, name, *key ? "." : "", key, wanted);
}

/* ---- outputs and dependencies ---- */

typedef struct lock_entries {
  const yaml_node *list;
  map by_path; /* numbers of items */
} lock_entries;

static int open_entries(lock_entries *l, const yaml_node *locked, const char *kind)
{
  *l = (lock_entries){.list = yaml_get(locked, kind)};
  int code = 0;
  if (l->list && l->list->kind == YAML_SEQUENCE)
    for (size_t i = 0; i < l->list->n && code == 0; i++) {
      const char *path = yaml_text(l->list->items[i], "path");
      if (path)
        code = map_put(&l->by_path, path, strlen(path), i);
    }
  return code;
}

static bool flag(const value *flags, const char *key, bool otherwise)
{
  const value *v = flags ? value_get(flags, key) : NULL;
  return v && v->kind == VALUE_BOOL ? v->truth : otherwise;
}

/* One entry of "outs", "metrics", "plots" or "deps": with what dvc.lock has of it, or without a hash. */
static int add_entry(stage *s, const value *path, const value *flags, const lock_entries *known, bool dep)
{
  const size_t *at = map_get(&known->by_path, path->text, path->n);
  int code;
  if (at)
    code = stage_read_entry(s, known->list->items[*at], dep);
  else {
    output *o = stage_add_entry(s, dep);
    code = o ? output_place(o, path->text) : error_nomem();
    if (code == 0) {
      o->legacy = false;
      if (!o->path && !dep)
        o->refused = "outside of the repository";
    }
  }
  if (code < 0)
    return code;
  output *o = dep ? &s->deps[s->n_deps - 1] : &s->outs[s->n_outs - 1];
  const value *remote = flags ? value_get(flags, "remote") : NULL;
  o->cache = flag(flags, "cache", true);
  o->push = flag(flags, "push", true);
  if (!o->remote && remote && remote->kind == VALUE_STRING && !(o->remote = strdup(remote->text)))
    return error_nomem();
  return 0;
}

/* Items are paths, or {path: flags}; what is named twice is one. */
static int merge_entries(value **out, const pipeline *p, const stage *s, const char *kind, const value *list)
{
  int code = 0;
  value *paths = *out = value_new(p->memory, VALUE_DICT);
  const value *none = value_new(p->memory, VALUE_DICT);
  if (!paths || !none)
    return OPIS_ENOMEM;
  for (size_t i = 0; i < list->n && code == 0; i++) {
    const value *item = list->items[i];
    if (item->kind == VALUE_STRING) {
      if (!value_find(paths, item))
        code = value_put(p->memory, paths, item, none);
      continue;
    }
    if (item->kind != VALUE_DICT)
      return wrong(p, s->name, kind, "what is no string is no path");
    VALUE_EACH(item, k)
    {
      const value *flags = item->items[k + 1], *before = value_find(paths, item->items[k]);
      if (item->items[k]->kind != VALUE_STRING || flags->kind != VALUE_DICT)
        return wrong(p, s->name, kind, "an entry is a path, or a path with a mapping of flags");
      value *all = value_new(p->memory, VALUE_DICT);
      code = all ? 0 : OPIS_ENOMEM;
      for (size_t j = 0; before && j < before->n && code == 0; j += 2)
        code = value_put(p->memory, all, before->items[j], before->items[j + 1]);
      for (size_t j = 0; j < flags->n && code == 0; j += 2)
        code = value_put(p->memory, all, flags->items[j], flags->items[j + 1]);
      if (code == 0)
        code = value_put(p->memory, paths, item->items[k], all);
      if (code < 0)
        return code;
    }
  }
  return code;
}

static int add_entries(const pipeline *p, stage *s, const value *body, const char *kind, const lock_entries *known)
{
  const value *list = value_get(body, kind);
  value *paths;
  bool dep = strcmp(kind, "deps") == 0;
  if (!list)
    return 0;
  int code = merge_entries(&paths, p, s, kind, list);
  for (size_t i = 0; code == 0 && i < paths->n; i += 2)
    code = add_entry(s, paths->items[i], paths->items[i + 1], known, dep);
  return code;
}

/* ---- stages ---- */

static const yaml_node *lock_of(const pipeline *p, const char *name)
{
  const size_t *at = map_get(&p->locked, name, strlen(name));
  return at ? p->locks->items[*at] : NULL;
}

static int compare_command(const pipeline *p, stage *s, const value *cmd, const yaml_node *locked)
{
  const yaml_node *node = yaml_get(locked, "cmd");
  const value *before = NULL;
  strbuf text = STRBUF_INIT;
  int code = node ? value_from_yaml(&before, p->memory, node, p->lock_name) : 0;
  if (code < 0)
    return code;
  s->command_changed = locked && !(before && value_same(before, cmd));
  value_put_text(&text, cmd);
  s->cmd = strbuf_take(&text);
  return s->cmd ? 0 : error_nomem();
}

/* A stage whose values are all there. */
static int add_stage(const pipeline *p, const char *name, const value *body)
{
  static const char *const kinds[] = {"outs", "metrics", "plots"};
  const value *wdir = value_get(body, "wdir"), *params = value_get(body, "params"), *cmd = value_get(body, "cmd");
  const yaml_node *locked = lock_of(p, name);
  lock_entries known;
  stage *s = stage_begin(p->rel, name);
  if (!s)
    return error_nomem();
  s->frozen = flag(body, "frozen", false);
  s->always_changed = flag(body, "always_changed", false);
  int code = 0;
  if (wdir && wdir->kind != VALUE_STRING)
    code = wrong(p, name, "wdir", "no string");
  if (code == 0)
    code = stage_set_wdir(s, wdir ? wdir->text : NULL);
  if (code == 0)
    code = compare_command(p, s, cmd, locked);
  if (code == 0) {
    code = open_entries(&known, locked, "outs");
    for (int i = 0; i < 3 && code == 0; i++)
      code = add_entries(p, s, body, kinds[i], &known);
    map_free(&known.by_path);
  }
  if (code == 0) {
    code = open_entries(&known, locked, "deps");
    if (code == 0)
      code = add_entries(p, s, body, "deps", &known);
    map_free(&known.by_path);
  }
  if (code == 0 && params) {
    char what[512];
    snprintf(what, sizeof what, "%.200s: stages.%.200s.params", p->rel, name);
    code = stage_params_parse(&s->params, &s->n_params, p->memory, params, locked, what);
  }
  if (!s->n_outs && !s->n_deps && !s->n_params && value_true(cmd)) /* there is nothing that could stay the same */
    s->always_changed = true;
  if (code == 0)
    return stages_append(p->set, s);
  stage_free(s);
  return code;
}

/* ---- templates ---- */

/* "vars" of a stage, from the folder that it works in. */
static int load_vars(const pipeline *p, template_scope *scope, const value *definition, const char *name)
{
  const value *vars = value_get(definition, "vars"), *wdir = value_get(definition, "wdir"), *at;
  char *absolute = NULL;
  strbuf text = STRBUF_INIT;
  int code = 0;
  if (wdir && value_true(wdir) && (code = template_resolve(&at, scope, wdir, NULL)) < 0)
    return error_prefix(code, "%s: stages.%s.wdir", p->rel, name);
  if (!vars || vars->n == 0)
    return 0;
  if (wdir && value_true(wdir))
    template_put(&text, at);
  if (strbuf_check(&text) < 0)
    code = error_nomem();
  if (code == 0)
    code = param_file_locate(&absolute, p->source, p->folder, text.s ? text.s : ".");
  template_scope own;
  if (code == 0)
    code = template_copy(&own, scope);
  if (code == 0 && (code = template_load(&own, vars, absolute, false)) < 0)
    error_prefix(code, "%s: stages.%s.vars", p->rel, name);
  if (code == 0)
    *scope = own;
  free(absolute);
  strbuf_free(&text);
  return code;
}

/* A stage's definition with its values put in. */
static int make_stage(const pipeline *p, const template_scope *outer, const char *name, const value *definition)
{
  template_scope scope = *outer;
  value *body = value_new(p->memory, VALUE_DICT);
  int code = body ? load_vars(p, &scope, definition, name) : OPIS_ENOMEM;
  for (size_t i = 0; code == 0 && i < definition->n; i += 2) {
    const value *key = definition->items[i], *v = definition->items[i + 1], *resolved;
    if (key->kind != VALUE_STRING || value_is_text(key, "vars") || value_is_text(key, "matrix"))
      continue;
    code = template_check(v);
    if (code == 0)
      code = template_resolve(&resolved, &scope, v, key->text);
    if (code < 0)
      return error_prefix(code, "%s: stages.%s.%s", p->rel, name, key->text);
    code = value_put(p->memory, body, key, resolved);
  }
  return code == 0 ? add_stage(p, name, body) : code;
}

/* ---- foreach and matrix ---- */

/* What a loop goes through: items by the names that stages get of them. */
typedef struct loop {
  const pipeline *p;
  const char *name;
  value *items;
  bool keyed; /* "key" has a value in it */
} loop;

/* A value that is written in dvc.yaml is named otherwise than one of a parameter file: true, not True. */
static int put_item_name(strbuf *b, const value *item, const value *written)
{
  if (item->kind == VALUE_BOOL && written && written->kind == VALUE_BOOL)
    template_put(b, item);
  else
    value_put_text(b, item);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}

static int add_item(loop *l, const strbuf *name, const value *item)
{
  if (l->items->n / 2 >= MOST_STAGES)
    return error_set(OPIS_ELIMIT, "%s: stages.%s: more than %d stages", l->p->rel, l->name, MOST_STAGES);
  return value_put(l->p->memory, l->items, value_string(l->p->memory, name->s ? name->s : "", name->n), item);
}

static bool is_collection(const value *v)
{
  return v->kind == VALUE_LIST || v->kind == VALUE_DICT;
}

static int list_foreach(loop *l, const value *written)
{
  const value *all;
  int code = template_resolve(&all, &l->p->scope, written, NULL);
  if (code < 0)
    return error_prefix(code, "%s: stages.%s.foreach", l->p->rel, l->name);
  if (!is_collection(all))
    return error_set(OPIS_EINVALID, "%s: stages.%s.foreach: a %s; what a loop goes through is a list or a mapping", l->p->rel, l->name, value_type(all));
  bool dict = all->kind == VALUE_DICT, numbered = false;
  l->keyed = dict;
  for (size_t i = 0; i < all->n && !dict; i++)
    numbered |= is_collection(all->items[i]);
  for (size_t i = 0; i < all->n && code == 0; i++) {
    strbuf name = STRBUF_INIT;
    const value *source = written->kind == all->kind && written->n == all->n ? written->items[i] : NULL;
    if (numbered)
      strbuf_printf(&name, "%zu", i);
    code = numbered ? 0 : put_item_name(&name, all->items[i], source);
    i += dict;
    if (code == 0)
      code = add_item(l, &name, all->items[i]);
    strbuf_free(&name);
  }
  return code;
}

/* The values of one key of a matrix: a list's, a mapping's keys, a string's characters. */
static int list_axis(value **out, const pipeline *p, const value *v, const value *written)
{
  int code = 0;
  *out = value_new(p->memory, VALUE_LIST);
  if (!*out)
    return OPIS_ENOMEM;
  if (v->kind == VALUE_STRING && !template_is_whole(written))
    for (size_t i = 0, n; i < v->n && code == 0; i += n) {
      n = utf8_sequence(v->text + i, v->n - i);
      n = n ? n : 1;
      code = value_append(p->memory, *out, value_string(p->memory, v->text + i, n));
    }
  else if (is_collection(v))
    for (size_t i = 0; i < v->n && code == 0; i += v->kind == VALUE_DICT ? 2 : 1)
      code = value_append(p->memory, *out, v->items[i]);
  else
    code = error_set(OPIS_EINVALID, "a %s; each key of a matrix has a list", value_type(v));
  return code;
}

/* One value of each axis: at[i] says which. */
static int add_combination(loop *l, const value *axes, const value *written, const size_t *at)
{
  strbuf name = STRBUF_INIT;
  value *item = value_new(l->p->memory, VALUE_DICT);
  int code = item ? 0 : OPIS_ENOMEM;
  for (size_t i = 0; i < axes->n && code == 0; i += 2) {
    const value *key = axes->items[i], *axis = axes->items[i + 1], *v = axis->items[at[i / 2]], *list = written->items[i + 1];
    if (i)
      strbuf_putc(&name, '-');
    if (is_collection(v)) {
      value_put_text(&name, key);
      strbuf_printf(&name, "%zu", at[i / 2]);
    } else
      code = put_item_name(&name, v, list->kind == VALUE_LIST && list->n == axis->n ? list->items[at[i / 2]] : NULL);
    if (code == 0)
      code = value_put(l->p->memory, item, key, v);
  }
  if (code == 0)
    code = strbuf_check(&name) < 0 ? error_nomem() : add_item(l, &name, item);
  strbuf_free(&name);
  return code;
}

static int list_matrix(loop *l, const value *written)
{
  const value *all;
  const pipeline *p = l->p;
  value *axes = value_new(p->memory, VALUE_DICT), *axis;
  int code = axes ? 0 : OPIS_ENOMEM;
  bool empty = false;
  if (code == 0)
    code = template_resolve(&all, &p->scope, written, NULL);
  for (size_t i = 0; code == 0 && i < all->n; i += 2) {
    code = list_axis(&axis, p, all->items[i + 1], written->items[i + 1]);
    if (code == 0)
      code = value_put(p->memory, axes, all->items[i], axis);
    empty |= code == 0 && axis->n == 0;
  }
  if (code < 0)
    return error_prefix(code, "%s: stages.%s.matrix", p->rel, l->name);
  l->keyed = true;
  size_t n = axes->n / 2, *at = arena_calloc(p->memory, n + 1, sizeof *at);
  if (!at)
    return OPIS_ENOMEM;
  for (bool more = !empty; more && code == 0;) { /* the last axis goes round first */
    code = add_combination(l, axes, written, at);
    size_t i = n;
    while (i > 0 && ++at[i - 1] == axes->items[2 * i - 1]->n)
      at[--i] = 0;
    more = i > 0;
  }
  return code;
}

/* "a@b" is what a loop "a" makes of "b", and can be nothing else. */
static int check_name(const pipeline *p, const char *name)
{
  if (!*name)
    return error_set(OPIS_EINVALID, "%s: stages: an item of a loop has no name; give it one", p->rel);
  return strchr(name, '@') ? error_set(OPIS_EINVALID, "%s: stages: '%s' has an @ in it, which sets names of stages apart from items of loops; name it otherwise", p->rel, name) : 0;
}

static int make_loop(const pipeline *p, const char *name, const value *definition, const value *foreach, const value *matrix)
{
  const value *template = matrix ? definition : value_get(definition, "do");
  loop l = {.p = p, .name = name, .items = value_new(p->memory, VALUE_DICT)};
  if (!l.items)
    return OPIS_ENOMEM;
  int code = matrix ? list_matrix(&l, matrix) : list_foreach(&l, foreach);
  if (code == 0 && l.items->n == 0)
    code = stages_note_empty(p->set, p->rel, name);
  for (size_t i = 0; code == 0 && i < l.items->n; i += 2) {
    template_scope scope = p->scope;
    char *made;
    if (asprintf(&made, "%s@%s", name, l.items->items[i]->text) < 0)
      return error_nomem();
    code = check_name(p, l.items->items[i]->text);
    if (code == 0)
      code = template_set_item(&scope, l.items->items[i + 1], l.keyed ? l.items->items[i] : NULL);
    if (code == 0)
      code = make_stage(p, &scope, made, template);
    if (code < 0)
      code = stages_note_broken(p->set, p->rel, made, code);
    free(made);
  }
  return code;
}

static int make_definition(const pipeline *p, const value *key, const value *definition)
{
  const value *foreach = value_get(definition, "foreach"), *matrix = value_get(definition, "matrix");
  if (foreach || matrix)
    return make_loop(p, key->text, definition, foreach, matrix);
  int code = check_name(p, key->text);
  return code == 0 ? make_stage(p, &p->scope, key->text, definition) : code;
}

/* ---- the file ---- */

/* What is said of all of the project names no stages, but is resolved with them. */
static int check_sections(const pipeline *p, const value *root)
{
  static const char *const sections[] = {"artifacts", "datasets", "metrics", "params", "plots"};
  int code = 0;
  for (size_t i = 0; i < sizeof sections / sizeof *sections && code == 0; i++) {
    const value *section = value_get(root, sections[i]), *ignored;
    if (!section)
      continue;
    code = template_check(section);
    if (code == 0)
      code = template_resolve(&ignored, &p->scope, section, NULL);
    if (code < 0)
      return error_prefix(code, "%s: %s", p->rel, sections[i]);
  }
  return code;
}

static int read_stages(pipeline *p, const yaml_node *yaml)
{
  const value *root, *vars, *all;
  int code = value_from_yaml(&root, p->memory, yaml, p->rel);
  if (code < 0 || !value_true(root)) /* an empty list is an empty file, too */
    return code;
  vars = value_get(root, "vars");
  all = value_get(root, "stages");
  code = pipeline_check_schema(root, p->rel);
  if (code == 0)
    code = template_open(&p->scope, p->memory, p->source);
  if (code == 0 && (code = template_load(&p->scope, vars, p->folder, true)) < 0)
    error_prefix(code, "%s", p->rel);
  for (size_t i = 0; code == 0 && all && i < all->n; i += 2)
    if ((code = make_definition(p, all->items[i], all->items[i + 1])) < 0)
      code = stages_note_broken(p->set, p->rel, all->items[i]->text, code);
  if (code == 0 && (code = check_sections(p, root)) < 0)
    code = stages_note_broken(p->set, p->rel, "", code);
  return code;
}

static int open_lock(pipeline *p, const yaml_node *lock)
{
  int code = pipeline_check_lock(lock, p->lock_name);
  p->locks = yaml_get(lock, "stages");
  for (size_t i = 0; code == 0 && p->locks && i + 1 < p->locks->n; i += 2) {
    const yaml_node *name = p->locks->items[i];
    code = map_get(&p->locked, name->text, name->length)
      ? error_set(OPIS_EFORMAT, "%s: stage '%s' is there twice, as after a merge; take one of them out", p->lock_name, name->text)
      : map_put(&p->locked, name->text, name->length, i + 1);
  }
  return code;
}

int stage_parse_pipeline(stages *set, const char *rel, const char *yaml, size_t yaml_n, const char *lock, size_t lock_n, const param_source *source)
{
  yaml_node *root = NULL, *locked = NULL;
  pipeline p = {.set = set, .memory = &set->memory, .rel = rel, .folder = path_folder(rel), .source = source};
  int code = !p.folder || asprintf(&p.lock_name, "%.*slock", (int)(strlen(rel) - 4), rel) < 0 ? error_nomem() : yaml_parse(&root, yaml, yaml_n, rel);
  if (code == 0 && lock)
    code = yaml_parse(&locked, lock, lock_n, p.lock_name);
  if (code == 0)
    code = stages_note_empty(set, rel, NULL);
  if (code == 0 && lock)
    code = open_lock(&p, locked);
  if (code == 0)
    code = read_stages(&p, root);
  yaml_node_free(root);
  yaml_node_free(locked);
  map_free(&p.locked);
  free(p.folder);
  free(p.lock_name);
  return code;
}
