/* Looking at the work tree: which files a folder has, and what is in them. */
#ifndef DATA_SCAN_H
#define DATA_SCAN_H

#include "data/repo.h"
#include "data/tree.h"

/* What a path is. */
typedef enum path_kind { PATH_MISSING, PATH_FILE, PATH_FOLDER, PATH_OTHER } path_kind;
path_kind scan_kind(const repo *r, const char *rel); /* a link counts as what it leads to; a broken one is PATH_MISSING */

/* The .dvcignore rules that hold inside a folder: those of the root, and of every folder down to it. */
typedef struct ignore_chain {
  ignore *levels; /* the outermost first */
  size_t n;
} ignore_chain;
int ignore_chain_open(ignore_chain *c, const repo *r, const char *rel, const char *file, bool strip); /* file: ".dvcignore" or ".gitignore" */
void ignore_chain_close(ignore_chain *c);
const ignore *ignore_chain_last(const ignore_chain *c); /* NULL when there is no rule at all */
/* Whether DVC passes over this path (its own rule or one above it): .dvcignore, .git, .hg, .dvc. */
int scan_is_ignored(bool *ignored, const repo *r, const char *rel, bool is_folder);
/* Whether git does, by its .gitignore files and .git/info/exclude. */
int scan_is_gitignored(bool *ignored, const repo *r, const char *rel, bool is_folder);
/* The same for many paths, whose rules are read once as long as they are in one folder. All zero: nothing is read yet. */
typedef struct gitignored {
  char *folder; /* below git's work tree; NULL: none */
  ignore_chain chain;
  ignore exclude;
} gitignored;
int gitignored_test(bool *ignored, gitignored *g, const repo *r, const char *rel, bool is_folder);
void gitignored_close(gitignored *g);

/* Every file below a folder that DVC would take: links to files count as files, links to folders and ignored ones are left out. Sorted; sizes, inodes and times filled in. OPIS_EINVALID for a
 * .dvcignore inside, a broken link, and what is neither file nor folder. */
int scan_folder(tree *t, const repo *r, const char *rel);
/* One file, as a tree whose only entry has the path "". */
int scan_file(tree *t, const repo *r, const char *rel);

/* Fills in the md5 of every entry: from the private index where inode, size and time are the same, else by reading. rel is the folder (or the file) that t was scanned from. legacy: the hash of
 * DVC 2. store: also puts what is missing there into that store; NULL: only hashes. The index is brought up to date. */
int scan_hash(tree *t, repo *r, const char *rel, bool legacy, odb *store);
/* The same of what is not ours: dependencies, and outputs that are not in the cache. Nothing that belongs to outputs is remembered of it; name: what the index calls it. */
int scan_hash_foreign(tree *t, repo *r, const char *rel, const char *name, bool legacy);

/* Writes the index from a tree whose entries are known to be right (after a checkout). */
int scan_remember(const tree *t, const repo *r, const char *rel, bool legacy);

/* The whole work tree for files named *.dvc and dvc.yaml, as DVC looks for them: not below ignored folders (by DVC or git). `leave_out` says of a folder whether it is an output. each: root-relative
 * path; files of a folder come before its folders. */
int scan_stages(const repo *r, int (*each)(void *user, const char *rel), bool (*leave_out)(void *user, const char *rel), void *user);

#endif
