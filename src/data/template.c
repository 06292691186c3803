#include "data/template.h"

#include "data/repo.h"
#include "util/error.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- scopes ---- */

int template_open(template_scope *s, arena *memory, const param_source *source)
{
  *s = (template_scope){.memory = memory, .source = source, .values = value_new(memory, VALUE_DICT)};
  return s->values ? 0 : OPIS_ENOMEM;
}

/* Dicts anew, since more may be merged into them, without keys that no expression could name. */
static int adopt(const value **out, arena *a, const value *v, const char *what)
{
  int code = 0;
  *out = v;
  if (v->kind == VALUE_TIME || v->kind == VALUE_TUPLE)
    return error_set(OPIS_EFORMAT, "%s: a %s is no value that DVC takes in templates; write it as a %s", what, value_type(v), v->kind == VALUE_TIME ? "quoted string" : "list");
  if (v->kind != VALUE_DICT && v->kind != VALUE_LIST)
    return 0;
  value *copy = value_new(a, v->kind);
  if (!copy)
    return OPIS_ENOMEM;
  for (size_t i = 0; i < v->n && code == 0; i++) {
    const value *key = v->kind == VALUE_DICT ? v->items[i++] : NULL, *item;
    if (key && key->kind != VALUE_STRING)
      continue;
    code = adopt(&item, a, v->items[i], what);
    if (code == 0)
      code = key ? value_put(a, copy, key, item) : value_append(a, copy, item);
  }
  *out = copy;
  return code;
}

int template_copy(template_scope *to, const template_scope *from)
{
  const value *values;
  *to = *from;
  int code = adopt(&values, from->memory, from->values, "vars");
  to->values = (value *)(uintptr_t)values;
  if (code == 0 && from->n_files) {
    to->files = arena_alloc(from->memory, from->n_files * sizeof *to->files);
    if (!to->files)
      return OPIS_ENOMEM;
    memcpy(to->files, from->files, from->n_files * sizeof *to->files);
  }
  return code;
}

int template_set_item(template_scope *s, const value *item, const value *key)
{
  s->key = key;
  return adopt(&s->item, s->memory, item, "foreach");
}

static int merge(template_scope *s, value *into, const value *from, const char *what)
{
  int code = 0;
  VALUE_EACH(from, i)
  {
    const value *key = from->items[i], *known = value_find(into, key);
    if (into == s->values && ((s->item && value_is_text(key, "item")) || (s->key && value_is_text(key, "key"))))
      return error_set(OPIS_EINVALID, "%s: '%s' is what the loop goes through; use another name", what, key->text);
    if (known && known->kind == VALUE_DICT && from->items[i + 1]->kind == VALUE_DICT)
      code = merge(s, (value *)(uintptr_t)known, from->items[i + 1], what);
    else if (known)
      code = error_set(OPIS_EINVALID, "%s: '%s' has a value from elsewhere already; keep one of them", what, key->text);
    else
      code = value_put(s->memory, into, key, from->items[i + 1]);
    if (code < 0)
      return code;
  }
  return 0;
}

static bool shares_key(const value *a, const value *b)
{
  for (size_t i = 0; i < a->n; i++)
    for (size_t k = 0; k < b->n; k++)
      if (value_same(a->items[i], b->items[k]))
        return true;
  return false;
}

/* "a,,b" as a list; NULL: no key. */
static int split_keys(const value **out, arena *a, const char *s)
{
  value *list = value_new(a, VALUE_LIST);
  int code = list ? 0 : OPIS_ENOMEM;
  while (*s && code == 0) {
    size_t n = strcspn(s, ",");
    if (n)
      code = value_append(a, list, value_string(a, s, n));
    s += n + (s[n] == ',');
  }
  *out = list && list->n ? list : NULL;
  return code;
}

static int select_keys(const value **data, arena *a, const value *keys, const char *what)
{
  value *some = value_new(a, VALUE_DICT);
  int code = some ? 0 : OPIS_ENOMEM;
  for (size_t i = 0; i < keys->n && code == 0; i++) {
    const value *found = value_find(*data, keys->items[i]);
    code = found ? value_put(a, some, keys->items[i], found) : error_set(OPIS_EINVALID, "%s: the file has no key '%s'", what, keys->items[i]->text);
  }
  *data = some;
  return code;
}

static struct template_file *file_of(const template_scope *s, const char *path)
{
  for (size_t i = 0; i < s->n_files; i++)
    if (strcmp(s->files[i].path, path) == 0)
      return &s->files[i];
  return NULL;
}

static int remember(template_scope *s, struct template_file *known, const char *path, const value *keys)
{
  if (known) { /* more keys of it */
    value *all = value_new(s->memory, VALUE_LIST);
    int code = all ? 0 : OPIS_ENOMEM;
    for (size_t i = 0; i < known->keys->n + keys->n && code == 0; i++)
      code = value_append(s->memory, all, i < known->keys->n ? known->keys->items[i] : keys->items[i - known->keys->n]);
    known->keys = all;
    return code;
  }
  struct template_file *larger = arena_alloc(s->memory, (s->n_files + 1) * sizeof *larger);
  char *copy = arena_strdup(s->memory, path);
  if (!larger || !copy)
    return OPIS_ENOMEM;
  if (s->n_files)
    memcpy(larger, s->files, s->n_files * sizeof *larger);
  larger[s->n_files++] = (struct template_file){copy, keys};
  s->files = larger;
  return 0;
}

/* "file" or "file:key,key". optional: where there is no such file, nothing is loaded. */
static int load_file(template_scope *s, const char *item, const char *folder, bool optional)
{
  size_t n = strcspn(item, ":");
  char *path = strndup(item, n), *at = NULL;
  const value *keys = NULL, *data = NULL, *own = NULL;
  if (!path)
    return error_nomem();
  int code = split_keys(&keys, s->memory, item[n] ? item + n + 1 : "");
  if (code == 0)
    code = param_file_locate(&at, s->source, folder, path);
  struct template_file *known = code == 0 ? file_of(s, at) : NULL;
  bool again = known && !keys && !known->keys;
  if (code == 0 && known && !again && (!keys || !known->keys || shares_key(keys, known->keys)))
    code = error_set(OPIS_EINVALID, "%s: the file, or a part of it, is loaded already; name it once", item);
  if (code == 0 && !again) {
    code = param_file_read(&data, s->memory, s->source, at);
    if (code == OPIS_ENOTFOUND && optional)
      again = true;
    else if (code == OPIS_ENOTFOUND)
      code = error_set(OPIS_EINVALID, "%s: there is no such file; take it out of vars, or bring it", item);
    code = again ? 0 : code;
  }
  if (code == 0 && !again && data->kind != VALUE_DICT)
    code = error_set(OPIS_EFORMAT, "%s: the file has a %s where keys with values should be", item, value_type(data));
  if (code == 0 && !again && keys)
    code = select_keys(&data, s->memory, keys, item);
  if (code == 0 && !again)
    code = adopt(&own, s->memory, data, item);
  if (code == 0 && !again)
    code = merge(s, s->values, own, item);
  if (code == 0 && !again)
    code = remember(s, known, at, keys);
  free(path);
  free(at);
  return code;
}

int template_load(template_scope *s, const value *vars, const char *folder, bool default_too)
{
  int code = default_too ? load_file(s, PARAMS_DEFAULT, folder, true) : 0;
  for (size_t i = 0; vars && i < vars->n && code == 0; i++) {
    const value *v = vars->items[i], *own;
    char what[32];
    snprintf(what, sizeof what, "vars[%zu]", i);
    if (template_is_used(v))
      code = error_set(OPIS_EINVALID, "%s: ${…} has no place in vars", what);
    else if (v->kind == VALUE_STRING)
      code = load_file(s, v->text, folder, false);
    else if (v->kind == VALUE_DICT) {
      code = adopt(&own, s->memory, v, what);
      if (code == 0)
        code = merge(s, s->values, own, what);
    } else
      code = error_set(OPIS_EFORMAT, "%s: a %s where a file or a mapping should be", what, value_type(v));
  }
  return code;
}

/* ---- expressions ---- */

/* The next ${…} from p on: *inner with its n bytes; where it begins, NULL for none. */
static const char *next_expression(const char *s, const char *p, const char **inner, size_t *n)
{
  for (; (p = strstr(p, "${")); p++) {
    if (p > s && p[-1] == '\\')
      continue;
    *n = strcspn(p + 2, "}\n");
    if (p[2 + *n] != '}')
      continue;
    *inner = p + 2;
    return p;
  }
  return NULL;
}

static size_t space(const char *s, const char *end)
{
  size_t n = 0;
  while (s + n < end && strchr(" \t\r\n", s[n]) && s[n])
    n++;
  return n;
}

/* One step of "a.b[0].c": the word; *p moves behind it. false: no such step. */
static bool next_step(const char **p, const char *end, bool first, const char **word, size_t *n)
{
  const char *s = *p;
  char opened = 0;
  if (!first) {
    s += space(s, end);
    if (s == end || (*s != '.' && *s != '['))
      return false;
    opened = *s++;
  }
  *word = s;
  while (s < end && *s != '.' && *s != '[' && *s != ']')
    s++;
  *n = (size_t)(s - *word);
  if (*n == 0 || (opened == '[' && (s == end || *s != ']')))
    return false;
  *p = s + (opened == '[');
  return true;
}

static bool is_well_formed(const char *inner, size_t n)
{
  const char *p = inner, *end = inner + n, *word;
  size_t length;
  if (!next_step(&p, end, true, &word, &length))
    return false;
  while (p + space(p, end) < end)
    if (!next_step(&p, end, false, &word, &length))
      return false;
  return true;
}

static int malformed(const char *inner, size_t n)
{
  return error_set(OPIS_EINVALID, "'${%.*s}' is no expression; what can stand there looks like 'a.b[0].c'", n > 200 ? 200 : (int)n, inner);
}

/* Python's int(s), for lists: "-1" counts from the end. */
static bool to_index(const char *s, size_t n, size_t items, size_t *index)
{
  bool negative = n && *s == '-';
  size_t at = 0, i = n && (*s == '-' || *s == '+');
  bool good = i < n && s[n - 1] != '_' && s[i] != '_';
  for (; i < n && good; i++) {
    if (s[i] == '_') {
      good = s[i - 1] != '_';
      continue;
    }
    good = s[i] >= '0' && s[i] <= '9' && at < SIZE_MAX / 16;
    at = at * 10 + (size_t)(s[i] - '0');
  }
  if (!good || (negative ? at > items : at >= items))
    return false;
  *index = negative && at ? items - at : at;
  return *index < items;
}

static const value *step_into(const template_scope *s, const value *at, const char *word, size_t n)
{
  size_t index;
  size_t before = space(word, word + n);
  word += before;
  n -= before;
  while (n && strchr(" \t\r\n", word[n - 1]))
    n--;
  if (at->kind == VALUE_LIST)
    return to_index(word, n, at->n, &index) ? at->items[index] : NULL;
  if (at == s->values && s->item && n == 4 && memcmp(word, "item", 4) == 0)
    return s->item;
  if (at == s->values && s->key && n == 3 && memcmp(word, "key", 3) == 0)
    return s->key;
  return value_find(at, &(value){.kind = VALUE_STRING, .n = n, .text = word});
}

static int look_up(const value **out, const template_scope *s, const char *inner, size_t n)
{
  const char *p = inner, *end = inner + n, *word;
  size_t length;
  const value *at = s->values;
  if (!is_well_formed(inner, n))
    return malformed(inner, n);
  for (bool first = true; at && next_step(&p, end, first, &word, &length); first = false)
    at = step_into(s, at, word, length);
  *out = at;
  return at ? 0 : error_set(OPIS_EINVALID, "no value for '${%.*s}' in parameter files and vars; add one, or correct the name", n > 200 ? 200 : (int)n, inner);
}

/* ---- values in strings ---- */

void template_put(strbuf *b, const value *v)
{
  if (v->kind == VALUE_BOOL)
    strbuf_puts(b, v->truth ? "true" : "false");
  else
    value_put_text(b, v);
}

/* For a shell, as Python's shlex.quote. */
static void put_word(strbuf *b, const value *v)
{
  static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (v->kind != VALUE_STRING)
    value_put_text(b, v);
  else if (v->n && strspn(v->text, safe) == v->n)
    strbuf_puts(b, v->text);
  else {
    strbuf_putc(b, '\'');
    for (size_t i = 0; i < v->n; i++)
      if (v->text[i] == '\'')
        strbuf_puts(b, "'\"'\"'");
      else
        strbuf_putc(b, v->text[i]);
    strbuf_putc(b, '\'');
  }
}

typedef struct options {
  bool no_options; /* --no-NAME for what is false */
  bool each;       /* --NAME before each item of a list */
} options;

/* "--a.b 1 --list 1 2 " of {a: {b: 1}, list: [1, 2]}. */
static int put_options(strbuf *b, const value *dict, const char *above, const options *o)
{
  int code = 0;
  VALUE_EACH(dict, i)
  {
    const value *v = dict->items[i + 1];
    strbuf name = STRBUF_INIT;
    strbuf_puts(&name, above);
    value_put_text(&name, dict->items[i]);
    if (v->kind == VALUE_DICT) {
      strbuf_putc(&name, '.');
      code = strbuf_check(&name) < 0 ? error_nomem() : put_options(b, v, name.s, o);
    } else if (v->kind == VALUE_BOOL) {
      if (v->truth || o->no_options)
        strbuf_printf(b, "--%s%s ", v->truth ? "" : "no-", name.s ? name.s : "");
    } else if (v->kind == VALUE_LIST)
      for (size_t k = 0; k < v->n && code == 0; k++) {
        if (v->items[k]->kind == VALUE_LIST || v->items[k]->kind == VALUE_DICT)
          code = error_set(OPIS_EINVALID, "'%s' has a %s in a list, which is no option of a command", name.s ? name.s : "", value_type(v->items[k]));
        if (k == 0 || o->each)
          strbuf_printf(b, "--%s ", name.s ? name.s : "");
        put_word(b, v->items[k]);
        strbuf_putc(b, ' ');
      }
    else {
      strbuf_printf(b, "--%s ", name.s ? name.s : "");
      put_word(b, v);
      strbuf_putc(b, ' ');
    }
    b->failed |= name.failed;
    strbuf_free(&name);
    if (code < 0)
      return code;
  }
  return 0;
}

static bool setting_is(const template_scope *s, const char *key, const char *wanted)
{
  const char *set = s->source && s->source->config ? config_get(s->source->config, "parsing", "", key) : NULL;
  return set && strcmp(set, wanted) == 0;
}

static int put_dict(strbuf *b, const template_scope *s, const value *dict)
{
  strbuf own = STRBUF_INIT;
  options o = {setting_is(s, "bool", "boolean_optional"), setting_is(s, "list", "append")};
  int code = put_options(&own, dict, "", &o);
  while (own.n && own.s[own.n - 1] == ' ')
    own.n--;
  if (code == 0 && own.n)
    strbuf_append(b, own.s, own.n);
  b->failed |= own.failed;
  strbuf_free(&own);
  return code;
}

/* Whether a value of this type may be put in. */
static int check_type(const value *v, const char *key)
{
  bool simple = v->kind != VALUE_LIST && v->kind != VALUE_DICT;
  if (simple || !key || (v->kind == VALUE_DICT && strcmp(key, "cmd") == 0))
    return 0;
  return error_set(OPIS_EINVALID, "a %s has no place there; name a value in it", value_type(v));
}

/* "\${" is "${", wherever it comes from. */
static void take_escapes_out(strbuf *b)
{
  size_t n = 0;
  for (size_t i = 0; i < b->n; i++)
    if (!(b->s[i] == '\\' && b->s[i + 1] == '$' && b->s[i + 2] == '{'))
      b->s[n++] = b->s[i];
  b->n = n;
}

bool template_is_whole(const value *v)
{
  const char *inner;
  size_t n;
  return v->kind == VALUE_STRING && next_expression(v->text, v->text, &inner, &n) == v->text && !inner[n + 1];
}

static int resolve_string(const value **out, const template_scope *s, const value *v, const char *key)
{
  const char *inner, *p = v->text, *from = p;
  size_t n;
  int code = 0;
  strbuf b = STRBUF_INIT;
  *out = v;
  if (!strstr(p, "${"))
    return 0;
  if (template_is_whole(v)) {
    next_expression(p, p, &inner, &n);
    code = look_up(out, s, inner, n);
    if (code == 0)
      code = check_type(*out, key);
    return code < 0 ? error_prefix(code, "%.200s", v->text) : 0;
  }
  while (code == 0 && (p = next_expression(v->text, p, &inner, &n))) {
    const value *found;
    strbuf_append(&b, from, (size_t)(p - from));
    code = look_up(&found, s, inner, n);
    if (code == 0)
      code = check_type(found, key);
    if (code == 0 && found->kind == VALUE_DICT)
      code = put_dict(&b, s, found);
    else if (code == 0)
      template_put(&b, found);
    from = p = inner + n + 1;
  }
  if (code == 0) {
    strbuf_puts(&b, from);
    if (strbuf_check(&b) == 0)
      take_escapes_out(&b);
    *out = strbuf_check(&b) < 0 ? NULL : value_string(s->memory, b.s ? b.s : "", b.n);
    code = *out ? 0 : error_nomem();
  } else
    error_prefix(code, "%.200s", v->text);
  strbuf_free(&b);
  return code;
}

int template_resolve(const value **out, const template_scope *s, const value *v, const char *key)
{
  *out = v;
  if (v->kind == VALUE_STRING)
    return resolve_string(out, s, v, key);
  if (v->kind != VALUE_LIST && v->kind != VALUE_DICT)
    return 0;
  value *copy = value_new(s->memory, v->kind);
  int code = copy ? 0 : OPIS_ENOMEM;
  for (size_t i = 0; i < v->n && code == 0; i++) {
    const value *name = NULL, *item;
    if (v->kind == VALUE_DICT)
      code = template_resolve(&name, s, v->items[i++], key);
    if (code == 0)
      code = template_resolve(&item, s, v->items[i], key);
    if (code == 0)
      code = name ? value_put(s->memory, copy, name, item) : value_append(s->memory, copy, item);
  }
  *out = copy;
  return code;
}

int template_check(const value *v)
{
  const char *inner;
  size_t n;
  int code = 0;
  if (v->kind == VALUE_STRING) {
    for (const char *p = v->text; code == 0 && (p = next_expression(v->text, p, &inner, &n)); p = inner + n + 1)
      code = is_well_formed(inner, n) ? 0 : malformed(inner, n);
  } else if (v->kind == VALUE_LIST || v->kind == VALUE_DICT)
    for (size_t i = 0; i < v->n && code == 0; i++)
      code = template_check(v->items[i]);
  return code;
}

bool template_is_used(const value *v)
{
  const char *inner;
  size_t n;
  bool used = v->kind == VALUE_STRING && next_expression(v->text, v->text, &inner, &n);
  if (v->kind == VALUE_LIST || v->kind == VALUE_DICT)
    for (size_t i = 0; i < v->n && !used; i++)
      used = template_is_used(v->items[i]);
  return used;
}
