#include "data/stage_md5.h"

#include "data/value.h"
#include "util/error.h"

#include <string.h>

static bool listed(const char *const *list, const value *key)
{
  for (; *list; list++)
    if (value_is_text(key, *list))
      return true;
  return false;
}

/* A copy without what is not hashed. */
static const value *hashed_part(arena *a, const value *v, bool top)
{
  static const char *const nowhere[] = {"desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size", "nfiles", NULL};
  if (v->kind != VALUE_LIST && v->kind != VALUE_DICT)
    return v;
  value *out = value_new(a, v->kind);
  int code = out ? 0 : OPIS_ENOMEM;
  for (size_t i = 0; i < v->n && code == 0; i++) {
    if (v->kind == VALUE_LIST) {
      code = value_append(a, out, hashed_part(a, v->items[i], false));
      continue;
    }
    const value *key = v->items[i++];
    if (!listed(nowhere, key) && !(top && (value_is_text(key, "md5") || (value_is_text(key, "wdir") && value_is_text(v->items[i], ".")))))
      code = value_put(a, out, key, hashed_part(a, v->items[i], false));
  }
  return code < 0 ? NULL : out;
}

int stage_md5(char hex[MD5_HEX], const stage *s)
{
  yaml_node *root;
  uint8_t digest[MD5_SIZE];
  arena memory = ARENA_INIT;
  strbuf text = STRBUF_INIT;
  const value *all = NULL;
  int code = yaml_parse(&root, s->text.s, s->text.n, s->file);
  if (code == 0)
    code = value_from_yaml(&all, &memory, root, s->file);
  yaml_node_free(root);
  if (code == 0)
    code = (all = hashed_part(&memory, all, true)) ? 0 : OPIS_ENOMEM;
  if (code == 0) {
    value_put_json(&text, all);
    code = strbuf_check(&text) < 0 ? error_nomem() : 0;
  }
  if (code == 0) {
    md5_bytes(digest, text.s, text.n);
    md5_to_hex(hex, digest);
  }
  strbuf_free(&text);
  arena_free(&memory);
  return code;
}

int stage_is_edited(bool *edited, const stage *s)
{
  char now[MD5_HEX];
  *edited = !s->name && s->md5;
  if (s->name || !stage_is_import(s))
    return 0;
  int code = stage_md5(now, s);
  *edited = code == 0 && (!s->md5 || strcmp(s->md5, now) != 0);
  return code;
}

int stage_put_md5(stage *s, bool first)
{
  char md5[MD5_HEX];
  strbuf b = STRBUF_INIT, quoted = STRBUF_INIT;
  if (!stage_is_import(s))
    return yaml_set(&s->text, (const char *const[]){NULL}, "md5", NULL, s->file);
  int code = stage_md5(md5, s);
  if (code == 0)
    code = yaml_put_string(&quoted, md5, 4, 2);
  if (code == 0 && first) {
    strbuf_printf(&b, "md5:%s\n%s", quoted.s, s->text.s);
    code = strbuf_check(&b);
    if (code == 0) {
      strbuf_free(&s->text);
      s->text = b;
    } else
      strbuf_free(&b);
  } else if (code == 0)
    code = yaml_set(&s->text, (const char *const[]){NULL}, "md5", quoted.s + 1, s->file);
  strbuf_free(&quoted);
  return code;
}
