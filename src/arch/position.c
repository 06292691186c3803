/* Position tables for another grid than the one they were trained on. */
#include "arch/vision.h"

#include <math.h>

/* Keys' cubic convolution with a = -0.75, as torch has it: weights of the four neighbours at distance t from the second. */
static void cubic(float w[4], float t)
{
  const float a = -0.75f;
  float x = t + 1;
  w[0] = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  x = t;
  w[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
  x = 1 - t;
  w[2] = ((a + 2) * x - (a + 3)) * x * x + 1;
  x = 2 - t;
  w[3] = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

static int clamp(int i, int n)
{
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

void position_interpolate(float *out, int out_rows, int out_columns, const float *table, int rows, int columns, int C)
{
  float sy = (float)rows / (float)out_rows, sx = (float)columns / (float)out_columns;
  for (int y = 0; y < out_rows; y++) {
    float at_y = sy * ((float)y + 0.5f) - 0.5f, wy[4], wx[4];
    int y0 = (int)floorf(at_y);
    cubic(wy, at_y - (float)y0);
    for (int x = 0; x < out_columns; x++) {
      float at_x = sx * ((float)x + 0.5f) - 0.5f;
      int x0 = (int)floorf(at_x);
      cubic(wx, at_x - (float)x0);
      float *to = out + ((size_t)y * (size_t)out_columns + (size_t)x) * (size_t)C;
      for (int c = 0; c < C; c++) {
        float sum = 0;
        for (int i = 0; i < 4; i++) {
          const float *row = table + (size_t)clamp(y0 - 1 + i, rows) * (size_t)columns * (size_t)C + c;
          float line = 0;
          for (int j = 0; j < 4; j++)
            line += wx[j] * row[(size_t)clamp(x0 - 1 + j, columns) * (size_t)C];
          sum += wy[i] * line;
        }
        to[c] = sum;
      }
    }
  }
}
