#include "model/model_source.h"

#include "model/json_text.h"
#include "model/store.h"
#include "util/crypto.h"
#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *const model_text_files[] = {"config.json", "generation_config.json", "preprocessor_config.json", "tokenizer_config.json", "special_tokens_map.json",
  "added_tokens.json", "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "README.md", "LICENSE", NULL};

/* What has to be read yet comes in large pieces and on large pages; without such pages nothing is lost. */
static void wish_large_pages(const file_map *map)
{
  madvise((void *)(uintptr_t)map->data, map->size, MADV_HUGEPAGE);
}

int model_map_file(model_files *m, const uint8_t **data, size_t *size, const char *path)
{
  struct model_map *larger = realloc(m->maps, (m->n_maps + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  m->maps = larger;
  struct model_map *map = &m->maps[m->n_maps];
  *map = (struct model_map){.file = strdup(path)};
  if (!map->file)
    return error_nomem();
  int code = file_map_open(&map->map, path);
  if (code < 0) {
    free(map->file);
    return code;
  }
  m->n_maps++;
  if (map->map.data)
    wish_large_pages(&map->map);
  *data = map->map.data;
  *size = map->map.size;
  return 0;
}

int model_refer_text(model_files *m, const char *file, const char *bytes, size_t size)
{
  size_t i = 0;
  while (i < m->n_texts && strcmp(m->texts[i].file, file) != 0)
    i++;
  if (i == MODEL_MAX_TEXTS)
    return error_set(OPIS_EFORMAT, "%s: more than %d files inside", m->path ? m->path : m->name, MODEL_MAX_TEXTS);
  m->texts[i] = (model_text){file, bytes, size};
  m->n_texts += i == m->n_texts;
  return 0;
}

int model_add_text(model_files *m, const char *file, const char *bytes, size_t size)
{
  char *copy = arena_strndup(&m->memory, bytes, size);
  return copy ? model_refer_text(m, file, copy, size) : OPIS_ENOMEM;
}

static int parse_document(model_files *m, json_t **out, const char *file)
{
  size_t size;
  const char *text = model_files_text(m, file, &size);
  char where[512];
  if (!text || *out) /* missing, or read already */
    return 0;
  snprintf(where, sizeof where, "%.400s: %s", m->path ? m->path : m->name, file);
  int code = json_text_parse(out, text, size, where);
  if (code == 0 && !json_is_object(*out))
    code = error_set(OPIS_EFORMAT, "%s: no JSON object", where);
  return code;
}

int model_judge(model_files *m)
{
  int code = parse_document(m, &m->config, "config.json");
  return code == 0 && m->judge && m->config ? m->judge(m->config, m->name) : code;
}

static bool ends_with(const char *path, const char *ending)
{
  size_t n = strlen(path), k = strlen(ending);
  return n >= k && strcmp(path + n - k, ending) == 0;
}

static int open_path(model_files *m, const char *path)
{
  m->path = strdup(path);
  if (!m->path)
    return error_nomem();
  if (file_is_folder(path))
    return hub_folder_read(m, path);
  const uint8_t *data;
  size_t size;
  int code = model_map_file(m, &data, &size, path);
  if (code < 0)
    return code;
  bool weights = ends_with(path, ".safetensors") || ends_with(path, ".bin") || ends_with(path, ".pt") || ends_with(path, ".pth");
  if ((size < 4 || memcmp(data, "GGUF", 4) != 0) && weights)
    return error_set(OPIS_EFORMAT, "%s: weights alone are no model: give the folder with its config.json and tokenizer", path);
  if (size < 4 || memcmp(data, "GGUF", 4) != 0)
    return error_set(OPIS_EFORMAT, "%s: no model: neither a hub folder nor a GGUF file", path);
  return gguf_file_read(m, data, size, path);
}

/* The model inside the program, mapped in place: its pages are the program's own. */
extern const uint8_t opis_embedded_model[], opis_embedded_model_end[];
#define EMBEDDED_NAME "opis-small"

static int open_embedded(model_files *m)
{
  m->maps = calloc(1, sizeof *m->maps);
  m->name = strdup(EMBEDDED_NAME);
  if (!m->maps || !m->name)
    return error_nomem();
  m->maps[0].map = (file_map){opis_embedded_model, (size_t)(opis_embedded_model_end - opis_embedded_model)};
  m->n_maps = 1;
  wish_large_pages(&m->maps[0].map);
  return gguf_file_read(m, m->maps[0].map.data, m->maps[0].map.size, EMBEDDED_NAME);
}

/* The last part of a path, without slashes at its end and without ".gguf". */
static char *short_name(const char *path, bool is_name)
{
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/')
    n--;
  size_t first = is_name ? strcspn(path, "@") : n; /* the slashes of a revision belong to it */
  while (first > 0 && path[first - 1] != '/')
    first--;
  if (n - first > 5 && memcmp(path + n - 5, ".gguf", 5) == 0)
    n -= 5;
  return first < n ? strndup(path + first, n - first) : strdup(path);
}

/* What a name that is no path may stand for: an installed model, or one in the Hugging Face cache. "NAME@REVISION" is a name of its own in the store, and a revision in the cache. */
static int open_named(model_files *m, const char *name)
{
  char *path, repo[256];
  int code = model_store_find(&path, name);
  if (code == OPIS_ENOTFOUND && strlen(name) < sizeof repo) {
    strcpy(repo, name);
    char *at = strchr(repo, '@');
    if (at)
      *at = '\0';
    code = hub_cache_snapshot(&path, repo, at ? at + 1 : "main");
  }
  if (code == OPIS_ENOTFOUND) {
    const char *slash = strchr(name, '/');
    bool hub_id = slash && model_name_is_valid(name) && name[0] != '/';
    return hub_id ? error_set(code, "%s: no such model or folder; 'opis model pull %s' fetches it from the hub, 'opis model list' names those that are here", name, name)
                  : error_set(code, "%s: no such model, hub folder or GGUF file; there is %s inside the program, and 'opis model list' names those installed", name, EMBEDDED_NAME);
  }
  if (code == 0) {
    code = open_path(m, path);
    free(path);
  }
  return code;
}

static int open_any(model_files *m, const char *name)
{
  if (strcmp(name, EMBEDDED_NAME) == 0)
    return open_embedded(m);
  bool is_name = !file_exists(name);
  m->name = short_name(name, is_name);
  if (!m->name)
    return error_nomem();
  return is_name ? open_named(m, name) : open_path(m, name);
}

int model_files_open(model_files **out, const char *name)
{
  return model_files_open_judged(out, name, NULL);
}

int model_files_open_judged(model_files **out, const char *name, model_files_judge judge)
{
  if (!name)
    name = getenv("OPIS_MODEL");
  if (!name || !*name)
    name = "opis-small";
  model_files *m = calloc(1, sizeof *m);
  *out = NULL;
  if (!m)
    return error_nomem();
  m->judge = judge;
  int code = open_any(m, name);
  if (code == 0 && !model_files_text(m, "config.json", NULL))
    code = error_set(OPIS_ENOTFOUND, "%s: no config.json in it", name);
  const struct {
    json_t **to;
    const char *file;
  } documents[] = {{&m->config, "config.json"}, {&m->generation_config, "generation_config.json"}, {&m->preprocessor_config, "preprocessor_config.json"},
    {&m->tokenizer_config, "tokenizer_config.json"}, {&m->special_tokens_map, "special_tokens_map.json"}, {&m->added_tokens, "added_tokens.json"}};
  for (size_t i = 0; i < sizeof documents / sizeof *documents && code == 0; i++)
    code = parse_document(m, documents[i].to, documents[i].file);
  if (code < 0) {
    model_files_close(m);
    return code;
  }
  *out = m;
  return 0;
}

void model_files_close(model_files *m)
{
  if (!m)
    return;
  for (size_t i = 0; i < m->n_maps; i++)
    if (m->maps[i].file) {
      file_map_close(&m->maps[i].map);
      free(m->maps[i].file);
    }
  free(m->maps);
  tensor_table_free(&m->tensors);
  json_decref(m->config);
  json_decref(m->generation_config);
  json_decref(m->preprocessor_config);
  json_decref(m->tokenizer_config);
  json_decref(m->special_tokens_map);
  json_decref(m->added_tokens);
  arena_free(&m->memory);
  free(m->name);
  free(m->path);
  free(m);
}

const char *model_files_name(const model_files *m)
{
  return m->name;
}

const char *model_files_path(const model_files *m)
{
  return m->path;
}

const char *model_files_format(const model_files *m)
{
  return m->format;
}

static int digest_of(uint8_t digest[32], const void *bytes, size_t size)
{
  return EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : crypto_error();
}

/* A mapped file, piece by piece: its pages are given back as soon as they are read, so that asking for the digest does not bring the whole file into memory. */
static int digest_of_map(uint8_t digest[32], const struct model_map *map)
{
  enum { PIECE = 4 << 20 };
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;
  for (size_t at = 0; ok && at < map->map.size; at += PIECE) {
    size_t n = map->map.size - at < PIECE ? map->map.size - at : PIECE;
    ok = EVP_DigestUpdate(c, map->map.data + at, n) == 1;
    if (map->file) /* the embedded model's bytes are the program's own */
      madvise((void *)(uintptr_t)(map->map.data + at), n, MADV_DONTNEED);
  }
  ok = ok && EVP_DigestFinal_ex(c, digest, NULL) == 1;
  EVP_MD_CTX_free(c);
  return ok ? 0 : crypto_error();
}

int model_files_sha256(char hex[65], const model_files *m)
{
  uint8_t *digests = malloc(32 * (m->n_maps + 1)), all[32];
  if (!digests)
    return error_nomem();
  int code = 0;
  for (size_t i = 0; code == 0 && i < m->n_maps; i++)
    code = digest_of_map(digests + 32 * i, &m->maps[i]);
  if (code == 0 && m->n_maps == 1)
    memcpy(all, digests, 32);
  else if (code == 0)
    code = digest_of(all, digests, 32 * m->n_maps);
  free(digests);
  for (int i = 0; code == 0 && i < 32; i++)
    snprintf(hex + 2 * i, 3, "%02x", all[i]);
  return code;
}

const json_t *model_files_config(const model_files *m)
{
  return m->config;
}

const json_t *model_files_generation_config(const model_files *m)
{
  return m->generation_config;
}

const json_t *model_files_preprocessor_config(const model_files *m)
{
  return m->preprocessor_config;
}

const json_t *model_files_tokenizer_config(const model_files *m)
{
  return m->tokenizer_config;
}

const json_t *model_files_special_tokens_map(const model_files *m)
{
  return m->special_tokens_map;
}

const json_t *model_files_added_tokens(const model_files *m)
{
  return m->added_tokens;
}

const char *model_files_text(const model_files *m, const char *file, size_t *size)
{
  for (size_t i = 0; i < m->n_texts; i++)
    if (strcmp(m->texts[i].file, file) == 0) {
      if (size)
        *size = m->texts[i].size;
      return m->texts[i].bytes;
    }
  return NULL;
}

size_t model_files_tensors(const model_files *m)
{
  return m->tensors.n;
}

const tensor *model_files_tensor_at(const model_files *m, size_t i)
{
  return i < m->tensors.n ? &m->tensors.at[i] : NULL;
}

const tensor *model_files_find(const model_files *m, const char *name)
{
  return tensor_table_find(&m->tensors, name);
}

/* The pages of a tensor that stands in a mapping; with those at its edges, or only those that it fills. */
static bool pages_of(uintptr_t *begin, size_t *size, const tensor *t, bool with_edges)
{
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)t->data, end = first + t->size;
  *begin = with_edges ? first / page * page : (first + page - 1) / page * page;
  end = with_edges ? (end + page - 1) / page * page : end / page * page;
  *size = end > *begin ? end - *begin : 0;
  return *size > 0;
}

static const struct model_map *map_of(const model_files *m, const tensor *t)
{
  for (size_t i = 0; i < m->n_maps; i++) {
    const uint8_t *first = m->maps[i].map.data, *at = t->data;
    if (at >= first && at + t->size <= first + m->maps[i].map.size)
      return &m->maps[i];
  }
  return NULL;
}

void model_files_release(const model_files *m, const tensor *t)
{
  const struct model_map *map = map_of(m, t);
  uintptr_t begin;
  size_t size;
  /* Neighbours' edges included: they are read-only pages of a file, which the system reads again when somebody looks. Of the program's own pages only those inside. */
  if (map && pages_of(&begin, &size, t, map->file != NULL))
    madvise((void *)begin, size, MADV_DONTNEED);
}

void model_files_populate(const model_files *m, const tensor *t)
{
#ifdef MADV_POPULATE_READ
  uintptr_t begin;
  size_t size;
  if (map_of(m, t) && pages_of(&begin, &size, t, true))
    madvise((void *)begin, size, MADV_POPULATE_READ); /* where it fails they come one by one */
#else
  (void)m;
  (void)t;
#endif
}
