/* Tensors as files hold them: names, types, shapes and mapped bytes. One reader a format fills a tensor table; families look their tensors up by name and shape. */
#ifndef MODEL_TENSOR_H
#define MODEL_TENSOR_H

#include "util/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tensor_type { TENSOR_F32, TENSOR_F16, TENSOR_BF16, TENSOR_Q8_0, TENSOR_I64, TENSOR_I32, TENSOR_U8, TENSOR_BOOL } tensor_type;

enum { TENSOR_MAX_DIMS = 4, Q8_0_BLOCK = 32, Q8_0_BLOCK_BYTES = 34 };

/* A view into mapped (or embedded) bytes. Dimensions are in the hub's order: the last one varies fastest. Checked by the reader: the bytes are all inside the file,
 * no dimension is negative or 0, and the number of elements fits 2^40. */
typedef struct tensor {
  const char *name;
  tensor_type type;
  int n_dims; /* 0 (a scalar) to 4 */
  int64_t dims[TENSOR_MAX_DIMS];
  const void *data; /* aligned as the file has it: read with memcpy or through tensor_row_f32 where that may be odd */
  size_t size;      /* bytes */
} tensor;

int64_t tensor_elements(const tensor *t);
const char *tensor_type_name(tensor_type type); /* "F32", "F16", "BF16", "Q8_0", … */

/* n elements from element `first` on, widened to f32 (Q8_0: first and n are multiples of 32). */
void tensor_read_f32(float *out, const tensor *t, int64_t first, int64_t n);

float half_to_float(uint16_t h);
uint16_t float_to_half(float f); /* round to nearest even */

#endif
