/* The list, and telling the formats apart. */
#include "captions/internal.h"

#include "util/error.h"
#include "util/file.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *caption_format_name(caption_format format)
{
  static const char *const names[] = {"auto", "token", "csv", "jsonl", "json", "karpathy", "coco", "sidecar"};
  return (unsigned)format < sizeof names / sizeof *names ? names[format] : "unknown";
}

const char *caption_base_name(const char *path)
{
  const char *base = path;
  for (const char *p = path; *p; p++)
    if (*p == '/' || *p == '\\')
      base = p + 1;
  return base;
}

size_t caption_stem_length(const char *name)
{
  const char *dot = strrchr(caption_base_name(name), '.');
  return dot && dot != caption_base_name(name) ? (size_t)(dot - name) : strlen(name);
}

static bool is_space(char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* Doubles an array of items of `size` bytes when it is full. */
static int make_room(void **items, size_t n, size_t *capacity, size_t size)
{
  if (n < *capacity)
    return 0;
  size_t more = *capacity ? *capacity * 2 : 64;
  void *grown = reallocarray(*items, more, size);
  if (!grown)
    return error_nomem();
  *items = grown;
  *capacity = more;
  return 0;
}

static int append(caption **items, size_t *n, size_t *capacity, caption one)
{
  void *p = *items;
  int e = make_room(&p, *n, capacity, sizeof **items);
  *items = p;
  if (e < 0)
    return e;
  (*items)[(*n)++] = one;
  return 0;
}

int captions_problem(captions *c, uint64_t line, const char *format, ...)
{
  if (c->n_problems++ >= CAPTIONS_MAX_PROBLEMS)
    return 0;
  void *p = c->problems;
  int e = make_room(&p, c->n_problems - 1, &c->problem_capacity, sizeof *c->problems);
  c->problems = p;
  char message[256];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  char *kept = e < 0 ? NULL : arena_strdup(&c->memory, message);
  if (!kept) {
    c->n_problems--;
    return OPIS_ENOMEM;
  }
  c->problems[c->n_problems - 1] = (caption_problem){line, kept};
  return 0;
}

int captions_add(captions *c, const char *picture, size_t picture_length, const char *text, size_t length, const char *split, uint64_t line)
{
  while (picture_length && is_space(*picture))
    picture++, picture_length--;
  while (picture_length && is_space(picture[picture_length - 1]))
    picture_length--;
  if (!picture_length)
    return captions_problem(c, line, "no name of a picture: left out");
  if (memchr(picture, 0, picture_length))
    return captions_problem(c, line, "a NUL byte in the name of a picture: left out");
  if (picture_length > 65536)
    return captions_problem(c, line, "the name of a picture is longer than 64 KiB: left out");
  while (length && is_space(*text))
    text++, length--;
  while (length && is_space(text[length - 1]))
    length--;
  /* Captions of one picture mostly follow each other and share its name. */
  caption one = {.line = line, .split = split, .length = length};
  const caption *last = c->n ? &c->items[c->n - 1] : NULL;
  if (last && strncmp(last->picture, picture, picture_length) == 0 && !last->picture[picture_length])
    one.picture = last->picture;
  else
    one.picture = arena_strndup(&c->memory, picture, picture_length);
  char *kept = text ? arena_alloc(&c->memory, length + 1) : NULL;
  if (!one.picture || (text && !kept))
    return OPIS_ENOMEM;
  if (!text) {
    one.text = "";
    return append(&c->listed, &c->n_listed, &c->listed_capacity, one);
  }
  memcpy(kept, text, length);
  kept[length] = 0;
  one.text = kept;
  return append(&c->items, &c->n, &c->capacity, one);
}

bool captions_next_line(caption_lines *l, char **begin, size_t *length)
{
  if (l->p >= l->end)
    return false;
  *begin = l->p;
  char *newline = memchr(l->p, '\n', (size_t)(l->end - l->p));
  char *stop = newline ? newline : l->end;
  l->p = newline ? newline + 1 : l->end;
  if (stop > *begin && stop[-1] == '\r')
    stop--;
  *length = (size_t)(stop - *begin);
  l->line++;
  return true;
}

static int rank(const char *key, size_t n, const char *const *names)
{
  for (int i = 0; names[i]; i++)
    if (strlen(names[i]) == n && strncasecmp(names[i], key, n) == 0)
      return i;
  return -1;
}

int captions_picture_key(const char *key, size_t n)
{
  static const char *const names[] = {"path", "file_name", "filename", "image_path", "image_file", "image_name", "filepath", "file", "image", "picture", "img", "photo", "img_path",
    "url", "image_id", "imgid", "picture_id", "name", "id", NULL};
  return rank(key, n, names);
}

int captions_caption_key(const char *key, size_t n)
{
  static const char *const names[] = {"caption", "captions", "description", "descriptions", "sentences", "sentence", "comment", "text", "texts", "raw", "references", "alt_text",
    "alt", "prediction", "predictions", "hypothesis", "label", NULL};
  return rank(key, n, names);
}

bool captions_split_key(const char *key, size_t n)
{
  return n == 5 && strncasecmp(key, "split", 5) == 0;
}

/* JSON that starts with { may be one object or one a line: the latter when the first line is an object by itself and something follows. */
static caption_format tell(const char *bytes, size_t size)
{
  size_t i = 0;
  while (i < size && is_space(bytes[i]))
    i++;
  if (i == size)
    return CAPTIONS_TOKEN;
  if (bytes[i] == '[')
    return CAPTIONS_JSON;
  if (bytes[i] == '{') {
    size_t depth = 0;
    bool quoted = false;
    for (size_t k = i; k < size && bytes[k] != '\n'; k++) {
      if (quoted) {
        if (bytes[k] == '\\')
          k++;
        else if (bytes[k] == '"')
          quoted = false;
        continue;
      }
      if (bytes[k] == '"')
        quoted = true;
      else if (bytes[k] == '{' || bytes[k] == '[')
        depth++;
      else if ((bytes[k] == '}' || bytes[k] == ']') && depth && --depth == 0) {
        for (k++; k < size && is_space(bytes[k]); k++) {
        }
        if (k < size && bytes[k] == '{')
          return CAPTIONS_JSONL;
        /* One object alone: a mapping, or a single record. */
        const char *name = memchr(bytes + i, '"', size - i);
        const char *name_end = name ? memchr(name + 1, '"', size - (size_t)(name + 1 - bytes)) : NULL;
        return name_end && (captions_picture_key(name + 1, (size_t)(name_end - name - 1)) >= 0 || captions_caption_key(name + 1, (size_t)(name_end - name - 1)) >= 0)
          ? CAPTIONS_JSONL
          : CAPTIONS_JSON;
      }
    }
    return CAPTIONS_JSON;
  }
  return captions_is_csv(bytes, size) ? CAPTIONS_CSV : CAPTIONS_TOKEN;
}

static int read_bytes(captions *c, size_t size, const char *name, caption_format format)
{
  char *bytes = c->bytes;
  if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
    bytes += 3, size -= 3;
  if (format == CAPTIONS_AUTO)
    format = tell(bytes, size);
  c->format = format;
  int e;
  switch (format) {
  case CAPTIONS_TOKEN: e = captions_read_token(c, bytes, size, name); break;
  case CAPTIONS_CSV: e = captions_read_csv(c, bytes, size, name); break;
  case CAPTIONS_JSONL: e = captions_read_jsonl(c, bytes, size, name); break;
  case CAPTIONS_JSON:
  case CAPTIONS_KARPATHY:
  case CAPTIONS_COCO: e = captions_read_json(c, bytes, size, name); break;
  default: e = error_set(OPIS_EINVALID, "%s: a file cannot be read as %s captions", name, caption_format_name(format));
  }
  if (e == 0 && !c->n && !c->n_listed && c->n_problems && size)
    e = error_set(OPIS_EFORMAT, "%s: line %llu: %s; no captions of a known format in this file", name, (unsigned long long)c->problems[0].line, c->problems[0].message);
  free(c->bytes); /* everything kept is in the arena */
  c->bytes = NULL;
  if (e < 0)
    captions_free(c);
  return e;
}

int captions_read(captions *c, const char *path, caption_format format)
{
  memset(c, 0, sizeof *c);
  if (format == CAPTIONS_SIDECAR || (format == CAPTIONS_AUTO && file_is_folder(path))) {
    c->format = CAPTIONS_SIDECAR;
    int e = captions_read_sidecars(c, path);
    if (e < 0)
      captions_free(c);
    return e;
  }
  size_t size;
  int e = file_read(&c->bytes, &size, path, CAPTIONS_MAX_BYTES);
  if (e < 0) {
    c->bytes = NULL;
    return e;
  }
  return read_bytes(c, size, path, format);
}

int captions_read_memory(captions *c, const void *bytes, size_t size, const char *name, caption_format format)
{
  memset(c, 0, sizeof *c);
  c->bytes = malloc(size + 1);
  if (!c->bytes)
    return error_nomem();
  if (size)
    memcpy(c->bytes, bytes, size);
  c->bytes[size] = 0;
  return read_bytes(c, size, name, format);
}

void captions_free(captions *c)
{
  free(c->items);
  free(c->listed);
  free(c->problems);
  free(c->bytes);
  arena_free(&c->memory);
  memset(c, 0, sizeof *c);
}
