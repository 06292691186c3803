/* What is tracked: .dvc files, and the outputs of dvc.yaml with what dvc.lock says of them. */
#ifndef DATA_STAGE_H
#define DATA_STAGE_H

#include "data/repo.h"
#include "data/yaml.h"
#include "util/arena.h"

typedef struct stage stage;
struct stage_params; /* data/params.h */
struct param_source;

/* An output, or a dependency. */
typedef struct output {
  stage *stage;
  char *path;    /* root-relative; NULL when it is outside of the repository or a URL */
  char *outside; /* a dependency's: where on this machine it is, outside of the repository; NULL */
  char *written; /* as the file has it */
  oid oid;
  bool hashed; /* oid is set */
  bool legacy; /* the hash is DVC 2's md5-dos2unix */
  bool executable;
  bool cache, push;
  bool has_size, has_nfiles;
  uint64_t size, nfiles;
  char *remote;                              /* the remote it is kept on, NULL: the default one */
  const char *refused;                       /* why opis does not handle it ("cloud-versioned"); NULL: it does */
  char *repo_url, *repo_rev, *repo_rev_lock; /* dependency of an import */
  char *etag;                                /* or another checksum of a URL */
  char *checksum_key;                        /* "etag", "checksum", "md5" as written; NULL */
} output;

struct stage {
  char *file;  /* root-relative */
  char *name;  /* of a stage in dvc.yaml; NULL for a .dvc file */
  char *wdir;  /* root-relative: what paths are relative to */
  strbuf text; /* of a .dvc file; kept up to date by stage_set_output */
  bool frozen, always_changed;
  char *md5; /* a .dvc file's hash of itself, as it was read; NULL */
  char *cmd;
  bool command_changed; /* dvc.lock has another one */
  output *outs, *deps;
  size_t n_outs, n_deps;
  struct stage_params *params; /* of a stage in dvc.yaml; they live in its set's memory */
  size_t n_params;
};

typedef struct stages {
  stage **items;
  size_t n;
  arena memory;       /* of what stages of dvc.yaml take from parameter files */
  struct empty_name { /* what can be named though there may be no stage of it: pipeline files, and loops that go through nothing */
    char *file, *name;
  } * empty;
  size_t n_empty;
  bool lazy; /* what cannot be read is noted in `broken` */
  struct broken_stage {
    char *file, *name; /* name: NULL: all of the file, "": nothing that could be named */
    char *why;
    int code;
  } * broken;
  size_t n_broken;
  map outs, above, files; /* outputs by their paths; by the folders above them (one of several); stages by their files (the first) */
} stages;                 /* all zero: empty */

bool stage_is_import(const stage *s);               /* one output from one dependency, and no command */
char *stage_address(const repo *r, const stage *s); /* as DVC shows it: "data.dvc", "dir/dvc.yaml:train", "train"; malloc'ed */
char *output_shown(const repo *r, const output *o); /* malloc'ed */

/* Parses a .dvc file's text. rel: its root-relative path. Absolute paths, and those that lead out, have no place before stage_locate says where the repository is (root: absolute). */
int stage_parse(stage **out, const char *rel, const char *text, size_t n);
int stage_locate(stage *s, const char *root);
/* Parses dvc.yaml and, when there is one, dvc.lock (NULL otherwise); appends its stages as templates, foreach and matrix make them. source: where the parameter files are that they take values from. */
int stage_parse_pipeline(stages *set, const char *rel, const char *yaml, size_t yaml_n, const char *lock, size_t lock_n, const struct param_source *source);
void stage_free(stage *s);
void stages_free(stages *set);
int stages_note_broken(stages *set, const char *file, const char *name, int code); /* with the present error message; 0 in a lazy set, else code */
int stages_note_empty(stages *set, const char *file, const char *name);            /* name NULL: the file itself */
int stages_append(stages *set, stage *s);                                          /* takes it over, also when it fails */

/* All of the work tree's, or (revision: 40 digits) of a commit's. Sorted as found. Outputs that overlap are an error, as with DVC. */
int stages_load(stages *set, repo *r);
int stages_load_lazily(stages *set, repo *r); /* the same, for targets_collect: of what cannot be read, only what is asked for is an error */
int stages_check(const stages *set);          /* what was noted so, as an error */
int stages_load_revision(stages *set, repo *r, const char *hex);
int stage_load_file(stage **out, const repo *r, const char *rel); /* one .dvc file */

/* A new .dvc file's stage for one output beside it; not yet written. */
int stage_new(stage **out, const char *dvc_rel, const char *written);
#define SIZE_UNKNOWN UINT64_MAX
/* What was found goes into the output and the text: md5, size (where it is known), nfiles, isexec, hash. */
int stage_set_output(stage *s, size_t i, const oid *o, uint64_t size, uint64_t nfiles, bool executable);
int stage_measure_output(stage *s, size_t i, uint64_t size, uint64_t nfiles, bool executable); /* the same but for the hash, which is still right and of its kind */
/* The same of a dependency, with its path as DVC writes it. */
int stage_set_dependency(stage *s, size_t i, const oid *o, uint64_t size, uint64_t nfiles, bool executable);
/* A stage that moved: the paths of its dependencies lead from where it is now to what they meant for `before` (located; the same dependencies). */
int stage_follow_dependencies(stage *s, const stage *before, const char *root);
int stage_set_path(stage *s, size_t i, const char *written);
/* Whether a stage file may be there: not where git would never see it. OPIS_EINVALID. */
struct gitignored; /* data/scan.h */
int stage_check_place(repo *r, const char *file);
int stage_check_place_among(struct gitignored *g, repo *r, const char *file); /* one of many: rules already read are in g */
int stage_save(repo *r, stage *s);                                            /* writes the .dvc file, durable, and touches it for git */

/* The output whose path is exactly this, or that holds this path; NULL. */
output *stages_find(const stages *set, const char *rel, bool exact);
output *stages_find_below(const stages *set, const char *rel); /* one that lies in this folder; NULL */
/* Whether a path can become an output of the stage file: no other stage's output is there, above or below (OPIS_ECONFLICT), and it has no stage file's name (OPIS_EINVALID). */
int stages_check_free(const stages *set, const char *rel, const char *file);

/* Targets as DVC takes them: .dvc files, names of stages, outputs, paths inside of outputs, with recursive also folders. No targets: everything. Each output is there once, where it was named first. */
typedef struct selection { /* paths inside of an output, relative to it, sorted as bytes; none: all of it */
  char **paths;
  size_t n;
} selection;
bool selection_has(const selection *s, const char *path); /* whether it is named, or lies in what is named; s may be NULL */
typedef struct target {
  output *out;
  selection parts;
} target;
typedef struct targets {
  target *items;
  size_t n;
  struct bare_stage { /* stages without outputs that were named */
    stage *stage;
    size_t before; /* the item that comes next */
  } * bare;
  size_t n_bare;
} targets;
int targets_collect(targets *t, repo *r, const stages *set, char *const *names, int n, bool recursive, bool with_deps);
/* The same of names that may be nothing here: absent[i] becomes true of those. NULL: they are an error, OPIS_ENOTFOUND. */
int targets_collect_known(targets *t, repo *r, const stages *set, char *const *names, int n, bool recursive, bool with_deps, bool *absent);
void targets_free(targets *t);

#endif
