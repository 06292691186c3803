/* What was measured before, in an SQLite file: a picture whose size, times and inode are as they were is not read again. A broken or foreign file is treated as empty. Not thread-safe. */
#ifndef CHECK_INDEX_H
#define CHECK_INDEX_H

#include "check/check.h"

typedef struct check_index check_index;

int check_index_open(check_index **out, const char *file, const char *root); /* OPIS_EIO; the folder of the file is made */
bool check_index_get(check_index *x, check_file *f);                         /* true: f->facts are filled in */
int check_index_put(check_index *x, const check_set *set);                   /* exactly the set's readable files of this root */
void check_index_close(check_index *x);                                      /* NULL is allowed */

#endif
