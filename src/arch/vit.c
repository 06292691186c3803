/* The ViT family: ViT, DINOv2, and the vision towers of BLIP and CLIP. They are one tower; names and flags differ. */
#include "arch/vision.h"

#include "util/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a family keeps its weights, below the tower's prefix; a layer's number follows on `layer`. */
typedef struct names {
  const char *name, *class_token, *position, *patch, *pre_norm, *layer, *norm1, *qkv, *out, *norm2, *fc1, *fc2, *scale1, *scale2, *final_norm;
  bool fused;             /* qkv is one layer of 3 hidden */
  const char *activation; /* where the configuration is silent */
  double eps;
  int patch_size;
  bool interpolates; /* takes pictures of another size than its table's */
} names;

static const names vit = {"vit", "embeddings.cls_token", "embeddings.position_embeddings", "embeddings.patch_embeddings.projection", NULL, "encoder.layer.", "layernorm_before",
  "attention.attention.query|attention.attention.key|attention.attention.value", "attention.output.dense", "layernorm_after", "intermediate.dense", "output.dense", NULL, NULL,
  "layernorm", false, "gelu", 1e-12, 16, true};
static const names dinov2 = {"dinov2", "embeddings.cls_token", "embeddings.position_embeddings", "embeddings.patch_embeddings.projection", NULL, "encoder.layer.", "norm1",
  "attention.attention.query|attention.attention.key|attention.attention.value", "attention.output.dense", "norm2", "mlp.fc1", "mlp.fc2", "layer_scale1.lambda1",
  "layer_scale2.lambda1", "layernorm", false, "gelu", 1e-6, 14, true};
static const names blip = {"blip", "embeddings.class_embedding", "embeddings.position_embedding", "embeddings.patch_embedding", NULL, "encoder.layers.", "layer_norm1",
  "self_attn.qkv", "self_attn.projection", "layer_norm2", "mlp.fc1", "mlp.fc2", NULL, NULL, "post_layernorm", true, "gelu", 1e-5, 16, false};
static const names clip = {"clip", "embeddings.class_embedding", "embeddings.position_embedding.weight", "embeddings.patch_embedding", "pre_layrnorm", "encoder.layers.",
  "layer_norm1", "self_attn.q_proj|self_attn.k_proj|self_attn.v_proj", "self_attn.out_proj", "layer_norm2", "mlp.fc1", "mlp.fc2", NULL, NULL, "post_layernorm", false, "quick_gelu",
  1e-5, 16, false};

typedef struct tower {
  block_options o;
  int layers, patch, rows, columns; /* rows and columns: the position table's grid */
  bool interpolates;
  nn_linear *patches;
  const float *class_token, *position; /* [hidden]; [1 + rows * columns, hidden] */
  norm pre, final;
  block *blocks;
} tower;

static int grid(const vision *v, int height, int width, int *rows, int *columns)
{
  const tower *t = v->own;
  *rows = height / t->patch;
  *columns = width / t->patch;
  bool same = *rows == t->rows && *columns == t->columns;
  if (*rows < 1 || *columns < 1 || *rows > 1024 || *columns > 1024 || (!same && !t->interpolates))
    return error_set(OPIS_EINVALID, "the preprocessing makes pictures of %d x %d pixels, this model takes %d x %d", width, height, t->columns * t->patch, t->rows * t->patch);
  return 0;
}

/* The table for this grid: [1 + rows * columns, hidden]; own: malloc'ed for this call. */
static const float *positions(const tower *t, int rows, int columns, float **own)
{
  size_t h = (size_t)t->o.hidden;
  *own = NULL;
  if (rows == t->rows && columns == t->columns)
    return t->position;
  *own = malloc((1 + (size_t)rows * (size_t)columns) * h * sizeof **own);
  if (*own) {
    memcpy(*own, t->position, h * sizeof **own);
    position_interpolate(*own + h, rows, columns, t->position + h, t->rows, t->columns, t->o.hidden);
  }
  return *own;
}

static void embed(
  const tower *t, nn_context *c, float *x, float *columns_of_patches, const float *position, const float *pixels, size_t pictures, int height, int width, int rows, int columns)
{
  size_t h = (size_t)t->o.hidden, n = (size_t)rows * (size_t)columns, k = 3 * (size_t)t->patch * (size_t)t->patch;
  for (size_t p = 0; p < pictures; p++, x += (1 + n) * h) {
    nn_im2col(c, columns_of_patches, pixels + p * 3 * (size_t)height * (size_t)width, 3, height, width, t->patch, t->patch, t->patch, 0, 0, rows, columns);
    nn_epilogue e = {.residual = position + h, .ld_residual = h};
    nn_linear_forward(c, t->patches, x + h, h, columns_of_patches, k, n, &e);
    for (size_t i = 0; i < h; i++)
      x[i] = t->class_token[i] + position[i];
  }
}

static int forward(const vision *v, nn_context *c, float *out, const float *pixels, size_t pictures, int height, int width, arch_check check)
{
  const tower *t = v->own;
  int rows, columns, code = grid(v, height, width, &rows, &columns);
  if (code < 0)
    return code;
  size_t h = (size_t)t->o.hidden, T = 1 + (size_t)rows * (size_t)columns, all = pictures * T, k = 3 * (size_t)t->patch * (size_t)t->patch;
  size_t scratch = block_scratch_floats(&t->o, all), patches = T * k;
  float *own, *memory = nn_workspace(c, (scratch > patches ? scratch : patches) * sizeof *memory);
  const float *position = positions(t, rows, columns, &own);
  if (!memory || !position) {
    free(own);
    return error_nomem();
  }
  embed(t, c, out, memory, position, pixels, pictures, height, width, rows, columns);
  if (t->pre.gain)
    nn_layer_norm(c, out, h, out, h, all, h, t->pre.gain, t->pre.bias, t->pre.eps);
  block_scratch s = block_scratch_from(memory, &t->o, all);
  for (int i = 0; i < t->layers && code == 0; i++) {
    code = check.ask ? check.ask(check.user) : 0;
    if (code == 0)
      block_forward(c, &t->blocks[i], &t->o, &s, out, pictures, T, NULL);
  }
  nn_layer_norm(c, out, h, out, h, all, h, t->final.gain, t->final.bias, t->final.eps);
  free(own);
  return code < 0 ? code : nn_context_check(c);
}

static void load_layer(loader *l, const tower *t, block *b, const names *n, const char *prefix, int layer, float eps, bool qkv_bias)
{
  char below[256];
  int64_t h = t->o.hidden;
  snprintf(below, sizeof below, "%s%s%d.", prefix, n->layer, layer);
  b->norm1 = loader_norm(l, h, eps, "%s%s", below, n->norm1);
  b->qkv = loader_linear_stack(l, (loader_linear){.N = n->fused ? 3 * h : h, .K = h, .wide = true, .bias = qkv_bias ? 1 : 0}, below, n->qkv);
  b->out = loader_linear_stack(l, (loader_linear){.N = h, .K = h, .wide = true, .bias = 1}, below, n->out);
  b->norm2 = loader_norm(l, h, eps, "%s%s", below, n->norm2);
  int64_t w = t->o.intermediate;
  b->fc1 = loader_linear_stack(l, (loader_linear){.N = t->o.gated ? 2 * w : w, .K = h, .wide = true, .bias = 1}, below, t->o.gated ? "mlp.weights_in" : n->fc1);
  b->fc2 = loader_linear_stack(l, (loader_linear){.N = h, .K = w, .wide = true, .bias = 1}, below, t->o.gated ? "mlp.weights_out" : n->fc2);
  if (n->scale1) {
    b->scale1 = loader_vector(l, h, "%s%s", below, n->scale1);
    b->scale2 = loader_vector(l, h, "%s%s", below, n->scale2);
  }
  b->attention_scale = (float)(1.0 / sqrt((double)h / t->o.heads));
}

/* A number for both sides, or [height, width]. */
static void pair(loader *l, const json_t *config, const char *key, int missing, int *height, int *width)
{
  const json_t *v = json_object_get(config, key);
  int *sides[2] = {height, width};
  for (int i = 0; i < 2; i++) {
    json_t *one = json_is_array(v) && json_array_size(v) == 2 ? json_pack("{sO}", key, json_array_get(v, (size_t)i)) : NULL;
    *sides[i] = (int)loader_int(l, one ? one : config, key, missing, 1, 8192);
    json_decref(one);
  }
}

static void build(loader *l, vision *v, const names *n, const json_t *config, const char *prefix)
{
  tower *t = arena_calloc(l->memory, 1, sizeof *t);
  if (!t) {
    l->code = OPIS_ENOMEM;
    return;
  }
  int64_t h = loader_int(l, config, "hidden_size", 768, 1, 16384);
  t->o = (block_options){
    .hidden = (int)h, .heads = (int)loader_int(l, config, "num_attention_heads", 12, 1, 1024), .activation = loader_activation(l, config, "hidden_act", n->activation)};
  t->o.intermediate = (int)loader_int(l, config, "intermediate_size", 4 * h, 1, 1 << 17);
  t->layers = (int)loader_int(l, config, "num_hidden_layers", 12, 1, 256);
  int patch_width;
  pair(l, config, "patch_size", n->patch_size, &t->patch, &patch_width);
  pair(l, config, "image_size", n == &blip ? 384 : 224, &v->image_height, &v->image_width);
  float eps = loader_eps(l, config, "layer_norm_eps", n->eps);
  bool qkv_bias = loader_flag(l, config, "qkv_bias", true);
  if (n == &dinov2) {
    double ratio = loader_number(l, config, "mlp_ratio", 4);
    if (l->code == 0 && !(ratio * (double)h >= 1 && ratio <= 64))
      l->code = error_set(OPIS_EFORMAT, "config.json: mlp_ratio: %g is outside 0..64", ratio);
    t->o.intermediate = l->code == 0 ? (int)((double)h * ratio) : 1;
    t->o.gated = loader_flag(l, config, "use_swiglu_ffn", false);
    if (t->o.gated)
      t->o.intermediate = (int)((int64_t)((double)t->o.intermediate * 2 / 3) + 7) / 8 * 8;
  }
  if (l->code == 0 && (h % t->o.heads || v->image_height < t->patch || v->image_width < t->patch))
    l->code = error_set(
      OPIS_EFORMAT, "config.json: hidden_size %lld with %d heads, image_size %d x %d with patches of %d", (long long)h, t->o.heads, v->image_width, v->image_height, t->patch);
  if (l->code == 0 && t->patch != patch_width)
    l->code = error_set(OPIS_EUNSUPPORTED, "config.json: patch_size: only square patches are known, not %d x %d", patch_width, t->patch);
  if (loader_int(l, config, "num_channels", 3, 1, 64) != 3 && l->code == 0)
    l->code = error_set(OPIS_EUNSUPPORTED, "config.json: num_channels: only pictures of 3 channels are known");
  if (l->code < 0)
    return;
  t->rows = v->image_height / t->patch;
  t->columns = v->image_width / t->patch;
  t->interpolates = n->interpolates;
  int64_t k = 3 * (int64_t)t->patch * t->patch;
  t->class_token = loader_vector(l, h, "%s%s", prefix, n->class_token);
  t->position = loader_vector(l, (1 + (int64_t)t->rows * t->columns) * h, "%s%s", prefix, n->position);
  t->patches = loader_linear_stack(l, (loader_linear){.N = h, .K = k, .wide = true, .bias = -1}, prefix, n->patch);
  if (n->pre_norm)
    t->pre = loader_norm(l, h, eps, "%s%s", prefix, n->pre_norm);
  t->blocks = arena_calloc(l->memory, (size_t)t->layers, sizeof *t->blocks);
  for (int i = 0; i < t->layers && t->blocks && l->code == 0; i++)
    load_layer(l, t, &t->blocks[i], n, prefix, i, eps, qkv_bias);
  t->final = loader_norm(l, h, eps, "%s%s", prefix, n->final_norm);
  if (!t->blocks && l->code == 0)
    l->code = OPIS_ENOMEM;
  v->name = n->name;
  v->hidden = (int)h;
  v->prefix = 1;
  v->grid = grid;
  v->forward = forward;
  v->own = t;
}

void vision_vit(loader *l, vision *v, const json_t *config, const char *prefix)
{
  build(l, v, &vit, config, prefix);
}

void vision_dinov2(loader *l, vision *v, const json_t *config, const char *prefix)
{
  build(l, v, &dinov2, config, prefix);
}

void vision_blip(loader *l, vision *v, const json_t *config, const char *prefix)
{
  build(l, v, &blip, config, prefix);
}

void vision_clip(loader *l, vision *v, const json_t *config, const char *prefix)
{
  build(l, v, &clip, config, prefix);
}
