/* opis describe: says what is on pictures. */
#include "cli/commands.h"
#include "cli/describe.h"

#include "util/cpus.h"
#include "util/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  BEAMS = 256,
  MAX_LENGTH,
  MIN_LENGTH,
  LENGTH_PENALTY,
  EARLY_STOPPING,
  NO_REPEAT_NGRAM,
  REPETITION_PENALTY,
  CANDIDATES,
  PROMPT,
  PRECISION,
  THREADS,
  JOBS,
  FORMAT,
  FILES_FROM,
  SHARD,
  RESUME,
  FORCE,
  NO_ORIENT,
  MAX_PIXELS,
  MAX_BYTES,
  TIMEOUT,
  DUMP
};

static const cli_option options[] = {
  {'m', "model", "MODEL", "use this model: a name of 'opis model list', a hub folder, a GGUF file (default: $OPIS_MODEL, else opis-small)", CLI_COMPLETE_MODEL},
  {BEAMS, "beams", "N", "keep the N best beginnings of a sentence while searching; 1 is greedy (default: the model's)", 0},
  {MAX_LENGTH, "max-length", "N", "stop at N tokens, start token and prompt included (default: the model's)", 0},
  {MIN_LENGTH, "min-length", "N", "do not end before N tokens", 0},
  {LENGTH_PENALTY, "length-penalty", "X", "divide a sentence's score by its length to the power X: above 0 favours longer ones", 0},
  {EARLY_STOPPING, "early-stopping", "[=never]", "stop when enough sentences have ended; with =never only when no better one can come", 0},
  {NO_REPEAT_NGRAM, "no-repeat-ngram", "N", "let no N tokens in a row come twice", 0},
  {REPETITION_PENALTY, "repetition-penalty", "X", "make tokens less likely that were there already; 1 is none", 0},
  {CANDIDATES, "candidates", "N", "give the N best sentences, at most as many as beams", 0},
  {PROMPT, "prompt", "TEXT", "begin the description with TEXT, where the model's family takes a prompt", 0},
  {PRECISION, "precision", "f32|q8", "compute in 32-bit floats or 8-bit integers (default: as the weights are stored)", 0},
  {THREADS, "threads", "N", "use N threads for a picture (default: every core this process may use)", 0},
  {JOBS, "jobs", "N", "read and decode N pictures at a time, beside describing (default: 2)", 0},
  {FORMAT, "format", "text|json|jsonl|csv|sidecar|xmp", "how answers are written; sidecar and xmp write NAME.txt and NAME.xmp beside each picture", 0},
  {'o', "output", "FILE", "write to FILE instead of standard output", CLI_COMPLETE_FILE},
  {'r', "recursive", NULL, "describe the pictures in folders, too; other files in them are skipped", 0},
  {FILES_FROM, "files-from", "FILE", "read paths from FILE, one a line; '-' is standard input", CLI_COMPLETE_FILE},
  {'0', "null", NULL, "paths of --files-from end with NUL instead of a line break", 0},
  {SHARD, "shard", "I/N|env", "take every N-th input beginning with the I-th; env: as Slurm, AWS Batch or Kubernetes say", 0},
  {RESUME, "resume", NULL, "go on with the FILE of -o: skip what it already answers", 0},
  {FORCE, "force", NULL, "write sidecars even where there are some", 0},
  {NO_ORIENT, "no-orient", NULL, "do not turn pictures upright by their EXIF orientation", 0},
  {MAX_PIXELS, "max-pixels", "N", "refuse pictures of more pixels (default: 178956970)", 0},
  {MAX_BYTES, "max-bytes", "N", "refuse files of more bytes, such as 500M (default: 200M)", 0},
  {TIMEOUT, "timeout", "S", "give a picture up after S seconds", 0},
  {DUMP, "dump", "FILE", "also write pixels, pixel_values and encoder_last_hidden_state as safetensors", CLI_COMPLETE_FILE},
  {0},
};

static const cli_example examples[] = {
  {"opis describe photo.jpg", "the description alone, for one picture"},
  {"opis describe --format jsonl -r photos -o captions.jsonl", "every picture below a folder, one JSON object a line"},
  {"opis describe --format jsonl -r photos -o captions.jsonl --resume", "the same after it was stopped: what is there is not done again"},
  {"opis describe --format sidecar *.jpg", "NAME.txt beside each picture"},
  {"curl -s URL | opis describe -", "a picture from standard input"},
  {"find . -name '*.png' -print0 | opis describe --files-from - -0 --format csv", "pictures named by another program"},
  {"opis describe -m vit-gpt2 --beams 4 --max-length 16 photo.jpg", "another model, with its published settings"},
  {0},
};

typedef struct settings {
  const char *model, *output, *files_from, *dump;
  opis_model_options load;
  opis_options generate;
  int format, jobs, shard, shards;
  bool recursive, nul, resume, force;
} settings;

/* One option into the settings; false when its value is wrong (already said). */
static bool set_option(const cli_args *a, int id, settings *s)
{
  static const char *const formats[] = {"text", "json", "jsonl", "csv", "sidecar", "xmp", NULL};
  static const char *const precisions[] = {"f32", "q8", NULL};
  const double most = 1e30;
  opis_options *g = &s->generate;
  int n;
  switch (id) {
  case 'm': s->model = a->value; return true;
  case 'o': s->output = a->value; return true;
  case 'r': s->recursive = true; return true;
  case '0': s->nul = true; return true;
  case BEAMS: return cli_int(a, &g->beams, 1, 64);
  case MAX_LENGTH: return cli_int(a, &g->max_length, 1, 1 << 20);
  case MIN_LENGTH: return cli_int(a, &g->min_length, 0, 1 << 20);
  case LENGTH_PENALTY: return cli_double(a, &g->length_penalty, -most, most);
  case NO_REPEAT_NGRAM: return cli_int(a, &g->no_repeat_ngram, 0, 1 << 20);
  case CANDIDATES: return cli_int(a, &g->candidates, 1, 64);
  case PROMPT: g->prompt = a->value; return true;
  case THREADS: return cli_int(a, &s->load.threads, 1, 1024);
  case JOBS: return cli_int(a, &s->jobs, 1, 256);
  case FORMAT: return cli_choice(a, &s->format, formats);
  case FILES_FROM: s->files_from = a->value; return true;
  case RESUME: s->resume = true; return true;
  case FORCE: s->force = true; return true;
  case NO_ORIENT: g->image.no_orient = 1; return true;
  case MAX_BYTES: return cli_bytes(a, &g->image.max_bytes);
  case MAX_PIXELS: return cli_bytes(a, &g->image.max_pixels);
  case TIMEOUT: return cli_double(a, &g->timeout, 1e-3, 1e9);
  case DUMP: s->dump = a->value; return true;
  case REPETITION_PENALTY:
    if (!cli_double(a, &g->repetition_penalty, 0, most))
      return false;
    if (g->repetition_penalty == 0)
      cli_error("--repetition-penalty: must be above 0; 1 is none");
    return g->repetition_penalty > 0;
  case PRECISION:
    if (!cli_choice(a, &n, precisions))
      return false;
    s->load.precision = n == 0 ? OPIS_PRECISION_F32 : OPIS_PRECISION_Q8;
    return true;
  case EARLY_STOPPING:
    g->early_stopping = OPIS_EARLY_STOPPING_TRUE;
    if (a->value && strcmp(a->value, "never") == 0)
      g->early_stopping = OPIS_EARLY_STOPPING_NEVER;
    else if (a->value)
      cli_error("--early-stopping: '%s' is not never", a->value);
    return !a->value || g->early_stopping == OPIS_EARLY_STOPPING_NEVER;
  case SHARD:
    if (describe_shard_parse(&s->shard, &s->shards, a->value) < 0) {
      cli_error("%s", opis_error_message());
      return false;
    }
    return true;
  default: return false;
  }
}

/* What is wrong with the options taken together, NULL when nothing is. */
static const char *contradiction(const settings *s, const cli_args *a)
{
  bool beside = s->format == DESCRIBE_SIDECAR || s->format == DESCRIBE_XMP;
  if (a->n_operands == 0 && !s->files_from)
    return "no picture given; name a file, a folder with -r, or - for standard input";
  if (beside && s->output)
    return "--format sidecar and xmp write beside the pictures and take no -o";
  if (s->resume && !s->output && !beside)
    return "--resume needs the -o FILE to go on with";
  if (s->resume && s->format == DESCRIBE_JSON)
    return "--resume goes on with lines; use --format jsonl instead of json";
  if (s->nul && !s->files_from)
    return "-0 is about --files-from, which is not given";
  bool list_is_stdin = s->files_from && strcmp(s->files_from, "-") == 0;
  for (int i = 0; i < a->n_operands; i++)
    if (strcmp(a->operands[i], "-") == 0) {
      if (beside)
        return "standard input has no name to write a sidecar beside";
      if (list_is_stdin)
        return "standard input is the list of --files-from already";
      list_is_stdin = true;
    }
  return NULL;
}

/* How many inputs there are, for the progress line; 0 where counting would take a list's only reading, or nobody looks. */
static uint64_t count_inputs(const describe_inputs_options *o)
{
  describe_inputs *in;
  describe_input input;
  uint64_t n = 0;
  if (!isatty(STDERR_FILENO) || o->files_from || describe_inputs_open(&in, o) < 0)
    return 0;
  for (; !cli_interrupted() && describe_inputs_next(in, &input) > 0; n++)
    free(input.path);
  describe_inputs_close(in);
  return n;
}

static int interrupted(void *unused)
{
  (void)unused;
  return cli_interrupted();
}

static void say_summary(const describe_run *r, const settings *s)
{
  if (r->skipped)
    cli_error("%llu %s no pictures and %s skipped", (unsigned long long)r->skipped, r->skipped == 1 ? "file is" : "files are", r->skipped == 1 ? "was" : "were");
  if (r->left_alone && !s->resume)
    cli_error("%llu %s already there and left alone; --force writes anew", (unsigned long long)r->left_alone, r->left_alone == 1 ? "sidecar was" : "sidecars were");
  unsigned long long failed = r->failed, all = r->failed + r->done;
  if (failed && all > 1)
    cli_error("%llu of %llu pictures failed", failed, all);
}

/* The exit status of a run that ended with `code`. */
static int finish(describe_run *r, const settings *s, int code)
{
  bool quiet = describe_output_closed_pipe(r->output), complete = code == 0 || code == OPIS_ECANCELLED;
  if (code < 0 && code != OPIS_ECANCELLED && !quiet)
    cli_error("%s", opis_error_message());
  int closed = describe_output_close(r->output, complete);
  if (closed < 0 && complete && !quiet)
    cli_error("%s", opis_error_message());
  if (r->dump && code == 0 && describe_dump_write(r->dump, s->dump) < 0) {
    cli_error("%s", opis_error_message());
    closed = OPIS_EIO;
  }
  if (cli_interrupted())
    return CLI_INTERRUPTED;
  if (!quiet && ((code < 0 && code != OPIS_ECANCELLED) || closed < 0))
    return CLI_FAILED;
  say_summary(r, s);
  return r->failed ? CLI_SOME_FAILED : CLI_OK;
}

static int describe(const cli_command *self, const char *name, settings *s, const cli_args *a)
{
  describe_inputs_options in = {a->operands, a->n_operands, s->recursive, s->files_from, s->nul, s->shard, s->shards};
  describe_output_options out = {
    .format = (describe_format)s->format,
    .file = s->output,
    .single = !s->recursive && !s->files_from && a->n_operands == 1,
    .resume = s->resume,
    .force = s->force,
  };
  describe_run r = {.options = &s->generate, .jobs = s->jobs};
  pathset done = PATHSET_INIT;
  opis_model *model = NULL;
  int status = CLI_FAILED;
  if (opis_model_open(&model, s->model, &s->load) < 0) {
    cli_error("%s", opis_error_message());
    return CLI_FAILED;
  }
  if (opis_options_check(model, &s->generate) < 0) {
    opis_model_free(model);
    return cli_usage(self, name, "%s", opis_error_message());
  }
  r.model = out.model = model;
  if (describe_inputs_open(&r.inputs, &in) < 0 || (s->dump && describe_dump_new(&r.dump) < 0) || describe_output_open(&r.output, &out, &done) < 0)
    cli_error("%s", opis_error_message());
  else {
    r.total = count_inputs(&in);
    status = finish(&r, s, describe_run_all(&r));
  }
  describe_inputs_close(r.inputs);
  describe_dump_free(r.dump);
  pathset_free(&done);
  opis_model_free(model);
  return status;
}

static int run(const cli_command *self, int argc, char **argv)
{
  settings s = {.load = OPIS_MODEL_OPTIONS_INIT, .generate = OPIS_OPTIONS_INIT, .jobs = 2, .shard = 1, .shards = 1};
  cli_args a;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;) {
    if (id == CLI_HELP)
      return cli_help(self, argv[0]);
    if (id == CLI_ERROR || !set_option(&a, id, &s))
      return CLI_USAGE;
  }
  const char *wrong = contradiction(&s, &a);
  if (wrong)
    return cli_usage(self, argv[0], "%s", wrong);
  cli_catch_signals();
  s.generate.cancelled = interrupted;
  return describe(self, argv[0], &s, &a);
}

const cli_command cmd_describe = {
  .name = "describe",
  .operands = "PATH… | -",
  .summary = "say in words what is on pictures",
  .description = "Prints a description of each picture: the words alone for one, PATH, a tab and the words for more. Pictures are told by content, never by name: JPEG, PNG, WebP, "
                 "GIF, BMP, TIFF, HEIC, AVIF, PNM. "
                 "A picture that cannot be read gives an error in its place, and the others are described all the same.\n\n"
                 "Without -m the model inside the program is used; nothing is downloaded, and no picture leaves this machine.",
  .options = options,
  .examples = examples,
  .run = run,
  .operand_completion = CLI_COMPLETE_FILE,
};
