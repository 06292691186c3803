/* Inside the engine: the loaded model, sessions, generation settings, descriptions. The other rooms see the public headers. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "arch/captioner.h"
#include "decode/generate.h"
#include "image/preprocess.h"
#include "text/tokenizer.h"

#include <opis/opis.h>
#include <pthread.h>

enum {
  ENGINE_MAX_ENDS = 16,
  ENGINE_BATCH = 4,            /* pictures that go through encoder and decoder together */
  ENGINE_PICTURES = 64,        /* the most that engine_pictures says */
  GENERATION_USUAL_LENGTH = 20 /* Transformers' max_length where nothing says another */
};

/* Generation settings with every value decided: the caller's, else the model's, else Transformers' defaults. */
typedef struct generation {
  generate_options search; /* eos points to ends */
  int32_t ends[ENGINE_MAX_ENDS];
  int32_t start;
} generation;

/* What a model's files say, read once when it is opened; its lists live in `memory`. */
int generation_read(generation *g, arena *memory, const captioner *m);
/* The rarer settings: sequence_bias, bad_words_ids, forced and suppressed tokens, exponential_decay_length_penalty, renormalize_logits. *out is NULL when there are none. `get` answers NULL for
 * a key that is missing or null. */
int rules_read(const generate_rules **out, arena *memory, const json_t *(*get)(const void *user, const char *key), const void *user, const int32_t *ends, int n_ends);
/* The caller's options over the model's; OPIS_EINVALID names the option. max_length is settled by generation_length once the prompt is known. */
int generation_apply(generation *g, const opis_model *model, const opis_options *o);

/* Memory and scratch of one caption in the making. */
typedef struct session {
  struct session *next;
  nn_context *nn;
  text_state *texts[ENGINE_BATCH]; /* one a picture of a batch; NULL until needed */
  float *logits;
  float *pixels, *encoded, *projected; /* of a batch; grow to their largest use */
  size_t n_pixels, n_encoded, n_projected, n_logits;
} session;

struct opis_model {
  model_files *files;
  arena weights;
  captioner captioner;
  preprocess preprocess;
  tokenizer *tokenizer;
  generation generation;
  int max_new_tokens, min_new_tokens; /* of the model's settings; 0: none */
  pool *threads;
  int precision;
  uint64_t parameters;
  /* Sessions that are not in use, and the digest: the only things that change, each under its lock. */
  pthread_mutex_t lock, digest_lock;
  session *idle;
  char sha256[65];
};

/* Between take and give the model's threads stay awake. */
int session_take(session **out, opis_model *model);
void session_give(opis_model *model, session *s);
void session_free(session *s);
/* Makes *buffer hold at least n floats. */
int session_reserve(float **buffer, size_t *have, size_t n);

/* pixel_values and encoder states of n pictures of one preprocessed size into the session: pixels [n, 3, H, W], encoded [n, T, hidden]. */
typedef struct encoded_size {
  int width, height, rows, columns, T;
} encoded_size;
int engine_encode(session *s, const opis_model *model, const opis_image *const *images, size_t n, encoded_size *size, arch_check check);
/* Projects picture i's encoder states to what the decoder sees; [T, captioner.width]. */
const float *engine_project(session *s, const opis_model *model, size_t i, const encoded_size *size);

/* With how many pictures a call of opis_describe_images keeps all threads at work; more bring nothing. */
size_t engine_pictures(const opis_model *model);

struct opis_description {
  int width, height;
  opis_timing timing;
  size_t n; /* candidates */
  struct description_candidate {
    char *text;
    double score;
    int32_t *tokens;
    size_t n_tokens;
    char **token_texts; /* [n_tokens] */
    float *attention;   /* [n_tokens, rows, columns] or NULL; rows of tokens that looked nowhere are negative */
  } * candidates;
  int rows, columns;
};

#endif
