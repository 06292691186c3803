/* The zip container as torch.save writes it: entries stored whole, sizes past 4 GiB in zip64 fields, data descriptors. Only the central directory is believed, and checked against the
 * local headers; nothing is unpacked. */
#ifndef MODEL_ZIP_H
#define MODEL_ZIP_H

#include "util/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct zip_entry {
  const char *name;    /* the arena's */
  const uint8_t *data; /* inside the file's bytes */
  size_t size;
} zip_entry;

typedef struct zip_archive {
  zip_entry *at; /* sorted by name (bytes); the arena's */
  size_t n;
} zip_archive;

/* Whether the bytes begin as a zip file does. */
bool zip_is(const uint8_t *data, size_t size);

/* Reads the directory. Entries are views into data. OPIS_EFORMAT, with the file's name: a truncated file, lying sizes, entries outside the file or over each other, a name twice;
 * OPIS_EUNSUPPORTED: compressed or encrypted entries, archives of several volumes. */
int zip_read(zip_archive *out, arena *memory, const uint8_t *data, size_t size, const char *file);

const zip_entry *zip_find(const zip_archive *z, const char *name); /* NULL when there is none */

#endif
