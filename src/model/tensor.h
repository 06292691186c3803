/* Tensors as files hold them: names, types, shapes and mapped bytes. One reader a format fills a tensor table; families look their tensors up by name and shape. */
#ifndef MODEL_TENSOR_H
#define MODEL_TENSOR_H

#include "util/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TENSOR_OTHER: a type that formats have and no family here needs (8-bit floats, complex numbers, …): listed, never read. */
typedef enum tensor_type { TENSOR_F32, TENSOR_F16, TENSOR_BF16, TENSOR_Q8_0, TENSOR_I64, TENSOR_I32, TENSOR_U8, TENSOR_BOOL, TENSOR_F64, TENSOR_OTHER } tensor_type;

/* Q8_0, as ggml defines it: blocks of 32 numbers along a row, each an IEEE half `d` (little endian) and 32 signed bytes q; the numbers are d * q. */
enum { TENSOR_MAX_DIMS = 4, TENSOR_PANEL = 16, Q8_0_BLOCK = 32, Q8_0_BLOCK_BYTES = 34 };
#define TENSOR_MAX_ELEMENTS ((int64_t)1 << 40)

/* A view into mapped (or embedded) bytes. Dimensions are in the hub's order: the last one varies fastest. Checked by the reader: the bytes are all inside the file,
 * no dimension is negative or 0, and the number of elements fits 2^40.
 *
 * `transposed`: only in a GGUF made by `opis model convert`. There GPT-2's Conv1D weights, which the hub holds as [K, N], stand as [N, K], so that rows (and Q8_0 blocks) run along K as
 * in every other layer. dims and data are what the file holds ([N, K]); the flag says that the hub's tensor is the transpose. Who asks for a shape uses tensor_has_shape, which
 * takes the hub's; nn_linear_pack reads `source.transposed != weight->transposed`.
 *
 * `panels`: only in a GGUF made by `opis model convert`: an F32, F16 or Q8_0 tensor of two or more dimensions whose rows stand in panels of 16, as nn/ multiplies with them (model/panels.h); the
 * rows behind the last whole panel stand as rows. tensor_read_f32 hides it from who reads rows or parts of them; who looks at data has to heed it.
 *
 * A Q8_0 tensor has its blocks along everything behind the first dimension taken as one row: [N, K, 1, 1] and [N, 3, 16, 16] hold N rows of K and 768 numbers. */
typedef struct tensor {
  const char *name;
  tensor_type type;
  bool transposed, panels;
  int n_dims; /* 0 (a scalar) to 4 */
  int64_t dims[TENSOR_MAX_DIMS];
  const void *data; /* aligned as the file has it: read with memcpy or through tensor_read_f32 where that may be odd */
  size_t size;      /* bytes */
} tensor;

int64_t tensor_elements(const tensor *t);
const char *tensor_type_name(tensor_type type); /* "F32", "F16", "BF16", "Q8_0", … */
/* Bytes of one element; 0 for TENSOR_Q8_0 and TENSOR_OTHER. */
bool tensor_is_weight(const tensor *t); /* of a type that holds real numbers, which a layer can be made of */
size_t tensor_type_size(tensor_type type);

/* Whether the hub's shape of t is this one (a transposed [N, K] is a [K, N] on the hub). */
bool tensor_has_shape(const tensor *t, int n_dims, const int64_t *dims);
/* "[768, 3, 16, 16]", the hub's. Writes into s and returns it. */
const char *tensor_shape_text(char s[96], const tensor *t);

/* n elements from element `first` on, in the order of the rows, widened to f32 (Q8_0: first and n are multiples of 32). Any type but TENSOR_OTHER, which reads as 0. */
void tensor_read_f32(float *out, const tensor *t, int64_t first, int64_t n);

/* One row (of everything behind the first dimension) of a Q8_0 tensor: its blocks, 34 bytes each. */
void tensor_read_q8_0(uint8_t *out, const tensor *t, int64_t row);

/* 32 x blocks numbers to Q8_0 as ggml does it: d = max |x| / 127 in float, q = x / d rounded half away from zero, d then stored as a half. */
void q8_0_quantise(uint8_t *out, const float *x, size_t blocks);

float half_to_float(uint16_t h);
uint16_t float_to_half(float f); /* round to nearest even */

#endif
