/* A command line, one word a line: the first byte chooses the command, whose table reads the rest; each value is read in every way there is. */
#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/generate_options.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The words about wrong options go nowhere; libFuzzer has kept its own stream. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc;
  (void)argv;
  FILE *nowhere = fopen("/dev/null", "w");
  if (nowhere)
    stderr = nowhere;
  return 0;
}

static const cli_command *choose(const cli_command *const *from, unsigned n)
{
  unsigned count = 0;
  while (from[count])
    count++;
  const cli_command *c = from[n % count];
  return c->commands ? choose(c->commands, n / count) : c;
}

static void read_value(const cli_args *a, generate_settings *s, int id)
{
  static const char *const words[] = {"text", "json", "", NULL};
  int whole, choice, shard, shards;
  double number;
  uint64_t bytes;
  generate_option(a, id, s);
  if (!a->value)
    return;
  if (cli_int(a, &whole, -3, 1000) && (whole < -3 || whole > 1000))
    abort();
  if (cli_double(a, &number, -1, 1) && !(number >= -1 && number <= 1))
    abort();
  if (cli_bytes(a, &bytes) && bytes == 0)
    abort();
  if (cli_choice(a, &choice, words) && strcmp(words[choice], a->value) != 0)
    abort();
  if (describe_shard_parse(&shard, &shards, a->value) == 0 && (shard < 1 || shard > shards))
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  enum { MOST = 40 };
  if (size < 1 || size > 4096)
    return 0;
  char *text = malloc(size), *argv[MOST + 2], name[] = "opis command";
  if (!text)
    return 0;
  memcpy(text, data + 1, size - 1);
  text[size - 1] = '\0';
  int argc = 0;
  argv[argc++] = name;
  for (char *word = text; word && argc <= MOST;) {
    char *end = strchr(word, '\n');
    if (end)
      *end = '\0';
    argv[argc++] = word;
    word = end ? end + 1 : NULL;
  }
  argv[argc] = NULL;
  cli_args a;
  generate_settings s = GENERATE_SETTINGS_INIT;
  cli_start(&a, choose(cli_commands, data[0]), argc, argv);
  int id;
  while ((id = cli_next(&a)) > 0)
    read_value(&a, &s, id);
  volatile size_t used = 0;
  for (int i = 0; id == 0 && i < a.n_operands; i++)
    used += strlen(a.operands[i]);
  free(text);
  return 0;
}
