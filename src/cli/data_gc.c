/* opis data gc. */
#include "cli/data.h"

#include <opis/error.h>
#include <stdlib.h>
#include <string.h>

enum { EXPERIMENTS = 1000, REV = 256, DATE, NOT_IN_REMOTE, SKIP_FAILED, DRY };

static const cli_option options[] = {
  {'w', "workspace", NULL, "keep what the .dvc files here name", 0},
  {'a', "all-branches", NULL, "keep what the tips of all branches name", 0},
  {'T', "all-tags", NULL, "keep what all tags name", 0},
  {'A', "all-commits", NULL, "keep what any commit names", 0},
  {EXPERIMENTS, "all-experiments", NULL, "keep what DVC's experiments name", 0},
  {REV, "rev", "REV", "keep what this revision names", CLI_COMPLETE_REVISION},
  {'n', "num", "N", "with --rev and -a: and the N - 1 commits before", 0},
  {DATE, "date", "YYYY-MM-DD", "keep what commits of that day and later name", 0},
  {'c', "cloud", NULL, "clear the remote, too", 0},
  {'r', "remote", "NAME", "this remote instead of the default one", 0},
  {NOT_IN_REMOTE, "not-in-remote", NULL, "keep only what the remote has not", 0},
  {'p', "projects", "FOLDER", "keep what this repository needs, too; for caches that several share. May be given several times", CLI_COMPLETE_FOLDER},
  {SKIP_FAILED, "skip-failed", NULL, "go on where a revision or a directory object cannot be read", 0},
  {DRY, "dry", NULL, "only tell what would be taken away", 0},
  {'f', "force", NULL, "do not ask", 0},
  {'j', "jobs", "N", "so many requests at once", 0},
  DATA_COMMON,
  {0},
};

static void print_result(const gc_result *g, const gc_options *o)
{
  for (size_t i = 0; i < g->list.n; i++)
    puts(g->list.items[i]);
  printf("%s %llu objects (%.1f MB) %s the cache.\n", o->dry ? "Would remove" : "Removed", (unsigned long long)g->objects, (double)g->bytes / 1e6, "from");
  if (o->cloud)
    printf("%s %llu objects (%.1f MB) from the remote.\n", o->dry ? "Would remove" : "Removed", (unsigned long long)g->remote_objects, (double)g->remote_bytes / 1e6);
}

static int run(const cli_command *self, int argc, char **argv)
{
  gc_options o = {0};
  gc_result g;
  bool force = false, quiet = false;
  cli_args a;
  data_session s;
  char **projects = calloc((size_t)argc + 1, sizeof *projects);
  cli_start(&a, self, argc, argv);
  int status = projects ? -1 : CLI_FAILED;
  for (int id; status < 0 && (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: status = cli_help(self, argv[0]); break;
    case CLI_ERROR: status = CLI_USAGE; break;
    case 'w': o.workspace = true; break;
    case 'a': o.all_branches = true; break;
    case 'T': o.all_tags = true; break;
    case 'A': o.all_commits = true; break;
    case EXPERIMENTS: o.experiments = true; break;
    case REV: o.revision = a.value; break;
    case DATE: o.since = a.value; break;
    case 'n':
      if (!cli_int(&a, &o.num, 1, 1 << 30))
        status = CLI_USAGE;
      break;
    case 'j':
      if (!cli_int(&a, &o.jobs, 1, 256))
        status = CLI_USAGE;
      break;
    case 'c': o.cloud = true; break;
    case 'r': o.remote = a.value; break;
    case NOT_IN_REMOTE: o.not_in_remote = true; break;
    case 'p': projects[o.n_projects++] = (char *)(uintptr_t)a.value; break;
    case SKIP_FAILED: o.skip_failed = true; break;
    case DRY: o.dry = true; break;
    case 'f': force = true; break;
    case 'q': quiet = true; break;
    default: break;
    }
  o.projects = projects;
  if (status < 0 && a.n_operands)
    status = cli_usage(self, argv[0], "%s: takes no operands", argv[0]);
  if (status < 0 && !(o.workspace || o.all_branches || o.all_tags || o.all_commits || o.experiments || o.revision || o.since))
    status = cli_usage(self, argv[0], "%s: say what to keep: -w (what is here now), -a (branches), -T (tags), -A (all commits), --rev or --date", argv[0]);
  if (status < 0 && !force && !o.dry && !data_ask(NULL, "This removes all objects that the named versions do not need. Go on?")) {
    cli_error("gc: not confirmed; -f does it without asking, --dry shows what would go");
    status = CLI_SOME_FAILED;
  }
  if (status < 0 && (status = data_open(&s, true)) == 0) {
    int code = data_gc(&g, s.repo, &o);
    cli_progress_clear(s.progress);
    if (code == 0 && !quiet)
      print_result(&g, &o);
    if (code == 0)
      gc_free(&g);
    status = data_finish(&s, code);
  }
  free(projects);
  return status;
}

static const cli_example examples[] = {
  {"opis data gc -w --dry", "what nothing here needs any more"},
  {"opis data gc -aT -f", "keep what branches and tags need"},
  {"opis data gc -A -c", "on the remote, too, keep what any commit needs"},
  {0},
};
const cli_command data_gc_command = {
  .name = "gc",
  .operands = "",
  .summary = "remove data that no version needs",
  .description =
    "Needs at least one of -w, -a, -T, -A, --rev and --date, which say what to keep; what the .dvc files name of this work tree, and of others of the same git repository, is kept "
    "always. When the cache or remote is shared, name the other repositories with -p: their data would be removed otherwise.",
  .options = options,
  .examples = examples,
  .run = run,
};
