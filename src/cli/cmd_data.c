/* opis data: versions of data, as DVC 3 keeps them. */
#include "cli/commands.h"
#include "cli/data.h"

static const cli_command *const commands[] = {
  &data_init,
  &data_add_command,
  &data_remove_command,
  &data_move_command,
  &data_status_command,
  &data_diff_command,
  &data_commit_command,
  &data_checkout_command,
  &data_fetch_command,
  &data_pull_command,
  &data_push_command,
  &data_gc_command,
  &data_remote_command,
  &data_config_command,
  &data_cache_command,
  &data_unprotect_command,
  &data_restore_command,
  &data_verify_command,
  &data_doctor_command,
  &data_hooks_command,
  &data_list_command,
  &data_ls_command,
  &data_get_command,
  &data_import_command,
  &data_update_command,
  NULL,
};

const cli_command cmd_data = {
  .name = "data",
  .operands = "",
  .summary = "keep versions of data beside git, as DVC does",
  .description = "Works in a repository of DVC 3 as it is: the same files, cache, remotes and locks, so that colleagues who use DVC see no difference. Options are DVC's.",
  .commands = commands,
};
