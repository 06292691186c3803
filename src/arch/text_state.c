/* Feeding a decoder. Keys and values stand in slots that are never moved: when beams are reordered, only each beam's list of slots is.
 *
 * Slots: the picture's tokens first (GIT), then one for every place of a row and beam: slot(place, beam) = prefix + place * beams + beam. */
#include "arch/text_decoder.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>

struct text_state {
  const text_decoder *d;
  int T, beams, max_length;
  size_t prefix, slots, ld_index, place; /* place: of the token that is fed next */
  bool attention;
  float *keys, *values;                         /* [layers, slots, hidden] */
  float *cross;                                 /* [layers, T, 2 hidden] */
  float *x, *scratch;                           /* [beams, hidden]; a block's scratch for as many rows as a pass has */
  float *weights, *looked;                      /* [beams, heads, T]; [max_length, beams, T] */
  int32_t *index, *spare;                       /* [beams, ld_index] */
  int32_t *new_slots, *lengths, *cross_lengths; /* [beams] */
  void *memory;
  size_t capacity;
};

int text_state_new(text_state **out, const text_decoder *d)
{
  *out = calloc(1, sizeof **out);
  if (!*out)
    return error_nomem();
  (*out)->d = d;
  return 0;
}

void text_state_free(text_state *s)
{
  if (!s)
    return;
  free(s->memory);
  free(s);
}

/* Lays everything out in one piece; called once to measure (base NULL) and once for real. */
static size_t layout(text_state *s, char *base)
{
  const text_decoder *d = s->d;
  size_t h = (size_t)d->o.hidden, B = (size_t)s->beams, L = (size_t)d->layers, T = (size_t)s->T, at = 0;
  size_t rows = s->prefix > B ? s->prefix : B;
#define PIECE(pointer, count)                                                                                                                                                      \
  do {                                                                                                                                                                             \
    (pointer) = base ? (void *)(base + at) : NULL;                                                                                                                                 \
    at += ((count) * sizeof *(pointer) + 63) / 64 * 64;                                                                                                                            \
  } while (0)
  PIECE(s->keys, L * s->slots * h);
  PIECE(s->values, L * s->slots * h);
  PIECE(s->cross, d->prefix ? 2 * T * h : L * T * 2 * h);
  PIECE(s->x, rows * h);
  PIECE(s->scratch, block_scratch_floats(&d->o, rows));
  PIECE(s->weights, s->attention ? B * (size_t)d->o.heads * T : 0);
  PIECE(s->looked, s->attention ? (size_t)s->max_length * B * T : 0);
  PIECE(s->index, B * s->ld_index);
  PIECE(s->spare, B * s->ld_index);
  PIECE(s->new_slots, B);
  PIECE(s->lengths, B);
  PIECE(s->cross_lengths, B);
#undef PIECE
  return at;
}

static int reserve(text_state *s)
{
  size_t need = layout(s, NULL);
  if (need > s->capacity) {
    void *memory = NULL;
    free(s->memory);
    s->memory = NULL;
    s->capacity = 0;
    if (posix_memalign(&memory, 64, need) != 0)
      return error_nomem();
    s->memory = memory;
    s->capacity = need;
  }
  layout(s, s->memory);
  return 0;
}

/* GIT: the picture's tokens pass through the layers by themselves, and leave their keys and values for the text. */
static int run_prefix(text_state *s, nn_context *c, const float *encoded, arch_check check)
{
  const text_decoder *d = s->d;
  size_t h = (size_t)d->o.hidden, T = (size_t)s->T;
  block_scratch scratch = block_scratch_from(s->scratch, &d->o, T);
  memcpy(s->x, encoded, T * h * sizeof *s->x);
  for (int i = 0; i < d->layers; i++) {
    int code = check.ask ? check.ask(check.user) : 0;
    if (code < 0)
      return code;
    block_forward(c, &d->blocks[i], &d->o, &scratch, s->x, 1, T, s->cross);
    for (size_t t = 0; t < T; t++) {
      memcpy(s->keys + ((size_t)i * s->slots + t) * h, s->cross + t * 2 * h, h * sizeof *s->x);
      memcpy(s->values + ((size_t)i * s->slots + t) * h, s->cross + t * 2 * h + h, h * sizeof *s->x);
    }
  }
  return nn_context_check(c);
}

int text_state_begin(text_state *s, nn_context *c, const float *encoded, int T, int beams, int max_length, bool attention, arch_check check)
{
  const text_decoder *d = s->d;
  if (max_length - 1 > d->positions)
    return error_set(OPIS_EINVALID, "max_length: %d is more than the %d positions that this model knows", max_length, d->positions);
  s->T = T;
  s->beams = beams;
  s->max_length = max_length;
  s->attention = attention && !d->prefix;
  s->prefix = d->prefix ? (size_t)T : 0;
  s->slots = s->prefix + (size_t)max_length * (size_t)beams;
  s->ld_index = s->prefix + (size_t)max_length;
  s->place = 0;
  int code = reserve(s);
  if (code < 0)
    return code;
  for (size_t i = 0; i < s->prefix; i++)
    s->index[i] = (int32_t)i;
  for (int b = 0; b < beams; b++)
    s->cross_lengths[b] = T;
  if (d->prefix)
    return run_prefix(s, c, encoded, check);
  size_t h = (size_t)d->o.hidden;
  for (int i = 0; i < d->layers; i++)
    nn_linear_forward(c, d->blocks[i].cross_kv, s->cross + (size_t)i * (size_t)T * 2 * h, 2 * h, encoded, (size_t)d->encoder_hidden, (size_t)T, NULL);
  return nn_context_check(c);
}

/* Beam b goes on with what beam source[b] had, and gets a slot of its own for the coming token. */
static void reorder(text_state *s, const int32_t *source, size_t live)
{
  size_t seen = s->prefix + s->place;
  if (source) {
    for (size_t b = 0; b < live; b++)
      memcpy(s->spare + b * s->ld_index, s->index + (size_t)source[b] * s->ld_index, seen * sizeof *s->index);
    int32_t *swap = s->index;
    s->index = s->spare;
    s->spare = swap;
  }
  for (size_t b = 0; b < live; b++) {
    s->new_slots[b] = (int32_t)(s->prefix + s->place * (size_t)s->beams + b);
    s->index[b * s->ld_index + seen] = s->new_slots[b];
    s->lengths[b] = (int32_t)seen + 1;
  }
}

static void embed(const text_state *s, nn_context *c, const int32_t *tokens, size_t rows)
{
  const text_decoder *d = s->d;
  size_t h = (size_t)d->o.hidden;
  const float *position = d->position + s->place * h;
  for (size_t b = 0; b < rows; b++) {
    float *x = s->x + b * h;
    tensor_read_f32(x, d->words, (int64_t)tokens[b] * (int64_t)h, (int64_t)h);
    for (size_t i = 0; i < h; i++)
      x[i] += position[i];
  }
  if (d->embedding_norm.gain)
    nn_layer_norm(c, s->x, h, s->x, h, rows, h, d->embedding_norm.gain, d->embedding_norm.bias, d->embedding_norm.eps);
}

/* Adds one layer's weights [rows, heads, T] to the mean over layers and heads. */
static void look(text_state *s, size_t rows)
{
  const text_decoder *d = s->d;
  size_t T = (size_t)s->T, heads = (size_t)d->o.heads;
  float share = 1.0f / (float)((size_t)d->layers * heads);
  for (size_t b = 0; b < rows; b++) {
    float *to = s->looked + (s->place * (size_t)s->beams + b) * T;
    for (size_t k = 0; k < heads; k++)
      for (size_t t = 0; t < T; t++)
        to[t] += share * s->weights[(b * heads + k) * T + t];
  }
}

static void head(const text_state *s, nn_context *c, block_scratch *scratch, float *logits, size_t rows)
{
  const text_decoder *d = s->d;
  size_t h = (size_t)d->o.hidden;
  const float *x = s->x;
  if (d->final_norm.gain)
    nn_layer_norm(c, s->x, h, s->x, h, rows, h, d->final_norm.gain, d->final_norm.bias, d->final_norm.eps);
  if (d->transform) {
    nn_epilogue e = {.activation = d->transform_activation};
    nn_linear_forward(c, d->transform, scratch->normed, h, s->x, h, rows, &e);
    nn_layer_norm(c, scratch->normed, h, scratch->normed, h, rows, h, d->transform_norm.gain, d->transform_norm.bias, d->transform_norm.eps);
    x = scratch->normed;
  }
  nn_linear_forward(c, d->head, logits, (size_t)d->vocab, x, h, rows, NULL);
}

/* One token for each of `rows` beams; logits NULL: nobody asks what comes next (the inside of a prompt). */
static void feed(text_state *s, nn_context *c, float *logits, const int32_t *tokens, const int32_t *source, size_t rows)
{
  const text_decoder *d = s->d;
  size_t h = (size_t)d->o.hidden;
  reorder(s, source, rows);
  embed(s, c, tokens, rows);
  if (s->attention)
    memset(s->looked + s->place * (size_t)s->beams * (size_t)s->T, 0, rows * (size_t)s->T * sizeof *s->looked);
  block_scratch scratch = block_scratch_from(s->scratch, &d->o, rows);
  for (int i = 0; i < d->layers; i++) {
    block_cache k = {
      .keys = s->keys + (size_t)i * s->slots * h,
      .values = s->values + (size_t)i * s->slots * h,
      .ld = h,
      .slots = s->new_slots,
      .index = s->index,
      .ld_index = s->ld_index,
      .lengths = s->lengths,
      .cross = d->prefix ? NULL : s->cross + (size_t)i * (size_t)s->T * 2 * h,
      .cross_lengths = s->cross_lengths,
      .cross_weights = s->attention ? s->weights : NULL,
      .T = (size_t)s->T,
    };
    block_step(c, &d->blocks[i], &d->o, &scratch, s->x, rows, &k);
    if (s->attention)
      look(s, rows);
  }
  if (logits)
    head(s, c, &scratch, logits, rows);
  s->place++;
}

int text_state_step(text_state *s, nn_context *c, float *logits, const int32_t *tokens, size_t n_tokens, const int32_t *source, size_t live)
{
  if (!source) { /* start and prompt, for beam 0 alone */
    for (size_t i = 0; i < n_tokens; i++)
      feed(s, c, i + 1 == n_tokens ? logits : NULL, &tokens[i], NULL, 1);
    return nn_context_check(c);
  }
  feed(s, c, logits, tokens, source, live);
  return nn_context_check(c);
}

const float *text_state_attention(const text_state *s, size_t place, size_t beam)
{
  return s->attention && place < s->place && beam < (size_t)s->beams ? s->looked + (place * (size_t)s->beams + beam) * (size_t)s->T : NULL;
}
