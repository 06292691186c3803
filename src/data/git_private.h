/* What the files of git.h share: libgit2's functions, found at run time. */
#ifndef DATA_GIT_PRIVATE_H
#define DATA_GIT_PRIVATE_H

#include "data/git.h"

#include <git2.h>

#define GIT_FUNCTIONS(F)                                                                                                                                                           \
  F(git_libgit2_init)                                                                                                                                                              \
  F(git_error_last)                                                                                                                                                                \
  F(git_repository_open)                                                                                                                                                           \
  F(git_repository_free)                                                                                                                                                           \
  F(git_repository_index)                                                                                                                                                          \
  F(git_index_read)                                                                                                                                                                \
  F(git_index_write)                                                                                                                                                               \
  F(git_index_free)                                                                                                                                                                \
  F(git_index_find_prefix)                                                                                                                                                         \
  F(git_index_get_bypath)                                                                                                                                                          \
  F(git_index_add_bypath)                                                                                                                                                          \
  F(git_index_remove_bypath)                                                                                                                                                       \
  F(git_revparse_single)                                                                                                                                                           \
  F(git_object_peel)                                                                                                                                                               \
  F(git_object_free)                                                                                                                                                               \
  F(git_object_id)                                                                                                                                                                 \
  F(git_oid_tostr)                                                                                                                                                                 \
  F(git_oid_fromstr)                                                                                                                                                               \
  F(git_commit_lookup)                                                                                                                                                             \
  F(git_commit_tree)                                                                                                                                                               \
  F(git_commit_time)                                                                                                                                                               \
  F(git_commit_free)                                                                                                                                                               \
  F(git_tree_free)                                                                                                                                                                 \
  F(git_tree_walk)                                                                                                                                                                 \
  F(git_tree_entry_name)                                                                                                                                                           \
  F(git_tree_entry_type)                                                                                                                                                           \
  F(git_tree_entry_bypath)                                                                                                                                                         \
  F(git_tree_entry_id)                                                                                                                                                             \
  F(git_tree_entry_free)                                                                                                                                                           \
  F(git_blob_lookup)                                                                                                                                                               \
  F(git_blob_rawcontent)                                                                                                                                                           \
  F(git_blob_rawsize)                                                                                                                                                              \
  F(git_repository_commondir)                                                                                                                                                      \
  F(git_repository_config_snapshot)                                                                                                                                                \
  F(git_repository_state)                                                                                                                                                          \
  F(git_config_get_string)                                                                                                                                                         \
  F(git_config_free)                                                                                                                                                               \
  F(git_repository_odb)                                                                                                                                                            \
  F(git_odb_free)                                                                                                                                                                  \
  F(git_odb_read_header)                                                                                                                                                           \
  F(git_tree_entry_filemode)                                                                                                                                                       \
  F(git_tree_lookup)                                                                                                                                                               \
  F(git_tree_id)                                                                                                                                                                   \
  F(git_odb_hash)                                                                                                                                                                  \
  F(git_oid_equal)                                                                                                                                                                 \
  F(git_blob_free)                                                                                                                                                                 \
  F(git_revwalk_new)                                                                                                                                                               \
  F(git_revwalk_free)                                                                                                                                                              \
  F(git_revwalk_push)                                                                                                                                                              \
  F(git_reference_foreach_name)                                                                                                                                                    \
  F(git_revwalk_push_head)                                                                                                                                                         \
  F(git_revwalk_next)                                                                                                                                                              \
  F(git_revwalk_sorting)                                                                                                                                                           \
  F(git_revwalk_simplify_first_parent)                                                                                                                                             \
  F(git_reference_name_to_id)

struct git {
  void *library;
  git_repository *repository;
  git_index *index;
  char *prefix;     /* the root's path below git's work tree, with a '/' at the end; "" when they are the same */
  git_tree *folder; /* the last one that git_find looked into: libgit2 reads a large one anew each time */
  char folder_hex[41], *folder_path;
#define GIT_MEMBER(name) __typeof__(name) *name;
  GIT_FUNCTIONS(GIT_MEMBER)
#undef GIT_MEMBER
};

int git_failed(const git *g, const char *what); /* the error message from git's own words; returns the code */
/* A path (as git knows it) in the tree of a commit, in hexadecimal digits. *found: false when it has none. */
int git_find(bool *found, git_oid *id, repo *r, const char *hex, const char *path);
/* A root-relative path as git knows it, with something behind it; malloc'ed. */
int git_prefixed(char **path, const repo *r, const char *rel, const char *tail);
/* Puts the commits that work trees of this repository stand on without a branch into a walk. */
int git_push_detached(const repo *r, git_revwalk *walk);

#endif
