/* HEIC and AVIF by libheif, opened when the first such picture comes: the library brings 20 MB of codecs with it, and programs without it do well. It turns pictures upright itself. */
#include "image/image.h"

#include "util/error.h"

#include <dlfcn.h>
#include <libheif/heif.h>
#include <string.h>

typedef struct api {
  void *library;
  struct heif_context *(*context_alloc)(void);
  void (*context_free)(struct heif_context *);
  struct heif_error (*read)(struct heif_context *, const void *, size_t, const struct heif_reading_options *);
  struct heif_error (*primary)(struct heif_context *, struct heif_image_handle **);
  int (*width)(const struct heif_image_handle *);
  int (*height)(const struct heif_image_handle *);
  struct heif_error (*decode)(const struct heif_image_handle *, struct heif_image **, enum heif_colorspace, enum heif_chroma, const struct heif_decoding_options *);
  const uint8_t *(*plane)(const struct heif_image *, enum heif_channel, int *);
  int (*image_width)(const struct heif_image *, enum heif_channel);
  int (*image_height)(const struct heif_image *, enum heif_channel);
  void (*image_release)(const struct heif_image *);
  void (*handle_release)(const struct heif_image_handle *);
} api;

static int open_api(api *a)
{
  memset(a, 0, sizeof *a);
  a->library = dlopen("libheif.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!a->library)
    return error_set(OPIS_EUNSUPPORTED, "HEIC and AVIF need libheif: install the package libheif1");
  const struct {
    void *at;
    const char *name;
  } wanted[] = {{&a->context_alloc, "heif_context_alloc"}, {&a->context_free, "heif_context_free"}, {&a->read, "heif_context_read_from_memory_without_copy"},
    {&a->primary, "heif_context_get_primary_image_handle"}, {&a->width, "heif_image_handle_get_width"}, {&a->height, "heif_image_handle_get_height"},
    {&a->decode, "heif_decode_image"}, {&a->plane, "heif_image_get_plane_readonly"}, {&a->image_width, "heif_image_get_width"}, {&a->image_height, "heif_image_get_height"},
    {&a->image_release, "heif_image_release"}, {&a->handle_release, "heif_image_handle_release"}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    void *f = dlsym(a->library, wanted[i].name);
    if (!f) {
      dlclose(a->library);
      return error_set(OPIS_EUNSUPPORTED, "HEIC and AVIF: this libheif has no %s", wanted[i].name);
    }
    memcpy(wanted[i].at, &f, sizeof f);
  }
  return 0;
}

static int broken(struct heif_error e)
{
  return error_set(OPIS_EFORMAT, "broken HEIF: %s", e.message ? e.message : "cannot be decoded");
}

static int copy_pixels(opis_image **out, const api *a, const struct heif_image *picture, const image_limits *limits)
{
  int stride, width = a->image_width(picture, heif_channel_interleaved), height = a->image_height(picture, heif_channel_interleaved);
  const uint8_t *from = a->plane(picture, heif_channel_interleaved, &stride);
  if (!from || width <= 0 || height <= 0)
    return error_set(OPIS_EFORMAT, "broken HEIF: no pixels");
  int code = image_new(out, (uint64_t)width, (uint64_t)height, limits);
  for (int y = 0; y < height && code == 0; y++)
    memcpy((*out)->rgb + (size_t)y * (size_t)width * 3, from + (size_t)y * (size_t)stride, (size_t)width * 3);
  return code;
}

static int load(opis_image **out, const api *a, struct heif_context *c, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  struct heif_image_handle *handle;
  struct heif_image *picture;
  struct heif_error e = a->read(c, bytes, size, NULL);
  if (e.code != heif_error_Ok)
    return broken(e);
  e = a->primary(c, &handle);
  if (e.code != heif_error_Ok)
    return broken(e);
  uint64_t width = (uint64_t)a->width(handle), height = (uint64_t)a->height(handle);
  int code = 0;
  if (width * height > limits->max_pixels)
    code =
      error_set(OPIS_ELIMIT, "%llu x %llu pixels are more than the limit of %llu", (unsigned long long)width, (unsigned long long)height, (unsigned long long)limits->max_pixels);
  if (code == 0) {
    e = a->decode(handle, &picture, heif_colorspace_RGB, heif_chroma_interleaved_RGB, NULL);
    code = e.code == heif_error_Ok ? copy_pixels(out, a, picture, limits) : broken(e);
    if (e.code == heif_error_Ok)
      a->image_release(picture);
  }
  a->handle_release(handle);
  return code;
}

int image_load_heif(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  api a;
  int code = open_api(&a);
  *orientation = 1;
  if (code < 0)
    return code;
  struct heif_context *c = a.context_alloc();
  code = c ? load(out, &a, c, bytes, size, limits) : error_nomem();
  if (c)
    a.context_free(c);
  return code; /* the library stays open: its codecs keep state of their own */
}
