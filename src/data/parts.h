/* Parts of a tracked folder, recorded anew: files or folders in it; the rest of its list stays as it was recorded. */
#ifndef DATA_PARTS_H
#define DATA_PARTS_H

#include "data/objects.h"

typedef struct parts {
  repo *r;
  output *o;        /* NULL: nothing is open */
  tree list, taken; /* what was recorded, and what was taken since */
  map places;       /* of taken, by path: the last one */
  map above;        /* the folders above what was taken */
  uint64_t size;    /* of all files; SIZE_UNKNOWN */
  bool changed;
} parts;

/* The list as it is recorded comes from the cache, or the remote. OPIS_ENOTFOUND: it is nowhere. OPIS_ECONFLICT: the output is no folder. */
int parts_open(parts *p, repo *r, output *o);
/* inside: root-relative. What is there is hashed and (store) goes into the store; what is there no more leaves the list. OPIS_ENOTFOUND: it is neither there nor in the list. */
int parts_take(parts *p, const char *inside, bool store, bool relink);
/* The new list into the stage (not yet saved) and (store) the store. */
int parts_save(parts *p, bool store);
void parts_close(parts *p);

#endif
