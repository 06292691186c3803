#include "data/records.h"

#include "data/gitignore.h"
#include "util/error.h"

#include <stdlib.h>

int records_add(records *l, output *o, bool own, bool save)
{
  if (l->n == l->capacity) {
    size_t capacity = l->capacity ? l->capacity * 2 : 16;
    record *larger = realloc(l->items, capacity * sizeof *larger);
    if (!larger) {
      if (own)
        stage_free(o->stage);
      return error_nomem();
    }
    l->items = larger;
    l->capacity = capacity;
  }
  l->items[l->n++] = (record){o, own, save};
  return 0;
}

static int add_lines(const records *l, repo *r)
{
  size_t n = 0;
  const char **paths = malloc((l->n + 1) * sizeof *paths);
  if (!paths)
    return error_nomem();
  for (size_t i = 0; i < l->n; i++)
    if (l->items[i].o->cache) /* with "cache: false", the data are git's to keep */
      paths[n++] = l->items[i].o->path;
  int code = gitignore_add_all(r, paths, n);
  free(paths);
  return code;
}

int records_save(records *l, repo *r, name_list *written)
{
  int code = odb_sync(&r->db), other = odb_sync(&r->legacy);
  code = code < 0 ? code : other;
  if (code == 0)
    code = add_lines(l, r);
  for (size_t i = 0; i < l->n && code == 0; i++) {
    if (!l->items[i].save)
      continue;
    code = stage_save(r, l->items[i].o->stage);
    if (code < 0 || !written)
      continue;
    char *shown = repo_shown(r, l->items[i].o->stage->file);
    code = shown ? names_add(written, shown) : error_nomem();
    free(shown);
  }
  return code;
}

void records_free(records *l)
{
  for (size_t i = 0; i < l->n; i++)
    if (l->items[i].own)
      stage_free(l->items[i].o->stage);
  free(l->items);
  *l = (records){0};
}
