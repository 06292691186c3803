/* Every command of the program; each is defined in its own cmd_NAME.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const cli_command cmd_describe, cmd_serve, cmd_health, cmd_model, cmd_data, cmd_check, cmd_eval;
extern const cli_command cmd_bench, cmd_version, cmd_help;

/* Of the group "model". */
extern const cli_command cmd_model_pull, cmd_model_import, cmd_model_verify, cmd_model_remove;

#endif
