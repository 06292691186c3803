/* MD5: the examples of RFC 1321, in pieces, and many at once on every kind of vector that there is, against the plain form. */
#include "data/md5_lanes.h"

#include "../cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const examples[][2] = {
  {"", "d41d8cd98f00b204e9800998ecf8427e"},
  {"a", "0cc175b9c0f1b6a831c399e269772661"},
  {"abc", "900150983cd24fb0d6963f7d28e17f72"},
  {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
  {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
  {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"},
  {"12345678901234567890123456789012345678901234567890123456789012345678901234567890", "57edf4a22be3c955ac49da2e2107b67a"},
};
enum { EXAMPLES = sizeof examples / sizeof *examples };

static void gives_the_rfc_examples(void **state)
{
  uint8_t md5[EXAMPLES][MD5_SIZE];
  md5_piece pieces[EXAMPLES];
  char hex[MD5_HEX];
  (void)state;
  for (int i = 0; i < EXAMPLES; i++) {
    pieces[i] = (md5_piece){examples[i][0], strlen(examples[i][0])};
    md5_bytes(md5[0], pieces[i].bytes, pieces[i].n);
    md5_to_hex(hex, md5[0]);
    assert_string_equal(hex, examples[i][1]);
  }
  md5_many(md5, pieces, EXAMPLES);
  for (int i = 0; i < EXAMPLES; i++) {
    md5_to_hex(hex, md5[i]);
    assert_string_equal(hex, examples[i][1]);
  }
}

static uint32_t next(uint32_t *seed)
{
  *seed = *seed * 1664525 + 1013904223;
  return *seed >> 8;
}

static void gives_the_same_in_pieces(void **state)
{
  uint8_t bytes[1000], whole[MD5_SIZE], md5[MD5_SIZE];
  uint32_t seed = 1;
  (void)state;
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (uint8_t)next(&seed);
  for (int round = 0; round < 300; round++) {
    size_t n = next(&seed) % sizeof bytes;
    md5_state m;
    md5_bytes(whole, bytes, n);
    md5_start(&m);
    for (size_t at = 0, part; at < n; at += part) {
      part = 1 + next(&seed) % 150;
      part = part < n - at ? part : n - at;
      md5_add(&m, bytes + at, part);
    }
    md5_end(&m, md5);
    assert_memory_equal(md5, whole, MD5_SIZE);
  }
}

/* Pieces that end where the memory does: nothing behind them is read. */
static void gives_the_same_for_many(void **state)
{
  enum { MOST = 60, SIZE = 1 << 16 };
  uint8_t md5[MOST + 1][MD5_SIZE], plain[MD5_SIZE];
  md5_piece pieces[MOST];
  uint32_t seed = 2;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  (void)state;
  uint8_t *memory = mmap(NULL, SIZE + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(memory != MAP_FAILED);
  assert_int_equal(mprotect(memory + SIZE, page, PROT_NONE), 0);
  for (size_t i = 0; i < SIZE; i++)
    memory[i] = (uint8_t)next(&seed);
  const md5_lanes *kind;
  for (int k = 0; (kind = md5_lanes_kind(k)); k++)
    for (int round = 0; round < 200; round++) {
      size_t n = next(&seed) % (MOST + 1);
      for (size_t i = 0; i < n; i++) {
        size_t length = next(&seed) % (round % 2 ? 300 : 20000);
        size_t at = round % 3 ? next(&seed) % (SIZE - length) : SIZE - length;
        pieces[i] = (md5_piece){memory + at, length};
      }
      memset(md5, 0xee, sizeof md5);
      md5_many_with(kind, md5, pieces, n);
      for (size_t i = 0; i < n; i++) {
        md5_bytes(plain, pieces[i].bytes, pieces[i].n);
        assert_memory_equal(md5[i], plain, MD5_SIZE);
      }
      assert_int_equal(md5[n][0], 0xee); /* and nothing is written but the answers */
    }
  munmap(memory, SIZE + page);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(gives_the_rfc_examples),
    cmocka_unit_test(gives_the_same_in_pieces),
    cmocka_unit_test(gives_the_same_for_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
