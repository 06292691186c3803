/* GIF by giflib: the first frame on its canvas, as Pillow's convert("RGB") shows it (transparent places keep their palette colour). */
#include "image/image.h"

#include "util/error.h"

#include <gif_lib.h>
#include <stdlib.h>
#include <string.h>

typedef struct source {
  const uint8_t *bytes;
  size_t size, at;
} source;

static int on_read(GifFileType *g, GifByteType *to, int n)
{
  source *s = g->UserData;
  size_t left = s->size - s->at, take = (size_t)n < left ? (size_t)n : left;
  memcpy(to, s->bytes + s->at, take);
  s->at += take;
  return (int)take;
}

/* Without a palette, indices are shades of grey. */
static void put(uint8_t *to, const ColorMapObject *map, int index)
{
  GifByteType grey = (GifByteType)index;
  GifColorType c = !map ? (GifColorType){grey, grey, grey} : index < map->ColorCount ? map->Colors[index] : (GifColorType){0, 0, 0};
  to[0] = c.Red;
  to[1] = c.Green;
  to[2] = c.Blue;
}

/* Lines in the order in which they are stored: one after the other, or interlaced in four passes. */
static int read_frame(GifFileType *g, opis_image *image, const ColorMapObject *map)
{
  static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
  const GifImageDesc *d = &g->Image;
  GifPixelType *line = malloc((size_t)d->Width + 1);
  if (!line)
    return error_nomem();
  int passes = d->Interlace ? 4 : 1;
  for (int pass = 0; pass < passes; pass++)
    for (int y = d->Interlace ? first[pass] : 0; y < d->Height; y += d->Interlace ? step[pass] : 1) {
      if (DGifGetLine(g, line, d->Width) == GIF_ERROR) {
        free(line);
        return error_set(OPIS_EFORMAT, "broken GIF: truncated, or broken data");
      }
      if (d->Top + y >= image->height)
        continue;
      uint8_t *row = image->rgb + (size_t)(d->Top + y) * (size_t)image->width * 3;
      for (int x = 0; x < d->Width && d->Left + x < image->width; x++)
        put(row + (size_t)(d->Left + x) * 3, map, line[x]);
    }
  free(line);
  return 0;
}

/* An extension; *transparent is set where it is a graphic control block that tells it. */
static int read_extension(GifFileType *g, int *transparent)
{
  int code;
  GifByteType *bytes;
  GraphicsControlBlock control;
  if (DGifGetExtension(g, &code, &bytes) == GIF_ERROR)
    return error_set(OPIS_EFORMAT, "broken GIF: a broken extension");
  if (bytes && code == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(bytes[0], bytes + 1, &control) == GIF_OK)
    *transparent = control.TransparentColor;
  while (bytes)
    if (DGifGetExtensionNext(g, &bytes) == GIF_ERROR)
      return error_set(OPIS_EFORMAT, "broken GIF: a broken extension");
  return 0;
}

static int first_frame(opis_image **out, GifFileType *g, const image_limits *limits)
{
  GifRecordType type;
  int transparent = NO_TRANSPARENT_COLOR, code = 0;
  do {
    if (DGifGetRecordType(g, &type) == GIF_ERROR)
      return error_set(OPIS_EFORMAT, "broken GIF: truncated before its first frame");
    if (type == EXTENSION_RECORD_TYPE)
      code = read_extension(g, &transparent);
    if (code < 0)
      return code;
  } while (type == EXTENSION_RECORD_TYPE);
  if (type != IMAGE_DESC_RECORD_TYPE || DGifGetImageDesc(g) == GIF_ERROR)
    return error_set(OPIS_EFORMAT, "broken GIF: no frame");
  const GifImageDesc *d = &g->Image;
  const ColorMapObject *map = d->ColorMap ? d->ColorMap : g->SColorMap;
  if (d->Width <= 0 || d->Height <= 0 || d->Left < 0 || d->Top < 0)
    return error_set(OPIS_EFORMAT, "broken GIF: a frame without size");
  /* As Pillow: a frame beyond the screen widens it, and what the frame leaves free has its transparent colour, else the first one. */
  int width = d->Left + d->Width > g->SWidth ? d->Left + d->Width : g->SWidth, height = d->Top + d->Height > g->SHeight ? d->Top + d->Height : g->SHeight;
  code = image_new(out, (uint64_t)width, (uint64_t)height, limits);
  if (code < 0)
    return code;
  for (size_t i = 0, n = (size_t)width * (size_t)height; i < n; i++)
    put((*out)->rgb + 3 * i, map, transparent == NO_TRANSPARENT_COLOR ? 0 : transparent);
  return read_frame(g, *out, map);
}

int image_load_gif(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  source s = {bytes, size, 0};
  int error;
  GifFileType *g = DGifOpen(&s, on_read, &error);
  if (!g)
    return error_set(OPIS_EFORMAT, "broken GIF: %s", GifErrorString(error) ? GifErrorString(error) : "unreadable");
  int code = first_frame(out, g, limits);
  DGifCloseFile(g, &error);
  *orientation = 1;
  if (code < 0) {
    opis_image_free(*out);
    *out = NULL;
  }
  return code;
}
