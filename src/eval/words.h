/* Numbers for words and for rows of words: equal ones get the same number, counted from 0. Not thread-safe. */
#ifndef EVAL_WORDS_H
#define EVAL_WORDS_H

#include "util/arena.h"
#include <stddef.h>
#include <stdint.h>

typedef struct word_table {
  uint32_t *slots; /* number + 1; 0: free */
  size_t n_slots, n, capacity;
  struct word_entry {
    uint64_t hash;
    const char *key;
    uint32_t length;
  } * entries; /* [n] */
  arena memory;
} word_table;

#define WORD_TABLE_INIT                                                                                                                                                            \
  {                                                                                                                                                                                \
    NULL, 0, 0, 0, NULL, ARENA_INIT                                                                                                                                                \
  }

/* The number of these bytes, which are kept with a NUL behind them. OPIS_ENOMEM; OPIS_ELIMIT past 2^31 of them. */
int word_number(word_table *t, uint32_t *number, const void *bytes, size_t length);
/* The same without adding: UINT32_MAX when it is not there. */
uint32_t word_find(const word_table *t, const void *bytes, size_t length);
void word_table_free(word_table *t);

#endif
