#include "text/json_pull.h"

#include "text/unicode.h"
#include "util/error.h"
#include <string.h>

#define MAX_DEPTH 512

void pull_start(json_pull *j, const char *text, size_t size, const char *name)
{
  *j = (json_pull){.p = text, .begin = text, .end = text + size, .name = name};
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
    j->p += 3;
}

int pull_fail(const json_pull *j, const char *why)
{
  return error_set(OPIS_EFORMAT, "%s: %s (byte %zu)", j->name, why, (size_t)(j->p - j->begin));
}

char pull_kind(json_pull *j)
{
  const char *p = j->p;
  while (p < j->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  j->p = p;
  return p < j->end ? *p : '\0';
}

int pull_open(json_pull *j, char bracket)
{
  if (pull_kind(j) != bracket)
    return pull_fail(j, bracket == '{' ? "an object is expected" : "an array is expected");
  j->p++;
  j->first = true;
  return 0;
}

static int next(json_pull *j, char close)
{
  char c = pull_kind(j);
  if (c == close) {
    j->p++;
    j->first = false;
    return 0;
  }
  if (!j->first) {
    if (c != ',')
      return pull_fail(j, "a comma or closing bracket is missing");
    j->p++;
  }
  j->first = false;
  return 1;
}

int pull_item(json_pull *j)
{
  return next(j, ']');
}

static bool hex4(json_pull *j, uint32_t *c)
{
  *c = 0;
  if (j->end - j->p < 4)
    return false;
  for (int i = 0; i < 4; i++, j->p++) {
    char h = *j->p;
    uint32_t d;
    if (h >= '0' && h <= '9')
      d = (uint32_t)(h - '0');
    else if ((h | 32) >= 'a' && (h | 32) <= 'f')
      d = (uint32_t)((h | 32) - 'a') + 10;
    else
      return false;
    *c = *c << 4 | d;
  }
  return true;
}

/* Behind "\u". */
static bool escaped_code_point(json_pull *j, strbuf *text)
{
  uint32_t c, low;
  if (!hex4(j, &c))
    return false;
  if (c >= 0xD800 && c <= 0xDBFF && j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u') {
    const char *back = j->p;
    j->p += 2;
    if (!hex4(j, &low))
      return false;
    if (low >= 0xDC00 && low <= 0xDFFF)
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    else
      j->p = back;
  }
  utf8_put(text, c >= 0xD800 && c <= 0xDFFF ? 0xFFFD : c);
  return true;
}

int pull_string(json_pull *j, strbuf *text)
{
  if (pull_kind(j) != '"')
    return pull_fail(j, "a string is expected");
  j->p++;
  strbuf_reset(text);
  strbuf_append(text, "", 0);
  for (;;) {
    const char *from = j->p;
    while (j->p < j->end && *j->p != '"' && *j->p != '\\' && (unsigned char)*j->p >= 0x20)
      j->p++;
    strbuf_append(text, from, (size_t)(j->p - from));
    if (j->p >= j->end || (unsigned char)*j->p < 0x20)
      return pull_fail(j, "a string does not end");
    if (*j->p++ == '"')
      break;
    if (j->p >= j->end)
      return pull_fail(j, "a string does not end");
    char e = *j->p++;
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *known = e ? strchr(names, e) : NULL;
    if (known)
      strbuf_putc(text, values[known - names]);
    else if (e != 'u' || !escaped_code_point(j, text))
      return pull_fail(j, "an unknown escape in a string");
  }
  if (strbuf_check(text) < 0)
    return strbuf_check(text);
  return utf8_valid(text->s ? text->s : "", text->n) ? 0 : pull_fail(j, "a string that is not UTF-8");
}

static int string_at(json_pull *j, strbuf *scratch, const char **text, size_t *n)
{
  if (pull_kind(j) == '"') {
    const char *from = j->p + 1, *p = from;
    unsigned char all = 0;
    for (; p < j->end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++)
      all |= (unsigned char)*p;
    if (p < j->end && *p == '"' && all < 0x80) {
      *text = from;
      *n = (size_t)(p - from);
      j->p = p + 1;
      return 0;
    }
  }
  int status = pull_string(j, scratch);
  *text = scratch->s;
  *n = scratch->n;
  return status;
}

int pull_key_at(json_pull *j, strbuf *scratch, const char **key, size_t *n)
{
  int status = next(j, '}');
  if (status <= 0)
    return status;
  status = string_at(j, scratch, key, n);
  if (status < 0)
    return status;
  if (pull_kind(j) != ':')
    return pull_fail(j, "a colon is missing");
  j->p++;
  return 1;
}

int pull_key(json_pull *j, strbuf *key)
{
  const char *at;
  size_t n;
  int status = pull_key_at(j, key, &at, &n);
  if (status > 0 && at != key->s) {
    strbuf_reset(key);
    strbuf_append(key, at, n);
    status = strbuf_check(key) < 0 ? strbuf_check(key) : status;
  }
  return status;
}

int pull_integer(json_pull *j, int64_t *value)
{
  char c = pull_kind(j);
  bool negative = c == '-';
  const char *from = j->p + negative, *p = from;
  int64_t v = 0;
  for (; p < j->end && *p >= '0' && *p <= '9' && p - from < 18; p++)
    v = v * 10 + (*p - '0');
  j->p = p;
  if (p == from || (p < j->end && ((*p >= '0' && *p <= '9') || *p == '.' || *p == 'e' || *p == 'E')))
    return pull_fail(j, "a whole number is expected");
  *value = negative ? -v : v;
  return 0;
}

static int skip_scalar(json_pull *j)
{
  const char *from = j->p;
  while (j->p < j->end && (strchr("+-.", *j->p) || (*j->p >= '0' && *j->p <= '9') || ((*j->p | 32) >= 'a' && (*j->p | 32) <= 'z')) && *j->p)
    j->p++;
  return j->p > from ? 0 : pull_fail(j, "a value is expected");
}

int pull_skip(json_pull *j, const char **begin, size_t *size)
{
  strbuf scratch = STRBUF_INIT;
  char open[MAX_DEPTH];
  int depth = 0, status = 0;
  pull_kind(j);
  const char *from = j->p;
  do {
    char c = pull_kind(j);
    if (c == '{' || c == '[') {
      if (depth == MAX_DEPTH)
        status = pull_fail(j, "too deeply nested");
      else {
        open[depth++] = c;
        status = pull_open(j, c);
      }
    } else {
      status = c == '"' ? pull_string(j, &scratch) : skip_scalar(j);
    }
    while (status >= 0 && depth > 0) { /* on to the next value: out of what has ended */
      status = open[depth - 1] == '{' ? pull_key(j, &scratch) : pull_item(j);
      if (status != 0)
        break;
      depth--;
    }
  } while (status >= 0 && depth > 0);
  strbuf_free(&scratch);
  if (status < 0)
    return status;
  if (begin)
    *begin = from;
  if (size)
    *size = (size_t)(j->p - from);
  j->first = false;
  return 0;
}

int pull_finish(json_pull *j)
{
  return pull_kind(j) == '\0' && j->p == j->end ? 0 : pull_fail(j, "something follows the end");
}
