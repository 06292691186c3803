/* How far work on many files is: counted by its threads, told by the repository's hook. */
#ifndef DATA_PROGRESS_H
#define DATA_PROGRESS_H

#include "data/repo.h"
#include "data/watch.h"

#include <stdatomic.h>

typedef struct progress {
  const repo *r;
  const char *what;            /* "Adding"; lives as long as the program */
  uint64_t of_files, of_bytes; /* 0: not known */
  atomic_ullong files, bytes;
} progress;

/* So many more files are done, and bytes that no watch has told. */
void progress_add(progress *p, uint64_t files, uint64_t bytes);
/* A watch's function, of a progress: counts the bytes; OPIS_ECANCELLED when the work is to end. */
int progress_bytes(void *user, uint64_t n);

#endif
