/* opis eval: how good descriptions are, against what people wrote. */
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/generate_options.h"

#include "eval/eval.h"
#include "util/error.h"
#include "util/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REFERENCES = 256, PREDICTIONS, COMPARE, IMAGES, FORMAT, HTML, SHOWN, SAMPLES };

static const cli_option options[] = {
  {REFERENCES, "references", "FILE", "what people wrote: a token file, CSV, JSONL, COCO or Karpathy JSON, or a folder of .txt files", CLI_COMPLETE_FILE},
  {PREDICTIONS, "predictions", "FILE", "the descriptions: any format of 'opis describe', COCO results, a token file", CLI_COMPLETE_FILE},
  {COMPARE, "compare", "FILE", "a second file of descriptions: differences, their intervals, and a paired test", CLI_COMPLETE_FILE},
  {IMAGES, "images", "DIR", "where the pictures are; without --predictions they are described and scored in one go", CLI_COMPLETE_FOLDER},
  {FORMAT, "format", "text|json", "how the answer is written", 0},
  {HTML, "html", "FILE", "also write a page with the best and the worst pictures", CLI_COMPLETE_FILE},
  {SHOWN, "shown", "N", "show N best and N worst pictures on the page (default: 24)", 0},
  {SAMPLES, "samples", "N", "use N bootstrap samples for intervals and tests; 0 is none (default: 1000)", 0},
  {'o', "output", "FILE", "with --images: keep the descriptions in FILE, as JSON lines", CLI_COMPLETE_FILE},
  GENERATE_SEARCH_OPTIONS,
  GENERATE_PICTURE_OPTIONS,
  {0},
};

static const cli_example examples[] = {
  {"opis eval --references captions.token.txt --predictions described.jsonl", "BLEU, ROUGE-L and CIDEr"},
  {"opis eval --references captions.token.txt --predictions new.jsonl --compare old.jsonl", "whether new is better than old, and how sure that is"},
  {"opis eval --references coco.json --predictions results.json --format json --html report.html --images val2014", "for programs, and a page with pictures"},
  {"opis eval --references test.token.txt --images photos --beams 4 -o described.jsonl", "describe and score in one go"},
  {0},
};

typedef struct settings {
  generate_settings shared;
  const char *references, *predictions, *compare, *images, *html, *output;
  int format, shown, samples;
  bool describes; /* an option of describing was given */
} settings;

static bool set_option(const cli_args *a, int id, settings *s)
{
  static const char *const formats[] = {"text", "json", NULL};
  int taken = generate_option(a, id, &s->shared);
  if (taken) {
    s->describes = true;
    return taken > 0;
  }
  switch (id) {
  case REFERENCES: s->references = a->value; return true;
  case PREDICTIONS: s->predictions = a->value; return true;
  case COMPARE: s->compare = a->value; return true;
  case IMAGES: s->images = a->value; return true;
  case HTML: s->html = a->value; return true;
  case 'o': s->output = a->value; return true;
  case FORMAT: return cli_choice(a, &s->format, formats);
  case SHOWN: return cli_int(a, &s->shown, 0, 1000);
  case SAMPLES: return cli_int(a, &s->samples, 0, 1000000);
  default: return false;
  }
}

static const char *contradiction(const settings *s, const cli_args *a)
{
  if (a->n_operands)
    return "takes no operands; name files with --references and --predictions";
  if (!s->references)
    return "no --references";
  if (!s->predictions && !s->images)
    return "neither --predictions nor --images";
  if (s->predictions && (s->describes || s->output))
    return "options of describing go with --images alone: with --predictions nothing is described";
  if (s->samples == 1)
    return "--samples: one sample says nothing; 0 is none";
  return NULL;
}

/* ---- describing ---- */

/* Where the picture of each reference is: below the folder as named, else there by its file name. [n] malloc'ed strings; those that are nowhere are left out. */
static char **find_pictures(const eval_references *r, const char *folder, int *n)
{
  char **paths = calloc(r->n + 1, sizeof *paths);
  *n = 0;
  for (size_t i = 0; paths && i < r->n; i++) {
    const char *names[2] = {r->pictures[i], caption_base_name(r->pictures[i])};
    for (int k = 0; k < 2; k++) {
      char *path = NULL;
      if (path_join(&path, folder, names[k]) == 0 && file_exists(path)) {
        paths[(*n)++] = path;
        break;
      }
      free(path);
    }
  }
  return paths;
}

static int interrupted(void *unused)
{
  (void)unused;
  return cli_interrupted();
}

/* Describes all pictures into `file`, as describe does. */
static int describe_into(const char *file, const eval_references *r, settings *s)
{
  int n, code;
  char **paths = find_pictures(r, s->images, &n);
  pathset done = {0};
  describe_inputs_options in = {paths, n, false, NULL, false, 1, 1};
  describe_output_options out = {.format = DESCRIBE_JSONL, .file = file};
  describe_run run = {.options = &s->shared.generate, .jobs = s->shared.jobs, .total = (uint64_t)n};
  opis_model *model = NULL;
  s->shared.generate.cancelled = interrupted;
  if (!paths)
    return error_nomem();
  code = n ? opis_model_open(&model, s->shared.model, &s->shared.load) : error_set(OPIS_ENOTFOUND, "%s: none of the pictures of %s is there", s->images, s->references);
  if (code == 0)
    code = opis_options_check(model, &s->shared.generate);
  run.model = out.model = model;
  if (code == 0)
    code = describe_inputs_open(&run.inputs, &in);
  if (code == 0)
    code = describe_output_open(&run.output, &out, &done);
  if (code == 0) {
    code = describe_run_all(&run);
    int closed = describe_output_close(run.output, code == 0);
    code = code ? code : closed;
  }
  describe_inputs_close(run.inputs);
  pathset_free(&done);
  opis_model_free(model);
  for (int i = 0; i < n; i++)
    free(paths[i]);
  free(paths);
  return code;
}

/* Descriptions of a run: read back by the paths that were given. */
static void name_as_references(captions *c, const char *folder)
{
  size_t n = strlen(folder);
  while (n > 1 && folder[n - 1] == '/')
    n--;
  for (size_t i = 0; i < c->n; i++)
    if (strncmp(c->items[i].picture, folder, n) == 0 && c->items[i].picture[n] == '/')
      c->items[i].picture += n + 1 + strspn(c->items[i].picture + n + 1, "/");
}

static int describe_and_read(captions *c, const eval_references *r, settings *s)
{
  char *temporary = NULL;
  const char *folder = getenv("TMPDIR");
  int code = 0;
  if (!s->output) {
    if (asprintf(&temporary, "%s/opis-eval-XXXXXX", folder && *folder ? folder : "/tmp") < 0)
      return error_nomem();
    int fd = mkstemp(temporary);
    if (fd < 0)
      code = error_set_errno("%s", temporary);
    else
      close(fd);
  }
  const char *file = s->output ? s->output : temporary;
  if (code == 0)
    code = describe_into(file, r, s);
  if (code == 0)
    code = captions_read(c, file, CAPTIONS_JSONL);
  if (code == 0)
    name_as_references(c, s->images);
  if (temporary)
    unlink(temporary);
  free(temporary);
  return code;
}

/* ---- scoring ---- */

typedef struct scored {
  captions captions;
  ptb_text *texts;
  size_t unused;
  eval_result result;
} scored;

static int score(scored *x, eval_corpus *corpus, const eval_references *r, const char *file, settings *s)
{
  int e = file ? captions_read(&x->captions, file, CAPTIONS_AUTO) : describe_and_read(&x->captions, r, s);
  if (e == 0)
    e = eval_match(&x->texts, &x->unused, r, &x->captions, file ? file : s->images);
  return e == 0 ? eval_score(&x->result, corpus, x->texts) : e;
}

static void scored_free(scored *x)
{
  eval_result_free(&x->result);
  free(x->texts);
  captions_free(&x->captions);
}

static int report(const eval_report *r, const settings *s)
{
  strbuf b = STRBUF_INIT;
  int e = s->format ? eval_report_json(&b, r) : eval_report_text(&b, r);
  if (e == 0)
    fwrite(b.s, 1, b.n, stdout);
  strbuf_reset(&b);
  if (e == 0 && s->html) {
    e = eval_report_html(&b, r);
    if (e == 0)
      e = file_replace(s->html, b.s, b.n, 0666, false);
  }
  strbuf_free(&b);
  return e;
}

static int evaluate(settings *s)
{
  captions written = CAPTIONS_INIT;
  eval_references references = {0};
  eval_corpus *corpus = NULL;
  scored one = {0}, other = {0};
  eval_interval interval[EVAL_METRICS];
  eval_comparison comparison;
  int e = captions_read(&written, s->references, CAPTIONS_AUTO);
  if (e == 0)
    e = eval_references_make(&references, &written, s->references);
  if (e == 0)
    e = eval_corpus_new(&corpus, &references);
  if (e == 0)
    e = score(&one, corpus, &references, s->predictions, s);
  if (e == 0 && s->compare)
    e = score(&other, corpus, &references, s->compare, s);
  if (e == 0 && s->samples)
    e = eval_confidence(interval, &one.result, s->samples);
  if (e == 0 && s->samples && s->compare)
    e = eval_compare(&comparison, &one.result, &other.result, s->samples);
  if (e == 0) {
    eval_report r = {&references, corpus, one.texts, other.texts, &one.result, s->compare ? &other.result : NULL, s->samples ? interval : NULL,
      s->samples && s->compare ? &comparison : NULL, s->references, s->predictions ? s->predictions : s->images, s->compare, one.unused, (size_t)s->shown, s->images};
    e = report(&r, s);
  }
  scored_free(&one);
  scored_free(&other);
  eval_corpus_free(corpus);
  eval_references_free(&references);
  captions_free(&written);
  return e;
}

static int run(const cli_command *self, int argc, char **argv)
{
  settings s = {.shared = GENERATE_SETTINGS_INIT, .shown = 24, .samples = 1000};
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
  int e = evaluate(&s);
  if (e == 0)
    return CLI_OK;
  if (cli_interrupted())
    return CLI_INTERRUPTED;
  cli_error("%s", opis_error_message());
  return CLI_FAILED;
}

const cli_command cmd_eval = {
  .name = "eval",
  .operands = "",
  .summary = "score descriptions against what people wrote",
  .description =
    "Computes BLEU-1 to BLEU-4, ROUGE-L and CIDEr as pycocoevalcap 1.2 does, Treebank tokens included, without Java or Python; with them 95 % intervals, how varied the words "
    "are, and which are said more often than people say them. With --compare it tells whether one set of descriptions is better than another or only luckier.\n\n"
    "A prediction belongs to the picture of the same path, else of the same COCO number, else of the same file name. A picture without one is an error: a score over "
    "fewer pictures would mean something else.",
  .options = options,
  .examples = examples,
  .run = run,
};
