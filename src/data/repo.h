/* An open DVC repository: where it is, how it is configured, its caches, and what its work reports. */
#ifndef DATA_REPO_H
#define DATA_REPO_H

#include "data/config.h"
#include "data/ignore.h"
#include "data/odb.h"
#include "util/file.h"
#include "util/map.h"
#include "util/pool.h"

#include <stdbool.h>
#include <stdint.h>

/* How far long work is. */
typedef struct repo_advance {
  const char *what;                          /* "Adding"; lives as long as the program */
  uint64_t files, of_files, bytes, of_bytes; /* of_…: all of them, 0 when not known */
} repo_advance;

/* What long work tells and asks. All may be NULL. progress may come from several threads at once. */
typedef struct repo_hooks {
  void (*progress)(void *user, const repo_advance *a);
  void (*warn)(void *user, const char *message); /* something the user should read, no failure */
  int (*cancelled)(void *user);
  void *user;
  bool wait_for_lock; /* however long, instead of 3 seconds */
  bool settings_only; /* no objects are handled: what is wrong with settings of the cache is no error */
  bool reads_only;    /* without the lock where this user may not write */
} repo_hooks;

typedef struct git git;

typedef struct repo {
  char *root;  /* absolute, links resolved */
  char *dvc;   /* root/.dvc */
  char *cwd;   /* of the caller, absolute */
  char *cache; /* the cache's folder */
  config config;
  odb db, legacy; /* objects of DVC 3, and of DVC 2 */
  pool *pool;
  repo_hooks hooks;
  bool dvc_there; /* there is a .dvc */
  bool read_only; /* a lock was asked for and cannot be had: nothing is noted below .dvc/tmp either */
  int lock;       /* descriptor of .dvc/tmp/lock, -1 */
  char *claim;    /* with core.hardlink_lock: the file that the lock is a link of */
  char *git_root; /* the work tree around it, NULL without git (or core.no_scm) */
  git *git;       /* opened when first needed (repo_git) */
  char **touched; /* files for git add */
  size_t n_touched;
  map known; /* what is among touched */
} repo;

/* Finds the repository around `start` (NULL: the present folder). OPIS_ENOTFOUND outside of one. lock: waits up to 3 seconds for DVC's lock, then OPIS_EBUSY; everything but reading of settings needs it. Where nobody can write
 * (a file system that is mounted so), and with reads_only where this user may not, it goes on without. */
int repo_open(repo **out, const char *start, bool lock, const repo_hooks *hooks);
/* The same without a lock, also where there is git alone: dvc_there tells. */
int repo_open_any(repo **out, const char *start, const repo_hooks *hooks);
/* The same of this folder and none above it. */
int repo_open_root(repo **out, const char *root, const repo_hooks *hooks);
void repo_close(repo *r);
int repo_init(const char *folder, bool no_scm, bool subdir, bool force);

bool repo_cancelled(const repo *r);
int repo_check_cancelled(const repo *r);                  /* 0, or OPIS_ECANCELLED with a message */
void repo_progress(const repo *r, const repo_advance *a); /* of many files: progress.h */
void repo_warn(const repo *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A path as the user typed it -> relative to the root, without "." and ".." (malloc'ed; "" is the root itself). OPIS_EINVALID when it leads out of the repository. Links in it are not followed. */
int repo_relative(char **rel, const repo *r, const char *typed);
/* Root-relative -> relative to where the user stands, for messages and output. malloc'ed, NULL without memory. */
char *repo_shown(const repo *r, const char *rel);
int repo_absolute(char **absolute, const repo *r, const char *rel);
/* Whether a folder between the root and the path's last name is a link: what is behind it is not ours. */
int repo_check_no_links(const repo *r, const char *rel);
/* OPIS_EINVALID when the path is, or is in, the root of another DVC repository below this one. */
int repo_check_own(const repo *r, const char *rel);
/* Whether there is the folder that a path is in ("a/b/": a/b itself). OPIS_ENOTFOUND. */
int repo_check_folder(const repo *r, const char *rel);
/* A file or folder of this machine that need not be in the repository: the folder around it, to be looked at and to be read as a repository without git or a cache; it is called path_name(path) in there.
 * path: absolute. The name "/" alone has nothing around it: OPIS_EINVALID. Closed also after a failure. */
int repo_around(repo *around, const repo *r, const char *path);
void repo_around_close(repo *around);

/* Joins and takes "." and ".." out: "a/b" + "../c" -> "a/c". NULL (with a message) when it leads above the top. */
char *path_normal(const char *folder, const char *path);
char *path_relative(const char *from_folder, const char *to); /* both relative to one top: "a" to "a/b/c" -> "b/c"; "a/x" to "b" -> "../../b" */
char *path_folder(const char *path);                          /* malloc'ed; "" for a bare name */
const char *path_name(const char *path);
bool path_overlaps(const char *a, const char *b); /* the same, or one is in the other; "" is the top */
bool path_is_stage_file(const char *path);        /* by its name: "x.dvc" or "dvc.yaml", which no output may have */

/* file_replace and file_replace_open (util/file.h) for files of the repository, path absolute: the temporary file is in .dvc/tmp, so that a kill leaves nothing among what git and the user see. repo_replace
 * leaves a symbolic link as it is and replaces what it leads to. */
int repo_replace(const repo *r, const char *path, const void *bytes, size_t n, bool sync);
int repo_replace_open(file_replacement *f, const repo *r, const char *path, mode_t mode);
char *repo_scratch(const repo *r); /* the folder of such files; malloc'ed, NULL without memory; need not exist */

/* A file of the repository that git must know of, when core.autostage is on (in repo_close_staged). rel: root-relative. */
int repo_touch(repo *r, const char *rel);
int repo_stage_touched(repo *r); /* git add of what was touched, with core.autostage; else nothing */

/* Waits for other programs: DVC's .dvc/tmp/lock, and its rwlock for these paths. */
int lock_take(repo *r);
void lock_release(repo *r);
int lock_check_paths(const repo *r, const char *const *rel, size_t n, bool write);
int lock_check_table(const repo *r, const char *bytes, size_t size, const char *const *rel, size_t n, bool write); /* the same with the rwlock's bytes */
/* The process that the content of a lock by hardlink names, mark being "/opis-HOST-"; 0 when it is another machine's, or another program's. */
long lock_claim_holder(const char *content, const char *mark);

#endif
