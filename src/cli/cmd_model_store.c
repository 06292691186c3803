/* opis model pull, import, verify, remove: models come, are looked after, and go. */
#include "cli/commands.h"

#include "arch/captioner.h"
#include "model/hub.h"
#include "model/model_files.h"
#include "model/store.h"
#include "util/error.h"

#include <opis/opis.h>
#include <stdlib.h>
#include <string.h>

static int failed(int code)
{
  if (code == OPIS_ECANCELLED && cli_interrupted())
    return CLI_INTERRUPTED;
  cli_error("%s", opis_error_message());
  return code == OPIS_EINVALID ? CLI_USAGE : CLI_FAILED;
}

/* The only operand, or NULL once help or an error was printed (*status). */
static const char *one_operand(int *status, const cli_command *self, int argc, char **argv, const char *what)
{
  cli_args a;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;) {
    *status = id == CLI_HELP ? cli_help(self, argv[0]) : CLI_USAGE;
    return NULL;
  }
  if (a.n_operands == 1)
    return a.operands[0];
  *status = cli_usage(self, argv[0], "%s: needs %s", argv[0], what);
  return NULL;
}

/* ---- pull ---- */

typedef struct showing {
  cli_progress *progress;
  uint64_t total;
  const char *what, *name;
} showing;

static int show(void *user, uint64_t done, uint64_t total)
{
  showing *s = user;
  if (total > 0 && total != s->total) { /* the weights have joined the list */
    cli_progress_free(s->progress);
    s->progress = cli_progress_new(s->what, total, true);
    s->total = total;
  }
  cli_progress_update(s->progress, done, 0);
  return cli_interrupted();
}

static int accept(void *user, const json_t *config)
{
  const showing *s = user;
  return captioner_supported(config, s->name);
}

static int run_pull(const cli_command *self, int argc, char **argv)
{
  int status;
  const char *repo = one_operand(&status, self, argc, argv, "one model of the hub, OWNER/NAME or OWNER/NAME@REVISION");
  if (!repo)
    return status;
  cli_catch_signals();
  showing s = {.what = "fetching", .name = repo};
  hub_result r;
  int code = hub_pull(&r, repo, &(hub_options){.accept = accept, .progress = show, .user = &s});
  cli_progress_free(s.progress);
  if (code < 0)
    return failed(code);
  if (r.was_there)
    printf("%s\t%s\n", r.name, r.path);
  else
    printf("%s\t%s\t%.1f MB fetched, %.1f MB were here\n", r.name, r.path, (double)r.fetched / 1e6, (double)r.reused / 1e6);
  hub_result_free(&r);
  return CLI_OK;
}

/* ---- import ---- */

static int run_import(const cli_command *self, int argc, char **argv)
{
  int status;
  char *name, *path;
  const char *source = one_operand(&status, self, argc, argv, "one folder");
  if (!source)
    return status;
  cli_catch_signals();
  model_files *files; /* one that cannot be opened is not taken in */
  int code = model_files_open(&files, source);
  if (code == 0) {
    code = captioner_supported(model_files_config(files), source);
    model_files_close(files);
  }
  if (code == 0)
    code = model_store_import(&name, &path, source);
  if (code < 0)
    return failed(code);
  printf("%s\t%s\n", name, path);
  free(name);
  free(path);
  return CLI_OK;
}

/* ---- verify ---- */

static int run_verify(const cli_command *self, int argc, char **argv)
{
  int status;
  size_t n = 0;
  const char *name = one_operand(&status, self, argc, argv, "one model");
  if (!name)
    return status;
  cli_catch_signals();
  showing s = {.what = "reading"};
  model_files *files;
  int code = model_files_open(&files, name);
  if (code == 0) {
    if (model_files_path(files))
      code = model_store_verify(&n, model_files_path(files), show, &s);
    model_files_close(files);
    cli_progress_free(s.progress);
  }
  opis_model *model = NULL;
  if (code == 0)
    code = opis_model_open(&model, name, NULL); /* every tensor that its family needs, in its shape */
  if (code < 0)
    return code == OPIS_EFORMAT || code == OPIS_ENOTFOUND ? (failed(code), CLI_SOME_FAILED) : failed(code);
  if (n)
    printf("%s: %zu files are what they were, and all weights are there\n", name, n);
  else
    printf("%s: all weights are there; there is no record of digests to compare with (sha256 %s)\n", name, opis_model_sha256(model));
  opis_model_free(model);
  return CLI_OK;
}

/* ---- remove ---- */

static int run_remove(const cli_command *self, int argc, char **argv)
{
  int status;
  const char *name = one_operand(&status, self, argc, argv, "one installed model");
  if (!name)
    return status;
  char *snapshot;
  int code = model_store_remove(name);
  if (code == OPIS_ENOTFOUND && hub_cache_snapshot(&snapshot, name, "main") == 0) {
    cli_error("%s: is in the Hugging Face cache, which opis only reads (%s)", name, snapshot);
    free(snapshot);
    return CLI_FAILED;
  }
  return code < 0 ? failed(code) : CLI_OK;
}

static const cli_example pull_examples[] = {
  {"opis model pull nlpconnect/vit-gpt2-image-captioning", "fetch a model; -m takes the same name afterwards"},
  {"opis model pull Salesforce/blip-image-captioning-base@main", "a branch, tag or commit of it"},
  {"HF_TOKEN=… opis model pull us/private-captioner", "with a token, from a private repository"},
  {0},
};
static const cli_example import_examples[] = {{"opis model import ./my-captioner", "copy a hub folder into the store; -m my-captioner finds it"}, {0}};
static const cli_example verify_examples[] = {{"opis model verify nlpconnect/vit-gpt2-image-captioning", "compare every file with its digest, and look for every tensor"}, {0}};
static const cli_example remove_examples[] = {{"opis model remove my-captioner", "take an installed model away"}, {0}};

const cli_command cmd_model_pull = {
  .name = "pull",
  .operands = "REPO[@REV]",
  .summary = "fetch a model from the hub",
  .description =
    "Fetches what opis needs of a repository of the Hugging Face hub: configuration, tokenizer, card, and the weights, as model.safetensors where there is one, else as "
    "pytorch_model.bin. Files are fetched several at a time and checked against the hub's digests; what was broken off goes on where it stopped. The model's folder appears when "
    "all of it is there. Files that the Hugging Face cache on this machine has are taken from it.\n\n"
    "HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean for Hugging Face's own programs.",
  .examples = pull_examples,
  .run = run_pull,
};
const cli_command cmd_model_import = {
  .name = "import",
  .operands = "DIR",
  .summary = "copy a hub folder into the store",
  .description = "DIR is a folder as the hub has it, or a GGUF file made by 'opis model convert'. Its last name becomes the model's.",
  .examples = import_examples,
  .run = run_import,
  .operand_completion = CLI_COMPLETE_FOLDER,
};
const cli_command cmd_model_verify = {
  .name = "verify",
  .operands = "MODEL",
  .summary = "check that a model is whole",
  .description =
    "Compares each file of an installed model with its recorded SHA-256 (in the Hugging Face cache: with the digest that is its name), and looks for every tensor that its family "
    "needs. Exit status 1 when something is missing or differs.",
  .examples = verify_examples,
  .run = run_verify,
  .operand_completion = CLI_COMPLETE_MODEL,
};
const cli_command cmd_model_remove = {
  .name = "remove",
  .operands = "NAME",
  .summary = "take an installed model away",
  .examples = remove_examples,
  .run = run_remove,
  .operand_completion = CLI_COMPLETE_MODEL,
};
