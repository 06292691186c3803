/* What the commands of `opis data` share. */
#ifndef CLI_DATA_H
#define CLI_DATA_H

#include "cli/cli.h"
#include "data/data.h"

extern bool data_wait_for_lock; /* --wait-for-lock */

/* The repository around the present folder, with DVC's lock; messages and progress go to stderr. NULL after an error message; then return data_status_code(). */
typedef struct data_session {
  repo *repo;
  cli_progress *progress;
  const char *what; /* of the progress line shown */
} data_session;
repo_hooks data_start(data_session *s);             /* without a repository: what long work is given; data_finish ends it, too */
int data_open(data_session *s, bool lock);          /* 0, or the exit status */
int data_open_to_read(data_session *s);             /* the same with the lock, but without it where this user may not write */
int data_open_settings(data_session *s, bool lock); /* the same for what only reads and mends settings, which may be wrong */
/* Closes it; code is what the work returned: says the error, and gives the exit status. */
int data_finish(data_session *s, int code);

bool data_ask(void *user, const char *question);                    /* a question on the terminal; false where there is none */
void data_print_git_add(data_session *s, const name_list *written); /* what the user has to tell git, when core.autostage does not */
void data_print_changes(const changes *c);
void data_print_json(const char *s); /* a JSON string on stdout */
/* Takes the words behind a long option that has a list ("--targets A B") out of argv, up to the next option, as DVC's commands read them. *list is malloc'ed; the strings stay argv's. false: no memory. */
bool data_take_list(char ***list, int *n, int *argc, char **argv, const char *option);
/* Options that are only read: --quiet and --verbose are taken by all of DVC's commands. */
#define DATA_COMMON                                                                                                                                                                \
  {'q', "quiet", NULL, "say nothing but errors", 0},                                                                                                                               \
  {                                                                                                                                                                                \
    'v', "verbose", NULL, "taken for compatibility with DVC", 0                                                                                                                    \
  }

extern const cli_command data_init, data_add_command, data_commit_command, data_remove_command, data_rm_command, data_move_command, data_mv_command, data_unprotect_command;
extern const cli_command data_status_command, data_checkout_command, data_push_command, data_fetch_command, data_pull_command;

extern const cli_command data_diff_command, data_restore_command, data_verify_command, data_hooks_command, data_doctor_command, data_list_command, data_ls_command,
  data_get_command, data_import_command, data_update_command;
extern const cli_command data_remote_command, data_config_command, data_cache_command, data_gc_command;

#endif
