/* TIFF by libtiff, the first page. Grey, palettes, RGB, CMYK and CIE L*a*b* are read sample by sample and become RGB as with Pillow (alpha dropped, of 16 bits the high byte);
 * the rest (YCbCr, old JPEG, ...) takes libtiff's own conversion to RGBA.
 *
 * The library is opened when the first such picture comes: it brings seven others with it, C++'s among them, and finding their symbols took a third of the time of a program that does nothing. */
#include "image/image.h"

#include "util/error.h"
#include "util/library.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

#define TIFF_FUNCTIONS(X)                                                                                                                                                          \
  X(OpenOptionsAlloc)                                                                                                                                                              \
  X(OpenOptionsFree)                                                                                                                                                               \
  X(OpenOptionsSetErrorHandlerExtR)                                                                                                                                                \
  X(OpenOptionsSetWarningHandlerExtR)                                                                                                                                              \
  X(ClientOpenExt)                                                                                                                                                                 \
  X(Close) X(GetField) X(GetFieldDefaulted) X(IsTiled) X(TileSize) X(TileRowSize) X(ScanlineSize) X(ReadScanline) X(ReadTile) X(RGBAImageOK) X(ReadRGBAImageOriented)
static struct {
#define MEMBER(name) __typeof__(TIFF##name) *name;
  TIFF_FUNCTIONS(MEMBER)
#undef MEMBER
  bool there;
} tiff; /* written once, under pthread_once */

static void open_library(void)
{
  void *library = library_open("libtiff.so.6", "TIFFOpenOptionsAlloc");
  tiff.there = library != NULL;
#define FIND(name) tiff.there = tiff.there && (tiff.name = (__typeof__(tiff.name))dlsym(library, "TIFF" #name)) != NULL;
  TIFF_FUNCTIONS(FIND)
#undef FIND
}

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

/* What the samples of a page mean. */
typedef struct page {
  uint32_t width, height;
  uint16_t bits, samples, photometric, planar, alpha; /* alpha: EXTRASAMPLE_ASSOCALPHA, … of the first sample behind the colours */
  bool inverted;
  uint8_t palette[256][3];
} page;

static int truncated(void)
{
  return error_set(OPIS_EFORMAT, "broken TIFF: truncated, or broken data");
}

/* Colour maps have 16 bits; some old writers filled 8 of them. */
static bool read_palette(page *p, TIFF *t)
{
  uint16_t *map[3];
  if (p->bits > 8 || !tiff.GetField(t, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
    return false;
  int shift = 0;
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < 1 << p->bits; i++)
      if (map[c][i] > 255)
        shift = 8;
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < 1 << p->bits; i++)
      p->palette[i][c] = (uint8_t)(map[c][i] >> shift);
  return true;
}

/* Whether the page is one that is read sample by sample. */
static bool describe_page(page *p, TIFF *t)
{
  uint16_t format = SAMPLEFORMAT_UINT, extras = 0, compression = COMPRESSION_NONE, *kinds = NULL;
  tiff.GetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &p->bits);
  tiff.GetFieldDefaulted(t, TIFFTAG_SAMPLESPERPIXEL, &p->samples);
  tiff.GetFieldDefaulted(t, TIFFTAG_PLANARCONFIG, &p->planar);
  tiff.GetFieldDefaulted(t, TIFFTAG_SAMPLEFORMAT, &format);
  tiff.GetFieldDefaulted(t, TIFFTAG_COMPRESSION, &compression);
  if (!tiff.GetField(t, TIFFTAG_PHOTOMETRIC, &p->photometric))
    return false;
  if (tiff.GetField(t, TIFFTAG_EXTRASAMPLES, &extras, &kinds) && extras && p->samples > 3)
    p->alpha = kinds[0];
  bool whole = p->bits == 8 || p->bits == 16, small = p->bits == 1 || p->bits == 2 || p->bits == 4;
  if ((format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID) || compression == COMPRESSION_OJPEG || p->samples > 8 || !(whole || (small && p->samples == 1)))
    return false;
  p->inverted = p->photometric == PHOTOMETRIC_MINISWHITE;
  switch (p->photometric) {
  case PHOTOMETRIC_MINISWHITE:
  case PHOTOMETRIC_MINISBLACK: return true;
  case PHOTOMETRIC_PALETTE: return read_palette(p, t);
  case PHOTOMETRIC_RGB: return p->samples >= 3;
  case PHOTOMETRIC_SEPARATED: return p->samples >= 4 && whole;
  case PHOTOMETRIC_CIELAB: return p->samples >= 3 && p->bits == 8;
  default: return false;
  }
}

/* CIE L*a*b* of 8 bits under D50 (a and b signed) as sRGB, adapted to its white by Bradford's matrix. */
static void lab_to_rgb(uint8_t *to, const uint8_t *from)
{
  static const double matrix[3][3] = {{3.1338561, -1.6168667, -0.4906146}, {-0.9787684, 1.9161415, 0.0334540}, {0.0719453, -0.2289914, 1.4052427}};
  static const double white[3] = {0.9642, 1.0, 0.8249};
  double y = (from[0] * 100.0 / 255.0 + 16) / 116, f[3] = {y + (int8_t)from[1] / 500.0, y, y - (int8_t)from[2] / 200.0}, xyz[3];
  for (int i = 0; i < 3; i++)
    xyz[i] = white[i] * (f[i] > 6.0 / 29 ? f[i] * f[i] * f[i] : (f[i] - 16.0 / 116) * 108 / 841);
  for (int i = 0; i < 3; i++) {
    double v = matrix[i][0] * xyz[0] + matrix[i][1] * xyz[1] + matrix[i][2] * xyz[2];
    v = v <= 0.0031308 ? 12.92 * v : 1.055 * pow(v, 1 / 2.4) - 0.055;
    to[i] = (uint8_t)(v <= 0 ? 0 : v >= 1 ? 255 : v * 255 + 0.5);
  }
}

/* The high byte of sample i of a row; smaller ones as they are. */
static inline uint8_t sample(const page *p, const uint8_t *row, size_t i)
{
  if (p->bits == 8)
    return row[i];
  if (p->bits == 16) {
    uint16_t v;
    memcpy(&v, row + 2 * i, 2);
    return (uint8_t)(v >> 8);
  }
  return (uint8_t)(row[i * p->bits / 8] >> (8 - p->bits - i * p->bits % 8) & ((1 << p->bits) - 1));
}

static uint8_t without_alpha(uint8_t v, uint8_t alpha)
{
  int whole = alpha ? v * 255 / alpha : 0;
  return (uint8_t)(whole > 255 ? 255 : whole);
}

/* n pixels of all samples [n, step] become RGB. */
static void put_row(const page *p, uint8_t *to, const uint8_t *row, size_t n, size_t step)
{
  int most = (1 << (p->bits < 8 ? p->bits : 8)) - 1;
  for (size_t x = 0; x < n; x++, to += 3) {
    size_t at = x * step;
    uint8_t v[4] = {sample(p, row, at), 0, 0, 0};
    if (p->photometric == PHOTOMETRIC_PALETTE)
      memcpy(to, p->palette[v[0]], 3);
    else if (p->photometric == PHOTOMETRIC_MINISBLACK || p->inverted)
      to[0] = to[1] = to[2] = (uint8_t)((p->inverted ? most - v[0] : v[0]) * 255 / most);
    else {
      for (size_t c = 1; c < 4 && c < p->samples; c++)
        v[c] = sample(p, row, at + c);
      if (p->photometric == PHOTOMETRIC_SEPARATED)
        image_cmyk_to_rgb(to, v, 1, false);
      else if (p->photometric == PHOTOMETRIC_CIELAB)
        lab_to_rgb(to, v);
      else if (p->alpha == EXTRASAMPLE_ASSOCALPHA)
        for (int c = 0; c < 3; c++)
          to[c] = without_alpha(v[c], v[3]);
      else
        memcpy(to, v, 3);
    }
  }
}

/* Planes of their own become one row of 8 bits a sample: [n, 4]. */
static void gather(const page *p, uint8_t *line, const uint8_t *plane, size_t n, size_t c)
{
  for (size_t x = 0; x < n; x++)
    line[4 * x + c] = sample(p, plane, x);
}

/* How many passes over the picture: one for each plane that counts, or one. */
static uint16_t planes_read(const page *p, const uint8_t *planes)
{
  return !planes ? 1 : p->samples < 4 ? p->samples : 4;
}

/* Strips, a scan line at a time; of planes, one after the other, what came before is kept in `planes` [height, width, 4]. */
static int read_strips(const page *p, opis_image *image, TIFF *t, uint8_t *line, uint8_t *planes)
{
  page joined = *p;
  joined.bits = 8;
  size_t width = p->width;
  const uint16_t n_planes = planes_read(p, planes);
  for (uint16_t c = 0; c < n_planes; c++)
    for (uint32_t y = 0; y < p->height; y++) {
      if (tiff.ReadScanline(t, line, y, c) < 0)
        return truncated();
      if (planes)
        gather(p, planes + y * width * 4, line, width, c);
      else
        put_row(p, image->rgb + y * width * 3, line, width, p->samples);
    }
  for (uint32_t y = 0; planes && y < p->height; y++)
    put_row(&joined, image->rgb + y * width * 3, planes + y * width * 4, width, 4);
  return 0;
}

static int read_tiles(const page *p, opis_image *image, TIFF *t, uint8_t *tile, uint8_t *planes)
{
  uint32_t w = 0, h = 0;
  page joined = *p;
  joined.bits = 8;
  tiff.GetField(t, TIFFTAG_TILEWIDTH, &w);
  tiff.GetField(t, TIFFTAG_TILELENGTH, &h);
  size_t row = (size_t)tiff.TileRowSize(t), width = p->width;
  const uint16_t n_planes = planes_read(p, planes);
  for (uint16_t c = 0; c < n_planes; c++)
    for (uint64_t y = 0; y < p->height; y += h)
      for (uint64_t x = 0; x < p->width; x += w) {
        if (tiff.ReadTile(t, tile, (uint32_t)x, (uint32_t)y, 0, c) < 0)
          return truncated();
        size_t n = p->width - x < w ? (size_t)(p->width - x) : w, rows = p->height - y < h ? (size_t)(p->height - y) : h;
        for (size_t i = 0; i < rows; i++)
          if (planes)
            gather(p, planes + ((size_t)(y + i) * width + (size_t)x) * 4, tile + i * row, n, c);
          else
            put_row(p, image->rgb + ((size_t)(y + i) * width + (size_t)x) * 3, tile + i * row, n, p->samples);
      }
  for (size_t y = 0; planes && y < p->height; y++)
    put_row(&joined, image->rgb + y * width * 3, planes + y * width * 4, width, 4);
  return 0;
}

static int read_samples(const page *p, opis_image *image, TIFF *t, const image_limits *limits)
{
  bool tiled = tiff.IsTiled(t), planar = p->planar == PLANARCONFIG_SEPARATE && p->samples > 1;
  tmsize_t size = tiled ? tiff.TileSize(t) : tiff.ScanlineSize(t);
  if (size <= 0)
    return truncated();
  if ((uint64_t)size > limits->max_pixels * 16)
    return error_set(OPIS_ELIMIT, "TIFF: tiles of %lld bytes", (long long)size);
  /* Zeroed: what a broken file leaves out must not be what memory held before. */
  uint8_t *part = calloc(1, (size_t)size), *planes = planar ? calloc((size_t)p->width * p->height, 4) : NULL;
  int code = !part || (planar && !planes) ? error_nomem() : tiled ? read_tiles(p, image, t, part, planes) : read_strips(p, image, t, part, planes);
  free(planes);
  free(part);
  return code;
}

static int read_rgba(opis_image *image, TIFF *t, uint16_t turned)
{
  char why[1024] = "";
  if (!tiff.RGBAImageOK(t, why))
    return error_set(OPIS_EUNSUPPORTED, "TIFF: %s", why);
  size_t n = (size_t)image->width * (size_t)image->height;
  uint32_t *raster = malloc(n * sizeof *raster);
  if (!raster)
    return error_nomem();
  /* As it is stored (the orientation asked for is the file's own), stopping at the first error. */
  if (!tiff.ReadRGBAImageOriented(t, (uint32_t)image->width, (uint32_t)image->height, raster, turned, 1)) {
    free(raster);
    return truncated();
  }
  for (size_t i = 0; i < n; i++) {
    image->rgb[3 * i] = (uint8_t)TIFFGetR(raster[i]);
    image->rgb[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
    image->rgb[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
  }
  free(raster);
  return 0;
}

static int read_page(opis_image **out, int *orientation, TIFF *t, const image_limits *limits)
{
  page p = {0};
  uint16_t turned = 1;
  tiff.GetField(t, TIFFTAG_IMAGEWIDTH, &p.width);
  tiff.GetField(t, TIFFTAG_IMAGELENGTH, &p.height);
  tiff.GetFieldDefaulted(t, TIFFTAG_ORIENTATION, &turned);
  int code = image_new(out, p.width, p.height, limits);
  if (code < 0)
    return code;
  *orientation = turned >= 1 && turned <= 8 ? turned : 1;
  return describe_page(&p, t) ? read_samples(&p, *out, t, limits) : read_rgba(*out, t, turned);
}

int image_load_tiff(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  source s = {bytes, size, 0};
  pthread_once(&once, open_library);
  if (!tiff.there)
    return error_set(OPIS_EUNSUPPORTED, "TIFF needs libtiff: install the package libtiff6");
  TIFFOpenOptions *options = tiff.OpenOptionsAlloc();
  if (!options)
    return error_nomem();
  tiff.OpenOptionsSetErrorHandlerExtR(options, on_message, NULL); /* this picture's only; words on stderr are not a library's business */
  tiff.OpenOptionsSetWarningHandlerExtR(options, on_message, NULL);
  TIFF *t = tiff.ClientOpenExt("picture", "rm", &s, on_read, on_write, on_seek, on_close, on_size, NULL, NULL, options);
  tiff.OpenOptionsFree(options);
  if (!t)
    return error_set(OPIS_EFORMAT, "broken TIFF: the header cannot be read");
  int code = read_page(out, orientation, t, limits);
  tiff.Close(t);
  if (code < 0) {
    opis_image_free(*out);
    *out = NULL;
  }
  return code;
}
