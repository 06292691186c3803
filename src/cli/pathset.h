/* Counted strings: which paths were answered, and how often. Not thread-safe. */
#ifndef CLI_PATHSET_H
#define CLI_PATHSET_H

#include "util/map.h"

typedef struct pathset {
  map counts; /* its keys are owned */
} pathset;    /* all zero: empty */

int pathset_add(pathset *s, const char *path);   /* 1: it is there now for the first time, 0: once more than before, OPIS_ENOMEM */
bool pathset_take(pathset *s, const char *path); /* one less of it; false when there is none left */
void pathset_free(pathset *s);

#endif
