/* The small layers: norms, activations, patches, log_softmax; split over the threads where that pays. */
#include "nn/context.h"

#include "util/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

typedef struct norm_job {
  const nn_kernels *k;
  float *y;
  const float *x, *gain, *bias;
  size_t ldy, ldx, N;
  float eps;
} norm_job;

static void run_norm(void *user, size_t begin, size_t end, int thread)
{
  const norm_job *j = user;
  (void)thread;
  for (size_t m = begin; m < end; m++)
    j->k->layer_norm(j->y + m * j->ldy, j->x + m * j->ldx, j->N, j->gain, j->bias, j->eps);
}

void nn_layer_norm(nn_context *c, float *y, size_t ldy, const float *x, size_t ldx, size_t M, size_t N, const float *gain, const float *bias, float eps)
{
  norm_job j = {c->k, y, x, gain, bias, ldy, ldx, N, eps};
  pool_for(c->threads, M, 1 + 32768 / (N + 1), run_norm, &j);
}

typedef struct activate_job {
  const nn_kernels *k;
  float *x;
  nn_activation activation;
} activate_job;

static void run_activate(void *user, size_t begin, size_t end, int thread)
{
  const activate_job *j = user;
  (void)thread;
  j->k->activate(j->x + begin, end - begin, j->activation);
}

void nn_activate(nn_context *c, float *x, size_t n, nn_activation activation)
{
  activate_job j = {c->k, x, activation};
  pool_for(c->threads, n, 32768, run_activate, &j);
}

float nn_log_softmax(float *x, size_t n)
{
  const nn_kernels *k = nn_kernels_choose();
  float most = -INFINITY;
  if (!k)
    k = &nn_kernels_generic;
  for (size_t i = 0; i < n; i++)
    most = x[i] > most ? x[i] : most;
  if (!isfinite(most))
    return most;
  float log_sum = logf(k->sum_exp(x, n, most));
  for (size_t i = 0; i < n; i++)
    x[i] = x[i] - most - log_sum; /* torch's order of operations */
  return most + log_sum;
}

/* ---- patches ---- */

typedef struct patches_job {
  float *out;
  const float *picture;
  int channels, H, W, kh, kw, stride, pad_top, pad_left, OW;
} patches_job;

/* One line of a kernel over one line of the picture: n numbers from column x on, zeros beside the picture. */
static void patch_line(float *out, const float *line, int W, int x, int n)
{
  for (int i = 0; i < n; i++)
    out[i] = x + i >= 0 && x + i < W ? line[x + i] : 0;
}

static inline void copy_line(float *to, const float *from, size_t n)
{
  if (n == 3) /* the usual one of small kernels: a size that the compiler knows */
    memcpy(to, from, 3 * sizeof *to);
  else
    memcpy(to, from, n * sizeof *to);
}

static void run_patches(void *user, size_t begin, size_t end, int thread)
{
  const patches_job *j = user;
  const size_t row = (size_t)j->channels * (size_t)j->kh * (size_t)j->kw, kw = (size_t)j->kw;
  /* places whose kernel lies between the left and the right side of the picture */
  const int from = (j->pad_left + j->stride - 1) / j->stride, room = j->W + j->pad_left - j->kw, inside = from < j->OW ? from : j->OW;
  const int past = room < 0 ? inside : room / j->stride + 1 < j->OW ? room / j->stride + 1 : j->OW;
  (void)thread;
  for (size_t oy = begin; oy < end; oy++) {
    float *out = j->out + oy * (size_t)j->OW * row;
    for (int ch = 0; ch < j->channels; ch++)
      for (int ky = 0; ky < j->kh; ky++, out += kw) {
        const int iy = (int)oy * j->stride + ky - j->pad_top;
        const float *line = j->picture + ((size_t)ch * (size_t)j->H + (size_t)(iy < 0 ? 0 : iy)) * (size_t)j->W;
        float *to = out;
        if (iy < 0 || iy >= j->H) {
          for (int ox = 0; ox < j->OW; ox++, to += row)
            memset(to, 0, kw * sizeof *to);
          continue;
        }
        for (int ox = 0; ox < inside; ox++, to += row)
          patch_line(to, line, j->W, ox * j->stride - j->pad_left, j->kw);
        for (int ox = inside; ox < past; ox++, to += row)
          copy_line(to, line + (ox * j->stride - j->pad_left), kw);
        for (int ox = past > inside ? past : inside; ox < j->OW; ox++, to += row)
          patch_line(to, line, j->W, ox * j->stride - j->pad_left, j->kw);
      }
  }
}

void nn_im2col(nn_context *c, float *out, const float *picture, int channels, int H, int W, int kh, int kw, int stride, int pad_top, int pad_left, int OH, int OW)
{
  patches_job j = {out, picture, channels, H, W, kh, kw, stride, pad_top, pad_left, OW};
  pool_for(c->threads, (size_t)OH, 1, run_patches, &j);
}
