/* Weights in panels: the rows of a matrix sixteen at a time, as the kernels of nn/ want them, so that a mapped file can be computed with as it is.
 *
 * A tensor [N, K] (K: everything behind the first dimension) has its whole panels first, then its last N % 16 rows as they always stood. Type, dimensions and size stay those of the tensor in
 * rows. One panel holds
 *   F32, F16: [K][16] numbers: for each k, 16 rows side by side;
 *   Q8_0, of K / 32 blocks a row: the scales, halves [blocks][16], then the numbers, int8 [blocks][8][16][4]: in every block 8 groups of 4 along K for each of 16 rows. None of them is -128. */
#ifndef MODEL_PANELS_H
#define MODEL_PANELS_H

#include "model/tensor.h"

/* Whether a tensor of this type and shape may stand in panels: a matrix of at least one panel, and no depthwise convolution [C, 1, k, k], which is no linear layer. */
bool panels_fit(const tensor *t);

/* The bytes of n numbers of a row from column k on as a file of rows has them. Q8_0: k and n are multiples of 32. t->panels or not. */
void panels_gather(uint8_t *out, const tensor *t, int64_t row, int64_t k, int64_t n);

/* One panel of 16 rows of K numbers, which stand behind each other. */
void panels_put(uint8_t *panel, const uint8_t *rows, tensor_type type, int64_t K);

#endif
