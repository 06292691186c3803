/* A model as its files give it, whatever their format: configuration, tensors, tokenizer, preprocessing. What arch/ and engine/ build a model from. */
#ifndef MODEL_MODEL_FILES_H
#define MODEL_MODEL_FILES_H

#include "model/tensor.h"

#include <jansson.h>

typedef struct model_files model_files;

/* Opens `name`: embedded or installed model, hub folder, GGUF file, hub id already pulled; NULL: $OPIS_MODEL, else "opis-small". The sources: model.safetensors (also sharded),
 * pytorch_model.bin (also sharded), one GGUF, the embedded GGUF. Everything is mapped; nothing is widened here, and copied only what a pickle stores with strides. Immutable afterwards,
 * and safe to share between threads.
 * OPIS_ENOTFOUND, OPIS_EFORMAT (broken, truncated, lying files), OPIS_EUNSUPPORTED (a known format that opis does not read), OPIS_EIO, OPIS_ENOMEM. */
int model_files_open(model_files **out, const char *name);
/* The same, asking of a config.json, before any weights are looked at, whether its model is supported: not 0 ends the opening with that code. */
typedef int (*model_files_judge)(const json_t *config, const char *name);
int model_files_open_judged(model_files **out, const char *name, model_files_judge judge);
void model_files_close(model_files *m); /* NULL is allowed */

const char *model_files_name(const model_files *m);         /* for people and for the "model" key: "opis-small", the folder's or file's own name */
const char *model_files_path(const model_files *m);         /* the folder or GGUF file; NULL for the embedded model */
const char *model_files_format(const model_files *m);       /* "safetensors", "pytorch", "gguf" */
int model_files_sha256(char hex[65], const model_files *m); /* of the weights (several files: of their digests' list); reads them whole */

/* JSON documents as the hub folder holds them (a GGUF carries the same texts in its metadata). NULL when there is none. Borrowed. Whole numbers past 64 bits are reals, NaN is null. */
const json_t *model_files_config(const model_files *m);              /* config.json, an object; never NULL */
const json_t *model_files_generation_config(const model_files *m);   /* generation_config.json */
const json_t *model_files_preprocessor_config(const model_files *m); /* preprocessor_config.json */
const json_t *model_files_tokenizer_config(const model_files *m);    /* tokenizer_config.json */
const json_t *model_files_special_tokens_map(const model_files *m);  /* special_tokens_map.json */
const json_t *model_files_added_tokens(const model_files *m);        /* added_tokens.json */

/* Raw text of a file of the folder ("tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "README.md", "LICENSE", …), NULL when there is none. Borrowed, and no C string: *size
 * (may be NULL) tells where it ends. */
const char *model_files_text(const model_files *m, const char *file, size_t *size);

/* Tensors by the hub's name. */
size_t model_files_tensors(const model_files *m);
const tensor *model_files_tensor_at(const model_files *m, size_t i);
const tensor *model_files_find(const model_files *m, const char *name); /* NULL when there is none */

/* The mapped pages of a tensor are no longer needed (its weights were packed): the system may have the memory back. Reading it again would still give the right bytes. */
void model_files_release(const model_files *m, const tensor *t);
/* They are all needed soon: together they cost half of what they cost one by one. */
void model_files_populate(const model_files *m, const tensor *t);

#endif
