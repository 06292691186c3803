#include "data/gitignore.h"

#include "data/git.h"
#include "data/scan.h"
#include "util/error.h"
#include "util/file.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGEST = 16 << 20 };

char *gitignore_line(const char *name)
{
  strbuf b = STRBUF_INIT;
  strbuf_putc(&b, '/');
  size_t n = strlen(name);
  for (size_t i = 0; i < n; i++) {
    if (strchr("*?[]!#\\", name[i]) || (name[i] == ' ' && i + 1 == n))
      strbuf_putc(&b, '\\');
    strbuf_putc(&b, name[i]);
  }
  return strbuf_check(&b) == 0 ? strbuf_take(&b) : NULL;
}

static int read_file(strbuf *text, char **path, char **rel, const repo *r, const char *of)
{
  char *folder = path_folder(of);
  *text = (strbuf)STRBUF_INIT;
  *path = *rel = NULL;
  if (!folder || asprintf(rel, "%s%s.gitignore", folder, *folder ? "/" : "") < 0) {
    free(folder);
    return error_nomem();
  }
  free(folder);
  int code = repo_absolute(path, r, *rel);
  if (code == 0)
    code = file_append(text, *path, LARGEST);
  return code == OPIS_ENOTFOUND ? 0 : code;
}

/* Lines by what stands in them. Blanks at the end of a line may be part of a name: both ways are found, and the first line of two. */
static int note_lines(map *lines, const strbuf *text)
{
  int code = 0;
  for (size_t p = 0; p < text->n && code == 0;) {
    const char *line = text->s + p, *eol = memchr(line, '\n', text->n - p);
    size_t n = eol ? (size_t)(eol - line) : text->n - p, bare = n;
    while (bare > 0 && (line[bare - 1] == '\r' || line[bare - 1] == ' ' || line[bare - 1] == '\t'))
      bare--;
    if (!map_get(lines, line, n))
      code = map_put(lines, line, n, p);
    if (code == 0 && bare < n && !map_get(lines, line, bare))
      code = map_put(lines, line, bare, p);
    p += n + (eol != NULL);
  }
  return code;
}

int gitignore_check_untracked(repo *r, const char *rel)
{
  bool tracked;
  int code = git_tracks(&tracked, r, rel);
  if (code == 0 && tracked)
    code = error_set(OPIS_ECONFLICT, "%s: tracked by git already; take it out with: git rm -r --cached '%s' && git commit -m 'stop tracking %s'", rel, rel, rel);
  return code;
}

/* Those of one folder. */
static int add_in_folder(repo *r, const char *const *rel, size_t n)
{
  strbuf text, more = STRBUF_INIT;
  char *path, *file;
  gitignored rules = {0};
  map lines = {0};
  int code = read_file(&text, &path, &file, r, rel[0]);
  if (code == 0)
    code = note_lines(&lines, &text);
  for (size_t i = 0; i < n && code == 0; i++) {
    bool ignored = false;
    code = gitignore_check_untracked(r, rel[i]);
    if (code == 0)
      code = gitignored_test(&ignored, &rules, r, rel[i], scan_kind(r, rel[i]) == PATH_FOLDER);
    if (code < 0 || ignored)
      continue;
    char *line = gitignore_line(path_name(rel[i]));
    if (!line)
      code = error_nomem();
    else if (!map_get(&lines, line, strlen(line)))
      strbuf_printf(&more, "%s\n", line);
    free(line);
  }
  if (code == 0 && more.n) {
    if (text.n && text.s[text.n - 1] != '\n')
      strbuf_putc(&text, '\n');
    strbuf_append(&text, more.s, more.n);
    code = strbuf_check(&text) < 0 || strbuf_check(&more) < 0 ? error_nomem() : repo_replace(r, path, text.s, text.n, false);
    if (code == 0)
      code = repo_touch(r, file);
  }
  gitignored_close(&rules);
  map_free(&lines);
  strbuf_free(&more);
  strbuf_free(&text);
  free(path);
  free(file);
  return code;
}

static int by_number(const void *a, const void *b)
{
  size_t x = *(const size_t *)a, y = *(const size_t *)b;
  return (x > y) - (x < y);
}

static int remove_in_folder(repo *r, const char *const *rel, size_t n)
{
  strbuf text, fresh = STRBUF_INIT;
  char *path, *file;
  map lines = {0};
  size_t *gone = calloc(n, sizeof *gone), n_gone = 0, from = 0;
  int code = read_file(&text, &path, &file, r, rel[0]);
  if (code == 0)
    code = gone ? note_lines(&lines, &text) : error_nomem();
  for (size_t i = 0; i < n && code == 0; i++) {
    char *line = gitignore_line(path_name(rel[i]));
    const size_t *at = line ? map_get(&lines, line, strlen(line)) : NULL;
    if (at)
      gone[n_gone++] = *at;
    code = line ? 0 : error_nomem();
    free(line);
  }
  if (code == 0 && n_gone) {
    qsort(gone, n_gone, sizeof *gone, by_number);
    for (size_t i = 0; i < n_gone; i++) {
      if (i && gone[i] == gone[i - 1])
        continue;
      strbuf_append(&fresh, text.s + from, gone[i] - from);
      const char *eol = memchr(text.s + gone[i], '\n', text.n - gone[i]);
      from = eol ? (size_t)(eol - text.s) + 1 : text.n;
    }
    strbuf_append(&fresh, text.s + from, text.n - from);
    if (strbuf_check(&fresh) < 0)
      code = error_nomem();
    else if (fresh.n == 0)
      code = unlink(path) == 0 ? 0 : error_set_errno("%s", file);
    else
      code = repo_replace(r, path, fresh.s, fresh.n, false);
    if (code == 0)
      code = repo_touch(r, file);
  }
  map_free(&lines);
  strbuf_free(&fresh);
  strbuf_free(&text);
  free(gone);
  free(path);
  free(file);
  return code;
}

typedef struct in_folder {
  const char *rel;
  size_t length, order; /* of its folder; among all */
} in_folder;

static int by_folder(const void *a, const void *b)
{
  const in_folder *x = a, *y = b;
  int c = x->length != y->length ? (x->length < y->length ? -1 : 1) : memcmp(x->rel, y->rel, x->length);
  return c ? c : (x->order > y->order) - (x->order < y->order);
}

/* Calls each for the paths of one folder after another, in the order they came in. */
static int each_folder(repo *r, const char *const *rel, size_t n, int (*each)(repo *r, const char *const *rel, size_t n))
{
  if (!r->git_root || n == 0)
    return 0;
  in_folder *all = malloc(n * sizeof *all);
  const char **sorted = malloc(n * sizeof *sorted);
  int code = all && sorted ? 0 : error_nomem();
  for (size_t i = 0; i < n && code == 0; i++)
    all[i] = (in_folder){rel[i], (size_t)(path_name(rel[i]) - rel[i]), i};
  if (code == 0)
    qsort(all, n, sizeof *all, by_folder);
  for (size_t i = 0; i < n && code == 0; i++)
    sorted[i] = all[i].rel;
  for (size_t i = 0, end; i < n && code == 0; i = end) {
    for (end = i + 1; end < n && all[end].length == all[i].length && memcmp(all[end].rel, all[i].rel, all[i].length) == 0;)
      end++;
    code = each(r, sorted + i, end - i);
  }
  free(sorted);
  free(all);
  return code;
}

int gitignore_add_all(repo *r, const char *const *rel, size_t n)
{
  return each_folder(r, rel, n, add_in_folder);
}

int gitignore_add(repo *r, const char *rel)
{
  return gitignore_add_all(r, &rel, 1);
}

int gitignore_remove_all(repo *r, const char *const *rel, size_t n)
{
  return each_folder(r, rel, n, remove_in_folder);
}

int gitignore_remove(repo *r, const char *rel)
{
  return gitignore_remove_all(r, &rel, 1);
}
