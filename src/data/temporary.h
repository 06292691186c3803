/* Temporary files that several processes, containers and machines may be writing in one folder: each name tells whose it is, so that what a killed process left can be swept, and nothing else is. */
#ifndef DATA_TEMPORARY_H
#define DATA_TEMPORARY_H

#include "util/file.h"

enum { TEMPORARY_TAG = 17, TEMPORARY_NAME = 64 };

/* Names where process numbers mean the same: this start of this machine, this container. */
void temporary_tag(char tag[TEMPORARY_TAG]);
void temporary_name(char name[TEMPORARY_NAME], const char *tag, unsigned n);
/* Takes away what processes left that are no more: those with our tag whose number nobody has (or is our own: call it before the first name is used), others when they are days old. */
void temporary_sweep(int folder, const char *tag);

/* A new file in `folder` (below `at`) that has no name, open for reading and writing, of this mode but for the umask: nobody sees it, and nothing is left of it when the process is killed. -1 and
 * errno where that cannot be; EOPNOTSUPP: file systems that do not know such files. */
int temporary_nameless(int at, const char *folder, mode_t mode);
/* Gives an open file a (further) name. False and errno where that cannot be: EEXIST when something has it. */
bool temporary_link(int fd, int at, const char *name);

/* file_replace and file_replace_open (util/file.h) with the temporary file in another folder, which is made, when that is on the same file system, else beside the path: so that a kill leaves no
 * strange name among what git sees. */
int temporary_replace_open(file_replacement *f, const char *path, const char *folder, mode_t mode);
int temporary_replace(const char *path, const char *folder, const void *bytes, size_t n, bool sync);

#endif
