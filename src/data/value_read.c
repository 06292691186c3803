/* YAML and JSON read into values. */
#include "data/value.h"

#include "util/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEEPEST = 200, LONGEST_NUMBER = 4300 /* Python's own limit */ };

/* ---- plain words of YAML 1.2, as ruamel.yaml takes them ---- */

static bool among(const char *word, const char *const *list)
{
  for (; *list; list++)
    if (strcmp(word, *list) == 0)
      return true;
  return false;
}

static const char *many(const char *s, const char *set)
{
  return s + strspn(s, set);
}

static bool digit(char c)
{
  return c >= '0' && c <= '9';
}

static const char *exponent(const char *s, bool sign_needed)
{
  const char *p = s;
  if (*p != 'e' && *p != 'E')
    return s;
  p++;
  if (*p == '+' || *p == '-')
    p++;
  else if (sign_needed)
    return s;
  return digit(*p) ? many(p, "0123456789") : s;
}

static bool is_float(const char *word)
{
  static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL}, *const none[] = {".nan", ".NaN", ".NAN", NULL};
  const char *s = word + (*word == '+' || *word == '-'), *p;
  if (among(s, infinite) || among(word, none))
    return true;
  if (digit(*s)) {
    p = many(s, "0123456789_");
    if (*p == '.')
      return !*exponent(many(p + 1, "0123456789_"), false);
    return *p && !*exponent(p, false);
  }
  return *s == '.' && strspn(s + 1, "0123456789_") && strcspn(s + 1, "0123456789") < strspn(s + 1, "0123456789_") && !*exponent(many(s + 1, "0123456789_"), true);
}

/* The base of an integer, with where its digits begin; 0: it is none. */
static unsigned base_of(const char *word, const char **digits)
{
  static const struct {
    const char *prefix, *digits;
    unsigned base;
  } kinds[] = {{"0b", "01_", 2}, {"0o", "01234567_", 8}, {"0x", "0123456789abcdefABCDEF_", 16}, {"", "0123456789_", 10}};
  const char *s = word + (*word == '+' || *word == '-');
  if (*word == '_')
    return 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t n = strlen(kinds[i].prefix);
    *digits = s + n;
    if (strncmp(s, kinds[i].prefix, n) == 0 && **digits && !*many(*digits, kinds[i].digits) && strspn(*digits, "_") < strlen(*digits))
      return kinds[i].base;
  }
  return 0;
}

static char *without(const char *s, char c)
{
  char *out = malloc(strlen(s) + 1), *end = out;
  for (; out && *s; s++)
    if (*s != c)
      *end++ = *s;
  if (out)
    *end = '\0';
  else
    error_nomem();
  return out;
}

static const value *number(arena *a, const char *word)
{
  const char *digits;
  bool negative = *word == '-';
  value *v = NULL;
  if (is_float(word)) {
    char *plain = without(word, '_');
    if (!plain)
      return NULL;
    const char *s = plain + (*plain == '+' || *plain == '-');
    if (s[0] == '.' && (s[1] | 0x20) == 'i')
      v = value_float(a, negative ? -INFINITY : INFINITY);
    else if (s[0] == '.' && (s[1] | 0x20) == 'n')
      v = value_float(a, NAN);
    else
      v = value_float(a, strtod(plain, NULL));
    free(plain);
    return v;
  }
  unsigned base = base_of(word, &digits);
  char *plain = without(digits, '_');
  if (plain)
    v = value_digits(a, plain, strlen(plain), base, negative);
  free(plain);
  return v;
}

/* "2024-05-06", "2024-5-6 7:08:09.1 +2:00": a date, or a moment in UTC. */
bool value_moment(const value **out, arena *a, const char *s)
{
  int year, month, day, hour, minute, second, end = 0, zone_hour = 0, zone_minute = 0;
  char text[64], sign = '+';
  if (strspn(s, "0123456789") != 4 || s[4] != '-')
    return false;
  size_t n = strlen(s), m = strspn(s + 5, "0123456789");
  if (n == 10 && m == 2 && s[7] == '-' && strspn(s + 8, "0123456789") == 2) {
    *out = value_text(a, VALUE_TIME, s, n);
    return true;
  }
  if (sscanf(s, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || !end)
    return false;
  const char *p = s + end, *gap = p;
  p = *p == 'T' || *p == 't' ? p + 1 : many(p, " \t");
  if (p == gap || !digit(*p) || sscanf(p, "%2d:%2d:%2d%n", &hour, &minute, &second, &end) != 3)
    return false;
  p += end;
  unsigned micros = 0;
  if (*p == '.')
    for (unsigned unit = 100000; digit(*++p); unit /= 10)
      micros += (unsigned)(*p - '0') * unit;
  p = many(p, " \t");
  bool zone = *p == '+' || *p == '-' || *p == 'Z' || *p == 'z';
  if (*p == 'Z' || *p == 'z')
    p++;
  else if (zone) {
    sign = *p++;
    end = 0;
    if (sscanf(p, "%2d%n:%2d%n", &zone_hour, &end, &zone_minute, &end) < 1)
      return false;
    p += end;
  }
  if (*p)
    return false;
  struct tm t = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute, .tm_sec = second};
  time_t seconds = timegm(&t) - (sign == '-' ? -1 : 1) * (zone_hour * 3600 + zone_minute * 60);
  snprintf(text, sizeof text, "%lld.%06u%s", (long long)seconds, micros, zone ? "Z" : "");
  *out = value_text(a, VALUE_TIME, text, strlen(text));
  return true;
}

int value_scalar(const value **out, arena *a, const yaml_node *node, const char *what)
{
  static const char *const null[] = {"", "~", "null", "Null", "NULL", NULL}, *const yes[] = {"true", "True", "TRUE", NULL}, *const no[] = {"false", "False", "FALSE", NULL};
  const char *word = node->text, *digits;
  bool special = node->plain && strlen(word) == node->length;
  if (special && among(word, null))
    *out = value_new(a, VALUE_NULL);
  else if (special && (among(word, yes) || among(word, no)))
    *out = value_bool(a, among(word, yes));
  else if (special && (is_float(word) || base_of(word, &digits))) {
    if (node->length > LONGEST_NUMBER)
      return error_set(OPIS_ELIMIT, "%s: a number of %zu digits", what, node->length);
    *out = number(a, word);
  } else if (!special || !digit(*word) || !value_moment(out, a, word))
    *out = value_string(a, node->text, node->length);
  return *out ? 0 : OPIS_ENOMEM;
}

/* ---- YAML ---- */

static int convert(const value **out, arena *a, const yaml_node *node, const char *what);

static bool is_merge(const yaml_node *key)
{
  return key->kind == YAML_SCALAR && key->plain && strcmp(key->text, "<<") == 0;
}

/* The pairs of a mapping; once: a key that is there already is an error. */
static int put_pairs(value *dict, arena *a, const yaml_node *node, bool once, const char *what)
{
  int code = 0;
  for (size_t i = 0; i + 1 < node->n && code == 0; i += 2) {
    const value *key, *item;
    if (is_merge(node->items[i]))
      continue;
    code = convert(&key, a, node->items[i], what);
    if (code == 0 && key->kind == VALUE_DICT)
      code = error_set(OPIS_EFORMAT, "%s: a mapping is the key of a mapping", what);
    if (code == 0 && key->kind == VALUE_LIST)
      ((value *)(uintptr_t)key)->kind = VALUE_TUPLE;
    if (code == 0 && once && value_find(dict, key))
      code = error_set(OPIS_EFORMAT, "%s: the key '%s' is there twice; take one of them out", what, node->items[i]->text ? node->items[i]->text : "[…]");
    if (code == 0)
      code = convert(&item, a, node->items[i + 1], what);
    if (code == 0)
      code = value_put(a, dict, key, item);
  }
  return code;
}

/* What "<<" brings into a mapping comes before its own keys. */
static int put_merged(value *dict, arena *a, const yaml_node *from, const char *what)
{
  int code = 0;
  if (from->kind == YAML_SEQUENCE) {
    for (size_t i = from->n; i > 0 && code == 0; i--)
      code = from->items[i - 1]->kind == YAML_SEQUENCE ? error_set(OPIS_EFORMAT, "%s: '<<' takes mappings", what) : put_merged(dict, a, from->items[i - 1], what);
    return code;
  }
  if (from->kind != YAML_MAPPING)
    return error_set(OPIS_EFORMAT, "%s: '<<' takes mappings", what);
  for (size_t i = 0; i + 1 < from->n && code == 0; i += 2)
    if (is_merge(from->items[i]))
      code = put_merged(dict, a, from->items[i + 1], what);
  return code == 0 ? put_pairs(dict, a, from, false, what) : code;
}

static int convert(const value **out, arena *a, const yaml_node *node, const char *what)
{
  if (node->kind == YAML_SCALAR)
    return value_scalar(out, a, node, what);
  value *v = value_new(a, node->kind == YAML_MAPPING ? VALUE_DICT : VALUE_LIST);
  int code = v ? 0 : OPIS_ENOMEM;
  if (code == 0 && node->kind == YAML_MAPPING) {
    bool merged = false;
    for (size_t i = 0; i + 1 < node->n; i += 2)
      merged |= is_merge(node->items[i]);
    code = merged ? put_merged(v, a, node, what) : put_pairs(v, a, node, true, what);
  } else
    for (size_t i = 0; i < node->n && code == 0; i++) {
      const value *item;
      code = convert(&item, a, node->items[i], what);
      if (code == 0)
        code = value_append(a, v, item);
    }
  *out = v;
  return code;
}

int value_from_yaml(const value **out, arena *a, const yaml_node *node, const char *what)
{
  if (node)
    return convert(out, a, node, what);
  *out = value_new(a, VALUE_NULL);
  return *out ? 0 : OPIS_ENOMEM;
}

/* ---- JSON: not by jansson, which refuses what Python writes (NaN, integers beyond 64 bits, halves of surrogates) ---- */

typedef struct json_reader {
  arena *a;
  const char *s, *end, *begin, *what;
} json_reader;

static int json_broken(const json_reader *r)
{
  size_t line = 1;
  for (const char *p = r->begin; p < r->s; p++)
    line += *p == '\n';
  return error_set(OPIS_EFORMAT, "%s: line %zu: not JSON", r->what, line);
}

static void json_space(json_reader *r)
{
  while (r->s < r->end && strchr(" \t\r\n", *r->s) && *r->s)
    r->s++;
}

static bool json_word(json_reader *r, const char *word)
{
  size_t n = strlen(word);
  if ((size_t)(r->end - r->s) < n || memcmp(r->s, word, n) != 0)
    return false;
  r->s += n;
  return true;
}

static bool json_hex(json_reader *r, uint32_t *c)
{
  *c = 0;
  if (r->end - r->s < 4)
    return false;
  for (int i = 0; i < 4; i++, r->s++) {
    char h = *r->s;
    if (!digit(h) && !((h | 0x20) >= 'a' && (h | 0x20) <= 'f'))
      return false;
    *c = *c * 16 + (uint32_t)(digit(h) ? h - '0' : (h | 0x20) - 'a' + 10);
  }
  return true;
}

static int json_string(json_reader *r, const value **out)
{
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  strbuf b = STRBUF_INIT;
  bool good = true;
  for (r->s++; good && r->s < r->end && *r->s != '"';) {
    if ((unsigned char)*r->s < 0x20)
      good = false;
    else if (*r->s != '\\')
      strbuf_putc(&b, *r->s++);
    else if (r->s + 1 < r->end && r->s[1] == 'u') {
      uint32_t c, low;
      r->s += 2;
      good = json_hex(r, &c);
      const char *behind = r->s;
      if (good && c >= 0xD800 && c < 0xDC00 && json_word(r, "\\u")) {
        if (json_hex(r, &low) && low >= 0xDC00 && low < 0xE000)
          c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        else
          r->s = behind;
      }
      if (good)
        value_put_character(&b, c);
    } else {
      const char *found = r->s + 1 < r->end && r->s[1] ? strchr(from, r->s[1]) : NULL;
      good = found != NULL;
      if (good) {
        strbuf_putc(&b, to[found - from]);
        r->s += 2;
      }
    }
  }
  int code = good && r->s < r->end ? strbuf_check(&b) : json_broken(r);
  if (code == 0) {
    r->s++;
    *out = value_string(r->a, b.s ? b.s : "", b.n);
    code = *out ? 0 : OPIS_ENOMEM;
  } else if (code == OPIS_ENOMEM)
    error_nomem();
  strbuf_free(&b);
  return code;
}

static int json_number(json_reader *r, const value **out)
{
  const char *s = r->s, *digits = s + (*s == '-'), *p = digits;
  bool real = false;
  while (p < r->end && digit(*p))
    p++;
  if (p == digits || (*digits == '0' && p > digits + 1))
    return json_broken(r);
  const char *whole = p;
  if (p + 1 < r->end && *p == '.' && digit(p[1]))
    for (p++, real = true; p < r->end && digit(*p);)
      p++;
  if (p < r->end && (*p | 0x20) == 'e') {
    const char *q = p + 1;
    if (q < r->end && (*q == '+' || *q == '-'))
      q++;
    if (q < r->end && digit(*q)) {
      real = true;
      while (q < r->end && digit(*q))
        q++;
      p = q;
    }
  }
  if (p - s > LONGEST_NUMBER)
    return error_set(OPIS_ELIMIT, "%s: a number of %zu digits", r->what, (size_t)(p - s));
  r->s = p;
  char *text = strndup(s, (size_t)(p - s));
  *out = !text ? NULL : real ? value_float(r->a, strtod(text, NULL)) : value_digits(r->a, digits, (size_t)(whole - digits), 10, *s == '-');
  free(text);
  return *out ? 0 : error_nomem();
}

static int json_value(json_reader *r, const value **out, int depth);

static int json_items(json_reader *r, value *v, char close, int depth)
{
  int code = 0;
  r->s++;
  json_space(r);
  if (r->s < r->end && *r->s == close) {
    r->s++;
    return 0;
  }
  while (code == 0) {
    const value *key = NULL, *item;
    json_space(r);
    if (v->kind == VALUE_DICT) {
      code = r->s < r->end && *r->s == '"' ? json_string(r, &key) : json_broken(r);
      json_space(r);
      if (code == 0 && !json_word(r, ":"))
        code = json_broken(r);
    }
    if (code == 0)
      code = json_value(r, &item, depth + 1);
    if (code == 0)
      code = key ? value_put(r->a, v, key, item) : value_append(r->a, v, item);
    json_space(r);
    if (code == 0 && r->s < r->end && *r->s == close) {
      r->s++;
      break;
    }
    if (code == 0 && !json_word(r, ","))
      code = json_broken(r);
  }
  return code;
}

static int json_value(json_reader *r, const value **out, int depth)
{
  value *v = NULL;
  int code = 0;
  json_space(r);
  if (depth > DEEPEST)
    return error_set(OPIS_ELIMIT, "%s: nested too deeply", r->what);
  if (r->s < r->end && *r->s == '"')
    return json_string(r, out);
  if (r->s < r->end && (*r->s == '{' || *r->s == '[')) {
    v = value_new(r->a, *r->s == '{' ? VALUE_DICT : VALUE_LIST);
    code = v ? json_items(r, v, *r->s == '{' ? '}' : ']', depth) : OPIS_ENOMEM;
  } else if (json_word(r, "true"))
    v = value_bool(r->a, true);
  else if (json_word(r, "false"))
    v = value_bool(r->a, false);
  else if (json_word(r, "null"))
    v = value_new(r->a, VALUE_NULL);
  else if (json_word(r, "NaN"))
    v = value_float(r->a, NAN);
  else if (json_word(r, "Infinity"))
    v = value_float(r->a, INFINITY);
  else if (json_word(r, "-Infinity"))
    v = value_float(r->a, -INFINITY);
  else
    return r->s < r->end ? json_number(r, out) : json_broken(r);
  *out = v;
  return code < 0 ? code : v ? 0 : OPIS_ENOMEM;
}

int value_from_json(const value **out, arena *a, const char *s, size_t n, const char *what)
{
  json_reader r = {.a = a, .s = s, .begin = s, .end = s + n, .what = what};
  if (!utf8_valid(s, n))
    return error_set(OPIS_EFORMAT, "%s: not UTF-8", what);
  int code = json_value(&r, out, 0);
  json_space(&r);
  return code == 0 && r.s < r.end ? json_broken(&r) : code;
}
