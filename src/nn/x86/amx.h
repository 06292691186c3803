/* AMX: tiles of 16 x 16 sums, whose instructions multiply 16 rows of activations by 16 channels of weights at once (Intel's Architecture Instruction Set Extensions reference, TDPBSSD and
 * TDPBF16PS). The system lets a process use tiles after it has asked (nn/kernels.c). */

typedef struct tile_config {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_config;

enum { TILE_ROWS = NN_TILE_ROWS };

/* ---- 8-bit products: a block's exact sums go through memory and are scaled as everywhere; the rows that fill no tile go by vectors ---- */

/* One block of TILE_ROWS rows x a panel into tile C, and from there to `to`; the tiles' numbers must be constants. */
#define TILE_BLOCK(C, A, B, to)                                                                                                                                                    \
  do {                                                                                                                                                                             \
    _tile_zero(C);                                                                                                                                                                 \
    _tile_loadd(A, x, ldq);                                                                                                                                                        \
    _tile_loadd(B, w, 4 * NN_PANEL);                                                                                                                                               \
    _tile_dpbssd(C, A, B);                                                                                                                                                         \
    _tile_stored(C, to, NN_PANEL * sizeof(int32_t));                                                                                                                               \
    x += NN_BLOCK;                                                                                                                                                                 \
    w += (size_t)NN_BLOCK * NN_PANEL;                                                                                                                                              \
  } while (0)

#define TILE_SCALE(from)                                                                                                                                                           \
  do {                                                                                                                                                                             \
    vf weight = vf_load_half(sw);                                                                                                                                                  \
    EACH (r, TILE_ROWS)                                                                                                                                                            \
      acc[r][0] = vf_fma(_mm512_cvtepi32_ps(_mm512_load_si512((from)[r])), vf_mul(vf_set1(sx[(size_t)r * blocks]), weight), acc[r][0]);                                            \
    sw += NN_PANEL;                                                                                                                                                                \
    sx++;                                                                                                                                                                          \
  } while (0)

/* The tiles work a block ahead of the vectors. */
static void tile_rows(const nn_product *p, size_t m, int panel)
{
  const nn_linear *l = p->l;
  const size_t blocks = (size_t)l->blocks, ldq = blocks * NN_BLOCK;
  const int8_t *w = nn_panel_weights(l, panel), *x = p->qx + m * ldq;
  const uint16_t *sw = nn_panel_scales(l, panel);
  const float *sx = p->sx + m * blocks;
  _Alignas(64) int32_t even[TILE_ROWS][NN_PANEL], odd[TILE_ROWS][NN_PANEL];
  vf acc[TILE_ROWS][NV];
  EACH (r, TILE_ROWS)
    acc[r][0] = vf_zero();
  TILE_BLOCK(0, 1, 2, even);
  size_t b = 1;
  for (; b + 2 <= blocks; b += 2) {
    TILE_BLOCK(3, 4, 5, odd);
    TILE_SCALE(even);
    TILE_BLOCK(0, 1, 2, even);
    TILE_SCALE(odd);
  }
  if (b < blocks) {
    TILE_BLOCK(3, 4, 5, odd);
    TILE_SCALE(even);
    TILE_SCALE(odd);
  } else
    TILE_SCALE(even);
  finish(p, m, panel, acc, TILE_ROWS, 1);
}

static void linear_q8_tiles(const nn_product *p, nn_tile t)
{
  static const tile_config config = {
    .palette = 1,
    .row_bytes = {4 * NN_PANEL, NN_BLOCK, 4 * NN_PANEL, 4 * NN_PANEL, NN_BLOCK, 4 * NN_PANEL},
    .rows = {TILE_ROWS, TILE_ROWS, NN_BLOCK / 4, TILE_ROWS, TILE_ROWS, NN_BLOCK / 4},
  };
  size_t whole = t.row_begin + (t.row_end - t.row_begin) / TILE_ROWS * TILE_ROWS;
  if (whole > t.row_begin) {
    _tile_loadconfig(&config);
    for (int panel = t.panel_begin; panel < t.panel_end; panel++)
      for (size_t m = t.row_begin; m < whole; m += TILE_ROWS)
        tile_rows(p, m, panel);
    _tile_release();
  }
  t.row_begin = whole;
  if (whole < t.row_end)
    linear_q8(p, t);
}

/* ---- bf16 ---- */

enum { CHUNK = 16 /* blocks along K whose weights are widened at once, for two panels: 32 KB, which stay near */, TILE = TILE_ROWS * NN_BLOCK /* numbers in a tile */ };

static void narrow(uint16_t *to, const float *x, int K, int blocks)
{
  for (int b = 0; b < blocks; b++, to += TILE, x += NN_BLOCK) {
    int n = K - b * NN_BLOCK < NN_BLOCK ? K - b * NN_BLOCK : NN_BLOCK;
    vf low = vf_load_n(x, n < VW ? n : VW), high = n > VW ? vf_load_n(x + VW, n - VW) : vf_zero();
    _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
}

/* Blocks of a panel's 8-bit weights times their scales, rounded to bf16, as the second operand of TDPBF16PS wants them: [16 pairs along K, 16 channels, 2]. A weight in the top byte of 32 bits
 * is itself times 2^24. */
static void widen(uint16_t *to, const int8_t *w, const uint16_t *scale, size_t blocks)
{
  const __m512i top = _mm512_set1_epi32((int)0xff000000), half = _mm512_set1_epi32(0x8000);
  for (size_t b = 0; b < blocks; b++, scale += NN_PANEL) {
    vf s = vf_mul(vf_load_half(scale), vf_set1(0x1p-24f));
    EACH (g, NN_BLOCK / 4) {
      __m512i v = _mm512_loadu_si512(w), f[4];
      EACH (i, 4)
        f[i] = _mm512_add_epi32(half, _mm512_castps_si512(vf_mul(s, _mm512_cvtepi32_ps(_mm512_and_si512(top, _mm512_slli_epi32(v, (unsigned)(24 - 8 * i)))))));
      EACH (i, 2)
        _mm512_storeu_si512(to + i * 2 * NN_PANEL, _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(f[2 * i], 16), f[2 * i + 1]));
      w += 4 * NN_PANEL;
      to += 4 * NN_PANEL;
    }
  }
}

/* R x P tiles of sums over a chunk: from zero or from `sums`, and back there. */
INLINE void tile_chunk(float *sums, const uint16_t *x, size_t next_x, const uint16_t *w, size_t next_w, size_t blocks, bool first, const int R, const int P)
{
  enum { LD = 2 * NN_PANEL * sizeof(float) };
  if (first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, sums, LD);
    _tile_loadd(1, sums + NN_PANEL, LD);
    _tile_loadd(2, sums + TILE_ROWS * 2 * NN_PANEL, LD);
    _tile_loadd(3, sums + TILE_ROWS * 2 * NN_PANEL + NN_PANEL, LD);
  }
  for (size_t b = 0; b < blocks; b++, x += TILE, w += TILE) {
    _tile_loadd(4, x, 2 * NN_BLOCK);
    _tile_loadd(6, w, 4 * NN_PANEL);
    _tile_dpbf16ps(0, 4, 6);
    if (P > 1) {
      _tile_loadd(7, w + next_w, 4 * NN_PANEL);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (R > 1) {
      _tile_loadd(5, x + next_x, 2 * NN_BLOCK);
      _tile_dpbf16ps(2, 5, 6);
      if (P > 1)
        _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, LD);
  if (P > 1)
    _tile_stored(1, sums + NN_PANEL, LD);
  if (R > 1)
    _tile_stored(2, sums + TILE_ROWS * 2 * NN_PANEL, LD);
  if (R > 1 && P > 1)
    _tile_stored(3, sums + TILE_ROWS * 2 * NN_PANEL + NN_PANEL, LD);
}

INLINE void wide_panels(const nn_product *p, nn_tile t, float *sums, uint16_t *weights, const int P)
{
  const nn_linear *l = p->l;
  const size_t blocks = (size_t)l->blocks, chunks = (blocks + CHUNK - 1) / CHUNK, each = (blocks + chunks - 1) / chunks, tile_row = blocks * TILE;
  for (size_t b = 0; b < blocks; b += each) {
    const size_t n = blocks - b < each ? blocks - b : each;
    EACH (j, P) {
      const int panel = t.panel_begin + j;
      widen(weights + (size_t)j * CHUNK * TILE, nn_panel_weights(l, panel) + b * NN_BLOCK * NN_PANEL, nn_panel_scales(l, panel) + b * NN_PANEL, n);
    }
    for (size_t m = t.row_begin; m < t.row_end; m += 2 * TILE_ROWS) {
      float *s = sums + (m - t.row_begin) * 2 * NN_PANEL;
      const uint16_t *x = p->bx + m / TILE_ROWS * tile_row + b * TILE;
      if (t.row_end - m > TILE_ROWS)
        tile_chunk(s, x, tile_row, weights, CHUNK * TILE, n, b == 0, 2, P);
      else
        tile_chunk(s, x, tile_row, weights, CHUNK * TILE, n, b == 0, 1, P);
    }
  }
  finish_any(p, t.row_begin, t.panel_begin, sums, 2 * NN_PANEL, t.row_end - t.row_begin, P);
}

static void linear_bf16(const nn_product *p, nn_tile t)
{
  static const tile_config config = {.palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
  _Alignas(64) float sums[NN_WIDE_ROWS * NN_WIDE_PANELS * NN_PANEL];
  _Alignas(64) uint16_t weights[NN_WIDE_PANELS * CHUNK * TILE];
  _tile_loadconfig(&config);
  if (t.panel_end - t.panel_begin > 1)
    wide_panels(p, t, sums, weights, 2);
  else
    wide_panels(p, t, sums, weights, 1);
  _tile_release();
}
