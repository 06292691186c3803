/* A .dvc file, or dvc.yaml with dvc.lock (split at a NUL): paths stay inside of the repository, and an edited file can be read again and says what was put in. */
#include "data/params.h"
#include "data/stage.h"
#include "util/error.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const stage *s)
{
  for (size_t i = 0; i < s->n_outs; i++) {
    const char *path = s->outs[i].path;
    if (path && (*path == '/' || strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0 || strstr(path, "/../")))
      abort();
  }
}

/* params.yaml has something for templates. */
static int read_params(void *user, char **bytes, size_t *n, const char *path)
{
  static const char text[] = "a: 1\nb: {c: [x, 2.5, {d: e f}], on: true}\n";
  (void)user;
  if (strcmp(path, "params.yaml") != 0)
    return error_set(OPIS_ENOTFOUND, "%s: none", path);
  *bytes = strdup(text);
  *n = sizeof text - 1;
  return *bytes ? 0 : error_nomem();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const param_source source = {.read = read_params, .root = "/repo"};
  const char *text = (const char *)data, *nul = size ? memchr(data, 0, size) : NULL;
  stage *s, *again;
  stages set = {0};
  if (stage_parse(&s, "folder/data.dvc", text, size) == 0) {
    check(s);
    oid o = {.md5 = {1, 2, 3}, .dir = true};
    if (s->n_outs && stage_set_output(s, 0, &o, 42, 7, false) == 0) {
      if (stage_parse(&again, "folder/data.dvc", s->text.s, s->text.n) < 0)
        abort();
      if (again->n_outs != s->n_outs || !again->outs[0].hashed || !oid_same(&again->outs[0].oid, &o) || again->outs[0].size != 42)
        abort();
      stage_free(again);
    }
    stage_free(s);
  }
  size_t n = nul ? (size_t)(nul - text) : size;
  if (stage_parse_pipeline(&set, "dvc.yaml", text, n, nul ? nul + 1 : NULL, nul ? size - n - 1 : 0, &source) == 0)
    for (size_t i = 0; i < set.n; i++)
      check(set.items[i]);
  stages_free(&set);
  return 0;
}
