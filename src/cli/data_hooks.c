/* opis data hooks: git's hooks, and what they run. */
#include "cli/data.h"
#include "data/git.h"

#include <limits.h>
#include <opis/error.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_option common[] = {DATA_COMMON, {0}};

static int read_common(cli_args *a, bool *quiet, const cli_command *self, int argc, char **argv)
{
  *quiet = false;
  cli_start(a, self, argc, argv);
  for (int id; (id = cli_next(a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case 'q': *quiet = true; break;
    default: break;
    }
  return -1;
}

static int run_change(const cli_command *self, int argc, char **argv)
{
  cli_args a;
  data_session s;
  name_list written = {0};
  bool quiet, install = strcmp(self->name, "install") == 0;
  char program[PATH_MAX];
  int status = read_common(&a, &quiet, self, argc, argv);
  if (status >= 0)
    return status;
  if (a.n_operands)
    return cli_usage(self, argv[0], "%s: takes no operands", argv[0]);
  ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
  program[n > 0 ? n : 0] = '\0';
  status = data_open(&s, true);
  if (status)
    return status;
  int code = install ? data_hooks_install(&written, s.repo, n > 0 ? program : "opis") : data_hooks_remove(&written, s.repo);
  for (size_t i = 0; i < written.n && !quiet; i++)
    printf("%s %s\n", install ? "Installed" : "Removed", written.items[i]);
  if (code == 0 && !written.n && !quiet)
    puts("There is no hook of opis here.");
  names_free(&written);
  return data_finish(&s, code);
}

/* After a change of branch, a merge, a rebase: from the cache, and from the remote where that does not do. */
static int follow(data_session *s)
{
  changes done = {0}, brought = {0};
  sync_result fetched;
  int code = data_checkout(&done, s->repo, NULL, 0, &(checkout_options){.allow_missing = true});
  if (code == 0 && done.n_failed)
    code = data_pull(&brought, s->repo, NULL, 0, &(sync_options){0}, &fetched);
  cli_progress_clear(s->progress);
  data_print_changes(&done);
  data_print_changes(&brought);
  changes_free(&done);
  changes_free(&brought);
  return code;
}

/* Git tells what it pushes: "REF HASH REMOTE-REF REMOTE-HASH" a line. The hash of a branch that is taken away is all zeros. */
static int push_first(data_session *s)
{
  name_list commits = {0};
  char *line = NULL, hash[41], full[41];
  size_t capacity = 0;
  uint64_t pushed = 0;
  int code = 0;
  while (code == 0 && !isatty(STDIN_FILENO) && getline(&line, &capacity, stdin) > 0)
    if (sscanf(line, "%*s %40[0-9a-f]", hash) == 1 && strspn(hash, "0") != 40 && git_resolve(full, s->repo, hash) == 0) /* (what is no commit has no data) */
      code = names_add(&commits, full);
  free(line);
  if (code == 0)
    code = data_push_commits(s->repo, commits.items, commits.n, &pushed);
  cli_progress_clear(s->progress);
  if (pushed)
    printf("%llu file%s pushed\n", (unsigned long long)pushed, pushed == 1 ? "" : "s");
  names_free(&commits);
  return code;
}

static int run_hook(const cli_command *self, int argc, char **argv)
{
  cli_args a;
  data_session s;
  bool quiet;
  int status = read_common(&a, &quiet, self, argc, argv), code;
  repo *there;
  if (status >= 0)
    return status;
  if (a.n_operands == 0)
    return cli_usage(self, argv[0], "%s: no hook named", argv[0]);
  const char *name = a.operands[0];
  if (strcmp(name, "post-checkout") == 0 && (a.n_operands < 4 || strcmp(a.operands[3], "1") != 0))
    return CLI_OK; /* single files were checked out, no branch */
  code = repo_open(&there, NULL, false, NULL);
  if (code == OPIS_ENOTFOUND)
    return CLI_OK; /* this branch has no data */
  repo_close(there);
  status = data_open(&s, true);
  if (status)
    return status;
  if (strcmp(name, "pre-push") == 0)
    code = push_first(&s);
  else if (strcmp(name, "post-checkout") == 0 || strcmp(name, "post-merge") == 0 || strcmp(name, "post-rewrite") == 0)
    code = git_rebasing(s.repo) && strcmp(name, "post-rewrite") != 0 ? 0 : follow(&s);
  else {
    data_finish(&s, 0);
    return cli_usage(self, argv[0], "%s: opis has no such hook", name);
  }
  return data_finish(&s, code);
}

static const cli_example install_examples[] = {{"opis data hooks install && git checkout v1", "the data of v1 come along"}, {0}};
static const cli_command install_command = {.name = "install",
  .operands = "",
  .summary = "let data follow git",
  .description = "Installs git's hooks post-checkout, post-merge and post-rewrite, which bring the data of what was checked out, and pre-push, which pushes the data of the "
                 "commits before git pushes these. Hooks that are there already stay beside as "
                 "NAME.before-opis, and run as before.",
  .options = common,
  .examples = install_examples,
  .run = run_change};
static const cli_example remove_examples[] = {{"opis data hooks remove", "as it was before"}, {0}};
static const cli_command remove_command = {.name = "remove", .operands = "", .summary = "take the hooks away", .options = common, .examples = remove_examples, .run = run_change};
static const cli_example run_examples[] = {{"opis data hooks run post-merge", "in a hook of your own"}, {0}};
static const cli_command run_command = {.name = "run",
  .operands = "HOOK [ARGUMENT]…",
  .summary = "what the hooks call",
  .description = "Does what the hook of this name is for; arguments and standard input are git's. For hooks of your own, or of a tool that keeps them elsewhere.",
  .options = common,
  .examples = run_examples,
  .run = run_hook};
static const cli_command *const hooks_commands[] = {&install_command, &remove_command, &run_command, NULL};

const cli_command data_hooks_command = {.name = "hooks", .operands = "", .summary = "let data follow git's branches and pushes", .commands = hooks_commands};
