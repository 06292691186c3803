/* Inside of text/: the tokenizer's parts, shared by its readers and its two directions. */
#ifndef TEXT_INTERNAL_H
#define TEXT_INTERNAL_H

#include "text/bpe.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"
#include "text/wordpiece.h"

enum tokenizer_kind { TOKENIZER_BPE, TOKENIZER_WORDPIECE };

/* A token that is found in the text before anything else. */
typedef struct added_token {
  char *content; /* as it is looked for: normalised where `normalized` */
  size_t length;
  int32_t id;
  bool special, lstrip, rstrip, single_word, normalized;
} added_token;

struct tokenizer {
  enum tokenizer_kind kind;
  vocabulary vocabulary; /* added tokens included */
  added_token *added;    /* [n_added] */
  size_t n_added;
  uint8_t *special; /* [size]: 1 for special ids */
  bpe bpe;
  wordpiece wordpiece;
  char decoder_prefix[32]; /* WordPiece: taken off and joined; "": every token stands alone */
  bool decoder_cleanup;    /* WordPiece: clean-up of each token */
  bool cleanup;            /* clean_up_tokenization_spaces, of the whole text */
  const char *no_encoding; /* why it can only decode, or NULL */
};

/* Readers; they fill the vocabulary and settings. Added tokens: see below. */
int read_tokenizer_json(tokenizer *t, const char *text, size_t size);
int read_vocab_json(tokenizer *t, const tokenizer_source *source);
int read_vocab_txt(tokenizer *t, const char *text, size_t size);
/* What tokenizer_config.json, special_tokens_map.json and added_tokens.json add or change. */
int apply_config(tokenizer *t, const tokenizer_source *source);

/* An added token: `content` as written. Takes the id the vocabulary has for it, else `id`, else (-1) the next free one. Flags of one that is there already are replaced. */
int tokenizer_add(tokenizer *t, const added_token *flags, const char *content, int64_t id);
int tokenizer_add_json(tokenizer *t, const json_t *token, int64_t id); /* {"content", "special", "lstrip", ...} */

#endif
