/* opis data status, checkout, push, fetch, pull. */
#include "cli/data.h"

#include <opis/error.h>
#include <string.h>

enum { JSON = 256, SUMMARY, RELINK, ALLOW_MISSING, GLOB, RUN_CACHE, NO_RUN_CACHE, NO_UPDATES, MAX_SIZE, TYPE };

#define SYNC_OPTIONS                                                                                                                                                               \
  {'r', "remote", "NAME", "this remote instead of the default one", 0}, {'j', "jobs", "N", "so many transfers at once (default: 4 a processor)", 0},                               \
    {'a', "all-branches", NULL, "for the tips of all branches, too", 0}, {'T', "all-tags", NULL, "for all tags, too", 0}, {'A', "all-commits", NULL, "for all commits, too", 0},   \
    {'d', "with-deps", NULL, "also the stages that the targets depend on", 0},                                                                                                     \
  {                                                                                                                                                                                \
    'R', "recursive", NULL, "for folders: everything tracked below them", 0                                                                                                        \
  }

typedef struct choice {
  sync_options sync;
  bool json, cloud, no_updates, quiet, summary, relink;
} choice;

/* 0, or the exit status when options end the command. */
static int read_options(choice *c, cli_args *a, const cli_command *self, int argc, char **argv)
{
  *c = (choice){0};
  cli_start(a, self, argc, argv);
  for (int id; (id = cli_next(a)) != 0;)
    switch (id) {
    case CLI_HELP: cli_help(self, argv[0]); return -1;
    case CLI_ERROR: return CLI_USAGE;
    case 'r': c->sync.remote = a->value; break;
    case 'j':
      if (!cli_int(a, &c->sync.jobs, 1, 256))
        return CLI_USAGE;
      break;
    case 'a': c->sync.all_branches = true; break;
    case 'T': c->sync.all_tags = true; break;
    case 'A': c->sync.all_commits = true; break;
    case 'd': c->sync.with_deps = true; break;
    case 'R': c->sync.recursive = true; break;
    case 'f': c->sync.force = true; break;
    case 'c': c->cloud = true; break;
    case 'q': c->quiet = true; break;
    case GLOB: c->sync.glob = true; break;
    case MAX_SIZE:
      if (!cli_bytes(a, &c->sync.max_size))
        return CLI_USAGE;
      break;
    case TYPE: return cli_usage(self, argv[0], "--type: opis does not tell metrics and plots from other data; name the files instead");
    case ALLOW_MISSING: c->sync.allow_missing = true; break;
    case NO_UPDATES: c->no_updates = true; break;
    case JSON: c->json = true; break;
    case SUMMARY: c->summary = true; break;
    case RELINK: c->relink = true; break;
    default: break;
    }
  return 0;
}

/* ---- status ---- */

static const cli_option status_options[] = {
  {'c', "cloud", NULL, "compare the cache with a remote instead of the work tree with the cache", 0},
  {JSON, "json", NULL, "print JSON", 0},
  SYNC_OPTIONS,
  {NO_UPDATES, "no-updates", NULL, "do not ask the sources of imports for something newer", 0},
  {'q', "quiet", NULL, "print nothing; the exit status is 1 when something changed", 0},
  {'v', "verbose", NULL, "taken for compatibility with DVC", 0},
  {0},
};

/* What is said of a stage as a whole. */
static bool is_bare(const char *group)
{
  return strcmp(group, "always changed") == 0 || strcmp(group, "changed command") == 0 || strcmp(group, "changed checksum") == 0;
}

/* How much of an entry's heading is that of the one before: nothing, the stage, its group, the file whose parameters are told. */
typedef enum sameness { NOTHING, STAGE, GROUP, FILE_OF_PARAMS } sameness;

static sameness compare_headings(const status_entry *e, const status_entry *before)
{
  if (!before || strcmp(before->stage, e->stage) != 0)
    return NOTHING;
  if (strcmp(before->group, e->group) != 0)
    return STAGE;
  return e->key && before->key && strcmp(before->path, e->path) == 0 ? FILE_OF_PARAMS : GROUP;
}

static void print_status(const status_list *l)
{
  for (size_t i = 0; i < l->n; i++) {
    const status_entry *e = &l->items[i];
    sameness same = compare_headings(e, i ? e - 1 : NULL);
    if (same < STAGE)
      printf("%s:\n", e->stage);
    if (is_bare(e->group)) {
      printf("\t%s\n", e->group);
      continue;
    }
    if (same < GROUP)
      printf("\t%s:\n", e->group);
    if (e->key && same < FILE_OF_PARAMS)
      printf("\t\t%s:\n", e->path);
    printf("%s%s:%*s%s\n", e->key ? "\t\t\t" : "\t\t", e->state, (int)(19 - strlen(e->state)), "", e->key ? e->key : e->path);
  }
}

static void print_status_json(const status_list *l)
{
  putchar('{');
  for (size_t i = 0; i < l->n; i++) {
    const status_entry *e = &l->items[i], *before = i ? e - 1 : NULL;
    sameness same = compare_headings(e, before);
    if (before && before->key && same < FILE_OF_PARAMS)
      putchar('}');
    if (before && same < GROUP)
      fputs(is_bare(before->group) ? "" : "}}", stdout);
    if (same < STAGE) {
      fputs(before ? "], " : "", stdout);
      data_print_json(e->stage);
      fputs(": [", stdout);
    } else
      fputs(", ", stdout);
    if (is_bare(e->group)) {
      data_print_json(e->group);
      continue;
    }
    if (same < GROUP)
      printf("{\"%s\": {", e->group);
    if (same < FILE_OF_PARAMS) {
      data_print_json(e->path);
      fputs(e->key ? ": {" : "", stdout);
    }
    if (e->key)
      data_print_json(e->key);
    printf(": \"%s\"", e->state);
  }
  if (l->n) {
    const status_entry *last = &l->items[l->n - 1];
    fputs(last->key ? "}" : "", stdout);
    fputs(is_bare(last->group) ? "]" : "}}]", stdout);
  }
  puts("}");
}

static int show_cloud(data_session *s, const choice *c, const cli_args *a, int *status)
{
  cloud_list l;
  int code = data_status_cloud(&l, s->repo, a->operands, a->n_operands, &c->sync);
  if (code < 0)
    return code;
  cli_progress_clear(s->progress);
  if (c->json) {
    putchar('{');
    for (size_t i = 0; i < l.n; i++) {
      fputs(i ? ", " : "", stdout);
      data_print_json(l.items[i].name);
      printf(": \"%s\"", l.items[i].state);
    }
    puts("}");
  } else if (c->quiet)
    *status = l.n ? CLI_SOME_FAILED : CLI_OK;
  else if (l.n == 0) {
    const char *name = c->sync.remote ? c->sync.remote : config_get(&s->repo->config, "core", "", "remote");
    printf("Cache and remote '%s' are in sync.\n", name ? name : "");
  } else
    for (size_t i = 0; i < l.n; i++)
      printf("\t%s:%*s%s\n", l.items[i].state, (int)(19 - strlen(l.items[i].state)), "", l.items[i].name);
  cloud_free(&l);
  return 0;
}

static int show_local(data_session *s, const choice *c, const cli_args *a, int *status)
{
  status_list l;
  int code = data_status(&l, s->repo, a->operands, a->n_operands, c->sync.recursive, c->sync.with_deps, c->no_updates);
  if (code < 0)
    return code;
  cli_progress_clear(s->progress);
  if (c->json)
    print_status_json(&l);
  else if (c->quiet)
    *status = l.n ? CLI_SOME_FAILED : CLI_OK;
  else if (l.n)
    print_status(&l);
  else
    puts(l.stages ? "Data and pipelines are up to date." : "Nothing is tracked here yet; 'opis data add PATH' begins.");
  status_free(&l);
  return 0;
}

static int run_status(const cli_command *self, int argc, char **argv)
{
  choice c;
  cli_args a;
  data_session s;
  int status = read_options(&c, &a, self, argc, argv);
  if (status)
    return status < 0 ? CLI_OK : status;
  bool cloud = c.cloud || c.sync.remote;
  if (!cloud && (c.sync.all_branches || c.sync.all_tags || c.sync.all_commits || c.sync.jobs))
    return cli_usage(self, argv[0], "%s: --all-branches, --all-tags, --all-commits and --jobs go with --cloud", argv[0]);
  status = data_open_to_read(&s);
  if (status)
    return status;
  int answer = CLI_OK, code = cloud ? show_cloud(&s, &c, &a, &answer) : show_local(&s, &c, &a, &answer);
  status = data_finish(&s, code);
  return status ? status : answer;
}

static const cli_example status_examples[] = {
  {"opis data status", "what changed since it was added"},
  {"opis data status -c", "what is only here, or only on the remote"},
  {"opis data status -q || echo changed", "in scripts"},
  {0},
};
const cli_command data_status_command = {
  .name = "status",
  .operands = "[TARGET]…",
  .summary = "tell what changed",
  .options = status_options,
  .examples = status_examples,
  .run = run_status,
  .operand_completion = CLI_COMPLETE_FILE,
};

/* ---- checkout ---- */

static const cli_option checkout_table[] = {
  {SUMMARY, "summary", NULL, "print numbers only", 0},
  {'f', "force", NULL, "write over changes that no version has", 0},
  {RELINK, "relink", NULL, "make links or copies anew, as cache.type says", 0},
  {ALLOW_MISSING, "allow-missing", NULL, "data that the cache has not are no error", 0},
  {'d', "with-deps", NULL, "also the stages that the targets depend on", 0},
  {'R', "recursive", NULL, "for folders: everything tracked below them", 0},
  DATA_COMMON,
  {0},
};

static void print_summary(const changes *c, const char *nothing)
{
  static const char *const words[] = {"added", "modified", "deleted"};
  size_t counts[3] = {0};
  const char *comma = "";
  for (size_t i = 0; i < c->n; i++)
    counts[c->items[i].kind == 'A' ? 0 : c->items[i].kind == 'M' ? 1 : 2]++;
  for (int i = 0; i < 3; i++)
    if (c->files[i] || counts[i]) {
      unsigned long long n = c->files[i] ? c->files[i] : counts[i];
      printf("%s%llu file%s %s", comma, n, n == 1 ? "" : "s", words[i]);
      comma = ", ";
    }
  puts(*comma ? "" : nothing);
}

static int run_checkout(const cli_command *self, int argc, char **argv)
{
  choice c;
  cli_args a;
  data_session s;
  changes done = {0};
  int status = read_options(&c, &a, self, argc, argv);
  if (status)
    return status < 0 ? CLI_OK : status;
  status = data_open(&s, true);
  if (status)
    return status;
  checkout_options o = {.force = c.sync.force, .relink = c.relink, .allow_missing = c.sync.allow_missing, .recursive = c.sync.recursive, .with_deps = c.sync.with_deps};
  int code = data_checkout(&done, s.repo, a.operands, a.n_operands, &o);
  cli_progress_clear(s.progress);
  if (c.summary)
    print_summary(&done, "No changes.");
  else if (!c.quiet)
    data_print_changes(&done);
  for (size_t i = 0; i < done.n_failed && i < 20; i++)
    cli_error("%s: not in the cache", done.failed[i].path);
  changes_free(&done);
  return data_finish(&s, code);
}

static const cli_example checkout_examples[] = {
  {"git checkout v1 && opis data checkout", "the data of version v1"},
  {"opis data checkout --relink", "after a change of cache.type"},
  {0},
};
const cli_command data_checkout_command = {
  .name = "checkout",
  .operands = "[TARGET]…",
  .summary = "make the data what the .dvc files say",
  .description = "Takes data from the cache; 'opis data pull' fetches what is not there first. Files whose content no version has are never written over without --force.",
  .options = checkout_table,
  .examples = checkout_examples,
  .run = run_checkout,
  .operand_completion = CLI_COMPLETE_FILE,
};

/* ---- push, fetch, pull ---- */

static const cli_option fetch_table[] = {SYNC_OPTIONS, {MAX_SIZE, "max-size", "BYTES", "only outputs that are smaller", 0},
  {TYPE, "type", "TYPE", "refused: opis does not tell metrics and plots from other data", 0}, {GLOB, "glob", NULL, "take targets with *, ? and [] as patterns", 0},
  {RUN_CACHE, "run-cache", NULL, "taken for compatibility with DVC", 0}, {NO_RUN_CACHE, "no-run-cache", NULL, "taken for compatibility with DVC", 0}, DATA_COMMON, {0}};
static const cli_option push_table[] = {SYNC_OPTIONS, {GLOB, "glob", NULL, "take targets with *, ? and [] as patterns", 0},
  {RUN_CACHE, "run-cache", NULL, "taken for compatibility with DVC", 0}, {NO_RUN_CACHE, "no-run-cache", NULL, "taken for compatibility with DVC", 0}, DATA_COMMON, {0}};
static const cli_option pull_table[] = {SYNC_OPTIONS, {'f', "force", NULL, "write over changes that no version has", 0},
  {ALLOW_MISSING, "allow-missing", NULL, "data that are nowhere are no error", 0}, {GLOB, "glob", NULL, "take targets with *, ? and [] as patterns", 0},
  {RUN_CACHE, "run-cache", NULL, "taken for compatibility with DVC", 0}, {NO_RUN_CACHE, "no-run-cache", NULL, "taken for compatibility with DVC", 0}, DATA_COMMON, {0}};

static void print_moved(uint64_t n, const char *word)
{
  if (n)
    printf("%llu file%s %s\n", (unsigned long long)n, n == 1 ? "" : "s", word);
}

static int run_transfer(const cli_command *self, int argc, char **argv)
{
  choice c;
  cli_args a;
  data_session s;
  sync_result n;
  int status = read_options(&c, &a, self, argc, argv);
  if (status)
    return status < 0 ? CLI_OK : status;
  bool push = strcmp(self->name, "push") == 0;
  status = data_open(&s, true);
  if (status)
    return status;
  int code = push ? data_push(s.repo, a.operands, a.n_operands, &c.sync, &n) : data_fetch(s.repo, a.operands, a.n_operands, &c.sync, &n);
  cli_progress_clear(s.progress);
  if (!c.quiet) {
    print_moved(n.moved, push ? "pushed" : "fetched");
    if (n.moved == 0 && n.missing == 0 && code == 0)
      puts("Everything is up to date.");
  }
  return data_finish(&s, code);
}

static int run_pull(const cli_command *self, int argc, char **argv)
{
  choice c;
  cli_args a;
  data_session s;
  changes done = {0};
  sync_result n;
  int status = read_options(&c, &a, self, argc, argv);
  if (status)
    return status < 0 ? CLI_OK : status;
  status = data_open(&s, true);
  if (status)
    return status;
  int code = data_pull(&done, s.repo, a.operands, a.n_operands, &c.sync, &n);
  cli_progress_clear(s.progress);
  if (!c.quiet) {
    data_print_changes(&done);
    print_moved(n.moved, "fetched");
    if (done.n)
      print_summary(&done, "");
    else if (n.moved == 0 && n.missing == 0 && code == 0)
      puts("Everything is up to date.");
  }
  changes_free(&done);
  return data_finish(&s, code);
}

static const cli_example push_examples[] = {{"opis data push", "what the remote has not yet"}, {"opis data push -a photos.dvc", "photos as they are in all branches"}, {0}};
static const cli_example fetch_examples[] = {{"opis data fetch", "into the cache only; 'opis data checkout' puts it into place"}, {0}};
static const cli_example pull_examples[] = {{"git clone URL && cd NAME && opis data pull", "a colleague's data"}, {0}};

const cli_command data_push_command = {.name = "push",
  .operands = "[TARGET]…",
  .summary = "send data to the remote",
  .options = push_table,
  .examples = push_examples,
  .run = run_transfer,
  .operand_completion = CLI_COMPLETE_FILE};
const cli_command data_fetch_command = {.name = "fetch",
  .operands = "[TARGET]…",
  .summary = "bring data from the remote into the cache",
  .options = fetch_table,
  .examples = fetch_examples,
  .run = run_transfer,
  .operand_completion = CLI_COMPLETE_FILE};
const cli_command data_pull_command = {.name = "pull",
  .operands = "[TARGET]…",
  .summary = "bring data from the remote into place",
  .options = pull_table,
  .examples = pull_examples,
  .run = run_pull,
  .operand_completion = CLI_COMPLETE_FILE};
