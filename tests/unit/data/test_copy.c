/* Copying and hashing at once: the bytes, the hash, and every way to fail, with more pieces than the two threads hold between them. */
#include "data/odb.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGE = 9 * 1000 * 1000 + 1 };

typedef struct told {
  size_t sum, calls, fail_at;
} told;

static int tell(void *user, uint64_t n)
{
  told *t = user;
  t->sum += n;
  return ++t->calls == t->fail_at ? error_set(OPIS_ECANCELLED, "enough") : 0;
}

static uint8_t *some_bytes(void)
{
  uint8_t *bytes = malloc(LARGE);
  uint32_t v = 1;
  assert_non_null(bytes);
  for (size_t i = 0; i < LARGE; i++) {
    v = v * 1664525 + 1013904223;
    bytes[i] = (uint8_t)(v >> 24);
  }
  return bytes;
}

static int file_of(const uint8_t *bytes, size_t n)
{
  char path[] = "/tmp/opis-test-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  unlink(path);
  for (size_t at = 0; at < n;) {
    ssize_t k = write(fd, bytes + at, n - at);
    assert_true(k > 0);
    at += (size_t)k;
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

static void copies_and_hashes(void **state)
{
  static const size_t sizes[] = {0, 1, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 4 << 20, (4 << 20) + 1, LARGE};
  uint8_t *bytes = some_bytes(), *back = malloc(LARGE);
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint8_t right[MD5_SIZE], digest[MD5_SIZE];
    told t = {0};
    int from = file_of(bytes, sizes[i]), to = file_of(NULL, 0);
    assert_int_equal(copy_hashed(digest, to, from, "test", &(watch){tell, &t}), 0);
    md5_bytes(right, bytes, sizes[i]);
    assert_memory_equal(digest, right, MD5_SIZE);
    assert_int_equal(t.sum, sizes[i]);
    assert_int_equal(pread(to, back, LARGE, 0), (ssize_t)sizes[i]);
    assert_memory_equal(back, bytes, sizes[i]);
    close(from);
    close(to);
  }
  free(bytes);
  free(back);
}

/* Copying by the kernel and hashing alone: every byte is told once, and either ends when it is told to. */
static void is_watched(void **state)
{
  static const size_t sizes[] = {0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, LARGE};
  uint8_t *bytes = some_bytes(), *back = malloc(LARGE), digest[MD5_SIZE], right[MD5_SIZE];
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int reflink = 0; reflink < 2; reflink++) {
      told t = {0}, h = {0};
      int from = file_of(bytes, sizes[i]), to = file_of(NULL, 0);
      assert_int_equal(copy_file(to, from, reflink, "test", &(watch){tell, &t}), 0);
      assert_int_equal(t.sum, sizes[i]);
      assert_int_equal(pread(to, back, LARGE, 0), (ssize_t)sizes[i]);
      assert_memory_equal(back, bytes, sizes[i]);
      lseek(to, 0, SEEK_SET);
      assert_int_equal(md5_fd(digest, NULL, to, "test", &(watch){tell, &h}), 0);
      md5_bytes(right, bytes, sizes[i]);
      assert_memory_equal(digest, right, MD5_SIZE);
      assert_int_equal(h.sum, sizes[i]);
      close(from);
      close(to);
    }
  for (size_t at = 1; at <= 2; at++) {
    int from = file_of(bytes, LARGE), to = file_of(NULL, 0);
    assert_int_equal(copy_file(to, from, false, "test", &(watch){tell, &(told){.fail_at = at}}), OPIS_ECANCELLED);
    lseek(from, 0, SEEK_SET);
    assert_int_equal(md5_fd_either(digest, at == 2, from, "test", &(watch){tell, &(told){.fail_at = at}}), OPIS_ECANCELLED);
    close(from);
    close(to);
  }
  free(bytes);
  free(back);
}

static void fails_as_a_whole(void **state)
{
  uint8_t *bytes = some_bytes(), digest[MD5_SIZE];
  (void)state;
  for (size_t at = 1; at < 37; at += 5) { /* told to stop at some piece */
    told t = {.fail_at = at};
    int from = file_of(bytes, LARGE), to = file_of(NULL, 0);
    assert_int_equal(copy_hashed(digest, to, from, "test", &(watch){tell, &t}), at <= 35 ? OPIS_ECANCELLED : 0);
    close(from);
    close(to);
  }
  told t = {0};
  int from = file_of(bytes, LARGE), null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY), full = open("/dev/full", O_WRONLY);
  assert_true(null >= 0 && zero >= 0);
  assert_int_equal(copy_hashed(digest, null, null, "test", &(watch){tell, &t}), OPIS_EIO); /* cannot be read */
  assert_int_equal(copy_hashed(digest, zero, from, "test", &(watch){tell, &t}), OPIS_EIO); /* cannot be written */
  assert_int_equal(t.sum, 0);
  if (full >= 0) {
    assert_true(copy_hashed(digest, full, from, "test", &(watch){tell, &t}) < 0);
    assert_int_equal(t.sum, 0);
    close(full);
  }
  close(from);
  close(null);
  close(zero);
  free(bytes);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(copies_and_hashes),
    cmocka_unit_test(is_watched),
    cmocka_unit_test(fails_as_a_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
