/* BMP (Windows' BITMAPCOREHEADER, BITMAPINFOHEADER and its successors): 1, 4, 8, 16, 24 and 32 bits, palettes, bit fields, run lengths, bottom-up and top-down. */
#include "image/image.h"

#include "util/error.h"

#include <string.h>

enum { RGB = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3 };

typedef struct bitmap {
  const uint8_t *bytes;
  size_t size, pixels, palette;
  int bits, entry; /* entry: bytes of a palette entry */
  uint32_t compression, colours, mask[3];
  bool top_down;
} bitmap;

static uint32_t little(const uint8_t *p, int n)
{
  uint32_t v = 0;
  while (n-- > 0)
    v = v << 8 | p[n];
  return v;
}

static int broken(void)
{
  return error_set(OPIS_EFORMAT, "broken BMP: truncated, or a header that lies");
}

static void put_index(const bitmap *b, uint8_t *to, uint32_t index)
{
  const uint8_t *c = b->bytes + b->palette + (size_t)index * (size_t)b->entry;
  bool there = index < b->colours;
  for (int i = 0; i < 3; i++)
    to[i] = there ? c[2 - i] : 0;
}

/* The bits of a mask, widened to 8 (downwards, as Pillow does). */
static uint8_t field(uint32_t v, uint32_t mask)
{
  if (!mask)
    return 0;
  int shift = __builtin_ctz(mask);
  uint32_t most = mask >> shift;
  return (uint8_t)((uint64_t)((v & mask) >> shift) * 255 / most);
}

static int read_plain(const bitmap *b, opis_image *image)
{
  size_t width = (size_t)image->width, row = (width * (size_t)b->bits + 31) / 32 * 4, bits = (size_t)b->bits;
  if (b->pixels > b->size || (b->size - b->pixels) / row < (size_t)image->height)
    return broken();
  for (int y = 0; y < image->height; y++) {
    const uint8_t *from = b->bytes + b->pixels + (size_t)y * row;
    uint8_t *to = image->rgb + (size_t)(b->top_down ? y : image->height - 1 - y) * width * 3;
    for (size_t x = 0; x < width; x++, to += 3)
      if (bits <= 8)
        put_index(b, to, from[x * bits / 8] >> (8 - bits - x * bits % 8) & ((1u << bits) - 1));
      else if (bits == 24)
        for (int i = 0; i < 3; i++)
          to[i] = from[3 * x + 2 - (size_t)i];
      else
        for (int i = 0; i < 3; i++)
          to[i] = field(little(from + x * bits / 8, b->bits / 8), b->mask[i]);
  }
  return 0;
}

/* Runs: a count and a colour, or 0 and: 0 the line's end, 1 the picture's, 2 a jump, n literal colours. */
static int read_runs(const bitmap *b, opis_image *image)
{
  size_t at = b->pixels, width = (size_t)image->width, height = (size_t)image->height, x = 0, y = 0;
  bool four = b->compression == RLE4;
  for (size_t i = 0; i < width * height; i++)
    put_index(b, image->rgb + 3 * i, 0);
  while (y < height) {
    if (at > b->size || b->size - at < 2)
      return broken();
    uint32_t count = b->bytes[at], value = b->bytes[at + 1];
    at += 2;
    if (count == 0 && value == 1)
      return 0;
    if (count == 0 && value == 0) {
      x = 0;
      y++;
      continue;
    }
    if (count == 0 && value == 2) {
      if (b->size - at < 2)
        return broken();
      x += b->bytes[at];
      y += b->bytes[at + 1];
      at += 2;
      continue;
    }
    bool literal = count == 0;
    uint32_t n = literal ? value : count;
    size_t bytes = literal ? (four ? (n + 1) / 2 : n) : 0;
    if (b->size - at < bytes)
      return broken();
    for (uint32_t i = 0; i < n; i++, x++) {
      uint32_t byte = literal ? b->bytes[at + (four ? i / 2 : i)] : value;
      if (x < width)
        put_index(b, image->rgb + ((height - 1 - y) * width + x) * 3, four ? (i % 2 ? byte & 15 : byte >> 4) : byte);
    }
    at += (bytes + 1) / 2 * 2;
  }
  return 0;
}

static int read_header(bitmap *b, uint64_t *width, uint64_t *height)
{
  const uint8_t *p = b->bytes;
  if (b->size < 26)
    return broken();
  uint32_t header = little(p + 14, 4);
  b->pixels = little(p + 10, 4);
  if (header < 12 || header > 1024 || b->size < 14 + (size_t)header || (header > 12 && header < 40))
    return broken();
  bool core = header == 12;
  int32_t h = core ? (int32_t)little(p + 20, 2) : (int32_t)little(p + 22, 4);
  int32_t w = core ? (int32_t)little(p + 18, 2) : (int32_t)little(p + 18, 4);
  if (w <= 0 || h == 0 || h == INT32_MIN)
    return broken();
  b->top_down = h < 0;
  *width = (uint64_t)w;
  *height = (uint64_t)(h < 0 ? -h : h);
  b->bits = (int)little(p + (core ? 24 : 28), 2);
  b->compression = core ? RGB : little(p + 30, 4);
  b->entry = core ? 3 : 4;
  b->palette = 14 + header;
  if (b->bits == 16) {
    const uint32_t five[3] = {0x7C00, 0x3E0, 0x1F};
    memcpy(b->mask, five, sizeof five);
  } else {
    const uint32_t eight[3] = {0xFF0000, 0xFF00, 0xFF};
    memcpy(b->mask, eight, sizeof eight);
  }
  if (b->compression == BITFIELDS || b->compression == 6) {
    if (b->size < 54 + 12)
      return broken();
    for (int i = 0; i < 3; i++)
      b->mask[i] = little(p + 54 + 4 * i, 4);
  }
  b->colours = core ? 0 : little(p + 46, 4);
  if (b->bits <= 8 && (b->colours == 0 || b->colours > 1u << b->bits))
    b->colours = 1u << b->bits;
  return b->bits <= 8 && (b->size - b->palette) / (size_t)b->entry < b->colours ? broken() : 0;
}

int image_load_bmp(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  bitmap b = {.bytes = bytes, .size = size};
  uint64_t width = 0, height = 0;
  *orientation = 1;
  int code = read_header(&b, &width, &height);
  if (code < 0)
    return code;
  bool runs = (b.compression == RLE8 && b.bits == 8) || (b.compression == RLE4 && b.bits == 4);
  bool fields = (b.compression == BITFIELDS || b.compression == 6) && (b.bits == 16 || b.bits == 32);
  bool plain = b.compression == RGB && (b.bits == 1 || b.bits == 4 || b.bits == 8 || b.bits == 16 || b.bits == 24 || b.bits == 32);
  if (!runs && !fields && !plain)
    return error_set(OPIS_EUNSUPPORTED, "BMP: %d bits with compression %u", b.bits, b.compression);
  code = image_new(out, width, height, limits);
  if (code == 0)
    code = runs ? read_runs(&b, *out) : read_plain(&b, *out);
  if (code < 0) {
    opis_image_free(*out);
    *out = NULL;
  }
  return code;
}
