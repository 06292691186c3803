/* What a picture's header says, read with no more trust than any other bytes. */
#include "check/measure.h"

#include <string.h>

static uint32_t be32(const uint8_t *p)
{
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t le32(const uint8_t *p)
{
  return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void jpeg(check_facts *f, const uint8_t *b, size_t n)
{
  for (size_t i = 2; i + 10 < n;) {
    if (b[i] != 0xFF) {
      i++;
      continue;
    }
    uint8_t marker = b[i + 1];
    if (marker == 0xFF || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {
      i += marker == 0xFF ? 1 : 2;
      continue;
    }
    if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC) {
      f->bits = b[i + 4];
      f->mode = b[i + 9] == 1 ? CHECK_L : b[i + 9] == 3 ? CHECK_RGB : b[i + 9] == 4 ? CHECK_CMYK : CHECK_OTHER;
      return;
    }
    if (marker == 0xD9 || marker == 0xDA)
      return;
    i += 2 + ((size_t)b[i + 2] << 8 | b[i + 3]);
  }
}

static void png(check_facts *f, const uint8_t *b, size_t n)
{
  if (n < 33)
    return;
  static const uint8_t modes[7] = {CHECK_L, CHECK_OTHER, CHECK_RGB, CHECK_PALETTE, CHECK_OTHER, CHECK_OTHER, CHECK_OTHER};
  uint8_t type = b[25];
  f->bits = b[24];
  f->mode = type < 7 ? modes[type] : CHECK_OTHER;
  f->alpha = type == 4 || type == 6;
  if (f->mode == CHECK_L && (f->bits == 1 || f->bits == 16))
    f->mode = CHECK_OTHER;
  for (size_t i = 8; i + 12 <= n;) {
    uint32_t length = be32(b + i);
    if (memcmp(b + i + 4, "IDAT", 4) == 0 || length > n - i - 12)
      return;
    if (memcmp(b + i + 4, "acTL", 4) == 0 && length >= 4)
      f->animated = be32(b + i + 8) > 1;
    if (memcmp(b + i + 4, "tRNS", 4) == 0)
      f->alpha = 1;
    i += (size_t)length + 12;
  }
}

/* Skips a GIF's sub-blocks; n when they do not end. */
static size_t sub_blocks(const uint8_t *b, size_t n, size_t i)
{
  while (i < n && b[i])
    i += (size_t)b[i] + 1;
  return i < n ? i + 1 : n;
}

static void gif(check_facts *f, const uint8_t *b, size_t n)
{
  f->bits = 8;
  f->mode = CHECK_PALETTE;
  if (n < 13)
    return;
  size_t i = 13 + (b[10] & 0x80 ? (size_t)3 << ((b[10] & 7) + 1) : 0), frames = 0;
  while (i + 10 < n && frames < 2) {
    if (b[i] == 0x21) {
      if (b[i + 1] == 0xF9 && b[i + 2] >= 1)
        f->alpha |= b[i + 3] & 1;
      i = sub_blocks(b, n, i + 2);
    } else if (b[i] == 0x2C) {
      frames++;
      i += 10 + (b[i + 9] & 0x80 ? (size_t)3 << ((b[i + 9] & 7) + 1) : 0);
      i = sub_blocks(b, n, i + 1);
    } else
      break;
  }
  f->animated = frames > 1;
}

static void webp(check_facts *f, const uint8_t *b, size_t n)
{
  f->bits = 8;
  f->mode = CHECK_RGB;
  if (n >= 21 && memcmp(b + 12, "VP8X", 4) == 0) {
    f->alpha = (b[20] & 0x10) != 0;
    f->animated = (b[20] & 0x02) != 0;
  } else if (n >= 25 && memcmp(b + 12, "VP8L", 4) == 0)
    f->alpha = (b[24] & 0x10) != 0;
}

static void bmp(check_facts *f, const uint8_t *b, size_t n)
{
  if (n < 54)
    return;
  unsigned bits = b[28] | (unsigned)b[29] << 8;
  f->bits = 8;
  f->mode = bits <= 8 ? CHECK_PALETTE : CHECK_RGB;
  size_t palette = 14 + (size_t)le32(b + 14);
  if (bits != 8 || n < palette + 1024)
    return;
  f->mode = CHECK_L;
  for (size_t i = 0; i < 256; i++)
    if (b[palette + 4 * i] != i || b[palette + 4 * i + 1] != i || b[palette + 4 * i + 2] != i)
      f->mode = CHECK_PALETTE;
}

typedef struct tiff_file {
  const uint8_t *b;
  size_t n;
  bool big;
} tiff_file;

static uint32_t tiff16(const tiff_file *t, size_t i)
{
  return i + 2 > t->n ? 0 : t->big ? (uint32_t)t->b[i] << 8 | t->b[i + 1] : (uint32_t)t->b[i + 1] << 8 | t->b[i];
}

static uint32_t tiff32(const tiff_file *t, size_t i)
{
  return i + 4 > t->n ? 0 : t->big ? be32(t->b + i) : le32(t->b + i);
}

static void tiff(check_facts *f, const uint8_t *b, size_t n)
{
  tiff_file t = {b, n, n > 0 && b[0] == 'M'};
  size_t at = tiff32(&t, 4);
  uint32_t entries = tiff16(&t, at), photometric = 2, samples = 1, extra = 0, bits = 1;
  if (!at || at + 2 + 12 * (size_t)entries > n)
    return;
  for (uint32_t k = 0; k < entries; k++) {
    size_t e = at + 2 + 12 * (size_t)k;
    uint32_t tag = tiff16(&t, e), count = tiff32(&t, e + 4), value = tiff16(&t, e + 8);
    if (tag == 258)
      bits = count > 2 ? tiff16(&t, tiff32(&t, e + 8)) : value;
    else if (tag == 262)
      photometric = value;
    else if (tag == 277)
      samples = value;
    else if (tag == 338)
      extra = value;
  }
  f->bits = bits > 255 ? 255 : (uint8_t)bits;
  f->alpha = extra == 1 || extra == 2;
  f->mode = photometric == 5 ? CHECK_CMYK : photometric == 3 ? CHECK_PALETTE : photometric <= 1 && samples == 1 && bits == 8 ? CHECK_L : samples == 3 ? CHECK_RGB : CHECK_OTHER;
  f->animated = tiff32(&t, at + 2 + 12 * (size_t)entries) != 0;
}

static void pnm(check_facts *f, const uint8_t *b, size_t n)
{
  unsigned numbers[3] = {0}, k = 0;
  size_t i = 2;
  while (k < 3 && i < n) {
    if (b[i] == '#')
      while (i < n && b[i] != '\n')
        i++;
    else if (b[i] >= '0' && b[i] <= '9')
      for (numbers[k] = 0; i < n && b[i] >= '0' && b[i] <= '9'; i++)
        numbers[k] = numbers[k] < 100000 ? numbers[k] * 10 + b[i] - '0' : numbers[k];
    else {
      i++;
      continue;
    }
    k += i > 0 && b[i - 1] >= '0' && b[i - 1] <= '9';
  }
  unsigned type = n > 1 ? b[1] - (unsigned)'0' : 0;
  f->bits = type == 1 || type == 4 ? 1 : numbers[2] > 255 ? 16 : 8;
  f->mode = f->bits != 8 ? CHECK_OTHER : type == 2 || type == 5 ? CHECK_L : CHECK_RGB;
}

void check_probe(check_facts *f, const uint8_t *bytes, size_t size)
{
  image_kind kind = image_sniff(bytes, size);
  f->kind = (uint8_t)kind;
  f->orientation = 1;
  switch (kind) {
  case IMAGE_JPEG: jpeg(f, bytes, size); break;
  case IMAGE_PNG: png(f, bytes, size); break;
  case IMAGE_GIF: gif(f, bytes, size); break;
  case IMAGE_WEBP: webp(f, bytes, size); break;
  case IMAGE_BMP: bmp(f, bytes, size); break;
  case IMAGE_TIFF: tiff(f, bytes, size); break;
  case IMAGE_PNM: pnm(f, bytes, size); break;
  default: f->mode = CHECK_RGB; f->bits = 8;
  }
}

static bool ends_with(const uint8_t *b, size_t n, const char *mark, size_t length)
{
  for (size_t i = n > 64 ? n - 64 : 0; i + length <= n; i++) /* some padding behind the end is common */
    if (memcmp(b + i, mark, length) == 0)
      return true;
  return false;
}

bool check_is_cut(const uint8_t *b, size_t n, image_kind kind)
{
  switch (kind) {
  case IMAGE_JPEG: return !ends_with(b, n, "\xFF\xD9", 2);
  case IMAGE_PNG: return !ends_with(b, n, "IEND", 4);
  case IMAGE_GIF: return !ends_with(b, n, "\x3B", 1) || !ends_with(b, n, "\0", 1);
  case IMAGE_WEBP: return n < 12 || (uint64_t)le32(b + 4) + 8 > n;
  case IMAGE_BMP: return n < 6 || le32(b + 2) > n;
  case IMAGE_PNM: return true; /* has no end mark: what cannot be read mostly is too short */
  case IMAGE_TIFF: return n < 8 || (b[0] == 'M' ? be32(b + 4) : le32(b + 4)) > n;
  default: return false;
  }
}
