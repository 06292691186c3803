/* The git repository around the data: which paths it tracks, what a revision's files say, and its index. libgit2, opened at run time, so that commands that need no git never load it. */
#ifndef DATA_GIT_H
#define DATA_GIT_H

#include "data/repo.h"
#include "util/strbuf.h"

/* r->git, opened; OPIS_EINVALID without a git repository, OPIS_EUNSUPPORTED without libgit2. */
int git_need(repo *r);
void git_close(git *g);

/* Whether git's index has this file, or any file below this folder. */
int git_tracks(bool *tracked, repo *r, const char *rel);
/* Puts files as they are now into git's index; ones that are gone are taken out. Root-relative. */
int git_add(repo *r, char **rel, size_t n);

/* Where git looks for hooks (malloc'ed). OPIS_EUNSUPPORTED when core.hooksPath says that it is elsewhere than in the repository itself. */
int git_hooks_folder(char **path, repo *r);
/* Whether git is in the middle of a rebase. */
bool git_rebasing(repo *r);
/* Whether there is a commit to stand on. */
int git_has_commits(bool *any, repo *r);
/* A revision by any name git knows, as its 40 digits. OPIS_ENOTFOUND. */
int git_resolve(char hex[41], repo *r, const char *revision);
/* A file's bytes in a revision (of 40 digits). malloc'ed. OPIS_ENOTFOUND when it has none. */
int git_read(char **bytes, size_t *n, repo *r, const char *hex, const char *rel);
/* Whether a commit that any reference or work tree reaches has a file of just these bytes there. */
int git_knows(bool *known, repo *r, const char *rel, const void *bytes, size_t n);
/* Every stage file (*.dvc, dvc.yaml) of a revision, in folders that are no .dvc or .git; root-relative. */
int git_stage_files(repo *r, const char *hex, int (*each)(void *user, const char *rel), void *user);

/* Every file of a revision at or below a root-relative path ("" is all), but for .dvc folders; root-relative. */
int git_files(repo *r, const char *hex, const char *rel, int (*each)(void *user, const char *rel), void *user);
/* What a path is in a revision: its mode (as st_mode) and size, of a folder git's own. "" is the root. OPIS_ENOTFOUND. */
int git_entry(uint32_t *mode, uint64_t *size, repo *r, const char *hex, const char *rel);
/* Everything below a folder of a revision, folders before what is in them, but for DVC repositories below this one. */
int git_each(repo *r, const char *hex, const char *folder, int (*each)(void *user, const char *rel, uint32_t mode, uint64_t size), void *user);

/* The other work trees of this git repository (git worktree) that are there: what would be the root in each, absolute. */
int git_worktrees(const repo *r, int (*each)(void *user, const char *root), void *user);

/* The commits that a scope names, each once, as 40 digits: the present one's parents are not included unless all is set. num: so many commits back from each (0 or 1: itself). */
typedef struct git_scope {
  bool experiments;         /* DVC's own, below refs/exps */
  bool branches, tags, all; /* all: every commit that any reference or work tree reaches */
  const char *revision;     /* and this one */
  int num;
  const char *since; /* "yyyy-mm-dd": commits of that day or later, over everything that is reached */
} git_scope;
int git_commits(repo *r, const git_scope *s, int (*each)(void *user, const char *hex), void *user);

#endif
