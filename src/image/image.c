/* From bytes to an upright picture: sniff, load, orient. */
#include "image/image.h"

#include "util/error.h"
#include "util/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool at(const uint8_t *bytes, size_t size, size_t offset, const char *what, size_t n)
{
  return size >= offset + n && memcmp(bytes + offset, what, n) == 0;
}

/* ISO 14496-12's file type box: HEIF and AVIF by their brands. */
static image_kind sniff_brand(const uint8_t *bytes, size_t size)
{
  if (!at(bytes, size, 4, "ftyp", 4))
    return IMAGE_UNKNOWN;
  for (size_t i = 8; i + 4 <= size && i < 64; i += i == 8 ? 8 : 4) {
    if (at(bytes, size, i, "avif", 4) || at(bytes, size, i, "avis", 4))
      return IMAGE_AVIF;
    if (at(bytes, size, i, "heic", 4) || at(bytes, size, i, "heix", 4) || at(bytes, size, i, "heim", 4) || at(bytes, size, i, "heis", 4) || at(bytes, size, i, "hevc", 4))
      return IMAGE_HEIF;
  }
  return at(bytes, size, 8, "mif1", 4) || at(bytes, size, 8, "msf1", 4) ? IMAGE_HEIF : IMAGE_UNKNOWN;
}

image_kind image_sniff(const uint8_t *b, size_t n)
{
  if (at(b, n, 0, "\xFF\xD8\xFF", 3))
    return IMAGE_JPEG;
  if (at(b, n, 0, "\x89PNG\r\n\x1A\n", 8))
    return IMAGE_PNG;
  if (at(b, n, 0, "RIFF", 4) && at(b, n, 8, "WEBP", 4))
    return IMAGE_WEBP;
  if (at(b, n, 0, "GIF87a", 6) || at(b, n, 0, "GIF89a", 6))
    return IMAGE_GIF;
  if (at(b, n, 0, "BM", 2))
    return IMAGE_BMP;
  if (at(b, n, 0, "II*\0", 4) || at(b, n, 0, "MM\0*", 4) || at(b, n, 0, "II+\0", 4) || at(b, n, 0, "MM\0+", 4)) /* +: BigTIFF */
    return IMAGE_TIFF;
  if (n >= 3 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6' && (b[2] == '\n' || b[2] == ' ' || b[2] == '\t' || b[2] == '\r' || b[2] == '#'))
    return IMAGE_PNM;
  return sniff_brand(b, n);
}

image_kind image_sniff_file(const char *path)
{
  uint8_t head[64];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return IMAGE_UNKNOWN;
  ssize_t n = read(fd, head, sizeof head);
  close(fd);
  return n > 0 ? image_sniff(head, (size_t)n) : IMAGE_UNKNOWN;
}

const char *image_kind_name(image_kind kind)
{
  static const char *const names[] = {"unknown", "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF", "PNM"};
  return names[kind];
}

int image_new(opis_image **out, uint64_t width, uint64_t height, const image_limits *limits)
{
  *out = NULL;
  if (width == 0 || height == 0)
    return error_set(OPIS_EFORMAT, "a picture of %llu x %llu pixels", (unsigned long long)width, (unsigned long long)height);
  if (width > INT32_MAX || height > INT32_MAX || width * height > limits->max_pixels)
    return error_set(
      OPIS_ELIMIT, "%llu x %llu pixels are more than the limit of %llu", (unsigned long long)width, (unsigned long long)height, (unsigned long long)limits->max_pixels);
  opis_image *image = calloc(1, sizeof *image);
  uint8_t *rgb = width * height <= SIZE_MAX / 3 ? malloc((size_t)(width * height) * 3) : NULL;
  if (!image || !rgb) {
    free(image);
    free(rgb);
    return error_nomem();
  }
  *image = (opis_image){(int)width, (int)height, rgb, "pixels"};
  *out = image;
  return 0;
}

/* The share of K that the ink leaves: K - ink * K / 255, rounded as Pillow's MULDIV255 does. */
void image_cmyk_to_rgb(uint8_t *to, const uint8_t *from, size_t n, bool inverted)
{
  for (size_t i = 0; i < n; i++, from += 4, to += 3) {
    unsigned k = inverted ? from[3] : 255u - from[3];
    for (int c = 0; c < 3; c++) {
      unsigned v = inverted ? 255u - from[c] : from[c], product = v * k + 128;
      unsigned ink = (product + (product >> 8)) >> 8;
      to[c] = (uint8_t)(k > ink ? k - ink : 0);
    }
  }
}

int image_load(opis_image **image, int *turned, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  int orientation = 1, code;
  image_kind kind = image_sniff(bytes, size);
  *image = NULL;
  if (size == 0)
    return error_set(OPIS_EFORMAT, "is empty");
  switch (kind) {
  case IMAGE_JPEG: code = image_load_jpeg(image, &orientation, bytes, size, limits); break;
  case IMAGE_PNG: code = image_load_png(image, &orientation, bytes, size, limits); break;
  case IMAGE_WEBP: code = image_load_webp(image, &orientation, bytes, size, limits); break;
  case IMAGE_BMP: code = image_load_bmp(image, &orientation, bytes, size, limits); break;
  case IMAGE_GIF: code = image_load_gif(image, &orientation, bytes, size, limits); break;
  case IMAGE_PNM: code = image_load_pnm(image, &orientation, bytes, size, limits); break;
  case IMAGE_TIFF: code = image_load_tiff(image, &orientation, bytes, size, limits); break;
  case IMAGE_HEIF:
  case IMAGE_AVIF: code = image_load_heif(image, &orientation, bytes, size, limits); break;
  default: return error_set(OPIS_EFORMAT, "no picture of a kind that opis reads");
  }
  if (code == 0)
    (*image)->format = image_kind_name(kind);
  if (code == 0 && limits->orient && orientation != 1)
    code = image_orient(*image, orientation);
  *turned = orientation;
  if (code < 0) {
    opis_image_free(*image);
    *image = NULL;
  }
  return code;
}

int opis_image_open_memory(opis_image **image, const void *bytes, size_t size, const opis_image_options *o)
{
  *image = NULL;
  uint64_t max_bytes = o && o->max_bytes ? o->max_bytes : OPIS_MAX_BYTES_DEFAULT;
  int orientation;
  image_limits limits = {o && o->max_pixels ? o->max_pixels : OPIS_MAX_PIXELS_DEFAULT, !(o && o->no_orient)};
  if (size > max_bytes)
    return error_set(OPIS_ELIMIT, "%zu bytes are more than the limit of %llu", size, (unsigned long long)max_bytes);
  return image_load(image, &orientation, bytes, size, &limits);
}

int opis_image_open_file(opis_image **image, const char *path, const opis_image_options *o)
{
  char *bytes;
  size_t size;
  *image = NULL;
  if (file_is_folder(path))
    return error_set(OPIS_EINVALID, "%s: is a folder; -r describes the pictures in it", path);
  int code = file_read(&bytes, &size, path, o && o->max_bytes ? o->max_bytes : OPIS_MAX_BYTES_DEFAULT);
  if (code < 0)
    return code;
  code = opis_image_open_memory(image, bytes, size, o);
  free(bytes);
  return code < 0 ? error_prefix(code, "%s", path) : 0;
}

int opis_image_from_pixels(opis_image **out, const uint8_t *pixels, int width, int height, int channels, size_t stride)
{
  image_limits limits = {UINT64_C(1) << 32, false};
  *out = NULL;
  if (channels != 1 && channels != 3 && channels != 4)
    return error_set(OPIS_EINVALID, "pixels of %d channels; 1 (grey), 3 (RGB) and 4 (RGBA) are known", channels);
  if (width <= 0 || height <= 0)
    return error_set(OPIS_EINVALID, "a picture of %d x %d pixels", width, height);
  size_t row = (size_t)width * (size_t)channels;
  if (stride == 0)
    stride = row;
  if (stride < row)
    return error_set(OPIS_EINVALID, "rows of %zu bytes are %zu bytes apart", row, stride);
  int code = image_new(out, (uint64_t)width, (uint64_t)height, &limits);
  if (code < 0)
    return code;
  uint8_t *to = (*out)->rgb;
  for (int y = 0; y < height; y++, pixels += stride)
    if (channels == 3) {
      memcpy(to, pixels, row);
      to += row;
    } else
      for (int x = 0; x < width; x++, to += 3) {
        const uint8_t *p = pixels + (size_t)x * (size_t)channels;
        to[0] = p[0];
        to[1] = p[channels == 1 ? 0 : 1];
        to[2] = p[channels == 1 ? 0 : 2];
      }
  return 0;
}

void opis_image_free(opis_image *image)
{
  if (!image)
    return;
  free(image->rgb);
  free(image);
}

int opis_image_width(const opis_image *image)
{
  return image->width;
}

int opis_image_height(const opis_image *image)
{
  return image->height;
}

const uint8_t *opis_image_rgb(const opis_image *image)
{
  return image->rgb;
}

const char *opis_image_format(const opis_image *image)
{
  return image->format;
}
