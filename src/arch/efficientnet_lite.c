/* EfficientNet-Lite (Tan and Le, arXiv 1905.11946; no squeeze-and-excitation, ReLU6), batch normalisation folded in. Channels last; pointwise convolutions are linear layers over places. */
#include "arch/vision.h"

#include "util/error.h"

#include <stdio.h>
#include <string.h>

enum { STEM_PATCH = 3 * 3 * 3 };

typedef struct mobile_block {
  int kernel, stride, in, middle, out;
  nn_linear *expand, *project; /* expand NULL: middle is in */
  nn_depthwise *depthwise;
} mobile_block;

typedef struct net {
  int stem_channels, n_blocks;
  nn_linear *stem, *head;
  mobile_block *blocks;
} net;

static int halved(int n, int stride)
{
  return (n + stride - 1) / stride;
}

/* TensorFlow's SAME: as little padding as covers the picture, the odd pixel at the right and the bottom. */
static int pad_before(int n, int kernel, int stride)
{
  int total = (halved(n, stride) - 1) * stride + kernel - n;
  return total > 0 ? total / 2 : 0;
}

static int grid(const vision *v, int height, int width, int *rows, int *columns)
{
  const net *t = v->own;
  *rows = halved(height, 2);
  *columns = halved(width, 2);
  for (int i = 0; i < t->n_blocks; i++) {
    *rows = halved(*rows, t->blocks[i].stride);
    *columns = halved(*columns, t->blocks[i].stride);
  }
  return 0;
}

/* ---- forward ---- */

/* Two pictures of a block's input or output, taken in turns, and what lies between: the stem's patches, then a block's depthwise output. */
typedef struct memory {
  float *x, *y, *between;
} memory;

static size_t larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

/* Every part begins on a cache line. */
static size_t whole_lines(size_t floats)
{
  return (floats + 15) / 16 * 16;
}

/* The stem's patches are made for so many rows at a time as go through it while they are in the caches. */
static int stem_rows(int width)
{
  enum { MOST = 64 * 1024 /* floats */ };
  const int rows = MOST / (STEM_PATCH * width);
  return rows > 1 ? rows : 1;
}

static int memory_take(memory *m, nn_context *c, const net *t, int height, int width)
{
  int h = halved(height, 2), w = halved(width, 2);
  size_t picture = (size_t)h * (size_t)w * (size_t)t->stem_channels, between = (size_t)stem_rows(w) * STEM_PATCH * (size_t)w;
  for (int i = 0; i < t->n_blocks; i++) {
    const mobile_block *b = &t->blocks[i];
    h = halved(h, b->stride);
    w = halved(w, b->stride);
    between = larger(between, (size_t)h * (size_t)w * (size_t)b->middle);
    picture = larger(picture, (size_t)h * (size_t)w * (size_t)b->out);
  }
  picture = whole_lines(picture);
  m->x = nn_workspace(c, (2 * picture + between) * sizeof *m->x);
  if (!m->x)
    return error_nomem();
  m->y = m->x + picture;
  m->between = m->y + picture;
  return 0;
}

static void stem(const net *t, nn_context *c, const memory *m, const float *pixels, int H, int W, const nn_epilogue *e)
{
  const int h = halved(H, 2), w = halved(W, 2), top = pad_before(H, 3, 2), left = pad_before(W, 3, 2), rows = stem_rows(w);
  for (int oy = 0; oy < h; oy += rows) {
    int n = h - oy < rows ? h - oy : rows;
    nn_im2col(c, m->between, pixels, 3, H, W, 3, 3, 2, top - 2 * oy, left, n, w);
    nn_linear_forward(c, t->stem, m->x + (size_t)oy * (size_t)w * (size_t)t->stem_channels, (size_t)t->stem_channels, m->between, STEM_PATCH, (size_t)n * (size_t)w, e);
  }
}

/* x [h, w, in] -> y [oh, ow, out] */
static void mobile_forward(const mobile_block *b, nn_context *c, const memory *m, int h, int w)
{
  const int oh = halved(h, b->stride), ow = halved(w, b->stride);
  nn_depthwise_forward(c, b->depthwise, b->expand, m->between, oh, ow, m->x, h, w, pad_before(h, b->kernel, b->stride), pad_before(w, b->kernel, b->stride), NN_RELU6);
  const nn_epilogue e = {.residual = b->stride == 1 && b->in == b->out ? m->x : NULL, .ld_residual = (size_t)b->out};
  nn_linear_forward(c, b->project, m->y, (size_t)b->out, m->between, (size_t)b->middle, (size_t)oh * (size_t)ow, &e);
}

static int one_picture(const vision *v, nn_context *c, float *out, const float *pixels, int H, int W, memory m, arch_check check)
{
  const net *t = v->own;
  const nn_epilogue clipped = {.activation = NN_RELU6};
  int h = halved(H, 2), w = halved(W, 2);
  stem(t, c, &m, pixels, H, W, &clipped);
  for (int i = 0; i < t->n_blocks; i++) {
    const mobile_block *b = &t->blocks[i];
    int code = check.ask ? check.ask(check.user) : 0;
    if (code < 0)
      return code;
    mobile_forward(b, c, &m, h, w);
    float *done = m.y;
    m.y = m.x;
    m.x = done;
    h = halved(h, b->stride);
    w = halved(w, b->stride);
  }
  nn_linear_forward(c, t->head, out, (size_t)v->hidden, m.x, (size_t)t->blocks[t->n_blocks - 1].out, (size_t)h * (size_t)w, &clipped);
  return nn_context_check(c);
}

static int forward(const vision *v, nn_context *c, float *out, const float *pixels, size_t pictures, int height, int width, arch_check check)
{
  int rows, columns, code = grid(v, height, width, &rows, &columns);
  memory m = {0};
  if (code < 0 || (code = memory_take(&m, c, v->own, height, width)) < 0)
    return code;
  for (size_t p = 0; p < pictures && code == 0; p++)
    code = one_picture(v, c, out + p * (size_t)rows * (size_t)columns * (size_t)v->hidden, pixels + p * 3 * (size_t)height * (size_t)width, height, width, m, check);
  return code;
}

/* One entry of "blocks": [kernel, stride, expand_ratio, in_channels, out_channels]. */
static void read_block(loader *l, mobile_block *b, const json_t *entry, int in)
{
  int n[5] = {0};
  for (size_t i = 0; i < 5 && l->code == 0; i++) {
    const json_t *v = json_array_get(entry, i);
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > (i < 3 ? 16 : 8192))
      l->code = error_set(OPIS_EFORMAT, "config.json: blocks: an entry that is not [kernel, stride, expand_ratio, in_channels, out_channels]");
    n[i] = (int)json_integer_value(v);
  }
  if (l->code == 0 && n[3] != in)
    l->code = error_set(OPIS_EFORMAT, "config.json: blocks: %d channels follow on %d", n[3], in);
  *b = (mobile_block){.kernel = n[0], .stride = n[1], .in = n[3], .middle = n[3] * n[2], .out = n[4]};
}

static void load_block(loader *l, mobile_block *b, const char *prefix, int i)
{
  char below[256];
  snprintf(below, sizeof below, "%sblocks.%d.", prefix, i);
  if (b->middle != b->in)
    b->expand = loader_linear_stack(l, (loader_linear){.N = b->middle, .K = b->in, .bias = 1}, below, "expand");
  const int64_t dims[4] = {b->middle, 1, b->kernel, b->kernel}, middle = b->middle;
  const tensor *w = loader_tensor(l, 4, dims, "%sdepthwise.weight", below), *bias = loader_tensor(l, 1, &middle, "%sdepthwise.bias", below);
  if (w && bias) {
    l->parameters += (uint64_t)tensor_elements(w) + (uint64_t)middle;
    l->code = nn_depthwise_pack(&b->depthwise, l->memory, w, bias, b->stride);
  }
  b->project = loader_linear_stack(l, (loader_linear){.N = b->out, .K = b->middle, .bias = 1}, below, "project");
}

void vision_efficientnet_lite(loader *l, vision *v, const json_t *config, const char *prefix)
{
  net *t = arena_calloc(l->memory, 1, sizeof *t);
  const json_t *list = json_object_get(config, "blocks");
  size_t n = json_array_size(list);
  v->hidden = (int)loader_int(l, config, "hidden_size", 1280, 1, 16384);
  v->image_width = v->image_height = (int)loader_int(l, config, "image_size", 256, 1, 8192);
  if (l->code == 0 && (n < 1 || n > 256))
    l->code = error_set(OPIS_EFORMAT, "config.json: blocks: missing, or not 1 to 256 of them");
  if (t)
    t->blocks = arena_calloc(l->memory, n + 1, sizeof *t->blocks);
  if (l->code == 0 && (!t || !t->blocks))
    l->code = OPIS_ENOMEM;
  if (l->code < 0)
    return;
  t->stem_channels = (int)loader_int(l, config, "stem_channels", 32, 1, 8192);
  t->n_blocks = (int)n;
  int in = t->stem_channels;
  for (int i = 0; i < t->n_blocks && l->code == 0; i++) {
    read_block(l, &t->blocks[i], json_array_get(list, (size_t)i), in);
    in = t->blocks[i].out;
  }
  t->stem = loader_linear_stack(l, (loader_linear){.N = t->stem_channels, .K = STEM_PATCH, .bias = 1}, prefix, "stem");
  for (int i = 0; i < t->n_blocks && l->code == 0; i++)
    load_block(l, &t->blocks[i], prefix, i);
  t->head = loader_linear_stack(l, (loader_linear){.N = v->hidden, .K = in, .bias = 1}, prefix, "head");
  v->name = "efficientnet-lite";
  v->prefix = 0;
  v->grid = grid;
  v->forward = forward;
  v->own = t;
}
