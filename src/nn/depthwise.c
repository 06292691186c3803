/* Depthwise convolution, together with the pointwise layer that widens its input. A thread takes two panels of channels at a time and goes down the picture with them: of the widened picture it has the k
 * rows that a row of outputs looks at, which stay in the nearest cache. */
#include "nn/context.h"

#include "util/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int nn_depthwise_pack(nn_depthwise **out, arena *a, const tensor *weight, const tensor *bias, int stride)
{
  if (weight->n_dims != 4 || weight->dims[1] != 1 || weight->dims[2] != weight->dims[3] || weight->dims[2] > 31 || weight->dims[0] > 1 << 20)
    return error_set(OPIS_EFORMAT, "%s: no depthwise convolution [C, 1, k, k]", weight->name);
  if (bias && tensor_elements(bias) != weight->dims[0])
    return error_set(OPIS_EFORMAT, "%s: has %lld elements, not %lld", bias->name, (long long)tensor_elements(bias), (long long)weight->dims[0]);
  nn_depthwise *d = arena_calloc(a, 1, sizeof *d);
  if (!d)
    return OPIS_ENOMEM;
  d->C = (int)weight->dims[0];
  d->k = (int)weight->dims[2];
  d->stride = stride;
  const size_t C = (size_t)d->C, taps = (size_t)d->k * (size_t)d->k, padded = (C + NN_PANEL - 1) / NN_PANEL * NN_PANEL;
  d->weight = arena_calloc(a, padded * taps, sizeof(float));
  d->bias = arena_calloc(a, padded, sizeof(float));
  if (!d->weight || !d->bias)
    return OPIS_ENOMEM;
  float *rows = malloc(C * taps * sizeof *rows);
  if (!rows)
    return error_nomem();
  tensor_read_f32(rows, weight, 0, (int64_t)(C * taps));
  for (size_t c = 0; c < C; c++)
    for (size_t t = 0; t < taps; t++)
      d->weight[(c / NN_PANEL * taps + t) * NN_PANEL + c % NN_PANEL] = rows[c * taps + t];
  free(rows);
  if (bias)
    tensor_read_f32(d->bias, bias, 0, d->C);
  *out = d;
  return 0;
}

typedef struct depthwise_job {
  const nn_kernels *k;
  const nn_depthwise *d;
  nn_product widening; /* its layer NULL: none */
  float *y;
  int OH, OW;
  const float *x;
  int H, W, pad_top, pad_left;
  float low, high;
  float *memory;    /* of all threads: each has k rows, and one of zeros */
  size_t row;       /* numbers of a row */
  int whole, bands; /* so many groups of channels are done by one thread each; the others, that would leave threads without work, by bands of rows */
} depthwise_job;

static float *row_of(const depthwise_job *j, int thread, int i)
{
  return j->memory + ((size_t)thread * (size_t)(j->d->k + 1) + (size_t)i) * j->row;
}

/* A row of the picture, widened, or as it is: the channels from c on. */
static void fill_row(const depthwise_job *j, float *to, int row, int c, int n)
{
  to += (size_t)j->pad_left * NN_GROUP;
  if (j->widening.l) {
    nn_product p = j->widening;
    const size_t first = (size_t)row * (size_t)j->W;
    const int panel = c / NN_PANEL, panels = (n + NN_PANEL - 1) / NN_PANEL;
    p.y = to;
    p.first_row = first;
    p.first_panel = panel;
    p.linear(&p, (nn_tile){first, first + (size_t)j->W, panel, panel + panels});
    return;
  }
  const size_t C = (size_t)j->d->C;
  const float *from = j->x + (size_t)row * (size_t)j->W * C + c;
  for (int x = 0; x < j->W; x++, from += C, to += NN_GROUP)
    memcpy(to, from, (size_t)n * sizeof *to);
}

/* A group of channels of the output rows begin..end. */
static void run_group(const depthwise_job *j, int c, int begin, int end, int thread)
{
  const nn_depthwise *d = j->d;
  const int n = d->C - c < NN_GROUP ? d->C - c : NN_GROUP, k = d->k, stride = d->stride;
  const size_t C = (size_t)d->C, taps = (size_t)k * (size_t)k;
  const float *lines[31], *zeros = row_of(j, thread, k);
  for (int i = 0; i <= k; i++)
    memset(row_of(j, thread, i), 0, j->row * sizeof(float)); /* what is beside the picture stays so */
  int next = 0;                                              /* the input row that is not there yet */
  for (int oy = begin; oy < end; oy++) {
    const int above = oy * stride - j->pad_top, below = above + k < j->H ? above + k : j->H;
    for (next = next > above ? next : above; next < below; next++)
      if (next >= 0)
        fill_row(j, row_of(j, thread, next % k), next, c, n);
    for (int panel = 0; panel * NN_PANEL < n; panel++) {
      const int first = panel * NN_PANEL;
      for (int i = 0; i < k; i++)
        lines[i] = (above + i < 0 || above + i >= j->H ? zeros : row_of(j, thread, (above + i) % k)) + first;
      j->k->depthwise(&(nn_depthwise_row){.k = k,
        .stride = stride,
        .columns = j->OW,
        .channels = n - first < NN_PANEL ? n - first : NN_PANEL,
        .lines = lines,
        .weight = d->weight + (size_t)(c / NN_PANEL + panel) * taps * NN_PANEL,
        .bias = d->bias + c + first,
        .y = j->y + (size_t)oy * (size_t)j->OW * C + (size_t)(c + first),
        .ldy = C,
        .low = j->low,
        .high = j->high});
    }
  }
}

static void run_depthwise(void *user, size_t begin, size_t end, int thread)
{
  const depthwise_job *j = user;
  for (size_t i = begin; i < end; i++)
    if (i < (size_t)j->whole)
      run_group(j, (int)i * NN_GROUP, 0, j->OH, thread);
    else {
      const int part = (int)i - j->whole, band = part % j->bands;
      run_group(j, (j->whole + part / j->bands) * NN_GROUP, j->OH * band / j->bands, j->OH * (band + 1) / j->bands, thread);
    }
}

void nn_depthwise_forward(
  nn_context *c, const nn_depthwise *d, const nn_linear *expand, float *y, int OH, int OW, const float *x, int H, int W, int pad_top, int pad_left, nn_activation activation)
{
  const int threads = pool_threads(c->threads), groups = (d->C + NN_GROUP - 1) / NN_GROUP;
  depthwise_job j = {.k = c->k, .d = d, .y = y, .OH = OH, .OW = OW, .x = x, .H = H, .W = W, .pad_top = pad_top, .pad_left = pad_left, .whole = groups / threads * threads};
  const size_t read = nn_places_read(OW, d->k, d->stride), filled = (size_t)pad_left + (size_t)W;
  j.row = (read > filled ? read : filled) * NN_GROUP;
  j.bands = OH < threads ? OH : threads;
  j.memory = nn_rows(c, (size_t)threads * (size_t)(d->k + 1) * j.row * sizeof *j.memory);
  if (!j.memory)
    return;
  nn_product p = {.l = expand, .ldy = NN_GROUP, .x = x, .e.activation = activation};
  if (expand) {
    p.ldx = (size_t)expand->K;
    if (!nn_product_begin(c, &p, (size_t)H * (size_t)W))
      return;
    j.widening = p;
  }
  nn_product_clamp(&p);
  j.low = p.low;
  j.high = p.high;
  c->work.f32 += 2.0 * OH * OW * d->C * d->k * d->k;
  pool_for(c->threads, (size_t)j.whole + (size_t)(groups - j.whole) * (size_t)j.bands, 1, run_depthwise, &j);
}
