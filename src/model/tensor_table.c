#include "model/tensor_table.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_name(const char *s)
{
  uint32_t h = 2166136261u; /* FNV-1a */
  for (; *s; s++)
    h = (h ^ (uint8_t)*s) * 16777619u;
  return h ^ h >> 15;
}

int tensor_table_add(tensor_table *table, const tensor *t)
{
  if (table->n == table->capacity) {
    size_t capacity = table->capacity ? 2 * table->capacity : 256;
    tensor *larger = capacity < UINT32_MAX / 4 ? realloc(table->at, capacity * sizeof *larger) : NULL;
    if (!larger)
      return error_nomem();
    table->at = larger;
    table->capacity = capacity;
  }
  table->at[table->n++] = *t;
  return 0;
}

int tensor_table_index(tensor_table *table, const char *file)
{
  size_t slots = 16;
  while (slots < 2 * table->n)
    slots *= 2;
  table->index = calloc(slots, sizeof *table->index);
  if (!table->index)
    return error_nomem();
  table->slots = slots;
  for (size_t i = 0; i < table->n; i++) {
    size_t s = hash_name(table->at[i].name) & (slots - 1);
    for (; table->index[s]; s = (s + 1) & (slots - 1))
      if (strcmp(table->at[table->index[s] - 1].name, table->at[i].name) == 0)
        return error_set(OPIS_EFORMAT, "%s: the tensor '%.200s' is there twice", file, table->at[i].name);
    table->index[s] = (uint32_t)(i + 1);
  }
  return 0;
}

const tensor *tensor_table_find(const tensor_table *table, const char *name)
{
  if (!table->slots)
    return NULL;
  for (size_t s = hash_name(name) & (table->slots - 1); table->index[s]; s = (s + 1) & (table->slots - 1))
    if (strcmp(table->at[table->index[s] - 1].name, name) == 0)
      return &table->at[table->index[s] - 1];
  return NULL;
}

void tensor_table_free(tensor_table *table)
{
  free(table->at);
  free(table->index);
  *table = (tensor_table){0};
}

bool shape_elements(int64_t *elements, int n_dims, const int64_t *dims)
{
  int64_t n = 1;
  for (int i = 0; i < n_dims; i++) {
    if (dims[i] < 0 || dims[i] > TENSOR_MAX_ELEMENTS)
      return false;
    if (__builtin_mul_overflow(n, dims[i], &n) || n > TENSOR_MAX_ELEMENTS)
      return false;
  }
  *elements = n;
  return true;
}
