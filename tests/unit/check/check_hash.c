/* Near hashes by index against comparing all with all; groups of duplicates. */
#include "unit/cmocka_all.h"

#include "check/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next(uint64_t *state)
{
  uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
  x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
  return x ^ x >> 31;
}

/* Clusters: so that many pairs are near each other, at every distance. */
static void clusters(uint64_t *hashes, size_t n, uint64_t seed)
{
  for (size_t i = 0; i < n; i++) {
    hashes[i] = i % 4 ? hashes[next(&seed) % i] : next(&seed);
    for (uint64_t flips = next(&seed) % 12; flips; flips--)
      hashes[i] ^= UINT64_C(1) << next(&seed) % 64;
  }
}

enum { N = 1200, MANY = 24000 };

static void count(void *user, size_t a, size_t b)
{
  uint8_t(*told)[N] = user;
  assert_true(a < b && b < N);
  told[a][b]++;
}

static void compare(int distance, pool *threads, uint64_t seed)
{
  static uint64_t hashes[N];
  uint8_t(*told)[N] = calloc(N, sizeof *told);
  size_t near = 0;
  assert_non_null(told);
  clusters(hashes, N, seed);
  assert_int_equal(check_near_hashes(hashes, N, distance, threads, count, told), 0);
  for (size_t a = 0; a < N; a++)
    for (size_t b = a + 1; b < N; b++) {
      int expected = __builtin_popcountll(hashes[a] ^ hashes[b]) <= distance;
      near += (size_t)expected;
      assert_int_equal(told[a][b], expected);
    }
  assert_true(near > 100);
  free(told);
}

static void every_pair_once(void **state)
{
  (void)state;
  pool *threads;
  assert_int_equal(pool_new(&threads, 3), 0);
  for (int distance = 0; distance <= 16; distance++) {
    compare(distance, NULL, 1 + (uint64_t)distance);
    compare(distance, threads, 100 + (uint64_t)distance);
  }
  pool_free(threads);
}

typedef struct sums {
  uint64_t pairs, mixed;
} sums;

static void add_up(void *user, size_t a, size_t b)
{
  sums *s = user;
  uint64_t state = (uint64_t)a * MANY + b;
  s->pairs++;
  s->mixed += next(&state);
}

/* So many that they are looked up by their parts; the sums are equal when each pair was told once. */
static void every_pair_of_many(void **state)
{
  (void)state;
  static uint64_t hashes[MANY];
  pool *threads;
  assert_int_equal(pool_new(&threads, 3), 0);
  for (int distance = 0; distance <= 16; distance += distance < 8 ? 1 : 4) {
    sums expected = {0, 0}, told = {0, 0};
    clusters(hashes, MANY, 500 + (uint64_t)distance);
    for (size_t a = 0; a < MANY; a++)
      for (size_t b = a + 1; b < MANY; b++) {
        uint64_t d = hashes[a] ^ hashes[b];
        d -= d >> 1 & UINT64_C(0x5555555555555555);
        d = (d & UINT64_C(0x3333333333333333)) + (d >> 2 & UINT64_C(0x3333333333333333));
        d = (d + (d >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
        if ((int)(d * UINT64_C(0x0101010101010101) >> 56) <= distance)
          add_up(&expected, a, b);
      }
    assert_int_equal(check_near_hashes(hashes, MANY, distance, threads, add_up, &told), 0);
    assert_true(expected.pairs > 1000 && expected.pairs == told.pairs && expected.mixed == told.mixed);
  }
  pool_free(threads);
}

static void nothing_to_compare(void **state)
{
  (void)state;
  uint64_t one = 5;
  assert_int_equal(check_near_hashes(NULL, 0, 10, NULL, count, NULL), 0);
  assert_int_equal(check_near_hashes(&one, 1, 10, NULL, count, NULL), 0);
}

/* Groups are what remains connected, whatever the order. */
static void groups_are_connected(void **state)
{
  (void)state;
  enum { M = 300 };
  static uint64_t hashes[M];
  size_t label[M];
  check_set set = {0};
  check_settings s;
  check_settings_init(&s);
  clusters(hashes, M, 77);
  set.n = M;
  set.files = calloc(M, sizeof *set.files);
  assert_non_null(set.files);
  for (size_t i = 0; i < M; i++) {
    char name[16];
    snprintf(name, sizeof name, "%04zu", i);
    set.files[i].path = strdup(name);
    set.files[i].facts = (check_facts){.state = CHECK_READ, .phash = hashes[i], .content = {i % 40 == 7 ? 7 : i, 0}};
    label[i] = i;
  }
  for (int again = 1; again;) { /* labels spread until nothing moves */
    again = 0;
    for (size_t a = 0; a < M; a++)
      for (size_t b = 0; b < M; b++)
        if (__builtin_popcountll(hashes[a] ^ hashes[b]) <= 10 && label[b] > label[a]) {
          label[b] = label[a];
          again = 1;
        }
  }
  assert_int_equal(check_find_duplicates(&set, &s, NULL), 0);
  size_t members = 0, expected = 0;
  for (size_t g = 0; g < set.groups[2].n; g++)
    for (size_t k = 0; k < set.groups[2].items[g].n; k++) {
      assert_int_equal(label[set.groups[2].items[g].members[k]], set.groups[2].items[g].members[0]);
      members++;
    }
  for (size_t i = 0; i < M; i++) {
    size_t same = 0, identical = 0;
    for (size_t k = 0; k < M; k++) {
      same += label[k] == label[i];
      identical += label[k] == label[i] && hashes[k] == hashes[i];
    }
    expected += same > 1 && identical < same; /* groups of equal hashes are near duplicates instead */
  }
  assert_int_equal(members, expected);
  assert_int_equal(set.groups[0].n, 1);
  assert_int_equal(set.groups[0].items[0].n, 8);
  check_set_free(&set);
  check_settings_free(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_pair_once), cmocka_unit_test(every_pair_of_many), cmocka_unit_test(nothing_to_compare), cmocka_unit_test(groups_are_connected)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
