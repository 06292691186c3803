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
  nn_memory scratch, workspace;
  bool failed;
  nn_work work; /* counted by whoever calls the layers, one thread at a time */
};

/* At least size bytes on a cache line, valid until the next call; NULL without memory. */
void *nn_scratch(nn_context *c, size_t size);

#endif
