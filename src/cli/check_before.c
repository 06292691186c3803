/* opis check --against: the other state of the set, a folder or a revision of the data. */
#include "cli/check_run.h"

#include "data/data.h"
#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int interrupted(void *unused)
{
  (void)unused;
  return cli_interrupted();
}

static int scan_folder_of(check_set *before, const char *folder, const char *index, const check_run *r, pool *threads)
{
  check_scan_options o = {threads, index, r->max_bytes, r->max_pixels, interrupted, NULL, NULL};
  return check_scan(before, folder, &o);
}

/* ---- a folder ---- */

/* A caption file of the same name in the folder, or beside it; malloc'ed, NULL: there is none. */
static char *captions_near(const char *folder, const char *file)
{
  char *there = NULL, *up = NULL;
  const char *name = caption_base_name(file);
  if (path_join(&there, folder, name) == 0 && file_exists(there))
    return there;
  free(there);
  there = NULL;
  if (path_join(&up, folder, "..") == 0 && path_join(&there, up, name) == 0 && !file_exists(there)) {
    free(there);
    there = NULL;
  }
  free(up);
  return there;
}

static int of_folder(check_set *before, const check_run *r, pool *threads)
{
  const check_settings *s = &r->settings;
  char *index = check_index_file(r), *said = s->against_captions ? strdup(s->against_captions) : s->captions ? captions_near(s->against, s->captions) : NULL;
  int e = scan_folder_of(before, s->against, index, r, threads);
  if (e == 0 && said)
    e = check_read_captions(before, said);
  free(index);
  free(said);
  return e;
}

/* ---- a revision ---- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
  (void)st;
  (void)kind;
  (void)where;
  return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

/* Where a path of this machine is in the repository; OPIS_EINVALID: elsewhere. */
static int place_in(char **rel, const repo *r, const char *path)
{
  char real[PATH_MAX];
  *rel = NULL;
  return realpath(path, real) ? repo_relative(rel, r, real) : error_set_errno("%s", path);
}

/* The caption file as the revision has it. One that is kept elsewhere has no earlier state, and neither has a new one: then pictures alone are compared. */
static int captions_of(check_set *before, repo *data, const check_run *r, const char *folder)
{
  const check_settings *s = &r->settings;
  char *rel, *there = NULL;
  if (s->against_captions)
    return check_read_captions(before, s->against_captions);
  if (!s->captions || place_in(&rel, data, s->captions) < 0)
    return 0;
  int e = path_join(&there, folder, "captions");
  if (e == 0) {
    int laid = data_layout(data, s->against, rel, there);
    e = laid == OPIS_ENOMEM || laid == OPIS_ECANCELLED ? laid : 0;
    if (laid == 0 && !file_is_folder(s->captions)) {
      char *file = NULL;
      e = path_join(&file, there, path_name(rel));
      if (e == 0)
        e = check_read_captions(before, file);
      free(file);
    } else if (laid == 0)
      e = check_read_captions(before, there);
  }
  free(rel);
  free(there);
  return e;
}

static int of_revision(check_set *before, const check_set *set, const check_run *r, pool *threads)
{
  const char *temporary = getenv("TMPDIR");
  repo_hooks hooks = {.cancelled = interrupted};
  repo *data;
  char *folder = NULL, *rel = NULL, *pictures = NULL;
  int e = repo_open(&data, set->root, true, &hooks);
  if (e < 0)
    return error_prefix(e, "--against %s: neither a folder nor a revision of the data", r->settings.against);
  if (asprintf(&folder, "%s/opis-check-XXXXXX", temporary && *temporary == '/' ? temporary : "/tmp") < 0)
    e = error_nomem();
  else if (!mkdtemp(folder)) {
    e = error_set_errno("%s", folder);
    free(folder);
    folder = NULL;
  }
  if (e == 0)
    e = path_join(&pictures, folder, "pictures");
  if (e == 0)
    e = file_make_folders(pictures, 0700);
  if (e == 0)
    e = place_in(&rel, data, set->root);
  if (e == 0)
    e = data_layout(data, r->settings.against, rel, pictures);
  if (e == 0)
    e = scan_folder_of(before, pictures, NULL, r, threads);
  if (e == 0)
    e = captions_of(before, data, r, folder);
  if (folder)
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  free(folder);
  free(rel);
  free(pictures);
  repo_close(data);
  return e;
}

int check_before(check_set *before, const check_set *set, const check_run *r, pool *threads)
{
  *before = (check_set){0};
  return file_is_folder(r->settings.against) ? of_folder(before, r, threads) : of_revision(before, set, r, threads);
}
