/* Hashes that lie near each other, without comparing all with all (multi-index hashing; Norouzi, Punjani and Fleet, 2012): a hash has four parts of 16 bits, and two hashes that differ in at most d
 * bits differ in at most r[p] bits of some part p, when the (r[p] + 1) add up to more than d. So buckets of hashes with the same part are compared with the buckets that this part can become,
 * whole bucket with whole bucket, which keeps the memory that is read together. */
#include "check/check.h"

#include "util/error.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 4, PART_BITS = 16, PART_VALUES = 1 << PART_BITS, FEW = 20000 /* up to here all are compared with all */ };

/* The positions i of b[0..n) that are near a hash. */
typedef size_t near_function(uint32_t *hits, const uint64_t *b, size_t n, uint64_t hash, int distance);

static inline __attribute__((always_inline)) size_t near_body(uint32_t *hits, const uint64_t *b, size_t n, uint64_t hash, int distance)
{
  size_t found = 0;
  for (size_t i = 0; i < n; i++) {
    hits[found] = (uint32_t)i;
    found += __builtin_popcountll(b[i] ^ hash) <= distance;
  }
  return found;
}

static size_t near_generic(uint32_t *hits, const uint64_t *b, size_t n, uint64_t hash, int distance)
{
  return near_body(hits, b, n, hash, distance);
}

#ifdef __x86_64__
__attribute__((target("popcnt"))) static size_t near_popcnt(uint32_t *hits, const uint64_t *b, size_t n, uint64_t hash, int distance)
{
  return near_body(hits, b, n, hash, distance);
}
#endif

static near_function *choose(void)
{
#ifdef __x86_64__
  if (__builtin_cpu_supports("popcnt"))
    return near_popcnt;
#endif
  return near_generic;
}

/* Hashes in the order of one part's value: those with value v are hashes[first[v]] to hashes[first[v + 1]]. */
typedef struct part_index {
  uint32_t *first;  /* [PART_VALUES + 2] */
  uint64_t *hashes; /* [n] */
  uint32_t *places; /* [n] where each was given */
} part_index;

typedef struct search {
  const uint64_t *hashes;
  size_t n;
  int distance, radius[PARTS];
  near_function *near;
  part_index index;
  int part;                /* the one in hand */
  const uint16_t *masks;   /* the ways to change at most radius bits of it */
  size_t n_masks, largest; /* hashes of the largest bucket */
  bool failed;
  pthread_mutex_t lock;
  void (*pair)(void *user, size_t a, size_t b);
  void *user;
} search;

static unsigned part_of(uint64_t hash, int part)
{
  return (unsigned)(hash >> (part * PART_BITS)) & (PART_VALUES - 1);
}

static void make_index(search *s)
{
  part_index *x = &s->index;
  memset(x->first, 0, (PART_VALUES + 2) * sizeof *x->first);
  for (size_t i = 0; i < s->n; i++)
    x->first[part_of(s->hashes[i], s->part) + 2]++;
  s->largest = 0;
  for (size_t v = 2; v < PART_VALUES + 2; v++) {
    s->largest = x->first[v] > s->largest ? x->first[v] : s->largest;
    x->first[v] += x->first[v - 1];
  }
  for (size_t i = 0; i < s->n; i++) {
    uint32_t k = x->first[part_of(s->hashes[i], s->part) + 1]++;
    x->hashes[k] = s->hashes[i];
    x->places[k] = (uint32_t)i;
  }
}

/* All numbers of 16 bits with at most `bits` of them set; the first is 0. */
static size_t change_masks(uint16_t masks[PART_VALUES], int bits)
{
  size_t n = 0;
  for (unsigned v = 0; v < PART_VALUES; v++)
    if (__builtin_popcount(v) <= bits)
      masks[n++] = (uint16_t)v;
  return n;
}

static void tell(search *s, uint64_t difference, uint32_t a, uint32_t b)
{
  for (int p = 0; p < s->part; p++) /* told by an earlier part */
    if (__builtin_popcount(part_of(difference, p)) <= s->radius[p])
      return;
  pthread_mutex_lock(&s->lock);
  s->pair(s->user, a < b ? a : b, a < b ? b : a);
  pthread_mutex_unlock(&s->lock);
}

static void buckets(void *user, size_t begin, size_t end, int thread)
{
  search *s = user;
  const part_index *x = &s->index;
  uint32_t *hits = malloc((s->largest + 1) * sizeof *hits);
  (void)thread;
  if (!hits) {
    __atomic_store_n(&s->failed, true, __ATOMIC_RELAXED);
    return;
  }
  for (size_t v = begin; v < end; v++)
    for (size_t m = 0; m < s->n_masks && x->first[v] < x->first[v + 1]; m++) {
      size_t other = v ^ s->masks[m];
      if (other < v)
        continue;
      for (uint32_t i = x->first[v]; i < x->first[v + 1]; i++) {
        uint32_t from = other == v ? i + 1 : x->first[other];
        size_t found = s->near(hits, x->hashes + from, x->first[other + 1] - from, x->hashes[i], s->distance);
        for (size_t k = 0; k < found; k++)
          tell(s, x->hashes[i] ^ x->hashes[from + hits[k]], x->places[i], x->places[from + hits[k]]);
      }
    }
  free(hits);
}

static void all_pairs(void *user, size_t begin, size_t end, int thread)
{
  search *s = user;
  uint32_t hits[FEW];
  (void)thread;
  for (size_t i = begin; i < end; i++) {
    size_t found = s->near(hits, s->hashes + i + 1, s->n - i - 1, s->hashes[i], s->distance);
    for (size_t k = 0; k < found; k++)
      tell(s, 0, (uint32_t)i, (uint32_t)i + 1 + hits[k]);
  }
}

static int by_parts(search *s, pool *threads)
{
  uint16_t *masks = calloc(PART_VALUES, sizeof *masks);
  s->index = (part_index){calloc(PART_VALUES + 2, sizeof *s->index.first), calloc(s->n, sizeof *s->index.hashes), calloc(s->n, sizeof *s->index.places)};
  int e = masks && s->index.first && s->index.hashes && s->index.places ? 0 : error_nomem();
  s->masks = masks;
  for (s->part = 0; e == 0 && s->part < PARTS; s->part++) {
    if (s->radius[s->part] < 0)
      continue;
    make_index(s);
    s->n_masks = change_masks(masks, s->radius[s->part]);
    pool_for(threads, PART_VALUES, 64, buckets, s);
    if (s->failed)
      e = error_nomem();
  }
  free(masks);
  free(s->index.first);
  free(s->index.hashes);
  free(s->index.places);
  return e;
}

int check_near_hashes(const uint64_t *hashes, size_t n, int distance, pool *threads, void (*pair)(void *user, size_t a, size_t b), void *user)
{
  search s = {.hashes = hashes, .n = n, .distance = distance, .near = choose(), .pair = pair, .user = user};
  int e = 0;
  if (n < 2)
    return 0;
  if (n > UINT32_MAX)
    return error_set(OPIS_ELIMIT, "more than 2^32 pictures");
  for (int p = 0; p < PARTS; p++) /* the (radius + 1) add up to distance + 1 */
    s.radius[p] = (distance + 1 + PARTS - 1 - p) / PARTS - 1;
  pthread_mutex_init(&s.lock, NULL);
  if (n <= FEW)
    pool_for(threads, n, 16, all_pairs, &s);
  else
    e = by_parts(&s, threads);
  pthread_mutex_destroy(&s.lock);
  return e;
}
