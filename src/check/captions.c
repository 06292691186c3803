/* Findings about single captions, and about which pictures have how many. */
#include "check/captions.h"
#include "check/match.h"
#include "check/text.h"

#include "util/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXCERPT = 64 };

/* About EXCERPT bytes of a caption around a place, whole characters; NUL bytes and the like are shown by check_add. */
static void excerpt(char out[EXCERPT + 8], const char *s, size_t n, size_t at)
{
  size_t begin = at > EXCERPT / 2 && n > EXCERPT ? at - EXCERPT / 2 : 0;
  while (begin && begin < n && ((unsigned char)s[begin] & 0xC0) == 0x80)
    begin--;
  size_t end = n - begin > EXCERPT ? begin + EXCERPT : n;
  while (end < n && end > begin && ((unsigned char)s[end] & 0xC0) == 0x80)
    end--;
  size_t k = 0;
  if (begin)
    out[k++] = '~';
  for (size_t i = begin; i < end; i++)
    out[k++] = s[i] ? s[i] : '?';
  if (end < n)
    out[k++] = '~';
  out[k] = 0;
}

int check_add_caption(check_set *set, const check_settings *s, int key, size_t i, const char *format, ...)
{
  const caption *c = &set->captions.items[i];
  char *words = NULL, *path = NULL;
  va_list args;
  if (s->off[key])
    return 0;
  va_start(args, format);
  int n = vasprintf(&words, format, args);
  va_end(args);
  if (n < 0)
    return error_nomem();
  const char *picture = set->caption_file[i] == SIZE_MAX ? c->picture : set->files[set->caption_file[i]].path;
  int e = asprintf(&path, "%s#%u", picture, set->caption_number[i]) < 0 ? error_nomem() : check_add(set, s, key, path, "line %llu: %s", (unsigned long long)c->line, words);
  free(path);
  free(words);
  return e;
}

static int spelling(check_set *set, const check_settings *s, size_t i, const text_facts *f)
{
  const caption *c = &set->captions.items[i];
  char words[EXCERPT + 8];
  int e = 0;
  if (!f->letters && f->valid) {
    excerpt(words, c->text, c->length, 0);
    e = check_add_caption(set, s, KEY_EMPTY_CAPTION, i, c->length ? "nothing but '%s'" : "empty%s", words);
  }
  if (e == 0 && !f->valid) {
    excerpt(words, c->text, c->length, f->bad_at);
    e = check_add_caption(set, s, KEY_INVALID_UTF8, i, "byte %zu (0x%02X) is no UTF-8: '%s'", f->bad_at + 1, (unsigned char)c->text[f->bad_at], words);
  }
  if (e == 0 && f->control) {
    excerpt(words, c->text, c->length, 0);
    e = check_add_caption(set, s, KEY_CONTROL_CHARACTERS, i, "has U+%04X: '%s'", f->control == 1 ? 0 : f->control, words);
  }
  if (e == 0 && f->length) {
    excerpt(words, c->text, c->length, f->garbled);
    e = check_add_caption(set, s, KEY_MOJIBAKE, i, "'%.*s' looks like UTF-8 taken for another encoding: '%s'", (int)f->length, c->text + f->garbled, words);
  } else if (e == 0 && f->lost) {
    excerpt(words, c->text, c->length, 0);
    e = check_add_caption(set, s, KEY_MOJIBAKE, i, "a letter was lost and stands as U+FFFD: '%s'", words);
  }
  return e;
}

/* "boy , boy in red" repeats nothing: rows do not go from one clause into the next. */
static int repetition(check_set *set, const check_settings *s, size_t i)
{
  const caption *c = &set->captions.items[i];
  arena scratch = ARENA_INIT;
  char words[EXCERPT + 8], all[EXCERPT + 8];
  size_t length, at, row;
  const char *text = text_folded(&scratch, c->text, c->length, true, &length);
  int e = text ? 0 : OPIS_ENOMEM;
  size_t times = e == 0 ? text_repetition(text, length, &at, &row) : 0;
  if (e == 0 && (double)times >= s->threshold[KEY_WORD_REPETITION]) {
    excerpt(words, text + at, row, 0);
    excerpt(all, c->text, c->length, 0);
    e = check_add_caption(set, s, KEY_WORD_REPETITION, i, "'%s' %zu times in a row: '%s'", words, times, all);
  }
  arena_free(&scratch);
  return e;
}

/* ---- scripts ---- */

typedef struct scripts {
  size_t count[32], n; /* captions with letters of each script, and with any */
} scripts;

/* Scripts that a tenth of all captions have are at home in this set. */
static uint32_t at_home(const scripts *all)
{
  uint32_t bits = 0;
  for (int b = 0; b < 32; b++)
    if (all->count[b] * 10 >= all->n && all->count[b])
      bits |= UINT32_C(1) << b;
  return bits;
}

static int mixed(check_set *set, const check_settings *s, size_t i, uint32_t found, bool word_mixes, uint32_t home, size_t n)
{
  const caption *c = &set->captions.items[i];
  uint32_t foreign = n >= 10 ? found & ~home : 0;
  char words[EXCERPT + 8];
  excerpt(words, c->text, c->length, 0);
  if (word_mixes)
    return check_add_caption(set, s, KEY_MIXED_SCRIPTS, i, "letters that look alike but are of different scripts in one word: '%s'", words);
  if (foreign)
    return check_add_caption(set, s, KEY_MIXED_SCRIPTS, i, "%s letters, where the captions are %s: '%s'", text_script_name(foreign), text_script_name(home), words);
  if (n < 10 && (found & (found - 1)))
    return check_add_caption(set, s, KEY_MIXED_SCRIPTS, i, "%s and %s letters: '%s'", text_script_name(found), text_script_name(found & (found - 1)), words);
  return 0;
}

/* ---- which pictures have captions ---- */

static int problems(check_set *set, const check_settings *s)
{
  const captions *c = &set->captions;
  size_t told = c->n_problems < CAPTIONS_MAX_PROBLEMS ? c->n_problems : CAPTIONS_MAX_PROBLEMS;
  int e = 0;
  for (size_t i = 0; e == 0 && i < told; i++) {
    char path[32];
    snprintf(path, sizeof path, "#line %llu", (unsigned long long)c->problems[i].line);
    e = check_add(set, s, KEY_UNREADABLE_CAPTION, path, "%s", c->problems[i].message);
  }
  return e == 0 && c->n_problems > told ? check_add(set, s, KEY_UNREADABLE_CAPTION, "#more", "and %zu more such lines", c->n_problems - told) : e;
}

static int by_value(const void *a, const void *b)
{
  size_t x = *(const size_t *)a, y = *(const size_t *)b;
  return (x > y) - (x < y);
}

/* How many captions most pictures have; 0: there is no such number. */
static size_t usual(const size_t *count, size_t n)
{
  size_t *sorted = calloc(n + 1, sizeof *sorted), any = 0, best = 0, value = 0;
  for (size_t i = 0; sorted && i < n; i++)
    if (count[i])
      sorted[any++] = count[i];
  if (any)
    qsort(sorted, any, sizeof *sorted, by_value);
  for (size_t i = 0, run = 0; i < any; i++) {
    run = i && sorted[i] == sorted[i - 1] ? run + 1 : 1;
    if (run >= best) {
      best = run;
      value = sorted[i];
    }
  }
  free(sorted);
  return 2 * best > any ? value : 0;
}

static int counts(check_set *set, const check_settings *s)
{
  size_t *count = calloc(set->n + 1, sizeof *count);
  int e = 0;
  if (!count)
    return error_nomem();
  for (size_t i = 0; i < set->captions.n; i++)
    if (set->caption_file[i] != SIZE_MAX)
      count[set->caption_file[i]]++;
  size_t most = usual(count, set->n);
  for (size_t i = 0; e == 0 && i < set->n; i++)
    if (!count[i])
      e = check_add(set, s, KEY_MISSING_CAPTION, set->files[i].path, "no caption for this picture");
    else if (count[i] < most)
      e = check_add(set, s, KEY_FEW_CAPTIONS, set->files[i].path, "%zu of the usual %zu captions", count[i], most);
  free(count);
  return e;
}

typedef struct orphan {
  const char *name;
  size_t i;
} orphan;

static int by_name(const void *a, const void *b)
{
  const orphan *x = a, *y = b;
  int c = strcmp(x->name, y->name);
  return c ? c : (x->i > y->i) - (x->i < y->i);
}

static int orphans(check_set *set, const check_settings *s)
{
  const captions *c = &set->captions;
  orphan *list = calloc(c->n + 1, sizeof *list);
  check_match m;
  size_t n = 0;
  int e = list ? check_match_make(&m, set) : error_nomem();
  if (e < 0) {
    free(list);
    return e;
  }
  for (size_t i = 0; i < c->n; i++)
    if (set->caption_file[i] == SIZE_MAX)
      list[n++] = (orphan){c->items[i].picture, i};
  qsort(list, n, sizeof *list, by_name);
  bool several;
  for (size_t i = 0, end; e == 0 && i < n; i = end) {
    for (end = i + 1; end < n && strcmp(list[end].name, list[i].name) == 0; end++) {
    }
    check_match_find(&m, list[i].name, &several);
    e = check_add(set, s, KEY_ORPHAN_CAPTION, list[i].name,
      several ? "%zu captions, from line %llu on: several pictures could be meant" : "%zu captions, from line %llu on: no such picture", end - i,
      (unsigned long long)c->items[list[i].i].line);
  }
  for (size_t i = 0; e == 0 && i < c->n_listed; i++)
    if (check_match_find(&m, c->listed[i].picture, &several) == SIZE_MAX)
      e = check_add(set, s, KEY_MISSING_PICTURE, c->listed[i].picture, "line %llu of the captions names it", (unsigned long long)c->listed[i].line);
  check_match_free(&m);
  free(list);
  return e;
}

int check_find_captions(check_set *set, const check_settings *s)
{
  const captions *c = &set->captions;
  text_facts *facts = calloc(c->n + 1, sizeof *facts);
  scripts all = {.n = 0};
  int e = facts ? problems(set, s) : error_nomem();
  for (int k = KEY_UNREADABLE_CAPTION; k <= KEY_MISSING_PICTURE; k++)
    set->checked[k] = !s->off[k];
  for (size_t i = 0; e == 0 && i < c->n; i++) {
    text_look(&facts[i], c->items[i].text, c->items[i].length);
    all.n += facts[i].scripts != 0;
    for (int b = 0; b < 32; b++)
      all.count[b] += facts[i].scripts >> b & 1;
    e = spelling(set, s, i, &facts[i]);
    if (e == 0)
      e = repetition(set, s, i);
  }
  uint32_t home = at_home(&all);
  for (size_t i = 0; e == 0 && i < c->n; i++)
    e = mixed(set, s, i, facts[i].scripts, facts[i].word_mixes, home, all.n);
  free(facts);
  if (e == 0)
    e = check_find_words(set, s);
  if (e == 0)
    e = counts(set, s);
  return e == 0 ? orphans(set, s) : e;
}
