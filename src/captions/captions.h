/* Reading captions, whatever they were written down as: one list of (picture, words, line) from every format that people keep them in.
 *
 *   token     Flickr8k's token files and what `opis describe` prints: NAME[#NUMBER]<TAB>CAPTION, one a line
 *   csv       a table with a header (RFC 4180; also with ; | or tab between the fields)
 *   jsonl     one JSON object a line
 *   json      an array of such objects (describe's --format json, COCO results), or one object {PICTURE: CAPTION or [CAPTION, ...]}
 *   karpathy  {"images": [{"filename", "split", "sentences": [{"raw"}]}]}
 *   coco      {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}
 *   sidecar   a folder with NAME.txt beside NAME.jpg, one caption a line
 *
 * Readers are tolerant: a line that cannot be used becomes a problem with its number and the rest is read. Only a file that cannot be read at all, is of no known format, or whose
 * JSON is broken is an error, with the file and the line in the message. Words are bytes as written: they need not be UTF-8, may contain NUL and may be a megabyte long. */
#ifndef CAPTIONS_CAPTIONS_H
#define CAPTIONS_CAPTIONS_H

#include "util/arena.h"
#include <stddef.h>
#include <stdint.h>

typedef enum caption_format {
  CAPTIONS_AUTO, /* told by content: a folder is sidecar, else { and [ are JSON, a header with known names CSV, a tab a token file */
  CAPTIONS_TOKEN,
  CAPTIONS_CSV,
  CAPTIONS_JSONL,
  CAPTIONS_JSON,
  CAPTIONS_KARPATHY,
  CAPTIONS_COCO,
  CAPTIONS_SIDECAR
} caption_format;

typedef struct caption {
  const char *picture; /* path, name or (COCO results) number of the picture as written, without a token file's #NUMBER; ends with NUL, has none inside, never empty */
  const char *text;    /* the words as written, ends with NUL; white space at both ends taken off; length 0: an empty caption */
  size_t length;       /* bytes of text */
  const char *split;   /* Karpathy's split field ("train", "val", "restval", "test"), or a CSV's or object's "split"; NULL: none */
  const char *id;      /* COCO: the picture's id among the file's images; NULL: none */
  uint64_t line;       /* where it is written, from 1 (sidecar: in its own file) */
} caption;

typedef struct caption_problem {
  uint64_t line;
  const char *message; /* what is wrong and what was done about it: "no tab between the picture and its caption: line left out" */
} caption_problem;

typedef struct captions {
  caption *items; /* in the order of the file (COCO: of the annotations) */
  size_t n, capacity;
  caption *listed; /* pictures that the file names without any caption: length 0 */
  size_t n_listed, listed_capacity;
  caption_problem *problems; /* at most CAPTIONS_MAX_PROBLEMS; n_problems counts all */
  size_t n_problems, problem_capacity;
  caption_format format; /* what it was read as */
  char *bytes;           /* private */
  arena memory;          /* private */
} captions;

#define CAPTIONS_INIT                                                                                                                                                              \
  {                                                                                                                                                                                \
    0                                                                                                                                                                              \
  }
#define CAPTIONS_MAX_PROBLEMS 1000
#define CAPTIONS_MAX_BYTES (UINT64_C(4) << 30)

/* Reads a file (or, for sidecar, a folder with all its sub-folders; pictures are then named by the .txt's path inside it without the extension).
 * On success *c is the caller's until captions_free; on failure it is empty. Errors: OPIS_ENOTFOUND, OPIS_EIO, OPIS_EFORMAT, OPIS_ELIMIT, OPIS_ENOMEM. */
int captions_read(captions *c, const char *path, caption_format format);
/* The same from memory; `name` is for messages. The bytes are copied. */
int captions_read_memory(captions *c, const void *bytes, size_t size, const char *name, caption_format format);
void captions_free(captions *c);

const char *caption_format_name(caption_format format); /* "token", "csv", ... a static string */

/* The part of a path behind its last slash (either kind), and how long it is without its extension. */
const char *caption_base_name(const char *path);
size_t caption_stem_length(const char *name);

#endif
