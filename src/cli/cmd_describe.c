/* opis describe: says what is on pictures. */
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/generate_options.h"

#include "util/cpus.h"
#include "util/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CANDIDATES = 256, FORMAT, FILES_FROM, SHARD, RESUME, FORCE, DUMP };

static const cli_option options[] = {
  GENERATE_SEARCH_OPTIONS,
  {CANDIDATES, "candidates", "N", "give the N best sentences, at most as many as beams", 0},
  {FORMAT, "format", "text|json|jsonl|csv|sidecar|xmp", "how answers are written; sidecar and xmp write NAME.txt and NAME.xmp beside each picture", 0},
  {'o', "output", "FILE", "write to FILE instead of standard output", CLI_COMPLETE_FILE},
  {'r', "recursive", NULL, "describe the pictures in folders, too; other files in them are skipped", 0},
  {FILES_FROM, "files-from", "FILE", "read paths from FILE, one a line; '-' is standard input", CLI_COMPLETE_FILE},
  {'0', "null", NULL, "paths of --files-from end with NUL instead of a line break", 0},
  {SHARD, "shard", "I/N|env", "take every N-th input beginning with the I-th; env: as Slurm, AWS Batch or Kubernetes say", 0},
  {RESUME, "resume", NULL, "go on with the FILE of -o: skip what it already answers", 0},
  {FORCE, "force", NULL, "write sidecars even where there are some", 0},
  GENERATE_PICTURE_OPTIONS,
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
  generate_settings shared;
  const char *output, *files_from, *dump;
  int format, shard, shards;
  bool recursive, nul, resume, force;
} settings;

/* One option into the settings; false when its value is wrong (already said). */
static bool set_option(const cli_args *a, int id, settings *s)
{
  static const char *const formats[] = {"text", "json", "jsonl", "csv", "sidecar", "xmp", NULL};
  int taken = generate_option(a, id, &s->shared);
  if (taken)
    return taken > 0;
  switch (id) {
  case 'o': s->output = a->value; return true;
  case 'r': s->recursive = true; return true;
  case '0': s->nul = true; return true;
  case CANDIDATES: return cli_int(a, &s->shared.generate.candidates, 1, 64);
  case FORMAT: return cli_choice(a, &s->format, formats);
  case FILES_FROM: s->files_from = a->value; return true;
  case RESUME: s->resume = true; return true;
  case FORCE: s->force = true; return true;
  case DUMP: s->dump = a->value; return true;
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

/* One named picture, which will surely be asked for. */
static bool is_one_picture(const settings *s, const cli_args *a)
{
  return a->n_operands == 1 && !s->recursive && !s->files_from && !s->resume && s->shards == 1 && s->format != DESCRIBE_SIDECAR && s->format != DESCRIBE_XMP &&
    strcmp(a->operands[0], "-") != 0;
}

/* The program ends with the model open: the system takes all of it back at once, where freeing would go piece by piece and wait for the threads. */
static opis_model *volatile at_end;

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
  const bool one = is_one_picture(s, a);
  describe_run r = {.options = &s->shared.generate, .jobs = one ? 1 : s->shared.jobs};
  pathset done = {0};
  opis_model *model = NULL;
  int status = CLI_FAILED;
  if (one)
    r.ahead = describe_ahead_start(a->operands[0], &s->shared.generate.image);
  if (opis_model_open(&model, s->shared.model, &s->shared.load) < 0) {
    cli_error("%s", opis_error_message());
    describe_ahead_free(r.ahead);
    return CLI_FAILED;
  }
  if (opis_options_check(model, &s->shared.generate) < 0) {
    opis_model_free(model);
    describe_ahead_free(r.ahead);
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
  describe_ahead_free(r.ahead);
  pathset_free(&done);
  at_end = model;
  return status;
}

static int run(const cli_command *self, int argc, char **argv)
{
  settings s = {.shared = GENERATE_SETTINGS_INIT, .shard = 1, .shards = 1};
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
  s.shared.generate.cancelled = interrupted;
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
