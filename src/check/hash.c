/* Hashes that lie near each other, without comparing all with all: of four parts of 16 bits at least one differs in no more than a quarter of the bits that may differ. */
#include "check/check.h"

#include "util/error.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 4, PART_BITS = 16, PART_VALUES = 1 << PART_BITS };

typedef struct entry {
  uint64_t hash;
  uint32_t i;
} entry;

/* One index: entries in the order of one part's value. */
typedef struct part_index {
  uint32_t *first; /* [PART_VALUES + 1] */
  entry *entries;  /* [n] */
} part_index;

typedef struct search {
  const uint64_t *hashes;
  size_t n;
  int distance;
  part_index parts[PARTS];
  const uint16_t *masks; /* all ways to change few bits of a part */
  size_t n_masks;
  pthread_mutex_t lock;
  void (*pair)(void *user, size_t a, size_t b);
  void *user;
} search;

static unsigned part_of(uint64_t hash, int part)
{
  return (unsigned)(hash >> (part * PART_BITS)) & (PART_VALUES - 1);
}

static int index_part(part_index *x, const uint64_t *hashes, size_t n, int part)
{
  x->first = calloc(PART_VALUES + 2, sizeof *x->first);
  x->entries = calloc(n, sizeof *x->entries);
  if (!x->first || !x->entries)
    return error_nomem();
  for (size_t i = 0; i < n; i++)
    x->first[part_of(hashes[i], part) + 2]++;
  for (size_t v = 2; v < PART_VALUES + 2; v++)
    x->first[v] += x->first[v - 1];
  for (size_t i = 0; i < n; i++)
    x->entries[x->first[part_of(hashes[i], part) + 1]++] = (entry){hashes[i], (uint32_t)i};
  return 0;
}

/* All numbers of 16 bits with at most `bits` of them set. */
static uint16_t *change_masks(size_t *n, int bits)
{
  uint16_t *masks = calloc(PART_VALUES, sizeof *masks);
  *n = 0;
  for (unsigned v = 0; masks && v < PART_VALUES; v++)
    if (__builtin_popcount(v) <= bits)
      masks[(*n)++] = (uint16_t)v;
  return masks;
}

static void look_up(search *s, size_t i, int part)
{
  const part_index *x = &s->parts[part];
  uint64_t hash = s->hashes[i];
  unsigned value = part_of(hash, part);
  int radius = s->distance / PARTS;
  for (size_t m = 0; m < s->n_masks; m++) {
    unsigned v = value ^ s->masks[m];
    for (uint32_t k = x->first[v]; k < x->first[v + 1]; k++) {
      const entry *e = &x->entries[k];
      uint64_t difference = e->hash ^ hash;
      if (e->i <= i || __builtin_popcountll(difference) > s->distance)
        continue;
      bool told = false; /* by an earlier part */
      for (int p = 0; p < part; p++)
        told = told || __builtin_popcount(part_of(difference, p)) <= radius;
      if (told)
        continue;
      pthread_mutex_lock(&s->lock);
      s->pair(s->user, i, e->i);
      pthread_mutex_unlock(&s->lock);
    }
  }
}

static void work(void *user, size_t begin, size_t end, int thread)
{
  (void)thread;
  for (size_t i = begin; i < end; i++)
    for (int part = 0; part < PARTS; part++)
      look_up(user, i, part);
}

int check_near_hashes(const uint64_t *hashes, size_t n, int distance, pool *threads, void (*pair)(void *user, size_t a, size_t b), void *user)
{
  if (n < 2)
    return 0;
  if (n > UINT32_MAX)
    return error_set(OPIS_ELIMIT, "more than 2^32 pictures");
  search s = {.hashes = hashes, .n = n, .distance = distance, .pair = pair, .user = user};
  uint16_t *masks = change_masks(&s.n_masks, distance / PARTS);
  int e = masks ? 0 : error_nomem();
  s.masks = masks;
  for (int part = 0; e == 0 && part < PARTS; part++)
    e = index_part(&s.parts[part], hashes, n, part);
  if (e == 0) {
    pthread_mutex_init(&s.lock, NULL);
    pool_for(threads, n, 256, work, &s);
    pthread_mutex_destroy(&s.lock);
  }
  for (int part = 0; part < PARTS; part++) {
    free(s.parts[part].first);
    free(s.parts[part].entries);
  }
  free(masks);
  return e;
}
