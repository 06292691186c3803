/* pytorch_model.bin: what torch.save makes of a state dict. Since torch 1.6 a zip file with a pickle (names, shapes, strides) and one stored entry a storage (raw little-endian numbers);
 * before, five pickles one behind the other and the storages behind them. Both are read; nothing in them is ever executed. */
#ifndef MODEL_TORCH_BIN_H
#define MODEL_TORCH_BIN_H

#include "model/tensor_table.h"

/* Adds the file's tensors. Contiguous ones are views into data (several may share one storage); others are laid out anew in the arena, altogether at most about as many bytes as the file
 * has. Tensors without elements and what is no tensor are left out; those of more than four dimensions, or of types that no family needs, are listed as TENSOR_OTHER.
 * OPIS_EFORMAT, OPIS_EUNSUPPORTED, with the file's name and, for formats that are not read, how to mend it. */
int torch_bin_read(tensor_table *table, arena *memory, const uint8_t *data, size_t size, const char *file);

#endif
