/** @file
 * Decoded pictures. An opis_image is immutable once made and may be read from many threads. */
#ifndef OPIS_IMAGE_H
#define OPIS_IMAGE_H

#include <opis/export.h>
#include <stddef.h>
#include <stdint.h>

OPIS_BEGIN

/** A picture in memory: RGB, 8 bits a channel. */
typedef struct opis_image opis_image;

/** Limits and habits of decoding. Zero means the default. */
typedef struct opis_image_options {
  uint32_t version;    /**< #OPIS_IMAGE_OPTIONS_VERSION */
  uint64_t max_bytes;  /**< of the encoded file; default 200 MiB */
  uint64_t max_pixels; /**< width x height; default 178,956,970 (Pillow's own limit) */
  int no_orient;       /**< 1: leave the picture as it is stored; 0 (default): turn it upright by its EXIF orientation */
} opis_image_options;

/** The version of opis_image_options that this header describes. */
#define OPIS_IMAGE_OPTIONS_VERSION 1
/** An opis_image_options with every default. */
#define OPIS_IMAGE_OPTIONS_INIT                                                                                                                                                    \
  {                                                                                                                                                                                \
    OPIS_IMAGE_OPTIONS_VERSION, 0, 0, 0                                                                                                                                            \
  }
/** The default of opis_image_options::max_bytes. */
#define OPIS_MAX_BYTES_DEFAULT (UINT64_C(200) << 20)
/** The default of opis_image_options::max_pixels. */
#define OPIS_MAX_PIXELS_DEFAULT UINT64_C(178956970)

/** Decodes a picture to RGB, 8 bits a channel, as Pillow's convert("RGB") gives it; the kind is told by content, never by name; of an animation the first frame. May be called from any thread.
 * @param[out] image the caller's, freed with opis_image_free(); NULL on an error
 * @param path the file
 * @param options NULL: the defaults
 * @return 0, OPIS_ENOTFOUND, OPIS_EIO, OPIS_EFORMAT (no picture, or broken), OPIS_ELIMIT, OPIS_EUNSUPPORTED (a kind whose library is missing), OPIS_EINVALID (a folder), OPIS_ENOMEM */
OPIS_API int opis_image_open_file(opis_image **image, const char *path, const opis_image_options *options);

/** Decodes a picture as opis_image_open_file() does, from bytes that are the caller's and are not needed any more when it returns.
 * @param[out] image the caller's, freed with opis_image_free(); NULL on an error
 * @param bytes [size]
 * @param size how many bytes there are
 * @param options NULL: the defaults
 * @return 0, OPIS_EFORMAT, OPIS_ELIMIT, OPIS_EUNSUPPORTED, OPIS_ENOMEM */
OPIS_API int opis_image_open_memory(opis_image **image, const void *bytes, size_t size, const opis_image_options *options);

/** Copies pixels. May be called from any thread.
 * @param[out] image the caller's, freed with opis_image_free(); NULL on an error
 * @param pixels [height, width, channels], each row `stride` bytes behind the one before
 * @param width in pixels, above 0
 * @param height in pixels, above 0
 * @param channels 1 grey, 3 RGB, 4 RGBA (alpha dropped)
 * @param stride 0: rows without gaps
 * @return 0, OPIS_EINVALID (a size of 0, other channels, a stride too short), OPIS_ELIMIT, OPIS_ENOMEM */
OPIS_API int opis_image_from_pixels(opis_image **image, const uint8_t *pixels, int width, int height, int channels, size_t stride);

/** Gives a picture back. No other thread may be using it.
 * @param image NULL is allowed */
OPIS_API void opis_image_free(opis_image *image);

/** How wide a picture is. May be called from any thread.
 * @param image upright, unless opis_image_options::no_orient said otherwise
 * @return pixels */
OPIS_API int opis_image_width(const opis_image *image);

/** How high a picture is. May be called from any thread.
 * @param image upright, unless opis_image_options::no_orient said otherwise
 * @return pixels */
OPIS_API int opis_image_height(const opis_image *image);

/** The pixels. May be called from any thread.
 * @param image a picture
 * @return [height, width, 3], the image's own */
OPIS_API const uint8_t *opis_image_rgb(const opis_image *image);

/** What a picture was decoded from. May be called from any thread.
 * @param image a picture
 * @return "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "PNM" or "pixels"; a static string */
OPIS_API const char *opis_image_format(const opis_image *image);

OPIS_END

#endif
