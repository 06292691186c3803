/* opis help: the list of commands, one command's help, man pages and completions. */
#include "cli/commands.h"

#include <opis/opis.h>
#include <string.h>

enum { MAN = 256, COMPLETION };

static const cli_option options[] = {
  {MAN, "man", NULL, "write the manual page (mdoc) instead of the help", 0},
  {COMPLETION, "completion", "bash|zsh|fish", "write the completion script of a shell", 0},
  {0},
};
static const cli_example examples[] = {
  {"opis help describe", "all options of describe"},
  {"opis help --completion bash > ~/.local/share/bash-completion/completions/opis", "completion in bash"},
  {0},
};

static void list(void)
{
  printf("opis %s: says in words what is on a picture, and keeps picture data in order.\n\nUsage: opis COMMAND [OPTION]… [OPERAND]…\n\nCommands:\n", opis_version());
  for (const cli_command *const *c = cli_commands; *c; c++)
    printf("  %-10s  %s\n", (*c)->name, (*c)->summary);
  puts("\n'opis help COMMAND' or 'opis COMMAND --help' tells more of one.");
}

static int run(const cli_command *self, int argc, char **argv)
{
  cli_args a;
  bool man = false;
  const char *shell = NULL;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case MAN: man = true; break;
    case COMPLETION: shell = a.value; break;
    }
  if (shell) {
    if (cli_complete(stdout, shell) < 0)
      return cli_usage(self, argv[0], "--completion: '%s' is none of bash, zsh, fish", shell);
    return CLI_OK;
  }
  char name[64] = "opis";
  const cli_command *const *commands = cli_commands, *found = NULL;
  for (int i = 0; i < a.n_operands; i++) {
    found = NULL;
    for (const cli_command *const *c = commands; c && *c && !found; c++)
      if (strcmp((*c)->name, a.operands[i]) == 0)
        found = *c;
    if (!found)
      return cli_usage(self, argv[0], "%s: %s: unknown command", name, a.operands[i]);
    snprintf(name + strlen(name), sizeof name - strlen(name), " %s", found->name);
    commands = found->commands;
  }
  if (man)
    return cli_man(stdout, found, name);
  if (found)
    return cli_help(found, name);
  list();
  return CLI_OK;
}

const cli_command cmd_help = {
  .name = "help",
  .operands = "[COMMAND]…",
  .summary = "print the list of commands, or the help of one",
  .options = options,
  .examples = examples,
  .run = run,
  .operand_completion = CLI_COMPLETE_COMMAND,
};
