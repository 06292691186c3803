/* What 8 bits do to a model, part by part: a reference (f32) writes a row of tokens for each picture, greedily; the same tokens are then given to both models (teacher forcing), and the distributions of
 * what comes next are compared at every place.
 *   build/bench/precision REFERENCE MODEL PICTURE...
 * error: |a - b| / |b| of the encoder's states, and of the logits (their mean over the vocabulary, which means nothing, taken off); KL in nats; top: places at which both have the same best token. */
#include "engine/engine.h"

#include "util/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 24 };

typedef struct side {
  opis_model *model;
  session *s;
  const float *states;
  int T;
} side;

typedef struct sums {
  double square, whole, kl, top, margin, entropy;
  size_t places;
} sums;

static void check(int code)
{
  if (code < 0) {
    fprintf(stderr, "%s\n", opis_error_message());
    exit(1);
  }
}

static int32_t best_of(const float *x, size_t n, float *margin)
{
  size_t best = 0;
  float second = -INFINITY;
  for (size_t i = 1; i < n; i++)
    if (x[i] > x[best]) {
      second = x[best];
      best = i;
    } else if (x[i] > second) {
      second = x[i];
    }
  *margin = x[best] - second;
  return (int32_t)best;
}

/* Logits [PLACES, vocab] of a decoder over states; tokens NULL: greedily, into `written`. */
static void decode(float *logits, const text_decoder *d, nn_context *c, const float *states, int T, const int32_t *tokens, int32_t *written, int32_t start)
{
  text_state *state;
  const size_t vocab = (size_t)d->vocab;
  const int32_t same = 0;
  int32_t token = start;
  float margin;
  check(text_state_new(&state, d));
  check(text_state_begin(state, c, states, T, 1, PLACES, false, (arch_check){0}));
  for (size_t i = 0; i < PLACES; i++) {
    text_feed feed = {state, &token, 1, i ? &same : NULL, 1};
    check(text_states_feed(c, logits + i * vocab, &feed, 1));
    token = tokens ? tokens[i] : best_of(logits + i * vocab, vocab, &margin);
    if (written)
      written[i] = token;
  }
  text_state_free(state);
}

static void compare(sums *s, const float *got, const float *want, size_t vocab)
{
  float *p = malloc(2 * vocab * sizeof *p), *q = p + vocab, margin, other;
  for (size_t i = 0; p && i < PLACES; i++, got += vocab, want += vocab) {
    double mean_got = 0, mean_want = 0;
    for (size_t k = 0; k < vocab; k++) {
      mean_got += (double)got[k] / (double)vocab;
      mean_want += (double)want[k] / (double)vocab;
    }
    for (size_t k = 0; k < vocab; k++) {
      double a = (double)got[k] - mean_got, b = (double)want[k] - mean_want;
      s->square += (a - b) * (a - b);
      s->whole += b * b;
    }
    s->top += best_of(want, vocab, &margin) == best_of(got, vocab, &other);
    s->margin += (double)margin;
    memcpy(p, want, vocab * sizeof *p);
    memcpy(q, got, vocab * sizeof *q);
    nn_log_softmax(p, vocab);
    nn_log_softmax(q, vocab);
    for (size_t k = 0; k < vocab; k++) {
      s->kl += exp((double)p[k]) * ((double)p[k] - (double)q[k]);
      s->entropy -= exp((double)p[k]) * (double)p[k];
    }
    s->places++;
  }
  free(p);
}

static void say(const char *what, const sums *s, size_t vocab)
{
  const double n = (double)s->places, noise = sqrt(s->square / n / (double)vocab);
  printf("%-44s logits' error %.5f   KL %.2g   top %zu of %zu   margin %.1f times the error of a difference\n", what, sqrt(s->square / s->whole), s->kl / n, (size_t)s->top,
    s->places, s->margin / n / (noise * sqrt(2)));
}

static void encode(side *x, const opis_image *image)
{
  encoded_size size;
  check(engine_encode(x->s, x->model, &image, 1, &size, (arch_check){0}));
  x->states = engine_project(x->s, x->model, 0, &size);
  x->T = size.T;
  if (!x->states)
    exit(1);
}

int main(int argc, char **argv)
{
  if (argc < 4) {
    fprintf(stderr, "usage: precision REFERENCE MODEL PICTURE...\n");
    return 2;
  }
  side sides[2];
  for (int i = 0; i < 2; i++) {
    check(opis_model_open(&sides[i].model, argv[1 + i], NULL));
    check(session_take(&sides[i].s, sides[i].model));
  }
  const text_decoder *d[2] = {&sides[0].model->captioner.text, &sides[1].model->captioner.text};
  const size_t vocab = (size_t)d[0]->vocab, layers = (size_t)d[0]->layers, all = PLACES * vocab;
  float *want = malloc(2 * all * sizeof *want), *got = want + all;
  sums *by_layer = calloc(layers + 1, sizeof *by_layer), parts[4] = {{0}};
  double square = 0, whole = 0;
  if (!want || !by_layer || d[1]->vocab != d[0]->vocab || d[1]->layers != d[0]->layers)
    return 1;
  for (int i = 3; i < argc; i++) {
    opis_image *image;
    int32_t tokens[PLACES];
    check(opis_image_open_file(&image, argv[i], NULL));
    for (int k = 0; k < 2; k++)
      encode(&sides[k], image);
    opis_image_free(image);
    const int T = sides[0].T;
    for (size_t k = 0; k < (size_t)T * (size_t)sides[0].model->captioner.width; k++) {
      double a = (double)sides[1].states[k], b = (double)sides[0].states[k];
      square += (a - b) * (a - b);
      whole += b * b;
    }
    const int32_t start = sides[0].model->generation.start;
    decode(want, d[0], sides[0].s->nn, sides[0].states, T, NULL, tokens, start);
    text_decoder floats = *d[1]; /* a picture's keys and values as floats */
    floats.o.half_cross = false;
    const struct {
      const text_decoder *d;
      const side *states;
    } each[4] = {{d[1], &sides[1]}, {d[0], &sides[1]}, {d[1], &sides[0]}, {&floats, &sides[0]}};
    for (size_t k = 0; k < 4; k++) {
      decode(got, each[k].d, sides[0].s->nn, each[k].states->states, T, tokens, NULL, start);
      compare(&parts[k], got, want, vocab);
    }
    for (size_t n = 1; n <= layers; n++) { /* the decoder's first n layers, and its head */
      text_decoder a = *d[0], b = *d[1];
      a.layers = b.layers = (int)n;
      decode(want, &a, sides[0].s->nn, sides[0].states, T, tokens, NULL, start);
      decode(got, &b, sides[0].s->nn, sides[0].states, T, tokens, NULL, start);
      compare(&by_layer[n], got, want, vocab);
    }
  }
  const double places = (double)parts[0].places;
  printf("encoder's error %.5f; the reference: entropy %.2f of at most %.2f nats, best before next best %.3f nats\n", sqrt(square / whole), parts[0].entropy / places,
    log((double)vocab), parts[0].margin / places);
  static const char *const names[4] = {"the model", "the model's encoder, the reference's decoder", "the reference's encoder, the model's decoder", "the same without halves"};
  for (size_t k = 0; k < 4; k++)
    say(names[k], &parts[k], vocab);
  for (size_t n = 1; n <= layers; n++)
    printf("decoder's first %2zu layers and head: logits' error %.5f\n", n, sqrt(by_layer[n].square / by_layer[n].whole));
  for (int i = 0; i < 2; i++) {
    session_give(sides[i].model, sides[i].s);
    opis_model_free(sides[i].model);
  }
  free(want);
  free(by_layer);
  return 0;
}
