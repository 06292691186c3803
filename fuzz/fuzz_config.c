/* config.json, generation_config.json and preprocessor_config.json of a hub folder, over the weights of a golden model: everything that opening a model reads from them. The input is a digit for the
 * model, and then the three texts, each ended by a NUL. */
#include "engine/engine.h"
#include "model/model_source.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODELS = 4 };
static const char *const folders[MODELS] = {FUZZ_GOLDEN "/vit-gpt2", FUZZ_GOLDEN "/dinov2-gpt2", FUZZ_GOLDEN "/blip", FUZZ_GOLDEN "/git"};

static void take(json_t **to, const uint8_t **data, size_t *size)
{
  const uint8_t *end = *size ? memchr(*data, 0, *size) : NULL;
  size_t n = end ? (size_t)(end - *data) : *size;
  json_t *j = json_loadb((const char *)*data, n, 0, NULL);
  *data += end ? n + 1 : n;
  *size -= end ? n + 1 : n;
  if (!json_is_object(j)) {
    json_decref(j);
    return;
  }
  json_decref(*to);
  *to = j;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 2)
    return 0;
  model_files *files;
  if (model_files_open(&files, folders[data[0] % MODELS]) < 0)
    abort(); /* the golden models are there */
  data++;
  size--;
  take(&files->config, &data, &size);
  take(&files->generation_config, &data, &size);
  take(&files->preprocessor_config, &data, &size);
  arena weights = ARENA_INIT;
  captioner c = {0};
  loader l = {.files = files, .memory = &weights};
  preprocess p;
  generation g;
  if (captioner_supported(files->config, "fuzz") == 0 && captioner_build(&c, &l) == 0 &&
    preprocess_read(&p, files->preprocessor_config, c.processor, c.vision.image_width, c.vision.image_height) == 0) {
    int width, height;
    generation_read(&g, &weights, &c);
    preprocess_result_size(&p, 640, 480, &width, &height);
  }
  arena_free(&weights);
  model_files_close(files);
  return 0;
}
