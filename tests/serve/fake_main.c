/* `opis serve` and `opis health` on the stand-in engine. */
#include "cli/commands.h"

#include <string.h>

const cli_command *const cli_commands[] = {&cmd_serve, &cmd_health, NULL};

int main(int argc, char **argv)
{
  for (const cli_command *const *c = cli_commands; argc > 1 && *c; c++)
    if (strcmp((*c)->name, argv[1]) == 0)
      return cli_finish((*c)->run(*c, argc - 1, argv + 1));
  cli_error("%s: no such command here", argc > 1 ? argv[1] : "");
  return CLI_USAGE;
}
