/* GGUF files: header, metadata, tensor list; every tensor that is accepted is read to its last byte, and of one in panels every row. */
#include "model/model_source.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  model_files *m = calloc(1, sizeof *m);
  if (m && gguf_file_read(m, data, size, "fuzz") == 0)
    for (size_t i = 0; i < model_files_tensors(m); i++) {
      const tensor *t = model_files_tensor_at(m, i);
      float last[Q8_0_BLOCK];
      int64_t n = tensor_elements(t), block = t->type == TENSOR_Q8_0 ? Q8_0_BLOCK : 1;
      tensor_read_f32(last, t, n - block, block);
      for (int64_t row = 0; t->panels && row < t->dims[0]; row++)
        tensor_read_f32(last, t, row * (n / t->dims[0]), block);
    }
  model_files_close(m);
  return 0;
}
