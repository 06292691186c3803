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
  const float *position;        /* [positions, hidden] */
  norm embedding_norm, final_norm;
  block *blocks;
  nn_linear *transform; /* BERT's head: dense, activation, norm; NULL: none */
  nn_activation transform_activation;
  norm transform_norm;
  nn_linear *head; /* [vocab, hidden] */
} text_decoder;

void text_decoder_gpt2(loader *l, text_decoder *d, const json_t *config, const char *prefix, const char *head, int encoder_hidden);
void text_decoder_blip(loader *l, text_decoder *d, const json_t *config, int encoder_hidden);
void text_decoder_git(loader *l, text_decoder *d, const json_t *config);

/* One search in the making: caches and scratch. Grows to what a search needs and keeps it; one thread at a time. */
typedef struct text_state text_state;
int text_state_new(text_state **out, const text_decoder *d);
void text_state_free(text_state *s);

/* Begins a picture: encoded [T, encoder_hidden] (GIT: [T, hidden], projected). Afterwards at most `beams` beams of at most max_length tokens can be fed.
 * attention: keep where every step looked (cross-attention averaged over layers and heads). */
int text_state_begin(text_state *s, nn_context *c, const float *encoded, int T, int beams, int max_length, bool attention, arch_check check);
/* As generate_model.step. */
int text_state_step(text_state *s, nn_context *c, float *logits, const int32_t *tokens, size_t n_tokens, const int32_t *source, size_t live);
/* [T]: where beam `beam` looked while the token at place `place` of the row (from 0, the start token) was fed; NULL when nothing was kept. */
const float *text_state_attention(const text_state *s, size_t place, size_t beam);

#endif
