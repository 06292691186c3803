#include "check/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- scripts ---- */

/* Blocks of letters, rising; what is in none is of no script that is told apart. */
static const struct {
  uint32_t first, last;
  uint32_t script;
} blocks[] = {{0x41, 0x24F, SCRIPT_LATIN}, {0x250, 0x2AF, SCRIPT_LATIN}, {0x370, 0x3FF, SCRIPT_GREEK}, {0x400, 0x52F, SCRIPT_CYRILLIC}, {0x530, 0x58F, 8}, {0x590, 0x5FF, 16},
  {0x600, 0x6FF, 32}, {0x750, 0x77F, 32}, {0x8A0, 0x8FF, 32}, {0x900, 0x97F, 64}, {0x980, 0x9FF, 128}, {0xA00, 0xA7F, 256}, {0xA80, 0xAFF, 512}, {0xB80, 0xBFF, 1024},
  {0xC00, 0xC7F, 2048}, {0xC80, 0xCFF, 4096}, {0xD00, 0xD7F, 8192}, {0xE00, 0xE7F, 16384}, {0x10A0, 0x10FF, 32768}, {0x1100, 0x11FF, 65536}, {0x1200, 0x139F, 131072},
  {0x1C90, 0x1CBF, 32768}, {0x1D00, 0x1D25, SCRIPT_LATIN}, {0x1E00, 0x1EFF, SCRIPT_LATIN}, {0x1F00, 0x1FFF, SCRIPT_GREEK}, {0x2C60, 0x2C7F, SCRIPT_LATIN},
  {0x2DE0, 0x2DFF, SCRIPT_CYRILLIC}, {0x3040, 0x31FF, 65536}, {0x3400, 0x9FFF, 65536}, {0xA640, 0xA69F, SCRIPT_CYRILLIC}, {0xA720, 0xA7FF, SCRIPT_LATIN}, {0xAC00, 0xD7FF, 65536},
  {0xF900, 0xFAFF, 65536}, {0xFB00, 0xFB06, SCRIPT_LATIN}, {0xFB50, 0xFDFF, 32}, {0xFE70, 0xFEFE, 32}, {0xFF21, 0xFF5A, SCRIPT_LATIN}, {0xFF66, 0xFFDC, 65536},
  {0x20000, 0x3FFFF, 65536}};

static uint32_t script_of(uint32_t c)
{
  size_t low = 0, high = sizeof blocks / sizeof *blocks;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (blocks[middle].last < c)
      low = middle + 1;
    else
      high = middle;
  }
  return low < sizeof blocks / sizeof *blocks && blocks[low].first <= c ? blocks[low].script : 0;
}

const char *text_script_name(uint32_t scripts)
{
  static const char *const names[] = {"Latin", "Greek", "Cyrillic", "Armenian", "Hebrew", "Arabic", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Tamil", "Telugu", "Kannada",
    "Malayalam", "Thai", "Georgian", "Chinese, Japanese or Korean", "Ethiopic"};
  size_t i = scripts ? (size_t)__builtin_ctz(scripts) : sizeof names;
  return i < sizeof names / sizeof *names ? names[i] : "no";
}

static bool is_letter(uint32_t c)
{
  utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool is_word(uint32_t c)
{
  if (c < 128)
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO;
}

/* ---- characters that are not seen ---- */

static bool is_unseen(uint32_t c)
{
  return c < 32 || (c >= 0x7F && c <= 0x9F) || c == 0x200B || (c >= 0x202A && c <= 0x202E) || c == 0x2028 || c == 0x2029 || (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF ||
    (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE000 && c <= 0xF8FF) || (c & 0xFFFE) == 0xFFFE;
}

/* ---- garbled letters ---- */

/* The byte that Windows-1252 (and Latin-1, where that has none) shows as this character; -1: none. */
static int byte_of(uint32_t c)
{
  static const uint16_t special[32] = {0x20AC, 0, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0, 0x17D, 0, 0, 0x2018, 0x2019, 0x201C,
    0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0, 0x17E, 0x178};
  if (c >= 0x80 && c <= 0xFF)
    return (int)c;
  for (int i = 0; i < 32; i++)
    if (special[i] == c && c)
      return 0x80 + i;
  return -1;
}

/* A closing mark may well follow a capital letter: CAFÉ», À… */
static bool is_mark(uint32_t c)
{
  return c == 0xBB || c == 0xAB || c == 0x2019 || c == 0x201D || c == 0x2026 || c == 0x2013 || c == 0x2014 || c == 0x203A || c == 0xB0 || c == 0xBA || c == 0xAA || c == 0xB7;
}

/* How many characters from c[0..n) are one UTF-8 sequence taken for Windows-1252; 0: none. */
static size_t sequence(const uint32_t *c, size_t n, uint32_t before)
{
  int lead = n ? byte_of(c[0]) : -1;
  size_t need = lead >= 0xC2 && lead <= 0xDF ? 2 : lead >= 0xE0 && lead <= 0xEF ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
  if (!need || n < need)
    return 0;
  for (size_t i = 1; i < need; i++) {
    int b = byte_of(c[i]);
    if (b < 0x80 || b > 0xBF)
      return 0;
  }
  if (need == 2 && is_mark(c[1]) && (lead > 0xC3 || utf8proc_category((utf8proc_int32_t)before) == UTF8PROC_CATEGORY_LU))
    return 0;
  return need;
}

/* Whether a garbled row begins at c[0]: one sequence of Â or Ã or of three characters, or two sequences of any kind. What it says is how many characters belong to it. */
static size_t garbled_row(const uint32_t *c, size_t n, uint32_t before)
{
  size_t first = sequence(c, n, before);
  if (!first) /* the last character of â€œ and the like has no shape in Windows-1252 and is often lost */
    return n >= 2 && c[0] == 0xE2 && c[1] == 0x20AC ? 2 : 0;
  size_t second = sequence(c + first, n - first, c[first - 1]);
  return first > 2 || c[0] == 0xC2 || c[0] == 0xC3 || second ? first + second : 0;
}

/* ---- all of it ---- */

enum { AHEAD = 8 };

typedef struct window {
  uint32_t c[AHEAD];
  size_t at[AHEAD + 1]; /* byte offsets; at[n] is behind the last */
  size_t n, next;       /* next byte to decode */
} window;

static void fill(window *w, text_facts *f, const char *s, size_t n)
{
  while (w->n < AHEAD && w->next < n) {
    utf8proc_int32_t c;
    utf8proc_ssize_t took = utf8proc_iterate((const utf8proc_uint8_t *)s + w->next, (utf8proc_ssize_t)(n - w->next), &c);
    if (took <= 0) {
      if (f->valid)
        f->bad_at = w->next;
      f->valid = false;
      c = -1;
      took = 1;
    }
    w->at[w->n] = w->next;
    w->c[w->n++] = (uint32_t)c;
    w->next += (size_t)took;
    w->at[w->n] = w->next;
  }
}

void text_look(text_facts *f, const char *s, size_t n)
{
  window w = {.n = 0};
  uint32_t before = ' ', word = 0;
  const uint32_t alike = SCRIPT_LATIN | SCRIPT_GREEK | SCRIPT_CYRILLIC;
  *f = (text_facts){.valid = true};
  for (fill(&w, f, s, n); w.n; fill(&w, f, s, n)) {
    uint32_t c = w.c[0];
    size_t row = c >= 0x80 && c != 0xFFFFFFFF && !f->length ? garbled_row(w.c, w.n, before) : 0;
    if (row) {
      f->garbled = w.at[0];
      f->length = w.at[row] - w.at[0];
    }
    if (c != 0xFFFFFFFF) {
      if (is_unseen(c) && !f->control)
        f->control = c ? c : 1;
      f->lost |= c == 0xFFFD;
      bool letter = c < 128 ? ((c | 32) >= 'a' && (c | 32) <= 'z') : is_letter(c);
      f->letters += letter || is_word(c) || c >= 0x1F000;                                 /* a caption of pictograms says something */
      uint32_t script = letter && c != 0xAA && c != 0xB5 && c != 0xBA ? script_of(c) : 0; /* micro and ordinals stand among all letters */
      f->scripts |= script;
      word = letter ? word | (script & alike) : is_word(c) ? word : 0;
      f->word_mixes = f->word_mixes || (word & (word - 1));
    }
    before = c;
    w.n--;
    memmove(w.c, w.c + 1, w.n * sizeof *w.c);
    memmove(w.at, w.at + 1, (w.n + 1) * sizeof *w.at);
  }
}

/* ---- words ---- */

/* Lower case for ASCII alone, which is nearly all there is; utf8proc for the rest. */
static char *fold(const char *s, size_t n, size_t *length)
{
  bool ascii = true;
  for (size_t i = 0; ascii && i < n; i++)
    ascii = (unsigned char)s[i] < 128 && s[i];
  utf8proc_uint8_t *out = NULL;
  if (!ascii) {
    utf8proc_ssize_t r = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &out, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
    if (r >= 0) {
      *length = (size_t)r;
      return (char *)out;
    }
  }
  char *copy = malloc(n + 1);
  for (size_t i = 0; copy && i < n; i++)
    copy[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];
  if (copy)
    copy[n] = 0;
  *length = n;
  return copy;
}

static bool parts_clauses(utf8proc_int32_t c)
{
  return c == ',' || c == ';' || c == ':' || c == '.' || c == '!' || c == '?' || c == '(' || c == '"' || c == 0x2026 || c == 0x3001 || c == 0x3002;
}

const char *text_folded(arena *a, const char *s, size_t n, bool marks, size_t *length)
{
  size_t folded_length, put = 0, word_end = 0;
  char *folded = fold(s, n, &folded_length), *kept = folded ? arena_alloc(a, marks ? 2 * folded_length + 1 : folded_length + 1) : NULL;
  bool in_word = false, mark = false;
  if (!kept) {
    free(folded);
    return NULL;
  }
  /* Inside of words any character stays (don't, 3.5); before and behind them only letters and digits do. */
  for (size_t i = 0; i < folded_length;) {
    utf8proc_int32_t c;
    utf8proc_ssize_t took = utf8proc_iterate((const utf8proc_uint8_t *)folded + i, (utf8proc_ssize_t)(folded_length - i), &c);
    bool part = took <= 0 || is_word((uint32_t)c) || c >= 0x1F000 || (c >= 128 && utf8proc_category(c) <= UTF8PROC_CATEGORY_ME && utf8proc_category(c) >= UTF8PROC_CATEGORY_MN);
    bool space = took > 0 && (c <= ' ' || c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029);
    size_t bytes = took <= 0 ? 1 : (size_t)took;
    if (space) {
      if (in_word)
        put = word_end;
      in_word = false;
    } else if (part || in_word) {
      if (!in_word && put) {
        if (marks && mark) {
          memcpy(kept + put, " ,", 2);
          put += 2;
        }
        kept[put++] = ' ';
      }
      in_word = true;
      memmove(kept + put, folded + i, bytes);
      put += bytes;
      if (part)
        word_end = put;
    }
    mark = !(part && took > 0) && (mark || (took > 0 && parts_clauses(c)));
    i += bytes;
  }
  if (in_word)
    put = word_end;
  free(folded);
  kept[put] = 0;
  *length = put;
  return kept;
}

size_t text_words(const char *folded, size_t length)
{
  size_t n = length > 0;
  for (size_t i = 0; i < length; i++)
    n += folded[i] == ' ';
  return n;
}

static bool same_word(const char *s, const size_t *at, size_t a, size_t b)
{
  size_t n = at[a + 1] - at[a];
  return at[b + 1] - at[b] == n && memcmp(s + at[a], s + at[b], n - 1) == 0;
}

size_t text_repetition(const char *folded, size_t length, size_t *begin, size_t *row)
{
  size_t most = 1, n = text_words(folded, length), *at = malloc((n + 1) * sizeof *at), word = 0;
  *begin = *row = 0;
  if (!at)
    return 1;
  at[0] = 0;
  for (size_t i = 0; i < length; i++)
    if (folded[i] == ' ')
      at[++word] = i + 1;
  at[n] = length + 1;
  for (size_t k = 1; k <= 8; k++)
    for (size_t i = k, equal = 0; i < n; i++) {
      equal = same_word(folded, at, i, i - k) ? equal + 1 : 0;
      if (equal / k + 1 > most) {
        most = equal / k + 1;
        *begin = at[i + 1 - equal - k];
        *row = at[i + 1 - equal] - 1 - *begin;
      }
    }
  free(at);
  return most;
}
