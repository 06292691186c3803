/* EXIF's orientation (Exif 2.32, tag 0x0112), and turning a picture by it. */
#include "image/image.h"

#include "util/error.h"

#include <libexif/exif-data.h>
#include <stdlib.h>
#include <string.h>

int image_exif_orientation(const uint8_t *bytes, size_t size)
{
  static const char head[] = "Exif\0\0";
  int orientation = 1;
  if (size == 0 || size > 1 << 20)
    return 1;
  ExifData *data = exif_data_new();
  if (!data)
    return 1;
  if (size >= 6 && memcmp(bytes, head, 6) == 0)
    exif_data_load_data(data, bytes, (unsigned)size);
  else {
    unsigned char *whole = malloc(size + 6);
    if (whole) {
      memcpy(whole, head, 6);
      memcpy(whole + 6, bytes, size);
      exif_data_load_data(data, whole, (unsigned)size + 6);
      free(whole);
    }
  }
  const ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry && entry->format == EXIF_FORMAT_SHORT && entry->components >= 1) {
    int v = exif_get_short(entry->data, exif_data_get_byte_order(data));
    orientation = v >= 1 && v <= 8 ? v : 1;
  }
  exif_data_unref(data);
  return orientation;
}

int image_orient(opis_image *image, int orientation)
{
  if (orientation < 2 || orientation > 8)
    return 0;
  size_t W = (size_t)image->width, H = (size_t)image->height, w = orientation >= 5 ? H : W, h = orientation >= 5 ? W : H;
  uint8_t *out = malloc(W * H * 3), *to = out;
  if (!out)
    return error_nomem();
  for (size_t y = 0; y < h; y++)
    for (size_t x = 0; x < w; x++, to += 3) {
      size_t fx = orientation >= 5 ? y : x, fy = orientation >= 5 ? x : y; /* transposed first, then mirrored */
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
        fx = W - 1 - fx;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
        fy = H - 1 - fy;
      memcpy(to, image->rgb + (fy * W + fx) * 3, 3);
    }
  free(image->rgb);
  image->rgb = out;
  image->width = (int)w;
  image->height = (int)h;
  return 0;
}
