/* Parameters in a Python file, as DVC takes them: what is assigned as a literal at the top, in classes, and to self in __init__. Nothing is run. */
#include "data/value.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 60 };

typedef struct python {
  arena *a;
  const char *s; /* ends with NUL */
  const char *what;
} python;

/* ---- the text ---- */

static bool is_name(char c)
{
  return c == '_' || (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool digit(char c)
{
  return c >= '0' && c <= '9';
}

static void skip_comment(python *p)
{
  if (*p->s == '#')
    p->s += strcspn(p->s, "\n");
}

/* Spaces, and line ends where a bracket is open. */
static void skip_space(python *p, bool open)
{
  for (;; p->s++) {
    if (open)
      skip_comment(p);
    if (*p->s == '\\' && (p->s[1] == '\n' || (p->s[1] == '\r' && p->s[2] == '\n')))
      p->s += p->s[1] == '\r' ? 2 : 1;
    else if (!(*p->s && strchr(" \t\f\r", *p->s)) && !(open && *p->s == '\n'))
      return;
  }
}

/* The quote that a string begins with, behind its prefix; 0: no string begins here. */
static size_t string_prefix(const char *s)
{
  size_t n = strspn(s, "rRbBuUfF");
  return n <= 2 && (s[n] == '"' || s[n] == '\'') ? n + 1 : 0;
}

static const char *string_end(const char *s, char quote, bool triple)
{
  for (; *s; s++)
    if (*s == '\\' && s[1])
      s++;
    else if (*s == quote && (!triple || (s[1] == quote && s[2] == quote)))
      return s;
    else if (*s == '\n' && !triple)
      return NULL;
  return NULL;
}

/* What is between the quotes of a string that begins here, and where the text goes on behind it. */
static bool find_string(const char *s, const char **begin, const char **end, const char **after)
{
  size_t n = string_prefix(s);
  if (!n)
    return false;
  const char quote = s[n - 1];
  bool triple = s[n] == quote && s[n + 1] == quote;
  *begin = s + n + (triple ? 2 : 0);
  *end = string_end(*begin, quote, triple);
  *after = *end ? *end + (triple ? 3 : 1) : NULL;
  return *end != NULL;
}

/* To the end of a statement. *block: it ends with a colon, and what belongs to it follows. */
static void skip_statement(python *p, bool *block)
{
  size_t open = 0;
  char last = 0;
  for (;;) {
    const char *begin, *end, *after;
    skip_space(p, open > 0);
    skip_comment(p);
    char c = *p->s;
    if (!c || (open == 0 && (c == '\n' || c == ';')))
      break;
    last = c;
    if (find_string(p->s, &begin, &end, &after))
      p->s = after;
    else if (is_name(c))
      while (is_name(*p->s))
        p->s++;
    else {
      open += strchr("([{", c) != NULL;
      open -= open && strchr(")]}", c) != NULL;
      p->s++;
    }
  }
  *block = last == ':';
}

/* ---- literals: 0: one was read, 1: it is none, below 0: an error ---- */

static int unsupported(const python *p, const char *kind)
{
  return error_set(OPIS_EUNSUPPORTED, "%s: opis does not read %s of Python", p->what, kind);
}

static int read_number(python *p, const value **out)
{
  static const struct {
    const char *prefix, *digits;
    unsigned base;
  } kinds[] = {{"0x", "0123456789abcdefABCDEF", 16}, {"0o", "01234567", 8}, {"0b", "01", 2}};
  char text[320];
  size_t n = 0;
  unsigned base = 10;
  const char *digits = "0123456789";
  for (size_t i = 0; i < 3; i++)
    if (p->s[0] == '0' && (p->s[1] | 0x20) == kinds[i].prefix[1]) {
      base = kinds[i].base;
      digits = kinds[i].digits;
      p->s += 2;
    }
  bool real = false;
  for (; n + 1 < sizeof text; p->s++) {
    char c = *p->s;
    bool exponent = base == 10 && (c | 0x20) == 'e' && (digit(p->s[1]) || ((p->s[1] == '-' || p->s[1] == '+') && digit(p->s[2])));
    if (c == '_' && n)
      continue;
    if (!(c && strchr(digits, c)) && !(base == 10 && c == '.') && !exponent)
      break;
    real |= c == '.' || exponent;
    text[n++] = c;
    if (exponent && !digit(p->s[1]))
      text[n++] = *++p->s;
  }
  text[n] = '\0';
  if (n + 1 >= sizeof text || (*p->s | 0x20) == 'j')
    return unsupported(p, "such numbers");
  if (n == 0 || is_name(*p->s))
    return 1;
  *out = real ? value_float(p->a, strtod(text, NULL)) : value_digits(p->a, text, n, base, false);
  return *out ? 0 : OPIS_ENOMEM;
}

static int read_escape(python *p, strbuf *b, const char **s)
{
  static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
  const char *at, c = **s;
  size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (c == '\n')
    (*s)++;
  else if (c && (at = strchr(from, c))) {
    strbuf_putc(b, to[at - from]);
    (*s)++;
  } else if (width) {
    char hex[9] = "", *end;
    strncpy(hex, *s + 1, width);
    unsigned long code = strtoul(hex, &end, 16);
    if (end != hex + width || code > 0x10FFFF)
      return 1;
    value_put_character(b, (uint32_t)code);
    *s += 1 + width;
  } else if (c >= '0' && c <= '7') {
    uint32_t code = 0;
    for (int i = 0; i < 3 && **s >= '0' && **s <= '7'; i++)
      code = code * 8 + (uint32_t)(*(*s)++ - '0');
    value_put_character(b, code);
  } else if (c == 'N')
    return unsupported(p, "characters by name");
  else
    strbuf_putc(b, '\\');
  return 0;
}

/* Strings that stand one behind the other are one. */
static int read_string(python *p, const value **out, bool open)
{
  strbuf b = STRBUF_INIT;
  const char *begin, *end, *after;
  int code = 0;
  while (code == 0 && find_string(p->s, &begin, &end, &after)) {
    bool raw = false, bytes = false, format = false;
    for (const char *c = p->s; *c != '"' && *c != '\''; c++) {
      raw |= (*c | 0x20) == 'r';
      bytes |= (*c | 0x20) == 'b';
      format |= (*c | 0x20) == 'f';
    }
    if (bytes)
      code = unsupported(p, "bytes");
    else if (format)
      code = 1;
    for (const char *s = begin; code == 0 && s < end;)
      if (*s == '\\' && !raw) {
        s++;
        code = read_escape(p, &b, &s);
      } else
        strbuf_putc(&b, *s++);
    p->s = after;
    skip_space(p, open);
  }
  if (code == 0) {
    *out = strbuf_check(&b) < 0 ? NULL : value_string(p->a, b.s ? b.s : "", b.n);
    code = *out ? 0 : error_nomem();
  }
  strbuf_free(&b);
  return code;
}

static int read_literal(python *p, const value **out, bool open, int depth);

static bool take(python *p, char c)
{
  skip_space(p, true);
  if (*p->s != c)
    return false;
  p->s++;
  return true;
}

/* Behind "(", "[" or "{". */
static int read_items(python *p, const value **out, char close, int depth)
{
  value *v = value_new(p->a, close == ']' ? VALUE_LIST : close == ')' ? VALUE_TUPLE : VALUE_DICT);
  int code = v ? 0 : OPIS_ENOMEM;
  bool comma = false;
  while (code == 0 && !take(p, close)) {
    const value *item, *key = NULL;
    if (v->n && !comma)
      return 1;
    code = read_literal(p, &item, true, depth + 1);
    if (code == 0 && close == '}') {
      if (!take(p, ':'))
        return *p->s == ',' || *p->s == '}' ? unsupported(p, "sets") : 1;
      key = item;
      code = read_literal(p, &item, true, depth + 1);
    }
    if (code == 0)
      code = key ? value_put(p->a, v, key, item) : value_append(p->a, v, item);
    if (code == 0)
      comma = take(p, ',');
  }
  *out = code == 0 && close == ')' && v->n == 1 && !comma ? v->items[0] : v; /* (1) is 1 */
  return code;
}

static int read_sign(python *p, const value **out, bool open, int depth)
{
  bool negative = *p->s++ == '-';
  skip_space(p, open);
  int code = *p->s == '+' || *p->s == '-' ? 1 : read_literal(p, out, open, depth + 1);
  const value *v = *out;
  if (code)
    return code;
  if (v->kind == VALUE_INT && negative)
    *out = value_int(p->a, -v->integer);
  else if (v->kind == VALUE_FLOAT && negative)
    *out = value_float(p->a, -v->real);
  else if (v->kind == VALUE_LARGE && negative)
    *out = value_digits(p->a, v->text, v->n, 10, true);
  else if (v->kind != VALUE_INT && v->kind != VALUE_FLOAT && v->kind != VALUE_LARGE)
    return 1;
  return *out ? 0 : OPIS_ENOMEM;
}

static int read_word(python *p, const value **out)
{
  static const char *const words[] = {"None", "True", "False"};
  size_t n = 0;
  while (is_name(p->s[n]))
    n++;
  for (int i = 0; i < 3; i++)
    if (n == strlen(words[i]) && strncmp(p->s, words[i], n) == 0) {
      p->s += n;
      *out = i ? value_bool(p->a, i == 1) : value_new(p->a, VALUE_NULL);
      return *out ? 0 : OPIS_ENOMEM;
    }
  return 1;
}

static int read_literal(python *p, const value **out, bool open, int depth)
{
  if (depth > DEEPEST)
    return error_set(OPIS_ELIMIT, "%s: nested too deeply", p->what);
  skip_space(p, open);
  const char *close = *p->s ? strchr("([{", *p->s) : NULL;
  int code = 1;
  if (close)
    p->s++;
  if (close)
    code = read_items(p, out, *close == '(' ? ')' : *close == '[' ? ']' : '}', depth);
  else if (string_prefix(p->s))
    code = read_string(p, out, open);
  else if (digit(*p->s) || (*p->s == '.' && digit(p->s[1])))
    code = read_number(p, out);
  else if (*p->s == '-' || *p->s == '+')
    code = read_sign(p, out, open, depth);
  else
    code = read_word(p, out);
  skip_space(p, open);
  return code;
}

/* What is behind "=": a literal, or several with commas, which are a tuple. */
static int read_assigned(python *p, const value **out)
{
  skip_space(p, false);
  int code = read_literal(p, out, false, 0);
  if (code == 0 && *p->s == ',') {
    value *tuple = value_new(p->a, VALUE_TUPLE);
    code = tuple ? value_append(p->a, tuple, *out) : OPIS_ENOMEM;
    while (code == 0 && *p->s == ',') {
      p->s++;
      skip_space(p, false);
      if (!*p->s || strchr("\n#;", *p->s))
        break;
      code = read_literal(p, out, false, 0);
      if (code == 0)
        code = value_append(p->a, tuple, *out);
    }
    *out = tuple;
  }
  return code ? code : *p->s && !strchr("\n#;", *p->s);
}

/* ---- statements ---- */

static bool word_is(const char *s, const char *word)
{
  size_t n = strlen(word);
  return strncmp(s, word, n) == 0 && !is_name(s[n]);
}

static const char *take_name(python *p, size_t *n)
{
  const char *name = p->s;
  while (is_name(*p->s))
    p->s++;
  *n = (size_t)(p->s - name);
  return name;
}

/* "x = 1", "x: int = 1", "self.x = 1" goes into the dict; what is no literal is left out. */
static int read_assignment(python *p, value *into, bool only_self)
{
  size_t n;
  bool block;
  const char *name = take_name(p, &n);
  const value *v;
  if (word_is(name, "else") || word_is(name, "try") || word_is(name, "finally"))
    return 1;
  bool self = n == 4 && strncmp(name, "self", 4) == 0;
  skip_space(p, false);
  if (self && *p->s == '.') {
    p->s++;
    skip_space(p, false);
    name = take_name(p, &n);
    skip_space(p, false);
  } else
    self = false;
  if (*p->s == ':' && n) { /* the type, up to the "=" that is outside of brackets */
    size_t open = 0;
    for (p->s++; *p->s && (open || !strchr("=\n;#", *p->s)); p->s++) {
      open += strchr("([{", *p->s) != NULL;
      open -= open && strchr(")]}", *p->s) != NULL;
    }
  }
  if (n == 0 || digit(*name) || *p->s != '=' || p->s[1] == '=' || (only_self && !self))
    return 1;
  p->s++;
  const char *begin = p->s;
  int code = read_assigned(p, &v);
  if (code == 0)
    return value_put(p->a, into, value_string(p->a, name, n), v);
  if (code > 0) {
    p->s = begin;
    skip_statement(p, &block);
  }
  return code < 0 ? code : 0;
}

static size_t column_of(const char **s)
{
  size_t column = 0;
  for (;; (*s)++)
    if (**s == ' ')
      column++;
    else if (**s == '\t')
      column += 8 - column % 8;
    else if (**s != '\f')
      return column;
}

/* To the next line that has something on it: its column; *p->s is its first character. */
static size_t next_line(python *p)
{
  for (;;) {
    size_t column = column_of(&p->s);
    skip_space(p, false);
    skip_comment(p);
    if (*p->s == '\r' && p->s[1] == '\n')
      p->s++;
    if (*p->s != '\n')
      return column;
    p->s++;
  }
}

static int read_block(python *p, value *into, size_t column, bool only_self, int depth);

/* What belongs to a class or an __init__, behind its colon: on the same line, or below. into NULL: it is passed over. */
static int read_suite(python *p, value *into, size_t column, bool only_self, int depth)
{
  skip_space(p, false);
  skip_comment(p);
  if (*p->s && *p->s != '\n') { /* simple statements on the line itself */
    for (bool block; *p->s && *p->s != '\n'; p->s += *p->s == ';') {
      skip_space(p, false);
      int code = into ? read_assignment(p, into, only_self) : 1;
      if (code < 0)
        return code;
      skip_statement(p, &block);
    }
    return 0;
  }
  const char *line = p->s;
  size_t inner = next_line(p);
  if (inner > column && *p->s)
    return read_block(p, into, inner, only_self, depth + 1);
  p->s = line;
  return 0;
}

static int read_statement(python *p, value *into, size_t column, bool only_self, int depth)
{
  bool block = false, class = word_is(p->s, "class"), init = false;
  const char *begin = p->s, *name = NULL;
  size_t n = 0;
  if (class || word_is(p->s, "def")) {
    p->s += class ? 5 : 3;
    skip_space(p, false);
    name = take_name(p, &n);
    init = !class && n == 8 && strncmp(name, "__init__", 8) == 0;
  } else {
    int code = into ? read_assignment(p, into, only_self) : 1;
    if (code <= 0)
      return code;
    p->s = begin;
  }
  /* The heading ends at the colon that is outside of brackets. */
  if (name) {
    size_t open = 0;
    const char *from, *end, *after;
    for (; *p->s && (open || (*p->s != ':' && *p->s != '\n')); p->s++) {
      if (find_string(p->s, &from, &end, &after)) {
        p->s = after - 1;
        continue;
      }
      open += strchr("([{", *p->s) != NULL;
      open -= open && strchr(")]}", *p->s) != NULL;
    }
    p->s += *p->s == ':';
    value *inner = class && into ? value_new(p->a, VALUE_DICT) : into;
    if (class && into && !inner)
      return OPIS_ENOMEM;
    int code = read_suite(p, class || init ? inner : NULL, column, init, depth);
    return code == 0 && class && into ? value_put(p->a, into, value_string(p->a, name, n), inner) : code;
  }
  skip_statement(p, &block);
  return block ? read_suite(p, NULL, column, false, depth) : 0;
}

static int read_block(python *p, value *into, size_t column, bool only_self, int depth)
{
  int code = 0;
  if (depth > DEEPEST)
    return error_set(OPIS_ELIMIT, "%s: nested too deeply", p->what);
  while (code == 0) {
    code = read_statement(p, into, column, only_self, depth);
    skip_space(p, false);
    skip_comment(p);
    if (*p->s == ';') {
      p->s++;
      skip_space(p, false);
      continue;
    }
    const char *before = p->s;
    size_t at = next_line(p);
    if (!*p->s || at < column) {
      p->s = *p->s ? before : p->s;
      break;
    }
    if (p->s == before)
      p->s++;
  }
  return code;
}

int value_from_python(const value **out, arena *a, const char *s, size_t n, const char *what)
{
  value *v = value_new(a, VALUE_DICT);
  char *text = strndup(s, n);
  *out = v;
  if (!v || !text) {
    free(text);
    return error_nomem();
  }
  python p = {a, text, what};
  size_t column = next_line(&p);
  int code = memchr(s, '\0', n) || !utf8_valid(s, n) ? error_set(OPIS_EFORMAT, "%s: not UTF-8", what) : *p.s ? read_block(&p, v, column, false, 0) : 0;
  free(text);
  return code;
}
