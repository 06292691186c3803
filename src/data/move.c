/* opis data move. Several files change, and a kill may come between any two of them: a note of what is under way, in .dvc/tmp, lets the same command go on from there. */
#include "data/gitignore.h"
#include "data/index.h"
#include "data/objects.h"
#include "data/stage_md5.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_NOTE = 64 * 1024 };

/* The note: what is moved, where to as it was typed, and where to indeed; root-relative, each with a NUL. */
static char *note_path(const repo *r)
{
  char *path;
  return asprintf(&path, "%s/tmp/opis/move", r->dvc) < 0 ? NULL : path;
}

static int write_note(const repo *r, const char *from, const char *typed, const char *to)
{
  strbuf b = STRBUF_INIT;
  char *path = note_path(r);
  strbuf_append(&b, from, strlen(from) + 1);
  strbuf_append(&b, typed, strlen(typed) + 1);
  strbuf_append(&b, to, strlen(to) + 1);
  int code = !path || strbuf_check(&b) < 0 ? error_nomem() : repo_replace(r, path, b.s, b.n, true);
  strbuf_free(&b);
  free(path);
  return code;
}

static void remove_note(const repo *r)
{
  char *path = note_path(r);
  if (path)
    unlink(path);
  free(path);
}

/* Where a move of the same words was under way to; *to is NULL when none was. */
static int read_note(char **to, const repo *r, const char *from, const char *typed)
{
  char *path = note_path(r), *bytes;
  size_t n, f = strlen(from) + 1, t = strlen(typed) + 1;
  *to = NULL;
  if (!path)
    return error_nomem();
  int code = file_read(&bytes, &n, path, LARGEST_NOTE);
  free(path);
  if (code < 0)
    return code == OPIS_ENOMEM ? code : 0;
  if (n > f + t + 1 && memcmp(bytes, from, f) == 0 && memcmp(bytes + f, typed, t) == 0 && bytes[n - 1] == '\0')
    code = (*to = strdup(bytes + f + t)) ? 0 : error_nomem();
  free(bytes);
  return code;
}

static int make_parent(const repo *r, const char *rel)
{
  char *path, *folder;
  int code = repo_absolute(&path, r, rel);
  if (code < 0)
    return code;
  folder = path_folder(path);
  code = folder ? file_make_folders(folder, 0777) : OPIS_ENOMEM;
  free(folder);
  free(path);
  return code;
}

static int rename_data(repo *r, const char *from, const char *to)
{
  char *a, *b;
  int code = repo_absolute(&a, r, from);
  if (code < 0)
    return code;
  code = repo_absolute(&b, r, to);
  if (code == 0) {
    if (access(a, F_OK) == 0 && renameat2(AT_FDCWD, a, AT_FDCWD, b, 1 /* RENAME_NOREPLACE */) != 0) {
      if (errno == EINVAL || errno == ENOSYS ? rename(a, b) != 0 : true)
        code = error_set_errno("%s", to);
    }
    free(b);
  }
  free(a);
  return code;
}

/* Whether the stage file is called after its output, and so moves along. */
static bool named_alike(const stage *s, const char *path)
{
  const char *file = path_name(s->file), *name = path_name(path);
  size_t n = strlen(name);
  return s->n_outs == 1 && strncmp(file, name, n) == 0 && strcmp(file + n, ".dvc") == 0;
}

static int remove_stage_file(repo *r, const stage *s)
{
  char *path;
  int code = repo_absolute(&path, r, s->file);
  if (code < 0)
    return code;
  if (unlink(path) != 0 && errno != ENOENT)
    code = error_set_errno("%s", s->file);
  free(path);
  return code < 0 ? code : repo_touch(r, s->file);
}

/* The old stage file goes last: as long as it is there, the same command finds it. */
static int move_output(repo *r, output *o, const char *from, const char *to, bool again)
{
  stage *s = o->stage, *fresh = NULL;
  char *file = NULL;
  size_t i = (size_t)(o - s->outs);
  int code = 0;
  if (named_alike(s, from)) {
    if (asprintf(&file, "%s.dvc", to) < 0)
      return error_nomem();
    if (!again && scan_kind(r, file) != PATH_MISSING)
      code = error_set(OPIS_EEXISTS, "%s: exists already", file);
    if (code == 0)
      code = stage_parse(&fresh, file, s->text.s, s->text.n);
    if (code == 0)
      code = stage_set_path(fresh, i, path_name(to));
    if (code == 0)
      code = stage_follow_dependencies(fresh, s, r->root);
  } else {
    char *written = path_relative(s->wdir, to);
    code = written ? stage_set_path(s, i, written) : error_nomem();
    free(written);
  }
  stage *moved = fresh ? fresh : s;
  if (code == 0 && moved->n_deps) { /* an import's own hash is of its path, too */
    bool hashed = strncmp(moved->text.s, "md5:", 4) == 0 || strstr(moved->text.s, "\nmd5:");
    code = stage_put_md5(moved, fresh && !hashed);
  }
  if (code == 0)
    code = make_parent(r, to);
  if (code == 0 && o->cache)
    code = gitignore_add(r, to);
  if (code == 0)
    code = rename_data(r, from, to);
  if (code == 0)
    code = stage_save(r, moved);
  if (code == 0)
    code = gitignore_remove(r, from);
  if (code == 0)
    code = index_forget(r, from);
  if (code == 0 && fresh)
    code = remove_stage_file(r, s);
  stage_free(fresh);
  free(file);
  return code;
}

static int check_place(repo *r, const stages *set, const output *o, const char *a, const char *b)
{
  char *file = NULL;
  bool alike = named_alike(o->stage, a);
  if (alike && asprintf(&file, "%s.dvc", b) < 0)
    return error_nomem();
  int code = stages_check_free(set, b, file ? file : "");
  if (code == 0 && file)
    code = stage_check_place(r, file);
  free(file);
  return code;
}

/* Also a link that leads nowhere. */
static bool is_there(const repo *r, const char *rel)
{
  struct stat st;
  char *path;
  if (repo_absolute(&path, r, rel) < 0)
    return false;
  bool there = lstat(path, &st) == 0;
  free(path);
  return there;
}

/* A stage file moves into a folder that is there, as with DVC. */
static int check_folder(const repo *r, const char *typed, const char *b, const char *to)
{
  char *path;
  bool folder = strcmp(typed, b) == 0 && to[strlen(to) - 1] == '/';
  if (asprintf(&path, "%s%s", b, folder ? "/" : "") < 0)
    return error_nomem();
  int code = repo_check_folder(r, path);
  free(path);
  return code;
}

/* typed: where to as it was named, b: where to indeed. */
static int check_move(repo *r, const stages *set, const output *o, const char *a, const char *typed, const char *b, const char *from, const char *to)
{
  if (!o)
    return error_set(OPIS_ENOTFOUND, "%s: not tracked", from);
  if (o->stage->name || o->stage->cmd)
    return error_set(OPIS_EUNSUPPORTED, "%s: an output of a pipeline stage; change dvc.yaml instead", from);
  if (strcmp(a, b) == 0)
    return error_set(OPIS_EINVALID, "%s: is already there", from);
  if (is_there(r, b))
    return error_set(OPIS_EEXISTS, "%s: exists already", to);
  int code = named_alike(o->stage, a) ? check_folder(r, typed, b, to) : 0;
  return code < 0 ? code : check_place(r, set, o, a, b);
}

/* Into a folder, as mv does. */
static int resolve(char **b, repo *r, const char *a, const char *typed)
{
  bool folder = scan_kind(r, typed) == PATH_FOLDER;
  int n = folder ? asprintf(b, "%s%s%s", typed, *typed ? "/" : "", path_name(a)) : asprintf(b, "%s", typed);
  return n < 0 ? error_nomem() : 0;
}

static int move(repo *r, const stages *set, const char *a, const char *typed, const char *from, const char *to)
{
  char *b = NULL;
  int code = read_note(&b, r, a, typed);
  bool again = b != NULL;
  if (code == 0 && !again)
    code = resolve(&b, r, a, typed);
  output *o = code == 0 ? stages_find(set, a, true) : NULL;
  if (code == 0 && !again)
    code = check_move(r, set, o, a, typed, b, from, to);
  if (code == 0)
    code = repo_check_no_links(r, b);
  if (code == 0)
    code = lock_check_paths(r, (const char *const[]){a, b}, 2, true);
  if (code == 0 && !again)
    code = write_note(r, a, typed, b);
  if (code == 0 && o)
    code = move_output(r, o, a, b, again);
  else if (code == 0) { /* all but the last steps were done */
    if (!stages_find(set, b, true)) {
      remove_note(r);
      code = error_set(OPIS_ENOTFOUND, "%s: not tracked", from);
    }
    if (code == 0)
      code = gitignore_remove(r, a);
    if (code == 0)
      code = index_forget(r, a);
  }
  if (code == 0)
    remove_note(r);
  free(b);
  return code;
}

int data_move(repo *r, const char *from, const char *to)
{
  stages set;
  char *a = NULL, *typed = NULL;
  int code = stages_load(&set, r);
  if (code < 0)
    return code;
  code = repo_relative(&a, r, from);
  if (code == 0)
    code = repo_relative(&typed, r, to);
  if (code == 0)
    code = move(r, &set, a, typed, from, to);
  stages_free(&set);
  free(a);
  free(typed);
  int staged = repo_stage_touched(r);
  return code < 0 ? code : staged;
}
