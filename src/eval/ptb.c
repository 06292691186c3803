/* Captions become symbols (ptb_rules.h), the longest rule wins, its action makes the token. */
#include "eval/ptb.h"

#include "eval/ptb_rules.h"
#include "text/unicode.h"
#include "util/error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct ptb {
  pattern_set *patterns;
};

typedef struct range {
  uint32_t first, last;
  uint8_t symbol;
} range;

/* Where the kind does not follow from being a letter or digit; sorted. Letters are asked first, so that ª and µ are letters. */
static const range ranges[] = {
  {0x80, 0x80, PTB_CURRENCY},
  {0x85, 0x85, PTB_ELLIPSIS},
  {0x91, 0x91, PTB_LEFT_SINGLE},
  {0x92, 0x92, PTB_RIGHT_SINGLE},
  {0x93, 0x94, PTB_QUOTE},
  {0x96, 0x97, PTB_DASH},
  {0xA0, 0xA0, PTB_NBSP},
  {0xA1, 0xA1, PTB_STOP},
  {0xA2, 0xA5, PTB_CURRENCY},
  {0xA6, 0xA9, PTB_SIGN},
  {0xAB, 0xAB, PTB_QUOTE},
  {0xAC, 0xAC, PTB_SIGN},
  {0xAD, 0xAD, PTB_SOFT},
  {0xAE, 0xB1, PTB_SIGN},
  {0xB2, 0xB3, PTB_SUPERSCRIPT},
  {0xB4, 0xB8, PTB_SIGN},
  {0xB9, 0xB9, PTB_SUPERSCRIPT},
  {0xBA, 0xBA, PTB_SIGN},
  {0xBB, 0xBB, PTB_QUOTE},
  {0xBC, 0xBE, PTB_FRACTION},
  {0xBF, 0xBF, PTB_STOP},
  {0xD7, 0xD7, PTB_SIGN},
  {0xF7, 0xF7, PTB_SIGN},
  {0x2C2, 0x2C5, PTB_MARK},
  {0x2D2, 0x2DF, PTB_MARK},
  {0x2E5, 0x2FF, PTB_MARK},
  {0x300, 0x37D, PTB_MARK},
  {0x37E, 0x37E, PTB_STOP},
  {0x384, 0x385, PTB_MARK},
  {0x387, 0x387, PTB_SIGN},
  {0x3F6, 0x3F6, PTB_MARK},
  {0x483, 0x487, PTB_MARK},
  {0x55A, 0x55F, PTB_MARK},
  {0x589, 0x589, PTB_STOP},
  {0x58A, 0x58A, PTB_HYPHEN},
  {0x591, 0x5BD, PTB_MARK},
  {0x5BE, 0x5BE, PTB_SIGN},
  {0x5BF, 0x5BF, PTB_MARK},
  {0x5C0, 0x5C0, PTB_SIGN},
  {0x5C1, 0x5C2, PTB_MARK},
  {0x5C3, 0x5C3, PTB_SIGN},
  {0x5C4, 0x5C5, PTB_MARK},
  {0x5C6, 0x5C6, PTB_SIGN},
  {0x5C7, 0x5C7, PTB_MARK},
  {0x5F3, 0x5F4, PTB_SIGN},
  {0x600, 0x603, PTB_SIGN},
  {0x606, 0x60A, PTB_SIGN},
  {0x60B, 0x60B, PTB_CURRENCY},
  {0x60C, 0x60C, PTB_SIGN},
  {0x614, 0x614, PTB_SIGN},
  {0x615, 0x61A, PTB_MARK},
  {0x61B, 0x61B, PTB_SIGN},
  {0x61E, 0x61E, PTB_SIGN},
  {0x61F, 0x61F, PTB_STOP},
  {0x64B, 0x65E, PTB_MARK},
  {0x66A, 0x66A, PTB_SIGN},
  {0x66B, 0x66C, PTB_NUMBER_SEPARATOR},
  {0x66D, 0x66D, PTB_SIGN},
  {0x670, 0x670, PTB_MARK},
  {0x6D4, 0x6D4, PTB_STOP},
  {0x6D6, 0x6EF, PTB_MARK},
  {0x6FA, 0x6FF, PTB_MARK},
  {0x700, 0x702, PTB_STOP},
  {0x703, 0x70D, PTB_SIGN},
  {0x70F, 0x70F, PTB_MARK},
  {0x711, 0x711, PTB_MARK},
  {0x730, 0x74F, PTB_MARK},
  {0x7A6, 0x7B1, PTB_MARK},
  {0x7EB, 0x7F5, PTB_MARK},
  {0x7F6, 0x7F8, PTB_SIGN},
  {0x7FA, 0x7FA, PTB_MARK},
  {0x900, 0x903, PTB_MARK},
  {0x93C, 0x93C, PTB_MARK},
  {0x93E, 0x94E, PTB_MARK},
  {0x951, 0x955, PTB_MARK},
  {0x962, 0x963, PTB_MARK},
  {0x964, 0x965, PTB_SIGN},
  {0x981, 0x983, PTB_MARK},
  {0x9BC, 0x9C4, PTB_MARK},
  {0x9C7, 0x9C8, PTB_MARK},
  {0x9CB, 0x9CD, PTB_MARK},
  {0x9D7, 0x9D7, PTB_MARK},
  {0x9E2, 0x9E3, PTB_MARK},
  {0xA01, 0xA03, PTB_MARK},
  {0xA3C, 0xA3C, PTB_MARK},
  {0xA3E, 0xA4F, PTB_MARK},
  {0xA81, 0xA83, PTB_MARK},
  {0xABC, 0xACF, PTB_MARK},
  {0xB82, 0xB82, PTB_MARK},
  {0xBBE, 0xBC2, PTB_MARK},
  {0xBC6, 0xBC8, PTB_MARK},
  {0xBCA, 0xBCD, PTB_MARK},
  {0xC01, 0xC03, PTB_MARK},
  {0xC3E, 0xC56, PTB_MARK},
  {0xD3E, 0xD44, PTB_MARK},
  {0xD46, 0xD48, PTB_MARK},
  {0xE30, 0xE3A, PTB_MARK},
  {0xE3F, 0xE3F, PTB_CURRENCY},
  {0xE47, 0xE4E, PTB_MARK},
  {0xE4F, 0xE4F, PTB_SIGN},
  {0xEB1, 0xEBC, PTB_MARK},
  {0xEC8, 0xECD, PTB_MARK},
  {0x1FBD, 0x1FBD, PTB_SIGN},
  {0x2000, 0x200A, PTB_SPACE},
  {0x200B, 0x200B, PTB_INVISIBLE},
  {0x200E, 0x200F, PTB_INVISIBLE},
  {0x2010, 0x2011, PTB_HYPHEN},
  {0x2013, 0x2015, PTB_DASH},
  {0x2016, 0x2017, PTB_SIGN},
  {0x2018, 0x2018, PTB_LEFT_SINGLE},
  {0x2019, 0x2019, PTB_RIGHT_SINGLE},
  {0x201A, 0x201A, PTB_QUOTE},
  {0x201B, 0x201B, PTB_LEFT_SINGLE},
  {0x201C, 0x201F, PTB_QUOTE},
  {0x2020, 0x2023, PTB_SIGN},
  {0x2026, 0x2026, PTB_ELLIPSIS},
  {0x2028, 0x2029, PTB_SPACE},
  {0x2030, 0x2038, PTB_SIGN},
  {0x2039, 0x203A, PTB_QUOTE},
  {0x203B, 0x203B, PTB_SIGN},
  {0x203E, 0x2042, PTB_SIGN},
  {0x2044, 0x2044, PTB_FRACTION_SLASH},
  {0x2070, 0x2070, PTB_SUPERSCRIPT},
  {0x2074, 0x2079, PTB_SUPERSCRIPT},
  {0x207A, 0x207B, PTB_SCRIPT_SIGN},
  {0x207C, 0x207F, PTB_SIGN},
  {0x2080, 0x2089, PTB_SUBSCRIPT},
  {0x208A, 0x208B, PTB_SCRIPT_SIGN},
  {0x208C, 0x208E, PTB_SIGN},
  {0x20A0, 0x20A0, PTB_CURRENCY},
  {0x20A4, 0x20A4, PTB_CURRENCY},
  {0x20AC, 0x20AC, PTB_CURRENCY},
  {0x2100, 0x214F, PTB_SIGN},
  {0x2153, 0x215E, PTB_FRACTION},
  {0x2190, 0x2BFF, PTB_SIGN},
  {0x3000, 0x3000, PTB_SPACE},
  {0x3001, 0x3001, PTB_COMMA},
  {0x3002, 0x3002, PTB_STOP},
  {0x3012, 0x3012, PTB_SIGN},
  {0x30FB, 0x30FB, PTB_SIGN},
  {0xFEFF, 0xFEFF, PTB_INVISIBLE},
  {0xFF01, 0xFF0F, PTB_SIGN},
  {0xFF1A, 0xFF20, PTB_SIGN},
  {0xFF3B, 0xFF40, PTB_SIGN},
  {0xFF5B, 0xFF65, PTB_SIGN},
  {0xFFE0, 0xFFE1, PTB_CURRENCY},
  {0xFFE5, 0xFFE6, PTB_CURRENCY},
};

static int by_range(const void *key, const void *item)
{
  uint32_t c = *(const uint32_t *)key;
  const range *r = item;
  return c < r->first ? -1 : c > r->last;
}

static uint8_t symbol_of(uint32_t c)
{
  if (c < 0x80)
    return c == 0 ? PTB_INVISIBLE : c == '\r' || c == '\v' || c == '\f' ? ' ' : (uint8_t)c;
  if (c > 0xFFFF)
    return PTB_OTHER;
  utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
  if (k == UTF8PROC_CATEGORY_LU)
    return PTB_UPPER;
  if (k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT || k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_LO)
    return PTB_LETTER;
  if (k == UTF8PROC_CATEGORY_ND)
    return PTB_DIGIT;
  const range *r = bsearch(&c, ranges, sizeof ranges / sizeof *ranges, sizeof *ranges, by_range);
  return r ? r->symbol : PTB_OTHER;
}

int ptb_new(ptb **out)
{
  ptb *p = calloc(1, sizeof *p);
  *out = NULL;
  if (!p)
    return error_nomem();
  int e = pattern_set_new(&p->patterns, ptb_macros);
  for (const ptb_rule *r = ptb_rules; e == 0 && r->pattern; r++)
    e = pattern_set_add(p->patterns, r->pattern, r->trailing);
  if (e < 0) {
    ptb_free(p);
    return e;
  }
  *out = p;
  return 0;
}

void ptb_free(ptb *p)
{
  if (!p)
    return;
  pattern_set_free(p->patterns);
  free(p);
}

/* ---- tokens ---- */

static bool starts(const char *at, const char *end, const char *word)
{
  size_t n = strlen(word);
  return (size_t)(end - at) >= n && strncasecmp(at, word, n) == 0;
}

/* What a quotation mark becomes; NULL: it is none. The words &apos; and &quot; are marks only in lower case. */
static const char *quote(const char **at, const char *end, uint32_t c, bool left)
{
  const char *rest = *at;
  bool apos = c == '&' && (size_t)(end - rest) >= 5 && strncmp(rest, "apos;", 5) == 0, quot = c == '&' && (size_t)(end - rest) >= 5 && strncmp(rest, "quot;", 5) == 0;
  if (apos || quot)
    *at += 5;
  if (c == '\'' || apos)
    return left ? "`" : "'";
  if (c == '"' || quot)
    return left ? "``" : "''";
  switch (c) {
  case 0x91:
  case 0x2018:
  case 0x201B:
  case 0x2039: return "`";
  case 0x92:
  case 0x2019:
  case 0x203A: return "'";
  case 0x93:
  case 0x201C:
  case 0xAB: return "``";
  case 0x94:
  case 0x201D:
  case 0xBB: return "''";
  default: return NULL;
  }
}

static const char *fraction(uint32_t c)
{
  switch (c) {
  case 0xBC: return "1/4";
  case 0xBD: return "1/2";
  case 0xBE: return "3/4";
  case 0x2153: return "1/3";
  case 0x2154: return "2/3";
  default: return NULL;
  }
}

static const char *currency(uint32_t c)
{
  return c == 0xA2 ? "cents" : c == 0xA3 ? "#" : c == 0x80 || c == 0xA4 || c == 0x20A0 || c == 0x20AC ? "$" : NULL;
}

/* What one character of a token becomes under its rule's action; NULL: it stays. *at stands behind it and may be moved on. */
static const char *replaced(ptb_action action, uint32_t c, const char **at, const char *end)
{
  switch (action) {
  case PTB_UNSOFTEN: return c == 0xAD ? "" : NULL;
  case PTB_AMPERSAND:
    if (c == '&' && starts(*at, end, "amp;")) {
      *at += 4;
      return "&";
    }
    return NULL;
  case PTB_JOIN_SPACES: return c == ' ' ? "\xC2\xA0" : NULL;
  case PTB_PHONE:
    if (c == ' ')
      return "\xC2\xA0";
    /* fall through */
  case PTB_BRACKETS: return c == '(' ? "-lrb-" : c == ')' ? "-rrb-" : NULL;
  case PTB_QUOTE_LEFT:
  case PTB_QUOTE_RIGHT: return quote(at, end, c, action == PTB_QUOTE_LEFT);
  case PTB_CURRENCY_NAME: return currency(c);
  case PTB_FRACTION_DIGITS: return fraction(c);
  default: return NULL;
  }
}

static void put_token(strbuf *b, const ptb_rule *r, const char *text, size_t n)
{
  const char *at = text, *end = text + n;
  size_t before = b->n;
  if (r->action == PTB_FIXED || (r->action == PTB_HYPHENS && (n == 3 || n == 4))) {
    strbuf_puts(b, r->action == PTB_FIXED ? r->fixed : "--");
    return;
  }
  while (at < end) {
    uint32_t c = utf8_next(&at);
    const char *other = replaced(r->action, c, &at, end);
    if (other)
      strbuf_puts(b, other);
    else if (c < 0x80)
      strbuf_putc(b, (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c));
    else if (c == 0x130)
      strbuf_puts(b, "i\xCC\x87");
    else
      utf8_put(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
  }
  if (b->n == before && r->action == PTB_UNSOFTEN)
    strbuf_putc(b, '-'); /* soft hyphens alone */
}

static bool is_punctuation(const char *s, size_t n)
{
  static const char *const marks[] = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}; /* the names of brackets are lower-cased before they are looked for */
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (strlen(marks[i]) == n && memcmp(marks[i], s, n) == 0)
      return true;
  return false;
}

/* ---- lines ---- */

typedef struct joined {
  strbuf text;
  uint8_t *symbols;  /* [n] */
  uint32_t *offsets; /* [n + 1]: where each symbol begins in text */
  size_t n;
} joined;

static void joined_free(joined *j)
{
  strbuf_free(&j->text);
  free(j->symbols);
  free(j->offsets);
}

/* All captions, one a line. Characters beyond 16 bits count as two, as Java counts them. */
static int join(joined *j, const ptb_text *texts, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    size_t begin = j->text.n;
    utf8_put_lossy(&j->text, (const uint8_t *)texts[i].text, texts[i].length);
    for (size_t k = begin; k < j->text.n && !j->text.failed; k++)
      if (j->text.s[k] == '\n')
        j->text.s[k] = ' ';
    strbuf_putc(&j->text, '\n');
  }
  if (strbuf_check(&j->text) < 0)
    return error_nomem();
  if (j->text.n >= UINT32_MAX)
    return error_set(OPIS_ELIMIT, "captions of more than 4 GiB together");
  j->symbols = malloc(j->text.n + 1);
  j->offsets = malloc((j->text.n + 1) * sizeof *j->offsets);
  if (!j->symbols || !j->offsets)
    return error_nomem();
  const char *at = j->text.s, *end = at + j->text.n;
  while (at < end) {
    j->offsets[j->n] = (uint32_t)(at - j->text.s);
    uint32_t c = utf8_next(&at);
    j->symbols[j->n++] = symbol_of(c);
    if (c > 0xFFFF) {
      j->offsets[j->n] = (uint32_t)(at - j->text.s);
      j->symbols[j->n++] = PTB_OTHER;
    }
  }
  j->offsets[j->n] = (uint32_t)j->text.n;
  return 0;
}

/* How many symbols the token has, and how many are used up. */
static void extent(const ptb_rule *r, size_t length, size_t *token, size_t *used)
{
  *token = *used = length;
  switch (r->action) {
  case PTB_BACK_2: *token = *used = length - 2; break;
  case PTB_BACK_3: *token = *used = length - 3; break;
  case PTB_ABBREVIATION: *used = length - 1; break;
  case PTB_ACRONYM:
    *used = length - 1;
    if (length == 2)
      *token = 1;
    break;
  default: break;
  }
}

int ptb_lines(ptb *p, const ptb_text *texts, size_t n, int punctuation, int (*line)(void *user, size_t i, const char *tokens, size_t length), void *user)
{
  joined j = {STRBUF_INIT, NULL, NULL, 0};
  strbuf out = STRBUF_INIT;
  size_t i = 0;
  int e = n ? join(&j, texts, n) : 0;
  strbuf_puts(&out, "");
  for (size_t at = 0; e == 0 && at < j.n;) {
    size_t length = 0, token, used;
    /* The last line's end is only ours. */
    int k = pattern_match(p->patterns, j.symbols + at, j.n - at - (at < j.n - 1), &length);
    if (k == PATTERN_FAILED) {
      e = error_nomem();
      break;
    }
    const ptb_rule *r = &ptb_rules[k == PATTERN_NONE ? 0 : k];
    if (k == PATTERN_NONE || length == 0) {
      at++;
      continue;
    }
    if (r->action == PTB_NEWLINE) {
      e = strbuf_check(&out) < 0 ? error_nomem() : line(user, i++, out.s, out.n);
      strbuf_reset(&out);
      strbuf_puts(&out, "");
    } else if (r->action != PTB_SKIP) {
      extent(r, length, &token, &used);
      size_t before = out.n;
      if (before)
        strbuf_putc(&out, ' ');
      size_t begin = out.n;
      put_token(&out, r, j.text.s + j.offsets[at], j.offsets[at + token] - j.offsets[at]);
      if (!punctuation && !out.failed && is_punctuation(out.s + begin, out.n - begin)) {
        out.n = before;
        out.s[before] = 0;
      }
      length = used;
    }
    at += length;
  }
  strbuf_free(&out);
  joined_free(&j);
  return e;
}
