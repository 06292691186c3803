/* Preprocessing by preprocessor_config.json. Each value of a byte has one result a channel, so the arithmetic of rescaling and normalising (numpy's: the product in double, rounded to float32,
 * the rest in float32) is done 256 times a channel and looked up. */
#include "image/preprocess.h"

#include "util/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 8192 };

static int wrong(const char *key)
{
  return error_set(OPIS_EFORMAT, "preprocessor_config.json: %s: not a value that opis knows", key);
}

/* null is as good as missing. */
static const json_t *get(const json_t *o, const char *key)
{
  const json_t *v = json_object_get(o, key);
  return json_is_null(v) ? NULL : v;
}

static int read_flag(bool *out, const json_t *config, const char *key)
{
  const json_t *v = get(config, key);
  if (v && !json_is_boolean(v))
    return wrong(key);
  if (v)
    *out = json_is_true(v);
  return 0;
}

static bool is_side(const json_t *v)
{
  return json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= MAX_SIDE;
}

/* An integer, {height, width} or {shortest_edge}; some old files hold [height, width]. */
static int read_size(preprocess_size *kind, int *width, int *height, const json_t *v, preprocess_size integer_means, const char *key)
{
  const json_t *h = NULL, *w = NULL;
  *kind = PREPROCESS_SQUASH;
  if (json_is_integer(v)) {
    *kind = integer_means;
    h = w = v;
  } else if (json_is_array(v) && json_array_size(v) == 2) {
    h = json_array_get(v, 0);
    w = json_array_get(v, 1);
  } else if (get(v, "shortest_edge")) { /* a longest_edge beside it is passed over there, too */
    *kind = PREPROCESS_SHORTEST_EDGE;
    h = w = get(v, "shortest_edge");
  } else {
    h = get(v, "height");
    w = get(v, "width");
  }
  if (!is_side(h) || !is_side(w))
    return wrong(key);
  *height = (int)json_integer_value(h);
  *width = (int)json_integer_value(w);
  return 0;
}

static int read_triple(double out[3], const json_t *config, const char *key)
{
  const json_t *v = get(config, key);
  if (!v)
    return 0;
  for (size_t i = 0; i < 3; i++) {
    const json_t *n = json_is_number(v) ? v : json_array_get(v, i);
    if (!json_is_number(n) || (json_is_array(v) && json_array_size(v) != 3) || !isfinite(json_number_value(n)))
      return wrong(key);
    out[i] = json_number_value(n);
  }
  return 0;
}

/* What the classes of Transformers take for granted where their file is silent. */
typedef struct processor {
  const char *name; /* before ImageProcessor, ImageProcessorFast or FeatureExtractor */
  image_filter filter;
  bool clip_colours; /* CLIP's mean and deviation, else 0.5 */
  preprocess_size integer_means;
  int side, crop; /* crop 0: never, whatever the file says of it */
} processor;

static const processor processors[] = {
  {"ViT", IMAGE_BILINEAR, false, PREPROCESS_SQUASH, 224, 0},
  {"DeiT", IMAGE_BICUBIC, false, PREPROCESS_SQUASH, 256, 224},
  {"CLIP", IMAGE_BICUBIC, true, PREPROCESS_SHORTEST_EDGE, 224, 224},
  {"Blip", IMAGE_BICUBIC, true, PREPROCESS_SQUASH, 384, 0},
  {"Bit", IMAGE_BICUBIC, true, PREPROCESS_SHORTEST_EDGE, 224, 224},
  {"Siglip", IMAGE_BICUBIC, false, PREPROCESS_SQUASH, 224, 0},
};

static int find_processor(const processor **out, const json_t *config, const char *usual)
{
  const char *type = json_string_value(get(config, "image_processor_type"));
  if (!type)
    type = json_string_value(get(config, "feature_extractor_type"));
  if (!type)
    type = usual;
  const char *end = strstr(type, "ImageProcessor");
  if (!end)
    end = strstr(type, "FeatureExtractor");
  size_t n = end ? (size_t)(end - type) : strlen(type);
  for (size_t i = 0; i < sizeof processors / sizeof *processors; i++)
    if (strlen(processors[i].name) == n && memcmp(type, processors[i].name, n) == 0) {
      *out = &processors[i];
      return 0;
    }
  return error_set(OPIS_EUNSUPPORTED, "preprocessor_config.json: %.64s is not known; opis prepares pictures as ViT-, DeiT-, CLIP-, Blip-, Bit- and SiglipImageProcessor do", type);
}

static void defaults(preprocess *p, const processor *like, const json_t *config, int width, int height)
{
  static const double clip_mean[3] = {0.48145466, 0.4578275, 0.40821073}, clip_std[3] = {0.26862954, 0.26130258, 0.27577711};
  *p = (preprocess){.resize = true, .rescale = true, .normalize = true, .center_crop = like->crop > 0, .factor = 1.0 / 255.0, .filter = like->filter};
  p->size = like->integer_means;
  p->width = p->height = like->side;
  p->crop_width = p->crop_height = like->crop ? like->crop : like->side;
  if (!config) {
    p->width = p->crop_width = width;
    p->height = p->crop_height = height;
    if (p->size == PREPROCESS_SHORTEST_EDGE && height > width)
      p->width = height; /* both sides must fill the crop */
  }
  for (int i = 0; i < 3; i++) {
    p->mean[i] = like->clip_colours ? clip_mean[i] : 0.5;
    p->std[i] = like->clip_colours ? clip_std[i] : 0.5;
  }
}

static int read_numbers(preprocess *p, const json_t *config)
{
  const json_t *v = get(config, "resample");
  if (v) {
    if (!json_is_integer(v) || json_integer_value(v) < IMAGE_NEAREST || json_integer_value(v) > IMAGE_HAMMING)
      return wrong("resample");
    p->filter = (image_filter)json_integer_value(v);
  }
  v = get(config, "rescale_factor");
  if (v && (!json_is_number(v) || !isfinite(json_number_value(v))))
    return wrong("rescale_factor");
  if (v)
    p->factor = json_number_value(v);
  int code = read_triple(p->mean, config, "image_mean");
  if (code == 0)
    code = read_triple(p->std, config, "image_std");
  for (int i = 0; i < 3 && code == 0; i++)
    if (p->std[i] == 0)
      code = wrong("image_std");
  return code;
}

int preprocess_read(preprocess *p, const json_t *config, const char *usual, int width, int height)
{
  const processor *like = processors;
  int code = find_processor(&like, config, usual);
  if (code < 0)
    return code;
  defaults(p, like, config, width, height);
  if (!config)
    return 0;
  code = read_flag(&p->resize, config, "do_resize");
  if (code == 0 && like->crop)
    code = read_flag(&p->center_crop, config, "do_center_crop");
  if (code == 0)
    code = read_flag(&p->rescale, config, "do_rescale");
  if (code == 0)
    code = read_flag(&p->normalize, config, "do_normalize");
  if (code == 0 && get(config, "size"))
    code = read_size(&p->size, &p->width, &p->height, get(config, "size"), like->integer_means, "size");
  if (code == 0 && like->crop && get(config, "crop_size")) {
    preprocess_size kind;
    code = read_size(&kind, &p->crop_width, &p->crop_height, get(config, "crop_size"), PREPROCESS_SQUASH, "crop_size");
    if (code == 0 && kind != PREPROCESS_SQUASH)
      code = wrong("crop_size");
  }
  return code < 0 ? code : read_numbers(p, config);
}

/* The picture's size after the resize step. */
static int resized(const preprocess *p, int width, int height, int *out_width, int *out_height)
{
  *out_width = width;
  *out_height = height;
  if (!p->resize)
    return 0;
  *out_width = p->width;
  *out_height = p->height;
  if (p->size == PREPROCESS_SHORTEST_EDGE) {
    int shorter = width <= height ? width : height, longer = width <= height ? height : width;
    double grown = (double)p->width * longer / shorter;
    if (grown > 1 << 20)
      return error_set(OPIS_ELIMIT, "a picture of %d x %d pixels is too narrow for this model's preprocessing", width, height);
    *out_width = width <= height ? p->width : (int)grown;
    *out_height = width <= height ? (int)grown : p->width;
  }
  return 0;
}

void preprocess_result_size(const preprocess *p, int width, int height, int *out_width, int *out_height)
{
  if (resized(p, width, height, out_width, out_height) < 0)
    *out_width = *out_height = 0;
  if (p->center_crop) {
    *out_width = p->crop_width;
    *out_height = p->crop_height;
  }
}

static void make_table(float table[3][256], const preprocess *p)
{
  for (int c = 0; c < 3; c++)
    for (int v = 0; v < 256; v++) {
      float x = p->rescale ? (float)(v * p->factor) : (float)v;
      table[c][v] = p->normalize ? (x - (float)p->mean[c]) / (float)p->std[c] : x;
    }
}

/* Where Python's center_crop puts the picture's first row or column in the result: negative where it cuts. */
static int crop_offset(int size, int crop)
{
  if (crop <= size)
    return -((size - crop) / 2);
  /* Padded to the larger size first: half of it, rounded up, before the picture; then (size - crop) // 2 of it cut again, which floors. */
  int pad = (crop - size + 1) / 2, top = (size - crop - ((size - crop) % 2 != 0 ? 1 : 0)) / 2;
  return pad - (top + pad > 0 ? top + pad : 0);
}

typedef struct lookup {
  const float (*table)[256];
  float *pixels; /* [3, out_height, out_width] */
  const uint8_t *rgb;
  int width, height, out_width, out_height, top, left; /* where the picture's first row and column come to lie */
} lookup;

/* A row of the three planes. What the picture does not cover is black. */
static void lookup_row(const lookup *j, size_t y)
{
  const int from = j->left > 0 ? j->left : 0, right = j->left + j->width, to = right < j->out_width ? right : j->out_width;
  const bool inside = (int)y >= j->top && (int)y < j->top + j->height;
  for (int c = 0; c < 3; c++) {
    float *out = j->pixels + ((size_t)c * (size_t)j->out_height + y) * (size_t)j->out_width;
    int x = 0;
    if (inside) {
      for (; x < from; x++)
        out[x] = j->table[c][0];
      const uint8_t *in = j->rgb + ((size_t)((int)y - j->top) * (size_t)j->width + (size_t)(x - j->left)) * 3 + c;
      for (; x < to; x++, in += 3)
        out[x] = j->table[c][*in];
    }
    for (; x < j->out_width; x++)
      out[x] = j->table[c][0];
  }
}

static void run_lookup(void *user, size_t begin, size_t end, int thread)
{
  (void)thread;
  for (size_t y = begin; y < end; y++)
    lookup_row(user, y);
}

int preprocess_run(pool *threads, const preprocess *p, float *pixels, const opis_image *image)
{
  enum { ROWS = 16 };
  int width, height, out_width, out_height;
  float table[3][256];
  int code = resized(p, image->width, image->height, &width, &height);
  if (code < 0)
    return code;
  uint8_t *small = NULL;
  const uint8_t *rgb = image->rgb;
  if (width != image->width || height != image->height) {
    small = malloc((size_t)width * (size_t)height * 3);
    if (!small)
      return error_nomem();
    code = image_resize(threads, small, width, height, image->rgb, image->width, image->height, 3, p->filter);
    rgb = small;
  }
  if (code == 0) {
    preprocess_result_size(p, image->width, image->height, &out_width, &out_height);
    make_table(table, p);
    lookup j = {table, pixels, rgb, width, height, out_width, out_height, 0, 0};
    if (p->center_crop) {
      j.top = crop_offset(height, out_height);
      j.left = crop_offset(width, out_width);
    }
    pool_for(threads, (size_t)out_height, ROWS, run_lookup, &j);
  }
  free(small);
  return code;
}
