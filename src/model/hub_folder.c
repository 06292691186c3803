/* A folder as the hub has it: config.json, weights in one file or in shards, tokenizer, card. */
#include "model/json_text.h"
#include "model/model_source.h"
#include "model/safetensors.h"
#include "model/torch_bin.h"
#include "util/error.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TEXT ((uint64_t)64 << 20)
enum { MAX_SHARDS = 1000 };

static int read_texts(model_files *m, const char *folder)
{
  for (const char *const *file = model_text_files; *file; file++) {
    char *path, *bytes;
    size_t size;
    int code = path_join(&path, folder, *file);
    if (code < 0)
      return code;
    if (file_exists(path)) {
      code = file_read(&bytes, &size, path, MAX_TEXT);
      if (code == 0) {
        code = model_add_text(m, *file, bytes, size);
        free(bytes);
      }
    }
    free(path);
    if (code < 0)
      return code;
  }
  return 0;
}

typedef int (*weights_reader)(tensor_table *table, arena *memory, const uint8_t *data, size_t size, const char *file);

static int read_weights(model_files *m, weights_reader read, const char *path)
{
  const uint8_t *data;
  size_t size;
  int code = model_map_file(m, &data, &size, path);
  return code < 0 ? code : read(&m->tensors, &m->memory, data, size, path);
}

static int by_name(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Reads the index, then every shard that it names, once each. Whatever the index names must be there. */
static int read_shards(model_files *m, weights_reader read, const char *folder, const char *index_path)
{
  char *text;
  size_t size, n = 0;
  json_t *root, *file;
  const char *tensor_name;
  const char **shards = NULL;
  int code = file_read(&text, &size, index_path, MAX_TEXT);
  if (code < 0)
    return code;
  code = json_text_parse(&root, text, size, index_path);
  free(text);
  if (code < 0)
    return code;
  json_t *map = json_object_get(root, "weight_map");
  if (!json_is_object(map) || json_object_size(map) == 0)
    code = error_set(OPIS_EFORMAT, "%s: no weight_map", index_path);
  else if (!(shards = malloc(json_object_size(map) * sizeof *shards)))
    code = error_nomem();
  if (code == 0)
    json_object_foreach(map, tensor_name, file)
    {
      const char *s = json_string_value(file);
      if (!s || !*s || strchr(s, '/') || strlen(s) > 255) {
        code = error_set(OPIS_EFORMAT, "%s: tensor '%.200s': no plain file name", index_path, tensor_name);
        break;
      }
      if (n == 0 || strcmp(shards[n - 1], s) != 0)
        shards[n++] = s;
    }
  if (code == 0) {
    qsort(shards, n, sizeof *shards, by_name);
    size_t distinct = 0;
    for (size_t i = 0; i < n; i++)
      if (distinct == 0 || strcmp(shards[distinct - 1], shards[i]) != 0)
        shards[distinct++] = shards[i];
    n = distinct;
    if (n > MAX_SHARDS)
      code = error_set(OPIS_EFORMAT, "%s: %zu shards", index_path, n);
  }
  for (size_t i = 0; code == 0 && i < n; i++) {
    char *path;
    code = path_join(&path, folder, shards[i]);
    if (code == 0) {
      code = read_weights(m, read, path);
      free(path);
    }
  }
  if (code == 0)
    code = tensor_table_index(&m->tensors, folder);
  if (code == 0)
    json_object_foreach(map, tensor_name, file)
    {
      if (!tensor_table_find(&m->tensors, tensor_name)) {
        code = error_set(OPIS_EFORMAT, "%s: the tensor '%.200s' is not in %s", index_path, tensor_name, json_string_value(file));
        break;
      }
    }
  free(shards);
  json_decref(root);
  return code;
}

static const struct weights {
  const char *file, *format;
  weights_reader read;
  bool sharded;
} kinds[] = {
  {"model.safetensors", "safetensors", safetensors_read, false},
  {"model.safetensors.index.json", "safetensors", safetensors_read, true},
  {"pytorch_model.bin", "pytorch", torch_bin_read, false},
  {"pytorch_model.bin.index.json", "pytorch", torch_bin_read, true},
};

/* Why a folder without config.json, or without weights that opis reads, is none of its models. */
static int no_model(const model_files *m, const char *folder)
{
  static const struct {
    const char *file, *what;
    bool instead_of_config;
  } others[] = {{"adapter_config.json", "an adapter of another model's weights (adapter_config.json): merge it into its model first", true},
    {"model_index.json", "a pipeline of several models (model_index.json), not a captioner", true},
    {"tf_model.h5", "its weights are only there for TensorFlow (tf_model.h5)", false}, {"flax_model.msgpack", "its weights are only there for Flax (flax_model.msgpack)", false},
    {"model.onnx", "its weights are only there as ONNX (model.onnx)", false}, {"onnx", "its weights are only there as ONNX (onnx)", false},
    {"rust_model.ot", "its weights are only there for Rust (rust_model.ot)", false},
    {"adapter_model.safetensors", "it has only an adapter's weights (adapter_model.safetensors): merge them into its model first", false}};
  bool config = model_files_text(m, "config.json", NULL) != NULL;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    char *path;
    if ((config && others[i].instead_of_config) || path_join(&path, folder, others[i].file) < 0)
      continue;
    bool there = file_exists(path);
    free(path);
    if (there && (config || others[i].instead_of_config))
      return error_set(OPIS_EUNSUPPORTED, "%s: %s%s", folder, others[i].what, config ? "; opis reads model.safetensors and pytorch_model.bin" : "");
  }
  return config ? error_set(OPIS_ENOTFOUND, "%s: no weights in this folder (model.safetensors or pytorch_model.bin, also in shards)", folder)
                : error_set(OPIS_ENOTFOUND, "%s: no config.json in this folder: it is no model as the hub keeps them", folder);
}

int hub_folder_read(model_files *m, const char *folder)
{
  int code = read_texts(m, folder);
  if (code == 0 && !model_files_text(m, "config.json", NULL))
    return no_model(m, folder);
  if (code == 0)
    code = model_judge(m);
  if (code < 0)
    return code;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    char *path;
    code = path_join(&path, folder, kinds[i].file);
    if (code < 0)
      return code;
    bool there = file_exists(path);
    if (there) {
      m->format = kinds[i].format;
      code = kinds[i].sharded ? read_shards(m, kinds[i].read, folder, path) : read_weights(m, kinds[i].read, path);
    }
    free(path);
    if (code < 0)
      return code;
    if (there)
      return m->tensors.slots ? 0 : tensor_table_index(&m->tensors, folder);
  }
  return no_model(m, folder);
}
