/* opis data import, update. */
#include "cli/data.h"
#include "data/source.h"

#include <opis/error.h>
#include <stdlib.h>
#include <string.h>

enum { REV = 256, CONFIG, REMOTE, REMOTE_CONFIG, NO_EXEC, NO_DOWNLOAD, TO_REMOTE };

static const cli_option import_table[] = {
  {'o', "out", "PATH", "where it goes; into it when it is a folder", CLI_COMPLETE_FILE},
  {'f', "force", NULL, "take the place of what is there", 0},
  {REV, "rev", "REV", "follow this branch or tag, or stay at this commit", CLI_COMPLETE_REVISION},
  {NO_EXEC, "no-exec", NULL, "write the .dvc file only, without asking the source", 0},
  {NO_DOWNLOAD, "no-download", NULL, "write the .dvc file with the source's revision, but do not bring the data; 'opis data pull' does", 0},
  {'j', "jobs", "N", "so many transfers at once", 0},
  {CONFIG, "config", "FILE", "settings laid over the source's; the .dvc file remembers it", CLI_COMPLETE_FILE},
  {REMOTE, "remote", "NAME", "the source's data are on this remote of its", 0},
  {REMOTE_CONFIG, "remote-config", "KEY=VALUE…", "settings of that remote", 0},
  DATA_COMMON,
  {0},
};

static int run_import(const cli_command *self, int argc, char **argv)
{
  source_options from = {.folder = getenv("TMPDIR") && *getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp"};
  import_options o = {.source = &from};
  name_list written = {0};
  char **settings;
  bool quiet = false;
  int status = -1;
  cli_args a;
  data_session s;
  if (!data_take_list(&settings, &from.n_remote_config, &argc, argv, "--remote-config")) {
    cli_error("out of memory");
    return CLI_FAILED;
  }
  from.remote_config = settings;
  cli_start(&a, self, argc, argv);
  for (int id; status < 0 && (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: status = cli_help(self, argv[0]); break;
    case CLI_ERROR: status = CLI_USAGE; break;
    case 'o': o.out = a.value; break;
    case 'f': o.force = true; break;
    case REV: from.rev = a.value; break;
    case NO_EXEC: o.no_exec = true; break;
    case NO_DOWNLOAD: o.no_download = true; break;
    case 'j':
      if (!cli_int(&a, &o.jobs, 1, 256))
        status = CLI_USAGE;
      break;
    case CONFIG: from.config = a.value; break;
    case REMOTE: from.remote = a.value; break;
    case 'q': quiet = true; break;
    default: break;
    }
  if (status < 0 && a.n_operands != 2)
    status = cli_usage(self, argv[0], "%s: needs a repository and a path in it", argv[0]);
  if (status < 0 && o.no_exec && o.no_download)
    status = cli_usage(self, argv[0], "--no-exec and --no-download exclude each other");
  if (status < 0 && (status = data_open(&s, true)) == 0) {
    from.hooks = s.repo->hooks;
    int code = data_import(&written, s.repo, a.operands[0], a.operands[1], &o);
    if (code == 0 && !quiet)
      data_print_git_add(&s, &written);
    status = data_finish(&s, code);
  }
  names_free(&written);
  free(settings);
  return status;
}

static const cli_example import_examples[] = {
  {"opis data import https://example.org/pictures.git sets/cats", "somebody's data, tracked here as cats.dvc, which says where they come from"},
  {"opis data import ../pictures photos --rev v2 -o old-photos", "a past version, under another name"},
  {0},
};
const cli_command data_import_command = {
  .name = "import",
  .operands = "URL PATH",
  .summary = "track data of another repository",
  .description = "Brings data, or files of git, from a repository on this machine or one that git can clone, and writes a .dvc file that remembers it. The data are not pushed to "
                 "remotes here: a colleague's 'opis data pull' brings them from "
                 "the source, in the version that the .dvc file names. 'opis data update' goes on to a newer one.",
  .options = import_table,
  .examples = import_examples,
  .run = run_import,
  .operand_completion = CLI_COMPLETE_FOLDER,
};

/* ---- update ---- */

static const cli_option update_table[] = {
  {REV, "rev", "REV", "go to this revision, and follow it from now on", CLI_COMPLETE_REVISION},
  {'R', "recursive", NULL, "for folders: every import below them", 0},
  {NO_DOWNLOAD, "no-download", NULL, "write the new revision into the .dvc file, but do not bring the data", 0},
  {TO_REMOTE, "to-remote", NULL, "refused: imports are not kept on remotes", 0},
  {'r', "remote", "NAME", "refused with --to-remote", 0},
  {'j', "jobs", "N", "so many transfers at once", 0},
  DATA_COMMON,
  {0},
};

static int run_update(const cli_command *self, int argc, char **argv)
{
  update_options o = {0};
  changes done = {0};
  bool quiet = false, to_remote = false;
  cli_args a;
  data_session s;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case REV: o.rev = a.value; break;
    case 'R': o.recursive = true; break;
    case NO_DOWNLOAD: o.no_download = true; break;
    case TO_REMOTE:
    case 'r': to_remote = true; break;
    case 'j':
      if (!cli_int(&a, &o.jobs, 1, 256))
        return CLI_USAGE;
      break;
    case 'q': quiet = true; break;
    default: break;
    }
  if (to_remote)
    return cli_usage(self, argv[0], "--to-remote: data imported from a repository stay in that repository's storage; 'opis data pull' brings them from there");
  if (a.n_operands == 0)
    return cli_usage(self, argv[0], "%s: no .dvc file named", argv[0]);
  int status = data_open(&s, true);
  if (status)
    return status;
  int code = data_update(&done, s.repo, a.operands, a.n_operands, &o);
  cli_progress_clear(s.progress);
  if (!quiet)
    data_print_changes(&done);
  changes_free(&done);
  return data_finish(&s, code);
}

static const cli_example update_examples[] = {
  {"opis data update cats.dvc", "the newest of the branch that it follows"},
  {"opis data update cats.dvc --rev v3", "another version"},
  {0},
};
const cli_command data_update_command = {
  .name = "update",
  .operands = "FILE.dvc…",
  .summary = "bring imports up to their source",
  .options = update_table,
  .examples = update_examples,
  .run = run_update,
  .operand_completion = CLI_COMPLETE_FILE,
};
