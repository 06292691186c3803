#include "captions/json_scan.h"

#include <string.h>

void json_start(json_scan *j, const char *bytes, size_t size)
{
  *j = (json_scan){bytes, bytes + size, bytes, 1, NULL, true};
}

uint64_t json_line(json_scan *j)
{
  for (const char *q; (q = memchr(j->counted, '\n', (size_t)(j->p - j->counted))); j->counted = q + 1)
    j->line++;
  return j->line;
}

static int fail(json_scan *j, const char *why)
{
  if (!j->error)
    j->error = why;
  return JSON_ERROR;
}

static void space(json_scan *j)
{
  while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r'))
    j->p++;
}

int json_peek(json_scan *j)
{
  if (j->error)
    return JSON_ERROR;
  space(j);
  if (j->p == j->end)
    return 0;
  switch (*j->p) {
  case '{':
  case '[':
  case '"':
  case 't':
  case 'f':
  case 'n': return *j->p;
  default: return *j->p == '-' || (*j->p >= '0' && *j->p <= '9') ? '0' : fail(j, "a character that begins no value");
  }
}

void json_enter(json_scan *j)
{
  if (!j->error)
    j->p++;
  j->first = true;
}

/* The comma or the end of a list. 1: an item follows. */
static int next(json_scan *j, char end)
{
  if (j->error)
    return JSON_ERROR;
  space(j);
  if (j->p == j->end)
    return fail(j, "the file ends inside a list or object");
  if (*j->p == end) {
    j->p++;
    j->first = false;
    return 0;
  }
  if (!j->first) {
    if (*j->p != ',')
      return fail(j, "no comma between two items");
    j->p++;
    space(j);
    if (j->p == j->end)
      return fail(j, "the file ends inside a list or object");
  }
  j->first = false;
  return 1;
}

int json_item(json_scan *j)
{
  return next(j, ']');
}

int json_key(json_scan *j, strbuf *key)
{
  int more = next(j, '}');
  if (more != 1)
    return more;
  if (*j->p != '"')
    return fail(j, "a key that is no string");
  if (json_read_text(j, key) < 0)
    return JSON_ERROR;
  space(j);
  if (j->p == j->end || *j->p != ':')
    return fail(j, "no colon behind a key");
  j->p++;
  return 1;
}

static int hex4(json_scan *j, unsigned *value)
{
  if (j->end - j->p < 4)
    return fail(j, "a cut \\u escape");
  *value = 0;
  for (int i = 0; i < 4; i++) {
    char c = *j->p++;
    unsigned digit;
    if (c >= '0' && c <= '9')
      digit = (unsigned)(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = (unsigned)(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      digit = (unsigned)(c - 'A') + 10;
    else
      return fail(j, "a \\u escape that is not hexadecimal");
    *value = *value << 4 | digit;
  }
  return 0;
}

static void put_code_point(strbuf *out, unsigned c)
{
  if (c < 0x80)
    strbuf_putc(out, (char)c);
  else if (c < 0x800) {
    strbuf_putc(out, (char)(0xC0 | c >> 6));
    strbuf_putc(out, (char)(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    strbuf_putc(out, (char)(0xE0 | c >> 12));
    strbuf_putc(out, (char)(0x80 | (c >> 6 & 0x3F)));
    strbuf_putc(out, (char)(0x80 | (c & 0x3F)));
  } else {
    strbuf_putc(out, (char)(0xF0 | c >> 18));
    strbuf_putc(out, (char)(0x80 | (c >> 12 & 0x3F)));
    strbuf_putc(out, (char)(0x80 | (c >> 6 & 0x3F)));
    strbuf_putc(out, (char)(0x80 | (c & 0x3F)));
  }
}

static int escape(json_scan *j, strbuf *out)
{
  if (j->p == j->end)
    return fail(j, "the file ends inside a string");
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  char c = *j->p++;
  const char *known = memchr(from, c, sizeof from - 1);
  if (known) {
    strbuf_putc(out, to[known - from]);
    return 0;
  }
  if (c != 'u')
    return fail(j, "an unknown escape in a string");
  unsigned high, low;
  if (hex4(j, &high) < 0)
    return JSON_ERROR;
  if (high >= 0xD800 && high < 0xDC00 && j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u') {
    const char *back = j->p;
    j->p += 2;
    if (hex4(j, &low) < 0)
      return JSON_ERROR;
    if (low >= 0xDC00 && low < 0xE000)
      high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    else
      j->p = back;
  }
  put_code_point(out, high);
  return 0;
}

int json_read_text(json_scan *j, strbuf *text)
{
  strbuf_reset(text);
  int kind = json_peek(j);
  if (kind == '0') {
    const char *begin = j->p;
    while (j->p < j->end && strchr("+-.0123456789eE", *j->p) && *j->p)
      j->p++;
    strbuf_append(text, begin, (size_t)(j->p - begin));
    return 0;
  }
  if (kind != '"')
    return fail(j, "no string where one is needed");
  for (j->p++;;) {
    const char *begin = j->p;
    while (j->p < j->end && *j->p != '"' && *j->p != '\\')
      j->p++;
    strbuf_append(text, begin, (size_t)(j->p - begin));
    if (j->p == j->end)
      return fail(j, "the file ends inside a string");
    if (*j->p++ == '"')
      return text->failed ? fail(j, "out of memory") : 0;
    if (escape(j, text) < 0)
      return JSON_ERROR;
  }
}

static int skip_string(json_scan *j)
{
  for (j->p++; j->p < j->end; j->p++) {
    if (*j->p == '"') {
      j->p++;
      return 0;
    }
    if (*j->p == '\\' && ++j->p == j->end)
      break;
  }
  return fail(j, "the file ends inside a string");
}

/* A number or a word. */
static int skip_scalar(json_scan *j, int kind)
{
  if (kind == '0') {
    while (j->p < j->end && *j->p && strchr("+-.0123456789eE", *j->p))
      j->p++;
    return 0;
  }
  const char *word = kind == 't' ? "true" : kind == 'f' ? "false" : "null";
  size_t n = strlen(word);
  if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0)
    return fail(j, "an unknown word");
  j->p += n;
  return 0;
}

int json_skip(json_scan *j)
{
  char closes[JSON_MAX_DEPTH];
  bool first[JSON_MAX_DEPTH];
  int depth = 0;
  bool outer_first = j->first;
  for (;;) {
    int kind = json_peek(j);
    if (kind == 0)
      return fail(j, "the file ends where a value is needed");
    if (kind < 0)
      return JSON_ERROR;
    if (kind == '{' || kind == '[') {
      if (depth == JSON_MAX_DEPTH)
        return fail(j, "nested deeper than 256 levels");
      j->p++;
      closes[depth] = kind == '{' ? '}' : ']';
      first[depth++] = true;
    } else if ((kind == '"' ? skip_string(j) : skip_scalar(j, kind)) < 0)
      return JSON_ERROR;
    /* To the next value, out of everything that ends here. */
    for (;;) {
      if (depth == 0) {
        j->first = outer_first;
        return 0;
      }
      j->first = first[depth - 1];
      int more = next(j, closes[depth - 1]);
      if (more < 0)
        return JSON_ERROR;
      if (more == 0) {
        depth--;
        continue;
      }
      first[depth - 1] = false;
      if (closes[depth - 1] == '}') {
        if (*j->p != '"')
          return fail(j, "a key that is no string");
        if (skip_string(j) < 0)
          return JSON_ERROR;
        space(j);
        if (j->p == j->end || *j->p != ':')
          return fail(j, "no colon behind a key");
        j->p++;
      }
      break;
    }
  }
}
