#include "arch/transformer.h"

#include <string.h>

/* Rows whose distance is a multiple of 4 KiB would meet in the same few cache sets: the widest ones stand a little further apart. */
static size_t wide_stride(const block_options *o)
{
  return (size_t)o->intermediate + 16;
}

size_t block_scratch_floats(const block_options *o, size_t rows)
{
  size_t wide = o->gated ? (size_t)o->intermediate * 3 : wide_stride(o);
  return rows * (5 * (size_t)o->hidden + wide) + 64;
}

block_scratch block_scratch_from(float *memory, const block_options *o, size_t rows)
{
  size_t h = rows * (size_t)o->hidden;
  return (block_scratch){memory, memory + h, memory + 4 * h, memory + 5 * h};
}

static void apply(nn_context *c, const norm *n, float *y, const float *x, size_t rows, size_t hidden)
{
  nn_layer_norm(c, y, hidden, x, hidden, rows, hidden, n->gain, n->bias, n->eps);
}

/* Before a layer: pre-norm models normalise a copy, post-norm ones take x itself. */
static const float *enter(nn_context *c, const block_options *o, const norm *n, block_scratch *s, const float *x, size_t rows)
{
  if (o->post_norm)
    return x;
  apply(c, n, s->normed, x, rows, (size_t)o->hidden);
  return s->normed;
}

/* After a layer: x = x + scale * l(from), and post-norm models normalise the sum. */
static void leave(nn_context *c, const block_options *o, const norm *n, float *x, const nn_linear *l, const float *from, size_t ld_from, const float *scale, size_t rows)
{
  size_t h = (size_t)o->hidden;
  nn_epilogue e = {NN_NONE, scale, x, h};
  nn_linear_forward(c, l, x, h, from, ld_from, rows, &e);
  if (o->post_norm)
    apply(c, n, x, x, rows, h);
}

static void mlp(nn_context *c, const block *b, const block_options *o, block_scratch *s, float *x, size_t rows)
{
  size_t h = (size_t)o->hidden, w = (size_t)o->intermediate;
  const float *in = enter(c, o, &b->norm2, s, x, rows);
  if (!o->gated) {
    nn_epilogue e = {.activation = o->activation};
    nn_linear_forward(c, b->fc1, s->wide, wide_stride(o), in, h, rows, &e);
    leave(c, o, &b->norm2, x, b->fc2, s->wide, wide_stride(o), b->scale2, rows);
    return;
  }
  float *gate = s->wide, *gated = s->wide + rows * 2 * w;
  nn_linear_forward(c, b->fc1, gate, 2 * w, in, h, rows, NULL);
  for (size_t r = 0; r < rows; r++) {
    nn_activate(c, gate + r * 2 * w, w, NN_SILU);
    for (size_t i = 0; i < w; i++)
      gated[r * w + i] = gate[r * 2 * w + i] * gate[r * 2 * w + w + i];
  }
  leave(c, o, &b->norm2, x, b->fc2, gated, w, b->scale2, rows);
}

nn_attention block_attention(const block *b, const block_options *o)
{
  return (nn_attention){.heads = o->heads, .head_size = o->hidden / o->heads, .scale = b->attention_scale, .half = o->half_cross};
}

void block_forward(nn_context *c, const block *b, const block_options *o, block_scratch *s, float *x, size_t pictures, size_t T, float *keys_values)
{
  size_t h = (size_t)o->hidden, rows = pictures * T;
  nn_attention a = block_attention(b, o);
  const float *in = enter(c, o, &b->norm1, s, x, rows);
  nn_linear_forward(c, b->qkv, s->qkv, 3 * h, in, h, rows, NULL);
  for (size_t p = 0; p < pictures; p++) {
    const float *qkv = s->qkv + p * T * 3 * h;
    nn_attention_forward(c, &a, s->attended + p * T * h, h, qkv, 3 * h, T, qkv + h, 3 * h, qkv + 2 * h, 3 * h, T, NULL);
  }
  if (keys_values)
    for (size_t t = 0; t < T; t++)
      memcpy(keys_values + t * 2 * h, s->qkv + t * 3 * h + h, 2 * h * sizeof *x);
  leave(c, o, &b->norm1, x, b->out, s->attended, h, b->scale1, rows);
  mlp(c, b, o, s, x, rows);
}

void block_step(nn_context *c, const block *b, const block_options *o, block_scratch *s, float *x, const block_cache *caches, size_t pictures)
{
  size_t h = (size_t)o->hidden, rows = 0;
  nn_attention a = block_attention(b, o);
  for (size_t i = 0; i < pictures; i++)
    rows += caches[i].rows;
  const float *in = enter(c, o, &b->norm1, s, x, rows);
  nn_linear_forward(c, b->qkv, s->qkv, 3 * h, in, h, rows, NULL);
  const float *qkv = s->qkv;
  float *out = s->attended;
  for (const block_cache *k = caches; k < caches + pictures; qkv += k->rows * 3 * h, out += k->rows * h, k++) {
    for (size_t r = 0; r < k->rows; r++) {
      memcpy(k->keys + (size_t)k->slots[r] * k->ld, qkv + r * 3 * h + h, h * sizeof *x);
      memcpy(k->values + (size_t)k->slots[r] * k->ld, qkv + r * 3 * h + 2 * h, h * sizeof *x);
    }
    nn_attention_step(c, &a, out, h, qkv, 3 * h, k->rows, k->keys, k->ld, k->values, k->ld, k->index, k->ld_index, k->lengths);
  }
  leave(c, o, &b->norm1, x, b->out, s->attended, h, b->scale1, rows);
  if (b->cross_q) {
    in = enter(c, o, &b->norm_cross, s, x, rows);
    nn_linear_forward(c, b->cross_q, s->qkv, h, in, h, rows, NULL);
    const float *q = s->qkv;
    out = s->attended;
    for (const block_cache *k = caches; k < caches + pictures; q += k->rows * h, out += k->rows * h, k++)
      nn_attention_over(c, &a, out, h, q, h, k->rows, k->cross, k->T, k->cross_weights);
    leave(c, o, &b->norm_cross, x, b->cross_out, s->attended, h, NULL, rows);
  }
  mlp(c, b, o, s, x, rows);
}
