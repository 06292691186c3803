/* What the readers of model/ fill. Private to model/. */
#ifndef MODEL_MODEL_SOURCE_H
#define MODEL_MODEL_SOURCE_H

#include "model/model_files.h"
#include "model/tensor_table.h"
#include "util/file.h"

typedef struct model_text {
  const char *file; /* "vocab.json", of model_text_files */
  const char *bytes;
  size_t size;
} model_text;

enum { MODEL_MAX_TEXTS = 16 };

struct model_files {
  char *name, *path; /* path: NULL for the embedded model */
  const char *format;
  arena memory; /* names, texts, tensors that had to be laid out anew */
  tensor_table tensors;
  struct model_map {
    file_map map;
    char *file; /* its path; NULL for the embedded model, whose bytes are the program's */
  } * maps;     /* in the order in which they are read: shards by name */
  size_t n_maps;
  model_text texts[MODEL_MAX_TEXTS];
  size_t n_texts;
  model_files_judge judge; /* NULL: every model is welcome */
  json_t *config, *generation_config, *preprocessor_config, *tokenizer_config, *special_tokens_map, *added_tokens;
};

/* The files of a hub folder that are kept beside the weights, ended by NULL: configuration, tokenizer, card, licence. */
extern const char *const model_text_files[];

/* Maps a file and keeps it; the bytes stay until model_files_close. */
int model_map_file(model_files *m, const uint8_t **data, size_t *size, const char *path);
/* Keeps a text, `file` of model_text_files: a copy of it, or where it is, in a mapped file or the program. A second one of that name replaces the first. */
int model_add_text(model_files *m, const char *file, const char *bytes, size_t size);
int model_refer_text(model_files *m, const char *file, const char *bytes, size_t size);

/* When the texts are there: parses config.json and asks whether its model is supported. */
int model_judge(model_files *m);

/* The readers. `path` names the file in errors. */
int hub_folder_read(model_files *m, const char *folder);
int gguf_file_read(model_files *m, const uint8_t *data, size_t size, const char *path);

#endif
