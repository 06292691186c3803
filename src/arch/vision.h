/* Vision encoders: pixel_values in, last_hidden_state out. */
#ifndef ARCH_VISION_H
#define ARCH_VISION_H

#include "arch/transformer.h"

typedef struct vision vision;

/* Asked between layers; other than 0 ends the pass with that code. */
typedef struct arch_check {
  int (*ask)(void *user);
  void *user;
} arch_check;

struct vision {
  const char *name; /* "vit", "dinov2", "efficientnet-lite", "blip", "clip" */
  int hidden;
  int image_width, image_height; /* of the configuration: what the preprocessing makes when there is no file for it */
  int prefix;                    /* tokens before the grid (CLS): 0 or 1 */
  /* The grid for pixels [3, height, width]: 0, or OPIS_EINVALID when the model cannot take that size. */
  int (*grid)(const vision *v, int height, int width, int *rows, int *columns);
  /* pixels [pictures, 3, height, width] -> out [pictures, prefix + rows * columns, hidden]. */
  int (*forward)(const vision *v, nn_context *c, float *out, const float *pixels, size_t pictures, int height, int width, arch_check check);
  void *own; /* the family's */
};

/* Each builds a tower from its part of config.json and the tensors below a prefix ("encoder."); failures are the loader's. */
void vision_vit(loader *l, vision *v, const json_t *config, const char *prefix);
void vision_dinov2(loader *l, vision *v, const json_t *config, const char *prefix);
void vision_blip(loader *l, vision *v, const json_t *config, const char *prefix);
void vision_clip(loader *l, vision *v, const json_t *config, const char *prefix);
void vision_efficientnet_lite(loader *l, vision *v, const json_t *config, const char *prefix);

/* torch.nn.functional.interpolate(mode="bicubic", align_corners=False) of a [rows, columns, C] table with a size: out [out_rows, out_columns, C], float32. */
void position_interpolate(float *out, int out_rows, int out_columns, const float *table, int rows, int columns, int C);

#endif
