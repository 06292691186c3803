/* Tokenizers: words to ids and back. A tokenizer is immutable and may be shared between threads. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tokenizer tokenizer;

/* The texts a hub folder has; any may be NULL. tokenizer_json wins over vocab.json + merges.txt and vocab.txt. Borrowed for the call only. */
typedef struct tokenizer_source {
  const char *tokenizer_json;
  size_t tokenizer_json_size;
  const char *vocab_json; /* GPT-2: {"token": id} */
  size_t vocab_json_size;
  const char *merges_txt;
  size_t merges_txt_size;
  const char *vocab_txt; /* BERT: one token a line */
  size_t vocab_txt_size;
  const json_t *config;             /* tokenizer_config.json */
  const json_t *special_tokens_map; /* special_tokens_map.json */
  const json_t *added_tokens;       /* added_tokens.json: {"token": id} */
} tokenizer_source;

/* Errors: OPIS_EFORMAT (broken files), OPIS_EUNSUPPORTED (another kind of tokenizer: the message says which), OPIS_ENOTFOUND (no vocabulary at all), OPIS_ENOMEM.
 * The merges of byte pairs are read, and ids found by token through an index, from the first text on that is encoded. */
int tokenizer_new(tokenizer **out, const tokenizer_source *source);
void tokenizer_free(tokenizer *t);

const char *tokenizer_kind(const tokenizer *t);          /* "byte-level BPE", "WordPiece" */
int tokenizer_size(const tokenizer *t);                  /* ids are 0 .. size - 1, added tokens included */
int tokenizer_id(const tokenizer *t, const char *token); /* -1 when there is none; by the vocabulary's spelling ("[CLS]", "Ġa") */
bool tokenizer_is_special(const tokenizer *t, int32_t id);

/* UTF-8 to ids without adding any special token (special ones spelled out in the text are recognised, as Transformers does). *ids is malloc'ed.
 * OPIS_EFORMAT (broken merges), OPIS_EUNSUPPORTED (a tokenizer whose way of splitting is not known: it can only decode), OPIS_ENOMEM. */
int tokenizer_encode(const tokenizer *t, int32_t **ids, size_t *n, const char *text);

/* As the fast tokenizers' decode(ids, skip_special_tokens=...): clean-up of spaces where the tokenizer's configuration says so; bytes that are no UTF-8 become U+FFFD. Not trimmed.
 * Ids outside the vocabulary and NUL characters are left out. *text is malloc'ed. */
int tokenizer_decode(const tokenizer *t, char **text, const int32_t *ids, size_t n, bool skip_special);

#endif
