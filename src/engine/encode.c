/* The first half of the way: pictures -> pixel_values -> encoder states. */
#include "engine/engine.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>

typedef struct prepare_job {
  const preprocess *p;
  float *pixels;
  size_t each;
  const opis_image *const *images;
  _Atomic int code;
} prepare_job;

static void run_prepare(void *user, size_t begin, size_t end, int thread)
{
  prepare_job *j = user;
  (void)thread;
  for (size_t i = begin; i < end; i++) {
    int code = preprocess_run(NULL, j->p, j->pixels + i * j->each, j->images[i]);
    if (code < 0)
      j->code = code;
  }
}

/* Each thread takes whole pictures. */
static int prepare_all(const opis_model *m, float *pixels, size_t each, const opis_image *const *images, size_t n)
{
  prepare_job j = {&m->preprocess, pixels, each, images, 0};
  pool_for(m->threads, n, 1, run_prepare, &j);
  return j.code < 0 ? error_set(j.code, "a picture could not be prepared") : 0;
}

int engine_encode(session *s, const opis_model *m, const opis_image *const *images, size_t n, encoded_size *size, arch_check check)
{
  const vision *v = &m->captioner.vision;
  preprocess_result_size(&m->preprocess, images[0]->width, images[0]->height, &size->width, &size->height);
  if (size->width <= 0 || size->height <= 0)
    return preprocess_run(NULL, &m->preprocess, NULL, images[0]); /* says why */
  int code = v->grid(v, size->height, size->width, &size->rows, &size->columns);
  if (code < 0)
    return code;
  size->T = v->prefix + size->rows * size->columns;
  size_t each = 3 * (size_t)size->width * (size_t)size->height, states = (size_t)size->T * (size_t)v->hidden;
  code = session_reserve(&s->pixels, &s->n_pixels, n * each);
  if (code == 0)
    code = session_reserve(&s->encoded, &s->n_encoded, n * states);
  if (code < 0)
    return code;
  code = n == 1 ? preprocess_run(m->threads, &m->preprocess, s->pixels, images[0]) : prepare_all(m, s->pixels, each, images, n);
  if (code < 0)
    return code;
  return v->forward(v, s->nn, s->encoded, s->pixels, n, size->height, size->width, check);
}

const float *engine_project(session *s, const opis_model *m, size_t i, const encoded_size *size)
{
  const captioner *c = &m->captioner;
  size_t T = (size_t)size->T, h = (size_t)c->vision.hidden, w = (size_t)c->width;
  const float *from = s->encoded + i * T * h;
  if (!c->projection)
    return from;
  if (session_reserve(&s->projected, &s->n_projected, T * w) < 0)
    return NULL;
  nn_linear_forward(s->nn, c->projection, s->projected, w, from, h, T, NULL);
  if (c->projection_norm.gain)
    nn_layer_norm(s->nn, s->projected, w, s->projected, w, T, w, c->projection_norm.gain, c->projection_norm.bias, c->projection_norm.eps);
  return s->projected;
}

int opis_trace_image(opis_trace *trace, opis_model *m, const opis_image *image)
{
  session *s;
  encoded_size size;
  *trace = (opis_trace){0};
  int code = session_take(&s, m);
  if (code < 0)
    return code;
  code = engine_encode(s, m, &image, 1, &size, (arch_check){0});
  if (code == 0) {
    size_t pixels = 3 * (size_t)size.width * (size_t)size.height * sizeof(float), states = (size_t)size.T * (size_t)m->captioner.vision.hidden * sizeof(float);
    *trace = (opis_trace){malloc(pixels), size.width, size.height, malloc(states), size.T, m->captioner.vision.hidden};
    if (trace->pixel_values && trace->encoder_last_hidden_state) {
      memcpy(trace->pixel_values, s->pixels, pixels);
      memcpy(trace->encoder_last_hidden_state, s->encoded, states);
    } else {
      opis_trace_free(trace);
      code = error_nomem();
    }
  }
  session_give(m, s);
  return code;
}

void opis_trace_free(opis_trace *trace)
{
  free(trace->pixel_values);
  free(trace->encoder_last_hidden_state);
  *trace = (opis_trace){0};
}
