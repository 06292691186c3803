/** @file
 * Descriptions: a picture in, words out. Every function here may be called from many threads on one model at a time; a description may be read from many threads. */
#ifndef OPIS_DESCRIBE_H
#define OPIS_DESCRIBE_H

#include <opis/export.h>
#include <opis/image.h>
#include <opis/model.h>
#include <stddef.h>
#include <stdint.h>

OPIS_BEGIN

/** What a picture shows, in words; immutable, and independent of the model and the picture it came from. */
typedef struct opis_description opis_description;

/** When beam search ends. */
enum opis_early_stopping {
  OPIS_EARLY_STOPPING_MODEL = -1, /**< as the model's generation settings say */
  OPIS_EARLY_STOPPING_FALSE = 0,  /**< when no running beam can do better than those that ended, judged by the present length */
  OPIS_EARLY_STOPPING_TRUE = 1,   /**< when as many beams have ended as there are */
  OPIS_EARLY_STOPPING_NEVER = 2   /**< when no running beam can ever do better */
};

/** Options of generation, named as in Transformers' GenerationConfig. A field left at its initial value means: what the model's own settings say, else Transformers' default. */
typedef struct opis_options {
  uint32_t version;          /**< #OPIS_OPTIONS_VERSION */
  int beams;                 /**< num_beams: 1..64; 0: the model's. 1 is greedy search */
  int max_length;            /**< of the whole row, start token and prompt included; 0: the model's, or where it says nothing 20 new tokens */
  int min_length;            /**< likewise; -1: the model's */
  double length_penalty;     /**< NaN: the model's */
  int early_stopping;        /**< an #opis_early_stopping */
  int no_repeat_ngram;       /**< no_repeat_ngram_size; -1: the model's; 0: off */
  double repetition_penalty; /**< > 0; NaN: the model's */
  int candidates;            /**< num_return_sequences: 1..beams; 0: 1 */
  const char *prompt;        /**< UTF-8; NULL: none. Families that take none answer OPIS_EINVALID */
  opis_image_options image;  /**< how pictures are decoded, where a file or bytes are given */
  int attention;             /**< 1: keep for every token where the decoder looked (cross-attention over the encoder's grid) */
  double timeout;            /**< seconds a picture; 0: none. OPIS_ETIMEOUT */
  /** Asked at every token and between encoder layers, on the thread that called; other than 0 cancels with OPIS_ECANCELLED. May be NULL. */
  int (*cancelled)(void *user);
  /** Told after every token the best text so far of picture `index` of the call; it replaces the text told before (beams revise words). May be NULL. */
  void (*partial)(void *user, size_t index, const char *text);
  /** Told after every token the beginning of picture `index`'s text on which every beam agrees: no later step takes its tokens back. Tokens that follow may still change how its last
   * word is spelt. May be NULL. */
  void (*settled)(void *user, size_t index, const char *text);
  void *user; /**< handed to the callbacks; the caller's */
} opis_options;

/** The version of opis_options that this header describes. */
#define OPIS_OPTIONS_VERSION 1
/** An opis_options that leaves everything to the model. */
#define OPIS_OPTIONS_INIT                                                                                                                                                          \
  {                                                                                                                                                                                \
    OPIS_OPTIONS_VERSION, 0, 0, -1, __builtin_nan(""), OPIS_EARLY_STOPPING_MODEL, -1, __builtin_nan(""), 0, 0, OPIS_IMAGE_OPTIONS_INIT, 0, 0.0, 0, 0, 0, 0                         \
  }

/** Checks options against a model without a picture.
 * @param model a model
 * @param options NULL is allowed
 * @return 0, or OPIS_EINVALID with the option's name in the message */
OPIS_API int opis_options_check(const opis_model *model, const opis_options *options);

/** Describes the picture in a file.
 * @param[out] description the caller's, freed with opis_description_free(); NULL on an error
 * @param model any number of threads may describe with it at the same time
 * @param path the file
 * @param options NULL: the defaults
 * @return 0; the errors of opis_image_open_file(); OPIS_EINVALID (options), OPIS_ECANCELLED, OPIS_ETIMEOUT, OPIS_ENOMEM */
OPIS_API int opis_describe_file(opis_description **description, opis_model *model, const char *path, const opis_options *options);

/** Describes the picture that encoded bytes hold.
 * @param[out] description the caller's, freed with opis_description_free(); NULL on an error
 * @param model any number of threads may describe with it at the same time
 * @param bytes [size], a whole file's
 * @param size how many bytes there are
 * @param options NULL: the defaults
 * @return 0; the errors of opis_image_open_memory(); OPIS_EINVALID (options), OPIS_ECANCELLED, OPIS_ETIMEOUT, OPIS_ENOMEM */
OPIS_API int opis_describe_memory(opis_description **description, opis_model *model, const void *bytes, size_t size, const opis_options *options);

/** Describes a decoded picture.
 * @param[out] description the caller's, freed with opis_description_free(); NULL on an error
 * @param model any number of threads may describe with it at the same time
 * @param image only read
 * @param options NULL: the defaults
 * @return 0, OPIS_EINVALID (options), OPIS_ECANCELLED, OPIS_ETIMEOUT, OPIS_ENOMEM */
OPIS_API int opis_describe_image(opis_description **description, opis_model *model, const opis_image *image, const opis_options *options);

/** Describes n pictures in one go: faster than one at a time, with the same words. A small model's threads take pictures of their own, unless partial or settled are asked for; callbacks are called on the
 * thread that called all the same, and the first failure ends the call.
 * @param[out] descriptions [n], filled with the caller's objects, each freed with opis_description_free(); on an error with none
 * @param model any number of threads may describe with it at the same time
 * @param images [n], only read
 * @param n how many pictures there are
 * @param options NULL: the defaults
 * @return as opis_describe_image() */
OPIS_API int opis_describe_images(opis_description **descriptions, opis_model *model, const opis_image *const *images, size_t n, const opis_options *options);

/** Gives a description back. No other thread may be using it.
 * @param description NULL is allowed */
OPIS_API void opis_description_free(opis_description *description);

/** The best candidate's words.
 * @param description a description
 * @return UTF-8, trimmed; the description's own */
OPIS_API const char *opis_description_text(const opis_description *description);

/** How many candidates there are.
 * @param description a description
 * @return at least 1; opis_options::candidates */
OPIS_API size_t opis_description_candidates(const opis_description *description);

/** A candidate's words.
 * @param description a description
 * @param i 0 is the best one
 * @return UTF-8, trimmed; the description's own. "" where there is no such candidate */
OPIS_API const char *opis_description_candidate_text(const opis_description *description, size_t i);

/** A candidate's score, Transformers' `sequences_scores`; of greedy search the mean log-probability.
 * @param description a description
 * @param i 0 is the best one
 * @return NaN where there is no such candidate */
OPIS_API double opis_description_candidate_score(const opis_description *description, size_t i);

/** A candidate's row of token ids, from the start token up to and including the first end token after start and prompt.
 * @param description a description
 * @param i 0 is the best one
 * @param[out] n the row's length
 * @return [n], the description's own; NULL where there is no such candidate */
OPIS_API const int32_t *opis_description_candidate_tokens(const opis_description *description, size_t i, size_t *n);

/** The text of one token of a row by itself: what a page shows beside its attention.
 * @param description a description
 * @param i 0 is the best candidate
 * @param token its place in the row
 * @return the description's own; "" for a special token, or where there is none */
OPIS_API const char *opis_description_token_text(const opis_description *description, size_t i, size_t token);

/** Where the decoder looked when it chose a token, averaged over layers and heads.
 * @param description a description made with opis_options::attention
 * @param i 0 is the best candidate
 * @param token its place in the row
 * @param[out] grid_width the columns of the encoder's grid
 * @param[out] grid_height its rows
 * @return [grid_height, grid_width], weights that sum to at most 1, the description's own. NULL for the start token and the prompt, for families without cross-attention, or when
 * opis_options::attention was 0 */
OPIS_API const float *opis_description_attention(const opis_description *description, size_t i, size_t token, int *grid_width, int *grid_height);

/** How wide the picture was.
 * @param description a description
 * @return pixels, upright */
OPIS_API int opis_description_width(const opis_description *description);

/** How high the picture was.
 * @param description a description
 * @return pixels, upright */
OPIS_API int opis_description_height(const opis_description *description);

/** What took how long, in milliseconds. */
typedef struct opis_timing {
  double decode;   /**< bytes to pixels; 0 where an opis_image was given */
  double encode;   /**< resize, normalise, vision encoder */
  double generate; /**< the text decoder's search */
} opis_timing;

/** How long a description took.
 * @param description a description
 * @return of several pictures in one go, each one's share */
OPIS_API opis_timing opis_description_timing(const opis_description *description);

/** Intermediate results of one picture, for comparison with a reference. Arrays are the trace's, freed with opis_trace_free(). */
typedef struct opis_trace {
  float *pixel_values;              /**< [3, height, width] */
  int width;                        /**< of the resized picture */
  int height;                       /**< of the resized picture */
  float *encoder_last_hidden_state; /**< [tokens, hidden] (git: the vision encoder's output before the projection) */
  int tokens;                       /**< rows of the encoder's output */
  int hidden;                       /**< its columns */
} opis_trace;

/** Runs the encoder alone.
 * @param[out] trace the caller's struct; what it holds is freed with opis_trace_free()
 * @param model a model
 * @param image only read
 * @return 0, OPIS_ENOMEM, OPIS_EINVALID */
OPIS_API int opis_trace_image(opis_trace *trace, opis_model *model, const opis_image *image);

/** Frees what a trace holds, not the struct itself.
 * @param trace filled by opis_trace_image() */
OPIS_API void opis_trace_free(opis_trace *trace);

OPIS_END

#endif
