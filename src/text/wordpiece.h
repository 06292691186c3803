/* BERT's word pieces (Devlin et al., arXiv 1810.04805): normalise, split at white space and punctuation, then the longest piece that the vocabulary has, again and again. */
#ifndef TEXT_WORDPIECE_H
#define TEXT_WORDPIECE_H

#include "text/bpe.h"
#include "text/vocabulary.h"

typedef struct wordpiece {
  bool clean, lowercase, strip_accents, space_cjk; /* the normaliser */
  int32_t unknown;                                 /* id, or -1: what cannot be spelled is an error */
  char prefix[32];                                 /* of pieces inside a word: "##" */
  size_t max_characters;                           /* longer words are unknown */
} wordpiece;

/* Replaces *out by the normalised text. */
int wordpiece_normalize(const wordpiece *w, strbuf *out, const char *text, size_t n);
/* Appends the ids of normalised text. */
int wordpiece_encode(const wordpiece *w, const vocabulary *v, id_list *out, const char *text, size_t n);

#endif
