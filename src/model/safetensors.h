/* safetensors (https://github.com/huggingface/safetensors#format): 8 bytes of header length, a JSON header, raw little-endian tensors without holes. */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include "model/tensor_table.h"

/* Adds the file's tensors, as views into data. Names are copied into the arena. Tensors without elements are left out; those of more than four dimensions are listed as TENSOR_OTHER.
 * OPIS_EFORMAT, with the file's name, for whatever is wrong: header length, JSON, types, shapes, offsets outside the file, overlaps, holes, bytes behind the last tensor. */
int safetensors_read(tensor_table *table, arena *names, const uint8_t *data, size_t size, const char *file);

#endif
