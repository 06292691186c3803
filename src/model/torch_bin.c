/* Reads what torch.save writes (torch/serialization.py: _save and _legacy_save). */
#include "model/torch_bin.h"

#include "model/pickle.h"
#include "model/zip.h"
#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 1024, MAX_VERSION = 10 };

#define MEND "mend it once with Python: torch.save(torch.load(FILE, map_location='cpu', weights_only=True), FILE), or save_pretrained(FOLDER)"

/* Where a storage's numbers are: NULL (and the failure) when there are none or not as many as it says. */
typedef struct source {
  const char *file;
  arena *memory;
  tensor_table *table;
  uint64_t copied, may_copy; /* bytes of tensors that had to be laid out anew */
  /* zip */
  zip_archive zip;
  char prefix[MAX_NAME + 16]; /* "archive/data/" */
  size_t n_prefix;
  /* before torch 1.6: sorted by key */
  struct legacy_storage {
    const char *key;
    const uint8_t *bytes;
    uint64_t elements;
  } * legacy;
  size_t n_legacy;
} source;

static int by_key(const void *a, const void *b)
{
  return strcmp(((const struct legacy_storage *)a)->key, ((const struct legacy_storage *)b)->key);
}

static int find_storage(const uint8_t **bytes, source *s, const pickle_storage *storage, const char *name)
{
  uint64_t need = (uint64_t)storage->elements * storage->element_bytes;
  if (s->legacy) {
    struct legacy_storage key = {.key = storage->key};
    const struct legacy_storage *found = bsearch(&key, s->legacy, s->n_legacy, sizeof key, by_key);
    if (!found || found->elements != (uint64_t)storage->elements)
      return error_set(OPIS_EFORMAT, "%s: %s: its storage %s is missing or has another size", s->file, name, storage->key);
    *bytes = found->bytes;
    return 0;
  }
  if (strlen(storage->key) > 64 || strchr(storage->key, '/'))
    return error_set(OPIS_EFORMAT, "%s: %s: the storage key '%.64s'", s->file, name, storage->key);
  snprintf(s->prefix + s->n_prefix, sizeof s->prefix - s->n_prefix, "%s", storage->key);
  const zip_entry *e = zip_find(&s->zip, s->prefix);
  if (!e)
    return error_set(OPIS_EFORMAT, "%s: %s: its storage %s is missing", s->file, name, storage->key);
  if (e->size != need)
    return error_set(OPIS_EFORMAT, "%s: %s: its storage %s has %zu bytes, not %llu", s->file, name, storage->key, e->size, (unsigned long long)need);
  *bytes = e->data;
  return 0;
}

/* Elements in the order of the shape, wherever strides put them. */
static void lay_out(uint8_t *to, const uint8_t *from, const pickle_tensor *t, size_t each)
{
  int64_t at[PICKLE_MAX_DIMS] = {0}, place = 0;
  int last = t->n_dims - 1;
  for (;;) {
    for (int64_t i = 0; i < t->dims[last]; i++, to += each)
      memcpy(to, from + (size_t)(place + i * t->strides[last]) * each, each);
    int d = last - 1;
    for (; d >= 0; d--) {
      place += t->strides[d];
      if (++at[d] < t->dims[d])
        break;
      place -= t->strides[d] * t->dims[d];
      at[d] = 0;
    }
    if (d < 0)
      return;
  }
}

static bool is_contiguous(const pickle_tensor *t)
{
  int64_t stride = 1;
  for (int d = t->n_dims - 1; d >= 0; d--) {
    if (t->dims[d] != 1 && t->strides[d] != stride)
      return false;
    stride *= t->dims[d];
  }
  return true;
}

/* The place behind the last element that the tensor sees; false when it lies behind the storage. */
static bool fits(const pickle_tensor *t)
{
  int64_t end = t->offset;
  for (int d = 0; d < t->n_dims; d++) {
    int64_t reach;
    if (__builtin_mul_overflow(t->dims[d] - 1, t->strides[d], &reach) || __builtin_add_overflow(end, reach, &end))
      return false;
  }
  return end < t->storage->elements;
}

static int add_tensor(source *s, const char *name, const pickle_tensor *p)
{
  int64_t elements;
  const uint8_t *bytes = NULL;
  size_t each = p->storage->element_bytes;
  if (strlen(name) > MAX_NAME)
    return error_set(OPIS_EFORMAT, "%s: a tensor's name has %zu bytes", s->file, strlen(name));
  if (!shape_elements(&elements, p->n_dims, p->dims))
    return error_set(OPIS_EFORMAT, "%s: %s: impossible shape", s->file, name);
  if (elements == 0)
    return 0;
  if (!fits(p))
    return error_set(OPIS_EFORMAT, "%s: %s: its numbers lie past the end of its storage", s->file, name);
  int code = find_storage(&bytes, s, p->storage, name);
  if (code < 0)
    return code;
  tensor t = {.name = name, .type = p->storage->type, .n_dims = p->n_dims, .data = bytes + (size_t)p->offset * each, .size = (size_t)elements * each};
  if (!is_contiguous(p)) {
    if (t.size > s->may_copy - s->copied)
      return error_set(OPIS_ELIMIT, "%s: %s: tensors with strides would take more memory than the whole file", s->file, name);
    s->copied += t.size;
    uint8_t *copy = arena_alloc(s->memory, t.size);
    if (!copy)
      return OPIS_ENOMEM;
    lay_out(copy, t.data, p, each);
    t.data = copy;
  }
  if (p->n_dims <= TENSOR_MAX_DIMS)
    memcpy(t.dims, p->dims, (size_t)p->n_dims * sizeof *t.dims);
  else {
    t.type = TENSOR_OTHER;
    t.n_dims = 1;
    t.dims[0] = elements;
  }
  return tensor_table_add(s->table, &t);
}

static int add_tensors(source *s, const pickle_value *dict)
{
  if (dict->kind != PICKLE_DICT)
    return error_set(OPIS_EFORMAT, "%s: no state dict: what was saved is no dict of tensors", s->file);
  size_t n = 0;
  for (size_t i = 0; i + 1 < dict->n; i += 2) {
    const pickle_value *key = dict->items[i], *v = dict->items[i + 1];
    if (v->kind != PICKLE_TENSOR)
      continue;
    if (key->kind != PICKLE_TEXT)
      return error_set(OPIS_EFORMAT, "%s: a tensor without a name", s->file);
    int code = add_tensor(s, key->text, v->tensor);
    if (code < 0)
      return code;
    n++;
  }
  return n ? 0 : error_set(OPIS_EFORMAT, "%s: no state dict: no tensor in it has a name of its own", s->file);
}

/* ---- torch 1.6 and later ---- */

/* Names below the archive's own folder: "archive/byteorder". */
static const zip_entry *entry(const source *s, const char *name)
{
  char path[MAX_NAME + 64];
  snprintf(path, sizeof path, "%.*s%s", (int)(s->n_prefix - strlen("data/")), s->prefix, name);
  return zip_find(&s->zip, path);
}

static const zip_entry *find_pickle(source *s)
{
  for (size_t i = 0; i < s->zip.n; i++) {
    const char *name = s->zip.at[i].name, *slash = strchr(name, '/');
    if (!slash || strcmp(slash, "/data.pkl") != 0 || slash - name > MAX_NAME)
      continue;
    s->n_prefix = (size_t)snprintf(s->prefix, sizeof s->prefix, "%.*s/data/", (int)(slash - name), name);
    return &s->zip.at[i];
  }
  return NULL;
}

/* "3\n": decimal digits. */
static bool is_known_version(const zip_entry *e)
{
  int n = 0;
  size_t i = 0;
  for (; i < e->size && i < 4 && e->data[i] >= '0' && e->data[i] <= '9'; i++)
    n = 10 * n + (e->data[i] - '0');
  return i > 0 && n <= MAX_VERSION;
}

static int read_zip(source *s, const uint8_t *data, size_t size)
{
  int code = zip_read(&s->zip, s->memory, data, size, s->file);
  if (code < 0)
    return code;
  const zip_entry *pickle = find_pickle(s);
  if (!pickle)
    return error_set(OPIS_EFORMAT, "%s: a zip file, but none of torch.save's: there is no data.pkl in it", s->file);
  if (entry(s, "constants.pkl"))
    return error_set(OPIS_EUNSUPPORTED, "%s: a TorchScript program, not a state dict; opis reads weights, and runs no programs", s->file);
  const zip_entry *order = entry(s, "byteorder"), *version = entry(s, "version");
  if (order && !(order->size >= 6 && memcmp(order->data, "little", 6) == 0))
    return error_set(OPIS_EUNSUPPORTED, "%s: its numbers are big-endian; " MEND, s->file);
  if (version && !is_known_version(version))
    return error_set(OPIS_EUNSUPPORTED, "%s: a version of torch's file format that opis does not know", s->file);
  const pickle_value *dict;
  code = pickle_read(&dict, NULL, s->memory, pickle->data, pickle->size, s->file);
  return code < 0 ? code : add_tensors(s, dict);
}

/* ---- before torch 1.6 ---- */

static const uint8_t legacy_magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

static int next_pickle(const pickle_value **v, size_t *at, source *s, const uint8_t *data, size_t size)
{
  size_t used;
  int code = pickle_read(v, &used, s->memory, data + *at, size - *at, s->file);
  *at += used;
  return code;
}

/* The storage that any tensor of the dict sees under this key, for its element's size; NULL when none does. */
static int element_sizes(const struct legacy_storage *list, size_t n, uint8_t *sizes, const pickle_value *dict, const char *file)
{
  for (size_t i = 0; i + 1 < dict->n; i += 2) {
    if (dict->items[i + 1]->kind != PICKLE_TENSOR)
      continue;
    const pickle_storage *storage = dict->items[i + 1]->tensor->storage;
    struct legacy_storage key = {.key = storage->key};
    const struct legacy_storage *found = bsearch(&key, list, n, sizeof key, by_key);
    if (!found)
      continue; /* said when the tensor is added */
    uint8_t *known = &sizes[found->elements];
    if (*known && *known != storage->element_bytes)
      return error_set(OPIS_EFORMAT, "%s: the storage %s has two types", file, storage->key);
    *known = (uint8_t)storage->element_bytes;
  }
  return 0;
}

/* Behind the pickles, for each key: its number of elements, then the elements. */
static int place_storages(source *s, const pickle_value *dict, const pickle_value *keys, const uint8_t *data, size_t size, size_t at)
{
  size_t n = keys->n;
  uint8_t *sizes = arena_calloc(s->memory, n + 1, 1);
  size_t *place = arena_calloc(s->memory, n + 1, sizeof *place);
  s->legacy = arena_calloc(s->memory, n + 1, sizeof *s->legacy);
  if (!sizes || !place || !s->legacy)
    return OPIS_ENOMEM;
  for (size_t i = 0; i < n; i++) {
    if (keys->items[i]->kind != PICKLE_TEXT)
      return error_set(OPIS_EFORMAT, "%s: its list of storages is broken", s->file);
    s->legacy[i] = (struct legacy_storage){.key = keys->items[i]->text, .elements = i}; /* for now: its place in the list */
  }
  s->n_legacy = n;
  if (n)
    qsort(s->legacy, n, sizeof *s->legacy, by_key);
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && strcmp(s->legacy[i].key, s->legacy[i - 1].key) == 0)
      return error_set(OPIS_EFORMAT, "%s: the storage %s is there twice", s->file, s->legacy[i].key);
    place[s->legacy[i].elements] = i;
  }
  int code = element_sizes(s->legacy, n, sizes, dict, s->file);
  for (size_t i = 0; i < n && code == 0; i++) {
    struct legacy_storage *l = &s->legacy[place[i]];
    uint64_t elements = 0;
    if (size - at < 8)
      return error_set(OPIS_EFORMAT, "%s: truncated", s->file);
    for (int b = 7; b >= 0; b--)
      elements = elements << 8 | data[at + (size_t)b];
    at += 8;
    if (!sizes[i])
      return error_set(OPIS_EFORMAT, "%s: the storage %s belongs to no tensor", s->file, l->key);
    if (elements > (size - at) / sizes[i])
      return error_set(OPIS_EFORMAT, "%s: truncated: the storage %s of %llu elements lies past the end", s->file, l->key, (unsigned long long)elements);
    l->elements = elements;
    l->bytes = data + at;
    at += (size_t)elements * sizes[i];
  }
  return code;
}

static int read_legacy(source *s, const uint8_t *data, size_t size)
{
  const pickle_value *magic, *version, *system, *dict, *keys;
  size_t at = 0;
  int code = next_pickle(&magic, &at, s, data, size);
  if (code == 0 && (magic->kind != PICKLE_LONG || magic->n != sizeof legacy_magic || memcmp(magic->bytes, legacy_magic, sizeof legacy_magic) != 0))
    code = error_set(OPIS_EFORMAT, "%s: a pickle, but none of torch.save's", s->file);
  if (code == 0)
    code = next_pickle(&version, &at, s, data, size);
  if (code == 0 && (version->kind != PICKLE_INT || version->integer != 1001))
    code = error_set(OPIS_EUNSUPPORTED, "%s: a version of torch's old file format that opis does not know; " MEND, s->file);
  if (code == 0)
    code = next_pickle(&system, &at, s, data, size);
  for (size_t i = 0; code == 0 && system->kind == PICKLE_DICT && i + 1 < system->n; i += 2)
    if (system->items[i]->kind == PICKLE_TEXT && strcmp(system->items[i]->text, "little_endian") == 0 && system->items[i + 1]->kind == PICKLE_BOOL &&
      !system->items[i + 1]->integer)
      code = error_set(OPIS_EUNSUPPORTED, "%s: its numbers are big-endian; " MEND, s->file);
  if (code == 0)
    code = next_pickle(&dict, &at, s, data, size);
  if (code == 0)
    code = next_pickle(&keys, &at, s, data, size);
  if (code == 0 && (dict->kind != PICKLE_DICT || keys->kind != PICKLE_LIST))
    code = error_set(OPIS_EFORMAT, "%s: no state dict: what was saved is no dict of tensors", s->file);
  if (code == 0)
    code = place_storages(s, dict, keys, data, size, at);
  return code < 0 ? code : add_tensors(s, dict);
}

int torch_bin_read(tensor_table *table, arena *memory, const uint8_t *data, size_t size, const char *file)
{
  source s = {.file = file, .memory = memory, .table = table, .may_copy = (uint64_t)size + (1 << 20)};
  if (zip_is(data, size))
    return read_zip(&s, data, size);
  if (size > 2 && data[0] == 0x80)
    return read_legacy(&s, data, size);
  if (size > 262 && memcmp(data + 257, "ustar", 5) == 0)
    return error_set(OPIS_EUNSUPPORTED, "%s: a tar file, as torch before 0.2 wrote them; " MEND, file);
  if (size > 20 && memcmp(data, "version https://git", 19) == 0)
    return error_set(OPIS_EFORMAT, "%s: a pointer of git-lfs, not the file itself; fetch it with 'git lfs pull' or 'opis model pull'", file);
  return error_set(OPIS_EFORMAT, "%s: neither a zip file nor a pickle of torch.save's (truncated, or another kind of file)", file);
}
