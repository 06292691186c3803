/* Stage files edited in place: what is not edited stays byte for byte. And strings as ruamel.yaml writes them. */
#include "data/stage.h"
#include "data/yaml.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include <stdlib.h>
#include <string.h>

static const char before[] = "# about the whole\nmd5: 0123  # unknown here\nouts:\n# about the first\n- md5: d4346a2f8156c564d0082350690d3557   # old\n  size: 15\n  hash: md5\n  "
                             "path: 'a b'  # its name\n  labels: [x, y]\n"
                             "  meta:\n    deep: {k: v}\n- path: other\n  md5: d41d8cd98f00b204e9800998ecf8427e\nmeta:\n  mine: yes\n";

static void edits_keep_comments_and_unknown_keys(void **state)
{
  static const struct {
    const char *key, *value, *taken, *given;
  } cases[] = {
    {"md5", "d41d8cd98f00b204e9800998ecf8427e", "d4346a2f8156c564d0082350690d3557   # old", "d41d8cd98f00b204e9800998ecf8427e   # old"},
    {"size", "0", "size: 15", "size: 0"},
    {"size", NULL, "  size: 15\n", ""},
    {"path", "c", "'a b'", "c"},
    {"labels", NULL, "  labels: [x, y]\n", ""},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    strbuf b = STRBUF_INIT, want = STRBUF_INIT;
    const char *at = strstr(before, cases[i].taken);
    strbuf_puts(&b, before);
    strbuf_append(&want, before, (size_t)(at - before));
    strbuf_puts(&want, cases[i].given);
    strbuf_puts(&want, at + strlen(cases[i].taken));
    assert_int_equal(yaml_set(&b, (const char *const[]){"outs", "#0", NULL}, cases[i].key, cases[i].value, "test"), 0);
    assert_string_equal(b.s, want.s);
    strbuf_free(&b);
    strbuf_free(&want);
  }
}

static void long_words_take_their_line_along(void **state)
{
  (void)state;
  strbuf b = STRBUF_INIT;
  strbuf_puts(&b, "outs:\n- md5: 1\n  path: \n    looong\n  hash: md5\n");
  assert_int_equal(yaml_set(&b, (const char *const[]){"outs", "#0", NULL}, "path", "\n    longer", "test"), 0);
  assert_string_equal(b.s, "outs:\n- md5: 1\n  path: \n    longer\n  hash: md5\n");
  assert_int_equal(yaml_set(&b, (const char *const[]){"outs", "#0", NULL}, "path", "short", "test"), 0);
  assert_string_equal(b.s, "outs:\n- md5: 1\n  path: short\n  hash: md5\n");
  strbuf_free(&b);
}

static void only_the_value_goes(void **state)
{
  (void)state;
  strbuf b = STRBUF_INIT;
  strbuf_puts(&b, "size :\nmd5 : 1\n");
  assert_int_equal(yaml_set(&b, (const char *const[]){NULL}, "size", "3", "test"), 0);
  assert_int_equal(yaml_set(&b, (const char *const[]){NULL}, "md5", "x", "test"), 0);
  assert_string_equal(b.s, "size : 3\nmd5 : x\n");
  b.n = 0;
  strbuf_puts(&b, "size: |\n  two\n  lines\nmd5: 1\n");
  assert_int_equal(yaml_set(&b, (const char *const[]){NULL}, "size", "3", "test"), 0);
  assert_string_equal(b.s, "size: 3\nmd5: 1\n");
  b.n = 0;
  strbuf_puts(&b, "size: [1]# a comment\n");
  assert_int_equal(yaml_set(&b, (const char *const[]){NULL}, "size", "3", "test"), 0);
  assert_string_equal(b.s, "size: 3 # a comment\n");
  strbuf_free(&b);
}

static void a_key_without_a_value_ends_with_itself(void **state)
{
  yaml_node *node;
  (void)state;
  strbuf b = STRBUF_INIT;
  strbuf_puts(&b, "outs:\n- md5:\n    - ? x\n  path: a\n");
  assert_int_equal(yaml_set(&b, (const char *const[]){"outs", "#0", NULL}, "md5", "1", "test"), 0);
  assert_int_equal(yaml_parse(&node, b.s, b.n, "test"), 0);
  assert_string_equal(yaml_text(yaml_get(node, "outs")->items[0], "md5"), "1");
  assert_string_equal(yaml_text(yaml_get(node, "outs")->items[0], "path"), "a");
  yaml_node_free(node);
  strbuf_free(&b);
}

static void line_ends_that_only_yaml_knows(void **state)
{
  static const char *const ends[] = {"\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"};
  (void)state;
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    strbuf b = STRBUF_INIT;
    strbuf_printf(&b, "outs:\n- path: a\n  md5:\n  - - t %sb:\n  desc: x\n", ends[i]);
    size_t n = b.n;
    assert_int_equal(yaml_set(&b, (const char *const[]){"outs", "#0", NULL}, "md5", "1", "test"), OPIS_EUNSUPPORTED);
    assert_int_equal(b.n, n);
    strbuf_free(&b);
  }
}

static void only_carriage_returns_are_not_edited(void **state)
{
  (void)state;
  strbuf b = STRBUF_INIT;
  strbuf_puts(&b, "outs:\r\n- path: x\r\n");
  assert_int_equal(yaml_set(&b, (const char *const[]){"outs", "#0", NULL}, "size", "1", "test"), 0);
  b.n = 0;
  strbuf_puts(&b, "outs:\r- path: x\r");
  assert_int_equal(yaml_set(&b, (const char *const[]){"outs", "#0", NULL}, "size", "1", "test"), OPIS_EUNSUPPORTED);
  strbuf_free(&b);
}

static void new_keys_go_to_the_end(void **state)
{
  (void)state;
  strbuf b = STRBUF_INIT;
  yaml_node *node;
  strbuf_puts(&b, before);
  assert_int_equal(yaml_set(&b, (const char *const[]){"outs", "#1", NULL}, "size", "3", "test"), 0);
  assert_int_equal(yaml_parse(&node, b.s, b.n, "test"), 0);
  const yaml_node *outs = yaml_get(node, "outs");
  assert_int_equal(outs->n, 2);
  assert_int_equal(yaml_int(outs->items[1], "size", -1), 3);
  assert_string_equal(yaml_text(outs->items[0], "path"), "a b");
  assert_non_null(strstr(b.s, "# about the first"));
  assert_non_null(strstr(b.s, "# its name"));
  yaml_node_free(node);
  strbuf_free(&b);
}

static void strings_as_ruamel_writes_them(void **state)
{
  static const char *const plain[] = {"yes", "On", "12:30", "a,b", "a#b", "\xC3\xA9.png"},
                           *const quoted[] = {"123", "010", "1e3", "0x1f", "1.5", "null", "~", "true", "2024-01-01", "a: b", "a #b", "- a", "x ", "#a", "*a", "&a", "!a", "%a",
                             "@a", "{a", "[a", "|a", ">a", "`a"};
  (void)state;
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
    strbuf b = STRBUF_INIT;
    assert_int_equal(yaml_put_string(&b, plain[i], 7, 4), 0);
    assert_string_equal(b.s + 1, plain[i]);
    strbuf_free(&b);
  }
  for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++) {
    strbuf b = STRBUF_INIT, want = STRBUF_INIT;
    strbuf_printf(&want, " '%s'", quoted[i]);
    assert_int_equal(yaml_put_string(&b, quoted[i], 7, 4), 0);
    assert_string_equal(b.s, want.s);
    strbuf_free(&b);
    strbuf_free(&want);
  }
}

static void refuses_what_is_no_stage_file(void **state)
{
  static const char *const wrong[] = {"outs: [", "outs: 1", "outs:\n- 1", "- a", "outs:\n- md5: x\n  path: a", "outs:\n- path: ../../a",
    "outs:\n- path: /etc/passwd\n  md5: 5d41402abc4b2a76b9719d911017c592", "a: &x [*x]", "outs:\n- md5: 5d41402abc4b2a76b9719d911017c592"};
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    stage *s = NULL;
    int code = stage_parse(&s, "a.dvc", wrong[i], strlen(wrong[i]));
    if (code == 0) { /* then nothing of it may lead out of the repository */
      for (size_t k = 0; k < s->n_outs; k++)
        assert_true(!s->outs[k].path || (s->outs[k].path[0] != '/' && strncmp(s->outs[k].path, "..", 2) != 0));
      stage_free(s);
    }
  }
}

static void aliases_stand_for_their_anchors(void **state)
{
  static const char text[] = "outs:\n- &one\n  md5: 5d41402abc4b2a76b9719d911017c592\n  size: 5\n  path: a\n- <<: *one\n  path: b\nmeta:\n  k: &v {x: [1, 2]}\n  r: *v\n  l:\n  - "
                             "*v\n  - <<: [*v, {y: 3}]\n";
  yaml_node *root;
  (void)state;
  assert_int_equal(yaml_parse(&root, text, sizeof text - 1, "t"), 0);
  const yaml_node *outs = yaml_get(root, "outs"), *meta = yaml_get(root, "meta"), *list = yaml_get(meta, "l");
  assert_string_equal(yaml_text(outs->items[1], "md5"), "5d41402abc4b2a76b9719d911017c592");
  assert_int_equal(yaml_int(outs->items[1], "size", 0), 5);
  assert_string_equal(yaml_text(outs->items[1], "path"), "b");
  assert_int_equal(yaml_get(yaml_get(meta, "r"), "x")->n, 2);
  assert_int_equal(yaml_get(list->items[0], "x")->n, 2);
  assert_int_equal(yaml_int(list->items[1], "y", 0), 3);
  assert_int_equal(yaml_get(list->items[1], "x")->n, 2);
  yaml_node_free(root);

  strbuf b = STRBUF_INIT;
  strbuf_puts(&b, text);
  assert_int_equal(yaml_set(&b, (const char *const[]){"meta", NULL}, "r", "new", "t"), 0); /* the alias goes, its anchor stays */
  assert_non_null(strstr(b.s, "  k: &v {x: [1, 2]}\n  r: new\n  l:\n"));
  assert_true(yaml_set(&b, (const char *const[]){"meta", "l", "#0", NULL}, "x", "1", "t") < 0);
  assert_int_equal(yaml_set(&b, (const char *const[]){"outs", "#1", NULL}, "size", "7", "t"), 0);
  assert_non_null(strstr(b.s, "- <<: *one\n  path: b\n  size: 7\n"));
  strbuf_free(&b);

  static const char *const wrong[] = {"a: *x", "a: &x [*x]", "a: &x {b: *x}"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(yaml_parse(&root, wrong[i], strlen(wrong[i]), "t"), OPIS_EFORMAT);
  strbuf_puts(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"); /* a little text that stands for ten thousand millions of words */
  for (int i = 1; i < 10; i++)
    strbuf_printf(&b, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
  assert_int_equal(yaml_parse(&root, b.s, b.n, "t"), OPIS_ELIMIT);
  strbuf_free(&b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_key_without_a_value_ends_with_itself),
    cmocka_unit_test(line_ends_that_only_yaml_knows),
    cmocka_unit_test(edits_keep_comments_and_unknown_keys),
    cmocka_unit_test(long_words_take_their_line_along),
    cmocka_unit_test(only_carriage_returns_are_not_edited),
    cmocka_unit_test(only_the_value_goes),
    cmocka_unit_test(new_keys_go_to_the_end),
    cmocka_unit_test(strings_as_ruamel_writes_them),
    cmocka_unit_test(refuses_what_is_no_stage_file),
    cmocka_unit_test(aliases_stand_for_their_anchors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
