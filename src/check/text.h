/* What a caption's characters and words tell, without knowing its language. Thread-safe: nothing here keeps anything. */
#ifndef CHECK_TEXT_H
#define CHECK_TEXT_H

#include "util/arena.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Scripts, as bits. Chinese, Japanese and Korean count as one: they are written together. */
enum { SCRIPT_LATIN = 1, SCRIPT_GREEK = 2, SCRIPT_CYRILLIC = 4, SCRIPT_FIRST_OTHER = 8 /* Armenian, Hebrew, ... each a bit */ };

typedef struct text_facts {
  bool valid;             /* UTF-8 */
  size_t bad_at;          /* the first byte that is none */
  uint32_t control;       /* the first character that is not seen; 0: none, 1: NUL */
  uint32_t lost;          /* U+FFFD was met */
  size_t garbled, length; /* where UTF-8 taken for another encoding begins, and its bytes; length 0: nowhere */
  uint32_t scripts;       /* of its letters */
  bool word_mixes;        /* a word has letters of two scripts that look alike */
  size_t letters;         /* letters and digits */
} text_facts;
void text_look(text_facts *f, const char *s, size_t n);
const char *text_script_name(uint32_t scripts); /* of the lowest bit: "Latin"; a static string */

/* The words as they are compared: composed, case-folded, without punctuation around them, one space between. Kept in the arena; what is no UTF-8 stays as it is. NULL without memory.
 * marks: a comma of its own stands where one clause ends and the next begins. */
const char *text_folded(arena *a, const char *s, size_t n, bool marks, size_t *length);
size_t text_words(const char *folded, size_t length); /* how many */

/* The most often that a row of up to 8 words follows itself, 1: never; *begin and *row: where it begins, and its bytes, in the folded text. */
size_t text_repetition(const char *folded, size_t length, size_t *begin, size_t *row);

#endif
