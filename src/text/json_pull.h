/* Reads JSON piece by piece, so that a vocabulary of megabytes becomes no tree of objects. Every function that can fail returns 0 or OPIS_EFORMAT, and the scanner then stays failed. */
#ifndef TEXT_JSON_PULL_H
#define TEXT_JSON_PULL_H

#include "util/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct json_pull {
  const char *p, *end, *begin;
  const char *name; /* of the file, for errors */
  bool first;       /* just behind an opening bracket */
} json_pull;

void pull_start(json_pull *j, const char *text, size_t size, const char *name);
char pull_kind(json_pull *j); /* the first character of the next value; 0 at the end */
int pull_open(json_pull *j, char bracket);
/* The next member or element: 1 when there is one (for objects its key is in `key` and the colon is read), 0 behind the closing bracket, which is read too. */
int pull_key(json_pull *j, strbuf *key);
int pull_key_at(json_pull *j, strbuf *scratch, const char **key, size_t *n); /* the same; the key stands in the text, or, if it has escapes, in scratch */
int pull_item(json_pull *j);
int pull_string(json_pull *j, strbuf *text); /* replaces text; lone surrogates become U+FFFD */
int pull_integer(json_pull *j, int64_t *value);
int pull_skip(json_pull *j, const char **begin, size_t *size); /* any value; where it stands. begin and size may be NULL */
int pull_finish(json_pull *j);                                 /* nothing but white space is left */
int pull_fail(const json_pull *j, const char *why);

#endif
