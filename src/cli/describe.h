/* The parts of `opis describe`: where pictures come from, how answers are written, and the run that joins them. */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

#include "cli/pathset.h"

#include <opis/opis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- inputs: operands, folders, lists ---- */

typedef struct describe_inputs describe_inputs;

typedef struct describe_inputs_options {
  char *const *operands;
  int n_operands;
  bool recursive;
  const char *files_from; /* NULL: none; "-": standard input */
  bool nul_separated;     /* --files-from has NUL-terminated names */
  int shard, shards;      /* 1-based; every shards-th input beginning with the shard-th; 1, 1: all */
} describe_inputs_options;

/* One input. A named one always gets an answer; one found in a folder is left out where its content is no picture. */
typedef struct describe_input {
  char *path; /* malloc'ed; "-" is standard input */
  bool named;
} describe_input;

int describe_inputs_open(describe_inputs **out, const describe_inputs_options *o); /* *o and its strings are borrowed until close */
int describe_inputs_next(describe_inputs *in, describe_input *input);              /* 1: there is one, 0: the end, negative: the list itself cannot be read */
void describe_inputs_close(describe_inputs *in);
/* Reads "I/N" or "env" (Slurm, AWS Batch, Kubernetes). OPIS_EINVALID with words. */
int describe_shard_parse(int *shard, int *shards, const char *text);

/* ---- outputs ---- */

typedef enum describe_format { DESCRIBE_TEXT, DESCRIBE_JSON, DESCRIBE_JSONL, DESCRIBE_CSV, DESCRIBE_SIDECAR, DESCRIBE_XMP } describe_format;

typedef struct describe_output describe_output;

typedef struct describe_output_options {
  describe_format format;
  const char *file; /* NULL: standard output */
  bool single;      /* text: the description alone */
  bool resume, force;
  opis_model *model; /* for the model, model_sha256 and version keys; borrowed */
} describe_output_options;

/* One answer: either a description or an error. */
typedef struct describe_answer {
  const char *path;
  const opis_description *description; /* NULL: failed */
  int code;                            /* where it failed */
  const char *message;
  double decode_ms;
} describe_answer;

/* OPIS_EIO and the like when the file cannot be written; OPIS_EBUSY when another process writes it. With resume, what the file answers is in *done. */
int describe_output_open(describe_output **out, const describe_output_options *o, pathset *done);
/* Whether this input needs no work: answered before (resume), or its sidecar is there. OPIS_EEXISTS (an error of this input): two inputs of this run would share a sidecar. */
int describe_output_skips(describe_output *o, const char *path);
int describe_output_write(describe_output *o, const describe_answer *a);
bool describe_output_closed_pipe(const describe_output *o);
int describe_output_close(describe_output *o, bool complete); /* always frees */

/* ---- pictures ---- */

typedef struct describe_loaded {
  opis_image *image; /* NULL: failed */
  int code;
  char *message; /* malloc'ed */
  double decode_ms;
} describe_loaded;

void describe_load(describe_loaded *l, const char *path, const opis_image_options *options);

/* Begins to load a picture on a thread of its own; NULL where that is not to be. *path and *options are borrowed until free. */
typedef struct describe_ahead describe_ahead;
describe_ahead *describe_ahead_start(const char *path, const opis_image_options *options);
bool describe_ahead_is_ready(const describe_ahead *a); /* whether taking it will not wait; NULL is allowed */
/* What became of it, when it is ready: to be had once, and only for its own path; otherwise false. */
bool describe_ahead_take(describe_ahead *a, describe_loaded *l, const char *path);
void describe_ahead_free(describe_ahead *a); /* NULL is allowed */

/* ---- the run ---- */

typedef struct describe_dump describe_dump;

typedef struct describe_run {
  opis_model *model;
  const opis_options *options;
  describe_inputs *inputs;
  describe_output *output;
  describe_dump *dump;   /* NULL: none */
  describe_ahead *ahead; /* NULL: none; else of the only input */
  int jobs;              /* threads that read and decode; 1 with `ahead` */
  uint64_t total;        /* for the progress line; 0: unknown */
  /* what happened */
  uint64_t done, failed, skipped, left_alone;
} describe_run;

/* 0, OPIS_ECANCELLED after Ctrl-C, or why the job itself failed (the list or the output). Failed pictures are counted, not returned. */
int describe_run_all(describe_run *r);

/* ---- --dump ---- */

int describe_dump_new(describe_dump **out);
int describe_dump_add(describe_dump *d, opis_model *model, const opis_image *image);
int describe_dump_write(describe_dump *d, const char *file);
void describe_dump_free(describe_dump *d);

#endif
