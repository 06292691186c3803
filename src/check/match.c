#include "check/match.h"

#include "util/error.h"
#include <stdlib.h>
#include <string.h>

static int compare(const match_name *x, const char *s, size_t length)
{
  size_t least = x->length < length ? x->length : length;
  int c = least ? memcmp(x->s, s, least) : 0;
  return c ? c : (x->length > length) - (x->length < length);
}

static int by_name(const void *a, const void *b)
{
  const match_name *x = a, *y = b;
  int c = compare(x, y->s, y->length);
  return c ? c : (x->file > y->file) - (x->file < y->file);
}

/* The digits at the end of a stem, without zeros before them. */
static match_name number_of(const char *stem, size_t length, size_t file)
{
  size_t first = length;
  while (first && stem[first - 1] >= '0' && stem[first - 1] <= '9')
    first--;
  while (first + 1 < length && stem[first] == '0')
    first++;
  return (match_name){stem + first, length - first, file};
}

int check_match_make(check_match *m, const check_set *set)
{
  size_t n = set->n;
  *m = (check_match){set, calloc(n + 1, sizeof *m->bases), calloc(n + 1, sizeof *m->stems), calloc(n + 1, sizeof *m->base_stems), calloc(n + 1, sizeof *m->numbers), n, 0};
  if (!m->bases || !m->stems || !m->base_stems || !m->numbers) {
    check_match_free(m);
    return error_nomem();
  }
  for (size_t i = 0; i < n; i++) {
    const char *path = set->files[i].path, *base = caption_base_name(path);
    size_t stem = caption_stem_length(path), folders = (size_t)(base - path);
    m->bases[i] = (match_name){base, strlen(base), i};
    m->stems[i] = (match_name){path, stem, i};
    m->base_stems[i] = (match_name){base, stem - folders, i};
    m->numbers[m->n_numbers] = number_of(base, stem - folders, i);
    m->n_numbers += m->numbers[m->n_numbers].length > 0;
  }
  qsort(m->bases, n, sizeof *m->bases, by_name);
  qsort(m->stems, n, sizeof *m->stems, by_name);
  qsort(m->base_stems, n, sizeof *m->base_stems, by_name);
  qsort(m->numbers, m->n_numbers, sizeof *m->numbers, by_name);
  return 0;
}

void check_match_free(check_match *m)
{
  free(m->bases);
  free(m->stems);
  free(m->base_stems);
  free(m->numbers);
  *m = (check_match){0};
}

/* The one entry of that name. */
static size_t only(const match_name *names, size_t n, const char *s, size_t length, bool *several)
{
  size_t low = 0, high = n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(&names[middle], s, length) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == n || compare(&names[low], s, length) != 0)
    return SIZE_MAX;
  *several = low + 1 < n && compare(&names[low + 1], s, length) == 0;
  return *several ? SIZE_MAX : names[low].file;
}

size_t check_match_find(const check_match *m, const char *name, bool *several)
{
  *several = false;
  while (name[0] == '.' && name[1] == '/')
    name += 2;
  size_t i = check_file_find(m->set, name), length = strlen(name);
  const char *base = caption_base_name(name);
  if (i == SIZE_MAX)
    i = only(m->bases, m->n, base, strlen(base), several);
  if (i == SIZE_MAX && !*several)
    i = only(m->stems, m->n, name, length, several);
  if (i == SIZE_MAX && !*several)
    i = only(m->base_stems, m->n, base, strlen(base), several);
  if (i == SIZE_MAX && !*several && length && strspn(name, "0123456789") == length) {
    match_name number = number_of(name, length, 0);
    i = only(m->numbers, m->n_numbers, number.s, number.length, several);
  }
  return i;
}
