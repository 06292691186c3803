/* Findings for which all captions are looked at together: lengths, the same words for several pictures, the same beginning. */
#include "check/captions.h"

#include "util/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = 20 }; /* captions from which on one can speak of usual ones */

typedef struct entry {
  const check_words *w;
  size_t length; /* bytes that are compared */
  size_t file, i;
  const char *name;
} entry;

static int compare_text(const entry *x, const entry *y)
{
  size_t least = x->length < y->length ? x->length : y->length;
  int c = least ? memcmp(x->w->text, y->w->text, least) : 0;
  return c ? c : (x->length > y->length) - (x->length < y->length);
}

/* Captions without a picture in the folder are told apart by the name they give. */
static int compare_picture(const entry *x, const entry *y)
{
  if (x->file != y->file)
    return x->file < y->file ? -1 : 1;
  return x->file == SIZE_MAX ? strcmp(x->name, y->name) : 0;
}

static int by_text(const void *a, const void *b)
{
  const entry *x = a, *y = b;
  int c = compare_text(x, y);
  if (c == 0)
    c = compare_picture(x, y);
  return c ? c : (x->i > y->i) - (x->i < y->i);
}

static const char *picture_of(const check_set *set, size_t i)
{
  return set->caption_file[i] == SIZE_MAX ? set->captions.items[i].picture : set->files[set->caption_file[i]].path;
}

static int same_text(check_set *set, const check_settings *s, const entry *e, size_t n)
{
  size_t pictures = 1;
  int code = 0;
  for (size_t i = 1; i < n; i++)
    pictures += compare_picture(&e[i], &e[i - 1]) != 0;
  int shown = (int)(e->length > 80 ? 80 : e->length);
  for (size_t i = 1; code == 0 && i < n; i++)
    if (compare_picture(&e[i], &e[i - 1]) == 0)
      code = check_add_caption(set, s, KEY_CAPTION_TWICE, e[i].i, "the same words as caption %u: '%.*s'", set->caption_number[e[i - 1].i], shown, e->w->text);
  if ((double)pictures >= s->threshold[KEY_REPEATED_CAPTION])
    for (size_t i = 0; code == 0 && i < n; i++)
      if (i == 0 || compare_picture(&e[i], &e[i - 1]) != 0) {
        size_t other = i ? 0 : 1;
        while (compare_picture(&e[other], &e[i]) == 0)
          other++;
        code = check_add_caption(set, s, KEY_REPEATED_CAPTION, e[i].i, "said of %zu pictures, such as %s: '%.*s'", pictures, picture_of(set, e[other].i), shown, e->w->text);
      }
  return code;
}

static int repeated(check_set *set, const check_settings *s, entry *e, size_t n)
{
  int code = 0;
  qsort(e, n, sizeof *e, by_text);
  for (size_t i = 0, end; code == 0 && i < n; i = end) {
    for (end = i + 1; end < n && compare_text(&e[end], &e[i]) == 0; end++) {
    }
    if (end - i > 1)
      code = same_text(set, s, e + i, end - i);
  }
  return code;
}

/* Bytes of the first four words; 0: there are not more than these. */
static size_t beginning(const check_words *w)
{
  int words = 0;
  for (size_t i = 0; i < w->length; i++)
    if (w->text[i] == ' ' && ++words == 4)
      return i;
  return 0;
}

static int beginnings(check_set *set, const check_settings *s, entry *e, size_t n)
{
  size_t kept = 0;
  int code = 0;
  for (size_t i = 0; i < n; i++) {
    e[kept] = e[i];
    e[kept].length = beginning(e[i].w);
    kept += e[kept].length > 0;
  }
  qsort(e, kept, sizeof *e, by_text);
  for (size_t i = 0, end; code == 0 && i < kept; i = end) {
    for (end = i + 1; end < kept && compare_text(&e[end], &e[i]) == 0; end++) {
    }
    if ((double)(end - i) >= s->threshold[KEY_SAME_BEGINNING] * (double)n && end - i > 1)
      code = check_add(set, s, KEY_SAME_BEGINNING, "", "%zu of %zu captions begin with '%.*s'", end - i, n, (int)(e[i].length > 80 ? 80 : e[i].length), e[i].w->text);
  }
  return code;
}

static int by_length(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Above, the distance from the middle half is counted in words; below, where there is less room, in ratios. */
static int lengths(check_set *set, const check_settings *s, const entry *e, size_t n)
{
  double *sorted = calloc(n + 1, sizeof *sorted), times = s->threshold[KEY_CAPTION_LENGTH];
  int code = 0;
  if (!sorted)
    return error_nomem();
  for (size_t i = 0; i < n; i++)
    sorted[i] = (double)e[i].w->n;
  qsort(sorted, n, sizeof *sorted, by_length);
  double q1 = sorted[n / 4], middle = sorted[n / 2], q3 = sorted[n - 1 - n / 4];
  double most = q3 + times * fmax(q3 - q1, 1), least = q1 / pow(fmax(q3, q1 + 1) / q1, times);
  for (size_t i = 0; code == 0 && i < n; i++) {
    double words = (double)e[i].w->n;
    if (words > most || words < least)
      code = check_add_caption(set, s, KEY_CAPTION_LENGTH, e[i].i, "%zu words, where half of the captions have %g to %g (middle %g)", e[i].w->n, q1, q3, middle);
  }
  free(sorted);
  return code;
}

int check_find_words(check_set *set, const check_settings *s)
{
  entry *e = calloc(set->captions.n + 1, sizeof *e);
  size_t n = 0;
  int code = 0;
  if (!e)
    return error_nomem();
  for (size_t i = 0; i < set->captions.n; i++)
    if (set->caption_words[i].length)
      e[n++] = (entry){&set->caption_words[i], set->caption_words[i].length, set->caption_file[i], i, set->captions.items[i].picture};
  if (n >= LEAST)
    code = lengths(set, s, e, n);
  if (code == 0)
    code = repeated(set, s, e, n);
  if (code == 0 && n >= LEAST)
    code = beginnings(set, s, e, n);
  free(e);
  return code;
}
