#include "data/records.h"

#include "data/gitignore.h"
#include "util/error.h"
#include "util/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = 128 };

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
    if (l->items[i].o->path && l->items[i].o->cache) /* with "cache: false", the data are git's to keep */
      paths[n++] = l->items[i].o->path;
  int code = gitignore_add_all(r, paths, n);
  free(paths);
  return code;
}

static int write_some(file_replacement *files, size_t *n, repo *r, stage *const *s, size_t all)
{
  char *path;
  int code = 0;
  for (*n = 0; *n < all && code == 0;) {
    file_replacement *f = &files[*n];
    code = repo_absolute(&path, r, s[*n]->file);
    if (code < 0)
      break;
    char *behind = file_behind(path);
    code = behind ? repo_replace_open(f, r, behind, 0666) : OPIS_ENOMEM;
    free(behind);
    free(path);
    if (code < 0)
      break;
    ++*n;
    code = file_write_all(f->fd, s[*n - 1]->text.s, s[*n - 1]->text.n, s[*n - 1]->file);
  }
  if (code == 0 && *n && syncfs(files[0].fd) != 0)
    code = error_set_errno("%s", s[0]->file);
  return code;
}

/* Durable as stage_save makes them, but the disk is waited for once for many: to wait for each file and its folder takes some milliseconds each. */
static int save_some(repo *r, stage *const *s, size_t all)
{
  file_replacement files[BATCH];
  size_t n;
  int code = write_some(files, &n, r, s, all);
  for (size_t i = 0; i < n; i++)
    if (code < 0)
      file_replace_abort(&files[i]);
    else {
      code = file_replace_commit(&files[i], false);
      if (code == 0)
        code = repo_touch(r, s[i]->file);
    }
  return code;
}

static void sync_names(const repo *r)
{
  int fd = open(r->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    syncfs(fd);
    close(fd);
  }
}

static int save_all(repo *r, stage **s, size_t n)
{
  int code = 0;
  if (n <= 2)
    for (size_t i = 0; i < n && code == 0; i++)
      code = stage_save(r, s[i]);
  else {
    for (size_t i = 0; i < n && code == 0; i += BATCH)
      code = save_some(r, s + i, n - i < BATCH ? n - i : BATCH);
    if (code == 0) /* the new names, too */
      sync_names(r);
  }
  return code;
}

int records_save(records *l, repo *r, name_list *written)
{
  int code = odb_sync(&r->db), other = odb_sync(&r->legacy);
  code = code < 0 ? code : other;
  stage **s = malloc((l->n + 1) * sizeof *s);
  size_t n = 0;
  if (code == 0)
    code = s ? add_lines(l, r) : error_nomem();
  for (size_t i = 0; i < l->n && code == 0; i++)
    if (l->items[i].save)
      s[n++] = l->items[i].o->stage;
  if (code == 0)
    code = save_all(r, s, n);
  for (size_t i = 0; i < n && code == 0 && written; i++) {
    char *shown = repo_shown(r, s[i]->file);
    code = shown ? names_add(written, shown) : error_nomem();
    free(shown);
  }
  free(s);
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
