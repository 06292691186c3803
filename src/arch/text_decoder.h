/* Text decoders: GPT-2 and BERT's kin, fed one token a beam at a time. */
#ifndef ARCH_TEXT_DECODER_H
#define ARCH_TEXT_DECODER_H

#include "arch/transformer.h"
#include "arch/vision.h"

typedef struct text_decoder {
  block_options o;
  int layers, vocab, positions; /* positions: rows of the position table */
  int encoder_hidden;           /* width of what the cross-attention sees */
  bool prefix;                  /* GIT: the picture's tokens stand before the text in the same attention, instead of cross-attention */
  const tensor *words;          /* [vocab, hidden], looked up row by row */
  const tensor *position;       /* [positions, hidden], likewise */
  norm embedding_norm, final_norm;
  block *blocks;
  nn_linear *transform; /* BERT's head: dense, activation, norm; NULL: none */
  nn_activation transform_activation;
  norm transform_norm;
  nn_linear *head; /* [vocab, hidden] */
} text_decoder;

void text_decoder_gpt2(loader *l, text_decoder *d, const json_t *config, const char *prefix, int encoder_hidden);
void text_decoder_blip(loader *l, text_decoder *d, const json_t *config, int encoder_hidden);
void text_decoder_git(loader *l, text_decoder *d, const json_t *config);

/* What the search over one picture remembers: its cache, and which beam sees what of it. Grows to what a search needs and keeps it; one thread at a time. */
typedef struct text_state text_state;
int text_state_new(text_state **out, const text_decoder *d);
void text_state_free(text_state *s);
/* Bytes that a search takes. */
size_t text_state_bytes(const text_decoder *d, int T, int beams, int max_length);

/* Begins a picture: encoded [T, encoder_hidden] (GIT: [T, hidden], projected). Afterwards at most `beams` beams of at most max_length tokens can be fed.
 * attention: keep where every step looked (cross-attention averaged over layers and heads). */
int text_state_begin(text_state *s, nn_context *c, const float *encoded, int T, int beams, int max_length, bool attention, arch_check check);

/* What one picture's search feeds next, as decode's search_input: the whole prompt for beam 0 (source NULL), later one token for each live beam, which continues beam source[b]. */
typedef struct text_feed {
  text_state *state;
  const int32_t *tokens;
  size_t n_tokens;
  const int32_t *source;
  size_t live;
} text_feed;

enum { TEXT_MOST_PICTURES = 16 }; /* in one feed */

/* Feeds the searches of n pictures of one decoder together, so that one pass over the weights serves them all. Pictures at their first step all have one prompt's length, and are not mixed with
 * others. logits [sum of live, vocab]: what comes next, picture by picture. */
int text_states_feed(nn_context *c, float *logits, const text_feed *feeds, size_t n);

/* [T]: where beam `beam` looked while the token at place `place` of the row (from 0, the start token) was fed; NULL when nothing was kept. */
const float *text_state_attention(const text_state *s, size_t place, size_t beam);

#endif
