/* Opening a model: files -> family -> packed weights, tokenizer, settings. */
#include "engine/engine.h"

#include "util/cpus.h"
#include "util/error.h"
#include "util/memory.h"

#include <stdlib.h>
#include <string.h>

static int open_tokenizer(opis_model *m)
{
  tokenizer_source s = {
    .config = model_files_tokenizer_config(m->files), .special_tokens_map = model_files_special_tokens_map(m->files), .added_tokens = model_files_added_tokens(m->files)};
  s.tokenizer_json = model_files_text(m->files, "tokenizer.json", &s.tokenizer_json_size);
  s.vocab_json = model_files_text(m->files, "vocab.json", &s.vocab_json_size);
  s.merges_txt = model_files_text(m->files, "merges.txt", &s.merges_txt_size);
  s.vocab_txt = model_files_text(m->files, "vocab.txt", &s.vocab_txt_size);
  int code = tokenizer_new(&m->tokenizer, &s);
  return code < 0 ? error_prefix(code, "%s", model_files_name(m->files)) : 0;
}

static int read_new_tokens(opis_model *m)
{
  const captioner *c = &m->captioner;
  for (size_t i = 0; i < sizeof c->settings / sizeof *c->settings; i++) {
    const json_t *most = json_object_get(c->settings[i], "max_new_tokens"), *least = json_object_get(c->settings[i], "min_new_tokens");
    if (m->max_new_tokens == 0 && json_is_integer(most) && json_integer_value(most) > 0 && json_integer_value(most) < GENERATE_MAX_LENGTH)
      m->max_new_tokens = (int)json_integer_value(most);
    if (m->min_new_tokens == 0 && json_is_integer(least) && json_integer_value(least) > 0 && json_integer_value(least) < GENERATE_MAX_LENGTH)
      m->min_new_tokens = (int)json_integer_value(least);
  }
  return 0;
}

static int build(opis_model *m, const opis_model_options *o)
{
  loader l = {.files = m->files,
    .memory = &m->weights,
    .threads = m->threads,
    .precision = o ? o->precision : OPIS_PRECISION_STORED,
    .progress = o ? o->progress : NULL,
    .user = o ? o->user : NULL};
  for (size_t i = 0; i < model_files_tensors(m->files); i++)
    l.total_bytes += model_files_tensor_at(m->files, i)->size;
  int code = captioner_build(&m->captioner, &l);
  if (code < 0)
    return code;
  m->precision = l.any_q8 ? OPIS_PRECISION_Q8 : OPIS_PRECISION_F32;
  m->parameters = l.parameters;
  code = preprocess_read(&m->preprocess, model_files_preprocessor_config(m->files), m->captioner.processor, m->captioner.vision.image_width, m->captioner.vision.image_height);
  if (code == 0)
    code = generation_read(&m->generation, &m->weights, &m->captioner);
  if (code == 0)
    code = read_new_tokens(m);
  if (code == 0)
    code = open_tokenizer(m);
  return code;
}

int opis_model_open(opis_model **out, const char *name, const opis_model_options *o)
{
  *out = NULL;
  if (o && (o->version != OPIS_MODEL_OPTIONS_VERSION || o->precision < 0 || o->precision > OPIS_PRECISION_Q8 || o->threads < 0 || o->threads > 1024))
    return error_set(OPIS_EINVALID, "model options: begin with OPIS_MODEL_OPTIONS_INIT; threads are 0 to 1024");
  const char *kernels;
  int code = nn_init(&kernels);
  if (code < 0)
    return code;
  opis_model *m = calloc(1, sizeof *m);
  if (!m)
    return error_nomem();
  pthread_mutex_init(&m->lock, NULL);
  pthread_mutex_init(&m->digest_lock, NULL);
  code = model_files_open_judged(&m->files, name, captioner_supported);
  if (code == 0)
    code = pool_new(&m->threads, o && o->threads ? o->threads : cpus_available());
  if (code == 0)
    code = build(m, o);
  if (code < 0) {
    opis_model_free(m);
    return code;
  }
  *out = m;
  return 0;
}

void opis_model_free(opis_model *m)
{
  if (!m)
    return;
  while (m->idle) {
    session *next = m->idle->next;
    session_free(m->idle);
    m->idle = next;
  }
  tokenizer_free(m->tokenizer);
  pool_free(m->threads);
  arena_free(&m->weights);
  model_files_close(m->files);
  pthread_mutex_destroy(&m->lock);
  pthread_mutex_destroy(&m->digest_lock);
  free(m);
}

const char *opis_model_name(const opis_model *m)
{
  return model_files_name(m->files);
}

const char *opis_model_family(const opis_model *m)
{
  return m->captioner.family;
}

const char *opis_model_sha256(const opis_model *model)
{
  opis_model *m = (opis_model *)(uintptr_t)model; /* the digest is computed once, under its lock */
  pthread_mutex_lock(&m->digest_lock);
  if (!m->sha256[0] && model_files_sha256(m->sha256, m->files) < 0)
    m->sha256[0] = '\0';
  pthread_mutex_unlock(&m->digest_lock);
  return m->sha256;
}

int opis_model_precision(const opis_model *m)
{
  return m->precision;
}

uint64_t opis_model_parameters(const opis_model *m)
{
  return m->parameters;
}

int opis_model_takes_prompt(const opis_model *m)
{
  return m->captioner.takes_prompt;
}

int opis_model_threads(const opis_model *m)
{
  return pool_threads(m->threads);
}

/* ---- sessions ---- */

void session_free(session *s)
{
  if (!s)
    return;
  for (size_t i = 0; i < ENGINE_BATCH; i++)
    text_state_free(s->texts[i]);
  free(s->logits);
  nn_context_free(s->nn);
  free(s->pixels);
  free(s->encoded);
  free(s->projected);
  free(s);
}

int session_take(session **out, opis_model *m)
{
  pthread_mutex_lock(&m->lock);
  session *s = m->idle;
  if (s)
    m->idle = s->next;
  pthread_mutex_unlock(&m->lock);
  int code = 0;
  if (!s) {
    s = calloc(1, sizeof *s);
    code = s ? nn_context_new(&s->nn, m->threads) : error_nomem();
  }
  if (code < 0) {
    session_free(s);
    s = NULL;
  } else
    pool_expect(m->threads);
  *out = s;
  return code;
}

void session_give(opis_model *m, session *s)
{
  pool_rest(m->threads);
  if (nn_context_check(s->nn) < 0) { /* one that ran out of memory is not used again */
    session_free(s);
    return;
  }
  pthread_mutex_lock(&m->lock);
  s->next = m->idle;
  m->idle = s;
  pthread_mutex_unlock(&m->lock);
}

int session_reserve(float **buffer, size_t *have, size_t n)
{
  if (n <= *have)
    return 0;
  float *larger = memory_large(n * sizeof *larger);
  if (!larger)
    return OPIS_ENOMEM;
  free(*buffer);
  *buffer = larger;
  *have = n;
  return 0;
}
