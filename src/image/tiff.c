/* TIFF by libtiff, the first page: its own conversion to RGBA does strips, tiles, palettes, bilevel, CMYK and YCbCr; of 16 bits it keeps the high byte. */
#include "image/image.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

typedef struct source {
  const uint8_t *bytes;
  size_t size, at;
} source;

static tmsize_t on_read(thandle_t h, void *to, tmsize_t n)
{
  source *s = h;
  size_t left = s->at < s->size ? s->size - s->at : 0, take = (size_t)n < left ? (size_t)n : left;
  memcpy(to, s->bytes + s->at, take);
  s->at += take;
  return (tmsize_t)take;
}

static tmsize_t on_write(thandle_t h, void *from, tmsize_t n)
{
  (void)h;
  (void)from;
  (void)n;
  return -1;
}

static toff_t on_seek(thandle_t h, toff_t offset, int whence)
{
  source *s = h;
  s->at = (size_t)(whence == SEEK_SET ? offset : whence == SEEK_CUR ? s->at + offset : s->size + offset);
  return s->at;
}

static int on_close(thandle_t h)
{
  (void)h;
  return 0;
}

static toff_t on_size(thandle_t h)
{
  return ((source *)h)->size;
}

static int on_message(TIFF *t, void *user, const char *module, const char *format, va_list args)
{
  (void)t;
  (void)user;
  (void)module;
  (void)format;
  (void)args;
  return 1;
}

static int read_page(opis_image **out, int *orientation, TIFF *t, const image_limits *limits)
{
  uint32_t width = 0, height = 0;
  uint16_t turned = 1;
  char why[1024] = "";
  TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(t, TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(t, TIFFTAG_ORIENTATION, &turned);
  int code = image_new(out, width, height, limits);
  if (code < 0)
    return code;
  if (!TIFFRGBAImageOK(t, why))
    return error_set(OPIS_EUNSUPPORTED, "TIFF: %s", why);
  size_t n = (size_t)width * height;
  uint32_t *raster = malloc(n * sizeof *raster);
  if (!raster)
    return error_nomem();
  /* As it is stored (the orientation asked for is the file's own), stopping at the first error. */
  if (!TIFFReadRGBAImageOriented(t, width, height, raster, turned, 1)) {
    free(raster);
    return error_set(OPIS_EFORMAT, "broken TIFF: truncated, or broken data");
  }
  for (size_t i = 0; i < n; i++) {
    (*out)->rgb[3 * i] = (uint8_t)TIFFGetR(raster[i]);
    (*out)->rgb[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
    (*out)->rgb[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
  }
  free(raster);
  *orientation = turned >= 1 && turned <= 8 ? turned : 1;
  return 0;
}

int image_load_tiff(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  source s = {bytes, size, 0};
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options)
    return error_nomem();
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_message, NULL); /* this picture's only; words on stderr are not a library's business */
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_message, NULL);
  TIFF *t = TIFFClientOpenExt("picture", "rm", &s, on_read, on_write, on_seek, on_close, on_size, NULL, NULL, options);
  TIFFOpenOptionsFree(options);
  if (!t)
    return error_set(OPIS_EFORMAT, "broken TIFF: the header cannot be read");
  int code = read_page(out, orientation, t, limits);
  TIFFClose(t);
  if (code < 0) {
    opis_image_free(*out);
    *out = NULL;
  }
  return code;
}
