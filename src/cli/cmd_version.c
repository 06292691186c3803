/* opis version */
#include "cli/commands.h"

#include <opis/opis.h>

static int run(const cli_command *self, int argc, char **argv)
{
  cli_args a;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    if (id == CLI_HELP)
      return cli_help(self, argv[0]);
    else
      return CLI_USAGE;
  if (a.n_operands)
    return cli_usage(self, argv[0], "%s: takes no operands", argv[0]);
  printf("opis %s (%s)\n", opis_version(), opis_cpu());
  return CLI_OK;
}

static const cli_example examples[] = {{"opis version", "the version, and the kernels chosen for this processor"}, {0}};

const cli_command cmd_version = {
  .name = "version",
  .operands = "",
  .summary = "print the version and the kernels in use",
  .examples = examples,
  .run = run,
};
