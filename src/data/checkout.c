/* opis data checkout, remove, unprotect: the work tree follows the stage files. */
#include "data/git.h"
#include "data/gitignore.h"
#include "data/index.h"
#include "data/objects.h"
#include "data/sync.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct stale {
  repo *r;
  changes *c;
  const stages *set;
} stale;

int place_forget(repo *r, const char *rel)
{
  return index_forget(r, rel);
}

/* An output of another revision that is still here: taken away when not a byte of it would be lost. */
static int remove_stale(void *user, const char *rel, bool legacy)
{
  stale *s = user;
  bool same = true, tracked;
  tree t;
  if (stages_find(s->set, rel, false))
    return 0;
  if (stages_find_below(s->set, rel)) /* a folder in which there are outputs now */
    return index_forget(s->r, rel);
  path_kind kind = scan_kind(s->r, rel);
  if (kind != PATH_FILE && kind != PATH_FOLDER)
    return index_forget(s->r, rel);
  int code = kind == PATH_FILE ? scan_file(&t, s->r, rel) : scan_folder(&t, s->r, rel);
  if (code < 0)
    return index_forget(s->r, rel);
  code = scan_hash(&t, s->r, rel, legacy, NULL);
  if (code == 0 && s->r->git_root) { /* here, the same path may be git's own */
    code = git_tracks(&tracked, s->r, rel);
    same = code == 0 && !tracked;
  }
  odb *db = legacy ? &s->r->legacy : &s->r->db;
  for (size_t i = 0; i < t.n && same && code == 0; i++) {
    oid o = {.dir = false};
    memcpy(o.md5, t.entries[i].md5, MD5_SIZE);
    same = odb_has(db, &o);
  }
  tree_free(&t);
  if (code == 0 && same) {
    code = place_remove(s->c, s->r, rel, db, false);
    if (code == OPIS_ECONFLICT)
      code = 0;
  }
  return code < 0 ? code : index_forget(s->r, rel);
}

int place_remove_stale(changes *c, repo *r, const stages *set)
{
  stale s = {r, c, set};
  return index_each(r, remove_stale, &s);
}

int data_checkout(changes *c, repo *r, char *const *names, int n, const checkout_options *o)
{
  stages set;
  targets t;
  char unrecorded[512] = ""; /* the first output that no hash is known of, and how many there are */
  size_t n_unrecorded = 0;
  int code = stages_load_lazily(&set, r);
  if (code < 0)
    return code;
  code = targets_collect(&t, r, &set, names, n, o->recursive, o->with_deps);
  if (code == 0 && !o->lists_asked_for)
    sync_bring_dirs(r, &t);
  if (code == 0 && n == 0)
    code = place_remove_stale(c, r, &set);
  for (size_t i = 0; code == 0 && i < t.n; i++) {
    const output *out = t.items[i].out;
    if (out->refused) {
      if (n > 0)
        code = error_set(OPIS_EUNSUPPORTED, "%s: %s: %s", out->stage->file, out->written, out->refused);
      else
        repo_warn(r, "%s: %s: %s", out->stage->file, out->written, out->refused);
      continue;
    }
    if (!out->cache)
      continue;
    if (!out->hashed) {
      if (!stage_is_import(out->stage) && n_unrecorded++ == 0)
        snprintf(unrecorded, sizeof unrecorded, "%s (%s%s%s)", out->path, out->stage->file, out->stage->name ? ", stage " : "", out->stage->name ? out->stage->name : "");
      continue;
    }
    code = lock_check_paths(r, (const char *const[]){out->path}, 1, true);
    if (code == 0)
      code = place_output(c, r, out, &t.items[i].parts, o);
  }
  targets_free(&t);
  stages_free(&set);
  if (code == 0 && c->n_failed && !o->allow_missing)
    code = error_set(OPIS_ENOTFOUND, "%zu of the files to check out are not in the cache; 'opis data pull' brings them from the remote", c->n_failed);
  if (code == 0 && n_unrecorded && !o->allow_missing)
    code = error_set(OPIS_ENOTFOUND,
      "%s%s: nothing is recorded of it that could be put into place; run the stage, record what is there (dvc commit, opis data add), or use --allow-missing", unrecorded,
      n_unrecorded > 1 ? " and others" : "");
  return code;
}

/* ---- remove ---- */

static int remove_outputs(repo *r, stage *s, bool outs)
{
  int code = 0;
  for (size_t i = 0; i < s->n_outs && code == 0; i++) {
    output *o = &s->outs[i];
    if (!o->path)
      continue;
    code = lock_check_paths(r, (const char *const[]){o->path}, 1, true);
    if (code == 0 && outs)
      code = place_remove(NULL, r, o->path, output_store(r, o), true);
    else if (code == 0 && scan_kind(r, o->path) != PATH_MISSING)
      code = data_unprotect(r, (char *const[]){o->path}, -1);
    if (code == 0)
      code = index_forget(r, o->path);
  }
  return code;
}

static int remove_lines(repo *r, const stages *set)
{
  size_t n = 0, k = 0;
  for (size_t i = 0; i < set->n; i++)
    n += set->items[i]->n_outs;
  const char **paths = malloc((n + 1) * sizeof *paths);
  if (!paths)
    return error_nomem();
  for (size_t i = 0; i < set->n; i++)
    for (size_t j = 0; j < set->items[i]->n_outs; j++)
      if (set->items[i]->outs[j].path && set->items[i]->outs[j].cache)
        paths[k++] = set->items[i]->outs[j].path;
  int code = gitignore_remove_all(r, paths, k);
  free(paths);
  return code;
}

static int remove_file(repo *r, const stage *s)
{
  char *path;
  int code = repo_absolute(&path, r, s->file);
  if (code < 0)
    return code;
  if (unlink(path) != 0 && errno != ENOENT) /* the last thing: as long as it is there, the same command finds what is left to do */
    code = error_set_errno("%s", s->file);
  free(path);
  return code < 0 ? code : repo_touch(r, s->file);
}

int data_remove(repo *r, char *const *names, int n, bool outs)
{
  stages done = {0};
  char first[1024] = "";
  int code = 0;
  for (int i = 0; i < n && code == 0; i++) {
    char *rel;
    stage *s;
    size_t length = strlen(names[i]);
    code = repo_relative(&rel, r, names[i]);
    if (code < 0)
      break;
    if (length <= 4 || strcmp(names[i] + length - 4, ".dvc") != 0) {
      char *with = NULL;
      bool there = asprintf(&with, "%s.dvc", rel) >= 0 && scan_kind(r, with) == PATH_FILE;
      free(with);
      code = there ? error_set(OPIS_EINVALID, "%s: is tracked data; name its .dvc file: opis data remove %s.dvc", names[i], names[i])
                   : error_set(OPIS_ENOTFOUND, "%s: no .dvc file (stages of dvc.yaml are not opis's to remove)", names[i]);
    } else {
      code = stage_load_file(&s, r, rel);
      if (code == 0) {
        code = remove_outputs(r, s, outs);
        if (code == 0)
          code = stages_append(&done, s);
        else
          stage_free(s);
      }
    }
    free(rel);
  }
  if (code < 0)
    snprintf(first, sizeof first, "%s", opis_error_message());
  int left = remove_lines(r, &done); /* after an error, too: what was named before it is removed */
  for (size_t i = 0; i < done.n && left == 0; i++)
    left = remove_file(r, done.items[i]);
  code = code < 0 ? error_set(code, "%s", first) : left;
  stages_free(&done);
  int staged = repo_stage_touched(r);
  return code < 0 ? code : staged;
}

/* ---- unprotect ---- */

static int cancelled(void *user, uint64_t n)
{
  (void)n;
  return repo_check_cancelled(user);
}

static int unprotect_one(const repo *r, const char *path, mode_t mode)
{
  struct stat own, st;
  if (lstat(path, &own) != 0 || stat(path, &st) != 0)
    return error_set_errno("%s", path);
  if (!S_ISREG(st.st_mode))
    return 0;
  mode |= st.st_mode & 0111;
  if (!S_ISLNK(own.st_mode) && st.st_nlink == 1)
    return chmod(path, mode) == 0 ? 0 : error_set_errno("%s", path);
  file_replacement f;
  int from = open(path, O_RDONLY | O_CLOEXEC);
  if (from < 0)
    return error_set_errno("%s", path);
  int code = repo_replace_open(&f, r, path, 0666);
  if (code == 0) {
    code = copy_file(f.fd, from, true, path, &(watch){cancelled, (void *)(uintptr_t)r});
    if (code == 0 && fchmod(f.fd, mode) != 0)
      code = error_set_errno("%s", path);
    if (code == 0)
      code = file_replace_commit(&f, false);
    else
      file_replace_abort(&f);
  }
  close(from);
  return code;
}

/* n < 0: paths[0] is root-relative. */
int data_unprotect(repo *r, char *const *paths, int n)
{
  mode_t mask = umask(0);
  umask(mask);
  mode_t mode = r->db.shared ? 0664 : 0666 & ~mask;
  int code = 0;
  for (int i = 0; i < (n < 0 ? 1 : n) && code == 0; i++) {
    char *rel = NULL, *path = NULL;
    tree t = TREE_INIT;
    code = n < 0 ? ((rel = strdup(paths[0])) ? 0 : error_nomem()) : repo_relative(&rel, r, paths[i]);
    path_kind kind = code == 0 ? scan_kind(r, rel) : PATH_MISSING;
    if (code == 0 && kind == PATH_MISSING)
      code = error_set(OPIS_ENOTFOUND, "%s: no such file or folder", paths[i]);
    if (code == 0)
      code = kind == PATH_FOLDER ? scan_folder(&t, r, rel) : scan_file(&t, r, rel);
    for (size_t k = 0; k < t.n && code == 0; k++) {
      if (asprintf(&path, "%s/%s%s%s", r->root, rel, *t.entries[k].path ? "/" : "", t.entries[k].path) < 0) {
        code = error_nomem();
        break;
      }
      code = unprotect_one(r, path, mode);
      free(path);
    }
    tree_free(&t);
    free(rel);
  }
  return code;
}
