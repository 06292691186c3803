/* opis data: versions of data, as DVC 3 keeps them. */
#include "cli/commands.h"
#include "cli/data.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const cli_command *const commands[] = {
  &data_init,
  &data_add_command,
  &data_remove_command,
  &data_rm_command,
  &data_move_command,
  &data_mv_command,
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

enum { CD = 256, WAIT_FOR_LOCK };

static const cli_option options[] = {
  {CD, "cd", "DIR", "work there, as if this were typed in that folder", CLI_COMPLETE_FOLDER},
  {WAIT_FOR_LOCK, "wait-for-lock", NULL, "wait for another command in this repository to end, however long it takes", 0},
  {0},
};

static int enter(const cli_command *self, int *argc, char ***argv)
{
  const char *folder = NULL;
  for (; *argc; --*argc, ++*argv) {
    const char *word = (*argv)[0];
    if (strcmp(word, "--wait-for-lock") == 0)
      data_wait_for_lock = true;
    else if (strncmp(word, "--cd=", 5) == 0)
      folder = word + 5;
    else if (strcmp(word, "--cd") != 0)
      break;
    else if (*argc < 2)
      return cli_usage(self, "opis data", "--cd: needs an argument");
    else {
      folder = (*argv)[1];
      --*argc;
      ++*argv;
    }
  }
  if (folder && chdir(folder) != 0) {
    cli_error("%s: %s", folder, strerror(errno));
    return CLI_USAGE;
  }
  return 0;
}

const cli_command cmd_data = {
  .name = "data",
  .operands = "",
  .summary = "keep versions of data beside git, as DVC does",
  .description = "Works in a repository of DVC 3 as it is: the same files, cache, remotes and locks, so that colleagues who use DVC see no difference. Options are DVC's.",
  .options = options,
  .commands = commands,
  .enter = enter,
};
