/* Reads GGUF (ggml's docs/gguf.md), versions 2 and 3, little-endian. */
#include "model/gguf.h"
#include "model/gguf_names.h"
#include "model/model_source.h"
#include "model/panels.h"
#include "util/error.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ITEMS = 1 << 20, VALUE_U32 = 4, VALUE_BOOL = 7, VALUE_STRING = 8, VALUE_ARRAY = 9 };

/* A place in the file; `bad` once something did not fit, after which every read gives 0. */
typedef struct cursor {
  const uint8_t *bytes;
  size_t size, at;
  bool bad;
} cursor;

static uint64_t number(cursor *c, size_t n)
{
  uint64_t v = 0;
  if (c->bad || c->size - c->at < n) {
    c->bad = true;
    return 0;
  }
  for (size_t i = n; i-- > 0;)
    v = v << 8 | c->bytes[c->at + i];
  c->at += n;
  return v;
}

static const char *string(cursor *c, size_t *n)
{
  uint64_t length = number(c, 8);
  if (c->bad || length > c->size - c->at) {
    c->bad = true;
    *n = 0;
    return "";
  }
  const char *s = (const char *)c->bytes + c->at;
  c->at += (size_t)length;
  *n = (size_t)length;
  return s;
}

/* Bytes of a plain value type of GGUF, 0 for strings, arrays and unknown ones. */
static size_t value_size(uint64_t type)
{
  static const size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return type < sizeof sizes / sizeof *sizes ? sizes[type] : 0;
}

static void skip(cursor *c, size_t n)
{
  if (c->bad || c->size - c->at < n)
    c->bad = true;
  else
    c->at += n;
}

/* What the metadata say of how tensors stand. */
typedef struct layout {
  uint64_t alignment;
  uint64_t panel;           /* rows of a panel; 0: there are none */
  const uint8_t *in_panels; /* [n_in_panels], 0 or 1 for each tensor; NULL: none is */
  uint64_t n_in_panels;
  const char *architecture; /* for the error about a file of another program; no C string */
  int architecture_length;
} layout;

static void skip_items(cursor *c, uint64_t type, uint64_t n)
{
  size_t each = value_size(type), length;
  if (each) {
    if (n > (c->size - c->at) / each)
      c->bad = true;
    else
      skip(c, (size_t)n * each);
  } else if (type == VALUE_STRING && n <= c->size / 8)
    for (uint64_t i = 0; i < n && !c->bad; i++)
      string(c, &length);
  else
    c->bad = true; /* arrays of arrays: none of ours, and none that a model needs */
}

static bool is_key(const char *key, size_t length, const char *name)
{
  return length == strlen(name) && memcmp(key, name, length) == 0;
}

static void read_array(cursor *c, layout *l, const char *key, size_t key_length)
{
  uint64_t type = number(c, 4), n = number(c, 8);
  if (type == VALUE_BOOL && is_key(key, key_length, GGUF_PANEL_TENSORS)) {
    l->in_panels = c->bytes + c->at;
    l->n_in_panels = n;
  }
  skip_items(c, type, n);
}

static int check_layout(const layout *l, uint64_t n_tensors, const char *file)
{
  if (l->alignment == 0 || l->alignment > 65536 || (l->alignment & (l->alignment - 1)))
    return error_set(OPIS_EFORMAT, "%s: an alignment of %llu", file, (unsigned long long)l->alignment);
  if (l->panel != 0 && l->panel != TENSOR_PANEL)
    return error_set(OPIS_EUNSUPPORTED, "%s: weights in panels of %llu; opis reads those of %d", file, (unsigned long long)l->panel, TENSOR_PANEL);
  if ((l->panel != 0) != (l->in_panels != NULL) || (l->in_panels && l->n_in_panels != n_tensors))
    return error_set(OPIS_EFORMAT, "%s: does not say of each tensor whether it stands in panels", file);
  return 0;
}

/* A text of the hub folder that the file was made from stays where it is. */
static int read_string(cursor *c, model_files *m, layout *l, const char *key, size_t key_length, const char *file)
{
  static const char prefix[] = "opis.file.";
  const size_t skipped = sizeof prefix - 1;
  size_t length;
  const char *s = string(c, &length);
  if (is_key(key, key_length, "general.architecture")) {
    l->architecture = s;
    l->architecture_length = length < 40 ? (int)length : 40;
  }
  if (c->bad || key_length < skipped || memcmp(key, prefix, skipped) != 0)
    return 0;
  for (const char *const *name = model_text_files; *name; name++)
    if (is_key(key + skipped, key_length - skipped, *name))
      return utf8_valid(s, length) ? model_refer_text(m, *name, s, length) : error_set(OPIS_EFORMAT, "%s: %s in it is no UTF-8", file, *name);
  return 0;
}

static int read_metadata(cursor *c, model_files *m, uint64_t n, layout *l, const char *file)
{
  for (uint64_t i = 0; i < n && !c->bad; i++) {
    size_t key_length;
    const char *key = string(c, &key_length);
    uint64_t type = number(c, 4);
    if (type == VALUE_STRING) {
      int code = read_string(c, m, l, key, key_length, file);
      if (code < 0)
        return code;
    } else if (type == VALUE_ARRAY)
      read_array(c, l, key, key_length);
    else if (type == VALUE_U32 && is_key(key, key_length, "general.alignment"))
      l->alignment = number(c, 4);
    else if (type == VALUE_U32 && is_key(key, key_length, GGUF_PANELS))
      l->panel = number(c, 4);
    else if (value_size(type))
      skip(c, value_size(type));
    else
      c->bad = true;
  }
  return c->bad ? error_set(OPIS_EFORMAT, "%s: broken or truncated GGUF metadata", file) : 0;
}

static int type_of(tensor_type *type, uint64_t ggml)
{
  switch (ggml) {
  case 0: *type = TENSOR_F32; return 0;
  case 1: *type = TENSOR_F16; return 0;
  case 8: *type = TENSOR_Q8_0; return 0;
  case 26: *type = TENSOR_I32; return 0;
  case 27: *type = TENSOR_I64; return 0;
  case 30: *type = TENSOR_BF16; return 0;
  default: return OPIS_EUNSUPPORTED;
  }
}

typedef struct info {
  char name[256];
  tensor_type type;
  int n_dims;
  int64_t dims[TENSOR_MAX_DIMS]; /* in the hub's order */
  int64_t elements;
  uint64_t offset, bytes;
  bool transposed, panels;
} info;

static int read_info(cursor *c, info *x, const char *file)
{
  size_t n;
  const char *name = string(c, &n);
  uint64_t n_dims = number(c, 4);
  if (c->bad || n == 0 || n > GGUF_NAME_MAX || n_dims > TENSOR_MAX_DIMS)
    return error_set(OPIS_EFORMAT, "%s: broken or truncated GGUF tensor list", file);
  *x = (info){.n_dims = (int)n_dims};
  memcpy(x->name, name, n);
  if (n > 2 && memcmp(name + n - 2, ".t", 2) == 0) {
    x->transposed = true;
    x->name[n - 2] = '\0';
  }
  gguf_name_restore(x->name, sizeof x->name);
  int64_t elements = 1;
  for (uint64_t i = 0; i < n_dims; i++) {
    uint64_t d = number(c, 8);
    if (d == 0 || d > UINT64_C(1) << 40 || __builtin_mul_overflow(elements, (int64_t)d, &elements) || elements > INT64_C(1) << 40)
      return error_set(OPIS_EFORMAT, "%s: %s: dimensions that no model has", file, x->name);
    x->dims[n_dims - 1 - i] = (int64_t)d;
  }
  uint64_t ggml = number(c, 4);
  if (!c->bad && type_of(&x->type, ggml) < 0)
    return error_set(OPIS_EUNSUPPORTED, "%s: %s: ggml type %llu; opis reads f32, f16, bf16 and q8_0", file, x->name, (unsigned long long)ggml);
  x->offset = number(c, 8);
  x->elements = elements;
  x->bytes = x->type == TENSOR_Q8_0 ? (uint64_t)elements / Q8_0_BLOCK * Q8_0_BLOCK_BYTES : (uint64_t)elements * tensor_type_size(x->type);
  return c->bad ? error_set(OPIS_EFORMAT, "%s: broken or truncated GGUF tensor list", file) : 0;
}

static int compare_offsets(const void *a, const void *b)
{
  const info *x = a, *y = b;
  return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int add_tensors(model_files *m, info *list, uint64_t n, const uint8_t *data, size_t size, uint64_t alignment, const char *file)
{
  if (n)
    qsort(list, n, sizeof *list, compare_offsets);
  for (uint64_t i = 0; i < n; i++) {
    const info *x = &list[i];
    if (x->offset % alignment)
      return error_set(OPIS_EFORMAT, "%s: %s: is not aligned", file, x->name);
    if (x->offset > size || x->bytes > size - x->offset)
      return error_set(OPIS_EFORMAT, "%s: %s: its bytes lie past the end of the file", file, x->name);
    if (i > 0 && x->offset < list[i - 1].offset + list[i - 1].bytes)
      return error_set(OPIS_EFORMAT, "%s: %s: shares bytes with %s", file, x->name, list[i - 1].name);
    if (x->type == TENSOR_Q8_0 && (x->n_dims < 2 || x->elements / x->dims[0] % Q8_0_BLOCK))
      return error_set(OPIS_EFORMAT, "%s: %s: a q8_0 row is no multiple of %d", file, x->name, Q8_0_BLOCK);
    tensor t = {.name = arena_strdup(&m->memory, x->name),
      .type = x->type,
      .transposed = x->transposed,
      .panels = x->panels,
      .n_dims = x->n_dims,
      .data = data + x->offset,
      .size = (size_t)x->bytes};
    memcpy(t.dims, x->dims, sizeof t.dims);
    if (!t.name)
      return OPIS_ENOMEM;
    if (t.panels && !panels_fit(&t))
      return error_set(OPIS_EFORMAT, "%s: %s: said to stand in panels, which it cannot", file, x->name);
    int code = tensor_table_add(&m->tensors, &t);
    if (code < 0)
      return code;
  }
  return 0;
}

/* Whether it is one of ours, of a model that is supported. */
static int judge(model_files *m, const layout *l, const char *file)
{
  if (!model_files_text(m, "config.json", NULL))
    return error_set(OPIS_EUNSUPPORTED, "%s: a GGUF of another program%s%.*s; opis reads those made by 'opis model convert'", file, l->architecture ? ", of the architecture " : "",
      l->architecture_length, l->architecture ? l->architecture : "");
  return model_judge(m);
}

int gguf_file_read(model_files *m, const uint8_t *bytes, size_t size, const char *file)
{
  cursor c = {bytes, size, 0, false};
  uint64_t magic = number(&c, 4), version = number(&c, 4), n_tensors = number(&c, 8), n_values = number(&c, 8);
  layout l = {.alignment = 32};
  if (c.bad || magic != GGUF_MAGIC)
    return error_set(OPIS_EFORMAT, "%s: no GGUF file", file);
  if (version < 2 || version > 3)
    return error_set(OPIS_EUNSUPPORTED, "%s: GGUF version %llu; opis reads 2 and 3", file, (unsigned long long)version);
  if (n_tensors > MAX_ITEMS || n_values > MAX_ITEMS || n_tensors > size / 24 || n_values > size / 12)
    return error_set(OPIS_EFORMAT, "%s: counts that do not fit into the file", file);
  info *list = calloc((size_t)n_tensors + 1, sizeof *list);
  int code = list ? read_metadata(&c, m, n_values, &l, file) : error_nomem();
  if (code == 0)
    code = check_layout(&l, n_tensors, file);
  if (code == 0)
    code = judge(m, &l, file); /* before the tensors: those of other programs may be of types that are not known here */
  for (uint64_t i = 0; i < n_tensors && code == 0; i++) {
    code = read_info(&c, &list[i], file);
    list[i].panels = l.in_panels && l.in_panels[i];
  }
  if (code == 0) {
    size_t data = (c.at + (size_t)l.alignment - 1) / (size_t)l.alignment * (size_t)l.alignment;
    if (data > size)
      code = n_tensors ? error_set(OPIS_EFORMAT, "%s: truncated", file) : 0;
    else
      code = add_tensors(m, list, n_tensors, bytes + data, size - data, l.alignment, file);
  }
  if (code == 0)
    code = tensor_table_index(&m->tensors, file);
  m->format = "gguf";
  free(list);
  return code;
}
