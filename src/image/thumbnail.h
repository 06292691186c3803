/* Small pictures for reports. */
#ifndef IMAGE_THUMBNAIL_H
#define IMAGE_THUMBNAIL_H

#include "util/strbuf.h"

/* Appends "data:image/jpeg;base64,…" with the picture upright and at most `longest` pixels long. Errors are those of opis_image_open_file; the buffer is then as it was. */
int image_thumbnail(strbuf *b, const char *path, int longest);

#endif
