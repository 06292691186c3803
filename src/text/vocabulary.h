/* Tokens by id and ids by token, spelled as the vocabulary spells them. Built once, then only read, but for the index of tokens, which is made when somebody encodes. */
#ifndef TEXT_VOCABULARY_H
#define TEXT_VOCABULARY_H

#include "util/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct vocabulary_entry {
  uint32_t offset, length; /* in pool; length UINT32_MAX: there is no such id */
} vocabulary_entry;

typedef struct vocabulary {
  strbuf pool;
  vocabulary_entry *by_id; /* [size] */
  size_t size, capacity, count;
  _Atomic(int32_t *) table; /* [table_size], a power of two: id + 1, or 0; NULL: no index yet */
  size_t table_size;
} vocabulary;

/* While building: later entries of the same id or token win, as in a dictionary. OPIS_EFORMAT for an id that is negative or absurdly large beside the number of tokens. */
int vocabulary_add(vocabulary *v, const char *token, size_t n, int64_t id);
/* Makes the index, where there is none, for whoever asks for more than a few tokens; vocabulary_add then keeps it. One thread at a time; others may go on looking up. */
int vocabulary_index(vocabulary *v);
void vocabulary_free(vocabulary *v);

int32_t vocabulary_find(const vocabulary *v, const char *token, size_t n); /* -1; of several ids the highest; without the index it looks at one token after the other */
bool vocabulary_get(const vocabulary *v, int64_t id, const char **token, size_t *n);

#endif
