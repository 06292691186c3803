#include "util/file.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state)
{
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/opis-test-XXXXXX");
  return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
  (void)state;
  char command[96];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static int entries(void)
{
  int n = 0;
  DIR *d = opendir(".");
  for (struct dirent *e; (e = readdir(d));)
    n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static void devices_are_written_in_place(void **state)
{
  (void)state;
  struct stat st;
  assert_int_equal(file_replace("/dev/null", "gone", 4, 0666, true), 0);
  assert_int_equal(stat("/dev/null", &st), 0);
  assert_true(S_ISCHR(st.st_mode));
  assert_int_equal(file_replace("/dev/full", "too much", 8, 0666, true), OPIS_EIO);
  assert_int_equal(stat("/dev/full", &st), 0);
  assert_true(S_ISCHR(st.st_mode));
}

static void replaces(void **state)
{
  (void)state;
  char *bytes;
  size_t size;
  struct stat st;
  umask(022);
  assert_int_equal(file_replace("a", "first", 5, 0666, true), 0);
  assert_int_equal(stat("a", &st), 0);
  assert_int_equal(st.st_mode & 0777, 0644);
  assert_int_equal(chmod("a", 0600), 0);
  assert_int_equal(file_replace("a", "second", 6, 0666, false), 0);
  assert_int_equal(stat("a", &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600); /* the old file's mode stays */
  assert_int_equal(file_read(&bytes, &size, "a", 100), 0);
  assert_int_equal(size, 6);
  assert_string_equal(bytes, "second");
  free(bytes);
  assert_int_equal(entries(), 1);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
  (void)state;
  struct rlimit old, small;
  getrlimit(RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 100;
  signal(SIGXFSZ, SIG_IGN);
  char big[1000] = "";
  assert_int_equal(file_replace("a", "kept", 4, 0666, true), 0);
  setrlimit(RLIMIT_FSIZE, &small);
  int code = file_replace("a", big, sizeof big, 0666, true);
  setrlimit(RLIMIT_FSIZE, &old);
  assert_int_equal(code, OPIS_EIO);
  file_map m;
  assert_int_equal(file_map_open(&m, "a"), 0);
  assert_int_equal(m.size, 4);
  assert_memory_equal(m.data, "kept", 4);
  file_map_close(&m);
  assert_int_equal(entries(), 1);
}

static void limits_and_absence(void **state)
{
  (void)state;
  char *bytes;
  size_t size;
  file_map m;
  assert_int_equal(file_read(&bytes, &size, "none", 10), OPIS_ENOTFOUND);
  assert_string_equal(opis_error_message(), "none: No such file or directory");
  assert_int_equal(file_map_open(&m, "none"), OPIS_ENOTFOUND);
  assert_int_equal(file_replace("a", "0123456789", 10, 0666, false), 0);
  assert_int_equal(file_read(&bytes, &size, "a", 10), 0);
  free(bytes);
  assert_int_equal(file_read(&bytes, &size, "a", 9), OPIS_ELIMIT);
  assert_int_equal(file_read(&bytes, &size, ".", 9), OPIS_EIO);
  assert_int_equal(file_map_open(&m, "."), OPIS_EIO);
  assert_int_equal(file_replace("no/such/folder", "", 0, 0666, false), OPIS_ENOTFOUND);
}

static void reads_pipes_up_to_a_limit(void **state)
{
  (void)state;
  int p[2];
  char *bytes;
  size_t size;
  for (uint64_t limit = 4; limit <= 5; limit++) {
    assert_int_equal(pipe(p), 0);
    assert_int_equal(file_write_all(p[1], "12345", 5, "pipe"), 0);
    close(p[1]);
    int code = file_read_fd(&bytes, &size, p[0], "pipe", limit);
    close(p[0]);
    assert_int_equal(code, limit == 5 ? 0 : OPIS_ELIMIT);
    if (code == 0) {
      assert_string_equal(bytes, "12345");
      free(bytes);
    }
  }
}

static void makes_folders(void **state)
{
  (void)state;
  assert_int_equal(file_make_folders("x/y/z", 0777), 0);
  assert_int_equal(file_make_folders("x/y/z", 0777), 0);
  assert_true(file_is_folder("x/y/z"));
  assert_int_equal(file_replace("x/f", "", 0, 0666, false), 0);
  assert_true(file_make_folders("x/f", 0777) < 0);
  assert_true(file_make_folders("x/f/g", 0777) < 0);
  char *j;
  path_join(&j, "a", "b");
  assert_string_equal(j, "a/b");
  free(j);
  path_join(&j, "a/", "b");
  assert_string_equal(j, "a/b");
  free(j);
  path_join(&j, "a", "/b");
  assert_string_equal(j, "/b");
  free(j);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(devices_are_written_in_place),
    cmocka_unit_test_setup_teardown(replaces, make_folder, remove_folder),
    cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_file, make_folder, remove_folder),
    cmocka_unit_test_setup_teardown(limits_and_absence, make_folder, remove_folder),
    cmocka_unit_test_setup_teardown(reads_pipes_up_to_a_limit, make_folder, remove_folder),
    cmocka_unit_test_setup_teardown(makes_folders, make_folder, remove_folder),
  };
  return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
