/* Byte-level byte-pair encoding as GPT-2 does it (Radford et al. 2019; Sennrich et al., arXiv 1508.07909). */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include "text/vocabulary.h"
#include <pthread.h>

/* The merges are kept as text until somebody encodes: describing pictures mostly only decodes. */
typedef struct bpe {
  char *merges_text; /* owned */
  size_t merges_size;
  bool merges_json;      /* the "merges" of a tokenizer.json: ["a b", ...] or [["a", "b"], ...]; else merges.txt */
  bool add_prefix_space; /* of the pre-tokenizer */
  bool ignore_merges;    /* whole words that the vocabulary has are taken as they are */
  int32_t unknown;       /* id for bytes the vocabulary does not have, or -1: they are left out */
  pthread_mutex_t lock;
  struct bpe_merges *merges; /* made at the first encoding, under the lock */
} bpe;

typedef struct id_list {
  int32_t *ids;
  size_t n, capacity;
} id_list;
int id_list_add(id_list *l, int32_t id);

/* Appends the ids of a piece of text (valid UTF-8, without added tokens). OPIS_EFORMAT when the merges are broken. Thread-safe. */
int bpe_encode(bpe *b, const vocabulary *v, id_list *out, const char *text, size_t n);
/* Appends what a token of the vocabulary stands for: its bytes, or the token itself where its letters are not all bytes. */
void bpe_token_bytes(strbuf *out, const char *token, size_t n);
void bpe_free(bpe *b);

#endif
