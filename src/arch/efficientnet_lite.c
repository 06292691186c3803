/* EfficientNet-Lite (Tan and Le, arXiv 1905.11946; no squeeze-and-excitation, ReLU6), batch normalisation folded in. Channels last; pointwise convolutions are linear layers over places. */
#include "arch/vision.h"

#include "util/error.h"

#include <stdio.h>
#include <string.h>

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

/* What lies between the layers of a block is never whole: a strip of output rows goes through all of them while it is in the caches. */
enum { STRIP = 128 * 1024 /* floats of a strip, about */ };

static int strip_rows(size_t row)
{
  return row < STRIP ? (int)(STRIP / row) : 1;
}

/* Two pictures of a block's input or output, taken in turns, and the strips of a widened input and of a depthwise output. */
typedef struct memory {
  float *x, *y, *wide, *deep;
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

static int memory_take(memory *m, nn_context *c, const net *t, int height, int width)
{
  int h = halved(height, 2), w = halved(width, 2);
  size_t picture = (size_t)h * (size_t)w * (size_t)t->stem_channels, wide = (size_t)strip_rows(27 * (size_t)w) * 27 * (size_t)w, deep = 0;
  for (int i = 0; i < t->n_blocks; i++) {
    const mobile_block *b = &t->blocks[i];
    int ow = halved(w, b->stride), rows = strip_rows((size_t)ow * (size_t)b->middle);
    wide = larger(wide, (size_t)((rows - 1) * b->stride + b->kernel) * (size_t)w * (size_t)b->middle);
    deep = larger(deep, (size_t)rows * (size_t)ow * (size_t)b->middle);
    h = halved(h, b->stride);
    w = ow;
    picture = larger(picture, (size_t)h * (size_t)w * (size_t)b->out);
  }
  picture = whole_lines(picture);
  wide = whole_lines(wide);
  m->x = nn_workspace(c, (2 * picture + wide + deep) * sizeof *m->x);
  if (!m->x)
    return error_nomem();
  m->y = m->x + picture;
  m->wide = m->y + picture;
  m->deep = m->wide + wide;
  return 0;
}

static void stem(const net *t, nn_context *c, const memory *m, const float *pixels, int H, int W, const nn_epilogue *e)
{
  const int h = halved(H, 2), w = halved(W, 2), top = pad_before(H, 3, 2), left = pad_before(W, 3, 2), rows = strip_rows(27 * (size_t)w);
  for (int oy = 0; oy < h; oy += rows) {
    int n = h - oy < rows ? h - oy : rows;
    nn_im2col(c, m->wide, pixels, 3, H, W, 3, 3, 2, top - 2 * oy, left, n, w);
    nn_linear_forward(c, t->stem, m->x + (size_t)oy * (size_t)w * (size_t)t->stem_channels, (size_t)t->stem_channels, m->wide, 27, (size_t)n * (size_t)w, e);
  }
}

/* x [h, w, in] -> y [oh, ow, out]. Of a widened picture only the rows that a strip looks at are kept: those that the next one needs too go to the front. */
static void mobile_forward(const mobile_block *b, nn_context *c, const memory *m, int h, int w, const nn_epilogue *clipped)
{
  const int oh = halved(h, b->stride), ow = halved(w, b->stride), top = pad_before(h, b->kernel, b->stride), left = pad_before(w, b->kernel, b->stride);
  const size_t row = (size_t)w * (size_t)b->middle, out_row = (size_t)ow * (size_t)b->out;
  const int rows = strip_rows((size_t)ow * (size_t)b->middle);
  int kept = 0, end = 0; /* the rows of the widened picture that are there */
  for (int oy = 0; oy < oh; oy += rows) {
    const int n = oh - oy < rows ? oh - oy : rows, above = oy * b->stride - top, first = above > 0 ? above : 0;
    const int below = above + (n - 1) * b->stride + b->kernel, last = below < h ? below : h;
    const float *from = m->x + (size_t)first * row;
    if (b->expand) {
      if (end < first) /* steps longer than the kernel */
        kept = end = first;
      memmove(m->wide, m->wide + (size_t)(first - kept) * row, (size_t)(end - first) * row * sizeof(float));
      nn_linear_forward(c, b->expand, m->wide + (size_t)(end - first) * row, (size_t)b->middle, m->x + (size_t)end * (size_t)w * (size_t)b->in, (size_t)b->in,
        (size_t)(last - end) * (size_t)w, clipped);
      from = m->wide;
      kept = first;
      end = last;
    }
    nn_depthwise_forward(c, b->depthwise, m->deep, n, ow, from, last - first, w, first - above, left, NN_RELU6);
    nn_epilogue e = {.residual = b->stride == 1 && b->in == b->out ? m->x + (size_t)oy * out_row : NULL, .ld_residual = (size_t)b->out};
    nn_linear_forward(c, b->project, m->y + (size_t)oy * out_row, (size_t)b->out, m->deep, (size_t)b->middle, (size_t)n * (size_t)ow, &e);
  }
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
    mobile_forward(b, c, &m, h, w, &clipped);
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
  t->stem = loader_linear_stack(l, (loader_linear){.N = t->stem_channels, .K = 27, .bias = 1}, prefix, "stem");
  for (int i = 0; i < t->n_blocks && l->code == 0; i++)
    load_block(l, &t->blocks[i], prefix, i);
  t->head = loader_linear_stack(l, (loader_linear){.N = v->hidden, .K = in, .bias = 1}, prefix, "head");
  v->name = "efficientnet-lite";
  v->prefix = 0;
  v->grid = grid;
  v->forward = forward;
  v->own = t;
}
