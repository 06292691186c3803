/* opis data init, add, commit, remove, move, unprotect. */
#include "cli/data.h"

#include <opis/error.h>
#include <stdlib.h>
#include <string.h>

enum { NO_SCM = 256, SUBDIR, NO_COMMIT, GLOB, NO_RELINK, OUTS, TO_REMOTE, REMOTE_JOBS };

/* ---- init ---- */

static const cli_option init_options[] = {
  {NO_SCM, "no-scm", NULL, "make a repository that is not under git", 0},
  {SUBDIR, "subdir", NULL, "make one inside of a larger git repository", 0},
  {'f', "force", NULL, "set an existing one's configuration back", 0},
  DATA_COMMON,
  {0},
};

static int run_init(const cli_command *self, int argc, char **argv)
{
  bool no_scm = false, subdir = false, force = false, quiet = false;
  cli_args a;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case NO_SCM: no_scm = true; break;
    case SUBDIR: subdir = true; break;
    case 'f': force = true; break;
    case 'q': quiet = true; break;
    default: break;
    }
  if (a.n_operands > 1)
    return cli_usage(self, argv[0], "%s: one folder, or none", argv[0]);
  int code = repo_init(a.n_operands ? a.operands[0] : ".", no_scm, subdir, force);
  if (code < 0) {
    cli_error("%s", opis_error_message());
    return code == OPIS_EINVALID ? CLI_USAGE : CLI_SOME_FAILED;
  }
  if (!quiet)
    puts("Initialized a DVC repository. What is left: git commit -m 'data versions'");
  return CLI_OK;
}

static const cli_example init_examples[] = {{"git init && opis data init", "data versions in a new git repository"}, {0}};
const cli_command data_init = {
  .name = "init", .operands = "[DIR]", .summary = "make a repository for data here", .options = init_options, .examples = init_examples, .run = run_init};

/* ---- add ---- */

static const cli_option add_options_table[] = {
  {NO_COMMIT, "no-commit", NULL, "write the .dvc files only; 'opis data commit' puts the data into the cache later", 0},
  {GLOB, "glob", NULL, "take names with *, ? and [] as patterns", 0},
  {'o', "out", "PATH", "with a file or folder from elsewhere: where it is to be here", CLI_COMPLETE_FILE},
  {TO_REMOTE, "to-remote", NULL, "send the data to the remote, and keep no copy here", 0},
  {'r', "remote", "NAME", "with --to-remote: this remote instead of the default one", 0},
  {REMOTE_JOBS, "remote-jobs", "N", "with --to-remote: so many transfers at once", 0},
  {'f', "force", NULL, "with --out: take the place of what is there", 0},
  {NO_RELINK, "no-relink", NULL, "leave the files as they are even where cache.type asks for links", 0},
  DATA_COMMON,
  {0},
};

static int run_add(const cli_command *self, int argc, char **argv)
{
  add_options o = {0};
  bool quiet = false;
  cli_args a;
  data_session s;
  name_list written = {0};
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case NO_COMMIT: o.no_commit = true; break;
    case GLOB: o.glob = true; break;
    case NO_RELINK: o.no_relink = true; break;
    case 'o': o.out = a.value; break;
    case TO_REMOTE: o.to_remote = true; break;
    case 'r': o.remote = a.value; break;
    case REMOTE_JOBS:
      if (!cli_int(&a, &o.jobs, 1, 256))
        return CLI_USAGE;
      break;
    case 'f': o.force = true; break;
    case 'q': quiet = true; break;
    default: break;
    }
  if (a.n_operands == 0)
    return cli_usage(self, argv[0], "%s: no file or folder named", argv[0]);
  if ((o.remote || o.jobs) && !o.to_remote)
    return cli_usage(self, argv[0], "--remote and --remote-jobs go with --to-remote");
  if (o.to_remote && o.no_commit)
    return cli_usage(self, argv[0], "--to-remote and --no-commit exclude each other");
  if (o.glob && (o.out || o.to_remote))
    return cli_usage(self, argv[0], "--glob goes neither with --out nor with --to-remote");
  int status = data_open(&s, true);
  if (status)
    return status;
  int code = data_add(s.repo, a.operands, a.n_operands, &o, &written);
  if (code == 0 && !quiet)
    data_print_git_add(&s, &written);
  names_free(&written);
  return data_finish(&s, code);
}

static const cli_example add_examples[] = {
  {"opis data add photos", "a folder: its files into the cache, photos.dvc for git"},
  {"opis data add photos/new.jpg", "one more file of a folder that is tracked"},
  {"opis data add --glob 'sets/*'", "everything that a pattern matches"},
  {"opis data add /media/camera/DCIM -o photos", "a copy of a folder from elsewhere, tracked here"},
  {"opis data add /mnt/big/archive --to-remote", "to the remote at once; 'opis data pull archive' brings it when it is needed"},
  {0},
};
const cli_command data_add_command = {
  .name = "add",
  .operands = "PATH…",
  .summary = "track files or folders",
  .description = "Puts the content into the cache and writes PATH.dvc, a small file for git that names it, and a line of .gitignore that keeps the data themselves out of git. "
                 "Adding what is tracked already "
                 "records what it is now; files that did not change are not read again.",
  .options = add_options_table,
  .examples = add_examples,
  .run = run_add,
  .operand_completion = CLI_COMPLETE_FILE,
};

/* ---- commit ---- */

static const cli_option commit_options[] = {
  {'f', "force", NULL, "commit what changed without asking", 0},
  {'R', "recursive", NULL, "for folders: everything tracked below them", 0},
  {'d', "with-deps", NULL, "also the stages that the targets depend on", 0},
  {NO_RELINK, "no-relink", NULL, "leave the files as they are even where cache.type asks for links", 0},
  DATA_COMMON,
  {0},
};

static int run_commit(const cli_command *self, int argc, char **argv)
{
  bool force = false, recursive = false, with_deps = false, no_relink = false;
  cli_args a;
  data_session s;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case 'f': force = true; break;
    case 'R': recursive = true; break;
    case 'd': with_deps = true; break;
    case NO_RELINK: no_relink = true; break;
    default: break;
    }
  int status = data_open(&s, true);
  return status ? status : data_finish(&s, data_commit(s.repo, a.operands, a.n_operands, force, recursive, with_deps, no_relink, data_ask, &s));
}

static const cli_example commit_examples[] = {{"opis data commit photos.dvc", "the data as they are now become what photos.dvc names"}, {0}};
const cli_command data_commit_command = {
  .name = "commit",
  .operands = "[TARGET]…",
  .summary = "record changed data, or complete 'add --no-commit'",
  .options = commit_options,
  .examples = commit_examples,
  .run = run_commit,
  .operand_completion = CLI_COMPLETE_FILE,
};

/* ---- remove ---- */

static const cli_option remove_options[] = {
  {OUTS, "outs", NULL, "also delete the data themselves", 0},
  DATA_COMMON,
  {0},
};

static int run_remove(const cli_command *self, int argc, char **argv)
{
  bool outs = false;
  cli_args a;
  data_session s;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case OUTS: outs = true; break;
    default: break;
    }
  if (a.n_operands == 0)
    return cli_usage(self, argv[0], "%s: no .dvc file named", argv[0]);
  int status = data_open(&s, true);
  return status ? status : data_finish(&s, data_remove(s.repo, a.operands, a.n_operands, outs));
}

static const cli_example remove_examples[] = {{"opis data remove photos.dvc", "no longer track photos; the data stay where they are"}, {0}};
#define REMOVE(typed, says)                                                                                                                                                        \
  {                                                                                                                                                                                \
    .name = (typed), .operands = "FILE.dvc…", .summary = (says), .options = remove_options, .examples = remove_examples, .run = run_remove,                                        \
    .operand_completion = CLI_COMPLETE_FILE                                                                                                                                        \
  }
const cli_command data_remove_command = REMOVE("remove", "stop tracking");
const cli_command data_rm_command = REMOVE("rm", "the same as remove");

/* ---- move, unprotect ---- */

static const cli_option common_options[] = {DATA_COMMON, {0}};

static int plain_options(cli_args *a, const cli_command *self, int argc, char **argv)
{
  cli_start(a, self, argc, argv);
  for (int id; (id = cli_next(a)) != 0;)
    if (id == CLI_HELP)
      return cli_help(self, argv[0]);
    else if (id == CLI_ERROR)
      return CLI_USAGE;
  return -1;
}

static int run_move(const cli_command *self, int argc, char **argv)
{
  cli_args a;
  data_session s;
  int status = plain_options(&a, self, argc, argv);
  if (status >= 0)
    return status;
  if (a.n_operands != 2)
    return cli_usage(self, argv[0], "%s: needs what is tracked and where it goes", argv[0]);
  status = data_open(&s, true);
  return status ? status : data_finish(&s, data_move(s.repo, a.operands[0], a.operands[1]));
}

static const cli_example move_examples[] = {{"opis data move photos pictures", "photos and photos.dvc become pictures and pictures.dvc"}, {0}};
#define MOVE(typed, says)                                                                                                                                                          \
  {                                                                                                                                                                                \
    .name = (typed), .operands = "FROM TO", .summary = (says), .options = common_options, .examples = move_examples, .run = run_move, .operand_completion = CLI_COMPLETE_FILE      \
  }
const cli_command data_move_command = MOVE("move", "rename tracked data");
const cli_command data_mv_command = MOVE("mv", "the same as move");

static int run_unprotect(const cli_command *self, int argc, char **argv)
{
  cli_args a;
  data_session s;
  int status = plain_options(&a, self, argc, argv);
  if (status >= 0)
    return status;
  if (a.n_operands == 0)
    return cli_usage(self, argv[0], "%s: no file or folder named", argv[0]);
  status = data_open(&s, true);
  return status ? status : data_finish(&s, data_unprotect(s.repo, a.operands, a.n_operands));
}

static const cli_example unprotect_examples[] = {{"opis data unprotect photos", "links into the cache become files of their own, which may be edited"}, {0}};
const cli_command data_unprotect_command = {.name = "unprotect",
  .operands = "PATH…",
  .summary = "make linked data editable",
  .options = common_options,
  .examples = unprotect_examples,
  .run = run_unprotect,
  .operand_completion = CLI_COMPLETE_FILE};
