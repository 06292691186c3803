#include "captions/captions.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct expected {
  const char *picture, *text, *split;
  uint64_t line;
} expected;

static void check(const char *bytes, caption_format format, const expected *want, size_t n, size_t listed, size_t problems)
{
  captions c;
  int e = captions_read_memory(&c, bytes, strlen(bytes), "test", CAPTIONS_AUTO);
  if (e < 0)
    fail_msg("%s: %s", bytes, opis_error_message());
  assert_string_equal(caption_format_name(c.format), caption_format_name(format));
  assert_int_equal(c.n, n);
  for (size_t i = 0; i < n; i++) {
    assert_string_equal(c.items[i].picture, want[i].picture);
    assert_string_equal(c.items[i].text, want[i].text);
    assert_int_equal(c.items[i].length, strlen(want[i].text));
    assert_int_equal(c.items[i].line, want[i].line);
    if (want[i].split)
      assert_string_equal(c.items[i].split, want[i].split);
    else
      assert_null(c.items[i].split);
  }
  assert_int_equal(c.n_listed, listed);
  assert_int_equal(c.n_problems, problems);
  captions_free(&c);
}
#define CHECK(bytes, format, listed, problems, ...)                                                                                                                                \
  do {                                                                                                                                                                             \
    const expected want[] = {__VA_ARGS__};                                                                                                                                         \
    check(bytes, format, want, sizeof want / sizeof *want, listed, problems);                                                                                                      \
  } while (0)

static void token(void **state)
{
  (void)state;
  CHECK("a.jpg#0\tA dog .\na.jpg#1\tA cat\r\n\nb#2.jpg#12\t\n", CAPTIONS_TOKEN, 0, 0, {"a.jpg", "A dog .", NULL, 1}, {"a.jpg", "A cat", NULL, 2}, {"b#2.jpg", "", NULL, 4});
  CHECK("\xEF\xBB\xBFx/y.png\tone\ttwo\nno tab here\n\tno name\nz#\tend", CAPTIONS_TOKEN, 0, 2, {"x/y.png", "one\ttwo", NULL, 1}, {"z#", "end", NULL, 4});
}

static void csv(void **state)
{
  (void)state;
  CHECK("image,caption\na.jpg,A dog\n\"b,1.jpg\",\"He said \"\"no\"\",\ntwice\"\nc.jpg,one, two\n", CAPTIONS_CSV, 0, 0, {"a.jpg", "A dog", NULL, 2},
    {"b,1.jpg", "He said \"no\",\ntwice", NULL, 3}, {"c.jpg", "one, two", NULL, 5});
  CHECK("image_name| comment_number| comment\r\n1.jpg| 0| Two men .\r\n1.jpg\r\n", CAPTIONS_CSV, 0, 1, {"1.jpg", "Two men .", NULL, 2});
  CHECK("path,description,score,error\na.jpg,a man,-0.5,\n", CAPTIONS_CSV, 0, 0, {"a.jpg", "a man", NULL, 2});
  CHECK("split;filename;text\ntrain;a.jpg;x\n;b.jpg;y\n", CAPTIONS_CSV, 0, 0, {"a.jpg", "x", "train", 2}, {"b.jpg", "y", NULL, 3});
}

static void json(void **state)
{
  (void)state;
  CHECK("[{\"path\": \"a.jpg\", \"description\": \"a \\u00e9 \\ud83d\\ude00 \\\"q\\\"\", \"tokens\": [0, [1, {\"x\": []}]]},\n {\"image_id\": 42, \"caption\": \"c\"}]",
    CAPTIONS_JSON, 0, 0, {"a.jpg", "a \xC3\xA9 \xF0\x9F\x98\x80 \"q\"", NULL, 1}, {"42", "c", NULL, 2});
  CHECK("{\"a.jpg\": [\"x\", \"y\"], \"b.jpg\": \"z\"}", CAPTIONS_JSON, 0, 0, {"a.jpg", "x", NULL, 1}, {"a.jpg", "y", NULL, 1}, {"b.jpg", "z", NULL, 1});
  CHECK("{\"images\": [{\"sentids\": [0], \"imgid\": 0, \"sentences\": [{\"tokens\": [\"x\"], \"raw\": \"X .\", \"imgid\": 0}, {\"raw\": \"Y\"}],\n\"split\": \"val\", "
        "\"filename\": \"a.jpg\"},"
        "{\"filename\": \"b.jpg\", \"sentences\": []}], \"dataset\": \"flickr8k\"}",
    CAPTIONS_KARPATHY, 1, 0, {"a.jpg", "X .", "val", 2}, {"a.jpg", "Y", "val", 2});
  CHECK("{\"info\": {\"year\": 2014}, \"annotations\": [{\"image_id\": 7, \"id\": 1, \"caption\": \"seven\"},\n{\"image_id\": 9, \"id\": 2, \"caption\": \"nine\"}], \"licenses\": "
        "[{\"id\": 1, "
        "\"name\": \"n\"}], \"images\": [{\"id\": 7, \"file_name\": \"7.jpg\"}, {\"id\": 8, \"file_name\": \"8.jpg\"}]}",
    CAPTIONS_COCO, 1, 1, {"7.jpg", "seven", NULL, 1}, {"9", "nine", NULL, 2});
}

static void jsonl(void **state)
{
  (void)state;
  CHECK(
    "{\"path\": \"a.jpg\", \"description\": \"x\"}\n\n{\"path\": \"b.jpg\", \"error\": {\"code\": \"OPIS_EFORMAT\"}}\n{broken\n{\"captions\": [\"p\", \"q\"], \"image\": \"c\"}\n",
    CAPTIONS_JSONL, 1, 1, {"a.jpg", "x", NULL, 1}, {"c", "p", NULL, 5}, {"c", "q", NULL, 5});
  CHECK("{\"image\": \"one.jpg\", \"caption\": \"single\"}", CAPTIONS_JSONL, 0, 0, {"one.jpg", "single", NULL, 1});
}

static void hostile(void **state)
{
  (void)state;
  captions c;
  /* A megabyte in one line, NUL in a caption, NUL in a name. */
  size_t n = (1 << 20) + 8;
  char *big = malloc(n);
  memset(big, 'w', n);
  memcpy(big, "a.jpg\t", 6);
  assert_int_equal(captions_read_memory(&c, big, n, "big", CAPTIONS_AUTO), 0);
  assert_int_equal(c.items[0].length, n - 6);
  captions_free(&c);
  free(big);
  static const char nul[] = "a.jpg\tx\0y\nb\0c.jpg\tz\n";
  assert_int_equal(captions_read_memory(&c, nul, sizeof nul - 1, "nul", CAPTIONS_AUTO), 0);
  assert_int_equal(c.n, 1);
  assert_memory_equal(c.items[0].text, "x\0y", 4);
  assert_int_equal(c.n_problems, 1);
  captions_free(&c);
  /* Nested deeper than anybody needs. */
  size_t deep = 100000;
  char *nested = malloc(deep);
  memset(nested, '[', deep);
  assert_int_equal(captions_read_memory(&c, nested, deep, "deep", CAPTIONS_AUTO), OPIS_ELIMIT);
  assert_non_null(strstr(opis_error_message(), "deep: line 1"));
  free(nested);
  static const char *const bad[] = {"[", "[{\"path\": \"a\", \"caption\": \"b\"", "[{\"path\" \"a\"}]", "{\"images\": [}", "[{\"path\": \"\\u12\"}]", "[1 2]", "[tru]",
    "{\"a\": \"b\"} x", "just words", "a,b,c\n1,2,3\n"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(captions_read_memory(&c, bad[i], strlen(bad[i]), "bad", CAPTIONS_AUTO), OPIS_EFORMAT);
    assert_non_null(strstr(opis_error_message(), "bad: line 1"));
  }
  assert_int_equal(captions_read_memory(&c, "", 0, "empty", CAPTIONS_AUTO), 0);
  assert_int_equal(c.n, 0);
  captions_free(&c);
  assert_int_equal(captions_read(&c, "/nonexistent/captions", CAPTIONS_AUTO), OPIS_ENOTFOUND);
}

static void put(const char *folder, const char *name, const char *text)
{
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static void sidecar(void **state)
{
  (void)state;
  char folder[] = "/tmp/opis-captions-XXXXXX", path[512];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/sub", folder);
  assert_int_equal(mkdir(path, 0777), 0);
  put(folder, "b.txt", "one\n\n two \n");
  put(folder, "c.txt", "\n");
  put(folder, "sub/a.txt", "three");
  put(folder, "x.jpg", "no text");
  captions c;
  assert_int_equal(captions_read(&c, folder, CAPTIONS_AUTO), 0);
  assert_int_equal(c.format, CAPTIONS_SIDECAR);
  static const expected want[] = {{"b", "one", NULL, 1}, {"b", "two", NULL, 3}, {"c", "", NULL, 1}, {"sub/a", "three", NULL, 1}};
  assert_int_equal(c.n, 4);
  for (size_t i = 0; i < 4; i++) {
    assert_string_equal(c.items[i].picture, want[i].picture);
    assert_string_equal(c.items[i].text, want[i].text);
    assert_int_equal(c.items[i].line, want[i].line);
  }
  captions_free(&c);
  char command[600];
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  assert_int_equal(system(command), 0);
}

static void names(void **state)
{
  (void)state;
  assert_string_equal(caption_base_name("a/b\\c.jpg"), "c.jpg");
  assert_int_equal(caption_stem_length("a.b/c.tar.gz"), 9);
  assert_int_equal(caption_stem_length("a.b/.hidden"), 11);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(token), cmocka_unit_test(csv), cmocka_unit_test(json), cmocka_unit_test(jsonl), cmocka_unit_test(hostile), cmocka_unit_test(sidecar), cmocka_unit_test(names)};
  return cmocka_run_group_tests_name("captions", tests, NULL, NULL);
}
