/* All stage files of the work tree or of a revision, and what targets mean among them. */
#include "data/stage.h"

#include "data/git.h"
#include "data/params.h"
#include "data/scan.h"
#include "util/error.h"
#include "util/file.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 256 << 20 };

typedef struct loading {
  stages *set;
  repo *r;
  const char *hex; /* NULL: the work tree */
} loading;

static int read_text(char **bytes, size_t *n, const loading *l, const char *rel)
{
  if (l->hex)
    return git_read(bytes, n, l->r, l->hex, rel);
  char *path;
  int code = repo_absolute(&path, l->r, rel);
  if (code < 0)
    return code;
  code = file_read(bytes, n, path, LARGEST);
  free(path);
  return code;
}

/* For parameter files. A revision has nothing that lies outside of the repository. */
static int read_params(void *user, char **bytes, size_t *n, const char *path)
{
  const loading *l = user;
  if (*path != '/')
    return read_text(bytes, n, l, path);
  return l->hex ? error_set(OPIS_ENOTFOUND, "%s: outside of the repository", path) : file_read(bytes, n, path, LARGEST);
}

static int load_one(void *user, const char *rel)
{
  loading *l = user;
  char *text, *lock = NULL;
  size_t n, lock_n = 0, before = l->set->n;
  int code = read_text(&text, &n, l, rel);
  if (code < 0)
    return stages_note_broken(l->set, rel, NULL, code);
  if (strcmp(path_name(rel), "dvc.yaml") == 0) {
    char *name;
    if (asprintf(&name, "%.*slock", (int)(strlen(rel) - 4), rel) < 0) {
      free(text);
      return error_nomem();
    }
    code = read_text(&lock, &lock_n, l, name);
    free(name);
    if (code == OPIS_ENOTFOUND)
      code = 0;
    if (code == 0)
      code = stage_parse_pipeline(l->set, rel, text, n, lock, lock_n, &(param_source){read_params, l, l->r->root, &l->r->config});
    free(lock);
  } else {
    stage *s;
    code = stage_parse(&s, rel, text, n);
    if (code == 0)
      code = stages_append(l->set, s);
  }
  for (size_t i = before; i < l->set->n && code == 0; i++)
    code = stage_locate(l->set->items[i], l->r->root);
  free(text);
  return code < 0 ? stages_note_broken(l->set, rel, NULL, code) : 0;
}

static bool is_output(void *user, const char *rel)
{
  const loading *l = user;
  return stages_find(l->set, rel, true) != NULL;
}

typedef struct place {
  const char *path;
  const output *out;
} place;

static int by_path(const void *a, const void *b)
{
  const char *x = ((const place *)a)->path, *y = ((const place *)b)->path;
  for (; *x && *x == *y; x++)
    y++;
  /* '/' first, so that what is inside of a folder follows it at once */
  int p = *x == '/' ? 1 : *x ? (unsigned char)*x + 1 : 0, q = *y == '/' ? 1 : *y ? (unsigned char)*y + 1 : 0;
  return p - q;
}

static int check_overlaps(const stages *set)
{
  size_t n = 0, k = 0;
  int code = 0;
  for (size_t i = 0; i < set->n; i++)
    n += set->items[i]->n_outs;
  if (n < 2)
    return 0;
  place *all = malloc(n * sizeof *all);
  if (!all)
    return error_nomem();
  for (size_t i = 0; i < set->n; i++)
    for (size_t j = 0; j < set->items[i]->n_outs; j++)
      if (set->items[i]->outs[j].path)
        all[k++] = (place){set->items[i]->outs[j].path, &set->items[i]->outs[j]};
  qsort(all, k, sizeof *all, by_path);
  for (size_t i = 1; i < k && code == 0; i++) {
    size_t length = strlen(all[i - 1].path);
    if (strncmp(all[i - 1].path, all[i].path, length) != 0 || (all[i].path[length] && all[i].path[length] != '/'))
      continue;
    if (!all[i].path[length])
      code = error_set(OPIS_ECONFLICT, "%s: tracked twice, by %s and %s; remove one of them", all[i].path, all[i - 1].out->stage->file, all[i].out->stage->file);
    else
      code =
        error_set(OPIS_ECONFLICT, "%s (in %s) lies inside of %s (in %s); remove one of them", all[i].path, all[i].out->stage->file, all[i - 1].path, all[i - 1].out->stage->file);
  }
  free(all);
  return code;
}

static int load(stages *set, repo *r, bool lazy)
{
  loading l = {set, r, NULL};
  *set = (stages){.lazy = lazy};
  int code = scan_stages(r, load_one, is_output, &l);
  if (code == 0)
    code = check_overlaps(set);
  if (code < 0)
    stages_free(set);
  return code;
}

int stages_load(stages *set, repo *r)
{
  return load(set, r, false);
}

int stages_load_lazily(stages *set, repo *r)
{
  return load(set, r, true);
}

int stages_load_revision(stages *set, repo *r, const char *hex)
{
  loading l = {set, r, hex};
  *set = (stages){0};
  int code = git_stage_files(r, hex, load_one, &l);
  if (code < 0)
    stages_free(set);
  return code;
}

int stage_load_file(stage **out, const repo *r, const char *rel)
{
  loading l = {.r = (repo *)(uintptr_t)r};
  char *text;
  size_t n;
  int code = read_text(&text, &n, &l, rel);
  if (code < 0)
    return code;
  code = stage_parse(out, rel, text, n);
  free(text);
  if (code == 0 && (code = stage_locate(*out, r->root)) < 0) {
    stage_free(*out);
    *out = NULL;
  }
  return code;
}

int stage_check_place(repo *r, const char *file)
{
  gitignored g = {0};
  int code = stage_check_place_among(&g, r, file);
  gitignored_close(&g);
  return code;
}

int stage_check_place_among(gitignored *g, repo *r, const char *file)
{
  bool ignored;
  int code = gitignored_test(&ignored, g, r, file, false);
  if (code == 0 && ignored)
    code = error_set(OPIS_EINVALID, "%s: a .gitignore hides this file from git, so that nobody would know of the data; take that line out, or put the data elsewhere", file);
  return code;
}

int stages_check_free(const stages *set, const char *rel, const char *file)
{
  size_t n = strlen(rel);
  if (path_is_stage_file(rel))
    return error_set(OPIS_EINVALID, "%s: a .dvc file is what git tracks, not data; data need another name", rel);
  for (size_t i = 0; i < set->n; i++)
    for (size_t k = 0; k < set->items[i]->n_outs; k++) {
      const char *path = set->items[i]->outs[k].path;
      size_t m = path ? strlen(path) : 0;
      if (path && strcmp(set->items[i]->file, file) != 0 && ((strncmp(path, rel, n) == 0 && (!path[n] || path[n] == '/')) || (strncmp(path, rel, m) == 0 && rel[m] == '/')))
        return error_set(OPIS_ECONFLICT, "%s: %s tracks '%s' already", rel, set->items[i]->file, path);
    }
  return 0;
}

int stage_save(repo *r, stage *s)
{
  char *path;
  int code = repo_absolute(&path, r, s->file);
  if (code < 0)
    return code;
  code = repo_replace(r, path, s->text.s, s->text.n, true);
  free(path);
  return code < 0 ? code : repo_touch(r, s->file);
}
