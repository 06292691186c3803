/* opis data restore: data as a past revision had them, with one command. HEAD, the branch and git's index stay as they are (but for core.autostage): afterwards the work tree has the revision's .dvc files,
 * as after `git checkout REV -- X.dvc`, and their data. */
#include "data/git.h"
#include "data/gitignore.h"
#include "data/objects.h"
#include "data/records.h"
#include "data/sync.h"

#include "util/error.h"
#include "util/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 256 << 20 };

typedef struct restoring {
  repo *r;
  const restore_options *o;
  char rev[41];
  stages past, now;
  targets t; /* of past */
} restoring;

/* A stage file is checked and written once, though it may have several outputs. */
static int see(bool *before, map *seen, const target *t)
{
  const char *file = t->out->stage->file;
  size_t n = strlen(file);
  *before = map_get(seen, file, n) != NULL;
  return *before ? 0 : map_put(seen, file, n, 0);
}

static int read_here(char **bytes, size_t *n, const repo *r, const char *rel)
{
  char *path;
  int code = repo_absolute(&path, r, rel);
  if (code < 0)
    return code;
  code = file_read(bytes, n, path, LARGEST);
  free(path);
  return code;
}

/* A file of git's that is here must be in some commit: anything else exists only here. */
static int check_file(const restoring *x, const char *rel)
{
  char *here;
  size_t n;
  bool known;
  int code = read_here(&here, &n, x->r, rel);
  if (code < 0)
    return code == OPIS_ENOTFOUND ? 0 : code;
  code = git_knows(&known, x->r, rel, here, n);
  free(here);
  if (code == 0 && !known)
    code = error_set(OPIS_ECONFLICT, "%s: has changes that are in no commit; commit them first, or give them up with --force", rel);
  return code;
}

enum { IS_SAME = 1 << 16 }; /* beside tree.h's own flags: as the revision has it */
typedef struct sparing {
  tree *have;
  size_t next; /* tree_find_next */
} sparing;

static int spare(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  sparing *s = user;
  tree_entry *e = tree_find_next(s->have, &s->next, path);
  (void)n;
  if (e && memcmp(e->md5, md5, MD5_SIZE) == 0)
    e->flags |= IS_SAME;
  return 0;
}

/* Files of an output whose content no version has, and which the restored one would take the place of. */
static int check_data(const restoring *x, const target *t)
{
  const output *o = t->out;
  tree have;
  path_kind kind;
  int code = gitignore_check_untracked(x->r, o->path);
  if (code == 0)
    code = output_look(&have, &kind, x->r, o, NULL);
  if (code < 0)
    return code;
  sparing s = {&have, 0};
  if (kind != PATH_MISSING) /* one list at a time: what the revision has only marks what is here */
    code = o->oid.dir ? objects_each(output_store(x->r, o), &o->oid, spare, &s) : spare(&s, "", 0, o->oid.md5);
  for (size_t i = 0; i < have.n && code == 0; i++) {
    const tree_entry *e = &have.entries[i];
    oid id = {.dir = false};
    memcpy(id.md5, e->md5, MD5_SIZE);
    if ((e->flags & IS_SAME) || !selection_has(&t->parts, e->path))
      continue;
    if (!odb_has(&x->r->db, &id) && !odb_has(output_store(x->r, o), &id))
      code = error_set(OPIS_ECONFLICT, "%s%s%s: has changes that no version has; 'opis data add' keeps them, --force gives them up", o->path, *e->path ? "/" : "", e->path);
  }
  tree_free(&have);
  return code;
}

/* What is tracked here now by another file must not come to lie over what is restored. */
static int check_overlap(const restoring *x, const target *t)
{
  const output *same = stages_find(&x->now, t->out->path, false), *inner = stages_find_below(&x->now, t->out->path);
  if (!inner && (!same || strcmp(same->stage->file, t->out->stage->file) == 0))
    return 0;
  for (size_t i = 0; i < x->now.n; i++)
    for (size_t k = 0; k < x->now.items[i]->n_outs; k++) {
      const char *a = x->now.items[i]->outs[k].path, *b = t->out->path;
      size_t n = a ? strlen(a) : 0, m = strlen(b);
      if (!a || strcmp(x->now.items[i]->file, t->out->stage->file) == 0)
        continue;
      if ((strncmp(a, b, n) == 0 && (!b[n] || b[n] == '/')) || (strncmp(a, b, m) == 0 && a[m] == '/'))
        return error_set(OPIS_ECONFLICT, "%s: %s tracks '%s' now; 'opis data remove %s' first", b, x->now.items[i]->file, a, x->now.items[i]->file);
    }
  return 0;
}

static int check(const restoring *x, bool named)
{
  map seen = {0};
  bool before;
  int code = 0;
  for (size_t i = 0; i < x->t.n && code == 0; i++) {
    const target *t = &x->t.items[i];
    const stage *s = t->out->stage;
    if (t->out->refused)
      code = error_set(OPIS_EUNSUPPORTED, "%s: %s: %s", s->file, t->out->written, t->out->refused);
    else if (s->name && named && !t->parts.n)
      code = error_set(OPIS_EUNSUPPORTED, "%s: an output of the pipeline in %s, which is restored as a whole: 'git checkout REV -- dvc.yaml dvc.lock', then 'opis data pull'",
        t->out->path, s->file);
    if (code == 0)
      code = repo_check_no_links(x->r, t->out->path);
    if (code == 0 && !t->parts.n)
      code = check_overlap(x, t);
    if (code == 0 && !x->o->force && !t->parts.n) {
      code = see(&before, &seen, t);
      if (code == 0 && !before)
        code = check_file(x, s->file);
    }
    if (code == 0)
      code = lock_check_paths(x->r, (const char *const[]){t->out->path}, 1, true);
  }
  map_free(&seen);
  return code;
}

/* dvc.yaml and dvc.lock as the revision has them. */
static int write_from_git(const restoring *x, const char *rel)
{
  char *bytes, *path, *folder = NULL;
  size_t n;
  int code = git_read(&bytes, &n, x->r, x->rev, rel);
  if (code < 0)
    return code == OPIS_ENOTFOUND ? 0 : code;
  code = repo_absolute(&path, x->r, rel);
  if (code == 0) {
    folder = path_folder(path);
    code = folder ? file_make_folders(folder, 0777) : OPIS_ENOMEM;
    if (code == 0)
      code = file_replace(path, bytes, n, 0666, true);
    free(folder);
    free(path);
  }
  free(bytes);
  return code < 0 ? code : repo_touch(x->r, rel);
}

/* Beside the .dvc files, which go together. */
static int write_pipeline(const restoring *x, const stage *s)
{
  char *lock;
  if (asprintf(&lock, "%.*slock", (int)(strlen(s->file) - 4), s->file) < 0)
    return error_nomem();
  int code = write_from_git(x, lock);
  free(lock);
  return code < 0 ? code : write_from_git(x, s->file);
}

static int make_folder(const restoring *x, const stage *s)
{
  char *folder = path_folder(s->file), *path;
  int code = folder ? repo_absolute(&path, x->r, folder) : OPIS_ENOMEM;
  if (code == 0) {
    code = file_make_folders(path, 0777);
    free(path);
  }
  free(folder);
  return code;
}

static int write_files(const restoring *x, name_list *written)
{
  map seen = {0};
  records l = {0};
  bool before;
  int code = 0;
  for (size_t i = 0; i < x->t.n && code == 0; i++) {
    const target *t = &x->t.items[i];
    stage *s = t->out->stage;
    if (t->parts.n)
      continue;
    code = see(&before, &seen, t);
    if (code == 0 && !before && !s->name)
      code = make_folder(x, s);
    if (code == 0)
      code = records_add(&l, t->out, false, !before && !s->name);
  }
  if (code == 0)
    code = records_save(&l, x->r, written);
  map_free(&seen);
  for (size_t i = 0; i < l.n && code == 0; i++) {
    const output *o = l.items[i].o;
    if (!o->stage->name || (i > 0 && strcmp(l.items[i - 1].o->stage->file, o->stage->file) == 0))
      continue;
    code = write_pipeline(x, o->stage);
    char *shown = code == 0 ? repo_shown(x->r, o->stage->file) : NULL;
    if (code == 0)
      code = shown ? names_add(written, shown) : error_nomem();
    free(shown);
  }
  records_free(&l);
  return code;
}

static int apply(const restoring *x, changes *c, name_list *written)
{
  checkout_options how = {.force = x->o->force};
  int code = write_files(x, written); /* the small files first, as after a git checkout: what a kill leaves undone is then what 'opis data checkout' does */
  for (size_t i = 0; i < x->t.n && code == 0; i++)
    if (x->t.items[i].out->cache)
      code = place_output(c, x->r, x->t.items[i].out, &x->t.items[i].parts, &how);
  return code;
}

int data_restore(changes *c, name_list *written, repo *r, const char *revision, char *const *paths, int n, const restore_options *o)
{
  restoring x = {.r = r, .o = o};
  sync_options fetch = {.remote = o->remote, .jobs = o->jobs};
  uint64_t fetched;
  lost missing = {0};
  int code = git_resolve(x.rev, r, revision);
  if (code == 0)
    code = stages_load_revision(&x.past, r, x.rev);
  if (code == 0)
    code = stages_load(&x.now, r);
  if (code == 0) {
    code = targets_collect(&x.t, r, &x.past, paths, n, true, false);
    if (code == OPIS_ENOTFOUND)
      code = error_prefix(OPIS_ENOTFOUND, "in revision %s", revision);
  }
  if (code == 0 && x.t.n == 0)
    code = error_set(OPIS_ENOTFOUND, "%s: nothing is tracked there", revision);
  if (code == 0)
    code = check(&x, n > 0);
  if (code == 0)
    code = sync_fetch_targets(r, &x.t, &fetch, &fetched, &missing);
  for (size_t i = 0; i < x.t.n && code == 0; i++)
    code = import_bring(r, x.t.items[i].out->stage, o->jobs, &fetched);
  if (code == 0 && missing.objects.n)
    code = error_set(OPIS_ENOTFOUND, "%zu objects of revision %s are neither in the cache nor on the remote; nothing was changed", missing.objects.n, revision);
  lost_free(&missing);
  for (size_t i = 0; i < x.t.n && code == 0 && !o->force; i++) /* after the directory objects have come */
    if (x.t.items[i].out->cache)
      code = check_data(&x, &x.t.items[i]);
  if (code == 0)
    code = apply(&x, c, written);
  targets_free(&x.t);
  stages_free(&x.past);
  stages_free(&x.now);
  int staged = repo_stage_touched(r);
  return code < 0 ? code : staged;
}
