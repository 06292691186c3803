/* Models. An opis_model is immutable and may be shared by any number of threads. */
#ifndef OPIS_MODEL_H
#define OPIS_MODEL_H

#include <opis/export.h>
#include <stddef.h>
#include <stdint.h>

OPIS_BEGIN

typedef struct opis_model opis_model;

enum opis_precision {
  OPIS_PRECISION_STORED = 0, /* as the file stores its weights: f32, f16 and bf16 compute in f32, q8_0 in q8 */
  OPIS_PRECISION_F32 = 1,
  OPIS_PRECISION_Q8 = 2 /* 8-bit weights and activations, 32-bit sums */
};

typedef struct opis_model_options {
  uint32_t version; /* OPIS_MODEL_OPTIONS_VERSION */
  int precision;    /* enum opis_precision */
  int threads;      /* workers of the model's own pool; 0: as many cores as this process may use (affinity and cgroup limits respected) */
  /* Called now and then while weights are read, on the calling thread; a result other than 0 cancels with OPIS_ECANCELLED. May be NULL. */
  int (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
  void *user;
} opis_model_options;

#define OPIS_MODEL_OPTIONS_VERSION 1
#define OPIS_MODEL_OPTIONS_INIT                                                                                                                                                    \
  {                                                                                                                                                                                \
    OPIS_MODEL_OPTIONS_VERSION, OPIS_PRECISION_STORED, 0, 0, 0                                                                                                                     \
  }

/* Opens a model by name: an embedded or installed one ("opis-small"), a hub folder, a GGUF file, or a hub id already pulled.
 * NULL: $OPIS_MODEL, else the embedded opis-small. options may be NULL. *model is the caller's, freed with opis_model_free.
 * Errors: OPIS_ENOTFOUND (with the names that there are), OPIS_EFORMAT (broken files), OPIS_EUNSUPPORTED (another family: the message says which), OPIS_ENOMEM, OPIS_EIO. */
OPIS_API int opis_model_open(opis_model **model, const char *name, const opis_model_options *options);

/* Gives the model back. Descriptions made with it stay valid. No call may be running on it. NULL is allowed. */
OPIS_API void opis_model_free(opis_model *model);

/* What a model says of itself. Strings are the model's own. */
OPIS_API const char *opis_model_name(const opis_model *model);   /* "opis-small", or the last part of its path */
OPIS_API const char *opis_model_family(const opis_model *model); /* "vit-gpt2", "dinov2-gpt2", "efficientnet-lite-gpt2", "blip", "git" */
OPIS_API const char *opis_model_sha256(const opis_model *model); /* of the weights file, 64 hex digits; computed at the first call (thread-safe); "" when it cannot be read again */
OPIS_API int opis_model_precision(const opis_model *model);      /* OPIS_PRECISION_F32 or OPIS_PRECISION_Q8 */
OPIS_API uint64_t opis_model_parameters(const opis_model *model);
OPIS_API int opis_model_takes_prompt(const opis_model *model); /* 1: the family takes a prompt */
OPIS_API int opis_model_threads(const opis_model *model);

OPIS_END

#endif
