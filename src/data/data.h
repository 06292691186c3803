/* opis data: DVC's verbs. Each takes an open repository (locked, but where it says otherwise), does its work whole or not at all, and tells what it did in structs; nothing prints. A kill at any
 * moment leaves the old state or the new one, or, where many files belong together (checkout, pull), one that the same command completes. */
#ifndef DATA_DATA_H
#define DATA_DATA_H

#include "data/remote.h"
#include "data/stage.h"
#include "data/tree.h"

/* What was done to paths of the work tree. Paths are as the user sees them (relative to where he stands), folders with a '/' at the end. */
typedef struct change {
  char kind; /* 'A' added, 'M' modified, 'D' deleted; in errors '?' */
  char *path;
} change;
typedef struct changes {
  change *items;
  size_t n;
  uint64_t files[3]; /* files added, modified, deleted */
  change *failed;    /* what could not be done: their objects are missing */
  size_t n_failed;
} changes;
int changes_add(changes *c, char kind, const char *path);
int changes_fail(changes *c, const char *path);
void changes_free(changes *c);

/* A list of strings. */
typedef struct name_list {
  char **items;
  size_t n;
} name_list;
int names_add(name_list *l, const char *s);
void names_free(name_list *l);
typedef struct name_set {
  name_list list; /* in the order in which they came, each once */
  map known;
} name_set;
int names_add_once(name_set *s, const char *name);
void name_set_free(name_set *s);

/* ---- add, commit, remove, move ---- */
typedef struct add_options {
  bool no_commit, glob, force, no_relink;
  const char *out; /* with one source: where it is to be tracked (-o) */
  bool to_remote;  /* straight to the remote, not into the cache */
  const char *remote;
  int jobs;
} add_options;
int data_add(repo *r, char *const *paths, int n, const add_options *o, name_list *written); /* written: the .dvc files, as the user sees them */
int data_commit(repo *r, char *const *names, int n, bool force, bool recursive, bool with_deps, bool no_relink, bool (*ask)(void *user, const char *question), void *user);
int data_remove(repo *r, char *const *names, int n, bool outs);
int data_move(repo *r, const char *from, const char *to);
int data_unprotect(repo *r, char *const *paths, int n);

/* ---- status ---- */
typedef struct status_entry {
  char *stage;       /* "data.dvc" */
  const char *group; /* "changed outs", "changed deps"; and without a path "changed command", "changed checksum" */
  char *path;
  char *key;         /* a parameter's, when path is the file that it is in and not all of the file is meant; else NULL */
  const char *state; /* "modified", "deleted", "new", "not in cache" */
} status_entry;
typedef struct status_list {
  status_entry *items;
  size_t n, stages;
} status_list;
int data_status(status_list *l, repo *r, char *const *names, int n, bool recursive, bool with_deps, bool no_updates); /* no_updates: imports' sources are not asked for news */
void status_free(status_list *l);

/* ---- checkout ---- */
typedef struct checkout_options {
  bool force, relink, allow_missing, recursive, with_deps;
  bool lists_asked_for; /* the default remote was asked for directory objects that the cache has not */
} checkout_options;
int data_checkout(changes *c, repo *r, char *const *names, int n, const checkout_options *o);

/* ---- restore ---- */
typedef struct restore_options {
  bool force;         /* over changes that no commit, or no version, has */
  const char *remote; /* where data that the cache has not come from; NULL: the default one */
  int jobs;
} restore_options;
/* The .dvc files of a revision and their data, without moving HEAD. No paths: all of the revision's. A path inside of an output: that part of the data alone. *written: the stage files that are now the revision's.
 * OPIS_ECONFLICT, before anything is changed, when something would be lost. */
int data_restore(changes *c, name_list *written, repo *r, const char *revision, char *const *paths, int n, const restore_options *o);

/* ---- verify ---- */
typedef struct verify_options {
  bool dry;           /* tell, and leave everything as it is */
  const char *remote; /* what mends; NULL: the default one */
} verify_options;
typedef struct damage {
  oid oid;
  bool legacy;
  bool mended; /* brought anew; else the object was set aside into the cache's folder "damaged" */
  char *path;  /* a file of the work tree whose content it is, NULL when none of this version */
} damage;
typedef struct verify_result {
  uint64_t objects, bytes, mended;
  damage *items;
  size_t n;
} verify_result;
int data_verify(verify_result *v, repo *r, const verify_options *o);
void verify_free(verify_result *v);

/* ---- comparing ---- */
typedef struct diff_entry {
  char *path, *renamed_to;
  char old_hash[OID_TEXT], new_hash[OID_TEXT];
} diff_entry;
typedef struct diff_list {
  diff_entry *items;
  size_t n;
} diff_list;
typedef struct diff_result {
  diff_list added, deleted, renamed, modified, missing; /* missing: not in cache */
} diff_result;
int data_diff(diff_result *d, repo *r, const char *old_revision, const char *new_revision, char *const *paths, int n); /* new_revision NULL: the work tree */
void diff_free(diff_result *d);

/* What a revision has at a root-relative path (a folder or a file), laid out below `folder`: links to objects of the cache, and copies of what git keeps itself. OPIS_ENOTFOUND: nothing is there, or
 * an object is not in the cache. */
int data_layout(repo *r, const char *revision, const char *rel, const char *folder);

/* ---- from other repositories: url is a folder here, or what git clones ---- */
typedef struct source_options source_options; /* data/source.h */
typedef struct get_options {
  const source_options *source;
  const char *out;
  bool force;
  int jobs;
} get_options;
/* Copies a file or folder out of another repository to where the user stands. *written: where it is now, malloc'ed. */
int data_get(char **written, const char *url, const char *path, const get_options *o);
/* Where a source's data would come from: "REMOTE-URL/files/md5/ab/cdef…". malloc'ed. */
int data_get_url(char **where, const char *url, const char *path, const source_options *o);

typedef struct import_options {
  const source_options *source;
  const char *out;
  bool force, no_exec, no_download;
  int jobs;
} import_options;
int data_import(name_list *written, repo *r, const char *url, const char *path, const import_options *o);
typedef struct update_options {
  const char *rev;
  bool recursive, no_download;
  int jobs;
} update_options;
int data_update(changes *c, repo *r, char *const *names, int n, const update_options *o);
/* What an import names, into the cache, where it is not there yet; other stages need nothing. An import without its data so far learns what they are, in memory only. */
/* Whether the source has gone on since. */
int import_outdated(bool *outdated, repo *r, const stage *s);
int import_bring(repo *r, stage *s, int jobs, uint64_t *brought);

/* Patterns (*, ?, [], **) as names of stage files, outputs and files in outputs that they match, relative to where the user stands. OPIS_ENOTFOUND for one that matches nothing. */
int data_expand(name_list *out, repo *r, char *const *patterns, int n);

/* ---- remotes ---- */
typedef struct sync_options {
  const char *remote; /* by name; NULL: the default one */
  int jobs;
  bool all_branches, all_tags, all_commits, with_deps, recursive, glob;
  bool force, allow_missing; /* pull */
  uint64_t max_size;         /* fetch: only outputs below so many bytes; 0: all */
} sync_options;
typedef struct sync_result {
  uint64_t moved;
  size_t missing; /* objects that are neither in the cache nor on the remote: each is warned of, and none is an error, as with DVC */
} sync_result;
int data_push(repo *r, char *const *names, int n, const sync_options *o, sync_result *result);
/* OPIS_ENOTFOUND, after all the rest, for files that the remote has not although it has a directory object that names them. */
int data_fetch(repo *r, char *const *names, int n, const sync_options *o, sync_result *result);
int data_pull(changes *c, repo *r, char *const *names, int n, const sync_options *o, sync_result *result);
typedef struct cloud_entry {
  char *name;        /* an output, or a file in one */
  const char *state; /* "new": only here, "deleted": only there, "missing": nowhere */
} cloud_entry;
typedef struct cloud_list {
  cloud_entry *items;
  size_t n;
} cloud_list;
int data_status_cloud(cloud_list *l, repo *r, char *const *names, int n, const sync_options *o);
void cloud_free(cloud_list *l);

/* What commits need (40 digits each), to the remote: what a git push of them must not leave behind. OPIS_ENOTFOUND when some of it is nowhere. */
int data_push_commits(repo *r, char *const *hex, size_t n, uint64_t *pushed);

/* ---- git's hooks ---- */
/* Hooks that make data follow the branch, and go to the remote before a git push. One that is there already is kept beside, as NAME.before-opis, and runs as before. *written: what was changed. program: how
 * the hooks find this program where it is not on the PATH. */
int data_hooks_install(name_list *written, repo *r, const char *program);
int data_hooks_remove(name_list *written, repo *r);
int data_hooks_list(name_list *installed, repo *r);

/* ---- doctor ---- */
typedef struct finding {
  char kind;        /* ' ' a fact, '-' worth a look, '!' wrong */
  const char *what; /* "cache", "remote" … */
  char *text;
} finding;
typedef struct findings {
  finding *items;
  size_t n, bad;
} findings;
int data_doctor(findings *f, repo *r);
void findings_free(findings *f);

/* ---- gc ---- */
typedef struct gc_options {
  bool workspace, all_branches, all_tags, all_commits, experiments, cloud, dry, not_in_remote, skip_failed;
  const char *revision, *since, *remote;
  int num, jobs;
  char *const *projects;
  int n_projects;
} gc_options;
typedef struct gc_result {
  uint64_t objects, bytes;               /* taken away here (or would be) */
  uint64_t remote_objects, remote_bytes; /* on the remote */
  name_list list;                        /* dry: every object */
} gc_result;
/* Other work trees of the git repository that share what is cleared, and o->projects, are locked meanwhile, and what they name is kept; OPIS_EBUSY where one is at work. */
int data_gc(gc_result *g, repo *r, const gc_options *o);
void gc_free(gc_result *g);

#endif
