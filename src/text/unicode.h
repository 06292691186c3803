/* Unicode as the tokenizers need it. */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include "util/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads one code point of valid UTF-8 and moves *p behind it. */
uint32_t utf8_next(const char **p);
void utf8_put(strbuf *b, uint32_t c);

bool unicode_is_space(uint32_t c);       /* White_Space */
bool unicode_is_letter(uint32_t c);      /* L* */
bool unicode_is_number(uint32_t c);      /* N* */
bool unicode_is_mark(uint32_t c);        /* Mn */
bool unicode_is_other(uint32_t c);       /* Cc, Cf, Cs, Co: control, format, private; not what is unassigned */
bool unicode_is_punctuation(uint32_t c); /* P* */
bool unicode_is_word(uint32_t c);        /* \w: letters, marks, decimal digits, connectors, joiners */

/* Appends bytes as UTF-8; each maximal part of a broken sequence becomes one U+FFFD (Unicode 15, table 3-8), as Python's errors="replace" and Rust's from_utf8_lossy do. */
void utf8_put_lossy(strbuf *b, const uint8_t *s, size_t n);

#endif
