/* Finds the command that was typed and runs it. */
#include "cli/commands.h"

#include <locale.h>
#include <malloc.h>
#include <string.h>

static const cli_command *find(const cli_command *const *commands, const char *name)
{
  for (; *commands; commands++)
    if (strcmp((*commands)->name, name) == 0)
      return *commands;
  return NULL;
}

int main(int argc, char **argv)
{
  static const cli_command program = {.name = "opis", .operands = "", .summary = "", .commands = cli_commands};
  char name[64] = "opis";
  const cli_command *at = &program;
  setlocale(LC_CTYPE, "C.UTF-8");
  /* Pictures come and go on several threads: their memory goes back to the system at once, instead of staying with each thread. What is small stays: a heap that shrinks and grows by turns
   * would take its pages anew each time. */
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
  argc--;
  argv++;
  while (at->commands) {
    if (argc == 0) {
      cli_error("%s: no command given\nTry '%s%s'.", name, at == &program ? "opis help" : name, at == &program ? "" : " --help");
      return CLI_USAGE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
      return cli_finish(at == &program ? cmd_help.run(&cmd_help, 1, (char *[]){"opis help", NULL}) : cli_help(at, name));
    if (at == &program && strcmp(argv[0], "--version") == 0)
      return cli_finish(cmd_version.run(&cmd_version, 1, (char *[]){"opis version", NULL}));
    const cli_command *next = find(at->commands, argv[0]);
    if (!next) {
      cli_error("%s: %s: unknown command\nTry '%s%s'.", name, argv[0], at == &program ? "opis help" : name, at == &program ? "" : " --help");
      return CLI_USAGE;
    }
    strncat(name, " ", sizeof name - strlen(name) - 1);
    strncat(name, next->name, sizeof name - strlen(name) - 1);
    at = next;
    argv[0] = name; /* the command sees its full name in its own argv[0] */
    if (at->commands) {
      argc--;
      argv++;
    }
    int status = at->enter ? at->enter(at, &argc, &argv) : 0;
    if (status)
      return cli_finish(status);
  }
  return cli_finish(at->run(at, argc, argv));
}
