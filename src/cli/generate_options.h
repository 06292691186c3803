/* Options that describe and whatever else describes pictures have in common: the model, the search, how pictures are read. */
#ifndef CLI_GENERATE_OPTIONS_H
#define CLI_GENERATE_OPTIONS_H

#include "cli/cli.h"

#include <opis/opis.h>

enum {
  GENERATE_BEAMS = 1000,
  GENERATE_LONGEST, /* decode/generate.h has a GENERATE_MAX_LENGTH */
  GENERATE_MIN_LENGTH,
  GENERATE_LENGTH_PENALTY,
  GENERATE_EARLY_STOPPING,
  GENERATE_NO_REPEAT_NGRAM,
  GENERATE_REPETITION_PENALTY,
  GENERATE_PROMPT,
  GENERATE_PRECISION,
  GENERATE_THREADS,
  GENERATE_JOBS,
  GENERATE_NO_ORIENT,
  GENERATE_MAX_PIXELS,
  GENERATE_MAX_BYTES,
  GENERATE_TIMEOUT
};

/* Rows of a command's table, in the order of its help: what is said, and how. */
#define GENERATE_SEARCH_OPTIONS                                                                                                                                                    \
  {'m', "model", "MODEL", "use this model: a name of 'opis model list', a hub folder, a GGUF file (default: $OPIS_MODEL, else opis-small)", CLI_COMPLETE_MODEL},                   \
    {GENERATE_BEAMS, "beams", "N", "keep the N best beginnings of a sentence while searching; 1 is greedy (default: the model's)", 0},                                             \
    {GENERATE_LONGEST, "max-length", "N", "stop at N tokens, start token and prompt included (default: the model's)", 0},                                                          \
    {GENERATE_MIN_LENGTH, "min-length", "N", "do not end before N tokens", 0},                                                                                                     \
    {GENERATE_LENGTH_PENALTY, "length-penalty", "X", "divide a sentence's score by its length to the power X: above 0 favours longer ones", 0},                                    \
    {GENERATE_EARLY_STOPPING, "early-stopping", "[=true|false|never]", "stop when enough sentences have ended; =never: only when no better one can come; =false: by a guess", 0},  \
    {GENERATE_NO_REPEAT_NGRAM, "no-repeat-ngram", "N", "let no N tokens in a row come twice", 0},                                                                                  \
    {GENERATE_REPETITION_PENALTY, "repetition-penalty", "X", "make tokens less likely that were there already; 1 is none", 0},                                                     \
    {GENERATE_PROMPT, "prompt", "TEXT", "begin the description with TEXT, where the model's family takes a prompt", 0},                                                            \
    {GENERATE_PRECISION, "precision", "f32|q8", "compute in 32-bit floats or 8-bit integers (default: as the weights are stored)", 0},                                             \
    {GENERATE_THREADS, "threads", "N", "use N threads for a picture (default: every core this process may use)", 0},                                                               \
  {                                                                                                                                                                                \
    GENERATE_JOBS, "jobs", "N", "read and decode N pictures at a time, beside describing (default: 2)", 0                                                                          \
  }
#define GENERATE_PICTURE_OPTIONS                                                                                                                                                   \
  {GENERATE_NO_ORIENT, "no-orient", NULL, "do not turn pictures upright by their EXIF orientation", 0},                                                                            \
    {GENERATE_MAX_PIXELS, "max-pixels", "N", "refuse pictures of more pixels (default: 178956970)", 0},                                                                            \
    {GENERATE_MAX_BYTES, "max-bytes", "N", "refuse files of more bytes, such as 500M (default: 200M)", 0},                                                                         \
  {                                                                                                                                                                                \
    GENERATE_TIMEOUT, "timeout", "S", "give a picture up after S seconds", 0                                                                                                       \
  }

typedef struct generate_settings {
  const char *model;
  opis_model_options load;
  opis_options generate;
  int jobs;
} generate_settings;

#define GENERATE_SETTINGS_INIT                                                                                                                                                     \
  {                                                                                                                                                                                \
    NULL, OPIS_MODEL_OPTIONS_INIT, OPIS_OPTIONS_INIT, 2                                                                                                                            \
  }

/* One option into the settings: 1 taken, 0 none of these, -1 its value is wrong (already said). */
int generate_option(const cli_args *a, int id, generate_settings *s);

#endif
