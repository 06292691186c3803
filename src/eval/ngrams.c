#include "eval/ngrams.h"

#include "util/error.h"
#include <stdlib.h>
#include <string.h>

static size_t slot_of(const ngram_table *t, uint64_t key)
{
  uint64_t h = key * UINT64_C(0x9E3779B97F4A7C15);
  size_t at = (size_t)(h ^ h >> 32) & (t->slots - 1);
  while (t->numbers[at] && t->keys[at] != key)
    at = (at + 1) & (t->slots - 1);
  return at;
}

static int grow(ngram_table *t)
{
  size_t more = t->slots ? t->slots * 2 : 1 << 16;
  ngram_table larger = {.slots = more, .keys = calloc(more, sizeof *t->keys), .numbers = calloc(more, sizeof *t->numbers)};
  uint32_t *pictures = reallocarray(t->pictures, more / 2, sizeof *pictures);
  if (pictures)
    t->pictures = pictures;
  uint32_t *seen = reallocarray(t->seen, more / 2, sizeof *seen);
  if (seen)
    t->seen = seen;
  if (more > UINT32_MAX || !larger.keys || !larger.numbers || !pictures || !seen) {
    free(larger.keys);
    free(larger.numbers);
    return error_nomem();
  }
  for (size_t i = 0; i < t->slots; i++)
    if (t->numbers[i]) {
      size_t at = slot_of(&larger, t->keys[i]);
      larger.keys[at] = t->keys[i];
      larger.numbers[at] = t->numbers[i];
    }
  free(t->keys);
  free(t->numbers);
  t->keys = larger.keys;
  t->numbers = larger.numbers;
  t->slots = more;
  t->capacity = more / 2;
  return 0;
}

static int number_of(ngram_table *t, uint32_t *number, uint64_t key)
{
  if (t->n >= t->capacity) {
    int e = grow(t);
    if (e < 0)
      return e;
  }
  size_t at = slot_of(t, key);
  if (!t->numbers[at]) {
    t->keys[at] = key;
    t->pictures[t->n] = t->seen[t->n] = 0;
    t->numbers[at] = (uint32_t)++t->n;
  }
  *number = t->numbers[at] - 1;
  return 0;
}

static int by_number(const void *a, const void *b)
{
  const ngram_count *x = a, *y = b;
  return (x->number > y->number) - (x->number < y->number);
}

int ngrams_count(ngram_table *t, ngram_count *out, size_t *n_out, const uint32_t *words, size_t n)
{
  size_t all = 0, kept = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t prefix = 0;
    for (uint32_t size = 1; size <= NGRAM_MOST && i + size <= n; size++) {
      uint32_t number;
      int e = number_of(t, &number, (uint64_t)prefix << 32 | words[i + size - 1]);
      if (e < 0)
        return e;
      out[all++] = (ngram_count){number, 1, size};
      prefix = number + 1;
    }
  }
  qsort(out, all, sizeof *out, by_number);
  for (size_t i = 0; i < all; i++)
    if (kept && out[kept - 1].number == out[i].number)
      out[kept - 1].count++;
    else
      out[kept++] = out[i];
  *n_out = kept;
  return 0;
}

void ngram_table_free(ngram_table *t)
{
  free(t->keys);
  free(t->numbers);
  free(t->pictures);
  free(t->seen);
  memset(t, 0, sizeof *t);
}
