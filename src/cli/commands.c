/* The table of commands, in the order in which `opis help` lists them. */
#include "cli/commands.h"

const cli_command *const cli_commands[] = {
  &cmd_describe,
  &cmd_serve,
  &cmd_health,
  &cmd_model,
  &cmd_data,
  &cmd_check,
  &cmd_eval,
  &cmd_bench,
  &cmd_version,
  &cmd_help,
  NULL,
};
