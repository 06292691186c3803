/* What the .dvcignore files of a commit hide in it. */
#ifndef DATA_GIT_IGNORE_H
#define DATA_GIT_IGNORE_H

#include "data/repo.h"

typedef struct git_ignore_level git_ignore_level;
typedef struct git_ignore {
  git_ignore_level *levels; /* one for each .dvcignore, outer ones first */
  size_t n;
} git_ignore;

/* Reads them; git_ignore_close in any case. */
int git_ignore_open(git_ignore *g, repo *r, const char *hex);
void git_ignore_close(git_ignore *g);
/* Whether the path, which is relative to the repository's root, or a folder that it is in is ignored. */
int git_ignore_test(bool *hidden, const git_ignore *g, const char *path, bool is_folder);

#endif
