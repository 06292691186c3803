/* safetensors files: every tensor that is accepted is read to its last byte. */
#include "model/model_source.h"
#include "model/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  model_files *m = calloc(1, sizeof *m);
  if (m && safetensors_read(&m->tensors, &m->memory, data, size, "fuzz") == 0)
    for (size_t i = 0; i < model_files_tensors(m); i++) {
      const tensor *t = model_files_tensor_at(m, i);
      float last;
      if (t->type != TENSOR_OTHER)
        tensor_read_f32(&last, t, tensor_elements(t) - 1, 1);
    }
  model_files_close(m);
  return 0;
}
