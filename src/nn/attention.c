/* Attention: softmax(scale q k^T + mask) v, head by head. A query's scores live in a few kilobytes; the matrix of all scores is never stored. */
#include "nn/context.h"

#include <string.h>

typedef struct job {
  const nn_kernels *k;
  const nn_attention *a;
  float *out;
  const float *q, *keys, *values;
  size_t ldo, ldq, ldk, ldv, queries, n_keys;
  float *scores; /* one line of n_keys for each thread */
  float *weights;
  /* a step of decoding */
  const int32_t *index, *lengths;
  size_t ld_index, ld_weights;
} job;

/* How many keys query i sees. */
static size_t visible(const job *j, size_t i)
{
  if (!j->a->causal)
    return j->n_keys;
  size_t before = j->n_keys - j->queries + i + 1, prefix = (size_t)j->a->prefix;
  return before < prefix ? prefix : before;
}

static void run(void *user, size_t begin, size_t end, int thread)
{
  const job *j = user;
  size_t size = (size_t)j->a->head_size;
  float *scores = j->scores + (size_t)thread * j->n_keys;
  for (size_t at = begin; at < end; at++) {
    size_t head = at / j->queries, i = at % j->queries, n = visible(j, i);
    const float *q = j->q + i * j->ldq + head * size, *k = j->keys + head * size, *v = j->values + head * size;
    for (size_t t = 0; t < n; t++)
      scores[t] = j->a->scale * j->k->dot(q, k + t * j->ldk, size);
    j->k->softmax(scores, n);
    float *out = j->out + i * j->ldo + head * size;
    memset(out, 0, size * sizeof *out);
    for (size_t t = 0; t < n; t++)
      j->k->axpy(out, scores[t], v + t * j->ldv, size);
    if (j->weights) {
      float *w = j->weights + at * j->n_keys;
      memcpy(w, scores, n * sizeof *w);
      memset(w + n, 0, (j->n_keys - n) * sizeof *w);
    }
  }
}

void nn_attention_forward(nn_context *c, const nn_attention *a, float *out, size_t ldo, const float *q, size_t ldq, size_t queries, const float *k, size_t ldk, const float *v,
  size_t ldv, size_t keys, float *weights)
{
  job j = {c->k, a, out, q, k, v, ldo, ldq, ldk, ldv, queries, keys, NULL, weights, NULL, NULL, 0, 0};
  j.scores = nn_scratch(c, (size_t)pool_threads(c->threads) * keys * sizeof(float));
  if (!j.scores)
    return;
  size_t work = keys * (size_t)a->head_size * 2;
  pool_for(c->threads, (size_t)a->heads * queries, 1 + 100000 / (work + 1), run, &j);
}

static void run_step(void *user, size_t begin, size_t end, int thread)
{
  const job *j = user;
  size_t size = (size_t)j->a->head_size, heads = (size_t)j->a->heads;
  float *scores = j->scores + (size_t)thread * j->n_keys;
  for (size_t at = begin; at < end; at++) {
    size_t b = at / heads, head = at % heads, n = (size_t)j->lengths[b];
    const int32_t *index = j->index ? j->index + b * j->ld_index : NULL;
    const float *q = j->q + b * j->ldq + head * size, *k = j->keys + head * size, *v = j->values + head * size;
    for (size_t t = 0; t < n; t++)
      scores[t] = j->a->scale * j->k->dot(q, k + (index ? (size_t)index[t] : t) * j->ldk, size);
    j->k->softmax(scores, n);
    float *out = j->out + b * j->ldo + head * size;
    memset(out, 0, size * sizeof *out);
    for (size_t t = 0; t < n; t++)
      j->k->axpy(out, scores[t], v + (index ? (size_t)index[t] : t) * j->ldv, size);
    if (j->weights)
      memcpy(j->weights + at * j->ld_weights, scores, n * sizeof *scores);
  }
}

void nn_attention_step(nn_context *c, const nn_attention *a, float *out, size_t ldo, const float *q, size_t ldq, size_t B, const float *k, size_t ldk, const float *v, size_t ldv,
  const int32_t *index, size_t ld_index, const int32_t *lengths, float *weights, size_t ld_weights)
{
  size_t longest = 0;
  for (size_t b = 0; b < B; b++)
    longest = (size_t)lengths[b] > longest ? (size_t)lengths[b] : longest;
  job j = {c->k, a, out, q, k, v, ldo, ldq, ldk, ldv, 1, longest, NULL, weights, index, lengths, ld_index, ld_weights};
  j.scores = nn_scratch(c, (size_t)pool_threads(c->threads) * longest * sizeof(float));
  if (!j.scores)
    return;
  size_t work = longest * (size_t)a->head_size * 2;
  pool_for(c->threads, B * (size_t)a->heads, 1 + 100000 / (work + 1), run_step, &j);
}
