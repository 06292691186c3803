/* Strings as ruamel.yaml's emitter (0.18, YAML 1.2, width 80) writes them, rule by rule: .dvc files must come out byte for byte as DVC's. */
#include "data/yaml.h"

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80 };

typedef struct emitter {
  strbuf *b;
  const uint32_t *s;
  size_t n;
  size_t column, indent;
} emitter;

static bool is_break(uint32_t c)
{
  return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static bool is_white(uint32_t c)
{
  return c == 0 || c == ' ' || c == '\t' || c == '\r' || is_break(c);
}

static bool is_printable(uint32_t c) /* beyond ASCII */
{
  return ((c >= 0xA0 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD) || (c >= 0x10000 && c <= 0x10FFFF)) && c != 0xFEFF;
}

/* ---- which plain words are no strings ---- */

static const char *many(const char *s, const char *set)
{
  return s + strspn(s, set);
}

static bool digit(char c)
{
  return c >= '0' && c <= '9';
}

static bool is_exponent(const char *s, bool sign_needed)
{
  if (*s != 'e' && *s != 'E')
    return false;
  s++;
  if (*s == '+' || *s == '-')
    s++;
  else if (sign_needed)
    return false;
  return digit(*s) && !*many(s, "0123456789");
}

static bool looks_like_number(const char *word)
{
  const char *s = word, *p;
  if (*s == '+' || *s == '-')
    s++;
  if (strcmp(s, ".inf") == 0 || strcmp(s, ".Inf") == 0 || strcmp(s, ".INF") == 0)
    return true;
  if (*s && *word != '_' && !*many(s, "0123456789_"))
    return true;
  if (s[0] == '0' && s[1] == 'b' && s[2] && !*many(s + 2, "01_"))
    return true;
  if (s[0] == '0' && s[1] == 'o' && s[2] && !*many(s + 2, "01234567_"))
    return true;
  if (s[0] == '0' && s[1] == 'x' && s[2] && !*many(s + 2, "0123456789abcdefABCDEF_"))
    return true;
  if (digit(*s)) {
    p = many(s, "0123456789_");
    if (*p == '.') {
      p = many(p + 1, "0123456789_");
      return !*p || is_exponent(p, false);
    }
    return is_exponent(p, false);
  }
  if (*s == '.' && (digit(s[1]) || s[1] == '_')) {
    p = many(s + 1, "0123456789_");
    return !*p || is_exponent(p, true);
  }
  return false;
}

static bool digits(const char **s, int least, int most)
{
  int n = 0;
  while (n < most && digit(**s)) {
    (*s)++;
    n++;
  }
  return n >= least;
}

static bool looks_like_time(const char *s)
{
  const char *p = s;
  if (digits(&p, 4, 4) && *p++ == '-' && digits(&p, 2, 2) && *p++ == '-' && digits(&p, 2, 2) && !*p)
    return true;
  p = s;
  if (!(digits(&p, 4, 4) && *p++ == '-' && digits(&p, 1, 2) && *p++ == '-' && digits(&p, 1, 2)))
    return false;
  const char *gap = p;
  p = *p == 'T' || *p == 't' ? p + 1 : many(p, " \t");
  if (p == gap || !(digits(&p, 1, 2) && *p++ == ':' && digits(&p, 2, 2) && *p++ == ':' && digits(&p, 2, 2)))
    return false;
  if (*p == '.')
    p = many(p + 1, "0123456789");
  if (!*p)
    return true;
  p = many(p, " \t");
  if (*p == 'Z')
    return !p[1];
  if (*p != '+' && *p != '-')
    return false;
  p++;
  if (!digits(&p, 1, 2))
    return false;
  return !*p || (*p++ == ':' && digits(&p, 2, 2) && !*p);
}

static bool is_other_type(const char *s)
{
  static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE", "~", "null", "Null", "NULL", "", "<<", "=", "!", "&", "*", ".nan", ".NaN", ".NAN"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(s, words[i]) == 0)
      return true;
  return looks_like_number(s) || looks_like_time(s);
}

/* ---- what styles are allowed ---- */

typedef struct analysis {
  bool plain, single, multiline;
} analysis;

static analysis analyze(const uint32_t *s, size_t n, const char *utf8)
{
  bool indicators = strncmp(utf8, "---", 3) == 0 || strncmp(utf8, "...", 3) == 0, special = false, breaks = false;
  bool edge = s[0] == ' ' || is_break(s[0]) || s[n - 1] == ' ' || is_break(s[n - 1]), break_space = false, space_break = false;
  for (size_t i = 0; i < n; i++) {
    uint32_t c = s[i];
    bool white_before = i == 0 || is_white(s[i - 1]), white_after = i + 1 >= n || is_white(s[i + 1]);
    if (i == 0)
      indicators |= (c && c < 128 && strchr("#,[]{}&*!|>'\"%@`", (int)c)) || ((c == '?' || c == ':' || c == '-') && white_after);
    else
      indicators |= (c == ':' && white_after) || (c == '#' && white_before);
    breaks |= is_break(c);
    if (!(c == '\n' || (c >= 0x20 && c <= 0x7E)) && c != 0x85 && !is_printable(c))
      special = true;
    if (i > 0) {
      break_space |= c == ' ' && is_break(s[i - 1]);
      space_break |= is_break(c) && s[i - 1] == ' ';
    }
  }
  analysis a = {.plain = !(edge || break_space || special || space_break || breaks || indicators), .single = !(break_space || special || space_break), .multiline = breaks};
  return a;
}

/* ---- writing ---- */

static void put(emitter *e, uint32_t c)
{
  char u[4];
  if (c < 0x80)
    strbuf_putc(e->b, (char)c);
  else if (c < 0x800) {
    u[0] = (char)(0xC0 | c >> 6);
    u[1] = (char)(0x80 | (c & 0x3F));
    strbuf_append(e->b, u, 2);
  } else if (c < 0x10000) {
    u[0] = (char)(0xE0 | c >> 12);
    u[1] = (char)(0x80 | (c >> 6 & 0x3F));
    u[2] = (char)(0x80 | (c & 0x3F));
    strbuf_append(e->b, u, 3);
  } else {
    u[0] = (char)(0xF0 | c >> 18);
    u[1] = (char)(0x80 | (c >> 12 & 0x3F));
    u[2] = (char)(0x80 | (c >> 6 & 0x3F));
    u[3] = (char)(0x80 | (c & 0x3F));
    strbuf_append(e->b, u, 4);
  }
  e->column++;
}

static void put_range(emitter *e, size_t start, size_t end)
{
  for (; start < end; start++)
    put(e, e->s[start]);
}

static void put_text(emitter *e, const char *s)
{
  strbuf_puts(e->b, s);
  e->column += strlen(s);
}

static void new_line(emitter *e)
{
  strbuf_printf(e->b, "\n%*s", (int)e->indent, "");
  e->column = e->indent;
}

static void plain(emitter *e)
{
  bool spaces = false;
  size_t start = 0;
  put_text(e, " ");
  for (size_t end = 0; end <= e->n; end++) {
    bool over = end == e->n;
    if (spaces) {
      if (over || e->s[end] != ' ') {
        if (start + 1 == end && e->column >= WIDTH)
          new_line(e);
        else
          put_range(e, start, end);
        start = end;
      }
    } else if (over || e->s[end] == ' ') {
      if (end - start + e->column > WIDTH && e->column > e->indent) /* a word longer than the line gets one of its own; ruamel leaves the space before the break */
        new_line(e);
      put_range(e, start, end);
      start = end;
    }
    spaces = !over && e->s[end] == ' ';
  }
}

static void single(emitter *e)
{
  bool spaces = false, breaks = false;
  size_t start = 0;
  put_text(e, " '");
  for (size_t end = 0; end <= e->n; end++) {
    bool over = end == e->n;
    uint32_t c = over ? 0 : e->s[end];
    if (spaces) {
      if (over || c != ' ') {
        if (start + 1 == end && e->column > WIDTH && start != 0 && end != e->n)
          new_line(e);
        else
          put_range(e, start, end);
        start = end;
      }
    } else if (breaks) {
      if (over || !is_break(c)) {
        if (e->s[start] == '\n')
          strbuf_putc(e->b, '\n');
        for (size_t i = start; i < end; i++)
          put(e, e->s[i]);
        strbuf_printf(e->b, "%*s", (int)e->indent, "");
        e->column = e->indent;
        start = end;
      }
    } else if (over || c == ' ' || is_break(c) || c == '\'') {
      put_range(e, start, end);
      start = end;
    }
    if (!over && c == '\'') {
      put_text(e, "''");
      start = end + 1;
    }
    spaces = !over && c == ' ';
    breaks = !over && is_break(c);
  }
  put_text(e, "'");
}

static void put_escaped(emitter *e, uint32_t c)
{
  static const struct {
    uint32_t c;
    char letter;
  } names[] = {{0, '0'}, {7, 'a'}, {8, 'b'}, {9, 't'}, {10, 'n'}, {11, 'v'}, {12, 'f'}, {13, 'r'}, {27, 'e'}, {'"', '"'}, {'\\', '\\'}, {0x85, 'N'}, {0xA0, '_'}, {0x2028, 'L'},
    {0x2029, 'P'}};
  char text[16];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].c == c) {
      put_text(e, (char[]){'\\', names[i].letter, '\0'});
      return;
    }
  snprintf(text, sizeof text, c <= 0xFF ? "\\x%02X" : c <= 0xFFFF ? "\\u%04X" : "\\U%08X", (unsigned)c);
  put_text(e, text);
}

/* Whether a folded line of a double-quoted string needs the backslash that keeps a space out. */
static bool needs_backslash(const emitter *e, size_t start, size_t end)
{
  size_t space = end;
  while (space < e->n && e->s[space] != ' ')
    space++;
  if (space == e->n)
    return true;
  for (size_t i = end; i < space; i++)
    if (e->s[i] == '\n') {
      space = i;
      break;
    }
  if (space + 1 >= e->n)
    return true;
  if (e->s[space] == '\n' && e->s[space + 1] != ' ')
    return true;
  for (size_t i = end; i < space; i++)
    if (e->s[i] == '"' || e->s[i] == '\'')
      return true;
  return !(e->s[space + 1] != ' ' && e->s[space + 1] != '\n' && !(e->s[end - 1] == ' ' && e->s[end] == ' ') && start != end);
}

static void quoted(emitter *e)
{
  size_t start = 0;
  put_text(e, " \"");
  for (size_t end = 0; end <= e->n; end++) {
    bool over = end == e->n;
    uint32_t c = over ? 0 : e->s[end];
    if (over || c == '"' || c == '\\' || c == 0x85 || c == 0x2028 || c == 0x2029 || c == 0xFEFF || !((c >= 0x20 && c <= 0x7E) || is_printable(c))) {
      put_range(e, start, end);
      start = end;
      if (!over) {
        put_escaped(e, c);
        start = end + 1;
      }
    }
    if (end > 0 && end + 1 < e->n && (c == ' ' || start >= end) && e->column + end - (start < end ? start : end) - (start > end) > WIDTH) {
      bool backslash = needs_backslash(e, start, end);
      put_range(e, start, end);
      if (start < end)
        start = end;
      if (backslash)
        put_text(e, "\\");
      new_line(e);
      if (e->s[start] == ' ') {
        if (backslash)
          put_text(e, "\\");
        else
          start++;
      }
    }
  }
  put_text(e, "\"");
}

static uint32_t *decode(const char *s, size_t bytes, size_t *n)
{
  uint32_t *out = malloc((bytes + 1) * sizeof *out);
  *n = 0;
  for (size_t i = 0; out && i < bytes;) {
    unsigned char c = (unsigned char)s[i];
    int more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    uint32_t v = more == 0 ? c : c & (0x3FU >> more);
    for (i++; more > 0; more--)
      v = v << 6 | ((unsigned char)s[i++] & 0x3F);
    out[(*n)++] = v;
  }
  return out;
}

int yaml_put_string(strbuf *b, const char *s, size_t column, size_t indent)
{
  size_t bytes = strlen(s), n;
  if (!utf8_valid(s, bytes))
    return error_set(OPIS_EINVALID, "'%s': the name is not UTF-8, which YAML cannot hold", s);
  if (bytes == 0) {
    strbuf_puts(b, " ''");
    return 0;
  }
  uint32_t *points = decode(s, bytes, &n);
  if (!points)
    return error_nomem();
  emitter e = {b, points, n, column, indent};
  analysis a = analyze(points, n, s);
  bool other = is_other_type(s);
  if (a.plain && !other)
    plain(&e);
  else if (strchr(s, '\'') || strchr(s, '\n') || !a.single)
    quoted(&e);
  else
    single(&e);
  free(points);
  return 0;
}
