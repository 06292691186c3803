/* A configuration file line by line, as configobj, which DVC uses, takes them: values in ' or " or three of them (these over several lines), and a comment may follow. */
#include "data/config.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool space(char c)
{
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_space(const char *s, const char *end)
{
  while (s < end && space(*s))
    s++;
  return s;
}

static const char *trim_end(const char *s, const char *end)
{
  while (end > s && space(end[-1]))
    end--;
  return end;
}

/* Nothing more on the line, or only a comment. */
static bool ends(const char *s, const char *end)
{
  s = skip_space(s, end);
  return s == end || *s == '#';
}

static bool put(char **to, const char *s, const char *end)
{
  *to = strndup(s, (size_t)(end - s));
  return *to;
}

static void unquoted(const char **s, const char **end)
{
  if (*end - *s >= 2 && (**s == '\'' || **s == '"') && (*end)[-1] == **s) {
    ++*s;
    --*end;
  }
}

/* `remote "name"` into its two words. */
static bool section_words(config_line *l, const char *s, const char *end)
{
  s = skip_space(s, end);
  end = trim_end(s, end);
  const char *quote = memchr(s, '"', (size_t)(end - s));
  if (quote && quote > s && end[-1] == '"' && end - 1 > quote)
    return put(&l->section, s, trim_end(s, quote)) && put(&l->name, quote + 1, end - 1);
  return put(&l->section, s, end) && put(&l->name, end, end);
}

/* [NAME], NAME perhaps in quotes: the first ] behind which nothing more comes. False: the line is none. */
static bool section_line(config_line *l, const char *s, const char *e, int *code)
{
  const char *name = skip_space(s + 1, e);
  char quote = name < e && (*name == '\'' || *name == '"') ? *name : '\0';
  for (const char *close = name + 1; close < e; close++) {
    const char *stop = trim_end(name, close);
    bool another = close + 1 < e && close[1] == ']';
    if (*close != ']' || stop == name || (quote && (stop - name < 3 || stop[-1] != quote)) || !(another || ends(close + 1, e)))
      continue;
    if (*name == '[' || another) {
      l->wrong = "sections inside of sections are not known";
      return true;
    }
    unquoted(&name, &stop);
    l->kind = CONFIG_SECTION;
    *code = section_words(l, name, stop) ? 0 : error_nomem();
    return true;
  }
  return false;
}

/* Behind the three quotes that s begins with, up to the same three, perhaps on a later line. */
static bool long_value(config_line *l, const char *s, const char *e, const char *end, int *code)
{
  const char *close = memmem(s + 3, (size_t)(end - s - 3), s, 3);
  if (!close)
    return false;
  const char *eol = memchr(close, '\n', (size_t)(end - close)), *stop = trim_end(close, eol ? eol : end);
  if (close >= e)
    for (const char *p = e; p < close; p++)
      l->lines += *p == '\n';
  l->end = eol ? eol + 1 : end;
  while (!ends(close + 3, stop)) { /* the last three on this line of which nothing but a comment follows */
    const char *next = memmem(close + 1, (size_t)(stop - close - 1), s, 3);
    if (!next)
      return false;
    close = next;
  }
  *code = put(&l->value, s + 3, close) ? 0 : error_nomem();
  return true;
}

/* The value that begins at s and its line ends at e. False: badly quoted. */
static bool value(config_line *l, const char *s, const char *e, const char *end, int *code)
{
  if (e - s >= 3 && (memcmp(s, "\"\"\"", 3) == 0 || memcmp(s, "'''", 3) == 0))
    return long_value(l, s, e, end, code);
  if (s < e && (*s == '"' || *s == '\'')) {
    const char *close = s + 1;
    while (close < e && (*close != *s || !ends(close + 1, e)))
      close++;
    if (close == e)
      return false;
    *code = put(&l->value, s + 1, close) ? 0 : error_nomem();
    return true;
  }
  const char *hash = memchr(s, '#', (size_t)(e - s)), *stop = trim_end(s, hash ? hash : e);
  *code = put(&l->value, s, stop) ? 0 : error_nomem();
  return true;
}

static void key_line(config_line *l, const char *s, const char *e, const char *end, int *code)
{
  const char *equals = memchr(s, '=', (size_t)(e - s)), *stop;
  if (*s == '"' || *s == '\'') { /* a key in quotes may hold = itself */
    stop = s + 1;
    for (equals = NULL; stop < e && !equals; stop++)
      if (*stop == *s) {
        const char *after = skip_space(stop + 1, e);
        equals = after < e && *after == '=' ? after : NULL;
      }
  } else
    stop = equals ? trim_end(s, equals) : s;
  if (!equals || equals == s) {
    l->wrong = "neither a section nor KEY = VALUE";
    return;
  }
  if (!value(l, skip_space(equals + 1, e), e, end, code)) {
    l->wrong = "a quote is not closed, or something follows it";
    return;
  }
  const char *first = skip_space(equals + 1, e);
  unquoted(&s, &stop);
  if (*code == 0)
    *code = put(&l->key, s, stop) ? 0 : error_nomem();
  if (*code == 0 && first < e && *first != '"' && *first != '\'' && strchr(l->value, ',') && strcasecmp(l->key, "type") != 0) { /* a list, which only cache.type may be */
    l->wrong = "a value with a comma must be in quotes";
    return;
  }
  l->kind = CONFIG_KEY;
}

int config_next_line(config_line *l, const char *p, const char *end)
{
  const char *eol = memchr(p, '\n', (size_t)(end - p)), *stop = eol ? eol : end;
  const char *s = skip_space(p, stop), *e = trim_end(s, stop);
  int code = 0;
  *l = (config_line){.kind = CONFIG_NOTHING, .lines = 1, .end = eol ? eol + 1 : end};
  if (s == e || *s == '#')
    return 0;
  if (*s == '[' && section_line(l, s, e, &code))
    return code;
  key_line(l, s, e, end, &code);
  return code;
}

void config_line_free(config_line *l)
{
  free(l->section);
  free(l->name);
  free(l->key);
  free(l->value);
}
