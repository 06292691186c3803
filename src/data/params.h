/* Parameters: files of values (YAML, JSON, TOML, Python), and how what stages take of them differs from what dvc.lock has. */
#ifndef DATA_PARAMS_H
#define DATA_PARAMS_H

#include "data/config.h"
#include "data/value.h"

#define PARAMS_DEFAULT "params.yaml"

/* Where parameter files come from: the work tree, or a revision. */
typedef struct param_source {
  /* path: root-relative, or absolute outside of the repository. *bytes is malloc'ed. OPIS_ENOTFOUND. */
  int (*read)(void *user, char **bytes, size_t *n, const char *path);
  void *user;
  const char *root;     /* absolute */
  const config *config; /* for "parsing"; may be NULL */
} param_source;

/* The path that the source is asked for, of one relative to a folder (root-relative). malloc'ed. */
int param_file_locate(char **at, const param_source *source, const char *folder, const char *path);
/* A file of the source. The name says of which kind it is: .json, .toml, .py, all else YAML. One with nothing in it gives an empty dict. OPIS_ENOTFOUND, and value.h's errors. */
int param_file_read(const value **out, arena *a, const param_source *source, const char *at);
int param_file_parse(const value **out, arena *a, const char *name, const char *bytes, size_t n); /* name: also for errors */

/* What a stage takes of one file. */
typedef struct stage_params {
  const char *written;
  const value *keys;   /* strings; none: all of the file */
  const value *locked; /* dvc.lock's: a dict; NULL: it has none */
} stage_params;
/* A stage's "params" as one entry a file, in DVC's order. lock: the stage's in dvc.lock, or NULL. OPIS_EFORMAT. */
int stage_params_parse(stage_params **out, size_t *n, arena *a, const value *list, const yaml_node *lock, const char *what);

/* What differs, key by key in DVC's order: each gets "new", "modified" or "deleted". data: the file's content. */
int stage_params_compare(const stage_params *p, arena *a, const value *data, int (*each)(void *user, const char *key, const char *state), void *user);

#endif
