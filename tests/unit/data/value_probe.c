/* For tests/interop/test_pipelines.py: on standard input, JSON [[NAME, TEXT], …]; on standard output, a line each: what a parameter file of this name and text holds, as json.dumps writes it, or "broken" or "unsupported". */
#include "data/params.h"

#include <opis/error.h>

#include <jansson.h>
#include <stdio.h>

static void answer(const char *name, const char *text, size_t n)
{
  arena memory = ARENA_INIT;
  strbuf b = STRBUF_INIT;
  const value *v;
  int code = param_file_parse(&v, &memory, name, text, n);
  if (code == 0)
    value_put_json(&b, v);
  puts(code == OPIS_EUNSUPPORTED ? "unsupported" : code < 0 || !b.s ? "broken" : b.s);
  strbuf_free(&b);
  arena_free(&memory);
}

int main(void)
{
  json_t *all = json_loadf(stdin, 0, NULL), *one;
  size_t i;
  if (!json_is_array(all))
    return 2;
  json_array_foreach(all, i, one) answer(json_string_value(json_array_get(one, 0)), json_string_value(json_array_get(one, 1)), json_string_length(json_array_get(one, 1)));
  json_decref(all);
  return 0;
}
