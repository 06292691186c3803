/* How files come out of the store into the work tree (place_files.c), between what decides which (place.c, place_whole.c). Not for other parts of the room: objects.h has what they call. */
#ifndef DATA_PLACE_H
#define DATA_PLACE_H

#include "data/objects.h"
#include "data/progress.h"
#include "data/temporary.h"

#include <stdatomic.h>

typedef struct placing {
  repo *r;
  odb *db;
  tree *want;
  const tree *have;
  size_t *todo; /* entries of want to be made */
  size_t n;
  int folder;       /* what paths are relative to; -1 */
  const char *name; /* of the file when the tree is a single one */
  const char *rel;
  int temporary; /* .dvc/tmp/opis/place; -1 */
  char tag[TEMPORARY_TAG];
  mode_t mode; /* of copies */
  bool relink;
  progress done;
  atomic_int code;
  atomic_int type; /* index into db->types: the first one that works here */
  char message[1024];
} placing;

/* The folder that paths are relative to: the output's own, or, for a single file, the one it is in. Made when it is not there. */
int placing_open_folder(placing *p, const char *rel, bool single);
int placing_open_temporary(placing *p);
void placing_close(placing *p);

/* Makes the files todo[0..n), on all cores; with folders, also the folders they are in. */
int placing_run(placing *p, bool folders);
/* Takes a file away, and folders that became empty by it. */
int placing_remove_file(const placing *p, const char *path);
const char *placing_path(const placing *p, const tree_entry *e);
/* With --relink: whether a file is not the kind of link that the cache's first type gives. */
bool placing_wrong_link(const placing *p, const tree_entry *have);
/* Files that are nowhere else must not be lost: OPIS_ECONFLICT, with their names, when one of have->entries[gone[0..n)] is not in the store. */
int placing_check_saved(placing *p, const tree *have, const size_t *gone, size_t n);
/* Takes a folder away when there is nothing but empty folders in it. */
bool placing_remove_empty(int folder, const char *path);
int placing_report(changes *c, const repo *r, const char *rel, bool folder, char kind);

#endif
