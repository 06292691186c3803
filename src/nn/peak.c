/* The most that this processor can do with the instructions of each kind of kernels: multiply-adds in registers and nothing else, as many of them at once as hide their latency. */
#include "nn/kernels.h"

#include "util/clock.h"
#include "util/error.h"
#include "util/memory.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { CHAINS = 12, ROUNDS = 32768 };
static const double patience = 0.04; /* seconds for each figure */
#define EACH(i) _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++)

/* ROUNDS times CHAINS instructions; returns how many operations that is. KEEP makes the compiler believe that each sum is looked at. */
#define PEAK(NAME, ATTRIBUTES, TYPE, ZERO, KEEP, STEP, OPERATIONS)                                                                                                                 \
  ATTRIBUTES static double NAME(void)                                                                                                                                              \
  {                                                                                                                                                                                \
    TYPE sum[CHAINS];                                                                                                                                                              \
    EACH (i)                                                                                                                                                                       \
      sum[i] = ZERO;                                                                                                                                                               \
    for (int r = 0; r < ROUNDS; r++)                                                                                                                                               \
      EACH (i) {                                                                                                                                                                   \
        sum[i] = STEP;                                                                                                                                                             \
        __asm__ volatile("" : KEEP(sum[i]));                                                                                                                                       \
      }                                                                                                                                                                            \
    return (double)ROUNDS * CHAINS * (OPERATIONS);                                                                                                                                 \
  }

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))
PEAK(f32_avx2, AVX2, __m256, _mm256_set1_ps(1), "+x", _mm256_fmadd_ps(sum[i], _mm256_set1_ps(0.5f), _mm256_set1_ps(0.25f)), 16)
PEAK(f32_avx512, AVX512, __m512, _mm512_set1_ps(1), "+v", _mm512_fmadd_ps(sum[i], _mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f)), 32)
/* As the kernels do it: products of pairs in 16 bits, their sums in 32. */
PEAK(q8_avx2, AVX2, __m256i, _mm256_set1_epi32(1), "+x", _mm256_add_epi32(sum[i], _mm256_madd_epi16(_mm256_maddubs_epi16(sum[i], _mm256_set1_epi8(3)), _mm256_set1_epi16(1))), 64)
PEAK(
  q8_avx512, AVX512, __m512i, _mm512_set1_epi32(1), "+v", _mm512_add_epi32(sum[i], _mm512_madd_epi16(_mm512_maddubs_epi16(sum[i], _mm512_set1_epi8(3)), _mm512_set1_epi16(1))), 128)
#define AVXVNNI __attribute__((target("avx2,fma,avxvnni")))
PEAK(q8_avxvnni, AVXVNNI, __m256i, _mm256_set1_epi32(1), "+x", _mm256_dpbusd_avx_epi32(sum[i], _mm256_set1_epi8(2), _mm256_set1_epi8(3)), 64)
PEAK(q8_vnni, VNNI, __m512i, _mm512_set1_epi32(1), "+v", _mm512_dpbusd_epi32(sum[i], _mm512_set1_epi8(2), _mm512_set1_epi8(3)), 128)
/* Four tiles of sums, as many as the kernels keep. */
__attribute__((target("amx-tile,amx-int8"))) static double q8_amx(void)
{
  static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } config = {.palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16}};
  _tile_loadconfig(&config);
  for (int r = 0; r < ROUNDS / 4; r++) {
    _tile_dpbssd(0, 4, 5);
    _tile_dpbssd(1, 4, 5);
    _tile_dpbssd(2, 4, 5);
    _tile_dpbssd(3, 4, 5);
  }
  _tile_release();
  return (double)ROUNDS * 16 * 16 * 64 * 2;
}
#elif defined(__aarch64__)
#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define PLAIN
PEAK(f32_neon, PLAIN, float32x4_t, vdupq_n_f32(1), "+w", vfmaq_f32(vdupq_n_f32(0.25f), sum[i], vdupq_n_f32(0.5f)), 8)
PEAK(q8_neon, PLAIN, int32x4_t, vdupq_n_s32(1), "+w", vpadalq_s16(sum[i], vmull_s8(vreinterpret_s8_s32(vget_low_s32(sum[i])), vdup_n_s8(3))), 16)
PEAK(q8_dotprod, DOTPROD, int32x4_t, vdupq_n_s32(1), "+w", vdotq_s32(sum[i], vdupq_n_s8(2), vdupq_n_s8(3)), 32)
#endif

/* The plain kernels' own way: one number at a time, as the compiler makes it. */
#if defined(__x86_64__)
#define SCALAR "+x"
#elif defined(__aarch64__)
#define SCALAR "+w"
#else
#define SCALAR "+m"
#endif
PEAK(f32_plain, , float, 1, SCALAR, (sum[i] * 0.5f + 0.25f), 2)
PEAK(q8_plain, , int, 1, "+r", (int)((unsigned)sum[i] * 3u + 1u), 2)

static const struct {
  const char *name;
  double (*f32)(void), (*q8)(void);
} kinds[] = {
#if defined(__x86_64__)
  {"amx", f32_avx512, q8_amx},
  {"avx512vnni", f32_avx512, q8_vnni},
  {"avx512", f32_avx512, q8_avx512},
  {"avxvnni", f32_avx2, q8_avxvnni},
  {"avx2", f32_avx2, q8_avx2},
#elif defined(__aarch64__)
  {"neon-dotprod", f32_neon, q8_dotprod},
  {"neon", f32_neon, q8_neon},
#endif
  {"generic", f32_plain, q8_plain},
};

typedef struct peak_job {
  double (*run)(void);
  _Atomic double operations; /* of one piece; every piece does the same */
} peak_job;

static void run_piece(void *user, size_t begin, size_t end, int thread)
{
  peak_job *j = user;
  (void)thread;
  for (size_t i = begin; i < end; i++)
    j->operations = j->run();
}

/* The best of many: other work on the machine only ever takes away. */
static double most(double (*run)(void), pool *threads)
{
  peak_job j = {run, 0};
  size_t pieces = (size_t)pool_threads(threads);
  double best = 0;
  for (double begun = clock_seconds(), started = begun; started - begun < patience;) {
    pool_for(threads, pieces, 1, run_piece, &j);
    double now = clock_seconds(), rate = now > started ? j.operations * (double)pieces / (now - started) : 0;
    best = rate > best ? rate : best;
    started = now;
  }
  return best;
}

/* ---- memory ---- */

enum { PIECE = 65536 / sizeof(float) };

typedef struct read_job {
  const nn_kernels *k;
  const float *floats;
  _Atomic float sum; /* so that the reading is not left out */
} read_job;

static void run_read(void *user, size_t begin, size_t end, int thread)
{
  read_job *j = user;
  (void)thread;
  for (size_t i = begin; i < end; i++)
    j->sum = j->k->dot(j->floats + i * PIECE, j->floats + i * PIECE, PIECE);
}

static int measure_memory(double *bytes_a_second, const nn_kernels *k, size_t bytes, pool *threads)
{
  size_t pieces = bytes / (PIECE * sizeof(float)) + 1;
  const size_t share = (pieces + (size_t)pool_threads(threads) - 1) / (size_t)pool_threads(threads); /* each thread goes over its own part from end to end */
  float *floats = memory_large(pieces * PIECE * sizeof *floats); /* as models stand in memory: loads that cross cache lines would measure something else */
  if (!floats)
    return OPIS_ENOMEM;
  memset(floats, 0x3c, pieces * PIECE * sizeof *floats);
  read_job j = {k, floats, 0};
  double started = clock_seconds();
  for (double begun = started; started - begun < patience;) {
    pool_for(threads, pieces, share, run_read, &j);
    double now = clock_seconds(), rate = (double)pieces * PIECE * sizeof *floats / (now - started);
    *bytes_a_second = rate > *bytes_a_second ? rate : *bytes_a_second;
    started = now;
  }
  free(floats);
  return 0;
}

int nn_measure_peak(nn_peak *out, size_t bytes, pool *threads)
{
  const nn_kernels *k = nn_kernels_choose();
  *out = (nn_peak){0};
  if (!k)
    return OPIS_EINVALID;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].name, k->name) == 0) {
      out->f32 = most(kinds[i].f32, threads);
      out->q8 = most(kinds[i].q8, threads);
      return measure_memory(&out->memory, k, bytes, threads);
    }
  return error_set(OPIS_EUNSUPPORTED, "%s: the peak of these kernels is not known", k->name);
}
