#include "data/stage_md5.h"

#include "util/error.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 32 };

static bool listed(const char *const *list, const char *key)
{
  for (; *list; list++)
    if (strcmp(*list, key) == 0)
      return true;
  return false;
}

static json_t *scalar(const yaml_node *n)
{
  if (n->plain) {
    if (n->length == 0 || strcmp(n->text, "null") == 0 || strcmp(n->text, "~") == 0)
      return json_null();
    if (strcmp(n->text, "true") == 0 || strcmp(n->text, "True") == 0)
      return json_true();
    if (strcmp(n->text, "false") == 0 || strcmp(n->text, "False") == 0)
      return json_false();
    size_t digits = strspn(n->text, "0123456789");
    if (digits == n->length && digits < 18 && (n->text[0] != '0' || digits == 1))
      return json_integer(atoll(n->text));
  }
  return json_stringn(n->text, n->length);
}

static json_t *convert(const yaml_node *n, int depth)
{
  static const char *const nowhere[] = {"desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size", "nfiles", NULL};
  static const char *const not_on_top[] = {"md5", NULL};
  if (!n || depth > DEEPEST)
    return n ? NULL : json_null();
  if (n->kind == YAML_SCALAR)
    return scalar(n);
  json_t *out = n->kind == YAML_MAPPING ? json_object() : json_array();
  for (size_t i = 0; out && i < n->n; i++) {
    if (n->kind == YAML_SEQUENCE) {
      if (json_array_append_new(out, convert(n->items[i], depth + 1)) == 0)
        continue;
    } else {
      const yaml_node *key = n->items[i++];
      if (i >= n->n || key->kind != YAML_SCALAR || listed(nowhere, key->text) || (depth == 0 && listed(not_on_top, key->text)) ||
        (depth == 0 && strcmp(key->text, "wdir") == 0 && n->items[i]->kind == YAML_SCALAR && strcmp(n->items[i]->text, ".") == 0))
        continue;
      if (json_object_setn_new(out, key->text, key->length, convert(n->items[i], depth + 1)) == 0)
        continue;
    }
    json_decref(out);
    return NULL;
  }
  return out;
}

int stage_md5(char hex[MD5_HEX], const stage *s)
{
  yaml_node *root;
  uint8_t digest[MD5_SIZE];
  int code = yaml_parse(&root, s->text.s, s->text.n, s->file);
  if (code < 0)
    return code;
  json_t *all = convert(root, 0);
  yaml_node_free(root);
  char *text = all ? json_dumps(all, JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_ENCODE_ANY) : NULL;
  json_decref(all);
  if (!text)
    return error_set(OPIS_EFORMAT, "%s: its content cannot be hashed", s->file);
  for (char *p = text; *p; p++) { /* Python writes \u00e9, jansson \u00E9 */
    if (*p != '\\' || !p[1])
      continue;
    if (p[1] == 'u')
      for (int i = 2; i < 6 && p[i]; i++)
        p[i] = (char)tolower((unsigned char)p[i]);
    p++;
  }
  md5_bytes(digest, text, strlen(text));
  free(text);
  md5_to_hex(hex, digest);
  return 0;
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
