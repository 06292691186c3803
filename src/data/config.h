/* DVC's configuration: ini files at four levels, later ones winning. Edits keep comments and the order of what is there. */
#ifndef DATA_CONFIG_H
#define DATA_CONFIG_H

#include "util/strbuf.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum config_level { CONFIG_SYSTEM, CONFIG_GLOBAL, CONFIG_REPO, CONFIG_LOCAL, CONFIG_LEVELS } config_level;

typedef struct config_item {
  char *section; /* lower case: "core", "cache"; a remote's is "remote", and `name` says which */
  char *name;    /* of `remote "name"` and `machine "name"`, in lower case as DVC takes it; "" otherwise */
  char *key;     /* lower case */
  char *value;   /* unquoted; paths as written */
  config_level level;
} config_item;

typedef struct config {
  config_item *items; /* in the order of levels, files and lines */
  size_t n;
  char *files[CONFIG_LEVELS]; /* where each level is or would be; NULL without a repository */
} config;

/* Reads all levels that exist. dvc: the .dvc folder, NULL outside of a repository. OPIS_EFORMAT with file and line for what is no such file. */
int config_load(config *c, const char *dvc);
void config_free(config *c);

/* The value that counts; NULL when it is not set. Names of keys in lower case. name: "" but for remotes. */
const char *config_get(const config *c, const char *section, const char *name, const char *key);
const config_item *config_find(const config *c, const char *section, const char *name, const char *key); /* with its level */
bool config_true(const config *c, const char *section, const char *key, bool otherwise);
bool config_has_remote(const config *c, const char *name);
/* The value as a path: ~ expanded, relative ones resolved against the folder of the file that has it. URLs stay. malloc'ed; *path NULL when it is not set. */
int config_path(char **path, const config *c, const char *section, const char *name, const char *key);
int config_item_path(char **path, const config *c, const config_item *i); /* the same of one item */

/* Edits one file's text, which may be empty. value NULL takes the key out, and the section when nothing is left in it; key NULL takes the whole section out. *found: whether there was
 * something to take out. */
int config_edit(strbuf *text, const char *section, const char *name, const char *key, const char *value, bool *found);
int config_rename_section(strbuf *text, const char *section, const char *from, const char *to, bool *found);
/* One entry of a file, which may be several lines long; everything malloc'ed. */
typedef struct config_line {
  enum { CONFIG_NOTHING, CONFIG_SECTION, CONFIG_KEY } kind; /* nothing: a comment, an empty line, or what is wrong */
  char *section, *name;                                     /* of a section, as written */
  char *key, *value;                                        /* of a key, as written but for quotes and a comment */
  const char *wrong;                                        /* what is wrong with the line; NULL: nothing. Static. */
  const char *end;                                          /* where the next entry begins */
  size_t lines;                                             /* how many lines this one has */
} config_line;

/* The entry that begins at p; p < end. OPIS_ENOMEM. config_line_free in any case. */
int config_next_line(config_line *l, const char *p, const char *end);
void config_line_free(config_line *l);

/* Parses text into items (appended), for one level. `what` names it in errors. */
int config_parse(config *c, const char *text, size_t n, config_level level, const char *what);

/* Reads the file of a level (missing: empty), and replaces it. */
int config_read_level(strbuf *text, const config *c, config_level level);
int config_write_level(const config *c, config_level level, const strbuf *text);

/* "core.remote" and "remote.NAME.url" taken apart; malloc'ed strings. OPIS_EINVALID for what is neither. */
int config_split(char **section, char **name, char **key, const char *dotted);

#endif
