/* pytorch_model.bin: the zip directory, the pickle and the storages, of either form; every tensor that is accepted is read from its first byte to its last. */
#include "model/model_source.h"
#include "model/torch_bin.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  model_files *m = calloc(1, sizeof *m);
  if (m && torch_bin_read(&m->tensors, &m->memory, data, size, "fuzz") == 0)
    for (size_t i = 0; i < model_files_tensors(m); i++) {
      const tensor *t = model_files_tensor_at(m, i);
      volatile uint8_t edge = *(const uint8_t *)t->data;
      edge = ((const uint8_t *)t->data)[t->size - 1];
      (void)edge;
    }
  model_files_close(m);
  return 0;
}
