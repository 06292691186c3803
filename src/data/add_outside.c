/* opis data add -o and --to-remote: data from outside of the repository become tracked here, in place or on the remote alone. */
#include "data/gitignore.h"
#include "data/objects.h"
#include "data/source.h"
#include "data/sync.h"

#include "util/error.h"
#include "util/file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The folder around the data, seen as a source of files: no git, no .dvc. */
static int open_outside(source *s, repo *around, char **name, repo *r, const char *typed)
{
  char real[PATH_MAX];
  *s = (source){0};
  *around = (repo){0};
  *name = NULL;
  if (strstr(typed, "://"))
    return error_set(OPIS_EUNSUPPORTED, "%s: only files and folders of this machine can be added; fetch it first", typed);
  if (!realpath(typed, real))
    return error_set_errno("%s", typed);
  int code = repo_around(around, r, real);
  *name = code == 0 ? strdup(path_name(real)) : NULL;
  s->repo = around;
  return code < 0 ? code : *name ? 0 : error_nomem();
}

/* Sends what the stage names from a cache of its own, which then goes. */
static int send_away(repo *r, repo *scratch, stage *s, const add_options *a)
{
  used u = {0};
  uint64_t pushed;
  lost missing = {0};
  output own = s->outs[0];
  (void)r;
  int code = used_add(&u, scratch, &own, NULL, &(used_options){.pushable = true});
  if (code < 0) {
    used_free(&u);
    return code;
  }
  code = sync_push_used(scratch, &u, &(sync_options){.remote = a->remote, .jobs = a->jobs}, &pushed, &missing);
  if (code == 0 && missing.objects.n > 0) /* what is named must be there: nothing else has it */
    code = error_set(OPIS_EIO, "%zu objects were gone before they could be sent; add it again", missing.objects.n);
  lost_free(&missing);
  return code;
}

static int resolve(char **rel, repo *r, const char *name, const add_options *a)
{
  char *typed = NULL;
  if (!a->out)
    typed = strdup(name);
  else if (file_is_folder(a->out)) {
    if (asprintf(&typed, "%s/%s", a->out, name) < 0)
      typed = NULL;
  } else
    typed = strdup(a->out);
  if (!typed)
    return error_nomem();
  int code = repo_relative(rel, r, typed);
  free(typed);
  if (code == 0 && **rel == '\0')
    code = error_set(OPIS_EINVALID, "the repository itself cannot be tracked");
  if (code == 0)
    code = repo_check_folder(r, *rel);
  if (code == 0 && !a->to_remote && !a->force && scan_kind(r, *rel) != PATH_MISSING)
    code = error_set(OPIS_EEXISTS, "%s: exists already; --force takes its place", *rel);
  return code < 0 ? code : repo_check_no_links(r, *rel);
}

static int check_free(repo *r, const char *rel, const char *file)
{
  stages set;
  int code = stages_load(&set, r);
  if (code < 0)
    return code;
  code = stages_check_free(&set, rel, file);
  stages_free(&set);
  return code < 0 ? code : stage_check_place(r, file);
}

int add_outside(repo *r, const char *typed, const add_options *a, name_list *written)
{
  source s;
  repo around, *scratch = NULL;
  source *keeper = NULL;
  stage *st = NULL;
  taken what = {0};
  changes c = {0};
  char *name, *rel = NULL, *file = NULL, *shown = NULL, *folder = NULL;
  int code = open_outside(&s, &around, &name, r, typed);
  if (code == 0)
    code = resolve(&rel, r, name, a);
  if (code == 0 && asprintf(&file, "%s.dvc", rel) < 0) {
    file = NULL;
    code = error_nomem();
  }
  if (code == 0)
    code = check_free(r, rel, file);
  if (code == 0)
    code = gitignore_check_untracked(r, rel);
  if (code == 0)
    code = lock_check_paths(r, (const char *const[]){rel}, 1, true);
  if (code == 0 && a->to_remote) { /* this repository's settings with a temporary cache */
    code = asprintf(&folder, "%s/tmp/opis", r->dvc) < 0 ? error_nomem() : source_open(&keeper, NULL, r->root, NULL, &(source_options){.folder = folder, .hooks = r->hooks});
    scratch = keeper ? keeper->repo : NULL;
  }
  repo *into = scratch ? scratch : r;
  if (code == 0)
    code = source_take(&what, into, &s, name, a->jobs);
  if (code == 0)
    code = stage_new(&st, file, path_name(rel));
  if (code == 0)
    code = stage_set_output(st, 0, &what.id, what.size, what.files, false);
  if (code == 0 && scratch)
    code = send_away(r, scratch, st, a);
  if (code == 0)
    code = gitignore_add(r, rel);
  if (code == 0)
    code = stage_save(r, st);
  if (code == 0 && !a->to_remote)
    code = place_output(&c, r, &st->outs[0], NULL, &(checkout_options){.force = a->force});
  if (code == 0) {
    shown = repo_shown(r, file);
    code = shown ? names_add(written, shown) : error_nomem();
  }
  changes_free(&c);
  stage_free(st);
  source_close(keeper);
  repo_around_close(&around);
  free(name);
  free(rel);
  free(file);
  free(shown);
  free(folder);
  return code;
}
