/* The .gitignore lines that keep data out of git. */
#ifndef DATA_GITIGNORE_H
#define DATA_GITIGNORE_H

#include "data/repo.h"

/* Makes git ignore a path: "/name" at the end of its folder's .gitignore, unless git ignores it already. OPIS_ECONFLICT when git tracks it. */
int gitignore_add(repo *r, const char *rel);
/* The same for many: each .gitignore is read and written once. On an error, those of some folders are there. */
int gitignore_add_all(repo *r, const char *const *rel, size_t n);
int gitignore_check_untracked(repo *r, const char *rel);
/* Takes that line out again; a file that becomes empty goes. */
int gitignore_remove(repo *r, const char *rel);
int gitignore_remove_all(repo *r, const char *const *rel, size_t n);
/* The line for a name: glob characters and a leading # or ! escaped. malloc'ed. */
char *gitignore_line(const char *name);

#endif
