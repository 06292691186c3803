/* Patterns of .gitignore and .dvcignore files. */
#ifndef DATA_IGNORE_H
#define DATA_IGNORE_H

#include "util/map.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether a pattern (as git's, without the leading '!' and the trailing '/') matches a path relative to the folder of its file. */
bool ignore_match(const char *pattern, const char *path);

/* The patterns of one folder and of those above it; a child refers to its parent, which must outlive it. */
typedef struct ignore_rule ignore_rule;
typedef struct ignore {
  const struct ignore *parent;
  ignore_rule *rules;
  size_t n;
  map whole, last; /* rules that are mere names, by number: of the whole path below the file, of the last name */
  size_t *others;  /* the numbers of all the rest */
  size_t n_others;
  size_t depth; /* bytes of the folder's path below the top, its slash included: what is cut off before matching */
} ignore;

/* Adds the rules of a file's text. Lines are those of git: '#' comments, '!' takes back, a trailing '/' is for folders only, a '/' elsewhere ties to the folder. */
int ignore_add(ignore *g, const char *text, size_t n);
/* The same; strip: as DVC reads a .dvcignore: lines lose blanks at both ends, and what is taken back is so with everything
 * below it. */
int ignore_add_text(ignore *g, const char *text, size_t n, bool strip);
/* Adds the rules of a file; one that is not there has none. */
int ignore_add_file(ignore *g, int folder, const char *name, bool strip);
void ignore_free(ignore *g);

/* path: below the top folder (where the outermost ignore stands). The last rule that matches decides, the innermost file first. */
bool ignore_test(const ignore *g, const char *path, bool is_folder);

#endif
