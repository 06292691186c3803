/* Directory objects: the bytes that DVC writes, what is refused, and that reading gives back what was written. */
#include "data/tree.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include "util/strbuf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int sink(void *user, const char *bytes, size_t n)
{
  strbuf_append(user, bytes, n);
  return 0;
}

static void add(tree *t, const char *path, const char *content)
{
  tree_entry *e = tree_add(t, path, strlen(path));
  assert_non_null(e);
  md5_bytes(e->md5, content, strlen(content));
  e->size = strlen(content);
  e->flags = TREE_HASHED;
}

static void writes_the_golden_vector(void **state)
{
  (void)state;
  tree t = TREE_INIT;
  strbuf b = STRBUF_INIT;
  uint8_t md5[MD5_SIZE];
  uint64_t size;
  char hex[MD5_HEX];
  add(&t, "\xC3\xBCn\xC3\xAF \"q\" \xF0\x9F\x98\x80.txt", "h\xC3\xA9");
  add(&t, "sub/b.txt", "x");
  add(&t, "b.c", "y");
  add(&t, "empty", "");
  add(&t, "b-c", "y");
  add(&t, "b", "x");
  add(&t, "a.jpg", "hello");
  tree_sort(&t);
  assert_int_equal(tree_write(&t, md5, &size, sink, &b), 0);
  md5_to_hex(hex, md5);
  assert_string_equal(hex, "c67e22c61a4df650ca2cb27e19dfaf84");
  assert_int_equal(size, b.n);
  assert_int_equal(tree_bytes(&t), 12);
  assert_non_null(strstr(b.s, "{\"md5\": \"5d41402abc4b2a76b9719d911017c592\", \"relpath\": \"a.jpg\"}, {"));
  assert_non_null(strstr(b.s, "\"relpath\": \"\\u00fcn\\u00ef \\\"q\\\" \\ud83d\\ude00.txt\"}]"));
  strbuf_free(&b);
  tree_free(&t);
}

static void keeps_the_order_of_code_points(void **state)
{
  static const char *const sorted[] = {
    "a", "a b", "a-b", "a.b", "a/b", "a0", "ab", "b", "\xC3\xA9", "\xE6\x97\xA5", "\xF0\x9F\x98\x80" /* as code points: after the surrogates' block */};
  (void)state;
  for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++)
    for (size_t k = 0; k < sizeof sorted / sizeof *sorted; k++) {
      int c = tree_compare_paths(sorted[i], sorted[k]);
      assert_int_equal(c < 0 ? -1 : c > 0, i < k ? -1 : i > k);
    }
  assert_true(tree_compare_paths("\xEF\xBF\xBD", "\xF0\x90\x80\x80") < 0);
  assert_true(tree_compare_paths("\xFF", "\xEE\x80\x80") < 0); /* a byte that is no UTF-8 is the surrogate U+DCFF, below U+E000 */
}

#define MD5 "\"md5\": \"d41d8cd98f00b204e9800998ecf8427e\""

static void refuses_names_that_lead_elsewhere(void **state)
{
  static const char *const names[] = {
    "..", "../a", "a/..", "a/../b", "/etc/passwd", "/", "", ".", "./a", "a/./b", "a//b", "a/", "a\\u0000b", "\\u0000", "\\u002e\\u002e/a", "\\u002fa", "a\\/..\\/..\\/b"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char text[256];
    tree t;
    int n = snprintf(text, sizeof text, "[{" MD5 ", \"relpath\": \"%s\"}]", names[i]);
    assert_int_equal(tree_parse(&t, text, (size_t)n, "test"), OPIS_EFORMAT);
  }
  static const char *const fine[] = {"...", "..a", "a..", ".a", "a/.b", "a/..b/c", " ", "a\\nb", "\\udcff"};
  for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
    char text[256];
    tree t;
    int n = snprintf(text, sizeof text, "[{" MD5 ", \"relpath\": \"%s\"}]", fine[i]);
    assert_int_equal(tree_parse(&t, text, (size_t)n, "test"), 0);
    assert_int_equal(t.n, 1);
    tree_free(&t);
  }
}

static void refuses_names_that_come_twice(void **state)
{
  static const char *const pairs[][2] = {{"a", "a"}, {"a", "\\u0061"}, {"a", "a/b"}, {"a/b", "a/b/c/d"}};
  (void)state;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    for (int k = 0; k < 2; k++) {
      char text[512];
      tree t;
      int n = snprintf(text, sizeof text, "[{" MD5 ", \"relpath\": \"%s\"}, {" MD5 ", \"relpath\": \"a-\"}, {\"relpath\": \"%s\", " MD5 "}]", pairs[i][k], pairs[i][!k]);
      assert_int_equal(tree_parse(&t, text, (size_t)n, "test"), OPIS_EFORMAT);
    }
}

static void refuses_what_is_cut_or_no_list(void **state)
{
  static const char whole[] = "[{" MD5 ", \"relpath\": \"a\\ud83d\\ude00\"}, {\"x\": [1, {\"y\": null}], " MD5 ", \"relpath\": \"b\"}]";
  static const char *const others[] = {"", "{}", "null", "[1]", "[{}]", "[{" MD5 "}]", "[{\"relpath\": \"a\"}]",
    "[{\"md5\": \"d41d8cd98f00b204e9800998ecf8427\", \"relpath\": \"a\"}]", "[{\"md5\": \"D41D8CD98F00B204E9800998ECF8427E\", \"relpath\": \"a\"}]",
    "[{" MD5 ", \"relpath\": \"\\ud83d\"}]", "[{" MD5 ", \"relpath\": \"\\q\"}]", "[{" MD5 ", \"relpath\": 1}]", "[]x", "[,]"};
  (void)state;
  tree t;
  assert_int_equal(tree_parse(&t, whole, sizeof whole - 1, "test"), 0);
  assert_int_equal(t.n, 2);
  assert_string_equal(t.entries[0].path, "a\xF0\x9F\x98\x80");
  tree_free(&t);
  for (size_t n = 0; n < sizeof whole - 1; n++) {
    char *exact = malloc(n + 1); /* so that a sanitizer sees the first byte too far */
    memcpy(exact, whole, n);
    assert_int_equal(tree_parse(&t, exact, n, "test"), OPIS_EFORMAT);
    free(exact);
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    assert_int_equal(tree_parse(&t, others[i], strlen(others[i]), "test"), OPIS_EFORMAT);
  char deep[4096];
  memset(deep, '[', sizeof deep);
  assert_int_equal(tree_parse(&t, deep, sizeof deep, "test"), OPIS_EFORMAT);
}

static void reads_what_it_writes(void **state)
{
  static const char *const parts[] = {"a", "b ", "\"", "\\", "\n", "\t", "\x01", "\x7F", "\xC3\xA9", "\xE6\x97\xA5", "\xF0\x9F\x98\x80", "\xFF", "\xC3", "'", "..z", "x"};
  unsigned seed = 1;
  (void)state;
  for (int round = 0; round < 300; round++) {
    tree t = TREE_INIT, back;
    strbuf b = STRBUF_INIT;
    uint8_t md5[MD5_SIZE], again[MD5_SIZE];
    size_t n = seed % 20;
    for (size_t i = 0; i < n; i++) {
      char path[128];
      size_t length = (size_t)snprintf(path, sizeof path, "%zu", i);
      for (int k = 0; k < 6; k++) {
        seed = seed * 1103515245 + 12345;
        unsigned pick = seed >> 16 & 31;
        if (pick < 16)
          length += (size_t)snprintf(path + length, sizeof path - length, "%s", parts[pick]);
        else if (pick == 16 && path[length - 1] != '/')
          length += (size_t)snprintf(path + length, sizeof path - length, "/d%d/", k);
      }
      if (path[length - 1] == '/')
        snprintf(path + length, sizeof path - length, "f");
      add(&t, path, path);
    }
    seed = seed * 1103515245 + 12345;
    tree_sort(&t);
    assert_int_equal(tree_write(&t, md5, NULL, sink, &b), 0);
    assert_int_equal(tree_parse(&back, b.s, b.n, "test"), 0);
    assert_int_equal(back.n, t.n);
    for (size_t i = 0; i < t.n; i++) {
      assert_string_equal(back.entries[i].path, t.entries[i].path);
      assert_memory_equal(back.entries[i].md5, t.entries[i].md5, MD5_SIZE);
    }
    assert_int_equal(tree_write(&back, again, NULL, NULL, NULL), 0);
    assert_memory_equal(md5, again, MD5_SIZE);
    strbuf_free(&b);
    tree_free(&back);
    tree_free(&t);
  }
}

static void finds_what_is_below_a_folder(void **state)
{
  (void)state;
  tree t = TREE_INIT;
  size_t begin, end;
  static const char *const paths[] = {"a", "a-b/x", "a.b", "b/1", "b/2/3", "b0", "c"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    add(&t, paths[i], "");
  tree_sort(&t);
  tree_range(&t, "b", &begin, &end);
  assert_int_equal(end - begin, 2);
  assert_string_equal(t.entries[begin].path, "b/1");
  tree_range(&t, "a", &begin, &end);
  assert_int_equal(begin, end);
  tree_range(&t, "", &begin, &end);
  assert_int_equal(end - begin, 7);
  assert_non_null(tree_find(&t, "b/2/3"));
  assert_null(tree_find(&t, "b/2"));
  tree_free(&t);
}

static void finds_what_comes_in_order(void **state)
{
  (void)state;
  tree t = TREE_INIT;
  size_t next = 0;
  static const char *const paths[] = {"a", "b", "c", "d"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    add(&t, paths[i], "");
  assert_ptr_equal(tree_find_next(&t, &next, "a"), &t.entries[0]);
  assert_int_equal(next, 1);
  assert_null(tree_find_next(&t, &next, "aa"));
  assert_int_equal(next, 1);
  assert_ptr_equal(tree_find_next(&t, &next, "d"), &t.entries[3]);
  assert_null(tree_find_next(&t, &next, "e"));
  assert_ptr_equal(tree_find_next(&t, &next, "b"), &t.entries[1]);
  assert_int_equal(next, 2);
  tree_free(&t);
}

/* Whichever of the two is the larger. */
static void merges_sorted_trees(void **state)
{
  (void)state;
  static const char *const paths[] = {"a", "a-b", "a/b", "b", "c/1", "c/2", "d", "é"};
  enum { ALL = sizeof paths / sizeof *paths };
  for (unsigned which = 0; which < 1U << ALL; which++) {
    tree both[2] = {TREE_INIT, TREE_INIT};
    for (size_t i = 0; i < ALL; i++)
      add(&both[which >> i & 1], paths[i], paths[i]);
    assert_int_equal(tree_merge(&both[0], &both[1]), 0);
    assert_int_equal(both[1].n, 0);
    assert_null(both[1].entries);
    assert_int_equal(both[0].n, ALL);
    for (size_t i = 0; i < ALL; i++) {
      assert_string_equal(both[0].entries[i].path, paths[i]);
      assert_int_equal(both[0].entries[i].size, strlen(paths[i]));
    }
    tree_free(&both[0]);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(writes_the_golden_vector),
    cmocka_unit_test(keeps_the_order_of_code_points),
    cmocka_unit_test(refuses_names_that_lead_elsewhere),
    cmocka_unit_test(refuses_names_that_come_twice),
    cmocka_unit_test(refuses_what_is_cut_or_no_list),
    cmocka_unit_test(reads_what_it_writes),
    cmocka_unit_test(finds_what_is_below_a_folder),
    cmocka_unit_test(finds_what_comes_in_order),
    cmocka_unit_test(merges_sorted_trees),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
