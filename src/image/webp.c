/* WebP by libwebp: lossy, lossless, and the first frame of an animation. */
#include "image/image.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

static int orientation_of(const WebPData *data)
{
  int orientation = 1;
  WebPDemuxer *d = WebPDemux(data);
  WebPChunkIterator chunk;
  if (d && WebPDemuxGetChunk(d, "EXIF", 1, &chunk)) {
    orientation = image_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
  }
  WebPDemuxDelete(d);
  return orientation;
}

/* The first frame on its canvas; alpha is dropped as Pillow drops it, by leaving the fourth byte out. */
static int load_animated(opis_image *image, const WebPData *data)
{
  WebPAnimDecoderOptions options;
  uint8_t *canvas;
  int timestamp;
  if (!WebPAnimDecoderOptionsInit(&options))
    return error_set(OPIS_EINTERNAL, "another libwebp than the one built with");
  options.color_mode = MODE_RGBA;
  WebPAnimDecoder *d = WebPAnimDecoderNew(data, &options);
  if (!d || !WebPAnimDecoderGetNext(d, &canvas, &timestamp)) {
    WebPAnimDecoderDelete(d);
    return error_set(OPIS_EFORMAT, "broken WebP: the first frame cannot be decoded");
  }
  size_t n = (size_t)image->width * (size_t)image->height;
  for (size_t i = 0; i < n; i++)
    memcpy(image->rgb + 3 * i, canvas + 4 * i, 3);
  WebPAnimDecoderDelete(d);
  return 0;
}

int image_load_webp(opis_image **out, int *orientation, const uint8_t *bytes, size_t size, const image_limits *limits)
{
  WebPBitstreamFeatures features;
  WebPData data = {bytes, size};
  if (WebPGetFeatures(bytes, size, &features) != VP8_STATUS_OK)
    return error_set(OPIS_EFORMAT, "broken WebP: the header cannot be read");
  opis_image *image;
  int code = image_new(&image, (uint64_t)features.width, (uint64_t)features.height, limits);
  if (code < 0)
    return code;
  if (features.has_animation)
    code = load_animated(image, &data);
  else if (!WebPDecodeRGBInto(bytes, size, image->rgb, (size_t)image->width * (size_t)image->height * 3, image->width * 3))
    code = error_set(OPIS_EFORMAT, "broken WebP: truncated, or not decodable");
  if (code < 0) {
    opis_image_free(image);
    return code;
  }
  *orientation = orientation_of(&data);
  *out = image;
  return 0;
}
