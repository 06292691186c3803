#include "data/params.h"

#include "data/repo.h"
#include "util/error.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- files ---- */

int param_file_locate(char **at, const param_source *source, const char *folder, const char *path)
{
  char *whole = NULL, *normal;
  *at = NULL;
  if (asprintf(&whole, "%s/%s", *folder == '/' ? "" : source->root, folder) < 0)
    return error_nomem();
  normal = path_normal(whole, path);
  free(whole);
  if (!normal)
    return OPIS_ENOMEM;
  size_t n = strlen(source->root);
  bool inside = strncmp(normal, source->root, n) == 0 && normal[n] == '/';
  if (inside)
    memmove(normal, normal + n + 1, strlen(normal + n + 1) + 1);
  *at = normal;
  return 0;
}

int param_file_parse(const value **out, arena *a, const char *name, const char *bytes, size_t n)
{
  const char *suffix = strrchr(path_name(name), '.');
  yaml_node *root;
  int code;
  suffix = suffix && suffix != path_name(name) ? suffix : "";
  if (strcasecmp(suffix, ".json") == 0)
    code = value_from_json(out, a, bytes, n, name);
  else if (strcasecmp(suffix, ".toml") == 0)
    code = value_from_toml(out, a, bytes, n, name);
  else if (strcasecmp(suffix, ".py") == 0)
    code = value_from_python(out, a, bytes, n, name);
  else {
    code = yaml_parse(&root, bytes, n, name);
    if (code == 0)
      code = value_from_yaml(out, a, root, name);
    yaml_node_free(root);
  }
  if (code == 0 && !value_true(*out)) {
    *out = value_new(a, VALUE_DICT);
    code = *out ? 0 : OPIS_ENOMEM;
  }
  return code;
}

int param_file_read(const value **out, arena *a, const param_source *source, const char *at)
{
  char *bytes;
  size_t n;
  int code = source->read(source->user, &bytes, &n, at);
  if (code < 0)
    return code;
  code = param_file_parse(out, a, at, bytes, n);
  free(bytes);
  return code;
}

/* ---- of a stage ---- */

/* The entry of a file; with make a new one when there is none. */
static value *keys_of(arena *a, value *files, const value *file, bool make)
{
  value *keys = (value *)(uintptr_t)value_find(files, file);
  if (!keys && make && (keys = value_new(a, VALUE_LIST)) && value_put(a, files, file, keys) < 0)
    keys = NULL;
  return keys;
}

static int add_key(arena *a, value *keys, const value *key)
{
  for (size_t i = 0; i < keys->n; i++)
    if (value_same(keys->items[i], key))
      return 0;
  return value_append(a, keys, key);
}

/* {file: keys} of a list of keys and {file: keys}. A file that is named without keys once counts as a whole. */
static int merge_files(value **out, arena *a, const value *list, const char *what)
{
  value *files = value_new(a, VALUE_DICT), *whole = value_new(a, VALUE_DICT);
  const value *normal = value_string(a, PARAMS_DEFAULT, strlen(PARAMS_DEFAULT));
  int code = files && whole && normal ? 0 : OPIS_ENOMEM;
  *out = files;
  if (list->kind != VALUE_LIST)
    return error_set(OPIS_EFORMAT, "%s: a %s where a list should be", what, value_type(list));
  for (size_t i = 0; i < list->n && code == 0; i++)
    if (list->items[i]->kind == VALUE_DICT)
      VALUE_EACH(list->items[i], k)
  if (code == 0 && !value_true(list->items[i]->items[k + 1]))
    code = value_put(a, whole, list->items[i]->items[k], normal);
  for (size_t i = 0; i < list->n && code == 0; i++) {
    const value *item = list->items[i];
    if (item->kind == VALUE_STRING) {
      value *keys = value_find(whole, normal) ? NULL : keys_of(a, files, normal, true);
      if (keys)
        code = add_key(a, keys, item);
      continue;
    }
    if (item->kind != VALUE_DICT)
      return error_set(OPIS_EFORMAT, "%s: a %s where a key, or a file with keys, should be", what, value_type(item));
    VALUE_EACH(item, k)
    {
      const value *more = item->items[k + 1];
      value *keys = keys_of(a, files, item->items[k], true);
      if (!keys)
        return OPIS_ENOMEM;
      if (item->items[k]->kind != VALUE_STRING)
        return error_set(OPIS_EFORMAT, "%s: a %s where a file should be", what, value_type(item->items[k]));
      if (value_find(whole, item->items[k]))
        continue;
      if (more->kind != VALUE_LIST)
        return error_set(OPIS_EFORMAT, "%s: the keys of '%s' are no list", what, item->items[k]->text);
      for (size_t j = 0; j < more->n && code == 0; j++)
        code = more->items[j]->kind == VALUE_STRING ? add_key(a, keys, more->items[j])
                                                    : error_set(OPIS_EFORMAT, "%s: of '%s': a %s where a key should be", what, item->items[k]->text, value_type(more->items[j]));
    }
  }
  return code;
}

int stage_params_parse(stage_params **out, size_t *n, arena *a, const value *list, const yaml_node *lock, const char *what)
{
  value *files;
  const yaml_node *locked = yaml_get(lock, "params");
  *n = 0;
  int code = merge_files(&files, a, list, what);
  *out = code == 0 ? arena_calloc(a, files->n / 2 + 1, sizeof **out) : NULL;
  if (!*out)
    return code < 0 ? code : OPIS_ENOMEM;
  VALUE_EACH(files, i)
  {
    stage_params *p = &(*out)[*n];
    *p = (stage_params){.written = files->items[i]->text, .keys = files->items[i + 1]};
    const yaml_node *known = yaml_get(locked, p->written);
    if (known && (code = value_from_yaml(&p->locked, a, known, what)) < 0)
      return code;
    ++*n;
  }
  return 0;
}

/* ---- comparing ---- */

/* A step of "a.*.b" and a key, or a place in a list: numbers match by what they count, all else as file names do. */
static bool step_matches(const char *step, const value *key, size_t index, size_t n)
{
  char text[24], *end;
  if (key && key->kind != VALUE_STRING && key->kind != VALUE_INT && key->kind != VALUE_BOOL)
    return false;
  if (key && key->kind == VALUE_STRING)
    return strpbrk(step, "*?[") ? fnmatch(step, key->text, FNM_NOESCAPE) == 0 : strcmp(step, key->text) == 0;
  int64_t number = key ? key->kind == VALUE_BOOL ? key->truth : key->integer : (int64_t)index;
  long long wanted = strtoll(step, &end, 10);
  if (end > step && !*end)
    return wanted == number || (!key && wanted < 0 && (int64_t)n + wanted == number);
  snprintf(text, sizeof text, "%lld", (long long)number);
  return fnmatch(step, text, FNM_NOESCAPE) == 0;
}

typedef struct search {
  const value *found;
  size_t n;
} search;

static void find_steps(search *s, const value *at, char *steps);

static void take(search *s, const value *item, char *rest)
{
  if (rest)
    find_steps(s, item, rest);
  else {
    s->found = item;
    s->n++;
  }
}

static void find_steps(search *s, const value *at, char *steps)
{
  char *dot = strchr(steps, '.'), *rest = dot ? dot + 1 : NULL;
  bool dict = at->kind == VALUE_DICT;
  if (dot)
    *dot = '\0';
  const value *direct = dict && !strpbrk(steps, "*?[") ? value_get(at, steps) : NULL; /* nearly always */
  if (direct)
    take(s, direct, rest);
  else if (dict || at->kind == VALUE_LIST || at->kind == VALUE_TUPLE)
    for (size_t i = 0; i < at->n && s->n < 2; i += dict ? 2 : 1)
      if (step_matches(steps, dict ? at->items[i] : NULL, i, at->n))
        take(s, at->items[i + dict], rest);
  if (dot)
    *dot = '.';
}

/* What "a.b" is in a file; *out NULL: there is no such thing. */
static int find_param(const value **out, const value *data, const value *key)
{
  search s = {0};
  *out = data;
  if (key->n == 0)
    return 0;
  if (strstr(key->text, "**"))
    return error_set(OPIS_EUNSUPPORTED, "'%s': opis does not take '**' in keys of parameters", key->text);
  char *steps = strdup(key->text);
  if (!steps)
    return error_nomem();
  find_steps(&s, data, steps + strspn(steps, "."));
  free(steps);
  *out = s.n == 1 ? s.found : NULL;
  return s.n > 1 ? error_set(OPIS_EINVALID, "'%s' stands for more than one parameter; name each", key->text) : 0;
}

/* A tuple counts as the list that dvc.lock has of it. */
static bool is_as_locked(const value *now, const value *locked)
{
  value list = *now;
  if (now->kind == VALUE_TUPLE && locked->kind == VALUE_LIST)
    list.kind = VALUE_LIST;
  return value_same(&list, locked);
}

/* The keys of a whole file: its own, then those that dvc.lock has beside. */
static int all_keys(const value **out, arena *a, const value *data, const value *locked)
{
  value *keys = value_new(a, VALUE_LIST);
  int code = keys ? 0 : OPIS_ENOMEM;
  if (data->kind != VALUE_DICT)
    return error_set(OPIS_EFORMAT, "a %s where keys with values should be", value_type(data));
  for (size_t i = 0; i < data->n && code == 0; i += 2)
    code = value_append(a, keys, data->items[i]);
  for (size_t i = 0; i < locked->n && code == 0; i += 2)
    if (!value_find(data, locked->items[i]))
      code = value_append(a, keys, locked->items[i]);
  *out = keys;
  return code;
}

int stage_params_compare(const stage_params *p, arena *a, const value *data, int (*each)(void *user, const char *key, const char *state), void *user)
{
  const value *keys = p->keys;
  bool whole = keys->n == 0;
  int code = whole ? all_keys(&keys, a, data, p->locked) : 0;
  for (size_t i = 0; code == 0 && i < keys->n; i++) {
    const value *key = keys->items[i], *now = NULL, *locked = value_find(p->locked, key);
    strbuf name = STRBUF_INIT;
    if (whole)
      now = value_find(data, key);
    else
      code = find_param(&now, data, key);
    const char *state = !now ? "deleted" : !locked ? "new" : !is_as_locked(now, locked) ? "modified" : NULL;
    if (code == 0 && state) {
      value_put_text(&name, key);
      code = strbuf_check(&name) < 0 ? error_nomem() : each(user, name.s ? name.s : "", state);
    }
    strbuf_free(&name);
  }
  return code;
}
