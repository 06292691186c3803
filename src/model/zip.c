/* Reads the directory of a zip file (PKWARE's APPNOTE.TXT, 4.3). */
#include "model/zip.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>

enum { LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50 };
enum { LOCAL_SIZE = 30, CENTRAL_SIZE = 46, END_SIZE = 22, END64_SIZE = 56, LOCATOR64_SIZE = 20, MAX_COMMENT = 65535 };
enum { MAX_ENTRIES = 1 << 20, MAX_NAME = 1024 };

/* Little-endian numbers; the caller has seen that they are inside the file. */
static uint64_t number(const uint8_t *p, int n)
{
  uint64_t v = 0;
  for (int i = n; i-- > 0;)
    v = v << 8 | p[i];
  return v;
}

static uint32_t u16(const uint8_t *p)
{
  return (uint32_t)number(p, 2);
}

static uint32_t u32(const uint8_t *p)
{
  return (uint32_t)number(p, 4);
}

bool zip_is(const uint8_t *data, size_t size)
{
  return size >= 4 && (u32(data) == LOCAL || u32(data) == END);
}

typedef struct directory {
  uint64_t at, size, n;
} directory;

static int truncated(const char *file)
{
  return error_set(OPIS_EFORMAT, "%s: a zip file without its end: truncated, or still being written", file);
}

static int find_directory(directory *d, const uint8_t *data, size_t size, const char *file)
{
  if (size < END_SIZE)
    return truncated(file);
  size_t end = size - END_SIZE, least = end > MAX_COMMENT ? end - MAX_COMMENT : 0;
  while (u32(data + end) != END || u16(data + end + 20) != size - end - END_SIZE) {
    if (end == least)
      return truncated(file);
    end--;
  }
  const uint8_t *e = data + end;
  *d = (directory){u32(e + 16), u32(e + 12), u16(e + 10)};
  bool wide = d->at == UINT32_MAX || d->size == UINT32_MAX || d->n == UINT16_MAX;
  bool one = u16(e + 4) == 0 && u16(e + 6) == 0 && u16(e + 8) == u16(e + 10);
  uint64_t before = end;
  if (end >= LOCATOR64_SIZE && u32(e - LOCATOR64_SIZE) == LOCATOR64) {
    const uint8_t *locator = e - LOCATOR64_SIZE;
    uint64_t at = number(locator + 8, 8);
    if (end - LOCATOR64_SIZE < END64_SIZE || at > end - LOCATOR64_SIZE - END64_SIZE || u32(data + at) != END64)
      return error_set(OPIS_EFORMAT, "%s: the end of the zip directory (zip64) is not where it says", file);
    const uint8_t *e64 = data + at;
    *d = (directory){number(e64 + 48, 8), number(e64 + 40, 8), number(e64 + 32, 8)};
    one = u32(e64 + 16) == 0 && u32(e64 + 20) == 0 && number(e64 + 24, 8) == d->n;
    before = at;
  } else if (wide && (d->at == UINT32_MAX || d->size == UINT32_MAX))
    return error_set(OPIS_EFORMAT, "%s: a zip64 file without its zip64 end", file);
  if (!one)
    return error_set(OPIS_EUNSUPPORTED, "%s: a zip file of several volumes", file);
  if (d->at > before || d->size > before - d->at)
    return error_set(OPIS_EFORMAT, "%s: the zip directory lies outside the file", file);
  if (d->n > MAX_ENTRIES || d->n > d->size / CENTRAL_SIZE)
    return error_set(OPIS_EFORMAT, "%s: a zip directory of %llu entries does not fit into %llu bytes", file, (unsigned long long)d->n, (unsigned long long)d->size);
  return 0;
}

/* Numbers that did not fit 32 bits stand in the extra field 1, in this order, each only where its own place is full. */
static bool read_zip64(uint64_t *values[3], const uint8_t *extra, size_t n)
{
  for (size_t at = 0; n - at >= 4;) {
    size_t length = u16(extra + at + 2);
    if (length > n - at - 4)
      return false;
    if (u16(extra + at) == 1) {
      const uint8_t *p = extra + at + 4;
      for (int i = 0; i < 3; i++) {
        if (*values[i] != UINT32_MAX)
          continue;
        if (length < 8)
          return false;
        *values[i] = number(p, 8);
        p += 8;
        length -= 8;
      }
      return true;
    }
    at += 4 + length;
  }
  return *values[0] != UINT32_MAX && *values[1] != UINT32_MAX && *values[2] != UINT32_MAX;
}

typedef struct span {
  uint64_t begin, end; /* the local header and the data */
  const char *name;
} span;

/* One entry of the directory at p, of which `left` bytes remain; *used of them are its own. */
static int read_entry(zip_entry *out, span *s, size_t *used, arena *memory, const uint8_t *p, uint64_t left, const uint8_t *data, uint64_t limit, const char *file)
{
  if (left < CENTRAL_SIZE || u32(p) != CENTRAL)
    return error_set(OPIS_EFORMAT, "%s: the zip directory is broken", file);
  size_t n_name = u16(p + 28), n_extra = u16(p + 30), n_comment = u16(p + 32);
  *used = CENTRAL_SIZE + n_name + n_extra + n_comment;
  if (*used > left || n_name == 0 || n_name > MAX_NAME || memchr(p + CENTRAL_SIZE, '\0', n_name))
    return error_set(OPIS_EFORMAT, "%s: the zip directory is broken", file);
  out->name = arena_strndup(memory, (const char *)p + CENTRAL_SIZE, n_name);
  if (!out->name)
    return OPIS_ENOMEM;
  uint64_t packed = u32(p + 20), size = u32(p + 24), at = u32(p + 42), *values[3] = {&size, &packed, &at};
  if ((size == UINT32_MAX || packed == UINT32_MAX || at == UINT32_MAX) && !read_zip64(values, p + CENTRAL_SIZE + n_name, n_extra))
    return error_set(OPIS_EFORMAT, "%s: %s: broken zip64 sizes", file, out->name);
  if (u16(p + 8) & 1)
    return error_set(OPIS_EUNSUPPORTED, "%s: %s is encrypted", file, out->name);
  if (u16(p + 10) != 0)
    return error_set(OPIS_EUNSUPPORTED, "%s: %s is compressed, which torch.save never does", file, out->name);
  if (packed != size)
    return error_set(OPIS_EFORMAT, "%s: %s: two sizes for stored bytes", file, out->name);
  if (at > limit || limit - at < LOCAL_SIZE || u32(data + at) != LOCAL)
    return error_set(OPIS_EFORMAT, "%s: %s is not where the zip directory says", file, out->name);
  const uint8_t *local = data + at;
  uint64_t header = LOCAL_SIZE + (uint64_t)u16(local + 26) + u16(local + 28);
  if (header > limit - at || u16(local + 26) != n_name || memcmp(local + LOCAL_SIZE, p + CENTRAL_SIZE, n_name) != 0 || u16(local + 8) != 0)
    return error_set(OPIS_EFORMAT, "%s: %s: the zip directory and the entry itself say different things", file, out->name);
  if (size > limit - at - header)
    return error_set(OPIS_EFORMAT, "%s: %s: its bytes lie past the end of the file", file, out->name);
  out->data = local + header;
  out->size = (size_t)size;
  *s = (span){at, at + header + size, out->name};
  return 0;
}

static int by_name(const void *a, const void *b)
{
  return strcmp(((const zip_entry *)a)->name, ((const zip_entry *)b)->name);
}

static int by_place(const void *a, const void *b)
{
  const span *x = a, *y = b;
  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

int zip_read(zip_archive *out, arena *memory, const uint8_t *data, size_t size, const char *file)
{
  directory d = {0};
  *out = (zip_archive){0};
  int code = find_directory(&d, data, size, file);
  if (code < 0)
    return code;
  span *spans = calloc((size_t)d.n + 1, sizeof *spans);
  out->at = arena_calloc(memory, (size_t)d.n + 1, sizeof *out->at);
  if (!spans || !out->at) {
    free(spans);
    return error_nomem();
  }
  uint64_t at = 0;
  for (uint64_t i = 0; i < d.n && code == 0; i++) {
    size_t used = 0;
    code = read_entry(&out->at[i], &spans[i], &used, memory, data + d.at + at, d.size - at, data, d.at, file);
    at += used;
  }
  out->n = (size_t)d.n;
  if (code == 0 && out->n > 0) {
    qsort(spans, out->n, sizeof *spans, by_place);
    qsort(out->at, out->n, sizeof *out->at, by_name);
  }
  for (size_t i = 1; i < out->n && code == 0; i++)
    if (spans[i].begin < spans[i - 1].end)
      code = error_set(OPIS_EFORMAT, "%s: %s and %s share bytes", file, spans[i - 1].name, spans[i].name);
    else if (strcmp(out->at[i].name, out->at[i - 1].name) == 0)
      code = error_set(OPIS_EFORMAT, "%s: %s is there twice", file, out->at[i].name);
  free(spans);
  return code;
}

const zip_entry *zip_find(const zip_archive *z, const char *name)
{
  zip_entry key = {.name = name};
  return z->n ? bsearch(&key, z->at, z->n, sizeof key, by_name) : NULL;
}
