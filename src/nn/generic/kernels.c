/* The kernels in plain C: what every other table must mean. */
#include "nn/kernels.h"

#include <math.h>
#include <string.h>

static float activated(float x, nn_activation a)
{
  switch (a) {
  case NN_NONE: return x;
  case NN_RELU: return x > 0 ? x : 0;
  case NN_RELU6: return x > 0 ? x < 6 ? x : 6 : 0;
  case NN_GELU_ERF: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
  case NN_GELU_TANH: return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
  case NN_QUICK_GELU: return x / (1.0f + expf(-1.702f * x));
  case NN_SILU: return x / (1.0f + expf(-x));
  }
  return x;
}

/* One output: activation(sum + bias), scaled, residual added. */
static void finish(const nn_product *p, size_t m, int panel, const float *acc)
{
  const nn_linear *l = p->l;
  int first = panel * NN_PANEL, n = l->N - first < NN_PANEL ? l->N - first : NN_PANEL;
  float *y = nn_product_out(p, m, panel);
  for (int j = 0; j < n; j++) {
    float v = activated(acc[j] + l->bias[first + j], p->e.activation);
    if (p->e.scale)
      v *= p->e.scale[first + j];
    if (p->e.residual)
      v += p->e.residual[m * p->e.ld_residual + (size_t)(first + j)];
    y[j] = v;
  }
}

static void linear_f32(const nn_product *p, nn_tile t)
{
  const nn_linear *l = p->l;
  for (int panel = t.panel_begin; panel < t.panel_end; panel++)
    for (size_t m = t.row_begin; m < t.row_end; m++) {
      float acc[NN_PANEL] = {0};
      const float *x = p->x + m * p->ldx, *w = nn_panel(l, panel);
      for (int k = 0; k < l->K; k++, w += NN_PANEL)
        for (int j = 0; j < NN_PANEL; j++)
          acc[j] = fmaf(x[k], w[j], acc[j]);
      finish(p, m, panel, acc);
    }
}

static void linear_f16(const nn_product *p, nn_tile t)
{
  const nn_linear *l = p->l;
  for (int panel = t.panel_begin; panel < t.panel_end; panel++)
    for (size_t m = t.row_begin; m < t.row_end; m++) {
      float acc[NN_PANEL] = {0};
      const float *x = p->x + m * p->ldx;
      const uint16_t *w = nn_panel(l, panel);
      for (int k = 0; k < l->K; k++, w += NN_PANEL)
        for (int j = 0; j < NN_PANEL; j++)
          acc[j] = fmaf(x[k], half_to_float(w[j]), acc[j]);
      finish(p, m, panel, acc);
    }
}

static void linear_q8(const nn_product *p, nn_tile t)
{
  const nn_linear *l = p->l;
  for (int panel = t.panel_begin; panel < t.panel_end; panel++)
    for (size_t m = t.row_begin; m < t.row_end; m++) {
      float acc[NN_PANEL] = {0};
      const int8_t *x = p->qx + m * (size_t)l->blocks * NN_BLOCK, *w = nn_panel_weights(l, panel);
      const float *sx = p->sx + m * (size_t)l->blocks;
      const uint16_t *sw = nn_panel_scales(l, panel);
      for (int b = 0; b < l->blocks; b++, x += NN_BLOCK, w += NN_BLOCK * NN_PANEL, sw += NN_PANEL) {
        int32_t dot[NN_PANEL] = {0};
        for (int g = 0; g < NN_BLOCK / 4; g++)
          for (int j = 0; j < NN_PANEL; j++)
            for (int i = 0; i < 4; i++)
              dot[j] += x[g * 4 + i] * w[(g * NN_PANEL + j) * 4 + i];
        for (int j = 0; j < NN_PANEL; j++)
          acc[j] = fmaf((float)dot[j], sx[b] * half_to_float(sw[j]), acc[j]);
      }
      finish(p, m, panel, acc);
    }
}

static void quantize(int8_t *q, float *s, int32_t *sums, const float *x, int K, int blocks)
{
  for (int b = 0; b < blocks; b++, q += NN_BLOCK, x += NN_BLOCK) {
    int n = K - b * NN_BLOCK < NN_BLOCK ? K - b * NN_BLOCK : NN_BLOCK;
    float most = 0;
    for (int i = 0; i < n; i++) {
      float v = fabsf(x[i]);
      most = v > most ? v : most;
    }
    float inverse = most > 0 ? 127.0f / most : 0;
    s[b] = most / 127.0f;
    int sum = 0;
    for (int i = 0; i < n; i++) {
      q[i] = (int8_t)lrintf(x[i] * inverse);
      sum += q[i];
    }
    sums[b] = -128 * sum;
    memset(q + n, 0, (size_t)(NN_BLOCK - n));
  }
}

static void halve(uint16_t *to, const float *x, size_t n)
{
  for (size_t i = 0; i < n; i++)
    to[i] = float_to_half(fminf(fmaxf(x[i], -NN_LARGEST_HALF), NN_LARGEST_HALF));
}

static float dot(const float *a, const float *b, size_t n)
{
  float sum = 0;
  for (size_t i = 0; i < n; i++)
    sum = fmaf(a[i], b[i], sum);
  return sum;
}

static void axpy(float *y, float a, const float *x, size_t n)
{
  for (size_t i = 0; i < n; i++)
    y[i] = fmaf(a, x[i], y[i]);
}

static float largest(const float *x, size_t n)
{
  float most = -INFINITY;
  for (size_t i = 0; i < n; i++)
    most = x[i] > most ? x[i] : most;
  return most;
}

static void softmax(float *x, size_t n)
{
  float most = largest(x, n), sum = 0;
  for (size_t i = 0; i < n; i++) {
    x[i] = expf(x[i] - most);
    sum += x[i];
  }
  for (size_t i = 0; i < n; i++)
    x[i] /= sum;
}

static float sum_exp(const float *x, size_t n, float max)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += (double)expf(x[i] - max);
  return (float)sum;
}

static void layer_norm(float *y, const float *x, size_t N, const float *gain, const float *bias, float eps)
{
  double sum = 0, squares = 0;
  for (size_t i = 0; i < N; i++)
    sum += (double)x[i];
  float mean = (float)(sum / (double)N);
  for (size_t i = 0; i < N; i++) {
    double d = (double)(x[i] - mean);
    squares += d * d;
  }
  float inverse = 1.0f / sqrtf((float)(squares / (double)N) + eps);
  for (size_t i = 0; i < N; i++)
    y[i] = (x[i] - mean) * inverse * gain[i] + bias[i];
}

static void activate(float *x, size_t n, nn_activation a)
{
  for (size_t i = 0; i < n; i++)
    x[i] = activated(x[i], a);
}

static void depthwise(const nn_depthwise_row *r)
{
  float *y = r->y;
  for (int x = 0; x < r->columns; x++, y += r->ldy)
    for (int c = 0; c < r->channels; c++) {
      float sum = r->bias[c];
      for (int ky = 0; ky < r->k; ky++)
        for (int kx = 0; kx < r->k; kx++)
          sum = fmaf(r->lines[ky][(size_t)(x * r->stride + kx) * NN_GROUP + (size_t)c], r->weight[(ky * r->k + kx) * NN_PANEL + c], sum);
      y[c] = fminf(r->high, fmaxf(r->low, sum));
    }
}

const nn_kernels nn_kernels_generic = {
  .name = "generic",
  .linear_f32 = linear_f32,
  .linear_f16 = linear_f16,
  .linear_q8 = linear_q8,
  .quantize = quantize,
  .halve = halve,
  .dot = dot,
  .axpy = axpy,
  .softmax = softmax,
  .sum_exp = sum_exp,
  .layer_norm = layer_norm,
  .activate = activate,
  .depthwise = depthwise,
};
