/* Small pictures for reports, and pictures that are made here. */
#ifndef IMAGE_THUMBNAIL_H
#define IMAGE_THUMBNAIL_H

#include "util/strbuf.h"

#include <stdint.h>

/* Appends "data:image/jpeg;base64,…" with the picture upright and at most `longest` pixels long. Errors are those of opis_image_open_file; the buffer is then as it was. */
int image_thumbnail(strbuf *b, const char *path, int longest);

/* A JPEG of quality 75 of pixels [height, width, 3]; *jpeg is the caller's to free. OPIS_ENOMEM. */
int image_encode_jpeg(unsigned char **jpeg, unsigned long *size, const uint8_t *rgb, int width, int height);

#endif
