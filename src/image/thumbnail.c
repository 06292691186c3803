#include "image/thumbnail.h"

#include "image/image.h"
#include "util/crypto.h"
#include "util/error.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct failure {
  struct jpeg_error_mgr manager;
  jmp_buf back;
} failure;

static void leave(j_common_ptr c)
{
  longjmp(((failure *)c->err)->back, 1);
}

static void say_nothing(j_common_ptr c)
{
  (void)c;
}

int image_encode_jpeg(unsigned char **jpeg, unsigned long *size, const uint8_t *rgb, int width, int height)
{
  struct jpeg_compress_struct c;
  failure f;
  c.err = jpeg_std_error(&f.manager);
  f.manager.error_exit = leave;
  f.manager.output_message = say_nothing;
  *jpeg = NULL;
  *size = 0;
  if (setjmp(f.back)) {
    jpeg_destroy_compress(&c);
    free(*jpeg);
    *jpeg = NULL;
    return error_nomem();
  }
  jpeg_create_compress(&c);
  jpeg_mem_dest(&c, jpeg, size);
  c.image_width = (JDIMENSION)width;
  c.image_height = (JDIMENSION)height;
  c.input_components = 3;
  c.in_color_space = JCS_RGB;
  jpeg_set_defaults(&c);
  jpeg_set_quality(&c, 75, TRUE);
  jpeg_start_compress(&c, TRUE);
  while (c.next_scanline < c.image_height) {
    JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (size_t)c.next_scanline * (size_t)width * 3);
    jpeg_write_scanlines(&c, &row, 1);
  }
  jpeg_finish_compress(&c);
  jpeg_destroy_compress(&c);
  return 0;
}

static int put(strbuf *b, const unsigned char *bytes, size_t n)
{
  char *base64 = malloc(n / 3 * 4 + 8);
  if (!base64)
    return error_nomem();
  int length = EVP_EncodeBlock((unsigned char *)base64, bytes, (int)n);
  strbuf_puts(b, "data:image/jpeg;base64,");
  strbuf_append(b, base64, (size_t)length);
  free(base64);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}

int image_thumbnail(strbuf *b, const char *path, int longest)
{
  opis_image *image;
  int e = opis_image_open_file(&image, path, NULL);
  if (e < 0)
    return e;
  int w = image->width, h = image->height, most = w > h ? w : h;
  if (most > longest) {
    w = (int)((int64_t)w * longest / most);
    h = (int)((int64_t)h * longest / most);
    w += w == 0;
    h += h == 0;
  }
  unsigned char *jpeg = NULL;
  unsigned long size = 0;
  uint8_t *small = malloc((size_t)w * (size_t)h * 3);
  e = small ? image_resize(NULL, small, w, h, image->rgb, image->width, image->height, 3, IMAGE_BILINEAR) : error_nomem();
  if (e == 0)
    e = image_encode_jpeg(&jpeg, &size, small, w, h);
  if (e == 0)
    e = put(b, jpeg, size);
  free(jpeg);
  free(small);
  opis_image_free(image);
  return e;
}
