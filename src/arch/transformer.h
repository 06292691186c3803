/* The one transformer block, with options. A family's file says which; nothing here knows a family. */
#ifndef ARCH_TRANSFORMER_H
#define ARCH_TRANSFORMER_H

#include "arch/loader.h"

typedef struct block_options {
  int hidden, heads, intermediate;
  bool post_norm;  /* BERT: the norm after the residual; else before the layer */
  bool half_cross; /* a picture's keys and values are kept as halves */
  bool gated;      /* SwiGLU: fc1 gives [a | b], and silu(a) b goes into fc2 */
  nn_activation activation;
} block_options;

typedef struct block {
  norm norm1, norm_cross, norm2;
  nn_linear *qkv, *out;                      /* [3 hidden, hidden], [hidden, hidden] */
  nn_linear *cross_q, *cross_kv, *cross_out; /* NULL without cross-attention; cross_kv [2 hidden, encoder hidden] */
  nn_linear *fc1, *fc2;
  const float *scale1, *scale2; /* layer scale [hidden], NULL: none */
  float attention_scale;        /* of the scores, usually 1 / sqrt(head size) */
} block;

/* Scratch rows of a pass over at most `rows` rows. */
typedef struct block_scratch {
  float *normed, *qkv, *attended, *wide; /* [rows, hidden], [rows, 3 hidden], [rows, hidden], [rows, intermediate or 2 x it] */
} block_scratch;
size_t block_scratch_floats(const block_options *o, size_t rows);
block_scratch block_scratch_from(float *memory, const block_options *o, size_t rows);

/* x [pictures * T, hidden] in place, each picture attending to itself: a vision tower's layer, or the picture part of GIT. keys_values: NULL, or [T, 2 hidden] that gets keys and values of
 * the only picture. */
void block_forward(nn_context *c, const block *b, const block_options *o, block_scratch *s, float *x, size_t pictures, size_t T, float *keys_values);

/* What the rows of one picture attend to in a step of decoding. */
typedef struct block_cache {
  size_t rows;          /* of this picture; pictures stand one after the other */
  float *keys, *values; /* [slots, hidden], stride ld */
  size_t ld;
  const int32_t *slots; /* [rows]: where each row's new key and value go */
  const int32_t *index; /* [rows, ld_index]: the slots of all positions a row sees, the new one included */
  size_t ld_index;
  const int32_t *lengths; /* [rows] */
  const float *cross;     /* keys and values of the picture, packed by nn_attention_pack; NULL: no cross-attention */
  size_t T;               /* positions in them */
  float *cross_weights;   /* NULL, or [heads, rows, T] */
} block_cache;

nn_attention block_attention(const block *b, const block_options *o);

/* x [rows of all pictures, hidden] in place: one new token for each row of each of `pictures` caches. */
void block_step(nn_context *c, const block *b, const block_options *o, block_scratch *s, float *x, const block_cache *caches, size_t pictures);

#endif
