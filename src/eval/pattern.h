/* A small longest-match lexer: a list of patterns over bytes, joined into one automaton whose states are made as they are met. Of the patterns that match at a place the longest one
 * wins, and of those the first in the list, as in flex. A pattern may have a trailing part that must follow and is not taken.
 *
 * Patterns: a letter stands for itself in either case; [a-z] and [^a-z] for exactly the bytes named; ( ) | * + ? {m,n}; {NAME} a pattern defined before; \ takes the meaning off. */
#ifndef EVAL_PATTERN_H
#define EVAL_PATTERN_H

#include <stddef.h>
#include <stdint.h>

typedef struct pattern_set pattern_set;

typedef struct pattern_macro {
  const char *name, *pattern;
} pattern_macro;

/* The macros end with name NULL and are borrowed. Not thread-safe, not even for matching: one a thread. OPIS_ENOMEM. */
int pattern_set_new(pattern_set **out, const pattern_macro *macros);
/* Adds a pattern with its trailing part (NULL: none); patterns are numbered from 0. All are added before the first match. OPIS_EINTERNAL: the pattern is wrong. */
int pattern_set_add(pattern_set *s, const char *pattern, const char *trailing);
void pattern_set_free(pattern_set *s);

/* The match at the beginning of text: the number of the pattern, PATTERN_NONE, or PATTERN_FAILED when there is no memory. *length is what it takes without the trailing part.
 * At most PATTERN_LONGEST bytes are looked at, so that no text takes quadratic time. */
enum { PATTERN_LONGEST = 4096, PATTERN_NONE = -1, PATTERN_FAILED = -2 };
int pattern_match(pattern_set *s, const uint8_t *text, size_t n, size_t *length);

#endif
