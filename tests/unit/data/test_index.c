/* The private index: what it believes, what it never does, and that a broken one is an empty one. */
#include "data/index.h"

#include "../cmocka_all.h"
#include "util/file.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/opis-test-XXXXXX";
static repo r = {.dvc = folder};

static int make_folder(void **state)
{
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
  char command[64];
  (void)state;
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

static tree some(size_t n, uint32_t flags)
{
  tree t = TREE_INIT;
  for (size_t i = 0; i < n; i++) {
    char path[32];
    tree_entry *e = tree_add(&t, path, (size_t)snprintf(path, sizeof path, "sub/%06zu.jpg", i));
    assert_non_null(e);
    e->inode = i + 1;
    e->size = i * 3;
    e->mtime = 1000000001 + (int64_t)i;
    e->flags = flags;
    md5_bytes(e->md5, path, strlen(path));
  }
  return t;
}

static size_t known(const tree *t)
{
  size_t n = 0;
  for (size_t i = 0; i < t->n; i++) {
    uint8_t md5[MD5_SIZE];
    if (!(t->entries[i].flags & TREE_HASHED))
      continue;
    n++;
    md5_bytes(md5, t->entries[i].path, strlen(t->entries[i].path));
    assert_memory_equal(md5, t->entries[i].md5, MD5_SIZE);
  }
  return n;
}

static size_t ask(size_t n, bool *same)
{
  tree t = some(n, 0);
  for (size_t i = 0; i < t.n; i++)
    memset(t.entries[i].md5, 0, MD5_SIZE);
  assert_int_equal(index_apply(&t, &r, "data", false, same), 0);
  size_t found = known(&t);
  tree_free(&t);
  return found;
}

static void remembers(void **state)
{
  bool same;
  (void)state;
  tree t = some(5000, TREE_HASHED);
  assert_int_equal(ask(5000, &same), 0);
  assert_int_equal(index_save(&t, &r, "data", false), 0);
  assert_int_equal(ask(5000, &same), 5000);
  assert_true(same);
  assert_int_equal(ask(4999, &same), 4999);
  assert_false(same); /* one has gone */
  assert_int_equal(ask(5001, &same), 5000);
  assert_false(same);
  tree_free(&t);
}

/* Every other one in the second tree, and in the first without a hash. */
static void two_trees_are_saved_as_one(void **state)
{
  bool same;
  (void)state;
  tree one = some(1000, TREE_HASHED), more = TREE_INIT;
  for (size_t i = 0; i < one.n; i += 2) {
    tree_entry *e = tree_add(&more, one.entries[i].path, strlen(one.entries[i].path));
    assert_non_null(e);
    *e = (tree_entry){.path = e->path, .size = one.entries[i].size, .inode = one.entries[i].inode, .mtime = one.entries[i].mtime, .flags = TREE_HASHED};
    memcpy(e->md5, one.entries[i].md5, MD5_SIZE);
    memset(one.entries[i].md5, 0, MD5_SIZE);
    one.entries[i].flags = 0;
  }
  assert_int_equal(index_save_both(&one, &more, &r, "data", false), 0);
  assert_int_equal(ask(1000, &same), 1000);
  assert_true(same);
  assert_int_equal(index_save_both(&more, &one, &r, "data", false), 0);
  assert_int_equal(ask(1000, &same), 1000);
  assert_true(same);
  tree_free(&one);
  tree_free(&more);
}

static void any_difference_counts(void **state)
{
  bool same;
  (void)state;
  tree saved = some(3, TREE_HASHED);
  assert_int_equal(index_save(&saved, &r, "data", false), 0);
  for (int what = 0; what < 3; what++) {
    tree t = some(3, 0);
    if (what == 0)
      t.entries[1].inode++;
    else if (what == 1)
      t.entries[1].size++;
    else
      t.entries[1].mtime++;
    assert_int_equal(index_apply(&t, &r, "data", false, &same), 0);
    assert_false(same);
    assert_int_equal(known(&t), 2);
    assert_false(t.entries[1].flags & TREE_HASHED);
    tree_free(&t);
  }
  tree other = some(3, 0);
  assert_int_equal(index_apply(&other, &r, "else", false, &same), 0);
  assert_int_equal(known(&other), 0);
  assert_int_equal(index_apply(&other, &r, "data", true, &same), 0); /* another kind of hash */
  assert_int_equal(known(&other), 0);
  tree_free(&other);
  tree_free(&saved);
}

static void racy_files_are_read_again(void **state)
{
  struct timespec now;
  bool same;
  (void)state;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t t = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
  assert_true(index_racy(t | 1));
  assert_true(index_racy(t + 1000000000000 + 1)); /* a clock that was set back */
  assert_false(index_racy((t - 1000000000) | 1));
  assert_true(index_racy((int64_t)now.tv_sec * 1000000000)); /* whole seconds: a coarse file system */
  assert_true(index_racy((int64_t)(now.tv_sec - 1) * 1000000000));
  assert_false(index_racy((int64_t)(now.tv_sec - 3) * 1000000000));
  tree saved = some(10, TREE_HASHED);
  saved.entries[4].flags |= TREE_RACY;
  assert_int_equal(index_save(&saved, &r, "data", false), 0);
  assert_int_equal(ask(10, &same), 9);
  assert_false(same);
  tree_free(&saved);
}

static char *index_file(void)
{
  static char path[256];
  char below[128];
  snprintf(below, sizeof below, "%s/tmp/opis/index", folder);
  DIR *d = opendir(below);
  path[0] = '\0';
  for (struct dirent *e; (e = readdir(d));)
    if (strlen(e->d_name) == 32)
      snprintf(path, sizeof path, "%s/%.32s", below, e->d_name);
  closedir(d);
  return path;
}

static void a_broken_one_is_an_empty_one(void **state)
{
  char *bytes;
  size_t n;
  bool same;
  (void)state;
  tree saved = some(40, TREE_HASHED);
  assert_int_equal(index_save(&saved, &r, "data", false), 0);
  char *path = index_file();
  assert_int_equal(file_read(&bytes, &n, path, 1 << 20), 0);
  for (size_t i = 0; i < n; i++) { /* each byte wrong in turn; ask() aborts on a wrong hash */
    bytes[i] ^= 0x55;
    assert_int_equal(file_replace(path, bytes, n, 0666, false), 0);
    assert_int_equal(ask(40, &same), 0);
    bytes[i] ^= 0x55;
  }
  for (size_t i = 0; i < n; i++) { /* cut anywhere */
    assert_int_equal(file_replace(path, bytes, i, 0666, false), 0);
    assert_int_equal(ask(40, &same), 0);
  }
  assert_int_equal(file_replace(path, bytes, n, 0666, false), 0);
  assert_int_equal(ask(40, &same), 40);
  free(bytes);
  tree_free(&saved);
}

static int count(void *user, const char *rel, bool legacy)
{
  ++*(int *)user;
  return strcmp(rel, "data") == 0 && !legacy ? 0 : -1;
}

static void lists_and_forgets(void **state)
{
  int n = 0;
  bool same;
  (void)state;
  tree saved = some(2, TREE_HASHED);
  assert_int_equal(index_save(&saved, &r, "data", false), 0);
  assert_int_equal(index_each(&r, count, &n), 0);
  assert_int_equal(n, 1);
  assert_int_equal(index_forget(&r, "data"), 0);
  assert_int_equal(ask(2, &same), 0);
  tree_free(&saved);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(remembers),
    cmocka_unit_test(two_trees_are_saved_as_one),
    cmocka_unit_test(any_difference_counts),
    cmocka_unit_test(racy_files_are_read_again),
    cmocka_unit_test(a_broken_one_is_an_empty_one),
    cmocka_unit_test(lists_and_forgets),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
