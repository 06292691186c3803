/* Repositories elsewhere, by git as a program. */
#ifndef DATA_CLONE_H
#define DATA_CLONE_H

/* Clones url into the folder `work`, which must not be there, and checks out a revision by any name it has there (NULL: the default branch). OPIS_ENETWORK, with git's own words on stderr; OPIS_ENOTFOUND for the revision. */
int clone_into(const char *work, const char *url, const char *rev);
/* The commit that a branch or tag of url is now (NULL: its HEAD), without cloning; a commit is itself. "" when there is none of that name. */
int clone_newest(char hex[41], const char *url, const char *rev);

#endif
