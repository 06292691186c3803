/* The page's files, put into the program at build time by embed.py. */
#ifndef SERVE_ASSETS_H
#define SERVE_ASSETS_H

#include <stddef.h>

typedef struct asset {
  const char *path; /* "/style.css" */
  const char *type, *etag;
  const unsigned char *bytes;
  size_t size;
} asset;

extern const asset assets[]; /* ended by path NULL */

#endif
