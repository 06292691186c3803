/* PNG by libpng; colours as Pillow's convert("RGB"): gamma and profiles ignored, alpha dropped, of 16 bits the high byte. */
#include "image/image.h"

#include "util/error.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef struct source {
  const uint8_t *bytes;
  size_t size, at;
  char words[200];
} source;

static void on_error(png_structp p, png_const_charp words)
{
  source *s = png_get_error_ptr(p);
  snprintf(s->words, sizeof s->words, "%s", words);
  png_longjmp(p, 1);
}

static void on_warning(png_structp p, png_const_charp words)
{
  (void)p;
  (void)words;
}

static void on_read(png_structp p, png_bytep to, size_t n)
{
  source *s = png_get_io_ptr(p);
  if (n > s->size - s->at)
    png_error(p, "the file ends too early");
  memcpy(to, s->bytes + s->at, n);
  s->at += n;
}

static void ask_for_rgb(png_structp p, png_infop info)
{
  int type = png_get_color_type(p, info);
  if (png_get_bit_depth(p, info) == 16)
    png_set_strip_16(p);
  if (type == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(p);
  if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(p, info) < 8)
    png_set_expand_gray_1_2_4_to_8(p);
  if (type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_GRAY_ALPHA)
    png_set_gray_to_rgb(p);
  png_set_strip_alpha(p);
}

static int orientation_of(png_structp p, png_infop info)
{
  png_bytep exif;
  png_uint_32 n;
  return png_get_eXIf_1(p, info, &n, &exif) ? image_exif_orientation(exif, n) : 1;
}

int image_load_png(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  source s = {bytes, size, 0, ""};
  png_infop info = NULL;
  png_bytep *volatile rows = NULL;
  opis_image *volatile image = NULL;
  volatile int code = OPIS_EFORMAT;
  png_structp p = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning);
  if (!p)
    return error_nomem();
  if (setjmp(png_jmpbuf(p)))
    goto failed;
  info = png_create_info_struct(p);
  png_set_read_fn(p, &s, on_read);
  png_set_user_limits(p, 0x7FFFFFFF, 0x7FFFFFFF); /* ours are below */
  png_set_keep_unknown_chunks(p, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
  png_read_info(p, info);
  opis_image *fresh;
  code = image_new(&fresh, png_get_image_width(p, info), png_get_image_height(p, info), limits);
  if (code < 0) {
    png_destroy_read_struct(&p, &info, NULL);
    return code;
  }
  code = OPIS_EFORMAT;
  image = fresh;
  ask_for_rgb(p, info);
  png_set_interlace_handling(p);
  png_read_update_info(p, info);
  if (png_get_rowbytes(p, info) != (size_t)image->width * 3)
    png_error(p, "rows of another size than the header says");
  rows = malloc((size_t)image->height * sizeof *rows);
  if (!rows)
    png_error(p, "out of memory");
  for (int y = 0; y < image->height; y++)
    rows[y] = image->rgb + (size_t)y * (size_t)image->width * 3;
  png_read_image(p, rows);
  png_read_end(p, info); /* the last checksums; an eXIf chunk may stand at the end */
  *orientation = orientation_of(p, info);
  free(rows);
  png_destroy_read_struct(&p, &info, NULL);
  *out = image;
  return 0;
failed:
  free(rows);
  opis_image_free(image);
  png_destroy_read_struct(&p, &info, NULL);
  return error_set(code, "broken PNG: %s", s.words);
}
