/* opis data restore, verify. */
#include "cli/data.h"

#include <opis/error.h>
#include <string.h>

enum { JSON = 256, DRY };

/* ---- restore ---- */

static const cli_option restore_table[] = {
  {'f', "force", NULL, "write over changes that no commit, or no version, has", 0},
  {'r', "remote", "NAME", "bring what the cache has not from this remote instead of the default one", 0},
  {'j', "jobs", "N", "so many transfers at once", 0},
  DATA_COMMON,
  {0},
};

static int run_restore(const cli_command *self, int argc, char **argv)
{
  restore_options o = {0};
  bool quiet = false;
  cli_args a;
  data_session s;
  changes done = {0};
  name_list written = {0};
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case 'f': o.force = true; break;
    case 'r': o.remote = a.value; break;
    case 'j':
      if (!cli_int(&a, &o.jobs, 1, 256))
        return CLI_USAGE;
      break;
    case 'q': quiet = true; break;
    default: break;
    }
  if (a.n_operands == 0)
    return cli_usage(self, argv[0], "%s: no revision named", argv[0]);
  int status = data_open(&s, true);
  if (status)
    return status;
  int code = data_restore(&done, &written, s.repo, a.operands[0], a.operands + 1, a.n_operands - 1, &o);
  cli_progress_clear(s.progress);
  if (!quiet)
    data_print_changes(&done);
  for (size_t i = 0; i < done.n_failed; i++)
    cli_error("%s: not in the cache", done.failed[i].path);
  if (code == 0 && done.n_failed) {
    cli_error("%zu of the files could not be restored", done.n_failed);
    status = CLI_SOME_FAILED;
  }
  if (code == 0 && !quiet && written.n) {
    printf("As in %s:", a.operands[0]);
    for (size_t i = 0; i < written.n; i++)
      printf(" %s", written.items[i]);
    puts("\nHEAD is where it was: 'git commit -a' keeps this version, 'opis data restore HEAD' goes back.");
  }
  changes_free(&done);
  names_free(&written);
  int closed = data_finish(&s, code);
  return closed ? closed : status;
}

static const cli_example restore_examples[] = {
  {"opis data restore v1", "all data as they were in v1"},
  {"opis data restore HEAD~3 photos", "one folder, and photos.dvc, as three commits ago"},
  {"opis data restore v1 photos/cat.jpg", "one picture; photos.dvc stays as it is"},
  {0},
};
const cli_command data_restore_command = {
  .name = "restore",
  .operands = "REV [PATH]…",
  .summary = "bring back data of a past revision",
  .description = "Writes the .dvc files of a revision and puts their data into place, fetching what the cache has not. HEAD and the branch stay where they are, and what the "
                 "revision does not have stays as it is. "
                 "Nothing is changed when a file would be lost that no version has, or a .dvc file with changes that are in no commit, unless --force is given.",
  .options = restore_table,
  .examples = restore_examples,
  .run = run_restore,
  .operand_completion = CLI_COMPLETE_REVISION,
};

/* ---- verify ---- */

static const cli_option verify_table[] = {
  {DRY, "dry", NULL, "only tell what is damaged", 0},
  {'r', "remote", "NAME", "mend from this remote instead of the default one", 0},
  {JSON, "json", NULL, "print JSON", 0},
  DATA_COMMON,
  {0},
};

static void print_verified(const verify_result *v, const verify_options *o)
{
  char text[OID_TEXT];
  for (size_t i = 0; i < v->n; i++) {
    const damage *d = &v->items[i];
    oid_text(text, &d->oid);
    printf("damaged: %s%s%s%s%s\n", text, d->path ? " (" : "", d->path ? d->path : "", d->path ? ")" : "",
      o->dry        ? ""
        : d->mended ? ", mended"
                    : ", not mended: set aside into the cache's folder 'damaged'");
  }
  printf("%llu objects (%.1f MB): ", (unsigned long long)v->objects, (double)v->bytes / 1e6);
  if (v->n == 0)
    puts("all are what their names say.");
  else if (o->dry)
    printf("%zu damaged.\n", v->n);
  else
    printf("%zu damaged, %llu mended.\n", v->n, (unsigned long long)v->mended);
}

static void print_verified_json(const verify_result *v)
{
  char text[OID_TEXT];
  printf("{\"objects\": %llu, \"bytes\": %llu, \"damaged\": [", (unsigned long long)v->objects, (unsigned long long)v->bytes);
  for (size_t i = 0; i < v->n; i++) {
    oid_text(text, &v->items[i].oid);
    printf("%s{\"object\": \"%s\", \"path\": ", i ? ", " : "", text);
    if (v->items[i].path)
      data_print_json(v->items[i].path);
    else
      fputs("null", stdout);
    printf(", \"mended\": %s}", v->items[i].mended ? "true" : "false");
  }
  puts("]}");
}

static int run_verify(const cli_command *self, int argc, char **argv)
{
  verify_options o = {0};
  bool quiet = false, json = false;
  cli_args a;
  data_session s;
  verify_result v;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case DRY: o.dry = true; break;
    case 'r': o.remote = a.value; break;
    case JSON: json = true; break;
    case 'q': quiet = true; break;
    default: break;
    }
  if (a.n_operands)
    return cli_usage(self, argv[0], "%s: takes no operands", argv[0]);
  int status = data_open(&s, true);
  if (status)
    return status;
  int code = data_verify(&v, s.repo, &o);
  cli_progress_clear(s.progress);
  if (code == 0) {
    if (json)
      print_verified_json(&v);
    else if (!quiet || v.n)
      print_verified(&v, &o);
    status = v.mended < v.n ? CLI_SOME_FAILED : CLI_OK;
    verify_free(&v);
  }
  int closed = data_finish(&s, code);
  return closed ? closed : status;
}

static const cli_example verify_examples[] = {
  {"opis data verify", "after a crash of a disk, or before a release"},
  {"opis data verify --dry --json", "for a nightly check"},
  {0},
};
const cli_command data_verify_command = {
  .name = "verify",
  .operands = "",
  .summary = "hash every object of the cache, and mend what is damaged",
  .description = "Reads the whole cache. An object whose content is not what its name says is named and brought anew from the remote; where that has it not, it is set aside into "
                 "the cache's folder 'damaged' and the exit "
                 "status is 1. 'opis data checkout' then mends the files of the work tree.",
  .options = verify_table,
  .examples = verify_examples,
  .run = run_verify,
};
