/* TOML 1.0. */
#include "data/value.h"

#include "util/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 60 };

typedef struct toml {
  arena *a;
  const char *begin, *s; /* ends with NUL */
  const char *what;
} toml;

static int broken(const toml *t)
{
  size_t line = 1;
  for (const char *p = t->begin; p < t->s; p++)
    line += *p == '\n';
  return error_set(OPIS_EFORMAT, "%s: line %zu: not TOML", t->what, line);
}

static void space(toml *t)
{
  t->s += strspn(t->s, " \t");
}

/* Spaces, line ends and comments. */
static void lines(toml *t)
{
  for (;;) {
    t->s += strspn(t->s, " \t\r\n");
    if (*t->s != '#')
      return;
    t->s += strcspn(t->s, "\n");
  }
}

static bool take(toml *t, const char *word)
{
  size_t n = strlen(word);
  if (strncmp(t->s, word, n) != 0)
    return false;
  t->s += n;
  return true;
}

/* ---- strings ---- */

static int escape(toml *t, strbuf *b, bool many)
{
  static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
  const char c = *t->s, *at = c ? strchr(from, c) : NULL;
  size_t width = c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (at) {
    strbuf_putc(b, to[at - from]);
    t->s++;
    return 0;
  }
  if (width) {
    char hex[9] = "";
    strncpy(hex, t->s + 1, width);
    unsigned long code = strspn(hex, "0123456789abcdefABCDEF") == width ? strtoul(hex, NULL, 16) : 0x110000;
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      return broken(t);
    value_put_character(b, (uint32_t)code);
    t->s += 1 + width;
    return 0;
  }
  size_t blanks = strspn(t->s, " \t\r");
  if (!many || t->s[blanks] != '\n') /* at the end of a line: the blanks up to the next word are no part */
    return broken(t);
  t->s += strspn(t->s, " \t\r\n");
  return 0;
}

static int string(toml *t, const value **out)
{
  const char quote = *t->s;
  char three[4] = {quote, quote, quote, '\0'};
  bool many = take(t, three);
  strbuf b = STRBUF_INIT;
  int code = 0;
  t->s += many ? 0 : 1;
  if (many && !take(t, "\n"))
    take(t, "\r\n");
  while (code == 0) {
    char c = *t->s;
    if (c == quote && (!many || (strncmp(t->s, three, 3) == 0 && t->s[3] != quote)))
      break;
    if (!c || (!many && c == '\n') || ((unsigned char)c < 0x20 && !strchr("\t\r\n", c)) || c == 0x7F)
      code = broken(t);
    else if (many && c == '\r' && t->s[1] == '\n')
      t->s++;
    else {
      t->s++;
      if (c == '\\' && quote == '"')
        code = escape(t, &b, many);
      else
        strbuf_putc(&b, c);
    }
  }
  if (code == 0) {
    t->s += many ? 3 : 1;
    *out = strbuf_check(&b) < 0 ? NULL : value_string(t->a, b.s ? b.s : "", b.n);
    code = *out ? 0 : error_nomem();
  }
  strbuf_free(&b);
  return code;
}

/* ---- values ---- */

static int any(toml *t, const value **out, int depth);
static int pair(toml *t, value *table, int depth);

static int array(toml *t, const value **out, int depth)
{
  value *v = value_new(t->a, VALUE_LIST);
  int code = v ? 0 : OPIS_ENOMEM;
  *out = v;
  for (t->s++, lines(t); code == 0 && !take(t, "]"); lines(t)) {
    const value *item;
    code = any(t, &item, depth + 1);
    if (code == 0)
      code = value_append(t->a, v, item);
    lines(t);
    if (code == 0 && !take(t, ",") && *t->s != ']')
      code = broken(t);
  }
  return code;
}

static int inline_table(toml *t, const value **out, int depth)
{
  value *v = value_new(t->a, VALUE_DICT);
  int code = v ? 0 : OPIS_ENOMEM;
  *out = v;
  if (v)
    v->truth = true;
  t->s++;
  space(t);
  if (take(t, "}"))
    return code;
  while (code == 0) {
    space(t);
    code = pair(t, v, depth + 1);
    space(t);
    if (code == 0 && take(t, "}"))
      break;
    if (code == 0 && !take(t, ","))
      code = broken(t);
  }
  return code;
}

/* Underscores stand between digits. */
static bool digits(const char **p, const char *set, char *out, size_t *n, size_t room)
{
  const char *s = *p;
  for (; *s && *n < room; s++) {
    bool between = *s == '_' && s > *p && s[-1] != '_' && s[1] && strchr(set, s[1]);
    if (!strchr(set, *s) && !between)
      break;
    if (!between)
      out[(*n)++] = *s;
  }
  bool some = s > *p;
  *p = s;
  return some;
}

static int number(toml *t, const value **out)
{
  static const struct {
    const char *prefix, *set;
    unsigned base;
  } kinds[] = {{"0x", "0123456789abcdefABCDEF", 16}, {"0o", "01234567", 8}, {"0b", "01", 2}};
  const char *p = t->s, *ten = "0123456789";
  char text[600];
  size_t n = 0;
  bool negative = *p == '-', real = false, good;
  for (size_t i = 0; i < 3; i++)
    if (strncmp(p, kinds[i].prefix, 2) == 0) {
      p += 2;
      good = digits(&p, kinds[i].set, text, &n, sizeof text - 1);
      t->s = p;
      *out = good ? value_digits(t->a, text, n, kinds[i].base, false) : NULL;
      return !good ? broken(t) : *out ? 0 : OPIS_ENOMEM;
    }
  p += *p == '-' || *p == '+';
  if (strncmp(p, "inf", 3) == 0 || strncmp(p, "nan", 3) == 0) {
    *out = value_float(t->a, *p == 'n' ? NAN : negative ? -INFINITY : INFINITY);
    t->s = p + 3;
    return *out ? 0 : OPIS_ENOMEM;
  }
  good = digits(&p, ten, text, &n, sizeof text - 4) && (n == 1 || *text != '0');
  size_t whole = n;
  if (*p == '.') {
    real = true;
    text[n++] = *p++;
    good = good && digits(&p, ten, text, &n, sizeof text - 3);
  }
  if ((*p | 0x20) == 'e') {
    real = true;
    text[n++] = *p++;
    if (*p == '+' || *p == '-')
      text[n++] = *p++;
    good = good && digits(&p, ten, text, &n, sizeof text - 1);
  }
  text[n] = '\0';
  t->s = p;
  if (!good)
    return broken(t);
  double magnitude = strtod(text, NULL);
  *out = real ? value_float(t->a, negative ? -magnitude : magnitude) : value_digits(t->a, text, whole, 10, negative);
  return *out ? 0 : OPIS_ENOMEM;
}

static int date(toml *t, const value **out)
{
  size_t n = strspn(t->s, "0123456789-:.TtZz+");
  if (t->s[n] == ' ' && n == 10 && t->s[n + 1] >= '0' && t->s[n + 1] <= '9' && t->s[n + 3] == ':')
    n += 1 + strspn(t->s + n + 1, "0123456789-:.Zz+");
  char *text = strndup(t->s, n);
  int code = text ? 0 : error_nomem();
  if (code == 0 && !value_moment(out, t->a, text))
    code = error_set(OPIS_EUNSUPPORTED, "%s: opis does not read '%s'", t->what, text);
  t->s += n;
  free(text);
  return code < 0 ? code : *out ? 0 : OPIS_ENOMEM;
}

static int any(toml *t, const value **out, int depth)
{
  if (depth > DEEPEST)
    return error_set(OPIS_ELIMIT, "%s: nested too deeply", t->what);
  size_t n = strspn(t->s, "0123456789");
  if (*t->s == '"' || *t->s == '\'')
    return string(t, out);
  if (*t->s == '[')
    return array(t, out, depth);
  if (*t->s == '{')
    return inline_table(t, out, depth);
  if ((n == 4 && t->s[4] == '-') || (n == 2 && t->s[2] == ':'))
    return date(t, out);
  if (*t->s && strchr("+-0123456789in", *t->s))
    return number(t, out);
  bool truth = take(t, "true");
  if (!truth && !take(t, "false"))
    return broken(t);
  *out = value_bool(t->a, truth);
  return *out ? 0 : OPIS_ENOMEM;
}

/* ---- keys and tables ---- */

static int key(toml *t, const value **out)
{
  size_t n = strspn(t->s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
  if (*t->s == '"' || *t->s == '\'')
    return strncmp(t->s, "\"\"\"", 3) == 0 || strncmp(t->s, "'''", 3) == 0 ? broken(t) : string(t, out);
  if (n == 0)
    return broken(t);
  *out = value_string(t->a, t->s, n);
  t->s += n;
  return *out ? 0 : OPIS_ENOMEM;
}

/* The table of this name in a table, made when there is none; of an array of tables the last one. */
static int step(toml *t, value **table, const value *name)
{
  value *next = (value *)(uintptr_t)value_find(*table, name);
  if (next && next->kind == VALUE_LIST && next->n)
    next = (value *)(uintptr_t)next->items[next->n - 1];
  if (!next && (!(next = value_new(t->a, VALUE_DICT)) || value_put(t->a, *table, name, next) < 0))
    return OPIS_ENOMEM;
  *table = next;
  return next->kind == VALUE_DICT ? 0 : broken(t);
}

/* "a.b.c": the table a.b, and c. */
static int path(toml *t, value **table, const value **name)
{
  int code = key(t, name);
  for (space(t); code == 0 && take(t, "."); space(t)) {
    space(t);
    code = step(t, table, *name);
    if (code == 0)
      code = key(t, name);
  }
  return code;
}

static int pair(toml *t, value *table, int depth)
{
  const value *name, *v;
  value *above = table;
  int code = path(t, &table, &name);
  if (table != above)
    table->truth = true;
  if (code == 0 && !take(t, "="))
    code = broken(t);
  space(t);
  if (code == 0)
    code = any(t, &v, depth);
  if (code == 0 && value_find(table, name))
    code = broken(t);
  return code == 0 ? value_put(t->a, table, name, v) : code;
}

/* Tables that are complete have `truth` set: no heading adds to them.
 * "[a.b]" and "[[a.b]]": *table is what the lines below it fill. */
static int heading(toml *t, value *root, value **table)
{
  const value *name;
  bool many = take(t, "[[");
  t->s += many ? 0 : 1;
  space(t);
  *table = root;
  int code = path(t, table, &name);
  if (code == 0 && !take(t, many ? "]]" : "]"))
    code = broken(t);
  if (code == 0 && !many) {
    bool there = value_find(*table, name) != NULL;
    code = step(t, table, name);
    if (code == 0 && there && (*table)->truth) /* each table has one heading */
      code = broken(t);
    (*table)->truth = true;
  }
  if (code < 0 || !many)
    return code;
  value *list = (value *)(uintptr_t)value_find(*table, name), *item = value_new(t->a, VALUE_DICT);
  if (!list && (!(list = value_new(t->a, VALUE_LIST)) || value_put(t->a, *table, name, list) < 0))
    return OPIS_ENOMEM;
  if (list->kind != VALUE_LIST)
    return broken(t);
  *table = item;
  return value_append(t->a, list, item);
}

int value_from_toml(const value **out, arena *a, const char *s, size_t n, const char *what)
{
  value *root = value_new(a, VALUE_DICT), *table = root;
  char *text = strndup(s, n);
  *out = root;
  if (!root || !text) {
    free(text);
    return error_nomem();
  }
  toml t = {a, text, text, what};
  int code = memchr(s, '\0', n) || !utf8_valid(s, n) ? error_set(OPIS_EFORMAT, "%s: not UTF-8", what) : 0;
  for (lines(&t); code == 0 && *t.s; lines(&t)) {
    code = *t.s == '[' ? heading(&t, root, &table) : pair(&t, table, 0);
    space(&t);
    if (code == 0 && *t.s && !strchr("\r\n#", *t.s))
      code = broken(&t);
  }
  free(text);
  return code;
}
