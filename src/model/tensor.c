#include "model/tensor.h"

#include "model/panels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int64_t tensor_elements(const tensor *t)
{
  int64_t n = 1;
  for (int i = 0; i < t->n_dims; i++)
    n *= t->dims[i];
  return n;
}

const char *tensor_type_name(tensor_type type)
{
  static const char *const names[] = {"F32", "F16", "BF16", "Q8_0", "I64", "I32", "U8", "BOOL", "F64", "OTHER"};
  return (size_t)type < sizeof names / sizeof *names ? names[type] : "?";
}

bool tensor_is_weight(const tensor *t)
{
  return t->type == TENSOR_F32 || t->type == TENSOR_F16 || t->type == TENSOR_BF16 || t->type == TENSOR_Q8_0 || t->type == TENSOR_F64;
}

size_t tensor_type_size(tensor_type type)
{
  static const size_t sizes[] = {4, 2, 2, 0, 8, 4, 1, 1, 8, 0};
  return (size_t)type < sizeof sizes / sizeof *sizes ? sizes[type] : 0;
}

bool tensor_has_shape(const tensor *t, int n_dims, const int64_t *dims)
{
  if (t->n_dims != n_dims)
    return false;
  if (t->transposed)
    return n_dims == 2 && t->dims[0] == dims[1] && t->dims[1] == dims[0];
  for (int i = 0; i < n_dims; i++)
    if (t->dims[i] != dims[i])
      return false;
  return true;
}

const char *tensor_shape_text(char s[96], const tensor *t)
{
  size_t n = 1;
  s[0] = '[';
  for (int i = 0; i < t->n_dims; i++) {
    int k = t->transposed ? t->n_dims - 1 - i : i;
    n += (size_t)snprintf(s + n, 96 - n, "%s%lld", i ? ", " : "", (long long)t->dims[k]);
  }
  s[n] = ']';
  s[n + 1] = '\0';
  return s;
}

/* Without branches and without arithmetic on subnormal floats, so that the compiler makes vectors of a row of it. */
static inline uint32_t widen(uint32_t h)
{
  uint32_t rest = h & 0x7fff, small = 0u - (rest < 0x400), endless = 0u - (rest >= 0x7c00), bits;
  float f = (float)(int32_t)(rest & 0x3ff) * 0x1p-24f; /* zero and subnormals: exact */
  memcpy(&bits, &f, 4);
  uint32_t normal = (rest << 13) + (112u << 23) + (endless & 112u << 23);
  return (h & 0x8000) << 16 | (bits & small) | (normal & ~small);
}

float half_to_float(uint16_t h)
{
  uint32_t bits = widen(h);
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

static void read_f16(float *out, const uint8_t *p, int64_t n)
{
  enum { CHUNK = 32 }; /* of a fixed length, for the same reason */
  int64_t i = 0;
  for (; i + CHUNK <= n; i += CHUNK, p += 2 * CHUNK) {
    uint16_t half[CHUNK];
    uint32_t bits[CHUNK];
    memcpy(half, p, sizeof half);
    for (int k = 0; k < CHUNK; k++)
      bits[k] = half[k];
    for (int k = 0; k < CHUNK; k++)
      bits[k] = widen(bits[k]);
    memcpy(out + i, bits, sizeof bits);
  }
  for (; i < n; i++, p += 2)
    out[i] = half_to_float((uint16_t)(p[0] | p[1] << 8));
}

uint16_t float_to_half(float f)
{
  uint32_t bits;
  memcpy(&bits, &f, 4);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u)
    return (uint16_t)(sign | 0x7e00 | (bits >> 13 & 0x3ff));
  if (bits >= 0x477ff000u) /* 65520 and above round to infinity */
    return (uint16_t)(sign | 0x7c00);
  if (bits < 0x38800000u) { /* below 2^-14: a multiple of 2^-24, rounded by the float addition */
    float a, magic = 0.5f;
    memcpy(&a, &bits, 4);
    a += magic; /* 0.5 has a last place of 2^-24 */
    memcpy(&bits, &a, 4);
    return (uint16_t)(sign | (bits - 0x3f000000u));
  }
  bits += 0xfff + (bits >> 13 & 1);
  return (uint16_t)(sign | ((bits >> 13) - (112u << 10)));
}

static void read_q8_0(float *out, const uint8_t *p, int64_t n)
{
  for (; n > 0; n -= Q8_0_BLOCK, out += Q8_0_BLOCK, p += Q8_0_BLOCK_BYTES) {
    float d = half_to_float((uint16_t)(p[0] | p[1] << 8));
    for (int i = 0; i < Q8_0_BLOCK; i++)
      out[i] = d * (float)(int8_t)p[2 + i];
  }
}

static void read_numbers(float *out, tensor_type type, const uint8_t *p, int64_t n)
{
  switch (type) {
  case TENSOR_F32: memcpy(out, p, (size_t)n * 4); break;
  case TENSOR_F16: read_f16(out, p, n); break;
  case TENSOR_BF16:
    for (int64_t i = 0; i < n; i++) {
      uint32_t bits = (uint32_t)(p[2 * i] | p[2 * i + 1] << 8) << 16;
      memcpy(out + i, &bits, 4);
    }
    break;
  case TENSOR_Q8_0: read_q8_0(out, p, n); break;
  case TENSOR_I64:
    for (int64_t i = 0, v; i < n; i++) {
      memcpy(&v, p + 8 * i, 8);
      out[i] = (float)v;
    }
    break;
  case TENSOR_I32:
    for (int64_t i = 0; i < n; i++) {
      int32_t v;
      memcpy(&v, p + 4 * i, 4);
      out[i] = (float)v;
    }
    break;
  case TENSOR_U8:
  case TENSOR_BOOL:
    for (int64_t i = 0; i < n; i++)
      out[i] = (float)p[i];
    break;
  case TENSOR_F64:
    for (int64_t i = 0; i < n; i++) {
      double v;
      memcpy(&v, p + 8 * i, 8);
      out[i] = (float)v;
    }
    break;
  case TENSOR_OTHER: memset(out, 0, (size_t)n * 4); break;
  }
}

/* Row by row, and of a row some numbers at a time. */
static void read_panels(float *out, const tensor *t, int64_t first, int64_t n)
{
  enum { CHUNK = 256 };
  uint8_t bytes[CHUNK * sizeof(float)];
  const int64_t K = tensor_elements(t) / t->dims[0];
  while (n > 0) {
    int64_t k = first % K, count = K - k < n ? K - k : n;
    count = count < CHUNK ? count : CHUNK;
    panels_gather(bytes, t, first / K, k, count);
    read_numbers(out, t->type, bytes, count);
    out += count;
    first += count;
    n -= count;
  }
}

void tensor_read_f32(float *out, const tensor *t, int64_t first, int64_t n)
{
  size_t before = t->type == TENSOR_Q8_0 ? (size_t)(first / Q8_0_BLOCK) * Q8_0_BLOCK_BYTES : (size_t)first * tensor_type_size(t->type);
  if (t->panels)
    read_panels(out, t, first, n);
  else
    read_numbers(out, t->type, (const uint8_t *)t->data + before, n);
}

void tensor_read_q8_0(uint8_t *out, const tensor *t, int64_t row)
{
  panels_gather(out, t, row, 0, tensor_elements(t) / t->dims[0]);
}

void q8_0_quantise(uint8_t *out, const float *x, size_t blocks)
{
  for (size_t b = 0; b < blocks; b++, x += Q8_0_BLOCK, out += Q8_0_BLOCK_BYTES) {
    float largest = 0;
    for (int i = 0; i < Q8_0_BLOCK; i++)
      largest = fmaxf(largest, fabsf(x[i]));
    float d = largest / 127, inverse = d > 0 ? 1 / d : 0;
    if (!isfinite(inverse)) /* a block of numbers so small that d is subnormal: they are 0 in a half as well */
      inverse = 0;
    uint16_t h = float_to_half(d);
    out[0] = (uint8_t)h;
    out[1] = (uint8_t)(h >> 8);
    for (int i = 0; i < Q8_0_BLOCK; i++) {
      float q = roundf(x[i] * inverse);
      out[2 + i] = (uint8_t)(int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
    }
  }
}
