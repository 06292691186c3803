#include "arch/loader.h"

#include "util/error.h"
#include <opis/model.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 320 };

static void fail(loader *l, int code)
{
  if (l->code == 0)
    l->code = code;
}

int64_t loader_int(loader *l, const json_t *config, const char *key, int64_t missing, int64_t min, int64_t max)
{
  const json_t *v = json_object_get(config, key);
  int64_t n = missing;
  if (v && !json_is_null(v)) {
    if (!json_is_integer(v)) {
      if (l->code == 0)
        fail(l, error_set(OPIS_EFORMAT, "config.json: %s: not a whole number", key));
      return min;
    }
    n = json_integer_value(v);
  }
  if (n < min || n > max) {
    if (l->code == 0)
      fail(l, error_set(OPIS_EFORMAT, "config.json: %s: %lld is outside %lld..%lld", key, (long long)n, (long long)min, (long long)max));
    return min;
  }
  return n;
}

double loader_number(loader *l, const json_t *config, const char *key, double missing)
{
  const json_t *v = json_object_get(config, key);
  if (!v || json_is_null(v))
    return missing;
  if (!json_is_number(v) || !isfinite(json_number_value(v))) {
    if (l->code == 0)
      fail(l, error_set(OPIS_EFORMAT, "config.json: %s: not a number", key));
    return missing;
  }
  return json_number_value(v);
}

float loader_eps(loader *l, const json_t *config, const char *key, double missing)
{
  double eps = loader_number(l, config, key, missing);
  if ((eps < 0 || eps > 1) && l->code == 0)
    fail(l, error_set(OPIS_EFORMAT, "config.json: %s: %g is outside 0..1", key, eps));
  return (float)eps;
}

bool loader_flag(loader *l, const json_t *config, const char *key, bool missing)
{
  const json_t *v = json_object_get(config, key);
  if (!v || json_is_null(v))
    return missing;
  if (!json_is_boolean(v) && l->code == 0)
    fail(l, error_set(OPIS_EFORMAT, "config.json: %s: neither true nor false", key));
  return json_is_true(v);
}

nn_activation loader_activation(loader *l, const json_t *config, const char *key, const char *missing)
{
  static const struct {
    const char *name;
    nn_activation activation;
  } known[] = {{"gelu", NN_GELU_ERF}, {"gelu_new", NN_GELU_TANH}, {"gelu_pytorch_tanh", NN_GELU_TANH}, {"gelu_fast", NN_GELU_TANH}, {"gelu_python", NN_GELU_ERF},
    {"gelu_python_tanh", NN_GELU_TANH}, {"gelu_accurate", NN_GELU_TANH}, {"linear", NN_NONE}, {"relu6", NN_RELU6}, {"quick_gelu", NN_QUICK_GELU}, {"relu", NN_RELU},
    {"silu", NN_SILU}, {"swish", NN_SILU}};
  const json_t *v = json_object_get(config, key);
  const char *name = v && !json_is_null(v) ? json_string_value(v) : missing;
  for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].name, name) == 0)
      return known[i].activation;
  if (l->code == 0)
    fail(l, error_set(OPIS_EUNSUPPORTED, "config.json: %s: '%.64s' is no activation that opis knows", key, name ? name : "(no text)"));
  return NN_NONE;
}

/* Counts what is read, and asks whether to go on. */
static void note(loader *l, const tensor *t)
{
  l->parameters += (uint64_t)tensor_elements(t);
  l->done_bytes += t->size;
  if (l->progress && l->code == 0 && l->progress(l->user, l->done_bytes, l->total_bytes) != 0)
    fail(l, error_set(OPIS_ECANCELLED, "loading the model was cancelled"));
}

static const tensor *find(loader *l, bool needed, int n_dims, const int64_t *dims, const char *name)
{
  if (l->code < 0)
    return NULL;
  const tensor *t = model_files_find(l->files, name);
  if (!t) {
    if (needed)
      fail(l, error_set(OPIS_EFORMAT, "%s: has no tensor %s", model_files_name(l->files), name));
    return NULL;
  }
  if (!tensor_is_weight(t)) {
    fail(l, error_set(OPIS_EFORMAT, "%s: %s holds %s; weights are F32, F16, BF16, F64 or Q8_0", model_files_name(l->files), name, tensor_type_name(t->type)));
    return NULL;
  }
  if (n_dims > 0 && !tensor_has_shape(t, n_dims, dims)) {
    char shape[96], want[96] = "[";
    for (int i = 0; i < n_dims; i++)
      snprintf(want + strlen(want), sizeof want - strlen(want), "%s%lld", i ? ", " : "", (long long)dims[i]);
    fail(l, error_set(OPIS_EFORMAT, "%s: %s is %s, not %s]", model_files_name(l->files), name, tensor_shape_text(shape, t), want));
    return NULL;
  }
  return t;
}

const tensor *loader_tensor(loader *l, int n_dims, const int64_t *dims, const char *format, ...)
{
  char name[NAME];
  va_list args;
  va_start(args, format);
  vsnprintf(name, sizeof name, format, args);
  va_end(args);
  return find(l, true, n_dims, dims, name);
}

const tensor *loader_optional(loader *l, const char *format, ...)
{
  char name[NAME];
  va_list args;
  va_start(args, format);
  vsnprintf(name, sizeof name, format, args);
  va_end(args);
  return find(l, false, 0, NULL, name);
}

static const tensor *table(loader *l, int64_t n, const char *name)
{
  const tensor *t = find(l, true, 0, NULL, name);
  if (t && tensor_elements(t) != n) {
    fail(l, error_set(OPIS_EFORMAT, "%s: %s has %lld elements, not %lld", model_files_name(l->files), name, (long long)tensor_elements(t), (long long)n));
    return NULL;
  }
  if (t)
    note(l, t);
  return t;
}

const tensor *loader_table(loader *l, int64_t n, const char *format, ...)
{
  char name[NAME];
  va_list args;
  va_start(args, format);
  vsnprintf(name, sizeof name, format, args);
  va_end(args);
  return table(l, n, name);
}

static const float *vector(loader *l, int64_t n, const char *name)
{
  const tensor *t = table(l, n, name);
  if (!t)
    return NULL;
  if (t->type == TENSOR_F32 && !t->panels && (uintptr_t)t->data % ARENA_ALIGN == 0)
    return t->data;
  float *v = arena_alloc(l->memory, (size_t)n * sizeof *v);
  if (!v) {
    fail(l, OPIS_ENOMEM);
    return NULL;
  }
  tensor_read_f32(v, t, 0, n);
  return v;
}

const float *loader_vector(loader *l, int64_t n, const char *format, ...)
{
  char name[NAME];
  va_list args;
  va_start(args, format);
  vsnprintf(name, sizeof name, format, args);
  va_end(args);
  return vector(l, n, name);
}

norm loader_norm(loader *l, int64_t n, float eps, const char *format, ...)
{
  char prefix[NAME - 16], name[NAME];
  va_list args;
  va_start(args, format);
  vsnprintf(prefix, sizeof prefix, format, args);
  va_end(args);
  norm r = {.eps = eps};
  snprintf(name, sizeof name, "%s.weight", prefix);
  r.gain = vector(l, n, name);
  snprintf(name, sizeof name, "%s.bias", prefix);
  r.bias = vector(l, n, name);
  return r;
}

/* What has been packed is not needed again; what is used in place will be. */
static void settle(loader *l, const nn_linear *layer, const tensor *t)
{
  if (!nn_linear_borrows(layer)) {
    model_files_release(l->files, t);
    return;
  }
  if (l->n_in_place == l->room_in_place) {
    size_t room = 2 * l->room_in_place + 64;
    const tensor **larger = arena_alloc(l->memory, room * sizeof(const tensor *));
    if (!larger) {
      fail(l, OPIS_ENOMEM);
      return;
    }
    if (l->n_in_place)
      memcpy(larger, l->in_place, l->n_in_place * sizeof(const tensor *));
    l->in_place = larger;
    l->room_in_place = room;
  }
  l->in_place[l->n_in_place++] = t;
}

static void populate(void *user, size_t begin, size_t end, int thread)
{
  const loader *l = user;
  (void)thread;
  for (size_t i = begin; i < end; i++)
    model_files_populate(l->files, l->in_place[i]);
}

void loader_finish(loader *l)
{
  if (l->code == 0)
    pool_for(l->threads, l->n_in_place, 1, populate, l);
}

nn_linear *loader_linear_stack(loader *l, loader_linear shape, const char *prefix, const char *parts)
{
  enum { MAX_PARTS = 4, WIDE_LAYER = 512 };
  nn_linear_source sources[MAX_PARTS];
  int n = 0;
  bool q8 = l->precision == OPIS_PRECISION_Q8;
  for (const char *part = parts; n < MAX_PARTS;) {
    size_t length = strcspn(part, "|");
    char name[NAME];
    int64_t dims[2] = {shape.conv1d ? shape.K : shape.N, shape.conv1d ? shape.N : shape.K};
    snprintf(name, sizeof name, "%s%.*s.weight", prefix, (int)length, part);
    const tensor *w = find(l, true, 0, NULL, name), *b = NULL;
    if (!w)
      return NULL;
    /* 1 x 1 convolutions and patches have their kernel's dimensions behind. */
    if (shape.conv1d ? !tensor_has_shape(w, 2, dims) : w->n_dims < 2 || w->dims[0] != shape.N || tensor_elements(w) != shape.N * shape.K) {
      find(l, true, 2, dims, name);
      return NULL;
    }
    snprintf(name, sizeof name, "%s%.*s.bias", prefix, (int)length, part);
    if (shape.bias != 0)
      b = find(l, shape.bias > 0, 1, &shape.N, name);
    if (l->code < 0)
      return NULL;
    if (l->precision == OPIS_PRECISION_STORED && w->type == TENSOR_Q8_0)
      q8 = true;
    sources[n++] = (nn_linear_source){w, shape.conv1d, shape.first_row, shape.rows, b};
    if (!part[length])
      break;
    part += length + 1;
  }
  nn_linear *out;
  int code = nn_linear_pack(&out, l->memory, l->threads, sources, n, !q8 ? NN_F32 : shape.wide && shape.N >= WIDE_LAYER && shape.K >= WIDE_LAYER ? NN_Q8_WIDE : NN_Q8);
  if (code < 0) {
    fail(l, code);
    return NULL;
  }
  l->any_q8 |= q8;
  for (int i = 0; i < n; i++) {
    note(l, sources[i].weight);
    if (sources[i].bias)
      note(l, sources[i].bias);
    settle(l, out, sources[i].weight);
  }
  return out;
}

nn_linear *loader_linear_of(loader *l, const tensor *weight, const tensor *bias)
{
  nn_linear *out;
  if (l->code < 0)
    return NULL;
  bool q8 = l->precision == OPIS_PRECISION_Q8 || (l->precision == OPIS_PRECISION_STORED && weight->type == TENSOR_Q8_0);
  int code = nn_linear_pack(&out, l->memory, l->threads, &(nn_linear_source){weight, false, 0, 0, bias}, 1, q8 ? NN_Q8 : NN_F32);
  if (code < 0) {
    fail(l, code);
    return NULL;
  }
  l->any_q8 |= q8;
  note(l, weight);
  if (bias)
    note(l, bias);
  settle(l, out, weight);
  return out;
}
