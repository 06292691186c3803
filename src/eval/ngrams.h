/* Numbers for n-grams of 1 to 4 words. An n-gram is known by its first n - 1 words, themselves an n-gram, and its last one. Not thread-safe. */
#ifndef EVAL_NGRAMS_H
#define EVAL_NGRAMS_H

#include <stddef.h>
#include <stdint.h>

enum { NGRAM_MOST = 4 };

typedef struct ngram_table {
  uint64_t *keys;
  uint32_t *numbers; /* + 1; 0: free */
  size_t slots, n, capacity;
  uint32_t *pictures; /* [n] in how many pictures' references it is */
  uint32_t *seen;     /* [n] the last picture (+ 1) that counted it */
} ngram_table;

/* One kind of n-gram in a caption. */
typedef struct ngram_count {
  uint32_t number, count;
  uint32_t size; /* words */
} ngram_count;

/* Counts the n-grams of a caption into out, which has room for 4 x n, sorted by number; *n_out of them. OPIS_ENOMEM, OPIS_ELIMIT. */
int ngrams_count(ngram_table *t, ngram_count *out, size_t *n_out, const uint32_t *words, size_t n);
void ngram_table_free(ngram_table *t);

#endif
