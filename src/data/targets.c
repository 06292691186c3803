/* Outputs by their paths, and what targets mean among them. */
#include "data/stage.h"

#include "data/scan.h"
#include "util/error.h"

#include <stdlib.h>
#include <string.h>

static output *look_up(const map *m, const char *path, size_t n)
{
  const size_t *found = map_get(m, path, n);
  return found ? (output *)(uintptr_t)*found : NULL;
}

output *stages_find(const stages *set, const char *rel, bool exact)
{
  size_t n = strlen(rel);
  output *o = look_up(&set->outs, rel, n);
  while (!o && !exact && n > 0)
    if (rel[--n] == '/')
      o = look_up(&set->outs, rel, n);
  return o;
}

output *stages_find_below(const stages *set, const char *rel)
{
  return look_up(&set->above, rel, strlen(rel));
}

/* ---- selections ---- */

/* Whether the first n bytes of path are among the names. */
static bool among(const selection *s, const char *path, size_t n)
{
  size_t low = 0, high = s->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int c = strncmp(s->paths[middle], path, n);
    if (c == 0 && !s->paths[middle][n])
      return true;
    if (c < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return false;
}

bool selection_has(const selection *s, const char *path)
{
  bool has = !s || s->n == 0;
  for (size_t n = strcspn(path, "/"); !has; n += 1 + strcspn(path + n + 1, "/")) {
    has = among(s, path, n);
    if (!path[n])
      break;
  }
  return has;
}

/* ---- targets ---- */

/* What was named, in that order; an output may come several times. */
typedef struct named {
  output *out; /* NULL: a stage that has none */
  stage *stage;
  char *part; /* NULL: all of it */
  size_t order;
} named;
typedef struct naming {
  const stages *set;
  repo *r;
  bool recursive, with_deps;
  named *items;
  size_t n, capacity;
} naming;

static int add_target(naming *t, stage *s, output *o, const char *part)
{
  if (t->n == t->capacity) {
    size_t capacity = t->capacity ? t->capacity * 2 : 64;
    named *larger = realloc(t->items, capacity * sizeof *larger);
    if (!larger)
      return error_nomem();
    t->items = larger;
    t->capacity = capacity;
  }
  t->items[t->n] = (named){o, s, part ? strdup(part) : NULL, t->n};
  return part && !t->items[t->n].part ? error_nomem() : (t->n++, 0);
}

static int add_upstream(naming *t, const stage *s, int depth);

static int add_stage(naming *t, stage *s, int depth)
{
  int code = s->n_outs ? 0 : add_target(t, s, NULL, NULL);
  for (size_t i = 0; i < s->n_outs && code == 0; i++)
    code = add_target(t, s, &s->outs[i], NULL);
  return code == 0 && t->with_deps ? add_upstream(t, s, depth) : code;
}

/* The stages whose outputs this one's dependencies are, and theirs. */
static int add_upstream(naming *t, const stage *s, int depth)
{
  int code = 0;
  for (size_t i = 0; i < s->n_deps && code == 0 && depth < 100; i++) {
    output *from = s->deps[i].path ? stages_find(t->set, s->deps[i].path, false) : NULL;
    if (from && from->stage != s)
      code = add_stage(t, from->stage, depth + 1);
  }
  return code;
}

static bool below(const char *path, const char *folder)
{
  size_t n = strlen(folder);
  return n == 0 || (strncmp(path, folder, n) == 0 && (path[n] == '/' || !path[n]));
}

/* Whether a stage has this name, or is one of those that a matrix or a foreach of this name made. */
static bool has_name(const char *own, const char *name)
{
  size_t n = strlen(name);
  return strncmp(own, name, n) == 0 && (!own[n] || own[n] == '@');
}

/* What could not be read is an error where it is asked for. file NULL: all; name NULL: all of the file. */
static int check_broken(const stages *set, const char *file, const char *name)
{
  for (size_t i = 0; i < set->n_broken; i++) {
    const struct broken_stage *b = &set->broken[i];
    bool meant = !file || (strcmp(b->file, file) == 0 && (!b->name || (*b->name && (!name || has_name(b->name, name) || has_name(name, b->name)))));
    if (meant)
      return error_set(b->code, "%s", b->why);
  }
  return 0;
}

int stages_check(const stages *set)
{
  return check_broken(set, NULL, NULL);
}

/* The stages of a file: all, or those of one name. */
static int add_file(naming *t, const char *file, const char *name, bool *found)
{
  const size_t *first = map_get(&t->set->files, file, strlen(file));
  int code = t->set->n_broken ? check_broken(t->set, file, name) : 0;
  for (size_t i = 0; i < t->set->n_empty && !*found; i++) {
    const struct empty_name *e = &t->set->empty[i];
    *found = strcmp(e->file, file) == 0 && (name ? e->name && strcmp(e->name, name) == 0 : !e->name);
  }
  for (size_t i = first ? *first : t->set->n; i < t->set->n && code == 0; i++) {
    stage *s = t->set->items[i];
    if (strcmp(s->file, file) != 0)
      break;
    if (name && !(s->name && has_name(s->name, name)))
      continue;
    *found = true;
    code = add_stage(t, s, 0);
  }
  return code;
}

static int one_target(naming *t, const char *name)
{
  char *rel = NULL, *file = NULL, *here = NULL;
  size_t before = t->n;
  bool found = false;
  int code = repo_relative(&rel, t->r, name);
  const char *colon = memrchr(name, ':', strcspn(name, "@")); /* an item's name may have one, too */
  if (code == 0 && colon) {
    char *path = strndup(name, (size_t)(colon - name));
    code = path ? repo_relative(&file, t->r, *path ? path : "dvc.yaml") : error_nomem();
    free(path);
  }
  if (code == 0)
    code = repo_relative(&here, t->r, "dvc.yaml");
  bool folder = code == 0 && t->recursive && scan_kind(t->r, rel) == PATH_FOLDER;
  if (code == 0)
    code = add_file(t, rel, NULL, &found);
  if (code == 0 && file && !found)
    code = add_file(t, file, colon + 1, &found);
  if (code == 0 && !found)
    code = add_file(t, here, name, &found);
  if (code == 0 && (t->n == before || t->with_deps))
    code = stages_check(t->set);
  for (size_t i = 0; folder && i < t->set->n && code == 0; i++)
    if (below(t->set->items[i]->file, rel)) {
      found = true;
      code = add_stage(t, t->set->items[i], 0);
    }
  output *o = code == 0 && !found ? stages_find(t->set, rel, false) : NULL;
  if (o) {
    found = true;
    code = add_target(t, o->stage, o, strcmp(o->path, rel) == 0 ? NULL : rel + strlen(o->path) + 1);
    if (code == 0 && t->with_deps)
      code = add_upstream(t, o->stage, 0);
  }
  if (code == 0 && !found && !folder)
    code = error_set(OPIS_ENOTFOUND, "%s: neither a tracked file nor a stage; 'opis data list -R --dvc-only .' shows what is tracked", name);
  free(here);
  free(rel);
  free(file);
  return code;
}

static int by_output(const void *a, const void *b)
{
  const named *x = a, *y = b;
  if (x->out != y->out)
    return (uintptr_t)x->out < (uintptr_t)y->out ? -1 : 1;
  if (x->stage != y->stage)
    return (uintptr_t)x->stage < (uintptr_t)y->stage ? -1 : 1;
  int c = x->part && y->part ? strcmp(x->part, y->part) : (x->part != NULL) - (y->part != NULL); /* all of it before parts */
  return c ? c : (x->order > y->order) - (x->order < y->order);
}

typedef struct placed {
  target t;
  stage *bare; /* without outputs */
  size_t order;
} placed;

static int by_order(const void *a, const void *b)
{
  const placed *x = a, *y = b;
  return (x->order > y->order) - (x->order < y->order);
}

/* One target of all that was named of one output, items[0..n), sorted. */
static int gather(placed *p, named *items, size_t n)
{
  *p = (placed){.t = {.out = items[0].out}, .bare = items[0].out ? NULL : items[0].stage, .order = items[0].order};
  for (size_t i = 1; i < n; i++)
    p->order = items[i].order < p->order ? items[i].order : p->order;
  if (!items[0].part)
    return 0;
  p->t.parts.paths = malloc(n * sizeof *p->t.parts.paths);
  if (!p->t.parts.paths)
    return error_nomem();
  for (size_t i = 0; i < n; i++)
    if (i == 0 || strcmp(items[i].part, items[i - 1].part) != 0)
      if (!(p->t.parts.paths[p->t.parts.n++] = strdup(items[i].part)))
        return error_nomem();
  return 0;
}

static int merge(targets *t, naming *all)
{
  int code = 0;
  if (all->n == 0)
    return 0;
  size_t n = 0;
  placed *list = malloc(all->n * sizeof *list);
  t->items = malloc(all->n * sizeof *t->items);
  t->bare = malloc(all->n * sizeof *t->bare);
  if (!list || !t->items || !t->bare) {
    free(list);
    return error_nomem();
  }
  qsort(all->items, all->n, sizeof *all->items, by_output);
  for (size_t i = 0, end; i < all->n && code == 0; i = end) {
    for (end = i + 1; end < all->n && all->items[end].out == all->items[i].out && all->items[end].stage == all->items[i].stage;)
      end++;
    code = gather(&list[n++], all->items + i, end - i);
  }
  qsort(list, n, sizeof *list, by_order);
  for (size_t i = 0; i < n; i++)
    if (list[i].bare)
      t->bare[t->n_bare++] = (struct bare_stage){list[i].bare, t->n};
    else
      t->items[t->n++] = list[i].t;
  free(list);
  return code;
}

static int collect(targets *t, naming *all, char *const *names, int n, bool *absent)
{
  int code = n == 0 ? stages_check(all->set) : 0;
  *t = (targets){0};
  for (size_t i = 0; n == 0 && i < all->set->n && code == 0; i++)
    code = add_stage(all, all->set->items[i], 0);
  for (int i = 0; i < n && code == 0; i++) {
    code = one_target(all, names[i]);
    if (code == OPIS_ENOTFOUND && absent) {
      absent[i] = true;
      code = 0;
    }
  }
  if (code == 0)
    code = merge(t, all);
  for (size_t i = 0; i < all->n; i++)
    free(all->items[i].part);
  free(all->items);
  if (code < 0)
    targets_free(t);
  return code;
}

int targets_collect_known(targets *t, repo *r, const stages *set, char *const *names, int n, bool recursive, bool with_deps, bool *absent)
{
  return collect(t, &(naming){.set = set, .r = r, .recursive = recursive, .with_deps = with_deps && n > 0}, names, n, absent);
}

int targets_collect(targets *t, repo *r, const stages *set, char *const *names, int n, bool recursive, bool with_deps)
{
  return targets_collect_known(t, r, set, names, n, recursive, with_deps, NULL);
}

void targets_free(targets *t)
{
  for (size_t i = 0; i < t->n; i++) {
    for (size_t k = 0; k < t->items[i].parts.n; k++)
      free(t->items[i].parts.paths[k]);
    free(t->items[i].parts.paths);
  }
  free(t->items);
  free(t->bare);
  *t = (targets){0};
}
