#include "data/value.h"

#include "util/error.h"
#include "util/map.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 16 };

value *value_new(arena *a, value_kind kind)
{
  value *v = arena_calloc(a, 1, sizeof *v);
  if (v)
    v->kind = kind;
  return v;
}

value *value_text(arena *a, value_kind kind, const char *s, size_t n)
{
  value *v = arena_alloc(a, sizeof *v + n + 1);
  if (!v)
    return NULL;
  char *text = (char *)(v + 1);
  memcpy(text, s, n);
  text[n] = '\0';
  *v = (value){.kind = kind, .n = n, .text = text};
  return v;
}

value *value_string(arena *a, const char *s, size_t n)
{
  return value_text(a, VALUE_STRING, s, n);
}

value *value_bool(arena *a, bool truth)
{
  value *v = value_new(a, VALUE_BOOL);
  if (v)
    v->truth = truth;
  return v;
}

value *value_int(arena *a, int64_t integer)
{
  value *v = value_new(a, VALUE_INT);
  if (v)
    v->integer = integer;
  return v;
}

value *value_float(arena *a, double real)
{
  value *v = value_new(a, VALUE_FLOAT);
  if (v)
    v->real = real;
  return v;
}

static unsigned digit_of(char c)
{
  return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

value *value_digits(arena *a, const char *digits, size_t n, unsigned base, bool negative)
{
  uint64_t small = 0;
  bool large = false;
  for (size_t i = 0; i < n && !large; i++) {
    unsigned d = digit_of(digits[i]);
    large = small > ((uint64_t)INT64_MAX - d) / base;
    small = large ? small : small * base + d;
  }
  if (!large)
    return value_int(a, negative ? -(int64_t)small : (int64_t)small);
  /* Decimal digits, the last first, each time multiplied by the base. */
  char *decimal = malloc(n * 2 + 2);
  size_t m = 0;
  if (!decimal) {
    error_nomem();
    return NULL;
  }
  for (size_t i = 0; i < n; i++) {
    unsigned carry = digit_of(digits[i]);
    for (size_t k = 0; k < m || carry; k++) {
      unsigned sum = (k < m ? (unsigned)(decimal[k] - '0') * base : 0) + carry;
      decimal[k] = (char)('0' + sum % 10);
      carry = sum / 10;
      m = k < m ? m : k + 1;
    }
  }
  if (negative)
    decimal[m++] = '-';
  for (size_t i = 0; i < m / 2; i++) {
    char c = decimal[i];
    decimal[i] = decimal[m - 1 - i];
    decimal[m - 1 - i] = c;
  }
  value *v = value_text(a, VALUE_LARGE, decimal, m);
  free(decimal);
  return v;
}

/* ---- lists and dicts ---- */

static int grow(arena *a, value *v)
{
  size_t room = v->room ? v->room * 2 : 8;
  const value **items = arena_alloc(a, room * sizeof *items);
  if (!items)
    return OPIS_ENOMEM;
  if (v->n)
    memcpy(items, v->items, v->n * sizeof *items);
  v->items = items;
  v->room = room;
  return 0;
}

int value_append(arena *a, value *list, const value *item)
{
  if (!item || (list->n == list->room && grow(a, list) < 0))
    return OPIS_ENOMEM;
  list->items[list->n++] = item;
  return 0;
}

static size_t hash(const value *key)
{
  return key->kind == VALUE_STRING ? map_hash(key->text, key->n) : 0; /* all others, which are few, together */
}

/* Where the key's slot is, or the free one where it would be. Slots count from 1: key n is items[n - 1]. */
static uint32_t *slot(const value *dict, const value *key)
{
  size_t i = hash(key) & (dict->n_slots - 1);
  while (dict->slots[i] && !value_same(dict->items[dict->slots[i] - 1], key))
    i = (i + 1) & (dict->n_slots - 1);
  return &dict->slots[i];
}

static size_t place_of(const value *dict, const value *key)
{
  if (dict->slots) {
    uint32_t at = *slot(dict, key);
    return at ? at - 1 : SIZE_MAX;
  }
  VALUE_EACH(dict, i)
  if (value_same(dict->items[i], key))
    return i;
  return SIZE_MAX;
}

static int index_keys(arena *a, value *dict)
{
  dict->n_slots = dict->n_slots ? dict->n_slots * 4 : 8 * (size_t)FEW;
  dict->slots = arena_calloc(a, dict->n_slots, sizeof *dict->slots);
  if (!dict->slots)
    return OPIS_ENOMEM;
  VALUE_EACH(dict, i)
  *slot(dict, dict->items[i]) = (uint32_t)i + 1;
  return 0;
}

int value_put(arena *a, value *dict, const value *key, const value *item)
{
  if (!key || !item)
    return OPIS_ENOMEM;
  size_t at = place_of(dict, key);
  if (at != SIZE_MAX) {
    dict->items[at + 1] = item;
    return 0;
  }
  if (dict->n > UINT32_MAX - 4)
    return error_set(OPIS_ELIMIT, "a mapping has too many keys");
  at = dict->n;
  if (value_append(a, dict, key) < 0 || value_append(a, dict, item) < 0)
    return OPIS_ENOMEM;
  if (dict->n > 2 * (dict->slots ? dict->n_slots / 2 : (size_t)FEW))
    return index_keys(a, dict);
  if (dict->slots)
    *slot(dict, key) = (uint32_t)at + 1;
  return 0;
}

const value *value_find(const value *dict, const value *key)
{
  size_t at = dict && dict->kind == VALUE_DICT ? place_of(dict, key) : SIZE_MAX;
  return at == SIZE_MAX ? NULL : dict->items[at + 1];
}

const value *value_get(const value *dict, const char *key)
{
  value k = {.kind = VALUE_STRING, .n = strlen(key), .text = key};
  return value_find(dict, &k);
}

/* ---- what Python says of them ---- */

bool value_is_text(const value *v, const char *text)
{
  return v && v->kind == VALUE_STRING && strlen(text) == v->n && memcmp(v->text, text, v->n) == 0;
}

bool value_true(const value *v)
{
  switch (v ? v->kind : VALUE_NULL) {
  case VALUE_NULL: return false;
  case VALUE_BOOL: return v->truth;
  case VALUE_INT: return v->integer != 0;
  case VALUE_FLOAT: return v->real != 0;
  case VALUE_LARGE:
  case VALUE_TIME: return true;
  default: return v->n > 0;
  }
}

static bool is_number(const value *v)
{
  return v->kind == VALUE_BOOL || v->kind == VALUE_INT || v->kind == VALUE_FLOAT;
}

static int64_t whole(const value *v)
{
  return v->kind == VALUE_BOOL ? v->truth : v->integer;
}

static bool same_number(const value *a, const value *b)
{
  if (a->kind == VALUE_FLOAT && b->kind == VALUE_FLOAT)
    return a->real == b->real;
  if (a->kind != VALUE_FLOAT && b->kind != VALUE_FLOAT)
    return whole(a) == whole(b);
  double real = a->kind == VALUE_FLOAT ? a->real : b->real;
  int64_t n = whole(a->kind == VALUE_FLOAT ? b : a);
  return fabs(real) < 9223372036854775808.0 && real == floor(real) && (int64_t)real == n;
}

static bool same_items(const value *a, const value *b)
{
  bool same = a->n == b->n;
  for (size_t i = 0; i < a->n && same; i += a->kind == VALUE_DICT ? 2 : 1)
    if (a->kind == VALUE_DICT) {
      const value *other = value_find(b, a->items[i]);
      same = other && value_same(a->items[i + 1], other);
    } else
      same = value_same(a->items[i], b->items[i]);
  return same;
}

bool value_same(const value *a, const value *b)
{
  if (is_number(a) && is_number(b))
    return same_number(a, b);
  if (a->kind == VALUE_LARGE && b->kind == VALUE_FLOAT) {
    char digits[320]; /* all of them */
    snprintf(digits, sizeof digits, "%.0f", b->real);
    return b->real == floor(b->real) && strcmp(digits, a->text) == 0;
  }
  if (a->kind == VALUE_FLOAT && b->kind == VALUE_LARGE)
    return value_same(b, a);
  if (a->kind != b->kind)
    return false;
  switch (a->kind) {
  case VALUE_NULL: return true;
  case VALUE_LARGE:
  case VALUE_STRING:
  case VALUE_TIME: return a->n == b->n && memcmp(a->text, b->text, a->n) == 0;
  default: return same_items(a, b);
  }
}

const char *value_type(const value *v)
{
  static const char *const names[] = {"null", "truth value", "number", "number", "number", "string", "date", "list", "tuple", "mapping"};
  return names[v ? v->kind : VALUE_NULL];
}

/* The fewest digits that give the number again; as an exponent below 1e-4 and from 1e16. */
static void put_float(strbuf *b, double real)
{
  char digits[32];
  int precision = 0;
  do
    snprintf(digits, sizeof digits, "%.*e", precision, real);
  while (strtod(digits, NULL) != real && ++precision < 17);
  char *e = strchr(digits, 'e');
  int exponent = atoi(e + 1);
  if (exponent < -4 || exponent >= 16) {
    strbuf_append(b, digits, (size_t)(e - digits));
    strbuf_printf(b, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
  } else {
    int behind = precision - exponent;
    strbuf_printf(b, "%.*f", behind > 0 ? behind : 1, real);
  }
}

static void put_real(strbuf *b, double real, bool json)
{
  if (isnan(real))
    strbuf_puts(b, json ? "NaN" : "nan");
  else if (isinf(real))
    strbuf_printf(b, "%s%s", real < 0 ? "-" : "", json ? "Infinity" : "inf");
  else
    put_float(b, real);
}

void value_put_text(strbuf *b, const value *v)
{
  switch (v->kind) {
  case VALUE_NULL: strbuf_puts(b, "None"); break;
  case VALUE_BOOL: strbuf_puts(b, v->truth ? "True" : "False"); break;
  case VALUE_FLOAT: put_real(b, v->real, false); break;
  case VALUE_STRING: strbuf_append(b, v->text, v->n); break;
  default: value_put_json(b, v);
  }
}

void value_put_character(strbuf *b, uint32_t c)
{
  if (c < 0x80) {
    strbuf_putc(b, (char)c);
    return;
  }
  if (c >= 0x10000)
    strbuf_putc(b, (char)(0xF0 | c >> 18));
  if (c >= 0x800)
    strbuf_putc(b, (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3F) : 0xE0 | c >> 12));
  strbuf_putc(b, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3F) : 0xC0 | c >> 6));
  strbuf_putc(b, (char)(0x80 | (c & 0x3F)));
}

static uint32_t decode(const char *s, size_t n)
{
  static const unsigned char first[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  uint32_t c = (unsigned char)s[0] & first[n];
  for (size_t i = 1; i < n; i++)
    c = c << 6 | ((unsigned char)s[i] & 0x3FU);
  return c;
}

static void put_quoted(strbuf *b, const char *s, size_t n)
{
  static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
  strbuf_putc(b, '"');
  for (size_t i = 0, k; i < n; i += k) {
    const char *short_form = s[i] ? strchr(from, s[i]) : NULL;
    k = utf8_sequence(s + i, n - i);
    k = k ? k : (unsigned char)s[i] == 0xED && i + 2 < n ? 3 : 1; /* half a pair of surrogates */
    uint32_t c = decode(s + i, k);
    if (short_form)
      strbuf_printf(b, "\\%c", to[short_form - from]);
    else if (c >= 0x20 && c <= 0x7F)
      strbuf_putc(b, s[i]);
    else if (c >= 0x10000)
      strbuf_printf(b, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xD7C0 + (c >> 10), 0xDC00 + (c & 0x3FF));
    else
      strbuf_printf(b, "\\u%04" PRIx32, c);
  }
  strbuf_putc(b, '"');
}

static int by_key(const void *x, const void *y)
{
  const value *a = **(const value *const *const *)x, *b = **(const value *const *const *)y;
  size_t n = a->n < b->n ? a->n : b->n;
  int c = a->kind == VALUE_STRING && b->kind == VALUE_STRING ? memcmp(a->text, b->text, n) : 0;
  return c ? c : (a->n > b->n) - (a->n < b->n);
}

static void put_dict(strbuf *b, const value *v)
{
  const value ***pairs = malloc((v->n / 2 + 1) * sizeof *pairs);
  if (!pairs) {
    b->failed = true;
    return;
  }
  VALUE_EACH(v, i)
  pairs[i / 2] = &v->items[i];
  qsort(pairs, v->n / 2, sizeof *pairs, by_key);
  strbuf_putc(b, '{');
  for (size_t i = 0; i < v->n / 2; i++) {
    const value *key = pairs[i][0];
    strbuf_puts(b, i ? ", " : "");
    if (key->kind != VALUE_STRING)
      strbuf_putc(b, '"');
    value_put_json(b, key);
    if (key->kind != VALUE_STRING)
      strbuf_putc(b, '"');
    strbuf_puts(b, ": ");
    value_put_json(b, pairs[i][1]);
  }
  strbuf_putc(b, '}');
  free(pairs);
}

void value_put_json(strbuf *b, const value *v)
{
  switch (v->kind) {
  case VALUE_NULL: strbuf_puts(b, "null"); break;
  case VALUE_BOOL: strbuf_puts(b, v->truth ? "true" : "false"); break;
  case VALUE_INT: strbuf_printf(b, "%" PRId64, v->integer); break;
  case VALUE_LARGE: strbuf_append(b, v->text, v->n); break;
  case VALUE_FLOAT: put_real(b, v->real, true); break;
  case VALUE_STRING:
  case VALUE_TIME: put_quoted(b, v->text, v->n); break;
  case VALUE_DICT: put_dict(b, v); break;
  default:
    strbuf_putc(b, '[');
    for (size_t i = 0; i < v->n; i++) {
      strbuf_puts(b, i ? ", " : "");
      value_put_json(b, v->items[i]);
    }
    strbuf_putc(b, ']');
  }
}
