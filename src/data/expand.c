/* --glob: patterns for targets, matched with what is tracked. */
#include "data/data.h"
#include "data/ignore.h"

#include "util/error.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const char *pattern, const char *path)
{
  return strstr(pattern, "**") ? ignore_match(pattern, path) : fnmatch(pattern, path, FNM_PATHNAME | FNM_PERIOD) == 0;
}

/* Stage files and outputs by their names, as the user sees them. Outputs whose data are not here are found, too. */
static int match_tracked(name_set *out, const repo *r, const stages *set, const char *pattern)
{
  int code = 0;
  for (size_t i = 0; i < set->n && code == 0; i++) {
    const stage *s = set->items[i];
    char *file = repo_shown(r, s->file);
    code = !file ? error_nomem() : matches(pattern, file) ? names_add_once(out, file) : 0;
    free(file);
    for (size_t k = 0; k < s->n_outs && code == 0; k++) {
      char *path = output_shown(r, &s->outs[k]);
      code = !path ? error_nomem() : matches(pattern, path) ? names_add_once(out, path) : 0;
      free(path);
    }
  }
  return code;
}

/* Files that are here, inside of outputs. */
static int match_files(name_set *out, const repo *r, const stages *set, const char *pattern)
{
  glob_t g = {0};
  int code = 0;
  if (glob(pattern, 0, NULL, &g) == 0)
    for (size_t i = 0; i < g.gl_pathc && code == 0; i++) {
      char *rel;
      if (repo_relative(&rel, r, g.gl_pathv[i]) < 0)
        continue;
      if (stages_find(set, rel, false))
        code = names_add_once(out, g.gl_pathv[i]);
      free(rel);
    }
  globfree(&g);
  return code;
}

int data_expand(name_list *out, repo *r, char *const *patterns, int n)
{
  stages set;
  name_set found = {0};
  int code = stages_load(&set, r);
  *out = (name_list){0};
  if (code < 0)
    return code;
  for (int i = 0; i < n && code == 0; i++) {
    size_t before = found.list.n;
    code = match_tracked(&found, r, &set, patterns[i]);
    if (code == 0)
      code = match_files(&found, r, &set, patterns[i]);
    if (code == 0 && found.list.n == before)
      code = error_set(OPIS_ENOTFOUND, "%s: the pattern matches nothing that is tracked", patterns[i]);
  }
  stages_free(&set);
  map_free(&found.known);
  if (code < 0)
    names_free(&found.list);
  else
    *out = found.list;
  return code;
}
