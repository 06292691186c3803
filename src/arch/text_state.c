/* Feeding a decoder. Keys and values stand in slots that are never moved: when beams are reordered, only each beam's list of slots is.
 *
 * Slots: the picture's tokens first (GIT), then one for every place of a row and beam: slot(place, beam) = prefix + place * beams + beam. */
#include "arch/text_decoder.h"

#include "util/error.h"
#include "util/memory.h"

#include <stdlib.h>
#include <string.h>

struct text_state {
  const text_decoder *d;
  int T, beams, max_length;
  size_t prefix, slots, ld_index, place; /* place: of the token that is fed next */
  bool attention;
  float *keys, *values;         /* [layers, slots, hidden] */
  float *cross;                 /* [layers] of packed keys and values of the picture */
  size_t cross_floats;          /* of one layer */
  float *weights, *looked;      /* [heads, beams, T]; [max_length, beams, T] */
  int32_t *index, *spare;       /* [beams, ld_index] */
  int32_t *new_slots, *lengths; /* [beams] */
  void *memory;
  size_t capacity;
  /* Of a pass, not of a search: the first state of a feed lends them. */
  float *pass;
  size_t pass_floats;
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
  free(s->pass);
  free(s);
}

/* Lays everything out in one piece; called once to measure (base NULL) and once for real. */
static size_t layout(text_state *s, char *base)
{
  const text_decoder *d = s->d;
  size_t h = (size_t)d->o.hidden, B = (size_t)s->beams, L = (size_t)d->layers, T = (size_t)s->T, at = 0;
#define PIECE(pointer, count)                                                                                                                                                      \
  do {                                                                                                                                                                             \
    (pointer) = base ? (void *)(base + at) : NULL;                                                                                                                                 \
    at += ((count) * sizeof *(pointer) + 63) / 64 * 64;                                                                                                                            \
  } while (0)
  PIECE(s->keys, L * s->slots * h);
  PIECE(s->values, L * s->slots * h);
  PIECE(s->cross, L * s->cross_floats);
  PIECE(s->weights, s->attention ? B * (size_t)d->o.heads * T : 0);
  PIECE(s->looked, s->attention ? (size_t)s->max_length * B * T : 0);
  PIECE(s->index, B * s->ld_index);
  PIECE(s->spare, B * s->ld_index);
  PIECE(s->new_slots, B);
  PIECE(s->lengths, B);
#undef PIECE
  return at;
}

static void measure(text_state *s, int T, int beams, int max_length, bool attention)
{
  const text_decoder *d = s->d;
  nn_attention a = {.heads = d->o.heads, .head_size = d->o.hidden / d->o.heads, .half = d->o.half_cross};
  s->T = T;
  s->beams = beams;
  s->max_length = max_length;
  s->attention = attention && !d->prefix;
  s->prefix = d->prefix ? (size_t)T : 0;
  s->slots = s->prefix + (size_t)max_length * (size_t)beams;
  s->ld_index = s->prefix + (size_t)max_length;
  s->cross_floats = d->prefix ? 0 : (nn_attention_packed_floats(&a, (size_t)T) + 15) / 16 * 16;
}

size_t text_state_bytes(const text_decoder *d, int T, int beams, int max_length)
{
  text_state s = {.d = d};
  measure(&s, T, beams, max_length, false);
  return layout(&s, NULL);
}

/* Floats for a pass over so many rows: x, and a block's scratch; wider where a picture's own tokens or its keys and values pass. */
static float *pass_reserve(text_state *s, size_t rows, size_t more)
{
  const text_decoder *d = s->d;
  size_t need = rows * (size_t)d->o.hidden + block_scratch_floats(&d->o, rows) + more;
  if (need > s->pass_floats) {
    free(s->pass);
    s->pass = NULL;
    s->pass_floats = 0;
    s->pass = memory_large(need * sizeof *s->pass);
    if (!s->pass)
      return NULL;
    s->pass_floats = need;
  }
  return s->pass;
}

static int reserve(text_state *s)
{
  size_t need = layout(s, NULL);
  if (need > s->capacity) {
    free(s->memory);
    s->capacity = 0;
    s->memory = memory_large(need);
    if (!s->memory)
      return OPIS_ENOMEM;
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
  float *x = pass_reserve(s, T, 2 * T * h), *kv = x ? x + T * h : NULL;
  if (!x)
    return OPIS_ENOMEM;
  block_scratch scratch = block_scratch_from(kv + 2 * T * h, &d->o, T);
  memcpy(x, encoded, T * h * sizeof *x);
  for (int i = 0; i < d->layers; i++) {
    int code = check.ask ? check.ask(check.user) : 0;
    if (code < 0)
      return code;
    block_forward(c, &d->blocks[i], &d->o, &scratch, x, 1, T, kv);
    for (size_t t = 0; t < T; t++) {
      memcpy(s->keys + ((size_t)i * s->slots + t) * h, kv + t * 2 * h, h * sizeof *x);
      memcpy(s->values + ((size_t)i * s->slots + t) * h, kv + t * 2 * h + h, h * sizeof *x);
    }
  }
  return nn_context_check(c);
}

static int run_cross(text_state *s, nn_context *c, const float *encoded)
{
  const text_decoder *d = s->d;
  size_t h = (size_t)d->o.hidden, T = (size_t)s->T;
  float *kv = pass_reserve(s, 0, 2 * T * h);
  if (!kv)
    return OPIS_ENOMEM;
  for (int i = 0; i < d->layers; i++) {
    nn_attention a = block_attention(&d->blocks[i], &d->o);
    nn_linear_forward(c, d->blocks[i].cross_kv, kv, 2 * h, encoded, (size_t)d->encoder_hidden, T, NULL);
    nn_attention_pack(c, &a, s->cross + (size_t)i * s->cross_floats, kv, 2 * h, kv + h, 2 * h, T);
  }
  return nn_context_check(c);
}

int text_state_begin(text_state *s, nn_context *c, const float *encoded, int T, int beams, int max_length, bool attention, arch_check check)
{
  const text_decoder *d = s->d;
  if (max_length - 1 > d->positions)
    return error_set(OPIS_EINVALID, "max_length: %d is more than the %d positions that this model knows", max_length, d->positions);
  measure(s, T, beams, max_length, attention);
  s->place = 0;
  int code = reserve(s);
  if (code < 0)
    return code;
  for (size_t i = 0; i < s->prefix; i++)
    s->index[i] = (int32_t)i;
  return d->prefix ? run_prefix(s, c, encoded, check) : run_cross(s, c, encoded);
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

static void embed(const text_state *s, nn_context *c, float *x, const int32_t *tokens, size_t rows)
{
  const text_decoder *d = s->d;
  enum { PART = 256 };
  float position[PART];
  size_t h = (size_t)d->o.hidden;
  for (size_t b = 0; b < rows; b++)
    tensor_read_f32(x + b * h, d->words, (int64_t)tokens[b] * (int64_t)h, (int64_t)h);
  for (size_t i = 0; i < h; i += PART) {
    size_t n = h - i < PART ? h - i : PART;
    tensor_read_f32(position, d->position, (int64_t)(s->place * h + i), (int64_t)n);
    for (size_t b = 0; b < rows; b++)
      for (size_t k = 0; k < n; k++)
        x[b * h + i + k] += position[k];
  }
  if (d->embedding_norm.gain)
    nn_layer_norm(c, x, h, x, h, rows, h, d->embedding_norm.gain, d->embedding_norm.bias, d->embedding_norm.eps);
}

/* Adds one layer's weights [heads, rows, T] to the mean over layers and heads. */
static void look(text_state *s, size_t rows)
{
  const text_decoder *d = s->d;
  size_t T = (size_t)s->T, heads = (size_t)d->o.heads;
  float share = 1.0f / (float)((size_t)d->layers * heads);
  for (size_t b = 0; b < rows; b++) {
    float *to = s->looked + (s->place * (size_t)s->beams + b) * T;
    for (size_t k = 0; k < heads; k++)
      for (size_t t = 0; t < T; t++)
        to[t] += share * s->weights[(k * rows + b) * T + t];
  }
}

static void head(const text_decoder *d, nn_context *c, block_scratch *scratch, float *logits, float *x, size_t rows)
{
  size_t h = (size_t)d->o.hidden;
  if (d->final_norm.gain)
    nn_layer_norm(c, x, h, x, h, rows, h, d->final_norm.gain, d->final_norm.bias, d->final_norm.eps);
  if (d->transform) {
    nn_epilogue e = {.activation = d->transform_activation};
    nn_linear_forward(c, d->transform, scratch->normed, h, x, h, rows, &e);
    nn_layer_norm(c, scratch->normed, h, scratch->normed, h, rows, h, d->transform_norm.gain, d->transform_norm.bias, d->transform_norm.eps);
    x = scratch->normed;
  }
  nn_linear_forward(c, d->head, logits, (size_t)d->vocab, x, h, rows, NULL);
}

static block_cache cache_of(const text_state *s, size_t layer, size_t rows)
{
  size_t h = (size_t)s->d->o.hidden;
  return (block_cache){
    .rows = rows,
    .keys = s->keys + layer * s->slots * h,
    .values = s->values + layer * s->slots * h,
    .ld = h,
    .slots = s->new_slots,
    .index = s->index,
    .ld_index = s->ld_index,
    .lengths = s->lengths,
    .cross = s->prefix ? NULL : s->cross + layer * s->cross_floats,
    .T = (size_t)s->T,
    .cross_weights = s->attention ? s->weights : NULL,
  };
}

/* One token for each row of each picture; logits NULL: nobody asks what comes next (the inside of a prompt). */
static int pass(nn_context *c, float *logits, const text_feed *feeds, size_t n)
{
  const text_decoder *d = feeds[0].state->d;
  size_t h = (size_t)d->o.hidden, rows = 0;
  for (size_t i = 0; i < n; i++)
    rows += feeds[i].live;
  float *x = pass_reserve(feeds[0].state, rows, 0);
  block_cache caches[TEXT_MOST_PICTURES];
  if (!x)
    return OPIS_ENOMEM;
  block_scratch scratch = block_scratch_from(x + rows * h, &d->o, rows);
  float *at = x;
  for (size_t i = 0; i < n; at += feeds[i].live * h, i++) {
    text_state *s = feeds[i].state;
    reorder(s, feeds[i].source, feeds[i].live);
    embed(s, c, at, feeds[i].tokens, feeds[i].live);
    if (s->attention)
      memset(s->looked + s->place * (size_t)s->beams * (size_t)s->T, 0, feeds[i].live * (size_t)s->T * sizeof *s->looked);
  }
  for (size_t layer = 0; layer < (size_t)d->layers; layer++) {
    for (size_t i = 0; i < n; i++)
      caches[i] = cache_of(feeds[i].state, layer, feeds[i].live);
    block_step(c, &d->blocks[layer], &d->o, &scratch, x, caches, n);
    for (size_t i = 0; i < n; i++)
      if (feeds[i].state->attention)
        look(feeds[i].state, feeds[i].live);
  }
  if (logits)
    head(d, c, &scratch, logits, x, rows);
  for (size_t i = 0; i < n; i++)
    feeds[i].state->place++;
  return nn_context_check(c);
}

int text_states_feed(nn_context *c, float *logits, const text_feed *feeds, size_t n)
{
  text_feed now[TEXT_MOST_PICTURES];
  if (n == 0 || n > TEXT_MOST_PICTURES)
    return error_set(OPIS_EINTERNAL, "text_states_feed: %zu pictures", n);
  if (feeds[0].source)
    return pass(c, logits, feeds, n);
  for (size_t k = 0; k < feeds[0].n_tokens; k++) { /* start and prompt, for beam 0 alone */
    for (size_t i = 0; i < n; i++)
      now[i] = (text_feed){feeds[i].state, &feeds[i].tokens[k], 1, NULL, 1};
    int code = pass(c, k + 1 == feeds[0].n_tokens ? logits : NULL, now, n);
    if (code < 0)
      return code;
  }
  return 0;
}

const float *text_state_attention(const text_state *s, size_t place, size_t beam)
{
  return s->attention && place < s->place && beam < (size_t)s->beams ? s->looked + (place * (size_t)s->beams + beam) * (size_t)s->T : NULL;
}
