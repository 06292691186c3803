/* opis check: whether a set of pictures and captions is good. */
#include "cli/check_run.h"
#include "cli/commands.h"

#include "util/error.h"
#include "util/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CAPTIONS = 256, SPLITS, AGAINST, AGAINST_CAPTIONS, REQUIRE, FAIL_ON, REPORT, SET, BASELINE, CONFIG, INDEX, THREADS, MAX_PIXELS, MAX_BYTES, LIST };

static const cli_option options[] = {
  {CAPTIONS, "captions", "FILE", "look at the captions in FILE, too: a token file, Karpathy or COCO JSON, CSV, JSONL, or a folder of .txt files", CLI_COMPLETE_FILE},
  {SPLITS, "splits", "NAME=FILE", "FILE has the names of the pictures of a split, one a line, or is a folder below DIR; repeat it for each split, and what leaks is told",
    CLI_COMPLETE_FILE},
  {AGAINST, "against", "DIR|REV", "say what was added, removed and changed since DIR, or since a revision of the data repository around DIR, and how the two differ", 0},
  {AGAINST_CAPTIONS, "against-captions", "FILE", "the captions then (default: what the revision has in place of --captions, or a file of that name in or beside that DIR)",
    CLI_COMPLETE_FILE},
  {REQUIRE, "require", "FORMAT", "every picture must be of FORMAT by name and content: jpeg, png, webp, ...", 0},
  {FAIL_ON, "fail-on", "KEYS|none", "which findings make the exit status 1: keys with commas, default, all, none", 0},
  {REPORT, "report", "html=F|json=F|junit=F", "also write a report; '-' as F is standard output, instead of the text", 0},
  {SET, "set", "KEY=X", "set a check's threshold, or turn it on or off: dark=0.2, blurry=off", 0},
  {BASELINE, "baseline", "FILE", "accept the findings that FILE, an earlier JSON report, has", CLI_COMPLETE_FILE},
  {CONFIG, "config", "FILE", "read settings from FILE (default: opis-check.yaml in DIR, where there is one)", CLI_COMPLETE_FILE},
  {INDEX, "index", "FILE|none", "keep what was measured in FILE, so that a second run reads only what changed (default: in the user's cache folder)", CLI_COMPLETE_FILE},
  {THREADS, "threads", "N", "use N threads (default: every core this process may use)", 0},
  {MAX_PIXELS, "max-pixels", "N", "count pictures of more pixels as unreadable (default: 178956970)", 0},
  {MAX_BYTES, "max-bytes", "N", "count files of more bytes as unreadable (default: 200M)", 0},
  {LIST, "list", NULL, "list the checks with their thresholds, and do nothing else", 0},
  {0},
};

static const cli_example examples[] = {
  {"opis check photos", "everything about the pictures below a folder"},
  {"opis check photos --captions captions.token.txt", "and what is said of them"},
  {"opis check photos --splits train=train.txt --splits test=test.txt", "whether pictures of one split are in the other, too"},
  {"opis check photos --against v1", "what changed since the data's revision v1"},
  {"opis check photos --require jpeg --report junit=check.xml --report html=check.html", "for a build server, with a page to look at"},
  {"opis check photos --fail-on default,exact_duplicates --set dark=0.2 --set similar=off", "what counts, and from where on"},
  {"opis check photos --report json=accepted.json; opis check photos --baseline accepted.json", "only what is new since"},
  {0},
};

static bool add_report(check_run *r, const char *value)
{
  static const char *const kinds[] = {"html=", "json=", "junit="};
  for (int i = 0; i < 3; i++)
    if (strncmp(value, kinds[i], strlen(kinds[i])) == 0 && value[strlen(kinds[i])]) {
      if (r->n_reports == sizeof r->reports / sizeof *r->reports) {
        cli_error("--report: more than %zu reports", r->n_reports);
        return false;
      }
      r->reports[r->n_reports++] = (check_report){i, value + strlen(kinds[i])};
      return true;
    }
  cli_error("--report: '%s' is none of html=FILE, json=FILE, junit=FILE", value);
  return false;
}

static bool replace(char **field, const char *value)
{
  free(*field);
  *field = strdup(value);
  return *field != NULL;
}

/* Splits on the command line take the place of those in the file. */
static int add_split(check_run *r, const char *value)
{
  check_settings *s = &r->settings;
  for (; !r->own_splits && s->n_splits; s->n_splits--) {
    free(s->splits[s->n_splits - 1].name);
    free(s->splits[s->n_splits - 1].file);
  }
  r->own_splits = true;
  return check_settings_split(s, value);
}

/* Settings come twice: first --config alone is looked for, since the command line goes before the file. */
static bool set_option(const cli_args *a, int id, check_run *r)
{
  check_settings *s = &r->settings;
  int e = 0;
  switch (id) {
  case CAPTIONS: return replace(&s->captions, a->value);
  case AGAINST: return replace(&s->against, a->value);
  case AGAINST_CAPTIONS: return replace(&s->against_captions, a->value);
  case BASELINE: return replace(&s->baseline, a->value);
  case INDEX: r->index = a->value; return true;
  case THREADS: return cli_int(a, &r->threads, 1, 1024);
  case MAX_PIXELS: return cli_bytes(a, &r->max_pixels);
  case MAX_BYTES: return cli_bytes(a, &r->max_bytes);
  case REPORT: return add_report(r, a->value);
  case CONFIG: return true;
  case LIST: r->list = true; return true;
  case SPLITS: e = add_split(r, a->value); break;
  case REQUIRE: e = check_settings_require(s, a->value); break;
  case FAIL_ON: e = check_settings_fail_on(s, a->value); break;
  case SET: e = check_settings_set(s, a->value); break;
  default: return false;
  }
  if (e < 0)
    cli_error("--%s: %s", a->option->name, opis_error_message());
  return e == 0;
}

static void list(void)
{
  for (int k = 0; k < CHECK_KEYS; k++) {
    char threshold[32] = "";
    if (!isnan(check_keys[k].threshold))
      snprintf(threshold, sizeof threshold, "%g", check_keys[k].threshold);
    printf("%-20s %-6s %-6s %s\n", check_keys[k].name, threshold, check_keys[k].fails ? "fails" : "", check_keys[k].about);
  }
}

/* --config, or opis-check.yaml in the folder; CLI_OK or why not. */
static int read_config(const cli_command *self, int argc, char **argv, check_run *r)
{
  cli_args a;
  const char *config = NULL;
  char *beside = NULL;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;) {
    if (id == CLI_HELP)
      return cli_help(self, argv[0]) == 0 ? -1 : CLI_FAILED;
    if (id == CLI_ERROR)
      return CLI_USAGE;
    if (id == CONFIG)
      config = a.value;
    if (id == LIST)
      r->list = true;
  }
  if (a.n_operands > 1)
    return cli_usage(self, argv[0], "one folder at a time");
  r->root = a.n_operands ? a.operands[0] : ".";
  if (!config && path_join(&beside, r->root, "opis-check.yaml") == 0 && file_exists(beside))
    config = beside;
  int e = config ? check_config_read(&r->settings, config) : 0;
  free(beside);
  if (e < 0)
    cli_error("%s", opis_error_message());
  return e == 0 ? CLI_OK : e == OPIS_EINVALID ? CLI_USAGE : CLI_FAILED;
}

static int run(const cli_command *self, int argc, char **argv)
{
  check_run r = {.max_bytes = OPIS_MAX_BYTES_DEFAULT, .max_pixels = OPIS_MAX_PIXELS_DEFAULT};
  cli_args a;
  check_settings_init(&r.settings);
  int status = read_config(self, argc, argv, &r);
  if (status == CLI_OK && !r.list) {
    cli_start(&a, self, argc, argv);
    for (int id; status == CLI_OK && (id = cli_next(&a)) != 0;)
      if (!set_option(&a, id, &r))
        status = CLI_USAGE;
  }
  if (status == CLI_OK && r.list)
    list();
  else if (status == CLI_OK) {
    cli_catch_signals();
    status = check_run_all(&r);
  }
  check_settings_free(&r.settings);
  return status < 0 ? CLI_OK : status;
}

const cli_command cmd_check = {
  .name = "check",
  .operands = "[DIR]",
  .summary = "look whether pictures and captions are good",
  .description =
    "Looks at every picture below DIR (default: here) and says what is wrong: broken files, extensions that lie, duplicates, pictures that are dark, blurred, of odd size. "
    "Scores and flags of the common checks are those of cleanvision 0.3.7.\n\n"
    "The exit status is 1 when something is found that makes data unusable: unreadable, truncated, an extension that lies, "
    "an empty folder, captions that are missing, empty or of no picture, "
    "pictures that are in two splits. Matters of taste are told and do not count, unless --fail-on says so. --list shows all checks.",
  .options = options,
  .examples = examples,
  .run = run,
  .operand_completion = CLI_COMPLETE_FOLDER,
};
