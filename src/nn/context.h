/* A session's pool, kernels and scratch memory. nn's own. */
#ifndef NN_CONTEXT_H
#define NN_CONTEXT_H

#include "nn/kernels.h"

#include <stdbool.h>

/* Grows to its largest use. */
typedef struct nn_memory {
  void *bytes;
  size_t size;
} nn_memory;

struct nn_context {
  pool *threads;
  const nn_kernels *k;
  nn_memory scratch, rows, workspace;
  bool failed;
  nn_work work; /* counted by whoever calls the layers, one thread at a time */
};

/* At least size bytes on a cache line, valid until the next call; NULL without memory. nn_rows: beside nn_scratch, for a layer that does more than one product. */
void *nn_scratch(nn_context *c, size_t size);
void *nn_rows(nn_context *c, size_t size);

/* Begins a product of M rows, whose layer, x and y are set: counts its work, chooses its kernel, and quantises x into the scratch memory where the weights have 8 bits. False without memory. */
bool nn_product_begin(nn_context *c, nn_product *p, size_t M);

#endif
