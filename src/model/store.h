/* Installed models: folders below $OPIS_HOME (else $XDG_DATA_HOME/opis, else ~/.local/share/opis), NAME or OWNER/NAME, and GGUF files there. What is being fetched stands in ".incoming"
 * until it is whole and checked; then the folder is renamed to its place. A folder that opis installed has a record, ".opis.json": where it came from, and size and SHA-256 of every file. */
#ifndef MODEL_STORE_H
#define MODEL_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_RECORD ".opis.json"

int model_store_folder(char **folder); /* malloc'ed */

/* Whether a name can be a model's: letters, digits, -._ and @, at most one slash, no part that begins with a dot; behind an @ (a revision, "refs/pr/1") more slashes, which its folder spells %2F. */
bool model_name_is_valid(const char *name);

/* The folder or GGUF file of an installed model, malloc'ed; OPIS_ENOTFOUND when there is none. */
int model_store_find(char **path, const char *name);

typedef struct store_item {
  char *name, *path;
  bool from_hub_cache; /* in the Hugging Face cache, not in the store */
} store_item;
/* The installed models and those in the Hugging Face cache (folders with config.json and weights), by name. Free with model_store_list_free. */
int model_store_list(store_item **items, size_t *n);
void model_store_list_free(store_item *items, size_t n);

/* A folder for files that are still to come, malloc'ed: made when it is not there, kept from an earlier try when it is. *lock is an open descriptor that keeps other processes out of it
 * until it is closed. OPIS_EBUSY when another has it. */
int model_store_stage(char **folder, int *lock, const char *name);

/* Writes the record, renames the staged folder to its place (over an older one at once) and removes the older one. `keep`: the files that belong to it, ended by NULL; others are removed.
 * record: {"repo", "revision", "commit"} or {"imported"}; "files" is added: sizes and digests as they are on disk. */
int model_store_install(char **path, const char *staged, const char *name, json_t *record, const char *const *keep);

/* Copies a hub folder (what opis needs of it) or a GGUF file into the store, under its own last name. OPIS_EEXISTS when there is one of that name. */
int model_store_import(char **name, char **path, const char *source);

int model_store_remove(const char *name);

/* The record of a model's folder; *record is NULL when there is none. */
int model_store_record(json_t **record, const char *folder);

/* Compares every file with its digest: the record's, or, in the Hugging Face cache, those that are the files' names. *files: how many were compared, 0: there is nothing to compare with.
 * OPIS_EFORMAT names the first file that differs, OPIS_ENOTFOUND one that is missing. */
int model_store_verify(size_t *files, const char *folder, int (*progress)(void *user, uint64_t done, uint64_t total), void *user);

/* ---- the Hugging Face cache ---- */

/* $HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub; malloc'ed. */
int hub_cache_folder(char **folder);
/* The snapshot of OWNER/NAME at a revision (a branch or tag that the cache knows, or a commit), malloc'ed; OPIS_ENOTFOUND. */
int hub_cache_snapshot(char **folder, const char *repo, const char *revision);
/* The file of this digest (an ETag without quotes) in the cache, malloc'ed; OPIS_ENOTFOUND. */
int hub_cache_blob(char **path, const char *repo, const char *etag);

/* Copies a file: as a reflink where the file system can, else, with may_link, as a hard link (of files that nobody changes in place), else byte by byte. */
int model_store_copy(const char *to, const char *from, bool may_link);
/* Writes the record of a staged folder (see model_store_install). */
int model_store_write_record(const char *folder, json_t *record, const char *const *files);
/* Whether a folder has a config.json and weights under one of the names that opis reads. */
bool model_store_has_weights(const char *folder);

#endif
