/* --dump: what the model saw, as safetensors (the format of huggingface/safetensors: a little-endian u64 header size, a JSON header, then the bytes). */
#include "cli/describe.h"

#include "util/error.h"
#include "util/file.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

struct describe_dump {
  size_t n, n_rgb;   /* pictures; those whose pixels are kept */
  int width, height; /* of the first picture */
  bool one_size;
  uint8_t *rgb;
  float *pixels, *hidden;
  int pixel_width, pixel_height, tokens, channels;
};

int describe_dump_new(describe_dump **out)
{
  *out = calloc(1, sizeof **out);
  if (!*out)
    return error_nomem();
  (*out)->one_size = true;
  return 0;
}

static int append(void **data, size_t at, const void *more, size_t size)
{
  void *larger = realloc(*data, at + size);
  if (!larger)
    return error_nomem();
  memcpy((char *)larger + at, more, size);
  *data = larger;
  return 0;
}

int describe_dump_add(describe_dump *d, opis_model *model, const opis_image *image)
{
  opis_trace t = {0};
  int code = opis_trace_image(&t, model, image);
  if (code < 0)
    return code;
  size_t rgb = (size_t)opis_image_width(image) * (size_t)opis_image_height(image) * 3;
  size_t pixels = (size_t)3 * (size_t)t.width * (size_t)t.height * sizeof(float), hidden = (size_t)t.tokens * (size_t)t.hidden * sizeof(float);
  if (d->n == 0) {
    d->width = opis_image_width(image);
    d->height = opis_image_height(image);
    d->pixel_width = t.width;
    d->pixel_height = t.height;
    d->tokens = t.tokens;
    d->channels = t.hidden;
  }
  if (opis_image_width(image) != d->width || opis_image_height(image) != d->height)
    d->one_size = false;
  if (t.width != d->pixel_width || t.height != d->pixel_height || t.tokens != d->tokens)
    code = error_set(OPIS_EUNSUPPORTED, "--dump: this model sees pictures of different sizes differently; dump them one by one");
  if (code == 0 && (d->n == 0 || d->one_size)) {
    code = append((void **)&d->rgb, d->n_rgb * rgb, opis_image_rgb(image), rgb);
    if (code == 0)
      d->n_rgb++;
  }
  if (code == 0)
    code = append((void **)&d->pixels, d->n * pixels, t.pixel_values, pixels);
  if (code == 0)
    code = append((void **)&d->hidden, d->n * hidden, t.encoder_last_hidden_state, hidden);
  if (code == 0)
    d->n++;
  opis_trace_free(&t);
  return code;
}

int describe_dump_write(describe_dump *d, const char *file)
{
  size_t n_rgb = d->one_size ? d->n_rgb : d->n_rgb > 0;
  size_t rgb = n_rgb * (size_t)d->width * (size_t)d->height * 3;
  size_t pixels = d->n * 3 * (size_t)d->pixel_width * (size_t)d->pixel_height * sizeof(float);
  size_t hidden = d->n * (size_t)d->tokens * (size_t)d->channels * sizeof(float);
  strbuf h = STRBUF_INIT;
  /* Floats first, so that they are aligned whatever the size of the pictures. */
  strbuf_puts(&h, "{\"__metadata__\":{\"format\":\"pt\"}");
  if (d->n) {
    strbuf_printf(&h, ",\"pixel_values\":{\"dtype\":\"F32\",\"shape\":[%zu,3,%d,%d],\"data_offsets\":[0,%zu]}", d->n, d->pixel_height, d->pixel_width, pixels);
    strbuf_printf(&h, ",\"encoder_last_hidden_state\":{\"dtype\":\"F32\",\"shape\":[%zu,%d,%d],\"data_offsets\":[%zu,%zu]}", d->n, d->tokens, d->channels, pixels, pixels + hidden);
    strbuf_printf(&h, ",\"rgb\":{\"dtype\":\"U8\",\"shape\":[%zu,%d,%d,3],\"data_offsets\":[%zu,%zu]}", n_rgb, d->height, d->width, pixels + hidden, pixels + hidden + rgb);
  }
  strbuf_putc(&h, '}');
  while (h.n % 8)
    strbuf_putc(&h, ' ');
  int code = strbuf_check(&h);
  file_replacement r;
  if (code == 0)
    code = file_replace_open(&r, file, 0666);
  if (code < 0) {
    strbuf_free(&h);
    return code;
  }
  uint64_t header_size = h.n;
  unsigned char size[8];
  for (int i = 0; i < 8; i++)
    size[i] = (unsigned char)(header_size >> (8 * i));
  code = file_write_all(r.fd, size, sizeof size, file);
  if (code == 0)
    code = file_write_all(r.fd, h.s, h.n, file);
  if (code == 0)
    code = file_write_all(r.fd, d->pixels, pixels, file);
  if (code == 0)
    code = file_write_all(r.fd, d->hidden, hidden, file);
  if (code == 0)
    code = file_write_all(r.fd, d->rgb, rgb, file);
  strbuf_free(&h);
  if (code < 0) {
    file_replace_abort(&r);
    return code;
  }
  return file_replace_commit(&r, true);
}

void describe_dump_free(describe_dump *d)
{
  if (!d)
    return;
  free(d->rgb);
  free(d->pixels);
  free(d->hidden);
  free(d);
}
