/* Files: read whole, mapped, and replaced (never overwritten). */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include "util/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Reads a whole file (or pipe) of at most max bytes. *bytes is malloc'ed with a NUL behind the last byte. OPIS_ELIMIT when there is more. */
int file_read(char **bytes, size_t *size, const char *path, uint64_t max);
/* The same from an open descriptor; `what` names it in errors. Does not close it. */
int file_read_fd(char **bytes, size_t *size, int fd, const char *what, uint64_t max);
int file_append(strbuf *to, const char *path, uint64_t max); /* a whole file behind what is there */

/* A file mapped read-only. An empty file has data NULL and size 0. */
typedef struct file_map {
  const uint8_t *data;
  size_t size;
} file_map;
int file_map_open(file_map *map, const char *path);
void file_map_close(file_map *map);
/* The bytes [begin, end) have been read: they no longer count as this process's memory. Whoever reads them again has them again. */
void file_map_passed(const file_map *map, size_t begin, size_t end);

/* Replacing a file: everything is written under a temporary name in the same folder, and renamed over `path` at commit. A kill at any moment leaves the old file or the new one.
 * Devices and pipes, and whatever is called /dev/…, are written in place.
 *
 *   file_replacement r;
 *   if (file_replace_open(&r, path, 0666) < 0) return …;
 *   … write to r.fd, or fdopen(dup(r.fd)) …
 *   return ok ? file_replace_commit(&r, true) : (file_replace_abort(&r), error);
 */
typedef struct file_replacement {
  int fd;
  char *path, *temporary;
} file_replacement;
int file_replace_open(file_replacement *r, const char *path, mode_t mode); /* mode is subject to the umask */
int file_replace_commit(file_replacement *r, bool sync);                   /* sync: fsync the file before and its folder after the rename */
void file_replace_abort(file_replacement *r);
int file_replace(const char *path, const void *bytes, size_t size, mode_t mode, bool sync); /* all of it in one call */

int file_write_all(int fd, const void *bytes, size_t size, const char *what); /* all bytes, EINTR and short writes handled */
int file_make_folders(const char *path, mode_t mode);                         /* mkdir -p */
char *file_behind(
  const char *path); /* where a symbolic link leads, to replace that and not the link: malloc'ed; the path itself when it is none, or leads nowhere. NULL without memory */
bool file_is_folder(const char *path);                              /* follows links */
bool file_exists(const char *path);                                 /* follows links */
int path_join(char **joined, const char *folder, const char *name); /* malloc'ed; an absolute name stays as it is */

/* The folder of the account that runs this, as the system's list has it, "/" where it has none; and the user's home, which is $HOME where that is set. malloc'ed; NULL: no memory. */
char *file_account_home(void);
char *file_home(void);

#endif
