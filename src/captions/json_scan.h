/* A pull scanner for JSON (RFC 8259) in memory: caption files reach hundreds of megabytes, of which a few fields are wanted, so that no tree is built. Depth is bounded and nothing
 * recurses. After an error every call returns JSON_ERROR. Not thread-safe. */
#ifndef CAPTIONS_JSON_SCAN_H
#define CAPTIONS_JSON_SCAN_H

#include "util/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 256
enum { JSON_ERROR = -1 };

typedef struct json_scan {
  const char *p, *end;
  const char *counted; /* lines are counted up to here */
  uint64_t line;
  const char *error; /* NULL: none so far */
  bool first;        /* no comma before the next item */
} json_scan;

void json_start(json_scan *j, const char *bytes, size_t size);
uint64_t json_line(json_scan *j); /* of the present place, from 1 */
/* The kind of the next value, unread: one of { [ " 0 (a number) t f n; 0 at the end; JSON_ERROR. */
int json_peek(json_scan *j);
/* Enters the { or [ that json_peek has shown. */
void json_enter(json_scan *j);
/* Inside an object: 1 and the key's characters in *key (replaced), 0 when the object has ended. */
int json_key(json_scan *j, strbuf *key);
/* Inside an array: 1 when a value follows, 0 when the array has ended. */
int json_item(json_scan *j);
/* A string's characters as UTF-8 (lone surrogates as three bytes that are not valid UTF-8, \u0000 as NUL), or a number's digits as written; replaces *text. 0 or JSON_ERROR. */
int json_read_text(json_scan *j, strbuf *text);
int json_skip(json_scan *j); /* any value. 0 or JSON_ERROR */

#endif
