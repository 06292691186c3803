/* PNM (netpbm's pbm, pgm and ppm manual pages): P1 to P6, plain and raw, up to 16 bits. */
#include "image/image.h"

#include "util/error.h"

#include <math.h>

typedef struct cursor {
  const uint8_t *bytes;
  size_t size, at;
} cursor;

static bool is_space(uint8_t c)
{
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* White space, and comments up to the end of their line. */
static void skip(cursor *c)
{
  while (c->at < c->size && (is_space(c->bytes[c->at]) || c->bytes[c->at] == '#'))
    if (c->bytes[c->at] == '#')
      while (c->at < c->size && c->bytes[c->at] != '\n')
        c->at++;
    else
      c->at++;
}

/* A decimal number up to `most`; -1 when there is none. `digits`: at most so many (plain bitmaps stand without spaces). */
static int64_t number(cursor *c, int64_t most, int digits)
{
  skip(c);
  int64_t v = -1;
  while (c->at < c->size && digits-- > 0 && c->bytes[c->at] >= '0' && c->bytes[c->at] <= '9') {
    v = (v < 0 ? 0 : v) * 10 + c->bytes[c->at++] - '0';
    if (v > most)
      return -1;
  }
  return v;
}

static int truncated(void)
{
  return error_set(OPIS_EFORMAT, "broken PNM: truncated, or a number that does not fit");
}

/* One sample as 0..255, rounded as Pillow rounds (half to even); of grey in 16 bits the high byte, as elsewhere. */
static int sample(cursor *c, bool plain, bool colour, int64_t most)
{
  int64_t v;
  if (plain)
    v = number(c, most, 10);
  else {
    size_t n = most > 255 ? 2 : 1;
    if (c->size - c->at < n)
      return -1;
    v = n == 2 ? c->bytes[c->at] << 8 | c->bytes[c->at + 1] : c->bytes[c->at];
    c->at += n;
  }
  if (v < 0)
    return -1;
  if (v > most)
    v = most;
  if (most == 255)
    return (int)v;
  return most > 255 && !colour ? (int)nearbyint((double)v / (double)most * 65535) >> 8 : (int)nearbyint((double)v / (double)most * 255);
}

static int read_bitmap(cursor *c, opis_image *image, bool plain)
{
  uint8_t *to = image->rgb;
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++, to += 3) {
      int64_t black;
      if (plain)
        black = number(c, 1, 1);
      else {
        if (c->at >= c->size)
          return truncated();
        black = c->bytes[c->at] >> (7 - x % 8) & 1;
        if (x % 8 == 7 || x == image->width - 1)
          c->at++;
      }
      if (black < 0)
        return truncated();
      to[0] = to[1] = to[2] = black ? 0 : 255;
    }
  return 0;
}

static int read_samples(cursor *c, opis_image *image, bool plain, bool colour, int64_t most)
{
  uint8_t *to = image->rgb;
  for (size_t i = 0, n = (size_t)image->width * (size_t)image->height; i < n; i++, to += 3)
    for (int k = 0; k < (colour ? 3 : 1); k++) {
      int v = sample(c, plain, colour, most);
      if (v < 0)
        return truncated();
      to[k] = (uint8_t)v;
      if (!colour)
        to[1] = to[2] = (uint8_t)v;
    }
  return 0;
}

int image_load_pnm(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  cursor c = {bytes, size, 2};
  int kind = bytes[1] - '0';
  bool plain = kind <= 3, bitmap = kind == 1 || kind == 4;
  int64_t width = number(&c, INT32_MAX, 10), height = number(&c, INT32_MAX, 10), most = bitmap ? 1 : number(&c, 65535, 10);
  if (width < 0 || height < 0 || most < 1)
    return error_set(OPIS_EFORMAT, "broken PNM: the header cannot be read");
  int code = image_new(out, (uint64_t)width, (uint64_t)height, limits);
  if (code < 0)
    return code;
  if (!plain)
    c.at++; /* the one white space behind the header */
  if (c.at > size)
    code = truncated();
  else
    code = bitmap ? read_bitmap(&c, *out, plain) : read_samples(&c, *out, plain, kind % 3 == 0, most);
  *orientation = 1;
  if (code < 0) {
    opis_image_free(*out);
    *out = NULL;
  }
  return code;
}
