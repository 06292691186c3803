/** @file
 * Models. An opis_model is immutable and may be shared by any number of threads. */
#ifndef OPIS_MODEL_H
#define OPIS_MODEL_H

#include <opis/export.h>
#include <stddef.h>
#include <stdint.h>

OPIS_BEGIN

/** A loaded model, with a pool of threads of its own. */
typedef struct opis_model opis_model;

/** How products are computed. */
enum opis_precision {
  OPIS_PRECISION_STORED = 0, /**< as the file stores its weights: f32, f16 and bf16 compute in f32, q8_0 in q8 */
  OPIS_PRECISION_F32 = 1,    /**< 32-bit floats */
  OPIS_PRECISION_Q8 = 2      /**< 8-bit weights and activations, 32-bit sums */
};

/** How a model is opened. */
typedef struct opis_model_options {
  uint32_t version; /**< #OPIS_MODEL_OPTIONS_VERSION */
  int precision;    /**< an #opis_precision */
  int threads;      /**< workers of the model's own pool; 0: as many cores as this process may use (affinity and cgroup limits respected) */
  /** Called now and then while weights are read, on the calling thread; a result other than 0 cancels with OPIS_ECANCELLED. May be NULL. */
  int (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
  void *user; /**< handed to `progress`; the caller's */
} opis_model_options;

/** The version of opis_model_options that this header describes. */
#define OPIS_MODEL_OPTIONS_VERSION 1
/** An opis_model_options with every default. */
#define OPIS_MODEL_OPTIONS_INIT                                                                                                                                                    \
  {                                                                                                                                                                                \
    OPIS_MODEL_OPTIONS_VERSION, OPIS_PRECISION_STORED, 0, 0, 0                                                                                                                     \
  }

/** Opens a model. May be called from any thread.
 * @param[out] model the caller's, freed with opis_model_free(); NULL on an error
 * @param name an embedded or installed model ("opis-small"), a hub folder, a GGUF file, or a hub id already pulled. NULL: `$OPIS_MODEL`, else the embedded opis-small
 * @param options NULL: the defaults
 * @return 0, OPIS_ENOTFOUND (with the names that there are), OPIS_EFORMAT (broken files), OPIS_EUNSUPPORTED (another family: the message says which), OPIS_EINVALID, OPIS_ECANCELLED,
 * OPIS_ENOMEM, OPIS_EIO */
OPIS_API int opis_model_open(opis_model **model, const char *name, const opis_model_options *options);

/** Gives the model back. Descriptions made with it stay valid. No call may be running on it.
 * @param model NULL is allowed */
OPIS_API void opis_model_free(opis_model *model);

/** What a model is called. May be called from any thread, as may all that follow.
 * @param model a model
 * @return "opis-small", or the last part of its path; the model's own */
OPIS_API const char *opis_model_name(const opis_model *model);

/** What kind of model it is.
 * @param model a model
 * @return "vit-gpt2", "dinov2-gpt2", "efficientnet-lite-gpt2", "blip", "git"; the model's own */
OPIS_API const char *opis_model_family(const opis_model *model);

/** The digest of the weights file, computed at the first call.
 * @param model a model
 * @return 64 hex digits, "" when the file cannot be read again; the model's own */
OPIS_API const char *opis_model_sha256(const opis_model *model);

/** How the model computes.
 * @param model a model
 * @return OPIS_PRECISION_F32 or OPIS_PRECISION_Q8 */
OPIS_API int opis_model_precision(const opis_model *model);

/** How large the model is.
 * @param model a model
 * @return its number of weights */
OPIS_API uint64_t opis_model_parameters(const opis_model *model);

/** Whether opis_options::prompt is for this model.
 * @param model a model
 * @return 1: its family takes a prompt; 0: it takes none */
OPIS_API int opis_model_takes_prompt(const opis_model *model);

/** How many threads the model computes with.
 * @param model a model
 * @return the workers of its pool, the calling thread included */
OPIS_API int opis_model_threads(const opis_model *model);

OPIS_END

#endif
