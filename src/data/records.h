/* Stage files on their way to the disk: many at once, so that each .gitignore is written once and the disk waited for once. */
#ifndef DATA_RECORDS_H
#define DATA_RECORDS_H

#include "data/data.h"

typedef struct record {
  output *o;
  bool own, save; /* own: its stage is freed with the list; save: not only the .gitignore line */
} record;
typedef struct records {
  record *items;
  size_t n, capacity;
} records; /* all zero: empty */

/* An output whose objects are in the store; each once. With own, its stage is taken over, also when it fails. */
int records_add(records *l, output *o, bool own, bool save);
/* Objects, .gitignore lines, stage files, in this order; written: the files, as the user sees them, may be NULL. */
int records_save(records *l, repo *r, name_list *written);
void records_free(records *l);

#endif
