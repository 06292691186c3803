/* Another repository that data come from: one on this machine as it is, or in a revision, or a clone of a git URL. */
#ifndef DATA_SOURCE_H
#define DATA_SOURCE_H

#include "data/used.h"

typedef struct source {
  repo *repo;    /* its root and configuration; its caches are `scratch` */
  char hex[41];  /* the revision that is read; "": its work tree */
  char lock[41]; /* the commit that a stage file names as rev_lock; "" when it is not under git */
  char *clone;   /* a folder that goes away with it; NULL: none */
  char *scratch; /* likewise, when no cache was given */
  char *near;    /* the cache of a source on this machine; NULL: none */
  odb near_db, near_legacy;
  stages stages;
} source;

struct source_options {
  const char *rev;
  const repo *into;   /* objects that are brought go into this repository's cache; NULL: into a temporary one */
  const char *folder; /* where temporary ones are made */
  /* Settings that are laid over the source's: a file of DVC's configuration, a default remote, "KEY=VALUE" of that remote. */
  const char *config, *remote;
  char *const *remote_config;
  int n_remote_config;
  repo_hooks hooks;
};

/* Opens it. A url that is a folder here is opened in place, anything else is cloned by git. OPIS_ENOTFOUND, OPIS_ENETWORK with git's own words. path (malloc'ed, set also after some failures) is what source_path makes of `typed` (for
 * an import from the root, else from where the user stands), below the root that is opened: of DVC repositories in one place the innermost that the path is in. NULL: the repository of the url itself. */
int source_open(source **out, char **path, const char *url, const char *typed, const source_options *o);
/* The commit that a revision of it (NULL: HEAD, or a clone's default branch) is now, without cloning. */
int source_newest(char hex[41], const char *url, const char *rev, const repo_hooks *hooks);
void source_close(source *s); /* NULL is allowed */

/* The remote of its own that the output has which a path is in (the source's string); NULL: the default one. */
const char *source_remote(const source *s, const char *path);
/* A directory object, made readable: in the repository's cache. */
int source_bring_dir(source *s, const oid *o, bool legacy, const char *remote);
/* An object's bytes: from the cache, or from that of the source. */
int source_read(int *fd, source *s, const oid *o, bool legacy);

/* What there is, by path below the root: the files that git (or the work tree) has, and the data over them. */
enum { VIEW_DIR = 1 << 16, VIEW_LEGACY = 1 << 17, VIEW_FILE_HERE = 1 << 18, VIEW_OUT = 1 << 19, VIEW_SIZE = 1 << 20, VIEW_LINK = 1 << 21, VIEW_DIR_HASH = 1 << 22 };
typedef struct view_options {
  bool recursive; /* everything below; else what is in the folder itself */
  int depth;      /* with recursive: so many levels, 0: all */
  bool dvc_only, stage_files;
  bool links; /* symbolic links that lead to folders, or nowhere, as files */
} view_options;
/* path: "" is the root. A path that is a file gives that one entry. *root: the entry of the path itself. Entries have TREE_HASHED with their md5 where they are data, VIEW_SIZE where the size is known, and
 * TREE_EXECUTABLE. Sorted by path. */
int source_view(tree *t, tree_entry *root, source *s, const char *path, const view_options *o);
/* The objects that the files of a view need, those that the source has as files left out, made readable: in the repository's cache or, where direct is true, in that of the source. */
int source_bring(source *s, const tree *t, const tree_entry *root, bool direct, int jobs);
/* Everything of a path into r's cache. */
typedef struct taken {
  oid id;
  uint64_t size;
  size_t files;
} taken;
int source_take(taken *what, repo *r, source *s, const char *path, int jobs);
/* Adds what lies outside of the repository, at o->out or by its own name; with o->to_remote to the remote alone. */
int add_outside(repo *r, const char *typed, const add_options *o, name_list *written);
/* Where the user stands, below the root of a repository that is read as it is (malloc'ed); "": at its root, or elsewhere. */
int source_here(char **here, const source *s);
/* A path as typed -> below the source's root (malloc'ed): from where the user stands, as source_here tells, or from the root, where s is NULL. ".." stops at the root; so do "" and what begins with '/' begin there. */
int source_path(char **path, const source *s, const char *typed);
/* A file that git or the work tree has: opened for reading, or (of a revision) its bytes. */
int source_file(int *fd, char **bytes, size_t *n, source *s, const char *path);

#endif
