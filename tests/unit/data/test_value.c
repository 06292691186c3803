/* Values as Python compares and writes them, and what a broken file is called. */
#include "data/params.h"

#include "../cmocka_all.h"
#include <opis/error.h>
#include <stdio.h>
#include <string.h>

static const value *read_as(arena *a, const char *name, const char *text)
{
  const value *v = NULL;
  assert_int_equal(param_file_parse(&v, a, name, text, strlen(text)), 0);
  return v;
}

static void equal_as_in_python(void **state)
{
  static const struct {
    const char *a, *b;
    bool same;
  } cases[] = {
    {"1", "1.0", true},
    {"1", "true", true},
    {"0.0", "false", true},
    {"1", "'1'", false},
    {"0x10", "16", true},
    {".nan", ".nan", false},
    {".inf", "-.inf", false},
    {"9007199254740993", "9007199254740992.0", false},
    {"123456789012345678901234567890", "1_23456789012345678901234567890", true},
    {"1e25", "10000000000000000000000000", false},
    {"~", "false", false},
    {"{x: 1, y: 2}", "{y: 2.0, x: 1}", true},
    {"{x: 1}", "{x: 1, y: 2}", false},
    {"[1, 2]", "[2, 1]", false},
    {"2024-01-02", "2024-01-02T00:00:00", false},
    {"2024-01-02T03:04:05+01:00", "2024-01-02 02:04:05Z", true},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    arena memory = ARENA_INIT;
    char text[200];
    snprintf(text, sizeof text, "a: %s\nb: %s\n", cases[i].a, cases[i].b);
    const value *v = read_as(&memory, "p.yaml", text);
    assert_int_equal(value_same(value_get(v, "a"), value_get(v, "b")), cases[i].same);
    arena_free(&memory);
  }
}

static void large_dicts_find_their_keys(void **state)
{
  arena memory = ARENA_INIT;
  value *dict = value_new(&memory, VALUE_DICT);
  char name[24];
  (void)state;
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < 1000; i++) {
      snprintf(name, sizeof name, "k%d", i);
      assert_int_equal(value_put(&memory, dict, value_string(&memory, name, strlen(name)), value_int(&memory, i + round)), 0);
      assert_int_equal(value_put(&memory, dict, value_int(&memory, i), value_int(&memory, -i)), 0);
    }
  assert_int_equal(dict->n, 4000);
  assert_int_equal(value_get(dict, "k999")->integer, 1000);
  assert_int_equal(value_find(dict, &(value){.kind = VALUE_FLOAT, .real = 7})->integer, -7);
  assert_null(value_get(dict, "k1000"));
  arena_free(&memory);
}

static void broken_files_are_errors(void **state)
{
  static const struct {
    const char *name, *text;
    int code;
  } cases[] = {
    {"p.yaml", "a: [", OPIS_EFORMAT},
    {"p.yaml", "a: 1\na: 2\n", OPIS_EFORMAT},
    {"p.yaml", "{}: 1\n? {a: 1}\n: 2\n", OPIS_EFORMAT},
    {"p.json", "{\"a\": 01}", OPIS_EFORMAT},
    {"p.json", "{\"\\", OPIS_EFORMAT},
    {"p.json", "\"\xFF\"", OPIS_EFORMAT},
    {"P.TOML", "a = 1\na = 2\n", OPIS_EFORMAT},
    {"p.toml", "[t]\n[t]\n", OPIS_EFORMAT},
    {"p.toml", "t = 07:32:00\n", OPIS_EUNSUPPORTED},
    {"p.py", "a = {1, 2}\n", OPIS_EUNSUPPORTED},
    {"p.py", "a = b'x'\n", OPIS_EUNSUPPORTED},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    arena memory = ARENA_INIT;
    const value *v;
    assert_int_equal(param_file_parse(&v, &memory, cases[i].name, cases[i].text, strlen(cases[i].text)), cases[i].code);
    assert_non_null(strstr(opis_error_message(), cases[i].name));
    arena_free(&memory);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(equal_as_in_python), cmocka_unit_test(large_dicts_find_their_keys), cmocka_unit_test(broken_files_are_errors)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
