/* Inside the room: what an opis_image is, and what each loader gives. Other rooms use opis/image.h, and from here image_sniff, image_resize and image/preprocess.h. */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "util/pool.h"

#include <opis/image.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum image_kind { IMAGE_UNKNOWN, IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP, IMAGE_GIF, IMAGE_BMP, IMAGE_TIFF, IMAGE_HEIF, IMAGE_AVIF, IMAGE_PNM } image_kind;

struct opis_image {
  int width, height;
  uint8_t *rgb; /* [height, width, 3], malloc'ed */
  const char *format;
};

/* The kind by the first bytes (32 are enough), never by name. */
image_kind image_sniff(const uint8_t *bytes, size_t size);
image_kind image_sniff_file(const char *path); /* IMAGE_UNKNOWN, too, when it cannot be read */
const char *image_kind_name(image_kind kind);  /* "JPEG", … */

/* Limits of one decoding, with the defaults filled in, and the name that errors give the picture. */
typedef struct image_limits {
  uint64_t max_pixels;
  bool orient;
} image_limits;

/* A fresh picture of that size: 0, OPIS_EFORMAT for a size of 0, OPIS_ELIMIT, OPIS_ENOMEM. Checked before memory is taken. */
int image_new(opis_image **out, uint64_t width, uint64_t height, const image_limits *limits);

/* Whatever kind it is; *orientation tells EXIF's, whether the picture was turned (limits->orient) or not. */
int image_load(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits);

/* The loaders, one a file: 0, or an error whose message says what is wrong with the bytes. *orientation: EXIF's, 1 to 8. */
int image_load_jpeg(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits);
int image_load_png(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits);
int image_load_webp(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits);
int image_load_bmp(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits);
int image_load_gif(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits);
int image_load_pnm(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits);
int image_load_tiff(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits);
int image_load_heif(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits);

/* n pixels of CMYK as RGB, as Pillow converts them; inverted: as Adobe's JPEGs hold them. */
void image_cmyk_to_rgb(uint8_t *to, const uint8_t *from, size_t n, bool inverted);

/* EXIF's orientation in a block that begins with the TIFF header or with "Exif\0\0"; 1 when there is none. */
int image_exif_orientation(const uint8_t *bytes, size_t size);
/* Turns a picture upright in place. */
int image_orient(opis_image *image, int orientation);

typedef enum image_filter { IMAGE_NEAREST = 0, IMAGE_LANCZOS = 1, IMAGE_BILINEAR = 2, IMAGE_BICUBIC = 3, IMAGE_BOX = 4, IMAGE_HAMMING = 5 } image_filter; /* Pillow's numbers */

/* Resizes u8 pixels [height, width, channels] (channels 1 to 4) to [out_height, out_width, channels], bit for bit as Pillow 13's Image.resize without a box: tall pictures
 * differ from what older ones gave in the last bits (resize.c tells why). out is the caller's. The threads (NULL: the caller's own) divide the rows. */
int image_resize(pool *threads, uint8_t *out, int out_width, int out_height, const uint8_t *pixels, int width, int height, int channels, image_filter filter);

#endif
