#include "data/git_ignore.h"

#include "data/git.h"
#include "data/ignore.h"
#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct git_ignore_level {
  char *folder; /* "" for the root */
  ignore rules;
};

static int note_file(void *user, const char *rel, uint32_t mode, uint64_t size)
{
  git_ignore *g = user;
  (void)size;
  if (S_ISDIR(mode) || strcmp(path_name(rel), ".dvcignore") != 0)
    return 0;
  git_ignore_level *larger = realloc(g->levels, (g->n + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  g->levels = larger;
  size_t n = (size_t)(path_name(rel) - rel);
  larger[g->n] = (git_ignore_level){.folder = strndup(rel, n ? n - 1 : 0), .rules = {.depth = n}};
  return larger[g->n++].folder ? 0 : error_nomem();
}

static int outer_first(const void *a, const void *b)
{
  size_t x = strlen(((const git_ignore_level *)a)->folder), y = strlen(((const git_ignore_level *)b)->folder);
  return (x > y) - (x < y);
}

/* The innermost rules that hold in the folder that is the first n bytes of path. */
static const ignore *rules_in(const git_ignore *g, const char *path, size_t n, size_t below)
{
  for (size_t i = below; i-- > 0;) {
    size_t k = strlen(g->levels[i].folder);
    if (k <= n && memcmp(g->levels[i].folder, path, k) == 0 && (k == 0 || k == n || path[k] == '/'))
      return &g->levels[i].rules;
  }
  return NULL;
}

int git_ignore_open(git_ignore *g, repo *r, const char *hex)
{
  *g = (git_ignore){0};
  int code = git_each(r, hex, "", note_file, g);
  if (g->n > 1)
    qsort(g->levels, g->n, sizeof *g->levels, outer_first);
  for (size_t i = 0; i < g->n && code == 0; i++) {
    git_ignore_level *l = &g->levels[i];
    char *text = NULL, *path = NULL;
    size_t n;
    l->rules.parent = rules_in(g, l->folder, strlen(l->folder), i);
    if (asprintf(&path, "%s%s.dvcignore", l->folder, *l->folder ? "/" : "") < 0) {
      path = NULL;
      code = error_nomem();
    } else
      code = git_read(&text, &n, r, hex, path);
    if (code == 0)
      code = ignore_add_text(&l->rules, text, n, true);
    free(text);
    free(path);
  }
  return code;
}

void git_ignore_close(git_ignore *g)
{
  for (size_t i = 0; i < g->n; i++) {
    ignore_free(&g->levels[i].rules);
    free(g->levels[i].folder);
  }
  free(g->levels);
  *g = (git_ignore){0};
}

int git_ignore_test(bool *hidden, const git_ignore *g, const char *path, bool is_folder)
{
  *hidden = false;
  if (g->n == 0 || !*path)
    return 0;
  char *copy = strdup(path);
  if (!copy)
    return error_nomem();
  size_t above = 0; /* the folder that what is looked at is in */
  for (char *slash = strchr(copy, '/');; slash = strchr(slash + 1, '/')) {
    if (slash)
      *slash = '\0';
    *hidden = ignore_test(rules_in(g, path, above, g->n), copy, slash || is_folder);
    if (!slash || *hidden)
      break;
    above = (size_t)(slash - copy);
    *slash = '/';
  }
  free(copy);
  return 0;
}
