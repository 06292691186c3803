/* ${…} in a string: what is well-formed resolves or has no value, and what has no expression in it comes out as it was, but for \${. */
#include "data/template.h"

#include <opis/error.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char params[] = "a: 1\nb: {c: [x, 2.5, {d: e f}, [1]], on: true}\nx.y: z\n\"\": 0\nitem: 3\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const param_source source = {.root = "/repo"};
  arena memory = ARENA_INIT;
  template_scope scope;
  const value *all, *out;
  value *vars = value_new(&memory, VALUE_LIST), *text = value_string(&memory, (const char *)data, size);
  if (param_file_parse(&all, &memory, "params.yaml", params, sizeof params - 1) < 0 || value_append(&memory, vars, all) < 0 || template_open(&scope, &memory, &source) < 0 ||
    template_load(&scope, vars, "", false) < 0)
    abort();
  for (int loop = 0; loop < 2; loop++) {
    if (loop && template_set_item(&scope, all, text) < 0)
      abort();
    bool good = template_check(text) == 0;
    for (int any = 0; any < 2; any++) {
      int code = template_resolve(&out, &scope, text, any ? NULL : "cmd");
      if (code == 0 && !good)
        abort();
      if (code < 0 && !template_is_used(text))
        abort();
      if (code == 0 && !strstr(text->text, "${") && out != text)
        abort();
    }
  }
  arena_free(&memory);
  return 0;
}
