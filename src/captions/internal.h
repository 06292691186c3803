/* What the readers share. */
#ifndef CAPTIONS_INTERNAL_H
#define CAPTIONS_INTERNAL_H

#include "captions/captions.h"
#include <stdbool.h>

/* Appends one caption; picture and text are copied only where `copy` says so (else they lie in c->bytes and text[length] may be overwritten by NUL).
 * A picture name that is empty or has a NUL inside becomes a problem. text NULL: the picture is listed without a caption. */
int captions_add(captions *c, const char *picture, size_t picture_length, const char *text, size_t length, const char *split, uint64_t line);
int captions_problem(captions *c, uint64_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Lines of a buffer: *p moves behind the line; CR LF counts as LF. false at the end. */
typedef struct caption_lines {
  char *p, *end;
  uint64_t line; /* of the line just given, from 1 */
} caption_lines;
bool captions_next_line(caption_lines *l, char **begin, size_t *length);

/* One reader a format, over c->bytes. `name` is for errors. */
int captions_read_token(captions *c, char *bytes, size_t size, const char *name);
int captions_read_csv(captions *c, char *bytes, size_t size, const char *name);
int captions_read_jsonl(captions *c, char *bytes, size_t size, const char *name);
int captions_read_json(captions *c, char *bytes, size_t size, const char *name);
int captions_read_sidecars(captions *c, const char *folder);

/* Whether the first line is a CSV header with a picture and a caption column. */
bool captions_is_csv(const char *bytes, size_t size);

/* The names under which pictures, captions and splits are kept in tables and objects: lower rank is better, -1 is none of them. */
int captions_picture_key(const char *key, size_t n);
int captions_caption_key(const char *key, size_t n);
bool captions_split_key(const char *key, size_t n);

#endif
