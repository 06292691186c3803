/* Decoded pictures. An opis_image is immutable once made and may be read from many threads. */
#ifndef OPIS_IMAGE_H
#define OPIS_IMAGE_H

#include <opis/export.h>
#include <stddef.h>
#include <stdint.h>

OPIS_BEGIN

typedef struct opis_image opis_image;

/* Limits and habits of decoding. Zero means the default. */
typedef struct opis_image_options {
  uint32_t version;    /* OPIS_IMAGE_OPTIONS_VERSION */
  uint64_t max_bytes;  /* of the encoded file; default 200 MiB */
  uint64_t max_pixels; /* width x height; default 178,956,970 (Pillow's own limit) */
  int no_orient;       /* 1: leave the picture as it is stored; 0 (default): turn it upright by its EXIF orientation */
} opis_image_options;

#define OPIS_IMAGE_OPTIONS_VERSION 1
#define OPIS_IMAGE_OPTIONS_INIT                                                                                                                                                    \
  {                                                                                                                                                                                \
    OPIS_IMAGE_OPTIONS_VERSION, 0, 0, 0                                                                                                                                            \
  }
#define OPIS_MAX_BYTES_DEFAULT (UINT64_C(200) << 20)
#define OPIS_MAX_PIXELS_DEFAULT UINT64_C(178956970)

/* Decodes a picture to RGB, 8 bits a channel, as Pillow's convert("RGB") gives it; the kind is told by content, never by name; of an animation the first frame.
 * *image is the caller's, freed with opis_image_free. options may be NULL.
 * Errors: OPIS_ENOTFOUND, OPIS_EIO, OPIS_EFORMAT (no picture, or broken), OPIS_ELIMIT, OPIS_EUNSUPPORTED (a kind whose library is missing), OPIS_ENOMEM. */
OPIS_API int opis_image_open_file(opis_image **image, const char *path, const opis_image_options *options);
OPIS_API int opis_image_open_memory(opis_image **image, const void *bytes, size_t size, const opis_image_options *options);

/* Copies pixels: rows of width x channels bytes, `stride` bytes apart (0: rows without gaps). channels: 1 grey, 3 RGB, 4 RGBA (alpha dropped).
 * Errors: OPIS_EINVALID (a size of 0, other channels, a stride too short), OPIS_ELIMIT, OPIS_ENOMEM. */
OPIS_API int opis_image_from_pixels(opis_image **image, const uint8_t *pixels, int width, int height, int channels, size_t stride);

OPIS_API void opis_image_free(opis_image *image); /* NULL is allowed */

OPIS_API int opis_image_width(const opis_image *image);
OPIS_API int opis_image_height(const opis_image *image);
OPIS_API const uint8_t *opis_image_rgb(const opis_image *image); /* [height, width, 3], the image's own */
OPIS_API const char *opis_image_format(const opis_image *image); /* "JPEG", "PNG", …, "pixels": what it was decoded from, a static string */

OPIS_END

#endif
