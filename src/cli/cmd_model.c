/* opis model: what models there are, what they say of themselves, and one file of them. */
#include "cli/commands.h"

#include "engine/engine.h"
#include "model/gguf.h"
#include "model/json_text.h"
#include "model/store.h"
#include "util/error.h"
#include "util/file.h"

#include <opis/opis.h>
#include <stdlib.h>
#include <string.h>

/* ---- list ---- */

static int no_operands(const cli_command *self, int argc, char **argv)
{
  cli_args a;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    return id == CLI_HELP ? cli_help(self, argv[0]) : CLI_USAGE;
  return a.n_operands ? cli_usage(self, argv[0], "%s: takes no operands", argv[0]) : -1;
}

/* The Hugging Face cache also holds models of other kinds. */
static bool is_supported(const char *folder)
{
  char *path, *text;
  size_t size;
  json_t *config = NULL;
  if (path_join(&path, folder, "config.json") < 0)
    return false;
  if (file_read(&text, &size, path, 1 << 24) == 0) {
    json_text_parse(&config, text, size, path);
    free(text);
  }
  bool supported = config && captioner_supported(config, path) == 0;
  json_decref(config);
  free(path);
  return supported;
}

static int run_list(const cli_command *self, int argc, char **argv)
{
  int status = no_operands(self, argc, argv);
  store_item *items;
  size_t n;
  if (status >= 0)
    return status;
  puts("opis-small\tinside the program");
  if (model_store_list(&items, &n) < 0) {
    cli_error("%s", opis_error_message());
    return CLI_FAILED;
  }
  for (size_t i = 0; i < n; i++)
    if (!items[i].from_hub_cache || is_supported(items[i].path))
      printf("%s\t%s\n", items[i].name, items[i].path);
  model_store_list_free(items, n);
  return CLI_OK;
}

/* ---- info ---- */

static void print_types(const model_files *m)
{
  uint64_t elements[TENSOR_OTHER + 1] = {0}, bytes = 0;
  const char *comma = "";
  for (size_t i = 0; i < model_files_tensors(m); i++) {
    const tensor *t = model_files_tensor_at(m, i);
    elements[t->type] += (uint64_t)tensor_elements(t);
    bytes += t->size;
  }
  printf("weights:     %.1f MB, ", (double)bytes / 1e6);
  for (int t = 0; t <= TENSOR_OTHER; t++)
    if (elements[t]) {
      printf("%s%s x %llu", comma, tensor_type_name((tensor_type)t), (unsigned long long)elements[t]);
      comma = ", ";
    }
  putchar('\n');
}

static void print_settings(const model_files *m)
{
  static const char *const keys[] = {"decoder_start_token_id", "bos_token_id", "eos_token_id", "num_beams", "max_length", "max_new_tokens", "min_length", "length_penalty",
    "early_stopping", "no_repeat_ngram_size", "repetition_penalty"};
  const json_t *settings = model_files_generation_config(m);
  if (!settings)
    settings = model_files_config(m);
  printf("generation: ");
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const json_t *v = json_object_get(settings, keys[i]);
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (text)
      printf(" %s=%s", keys[i], text);
    free(text);
  }
  putchar('\n');
}

/* "license: apache-2.0" in the front matter of a card, between two lines of dashes; else the embedded model's own words. */
static void print_licence(const char *card)
{
  const char *at = NULL;
  const char *end = strncmp(card, "---", 3) == 0 ? strstr(card + 3, "\n---") : NULL;
  if (end && (at = strstr(card, "\nlicense:")) != NULL && at < end)
    at += strlen("\nlicense:");
  else if ((at = strstr(card, "Licences:")) != NULL)
    at += strlen("Licences:");
  else
    return;
  at += strspn(at, " \"'");
  printf("licence:     %.*s\n", (int)strcspn(at, "\"'\r\n"), at);
}

static void print_source(const model_files *m)
{
  json_t *record = NULL;
  const char *path = model_files_path(m);
  printf("place:       %s\n", path ? path : "inside the program");
  if (path && file_is_folder(path) && model_store_record(&record, path) == 0 && record) {
    const char *repo = json_string_value(json_object_get(record, "repo")), *commit = json_string_value(json_object_get(record, "commit"));
    if (repo && commit)
      printf("from:        %s, commit %s\n", repo, commit);
  }
  json_decref(record);
}

static int run_info(const cli_command *self, int argc, char **argv)
{
  cli_args a;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    return id == CLI_HELP ? cli_help(self, argv[0]) : CLI_USAGE;
  if (a.n_operands > 1)
    return cli_usage(self, argv[0], "%s: takes one model", argv[0]);
  const char *name = a.n_operands ? a.operands[0] : NULL;
  opis_model *model;
  model_files *files;
  if (model_files_open(&files, name) < 0) {
    cli_error("%s", opis_error_message());
    return CLI_FAILED;
  }
  if (opis_model_open(&model, name, NULL) < 0) {
    cli_error("%s", opis_error_message());
    model_files_close(files);
    return CLI_FAILED;
  }
  printf("name:        %s\nfamily:      %s\nparameters:  %llu\nformat:      %s\n", opis_model_name(model), opis_model_family(model),
    (unsigned long long)opis_model_parameters(model), model_files_format(files));
  print_source(files);
  print_types(files);
  printf("tokenizer:   %s, %d tokens\n", tokenizer_kind(model->tokenizer), tokenizer_size(model->tokenizer));
  printf("computes in: %s\nprompt:      %s\nsha256:      %s\n", opis_model_precision(model) == OPIS_PRECISION_Q8 ? "q8" : "f32",
    opis_model_takes_prompt(model) ? "taken" : "none taken", opis_model_sha256(model));
  print_settings(files);
  size_t size;
  const char *text = model_files_text(files, "README.md", &size);
  char *card = text ? strndup(text, size) : NULL;
  if (card)
    print_licence(card);
  free(card);
  opis_model_free(model);
  model_files_close(files);
  return CLI_OK;
}

/* ---- convert ---- */

enum { TYPE = 256, LAYOUT };
static const cli_option convert_options[] = {
  {'o', "output", "FILE.gguf", "the file to write", CLI_COMPLETE_FILE},
  {TYPE, "type", "f32|f16|q8_0", "how weights are stored (default: q8_0)", 0},
  {LAYOUT, "layout", "panels|rows", "how they are ordered: as opis computes with them, or as other programs read them (default: panels)", 0},
  {0},
};

static int run_convert(const cli_command *self, int argc, char **argv)
{
  static const char *const types[] = {"f32", "f16", "q8_0", NULL}, *const layouts[] = {"panels", "rows", NULL};
  static const tensor_type values[] = {TENSOR_F32, TENSOR_F16, TENSOR_Q8_0};
  cli_args a;
  const char *output = NULL;
  int type = 2, layout = 0;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case 'o': output = a.value; break;
    case TYPE:
      if (!cli_choice(&a, &type, types))
        return CLI_USAGE;
      break;
    case LAYOUT:
      if (!cli_choice(&a, &layout, layouts))
        return CLI_USAGE;
      break;
    default: return CLI_USAGE;
    }
  if (a.n_operands != 1 || !output)
    return cli_usage(self, argv[0], "%s: needs one model and -o FILE.gguf", argv[0]);
  model_files *m;
  int code = model_files_open(&m, a.operands[0]);
  if (code == 0) {
    code = gguf_write(output, m, values[type], layout == 0);
    model_files_close(m);
  }
  if (code < 0)
    cli_error("%s", opis_error_message());
  return code < 0 ? CLI_FAILED : CLI_OK;
}

static const cli_example list_examples[] = {{"opis model list", "the embedded model and those installed, a name and a place a line"}, {0}};
static const cli_example info_examples[] = {{"opis model info", "the default model"}, {"opis model info ./blip-image-captioning-base", "a hub folder"}, {0}};
static const cli_example convert_examples[] = {{"opis model convert ./vit-gpt2 -o vit-gpt2.gguf --type q8_0", "a hub folder as one small file"},
  {"opis model convert ./vit-gpt2 -o vit-gpt2.gguf --layout rows", "the same for programs that read ggml's files"}, {0}};

static const cli_command list = {.name = "list", .operands = "", .summary = "list the models that can be named", .examples = list_examples, .run = run_list};
static const cli_command info = {
  .name = "info", .operands = "[MODEL]", .summary = "tell what a model is", .examples = info_examples, .run = run_info, .operand_completion = CLI_COMPLETE_MODEL};
static const cli_command convert = {
  .name = "convert",
  .operands = "MODEL -o FILE.gguf",
  .summary = "write a model as one GGUF file",
  .options = convert_options,
  .examples = convert_examples,
  .run = run_convert,
  .operand_completion = CLI_COMPLETE_MODEL,
};
static const cli_command *const commands[] = {&list, &info, &cmd_model_pull, &cmd_model_import, &convert, &cmd_model_verify, &cmd_model_remove, NULL};

const cli_command cmd_model = {.name = "model", .operands = "", .summary = "list, inspect, fetch and convert models", .commands = commands};
