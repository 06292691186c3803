/* Every picture loader, by content, with small limits; then the way to pixel_values. */
#include "image/preprocess.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  opis_image_options o = OPIS_IMAGE_OPTIONS_INIT;
  opis_image *image;
  preprocess p;
  o.max_pixels = 1 << 18;
  if (opis_image_open_memory(&image, data, size, &o) < 0)
    return 0;
  float *pixels = malloc(sizeof(float) * 3 * 24 * 24);
  if (pixels && preprocess_read(&p, NULL, "ViT", 24, 24) == 0)
    preprocess_run(NULL, &p, pixels, image);
  free(pixels);
  opis_image_free(image);
  return 0;
}
