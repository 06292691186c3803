/* Writes a model as one GGUF, version 3. */
#include "model/gguf.h"

#include "model/gguf_names.h"
#include "model/model_source.h"
#include "model/panels.h"
#include "util/error.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* How one tensor goes into the file. */
typedef struct plan {
  const tensor *t;
  char name[256];
  tensor_type type;
  bool transpose, panels;
  int n_dims;
  int64_t dims[TENSOR_MAX_DIMS];
  uint64_t offset, bytes;
} plan;

static size_t plan_bytes(tensor_type type, int64_t n)
{
  return type == TENSOR_Q8_0 ? (size_t)n / Q8_0_BLOCK * Q8_0_BLOCK_BYTES : (size_t)n * tensor_type_size(type);
}

/* The types that families compute with or ggml knows; masks and the like stay behind. */
static bool wanted(const tensor *t)
{
  return tensor_is_weight(t) || t->type == TENSOR_I64 || t->type == TENSOR_I32;
}

static bool ends_with(const char *s, const char *end)
{
  size_t n = strlen(s), k = strlen(end);
  return n >= k && strcmp(s + n - k, end) == 0;
}

/* GPT-2's Conv1D layers, whose weights the hub stores as [in, out]. */
static bool is_conv1d(const tensor *t)
{
  return t->n_dims == 2 && strstr(t->name, "transformer.h.") &&
    (ends_with(t->name, "c_attn.weight") || ends_with(t->name, "q_attn.weight") || ends_with(t->name, "c_proj.weight") || ends_with(t->name, "c_fc.weight"));
}

/* Tables that are looked up, not multiplied with: they gain nothing from 8 bits. Convolutions (four dimensions) stay in f16, too: in 8 bits those of EfficientNet-Lite change one description
 * in nine and save a tenth of the file; the linear layers change one in a hundred. */
static bool is_lookup(const tensor *t)
{
  return ends_with(t->name, "wpe.weight") || strstr(t->name, "position_embedding") != NULL;
}

static void make_plan(plan *p, const tensor *t, tensor_type type, bool panels)
{
  *p = (plan){.t = t, .n_dims = t->n_dims, .type = type};
  snprintf(p->name, sizeof p->name, "%s", t->name);
  gguf_name_shorten(p->name, sizeof p->name);
  memcpy(p->dims, t->dims, sizeof p->dims);
  bool conv1d = is_conv1d(t);
  p->transpose = conv1d && !t->transposed;
  if (p->transpose) {
    p->dims[0] = t->dims[1];
    p->dims[1] = t->dims[0];
  }
  if (conv1d)
    strncat(p->name, ".t", sizeof p->name - strlen(p->name) - 1);
  int64_t n = tensor_elements(t), K = t->n_dims >= 2 ? n / p->dims[0] : 0;
  bool matrix = t->n_dims == 2 && !is_lookup(t);
  if (t->type == TENSOR_I64 || t->type == TENSOR_I32)
    p->type = t->type;
  else if (type == TENSOR_Q8_0 && !(matrix && K % Q8_0_BLOCK == 0))
    p->type = t->n_dims >= 2 ? TENSOR_F16 : TENSOR_F32;
  else if (type == TENSOR_F16 && t->n_dims < 2)
    p->type = TENSOR_F32;
  p->bytes = plan_bytes(p->type, n);
  tensor written = {.type = p->type, .n_dims = p->n_dims};
  memcpy(written.dims, p->dims, sizeof written.dims);
  p->panels = panels && !is_lookup(t) && panels_fit(&written);
}

static void put(strbuf *b, uint64_t v, int n)
{
  for (int i = 0; i < n; i++)
    strbuf_putc(b, (char)(v >> (8 * i)));
}

static void put_string(strbuf *b, const char *s, size_t n)
{
  put(b, n, 8);
  strbuf_append(b, s, n);
}

static void put_key(strbuf *b, const char *key, const char *value, size_t n)
{
  put_string(b, key, strlen(key));
  put(b, 8, 4);
  put_string(b, value, n);
}

/* tokenizer.json holds again what vocab.json and merges.txt, or vocab.txt, already say. */
static bool wanted_text(const model_files *m, const char *name)
{
  size_t n;
  bool plain = (model_files_text(m, "vocab.json", &n) && model_files_text(m, "merges.txt", &n)) || model_files_text(m, "vocab.txt", &n);
  return !(plain && strcmp(name, "tokenizer.json") == 0);
}

/* A JSON text without its white space; other texts as they are. */
static void put_text(strbuf *b, const model_files *m, const char *name, uint64_t *n_values)
{
  size_t n;
  const char *text = model_files_text(m, name, &n);
  char key[64], *small = NULL;
  if (!text || !wanted_text(m, name) || !utf8_valid(text, n))
    return;
  snprintf(key, sizeof key, "opis.file.%s", name);
  if (ends_with(name, ".json")) {
    json_t *j = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
    small = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(j);
  }
  put_key(b, key, small ? small : text, small ? strlen(small) : n);
  free(small);
  ++*n_values;
}

/* Which tensors stand in panels, if any do. */
static void put_panels(strbuf *b, const plan *plans, size_t n, uint64_t *n_values)
{
  bool any = false;
  for (size_t i = 0; i < n; i++)
    any |= plans[i].panels;
  if (!any)
    return;
  put_string(b, GGUF_PANELS, strlen(GGUF_PANELS));
  put(b, 4, 4);
  put(b, TENSOR_PANEL, 4);
  put_string(b, GGUF_PANEL_TENSORS, strlen(GGUF_PANEL_TENSORS));
  put(b, 9, 4); /* an array */
  put(b, 7, 4); /* of booleans */
  put(b, n, 8);
  for (size_t i = 0; i < n; i++)
    strbuf_putc(b, plans[i].panels ? 1 : 0);
  *n_values += 2;
}

static void put_metadata(strbuf *b, const model_files *m, uint64_t *n_values)
{
  const char *name = model_files_name(m);
  put_key(b, "general.architecture", "opis", 4);
  put_key(b, "general.name", name, strlen(name));
  put_string(b, "general.alignment", 17);
  put(b, 4, 4);
  put(b, ALIGNMENT, 4);
  *n_values = 3;
  for (const char *const *text = model_text_files; *text; text++)
    put_text(b, m, *text, n_values);
}

/* ---- tensor data ---- */

static void encode(uint8_t *out, const float *x, size_t n, tensor_type type)
{
  if (type == TENSOR_F32)
    memcpy(out, x, n * sizeof *x);
  else if (type == TENSOR_Q8_0)
    q8_0_quantise(out, x, n / Q8_0_BLOCK);
  else
    for (size_t i = 0; i < n; i++) {
      uint16_t half = float_to_half(x[i]);
      memcpy(out + 2 * i, &half, 2);
    }
}

/* The file in pieces of some megabytes: systems keep what is written in one piece on large pages, which can be mapped in a hundredth of the time that small ones take. */
enum { PIECE = 4 << 20 };

typedef struct sink {
  int fd;
  const char *file;
  uint8_t *piece; /* [PIECE] */
  size_t n;
} sink;

static int sink_flush(sink *s)
{
  size_t n = s->n;
  s->n = 0;
  return file_write_all(s->fd, s->piece, n, s->file);
}

static int sink_put(sink *s, const void *bytes, size_t n)
{
  const uint8_t *from = bytes;
  int code = 0;
  while (n > 0 && code == 0) {
    size_t part = PIECE - s->n < n ? PIECE - s->n : n;
    memcpy(s->piece + s->n, from, part);
    s->n += part;
    from += part;
    n -= part;
    if (s->n == PIECE)
      code = sink_flush(s);
  }
  return code;
}

/* Rows r..r + n (a row: everything behind the first dimension) as the file is to have them, before they go into panels. */
static void encode_rows(uint8_t *out, float *row, const plan *p, int64_t r, int64_t n, int64_t K)
{
  const tensor *t = p->t;
  const size_t bytes = plan_bytes(p->type, K);
  const int64_t N = tensor_elements(t) / K;
  if (p->transpose) { /* line by line of the source, each of which has a number of every row */
    float line[TENSOR_PANEL];
    for (int64_t k = 0; k < K; k++) {
      tensor_read_f32(line, t, k * N + r, n);
      for (int64_t i = 0; i < n; i++)
        row[i * K + k] = line[i];
    }
  }
  for (int64_t i = 0; i < n; i++, out += bytes)
    if (p->type == t->type && !p->transpose && t->panels)
      panels_gather(out, t, r + i, 0, K);
    else if (p->type == t->type && !p->transpose)
      memcpy(out, (const uint8_t *)t->data + (size_t)(r + i) * bytes, bytes);
    else {
      if (!p->transpose)
        tensor_read_f32(row + i * K, t, (r + i) * K, K);
      encode(out, row + i * K, (size_t)K, p->type);
    }
}

/* As many rows at a time as a panel has. */
static int write_tensor(sink *out, const plan *p)
{
  const tensor *t = p->t;
  int64_t n = tensor_elements(t), rows = p->n_dims >= 2 ? p->dims[0] : 1, K = n / rows;
  const size_t bytes = TENSOR_PANEL * plan_bytes(p->type, K);
  if (p->type == t->type && !p->transpose && p->panels == t->panels)
    return sink_put(out, t->data, t->size);
  float *row = malloc(TENSOR_PANEL * (size_t)K * sizeof *row);
  uint8_t *encoded = malloc(bytes), *panel = malloc(bytes);
  int code = row && encoded && panel ? 0 : error_nomem();
  for (int64_t r = 0; r < rows && code == 0; r += TENSOR_PANEL) {
    int64_t count = rows - r < TENSOR_PANEL ? rows - r : TENSOR_PANEL;
    bool whole = p->panels && count == TENSOR_PANEL;
    encode_rows(encoded, row, p, r, count, K);
    if (whole)
      panels_put(panel, encoded, p->type, K);
    code = sink_put(out, whole ? panel : encoded, (size_t)count * plan_bytes(p->type, K));
  }
  free(row);
  free(encoded);
  free(panel);
  return code;
}

static int write_all(int fd, const model_files *m, const plan *plans, size_t n, const strbuf *header, const char *file)
{
  static const char zeros[ALIGNMENT];
  sink out = {.fd = fd, .file = file, .piece = malloc(PIECE)};
  int code = out.piece ? sink_put(&out, header->s, header->n) : error_nomem();
  for (size_t i = 0; i < n && code == 0; i++) {
    code = write_tensor(&out, &plans[i]);
    if (code == 0)
      code = sink_put(&out, zeros, (ALIGNMENT - plans[i].bytes % ALIGNMENT) % ALIGNMENT);
    model_files_release(m, plans[i].t);
  }
  if (code == 0)
    code = sink_flush(&out);
  free(out.piece);
  return code;
}

static const int ggml_types[] = {[TENSOR_F32] = 0, [TENSOR_F16] = 1, [TENSOR_BF16] = 30, [TENSOR_Q8_0] = 8, [TENSOR_I64] = 27, [TENSOR_I32] = 26};

static size_t make_plans(plan *plans, const model_files *m, tensor_type type, bool panels)
{
  size_t n = 0;
  for (size_t i = 0; i < model_files_tensors(m); i++) {
    const tensor *t = model_files_tensor_at(m, i);
    if (wanted(t))
      make_plan(&plans[n++], t, type, panels);
  }
  return n;
}

static int make_header(strbuf *h, plan *plans, size_t n, const model_files *m)
{
  strbuf values = STRBUF_INIT;
  uint64_t n_values, offset = 0;
  put_metadata(&values, m, &n_values);
  put_panels(&values, plans, n, &n_values);
  put(h, GGUF_MAGIC, 4);
  put(h, 3, 4);
  put(h, n, 8);
  put(h, n_values, 8);
  strbuf_append(h, values.s, values.n);
  int code = strbuf_check(&values);
  strbuf_free(&values);
  for (size_t i = 0; i < n && code == 0; i++) {
    plan *p = &plans[i];
    if (strlen(p->name) > GGUF_NAME_MAX)
      code = error_set(OPIS_EUNSUPPORTED, "%s: the name is too long for GGUF", p->t->name);
    p->offset = offset;
    offset += (p->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    put_string(h, p->name, strlen(p->name));
    put(h, (uint64_t)p->n_dims, 4);
    for (int d = p->n_dims; d-- > 0;)
      put(h, (uint64_t)p->dims[d], 8);
    put(h, (uint64_t)ggml_types[p->type], 4);
    put(h, p->offset, 8);
  }
  while (h->n % ALIGNMENT && !h->failed)
    strbuf_putc(h, '\0');
  return code < 0 ? code : strbuf_check(h);
}

int gguf_write(const char *path, const model_files *m, tensor_type type, bool panels)
{
  strbuf header = STRBUF_INIT;
  file_replacement r;
  plan *plans = calloc(model_files_tensors(m) + 1, sizeof *plans);
  size_t n = plans ? make_plans(plans, m, type, panels) : 0;
  int code = plans ? make_header(&header, plans, n, m) : error_nomem();
  if (code == 0)
    code = file_replace_open(&r, path, 0666);
  if (code == 0) {
    code = write_all(r.fd, m, plans, n, &header, path);
    if (code == 0)
      code = file_replace_commit(&r, true);
    else
      file_replace_abort(&r);
  }
  strbuf_free(&header);
  free(plans);
  return code;
}
