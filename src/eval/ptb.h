/* Words as the metrics of captions count them: what pycocoevalcap's tokenizer makes of a caption. That is the Penn Treebank tokenizer of Stanford CoreNLP 3.4.1 with -preserveLines
 * -lowerCase, from whose tokens 17 kinds of punctuation are taken out. Differences: line separators other than LF count as spaces (there they put every later caption out of step),
 * a tag in angle brackets does not go on in the next caption, and a token has at most 4,096 characters. */
#ifndef EVAL_PTB_H
#define EVAL_PTB_H

#include "util/strbuf.h"
#include <stddef.h>

typedef struct ptb ptb; /* not thread-safe: one a thread */

typedef struct ptb_text {
  const char *text; /* bytes; what is not UTF-8 counts as U+FFFD */
  size_t length;
} ptb_text;

int ptb_new(ptb **out); /* OPIS_ENOMEM */
void ptb_free(ptb *p);  /* NULL is allowed */

/* Tokenizes captions in one go: whether an abbreviation's full stop is a word of its own depends on what follows, be it the next caption. For each caption in turn `line` gets its
 * tokens, lower-cased, with one space between them; a result below 0 ends the work and is given back. punctuation: whether the 17 kinds are kept.
 * Errors: OPIS_ENOMEM, and what `line` answers. */
int ptb_lines(ptb *p, const ptb_text *texts, size_t n, int punctuation, int (*line)(void *user, size_t i, const char *tokens, size_t length), void *user);

#endif
