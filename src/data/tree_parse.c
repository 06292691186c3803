/* Reading directory objects: the JSON that DVC writes, and any other JSON that says the same. */
#include "data/tree.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64 };

typedef struct reader {
  const char *p, *end;
  const char *what;
  strbuf text, key;
} reader;

static int broken(reader *r, const char *why)
{
  return error_set(OPIS_EFORMAT, "%s: not a directory object: %s", r->what, why);
}

static void space(reader *r)
{
  while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
    r->p++;
}

static bool take(reader *r, char c)
{
  space(r);
  if (r->p >= r->end || *r->p != c)
    return false;
  r->p++;
  return true;
}

static int hex4(reader *r, uint32_t *v)
{
  *v = 0;
  if (r->end - r->p < 4)
    return broken(r, "a cut escape");
  for (int i = 0; i < 4; i++) {
    char c = *r->p++;
    uint32_t d = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10) : 16;
    if (d == 16)
      return broken(r, "a bad escape");
    *v = *v << 4 | d;
  }
  return 0;
}

static void put_code_point(strbuf *b, uint32_t v)
{
  if (v < 0x80)
    strbuf_putc(b, (char)v);
  else if (v < 0x800)
    strbuf_append(b, (char[]){(char)(0xC0 | v >> 6), (char)(0x80 | (v & 0x3F))}, 2);
  else if (v < 0x10000)
    strbuf_append(b, (char[]){(char)(0xE0 | v >> 12), (char)(0x80 | (v >> 6 & 0x3F)), (char)(0x80 | (v & 0x3F))}, 3);
  else
    strbuf_append(b, (char[]){(char)(0xF0 | v >> 18), (char)(0x80 | (v >> 12 & 0x3F)), (char)(0x80 | (v >> 6 & 0x3F)), (char)(0x80 | (v & 0x3F))}, 4);
}

static int escape(reader *r, strbuf *b)
{
  static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  uint32_t v, low;
  if (r->p >= r->end)
    return broken(r, "a cut string");
  char c = *r->p++;
  const char *at = c ? strchr(letters, c) : NULL;
  if (at) {
    strbuf_putc(b, meant[at - letters]);
    return 0;
  }
  if (c != 'u' || hex4(r, &v) < 0)
    return broken(r, "a bad escape");
  if (v >= 0xD800 && v <= 0xDBFF) {
    if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
      return broken(r, "half a surrogate pair");
    r->p += 2;
    if (hex4(r, &low) < 0 || low < 0xDC00 || low > 0xDFFF)
      return broken(r, "half a surrogate pair");
    v = 0x10000 + ((v - 0xD800) << 10) + (low - 0xDC00);
  } else if (v >= 0xDC80 && v <= 0xDCFF) { /* Python's way of writing a byte that is not UTF-8 */
    strbuf_putc(b, (char)(v & 0xFF));
    return 0;
  } else if (v >= 0xDC00 && v <= 0xDFFF)
    return broken(r, "half a surrogate pair");
  put_code_point(b, v);
  return 0;
}

static int string(reader *r, strbuf *b)
{
  strbuf_reset(b);
  if (!take(r, '"'))
    return broken(r, "a string is missing");
  for (;;) {
    const char *start = r->p;
    while (r->p < r->end && *r->p != '"' && *r->p != '\\')
      r->p++;
    strbuf_append(b, start, (size_t)(r->p - start));
    if (r->p >= r->end)
      return broken(r, "it is cut short");
    if (*r->p++ == '"')
      return strbuf_check(b) < 0 ? error_nomem() : 0;
    int code = escape(r, b);
    if (code < 0)
      return code;
  }
}

/* Any value, thrown away: other programs may add keys. */
static int skip(reader *r, int depth)
{
  space(r);
  if (r->p >= r->end || depth > DEEPEST)
    return broken(r, "it is cut short");
  if (*r->p == '"')
    return string(r, &r->text);
  if (*r->p == '{' || *r->p == '[') {
    char close = *r->p++ == '{' ? '}' : ']';
    if (take(r, close))
      return 0;
    do {
      if (close == '}' && (string(r, &r->text) < 0 || !take(r, ':')))
        return broken(r, "a key is missing");
      int code = skip(r, depth + 1);
      if (code < 0)
        return code;
    } while (take(r, ','));
    return take(r, close) ? 0 : broken(r, "a bracket is missing");
  }
  const char *start = r->p;
  while (r->p < r->end && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzEINaf", *r->p) && *r->p)
    r->p++;
  return r->p > start ? 0 : broken(r, "a value is missing");
}

static bool name_is_safe(const char *s, size_t n)
{
  if (n == 0 || s[0] == '/' || s[n - 1] == '/' || memchr(s, '\0', n))
    return false;
  for (size_t i = 0; i < n;) {
    const char *slash = memchr(s + i, '/', n - i);
    size_t part = slash ? (size_t)(slash - s) - i : n - i;
    if (part == 0 || (part == 1 && s[i] == '.') || (part == 2 && s[i] == '.' && s[i + 1] == '.'))
      return false;
    i += part + 1;
  }
  return true;
}

static int object(reader *r, tree_each *each, void *user)
{
  uint8_t md5[MD5_SIZE];
  bool hashed = false, named = false;
  strbuf path = STRBUF_INIT;
  int code = 0;
  if (!take(r, '{'))
    return broken(r, "an entry is no object");
  if (!take(r, '}')) {
    do {
      code = string(r, &r->key);
      if (code == 0 && !take(r, ':'))
        code = broken(r, "a colon is missing");
      if (code < 0)
        break;
      if (r->key.n == 3 && memcmp(r->key.s, "md5", 3) == 0) {
        code = string(r, &r->text);
        if (code == 0 && !md5_from_hex(md5, r->text.s ? r->text.s : "", r->text.n))
          code = broken(r, "an md5 is none");
        hashed = true;
      } else if (r->key.n == 7 && memcmp(r->key.s, "relpath", 7) == 0) {
        code = string(r, &path);
        named = true;
      } else
        code = skip(r, 0);
    } while (code == 0 && take(r, ','));
    if (code == 0 && !take(r, '}'))
      code = broken(r, "a bracket is missing");
  }
  if (code == 0 && (!hashed || !named))
    code = broken(r, hashed ? "an entry has no relpath" : "an entry has no md5");
  if (code == 0 && !name_is_safe(path.s ? path.s : "", path.n))
    code = error_set(OPIS_EFORMAT, "%s: refused: the name '%s' leads out of the folder", r->what, path.s ? path.s : "");
  if (code == 0)
    code = each(user, path.s, path.n, md5);
  strbuf_free(&path);
  return code;
}

int tree_parse_each(const char *bytes, size_t n, const char *what, tree_each *each, void *user)
{
  reader r = {bytes, bytes + n, what, STRBUF_INIT, STRBUF_INIT};
  int code = 0;
  if (!take(&r, '['))
    code = broken(&r, "it is no list");
  else if (!take(&r, ']')) {
    do
      code = object(&r, each, user);
    while (code == 0 && take(&r, ','));
    if (code == 0 && !take(&r, ']'))
      code = broken(&r, "a bracket is missing");
  }
  space(&r);
  if (code == 0 && r.p != r.end)
    code = broken(&r, "something follows its end");
  strbuf_free(&r.text);
  strbuf_free(&r.key);
  return code;
}

int tree_collect(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  tree_entry *e = tree_add(user, path, n);
  if (!e)
    return OPIS_ENOMEM;
  memcpy(e->md5, md5, MD5_SIZE);
  e->flags = TREE_HASHED;
  return 0;
}

/* Whatever lies between "a" and "a/b" begins with "a": so of all names before, only those that a name begins with can be folders of it. */
int tree_names_next(tree_names *s, const char *path, size_t n, const char *what, bool *sorted)
{
  size_t same = 0;
  bool first = s->n == 0;
  while (!first && same < n && same < s->before.n && path[same] == s->before.s[same])
    same++;
  *sorted = true;
  if (!first && same == n && same == s->before.n)
    return error_set(OPIS_EFORMAT, "%s: the name '%s' comes twice", what, path);
  if (!first && tree_compare_paths(s->before.s, path) > 0) {
    *sorted = false;
    return 0;
  }
  while (s->n && s->lengths[s->n - 1] > same)
    s->n--;
  if (s->n && s->lengths[s->n - 1] == same && path[same] == '/')
    return error_set(OPIS_EFORMAT, "%s: '%.*s' is both a file and a folder", what, (int)same, path);
  if (s->n == s->capacity) {
    size_t capacity = s->capacity ? s->capacity * 2 : 16;
    size_t *larger = realloc(s->lengths, capacity * sizeof *larger);
    if (!larger)
      return error_nomem();
    s->lengths = larger;
    s->capacity = capacity;
  }
  s->lengths[s->n++] = n;
  strbuf_reset(&s->before);
  strbuf_append(&s->before, path, n);
  return strbuf_check(&s->before) < 0 ? error_nomem() : 0;
}

void tree_names_free(tree_names *s)
{
  strbuf_free(&s->before);
  free(s->lengths);
  *s = (tree_names)TREE_NAMES_INIT;
}

int tree_finish(tree *t, const char *what)
{
  tree_names names = TREE_NAMES_INIT;
  bool sorted;
  int code = 0;
  tree_sort(t);
  for (size_t i = 0; i < t->n && code == 0; i++)
    code = tree_names_next(&names, t->entries[i].path, strlen(t->entries[i].path), what, &sorted);
  tree_names_free(&names);
  if (code < 0)
    tree_free(t);
  return code;
}

int tree_parse(tree *t, const char *bytes, size_t n, const char *what)
{
  *t = (tree)TREE_INIT;
  int code = tree_parse_each(bytes, n, what, tree_collect, t);
  if (code < 0)
    tree_free(t);
  return code < 0 ? code : tree_finish(t, what);
}
