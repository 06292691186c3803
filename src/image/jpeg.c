/* JPEG by libjpeg-turbo with its defaults, which are Pillow's. */
#include "image/image.h"

#include "util/error.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

typedef struct failure {
  struct jpeg_error_mgr base;
  jmp_buf jump;
  char words[JMSG_LENGTH_MAX];
} failure;

static void on_error(j_common_ptr c)
{
  failure *f = (failure *)(void *)c->err;
  f->base.format_message(c, f->words);
  longjmp(f->jump, 1);
}

/* The end of the data before the end of the picture comes as a warning and is an error to us, as it is to Pillow; other oddities are let pass, as there. */
static void on_message(j_common_ptr c, int level)
{
  if (level < 0 && c->err->msg_code == JWRN_JPEG_EOF)
    on_error(c);
}

static int orientation_of(const struct jpeg_decompress_struct *c)
{
  for (jpeg_saved_marker_ptr m = c->marker_list; m; m = m->next)
    if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0\0", 6) == 0)
      return image_exif_orientation(m->data, m->data_length);
  return 1;
}

static void read_rows(struct jpeg_decompress_struct *c, opis_image *image, uint8_t *line)
{
  size_t width = (size_t)image->width;
  while (c->output_scanline < c->output_height) {
    uint8_t *to = image->rgb + (size_t)c->output_scanline * width * 3;
    JSAMPROW row = line ? line : to;
    jpeg_read_scanlines(c, &row, 1);
    if (c->out_color_space == JCS_CMYK)
      image_cmyk_to_rgb(to, line, width, c->saw_Adobe_marker);
    else if (c->out_color_space == JCS_GRAYSCALE)
      for (size_t x = 0; x < width; x++)
        to[3 * x] = to[3 * x + 1] = to[3 * x + 2] = line[x];
  }
}

int image_load_jpeg(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  struct jpeg_decompress_struct c;
  failure f;
  uint8_t *volatile line = NULL;
  opis_image *volatile image = NULL;
  memset(&c, 0, sizeof c);
  c.err = jpeg_std_error(&f.base);
  f.base.error_exit = on_error;
  f.base.emit_message = on_message;
  f.words[0] = '\0';
  if (setjmp(f.jump)) {
    jpeg_destroy_decompress(&c);
    free(line);
    opis_image_free(image);
    return error_set(OPIS_EFORMAT, "broken JPEG: %s", f.words);
  }
  jpeg_create_decompress(&c);
  jpeg_save_markers(&c, JPEG_APP0 + 1, 0xFFFF);
  jpeg_mem_src(&c, bytes, size);
  jpeg_read_header(&c, TRUE);
  if (c.num_components == 4)
    c.out_color_space = JCS_CMYK;
  else if (c.num_components == 1)
    c.out_color_space = JCS_GRAYSCALE;
  else
    c.out_color_space = JCS_RGB;
  opis_image *fresh;
  int code = image_new(&fresh, c.image_width, c.image_height, limits);
  if (code < 0) {
    jpeg_destroy_decompress(&c);
    return code;
  }
  image = fresh;
  *orientation = orientation_of(&c);
  jpeg_start_decompress(&c);
  if (c.out_color_space != JCS_RGB) {
    line = malloc((size_t)c.output_width * 4);
    if (!line) {
      jpeg_destroy_decompress(&c);
      opis_image_free(image);
      return error_nomem();
    }
  }
  read_rows(&c, image, line);
  jpeg_finish_decompress(&c);
  jpeg_destroy_decompress(&c);
  free(line);
  *out = image;
  return 0;
}
