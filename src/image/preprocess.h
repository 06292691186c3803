/* From a picture to a model's pixel_values, as the Pillow-based image processors of Transformers do it. */
#ifndef IMAGE_PREPROCESS_H
#define IMAGE_PREPROCESS_H

#include "image/image.h"

#include <jansson.h>

typedef enum preprocess_size { PREPROCESS_SQUASH, PREPROCESS_SHORTEST_EDGE } preprocess_size;

typedef struct preprocess {
  bool resize, center_crop, rescale, normalize;
  preprocess_size size;
  int width, height; /* PREPROCESS_SHORTEST_EDGE: width is the edge */
  image_filter filter;
  int crop_width, crop_height;
  double factor; /* rescale_factor */
  double mean[3], std[3];
} preprocess;

/* Reads preprocessor_config.json. `usual`: the processor ("ViT", "CLIP", …) where the file names none; without a file (NULL) its defaults for pictures of width x height. OPIS_EFORMAT names the
 * key that is wrong, OPIS_EUNSUPPORTED the processor that opis does not know. */
int preprocess_read(preprocess *p, const json_t *config, const char *usual, int width, int height);

/* The size of the result for a picture: what pixel_values' height and width will be. */
void preprocess_result_size(const preprocess *p, int width, int height, int *out_width, int *out_height);

/* pixels [3, height, width] of the size that preprocess_result_size tells; the caller's. The threads (NULL: the caller's own) divide the rows. */
int preprocess_run(pool *threads, const preprocess *p, float *pixels, const opis_image *image);

#endif
