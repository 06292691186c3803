/* Parameter files, the first byte saying of which kind: what is read is written as JSON that is read as the same, and keys are found in it. */
#include "data/params.h"

#include <opis/error.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ignore_state(void *user, const char *key, const char *state)
{
  (void)user;
  (void)key;
  (void)state;
  return 0;
}

/* NaN is like nothing, and dates, tuples, keys that are no strings and halves of surrogates have no JSON of their own. */
static bool is_plain(const value *v)
{
  bool plain = v->kind != VALUE_TIME && v->kind != VALUE_TUPLE && !(v->kind == VALUE_FLOAT && v->real != v->real) && (v->kind != VALUE_STRING || utf8_valid(v->text, v->n));
  if (v->kind == VALUE_LIST || v->kind == VALUE_DICT)
    for (size_t i = 0; i < v->n && plain; i++)
      plain = is_plain(v->items[i]) && (v->kind == VALUE_LIST || i % 2 || v->items[i]->kind == VALUE_STRING);
  return plain;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const names[] = {"p.yaml", "p.json", "p.toml", "p.py"};
  arena memory = ARENA_INIT;
  const value *v, *again;
  strbuf json = STRBUF_INIT;
  if (size == 0)
    return 0;
  if (param_file_parse(&v, &memory, names[data[0] % 4], (const char *)data + 1, size - 1) == 0) {
    value_put_json(&json, v);
    if (is_plain(v) && (value_from_json(&again, &memory, json.s, json.n, "again") < 0 || !value_same(v, again)))
      abort();
    const value *key = value_string(&memory, "a.*.b", 5), *keys = value_new(&memory, VALUE_LIST);
    stage_params p = {.written = "p", .keys = keys, .locked = value_new(&memory, VALUE_DICT)};
    stage_params_compare(&p, &memory, v, ignore_state, NULL);
    value_append(&memory, (value *)(uintptr_t)keys, key);
    stage_params_compare(&p, &memory, v, ignore_state, NULL);
  }
  strbuf_free(&json);
  arena_free(&memory);
  return 0;
}
