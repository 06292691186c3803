/* Outputs and their objects: directory objects in and out of the store, files out of the store into the work tree. */
#ifndef DATA_OBJECTS_H
#define DATA_OBJECTS_H

#include "data/data.h"
#include "data/scan.h"

odb *output_store(repo *r, const output *o); /* the cache of DVC 3 or that of DVC 2 */

/* A directory object as a tree. OPIS_ENOTFOUND when the cache has it not. */
int objects_load(tree *t, odb *db, const oid *o);
/* The directory object of a hashed tree: its name, and (store) itself into the store, after what it names is durable. */
int objects_save(oid *o, const tree *t, repo *r, odb *store);
/* Calls each for every file of a directory object without building a tree. */
int objects_each(odb *db, const oid *o, tree_each *each, void *user);

/* What the work tree has at an output's path: scanned and hashed; *kind says what it is. A file gives a tree with one entry of path "". missing: an empty tree. */
int output_look(tree *t, path_kind *kind, repo *r, const output *o, odb *store);
/* The same, with the name of what is there: a file's hash, or that of its folder's directory object, which goes into the store, too. Nothing there, no name. */
int output_hash(oid *id, tree *t, path_kind *kind, repo *r, const output *o, odb *store);
/* Whether it is another than recorded: *state NULL, or "modified", "deleted", "not in cache" (that only of an output). Of a dependency on another machine nothing is known: NULL. */
int output_state(const char **state, repo *r, const output *o);
int output_changed(const char **state, repo *r, const output *o); /* the same without a look into the cache */
/* What the output should be: the same for its hash. */
int output_want(tree *t, repo *r, const output *o);
/* All objects of an output are in the cache. */
int output_in_cache(bool *there, repo *r, const output *o);

/* Makes an output's path what its hash says. parts: only these of it; NULL: all. */
int place_output(changes *c, repo *r, const output *o, const selection *parts, const checkout_options *options);
/* After files went into the store: makes the work tree's files the links that cache.type asks for, where that is no copy. */
int place_relink(repo *r, const char *rel, odb *db, tree *t);
/* Takes a tracked path's files away, as far as they are in the cache (or force). */
int place_remove(changes *c, repo *r, const char *rel, odb *db, bool force);
/* A full checkout: outputs that were here and are tracked no more. */
int place_remove_stale(changes *c, repo *r, const stages *set);
int place_forget(repo *r, const char *rel); /* no longer an output: never to be taken away as a stale one */

#endif
