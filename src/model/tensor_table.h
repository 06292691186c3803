/* The tensors of one model, found by name. Filled by the readers; private to model/. */
#ifndef MODEL_TENSOR_TABLE_H
#define MODEL_TENSOR_TABLE_H

#include "model/tensor.h"

/* Names and tensors are the arena's. After the last tensor_table_add, tensor_table_index makes the index; from then on the table is only read. */
typedef struct tensor_table {
  tensor *at;
  size_t n, capacity;
  uint32_t *index; /* open addressing, 1 + position, 0: empty */
  size_t slots;    /* a power of 2, at least 2 n */
} tensor_table;

/* Copies *t. The name is kept as given: it must live as long as the table. */
int tensor_table_add(tensor_table *table, const tensor *t);
/* OPIS_EFORMAT "FILE: the tensor 'NAME' is there twice". */
int tensor_table_index(tensor_table *table, const char *file);
const tensor *tensor_table_find(const tensor_table *table, const char *name);
void tensor_table_free(tensor_table *table);

/* Multiplies a shape: false where a dimension is negative or the product passes 2^40. */
bool shape_elements(int64_t *elements, int n_dims, const int64_t *dims);

#endif
