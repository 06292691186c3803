/* A folder's files: names below it with what is known of each, sorted as DVC sorts them; and the directory object (.dir) that stands for it. */
#ifndef DATA_TREE_H
#define DATA_TREE_H

#include "data/md5.h"
#include "util/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TREE_HASHED = 1, TREE_EXECUTABLE = 2, TREE_SYMLINK = 4, TREE_RACY = 8 };

typedef struct tree_entry {
  const char *path; /* below the folder, with '/' */
  uint64_t size, inode;
  int64_t mtime; /* nanoseconds */
  uint8_t md5[MD5_SIZE];
  uint32_t flags;
  uint32_t links; /* how many hard links the file had */
} tree_entry;

typedef struct tree_strings tree_strings;
typedef struct tree {
  tree_entry *entries; /* sorted by path once tree_sort was called */
  size_t n, capacity;
  tree_strings *strings; /* the newest block first */
} tree;

#define TREE_INIT                                                                                                                                                                  \
  {                                                                                                                                                                                \
    NULL, 0, 0, NULL                                                                                                                                                               \
  }

tree_entry *tree_add(tree *t, const char *path, size_t n); /* a cleared entry with a copy of the path; NULL without memory. Valid until the next tree_add */
void tree_free(tree *t);
void tree_sort(tree *t); /* nothing to do when it is sorted already */
tree_entry *tree_find(const tree *t, const char *path);
/* The same for paths that come in the tree's own order, or nearly so: *next (0 at first) is where the next one probably is. */
tree_entry *tree_find_next(const tree *t, size_t *next, const char *path);
int tree_merge(tree *t, tree *more); /* both sorted, without a path in common: what is in more comes into t, sorted; more is left empty */
/* The entries below folder ("" is all): [*begin, *end). */
void tree_range(const tree *t, const char *folder, size_t *begin, size_t *end);
uint64_t tree_bytes(const tree *t); /* the sum of all sizes */
/* Order of paths as Python compares the strings: by code point, a byte that is not UTF-8 counting as the lone surrogate that Python makes of it. */
int tree_compare_paths(const char *a, const char *b);

/* The bytes of the .dir object, given to `sink` in pieces, and its md5; sink may be NULL. Entries must be sorted and hashed. */
typedef int tree_sink(void *user, const char *bytes, size_t n);
int tree_write(const tree *t, uint8_t md5[MD5_SIZE], uint64_t *size, tree_sink *sink, void *user);

/* Parses the bytes of a .dir object; `what` names it in errors. Refused with OPIS_EFORMAT: what is no such object, names that are empty, absolute, hold NUL, "." or "..", come twice, or are
 * both file and folder. tree_parse gives the tree, sorted; tree_parse_each calls `each` for one file after another, in the order of the file, without the checks that need all of them:
 * tree_parse is tree_parse_each with tree_collect, and then tree_finish. */
typedef int tree_each(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE]); /* path ends with NUL */
enum { TREE_ENTRY_LEAST = 55 /* bytes of an entry beside its name, at least */ };
int tree_parse(tree *t, const char *bytes, size_t n, const char *what);
int tree_parse_each(const char *bytes, size_t n, const char *what, tree_each *each, void *user);
int tree_collect(void *user /* a tree */, const char *path, size_t n, const uint8_t md5[MD5_SIZE]);
int tree_finish(tree *t, const char *what); /* sorts; OPIS_EFORMAT for names that come twice, or are both file and folder */

/* The same checks of names that come one by one. *sorted: false when one is not behind the one before it, and nothing can be said then. */
typedef struct tree_names {
  strbuf before;
  size_t *lengths; /* of the names that `before` begins with, its own included */
  size_t n, capacity;
} tree_names;
#define TREE_NAMES_INIT                                                                                                                                                            \
  {                                                                                                                                                                                \
    STRBUF_INIT, NULL, 0, 0                                                                                                                                                        \
  }
int tree_names_next(tree_names *s, const char *path, size_t n, const char *what, bool *sorted);
void tree_names_free(tree_names *s);

#endif
