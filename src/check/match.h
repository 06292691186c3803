/* Inside the room: which picture a name in a list means. */
#ifndef CHECK_MATCH_H
#define CHECK_MATCH_H

#include "check/check.h"

typedef struct match_name {
  const char *s;
  size_t length, file;
} match_name;

typedef struct check_match {
  const check_set *set;
  match_name *bases, *stems, *base_stems, *numbers; /* sorted: names without folders, without extensions, without both, the number at their end */
  size_t n, n_numbers;
} check_match;

int check_match_make(check_match *m, const check_set *set);
void check_match_free(check_match *m);
/* By path, else by file name, else by what stands before the extension, else (digits alone, as COCO's results have them) by the number at the end of the name. SIZE_MAX: none;
 * *several says that it is because more than one fits. */
size_t check_match_find(const check_match *m, const char *name, bool *several);

#endif
