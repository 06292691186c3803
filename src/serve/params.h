/* The parameters of a description over HTTP: one table, from which requests are read and /openapi.json is written. Names are those of `opis describe`, with _ for -. */
#ifndef SERVE_PARAMS_H
#define SERVE_PARAMS_H

#include <opis/opis.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct params {
  opis_options options; /* prompt points at `prompt` below */
  char *model;          /* NULL: the default one */
  char *prompt;
  bool stream;
  unsigned given; /* bit i: entry i of the table was given */
} params;

typedef enum param_type { PARAM_INT, PARAM_NUMBER, PARAM_BOOL, PARAM_STRING, PARAM_EARLY_STOPPING } param_type;

typedef struct param_entry {
  const char *name;
  param_type type;
  size_t offset; /* in params */
  double min, max;
  const char *description;
} param_entry;

extern const param_entry param_table[]; /* ended by name NULL */

void params_init(params *p);
void params_free(params *p);

/* Sets one parameter from its text (n bytes). OPIS_EINVALID: unknown, given twice, or a value that is none; OPIS_ENOMEM. */
int params_set(params *p, const char *name, const char *value, size_t n);

#endif
