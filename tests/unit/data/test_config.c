/* DVC's configuration: levels, what counts, and edits that leave the rest of a file as it is. */
#include "data/config.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include "util/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char before[] = "# mine\n[core]\n    remote = store   # the usual one\n    analytics = false\n\n['remote \"store\"']\n    url = /a\n    # why\n    jobs = 4\n['remote "
                             "\"two words\"']\n    url = s3://b/c\n";

static strbuf text_of(const char *s)
{
  strbuf b = STRBUF_INIT;
  strbuf_puts(&b, s);
  return b;
}

/* For DVC the last of them counts; written as the first, it would be there twice, which configobj refuses. */
static void keys_that_differ_by_case(void **state)
{
  config c = {0};
  (void)state;
  strbuf b = text_of("['remote \"a\"']\n    url = /1\n    urL = /2\n");
  assert_int_equal(config_edit(&b, "remote", "a", "url", "/3", NULL), 0);
  assert_string_equal(b.s, "['remote \"a\"']\n    url = /1\n    urL = /3\n");
  assert_int_equal(config_parse(&c, b.s, b.n, CONFIG_REPO, "test"), 0);
  assert_string_equal(config_get(&c, "remote", "a", "url"), "/3");
  config_free(&c);
  strbuf_free(&b);
}

static void edits_keep_the_rest(void **state)
{
  static const struct {
    const char *section, *name, *key, *value, *taken, *given; /* the only difference: `taken` becomes `given` */
  } cases[] = {
    {"remote", "store", "jobs", "8", "    jobs = 4\n", "    jobs = 8\n"},
    {"remote", "store", "jobs", NULL, "    jobs = 4\n", ""},
    {"core", "", "autostage", "true", "    analytics = false\n", "    analytics = false\n    autostage = true\n"},
    {"cache", "", "type", "hardlink,copy", "    url = s3://b/c\n", "    url = s3://b/c\n[cache]\n    type = \"hardlink,copy\"\n"},
    {"remote", "two words", NULL, NULL, "['remote \"two words\"']\n    url = s3://b/c\n", ""},
    {"core", "", "nothing", NULL, "", ""},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    strbuf b = text_of(before), want = STRBUF_INIT;
    const char *at = strstr(before, cases[i].taken);
    strbuf_append(&want, before, (size_t)(at - before));
    strbuf_puts(&want, cases[i].given);
    strbuf_puts(&want, at + strlen(cases[i].taken));
    assert_int_equal(config_edit(&b, cases[i].section, cases[i].name, cases[i].key, cases[i].value, NULL), 0);
    assert_string_equal(b.s, want.s);
    config c = {0};
    assert_int_equal(config_parse(&c, b.s, b.n, CONFIG_REPO, "test"), 0);
    if (cases[i].value)
      assert_string_equal(config_get(&c, cases[i].section, cases[i].name, cases[i].key), cases[i].value);
    else if (cases[i].key)
      assert_null(config_get(&c, cases[i].section, cases[i].name, cases[i].key));
    config_free(&c);
    strbuf_free(&b);
    strbuf_free(&want);
  }
}

static void values_come_back(void **state)
{
  static const char *const values[] = {
    "plain", "with space", "a,b", "a # b", "'quoted'", "\"double\"", "it's", "=", "[x]", "", " lead", "trail ", "\xC3\xA9", "%(x)s", "C:\\x", "a'b\"c"};
  (void)state;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    strbuf b = STRBUF_INIT;
    config c = {0};
    assert_int_equal(config_edit(&b, "remote", "n", "password", values[i], NULL), 0);
    assert_int_equal(config_parse(&c, b.s, b.n, CONFIG_REPO, "test"), 0);
    assert_string_equal(config_get(&c, "remote", "n", "password"), values[i]);
    config_free(&c);
    strbuf_free(&b);
  }
}

static void later_levels_win(void **state)
{
  char folder[] = "/tmp/opis-test-XXXXXX", path[128], command[160];
  static const char text[] = "[core]\nremote=a\n['remote \"a\"']\nURL = ../x\n[cache]\ntype=copy\n";
  config c;
  char *url;
  (void)state;
  assert_non_null(mkdtemp(folder));
  setenv("HOME", folder, 1);
  setenv("XDG_CONFIG_HOME", folder, 1);
  setenv("XDG_CONFIG_DIRS", folder, 1);
  snprintf(path, sizeof path, "%s/.dvc", folder);
  assert_int_equal(file_make_folders(path, 0777), 0);
  snprintf(path, sizeof path, "%s/.dvc/config", folder);
  assert_int_equal(file_replace(path, text, strlen(text), 0666, false), 0);
  snprintf(path, sizeof path, "%s/.dvc/config.local", folder);
  assert_int_equal(file_replace(path, "[core]\nremote = b\n", 18, 0666, false), 0);
  snprintf(path, sizeof path, "%s/.dvc", folder);
  assert_int_equal(config_load(&c, path), 0);
  assert_string_equal(config_get(&c, "core", "", "remote"), "b");
  assert_int_equal(config_find(&c, "core", "", "remote")->level, CONFIG_LOCAL);
  assert_string_equal(config_get(&c, "cache", "", "type"), "copy");
  assert_int_equal(config_path(&url, &c, "remote", "a", "url"), 0); /* keys in lower case; relative to the file's folder */
  snprintf(path, sizeof path, "%s/x", folder);
  assert_true(strstr(url, "/x") && strncmp(url, folder, strlen(folder)) == 0);
  free(url);
  config_free(&c);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  assert_int_equal(system(command), 0);
}

static void refuses_what_is_none(void **state)
{
  static const char *const wrong[] = {"[core\n", "no section = 1\n[core]\nkey without value\n"};
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    config c = {0};
    if (config_parse(&c, wrong[i], strlen(wrong[i]), CONFIG_REPO, "test") != OPIS_EFORMAT)
      fail_msg("taken: %s", wrong[i]);
    config_free(&c);
  }
}

static void edits_what_counts(void **state)
{
  static const char *const texts[][2] = {
    {"\xEF\xBB\xBF[core]\n    remote = a\n", "\xEF\xBB\xBF[core]\n    remote = b\n"},             /* a mark that Windows puts before everything */
    {"[Core]\nremote = x\n[core]\nremote = a\n", "[Core]\nremote = x\n[core]\n    remote = b\n"}, /* the last one counts */
    {"[Core]\nremote = a\n[core]\njobs = 1\n", "[Core]\n    remote = b\n[core]\njobs = 1\n"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    strbuf b = STRBUF_INIT;
    config c = {0};
    bool found;
    strbuf_puts(&b, texts[i][0]);
    assert_int_equal(config_edit(&b, "core", "", "remote", "b", &found), 0);
    assert_string_equal(b.s, texts[i][1]);
    assert_int_equal(config_parse(&c, b.s, b.n, CONFIG_REPO, "test"), 0);
    assert_string_equal(config_get(&c, "core", "", "remote"), "b");
    config_free(&c);
    strbuf_free(&b);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(edits_what_counts),
    cmocka_unit_test(keys_that_differ_by_case),
    cmocka_unit_test(edits_keep_the_rest),
    cmocka_unit_test(values_come_back),
    cmocka_unit_test(later_levels_win),
    cmocka_unit_test(refuses_what_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
