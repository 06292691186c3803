/* The private index: what files were in the work tree and what their content was, so that nothing unchanged is read again. A cache and no contract: it may be deleted at any time, and anything
 * unexpected in it counts as an empty one. One file an output, below .dvc/tmp. */
#ifndef DATA_INDEX_H
#define DATA_INDEX_H

#include "data/repo.h"
#include "data/tree.h"

/* Copies the md5 of every file that has the same inode, size and time as when it was hashed. *same: all entries were found, and the index has no others. */
int index_apply(tree *t, const repo *r, const char *rel, bool legacy, bool *same);
/* Writes the hashed entries. Those that were changed so shortly before they were read that a later change could have the same time (TREE_RACY) are left out, and so read again next time. */
int index_save(const tree *t, const repo *r, const char *rel, bool legacy);
int index_save_both(const tree *t, const tree *more, const repo *r, const char *rel, bool legacy); /* of two trees as if they were one; at most one hashed entry a path */
/* Whether a file of this time, looked at now, could still change without its time showing it. */
bool index_racy(int64_t mtime);
#define INDEX_FOREIGN "/" /* begins the name of what is looked at but never was an output: index_each passes over it, so that nobody takes it for one of another revision */
/* Every output that the index knows; and forgetting one. */
int index_each(const repo *r, int (*each)(void *user, const char *rel, bool legacy), void *user);
int index_forget(const repo *r, const char *rel);

#endif
