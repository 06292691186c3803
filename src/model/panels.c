#include "model/panels.h"

#include <string.h>

enum { PANEL = TENSOR_PANEL, SCALE = 2, GROUP = 4, GROUPS = Q8_0_BLOCK / GROUP };

bool panels_fit(const tensor *t)
{
  bool depthwise = t->n_dims == 4 && t->dims[1] == 1;
  return t->n_dims >= 2 && t->dims[0] >= PANEL && !depthwise && (t->type == TENSOR_F32 || t->type == TENSOR_F16 || t->type == TENSOR_Q8_0);
}

static size_t row_bytes(tensor_type type, int64_t K)
{
  return type == TENSOR_Q8_0 ? (size_t)K / Q8_0_BLOCK * Q8_0_BLOCK_BYTES : (size_t)K * tensor_type_size(type);
}

/* Where a block's scale and its numbers of one row are in a panel. */
typedef struct place {
  size_t scale, numbers;
} place;

static place place_of(size_t blocks, size_t block, size_t row)
{
  return (place){(block * PANEL + row) * SCALE, blocks * PANEL * SCALE + block * Q8_0_BLOCK * PANEL + row * GROUP};
}

void panels_gather(uint8_t *out, const tensor *t, int64_t row, int64_t k, int64_t n)
{
  const int64_t N = t->dims[0], K = tensor_elements(t) / N;
  const uint8_t *data = t->data;
  if (!t->panels || row >= N / PANEL * PANEL) {
    memcpy(out, data + (size_t)row * row_bytes(t->type, K) + row_bytes(t->type, k), row_bytes(t->type, n));
    return;
  }
  const uint8_t *panel = data + (size_t)(row / PANEL) * PANEL * row_bytes(t->type, K);
  const size_t at = (size_t)(row % PANEL), size = tensor_type_size(t->type);
  if (t->type == TENSOR_Q8_0)
    for (int64_t b = k / Q8_0_BLOCK; b < (k + n) / Q8_0_BLOCK; b++, out += Q8_0_BLOCK_BYTES) {
      place p = place_of((size_t)K / Q8_0_BLOCK, (size_t)b, at);
      memcpy(out, panel + p.scale, SCALE);
      for (size_t g = 0; g < GROUPS; g++)
        memcpy(out + SCALE + g * GROUP, panel + p.numbers + g * GROUP * PANEL, GROUP);
    }
  else
    for (int64_t i = k; i < k + n; i++, out += size)
      memcpy(out, panel + ((size_t)i * PANEL + at) * size, size);
}

static void put_block(uint8_t *panel, const uint8_t *block, place p)
{
  memcpy(panel + p.scale, block, SCALE);
  for (size_t i = 0; i < Q8_0_BLOCK; i++) {
    uint8_t q = block[SCALE + i];
    panel[p.numbers + i / GROUP * GROUP * PANEL + i % GROUP] = q == 0x80 ? 0x81 : q; /* -128 is none that a quantiser writes, and would not fit the kernels' products */
  }
}

void panels_put(uint8_t *panel, const uint8_t *rows, tensor_type type, int64_t K)
{
  const size_t size = tensor_type_size(type), blocks = (size_t)K / Q8_0_BLOCK;
  for (size_t r = 0; r < PANEL; r++, rows += row_bytes(type, K))
    if (type == TENSOR_Q8_0)
      for (size_t b = 0; b < blocks; b++)
        put_block(panel, rows + b * Q8_0_BLOCK_BYTES, place_of(blocks, b, r));
    else
      for (size_t k = 0; k < (size_t)K; k++)
        memcpy(panel + (k * PANEL + r) * size, rows + k * size, size);
}
