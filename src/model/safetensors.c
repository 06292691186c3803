#include "model/safetensors.h"

#include "util/error.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER ((size_t)64 << 20) /* the largest models known need about 1 MB */
#define MAX_NAME 1024

static const struct dtype {
  const char *name;
  unsigned size;
  tensor_type type;
} dtypes[] = {{"F32", 4, TENSOR_F32}, {"F16", 2, TENSOR_F16}, {"BF16", 2, TENSOR_BF16}, {"I64", 8, TENSOR_I64}, {"I32", 4, TENSOR_I32}, {"U8", 1, TENSOR_U8},
  {"BOOL", 1, TENSOR_BOOL}, {"F64", 8, TENSOR_F64}, {"I8", 1, TENSOR_OTHER}, {"I16", 2, TENSOR_OTHER}, {"U16", 2, TENSOR_OTHER}, {"U32", 4, TENSOR_OTHER}, {"U64", 8, TENSOR_OTHER},
  {"F8_E4M3", 1, TENSOR_OTHER}, {"F8_E5M2", 1, TENSOR_OTHER}, {"F8_E8M0", 1, TENSOR_OTHER}, {"C64", 8, TENSOR_OTHER}};

typedef struct span {
  uint64_t begin, end;
} span;

static int by_place(const void *a, const void *b)
{
  const span *x = a, *y = b;
  return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1) : (x->end > y->end) - (x->end < y->end);
}

static int read_one(tensor_table *table, arena *names, span *s, const char *name, const json_t *entry, const uint8_t *bytes, uint64_t size, const char *file)
{
  const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
  tensor t = {.type = TENSOR_OTHER};
  const struct dtype *d = dtypes, *end = dtypes + sizeof dtypes / sizeof *dtypes;
  if (strlen(name) > MAX_NAME)
    return error_set(OPIS_EFORMAT, "%s: a tensor's name has %zu bytes", file, strlen(name));
  if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets) || json_array_size(offsets) != 2)
    return error_set(OPIS_EFORMAT, "%s: tensor '%s': dtype, shape or data_offsets missing", file, name);
  while (d < end && strcmp(d->name, json_string_value(dtype)) != 0)
    d++;
  if (d == end)
    return error_set(OPIS_EFORMAT, "%s: tensor '%s': unknown type '%.40s'", file, name, json_string_value(dtype));
  int64_t dims[16], elements;
  size_t n_dims = json_array_size(shape);
  if (n_dims > sizeof dims / sizeof *dims)
    return error_set(OPIS_EFORMAT, "%s: tensor '%s': %zu dimensions", file, name, n_dims);
  for (size_t i = 0; i < n_dims; i++) {
    const json_t *v = json_array_get(shape, i);
    dims[i] = json_is_integer(v) ? json_integer_value(v) : -1;
  }
  if (!shape_elements(&elements, (int)n_dims, dims))
    return error_set(OPIS_EFORMAT, "%s: tensor '%s': impossible shape", file, name);
  const json_t *b = json_array_get(offsets, 0), *e = json_array_get(offsets, 1);
  int64_t begin = json_is_integer(b) ? json_integer_value(b) : -1, stop = json_is_integer(e) ? json_integer_value(e) : -1;
  if (begin < 0 || stop < begin || (uint64_t)stop > size)
    return error_set(OPIS_EFORMAT, "%s: tensor '%s': its bytes lie outside the file", file, name);
  if ((uint64_t)(stop - begin) != (uint64_t)elements * d->size)
    return error_set(OPIS_EFORMAT, "%s: tensor '%s': %lld bytes where its shape and type need %lld", file, name, (long long)(stop - begin), (long long)elements * d->size);
  *s = (span){(uint64_t)begin, (uint64_t)stop};
  if (elements == 0)
    return 0;
  t.name = arena_strdup(names, name);
  if (!t.name)
    return OPIS_ENOMEM;
  t.data = bytes + begin;
  t.size = (size_t)(stop - begin);
  if (n_dims <= TENSOR_MAX_DIMS) {
    t.type = d->type;
    t.n_dims = (int)n_dims;
    memcpy(t.dims, dims, n_dims * sizeof *dims);
  } else {
    t.n_dims = 1;
    t.dims[0] = elements;
  }
  return tensor_table_add(table, &t);
}

int safetensors_read(tensor_table *table, arena *names, const uint8_t *data, size_t size, const char *file)
{
  uint64_t header = 0;
  if (size < 8)
    return error_set(OPIS_EFORMAT, "%s: %zu bytes are too few for safetensors", file, size);
  for (int i = 7; i >= 0; i--)
    header = header << 8 | data[i];
  if (header > size - 8)
    return error_set(OPIS_EFORMAT, "%s: the header says it has %llu bytes, the file has %zu (truncated, or no safetensors)", file, (unsigned long long)header, size);
  if (header > MAX_HEADER)
    return error_set(OPIS_EFORMAT, "%s: a header of %llu bytes", file, (unsigned long long)header);
  json_error_t error;
  json_t *root = json_loadb((const char *)data + 8, (size_t)header, JSON_REJECT_DUPLICATES, &error);
  if (!root)
    return error_set(OPIS_EFORMAT, "%s: the header is no valid JSON: %s", file, error.text);
  const uint8_t *bytes = data + 8 + header;
  uint64_t n_bytes = size - 8 - header, at = 0;
  size_t n = 0;
  int code = 0;
  span *spans = NULL;
  if (!json_is_object(root))
    code = error_set(OPIS_EFORMAT, "%s: the header is no JSON object", file);
  else if (!(spans = calloc(json_object_size(root) + 1, sizeof *spans)))
    code = error_nomem();
  const char *name;
  json_t *entry;
  if (code == 0)
    json_object_foreach(root, name, entry)
    {
      if (strcmp(name, "__metadata__") == 0)
        continue;
      code = read_one(table, names, &spans[n++], name, entry, bytes, n_bytes, file);
      if (code < 0)
        break;
    }
  json_decref(root);
  if (code == 0 && n > 0)
    qsort(spans, n, sizeof *spans, by_place);
  for (size_t i = 0; code == 0 && i < n; at = spans[i++].end)
    if (spans[i].begin != at)
      code = error_set(OPIS_EFORMAT, "%s: %s between its tensors", file, spans[i].begin < at ? "bytes shared" : "a hole");
  if (code == 0 && at != n_bytes)
    code = error_set(OPIS_EFORMAT, "%s: %llu bytes behind the last tensor", file, (unsigned long long)(n_bytes - at));
  free(spans);
  return code;
}
