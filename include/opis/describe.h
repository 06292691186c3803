/* Descriptions: a picture in, words out. Every function here may be called from many threads on one model at a time. */
#ifndef OPIS_DESCRIBE_H
#define OPIS_DESCRIBE_H

#include <opis/export.h>
#include <opis/image.h>
#include <opis/model.h>
#include <stddef.h>
#include <stdint.h>

OPIS_BEGIN

typedef struct opis_description opis_description;

enum opis_early_stopping {
  OPIS_EARLY_STOPPING_MODEL = -1, /* as the model's generation settings say */
  OPIS_EARLY_STOPPING_FALSE = 0,
  OPIS_EARLY_STOPPING_TRUE = 1,
  OPIS_EARLY_STOPPING_NEVER = 2
};

/* Options of generation, named as in Transformers' GenerationConfig. A field left at its initial value means: what the model's own settings say, else Transformers' default. */
typedef struct opis_options {
  uint32_t version;          /* OPIS_OPTIONS_VERSION */
  int beams;                 /* num_beams: 1..64; 0: the model's. 1 is greedy search */
  int max_length;            /* of the whole row, start token and prompt included; 0: the model's, or where it says nothing 20 new tokens */
  int min_length;            /* likewise; -1: the model's */
  double length_penalty;     /* NaN: the model's */
  int early_stopping;        /* enum opis_early_stopping */
  int no_repeat_ngram;       /* no_repeat_ngram_size; -1: the model's; 0: off */
  double repetition_penalty; /* > 0; NaN: the model's */
  int candidates;            /* num_return_sequences: 1..beams; 0: 1 */
  const char *prompt;        /* UTF-8; NULL: none. Families that take none answer OPIS_EINVALID */
  opis_image_options image;  /* how pictures are decoded, where a file or bytes are given */
  int attention;             /* 1: keep for every token where the decoder looked (cross-attention over the encoder's grid) */
  double timeout;            /* seconds a picture; 0: none. OPIS_ETIMEOUT */
  /* Asked at every token and between encoder layers, on the thread that called; other than 0 cancels with OPIS_ECANCELLED. May be NULL. */
  int (*cancelled)(void *user);
  /* Told after every token the best text so far of picture `index` of the call; it replaces the text told before (beams revise words). May be NULL. */
  void (*partial)(void *user, size_t index, const char *text);
  /* Told after every token the beginning of picture `index`'s text on which every beam agrees: no later step takes its tokens back. Tokens that follow may still change how its last
   * word is spelt. May be NULL. */
  void (*settled)(void *user, size_t index, const char *text);
  void *user;
} opis_options;

#define OPIS_OPTIONS_VERSION 1
#define OPIS_OPTIONS_INIT                                                                                                                                                          \
  {                                                                                                                                                                                \
    OPIS_OPTIONS_VERSION, 0, 0, -1, __builtin_nan(""), OPIS_EARLY_STOPPING_MODEL, -1, __builtin_nan(""), 0, 0, OPIS_IMAGE_OPTIONS_INIT, 0, 0.0, 0, 0, 0, 0                         \
  }

/* Checks options against a model without a picture: 0, or OPIS_EINVALID with the option's name in the message. */
OPIS_API int opis_options_check(const opis_model *model, const opis_options *options);

/* Describe one picture. *description is the caller's, freed with opis_description_free; options may be NULL.
 * Errors: those of opis_image_open_*, OPIS_EINVALID, OPIS_ECANCELLED, OPIS_ETIMEOUT, OPIS_ENOMEM. */
OPIS_API int opis_describe_file(opis_description **description, opis_model *model, const char *path, const opis_options *options);
OPIS_API int opis_describe_memory(opis_description **description, opis_model *model, const void *bytes, size_t size, const opis_options *options);
OPIS_API int opis_describe_image(opis_description **description, opis_model *model, const opis_image *image, const opis_options *options);

/* Describe n pictures in one go: faster than one at a time, with the same words. descriptions [n] is filled with the caller's objects; on an error none is. */
OPIS_API int opis_describe_images(opis_description **descriptions, opis_model *model, const opis_image *const *images, size_t n, const opis_options *options);

OPIS_API void opis_description_free(opis_description *description); /* NULL is allowed */

/* The best candidate's words: UTF-8, trimmed; the description's own. */
OPIS_API const char *opis_description_text(const opis_description *description);

/* Candidates, best first: i in 0..opis_description_candidates - 1; outside: "", NaN, NULL. */
OPIS_API size_t opis_description_candidates(const opis_description *description);
OPIS_API const char *opis_description_candidate_text(const opis_description *description, size_t i);
OPIS_API double opis_description_candidate_score(const opis_description *description, size_t i); /* sequences_scores; greedy: the mean log-probability */
/* The row of token ids from the start token up to and including the first end token after start and prompt; *n is its length. */
OPIS_API const int32_t *opis_description_candidate_tokens(const opis_description *description, size_t i, size_t *n);
/* The text of one token of a row by itself ("" for a special one): what a page shows beside its attention. */
OPIS_API const char *opis_description_token_text(const opis_description *description, size_t i, size_t token);
/* Where the decoder looked when it chose token `token` of candidate i: weights [grid_height, grid_width] that sum to at most 1, averaged over layers and heads.
 * NULL for the start token and the prompt, for families without cross-attention, or when options.attention was 0. */
OPIS_API const float *opis_description_attention(const opis_description *description, size_t i, size_t token, int *grid_width, int *grid_height);

OPIS_API int opis_description_width(const opis_description *description); /* of the picture, upright, in pixels */
OPIS_API int opis_description_height(const opis_description *description);

typedef struct opis_timing {
  double decode;   /* milliseconds: bytes to pixels; 0 where an opis_image was given */
  double encode;   /* resize, normalise, vision encoder */
  double generate; /* the text decoder's search */
} opis_timing;
OPIS_API opis_timing opis_description_timing(const opis_description *description);

/* Intermediate results for comparison with a reference, for one picture. Arrays are malloc'ed, the caller's to free(). */
typedef struct opis_trace {
  float *pixel_values; /* [3, height, width] */
  int width, height;
  float *encoder_last_hidden_state; /* [tokens, hidden] (git: the vision encoder's output before the projection) */
  int tokens, hidden;
} opis_trace;
OPIS_API int opis_trace_image(opis_trace *trace, opis_model *model, const opis_image *image);
OPIS_API void opis_trace_free(opis_trace *trace); /* frees what it holds, not the struct itself */

OPIS_END

#endif
