/* opis bench: how fast this machine describes pictures, and how much of what it could do that is. */
#include "cli/commands.h"
#include "cli/generate_options.h"

#include "engine/engine.h"
#include "image/thumbnail.h"
#include "util/clock.h"
#include "util/cpus.h"
#include "util/error.h"
#include "util/file.h"

#include <jansson.h>
#include <opis/opis.h>
#include <stdlib.h>
#include <string.h>

enum { REPEAT = 256, FORMAT };

static const cli_option options[] = {
  {'m', "model", "MODEL", "use this model: a name of 'opis model list', a hub folder, a GGUF file (default: $OPIS_MODEL, else opis-small)", CLI_COMPLETE_MODEL},
  {GENERATE_BEAMS, "beams", "N", "keep the N best beginnings of a sentence while searching; 1 is greedy (default: the model's)", 0},
  {GENERATE_LONGEST, "max-length", "N", "stop at N tokens, start token and prompt included (default: the model's)", 0},
  {GENERATE_PRECISION, "precision", "f32|q8", "compute in 32-bit floats or 8-bit integers (default: as the weights are stored)", 0},
  {GENERATE_THREADS, "threads", "N", "use N threads for a picture (default: every core this process may use)", 0},
  {REPEAT, "repeat", "N", "measure N times (default: 20)", 0},
  {FORMAT, "format", "text|json", "how results are written", 0},
  {0},
};

static const cli_example examples[] = {
  {"opis bench", "how fast the model inside the program is here"},
  {"opis bench -m vit-gpt2 --threads 1 --repeat 50", "another model, on one core"},
  {"OPIS_CPU=avx2 opis bench", "as a processor would do without the newer instructions"},
  {"opis bench --format json photo.jpg > bench.json", "with a picture of one's own, for programs"},
  {0},
};

/* Times of one thing in milliseconds. */
typedef struct times {
  double *ms; /* [most] */
  size_t n;
} times;

enum { DECODE, ENCODE, GENERATE, PICTURE, STAGES };
static const char *const stage_names[STAGES] = {"decode", "encode", "generate", "picture"};

typedef struct encoded_picture {
  char *bytes; /* a file's, or of the one made here */
  size_t size;
  opis_image *image;
} encoded_picture;

typedef struct bench {
  generate_settings s;
  int repeat, format;
  encoded_picture *pictures;
  size_t n_pictures;
  opis_model *model;
  double load;
  times stage[STAGES];
  nn_work encoder, all; /* of one picture */
  double single, batch; /* captions a second */
  size_t batch_size;
  double memory; /* bytes at the peak */
  nn_peak peak;
  size_t tokens; /* of the last picture's row */
} bench;

/* ---- pictures ---- */

/* A landscape of sorts: something for the decoder and the encoder to do, the same everywhere. */
static int make_picture(encoded_picture *p)
{
  enum { WIDTH = 640, HEIGHT = 480 };
  uint8_t *rgb = malloc((size_t)WIDTH * HEIGHT * 3), *to = rgb;
  unsigned char *jpeg = NULL;
  unsigned long size;
  uint32_t noise = 1;
  if (!rgb)
    return error_nomem();
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) {
      noise = noise * 1664525u + 1013904223u;
      int grain = (int)(noise >> 28), hill = 240 + ((x - 320) * (x - 320)) / 1200 - x / 8, dx = x - 480, dy = y - 110;
      bool sun = dx * dx + dy * dy < 50 * 50, sky = y < hill;
      *to++ = (uint8_t)(sun && sky ? 250 : (sky ? 90 + y / 4 : 40 + (y + x / 3) % 64) + grain / 4);
      *to++ = (uint8_t)(sun && sky ? 230 : (sky ? 150 + y / 6 : 110 + (x / 16 + y / 16) % 2 * 30) + grain / 4);
      *to++ = (uint8_t)(sun && sky ? 120 : (sky ? 220 - y / 8 : 40) + grain / 4);
    }
  int code = image_encode_jpeg(&jpeg, &size, rgb, WIDTH, HEIGHT);
  free(rgb);
  p->bytes = (char *)jpeg;
  p->size = code < 0 ? 0 : size;
  return code;
}

static int read_pictures(bench *b, char *const *paths, size_t n)
{
  b->pictures = calloc(n ? n : 1, sizeof *b->pictures);
  if (!b->pictures)
    return error_nomem();
  b->n_pictures = n ? n : 1;
  for (size_t i = 0; i < b->n_pictures; i++) {
    encoded_picture *p = &b->pictures[i];
    uint64_t most = b->s.generate.image.max_bytes;
    int code = n ? file_read(&p->bytes, &p->size, paths[i], most ? most : OPIS_MAX_BYTES_DEFAULT) : make_picture(p);
    if (code == 0)
      code = opis_image_open_memory(&p->image, p->bytes, p->size, &b->s.generate.image);
    if (code < 0)
      return n ? error_prefix(code, "%s", paths[i]) : code;
  }
  return 0;
}

/* ---- measuring ---- */

/* VmHWM: the most memory that this process ever had; 0 where it is not told. */
static double peak_memory(void)
{
  char line[256];
  double kilobytes = 0;
  FILE *f = fopen("/proc/self/status", "re");
  while (f && fgets(line, sizeof line, f))
    if (strncmp(line, "VmHWM:", 6) == 0)
      kilobytes = strtod(line + 6, NULL);
  if (f)
    fclose(f);
  return kilobytes * 1024;
}

static void note(times *t, double ms)
{
  t->ms[t->n++] = ms;
}

/* What the model's idle session has done so far: the one that the next call takes. */
static int work_so_far(nn_work *w, opis_model *model)
{
  session *s;
  int code = session_take(&s, model);
  if (code == 0) {
    *w = nn_context_work(s->nn);
    session_give(model, s);
  }
  return code;
}

static nn_work difference(nn_work after, nn_work before)
{
  return (nn_work){after.f32 - before.f32, after.q8 - before.q8, after.weights - before.weights};
}

static int one_picture(bench *b, const encoded_picture *p, bool keep)
{
  opis_description *d;
  double started = clock_seconds();
  int code = opis_describe_memory(&d, b->model, p->bytes, p->size, &b->s.generate);
  if (code < 0)
    return code;
  if (keep) {
    opis_timing t = opis_description_timing(d);
    note(&b->stage[PICTURE], (clock_seconds() - started) * 1e3);
    note(&b->stage[DECODE], t.decode);
    note(&b->stage[ENCODE], t.encode);
    note(&b->stage[GENERATE], t.generate);
    opis_description_candidate_tokens(d, 0, &b->tokens);
  }
  opis_description_free(d);
  return 0;
}

/* The work of the encoder alone, and of a whole picture. */
static int count_work(bench *b)
{
  const opis_image *image = b->pictures[0].image;
  encoded_size size;
  opis_description *d;
  nn_work before, after;
  session *s;
  int code = session_take(&s, b->model);
  if (code < 0)
    return code;
  before = nn_context_work(s->nn);
  code = engine_encode(s, b->model, &image, 1, &size, (arch_check){0});
  b->encoder = difference(nn_context_work(s->nn), before);
  session_give(b->model, s);
  if (code == 0)
    code = work_so_far(&before, b->model);
  if (code == 0 && (code = opis_describe_image(&d, b->model, image, &b->s.generate)) == 0) {
    opis_description_free(d);
    code = work_so_far(&after, b->model);
    b->all = difference(after, before);
  }
  return code;
}

/* Batches as `opis describe -r` makes them, of pictures decoded before. */
static int measure_batches(bench *b)
{
  const opis_image *images[ENGINE_PICTURES];
  opis_description *d[ENGINE_PICTURES];
  b->batch_size = engine_pictures(b->model);
  for (size_t i = 0; i < b->batch_size; i++)
    images[i] = b->pictures[i % b->n_pictures].image;
  size_t rounds = 1 + (size_t)b->repeat / b->batch_size;
  int code = 0;
  for (size_t r = 0; r < rounds && code == 0; r++) {
    double started = clock_seconds();
    code = opis_describe_images(d, b->model, images, b->batch_size, &b->s.generate);
    double rate = (double)b->batch_size / (clock_seconds() - started);
    b->batch = rate > b->batch ? rate : b->batch;
    for (size_t i = 0; i < b->batch_size && code == 0; i++)
      opis_description_free(d[i]);
  }
  return code;
}

static int ascending(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* What the weights take in memory, about. */
static size_t weights_bytes(const opis_model *m)
{
  return (size_t)((double)opis_model_parameters(m) * (opis_model_precision(m) == OPIS_PRECISION_Q8 ? 1.125 : 4));
}

static int measure(bench *b)
{
  for (int i = 0; i < STAGES; i++)
    if (!(b->stage[i].ms = calloc((size_t)b->repeat, sizeof(double))))
      return error_nomem();
  int code = one_picture(b, &b->pictures[0], false); /* caches, scratch memory and the clock of the processor come to where they stay */
  for (int i = 0; i < b->repeat && code == 0; i++)
    code = one_picture(b, &b->pictures[(size_t)i % b->n_pictures], true);
  for (int i = 0; i < STAGES; i++)
    qsort(b->stage[i].ms, b->stage[i].n, sizeof(double), ascending);
  b->memory = peak_memory();
  if (code == 0)
    code = count_work(b);
  if (code == 0)
    code = measure_batches(b);
  if (code == 0)
    code = nn_measure_peak(&b->peak, weights_bytes(b->model), b->model->threads);
  if (code == 0)
    b->single = 1e3 / (b->stage[PICTURE].ms[0] - b->stage[DECODE].ms[0]);
  return code;
}

/* ---- results ---- */

/* Milliseconds that a picture's work would take if nothing were in the way: every kind of sum at its own peak, and the weights at the memory's speed. */
static double roofline(const bench *b, nn_work w)
{
  return 1e3 * (w.f32 / b->peak.f32 + w.q8 / b->peak.q8 + w.weights / b->peak.memory);
}

/* What opis has kernels for, or could have: in the words of /proc/cpuinfo. */
static void features(char *s, size_t size)
{
  static const char *const known[] = {
    "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "asimddp", "i8mm", "bf16", "sve"};
  char *line = NULL;
  size_t n = 0;
  FILE *f = fopen("/proc/cpuinfo", "re");
  *s = '\0';
  while (f && getline(&line, &n, f) > 0)
    if (strncmp(line, "flags", 5) == 0 || strncmp(line, "Features", 8) == 0) {
      char *rest;
      for (char *word = strtok_r(line, " \t\n:", &rest); word; word = strtok_r(NULL, " \t\n:", &rest))
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
          if (strcmp(word, known[i]) == 0)
            snprintf(s + strlen(s), size - strlen(s), "%s%s", *s ? " " : "", word);
      break;
    }
  free(line);
  if (f)
    fclose(f);
}

static double median(const times *t)
{
  return t->n ? (t->ms[(t->n - 1) / 2] + t->ms[t->n / 2]) / 2 : 0;
}

static double best(const times *t)
{
  return t->n ? t->ms[0] : 0;
}

static void print_text(const bench *b)
{
  char words[256];
  nn_work e = b->encoder;
  double reached = (e.f32 + e.q8) / best(&b->stage[ENCODE]) * 1e-6, whole = best(&b->stage[PICTURE]) - best(&b->stage[DECODE]);
  features(words, sizeof words);
  printf("program    opis %s, kernels %s, %d %s of %d here (%s)\n", opis_version(), opis_cpu(), opis_model_threads(b->model),
    opis_model_threads(b->model) == 1 ? "thread" : "threads", cpus_available(), *words ? words : "features unknown");
  printf("model      %s (%s), %s, %.1f M parameters\n", opis_model_name(b->model), opis_model_family(b->model), opis_model_precision(b->model) == OPIS_PRECISION_Q8 ? "q8" : "f32",
    (double)opis_model_parameters(b->model) / 1e6);
  printf("load       %.1f ms\n", b->load);
  for (int i = 0; i < STAGES; i++)
    printf("%-10s median %.2f ms, best %.2f ms\n", stage_names[i], median(&b->stage[i]), best(&b->stage[i]));
  printf("captions   %.1f a second one at a time, %.1f in batches of %zu (pictures decoded before)\n", b->single, b->batch, b->batch_size);
  printf("memory     %.1f MB at the peak\n", b->memory / 1e6);
  printf("encoder    %.1f GOP/s: %.2f GOP in 8 bits and %.2f GFLOP, %.0f %% of the roofline\n", reached, e.q8 / 1e9, e.f32 / 1e9, 100 * roofline(b, e) / best(&b->stage[ENCODE]));
  printf("work       %.2f GOP in 8 bits, %.2f GFLOP, %.2f GB of weights, %zu tokens: %.0f %% of the roofline\n", b->all.q8 / 1e9, b->all.f32 / 1e9, b->all.weights / 1e9, b->tokens,
    100 * roofline(b, b->all) / whole);
  printf("machine    %.0f GFLOP/s, %.0f GOP/s in 8 bits, %.1f GB/s of weights (measured, %d %s)\n", b->peak.f32 / 1e9, b->peak.q8 / 1e9, b->peak.memory / 1e9,
    opis_model_threads(b->model), opis_model_threads(b->model) == 1 ? "thread" : "threads");
}

static json_t *work_json(const bench *b, nn_work w, double ms)
{
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "f32_gflop", w.f32 / 1e9, "q8_gop", w.q8 / 1e9, "weights_gb", w.weights / 1e9, "gops_per_second", (w.f32 + w.q8) / ms * 1e-6,
    "roofline_ms", roofline(b, w), "roofline_share", roofline(b, w) / ms);
}

static int print_json(const bench *b)
{
  char words[256];
  features(words, sizeof words);
  json_t *ms = json_object();
  json_object_set_new(ms, "load", json_real(b->load));
  for (int i = 0; i < STAGES; i++)
    json_object_set_new(ms, stage_names[i], json_pack("{s:f, s:f}", "median", median(&b->stage[i]), "best", best(&b->stage[i])));
  json_t *o =
    json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:I, s:i, s:I, s:o, s:{s:f, s:f, s:i}, s:I, s:o, s:o, s:{s:f, s:f, s:f}}", "version", opis_version(), "cpu", opis_cpu(),
      "features", words, "processors", cpus_available(), "threads", opis_model_threads(b->model), "model", opis_model_name(b->model), "family", opis_model_family(b->model),
      "precision", opis_model_precision(b->model) == OPIS_PRECISION_Q8 ? "q8" : "f32", "parameters", (json_int_t)opis_model_parameters(b->model), "repeat", b->repeat, "tokens",
      (json_int_t)b->tokens, "ms", ms, "captions_per_second", "single", b->single, "batch", b->batch, "batch_size", (json_int_t)b->batch_size, "peak_memory_bytes",
      (json_int_t)b->memory, "encoder", work_json(b, b->encoder, best(&b->stage[ENCODE])), "whole", work_json(b, b->all, best(&b->stage[PICTURE]) - best(&b->stage[DECODE])),
      "peak", "f32_gflops", b->peak.f32 / 1e9, "q8_gops", b->peak.q8 / 1e9, "memory_gb_per_second", b->peak.memory / 1e9);
  char *text = o ? json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
  json_decref(o);
  if (!text)
    return error_nomem();
  puts(text);
  free(text);
  return 0;
}

static int stop(void *unused)
{
  (void)unused;
  return cli_interrupted();
}

static int run_bench(bench *b, char *const *paths, size_t n)
{
  double started = clock_seconds();
  int code = opis_model_open(&b->model, b->s.model, &b->s.load);
  b->load = (clock_seconds() - started) * 1e3;
  b->s.generate.cancelled = stop;
  if (code == 0)
    code = opis_options_check(b->model, &b->s.generate);
  if (code == 0)
    code = read_pictures(b, paths, n);
  if (code == 0)
    code = measure(b);
  if (code == 0 && b->format == 1)
    code = print_json(b);
  else if (code == 0)
    print_text(b);
  for (size_t i = 0; i < b->n_pictures; i++) {
    free(b->pictures[i].bytes);
    opis_image_free(b->pictures[i].image);
  }
  free(b->pictures);
  for (int i = 0; i < STAGES; i++)
    free(b->stage[i].ms);
  opis_model_free(b->model);
  return code;
}

static int run(const cli_command *self, int argc, char **argv)
{
  static const char *const formats[] = {"text", "json", NULL};
  bench b = {.s = GENERATE_SETTINGS_INIT, .repeat = 20};
  bool ok = true;
  cli_args a;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case REPEAT: ok = ok && cli_int(&a, &b.repeat, 1, 1000000); break;
    case FORMAT: ok = ok && cli_choice(&a, &b.format, formats); break;
    default: ok = ok && generate_option(&a, id, &b.s) > 0;
    }
  if (!ok)
    return CLI_USAGE;
  cli_catch_signals();
  int code = run_bench(&b, a.operands, (size_t)a.n_operands);
  if (code < 0 && cli_interrupted())
    return CLI_INTERRUPTED;
  if (code < 0)
    cli_error("%s", opis_error_message());
  return code == OPIS_EINVALID ? CLI_USAGE : code < 0 ? CLI_FAILED : CLI_OK;
}

const cli_command cmd_bench = {
  .name = "bench",
  .operands = "[PATH…]",
  .summary = "measure how fast this machine describes pictures",
  .description =
    "Describes a picture again and again (one that the program makes itself, or those given) and says how long loading, decoding, encoding and the search for words take, how many "
    "captions a second that is one at a time and in batches, and how much memory it took at the peak.\n\n"
    "It also measures what the processor can do at the very most with the instructions in use, and how fast memory is read, and tells how much of that was reached: the roofline "
    "is "
    "the time that the picture's sums would take at those peaks, plus all weights that it goes over, at the speed at which that much memory can be read again and again. Where "
    "other programs run at the same time, look at the best, not the "
    "median.",
  .options = options,
  .examples = examples,
  .run = run,
  .operand_completion = CLI_COMPLETE_FILE,
};
