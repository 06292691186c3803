/* opis data doctor. */
#include "cli/data.h"

#include <opis/opis.h>
#include <stdlib.h>
#include <string.h>

enum { JSON = 256 };

static const cli_option options[] = {
  {JSON, "json", NULL, "print JSON", 0},
  DATA_COMMON,
  {0},
};

static void print(const findings *f, bool quiet)
{
  if (!quiet)
    printf("opis         %s (%s)\n", opis_version(), opis_cpu());
  for (size_t i = 0; i < f->n; i++)
    if (!quiet || f->items[i].kind == '!')
      printf("%-12s %s%s\n", f->items[i].what, f->items[i].kind == '!' ? "WRONG: " : f->items[i].kind == '-' ? "note: " : "", f->items[i].text);
}

static void print_json(const findings *f)
{
  printf("{\"version\": \"%s\", \"findings\": [", opis_version());
  for (size_t i = 0; i < f->n; i++) {
    printf("%s{\"about\": \"%s\", \"kind\": \"%s\", \"text\": ", i ? ", " : "", f->items[i].what, f->items[i].kind == '!' ? "wrong" : f->items[i].kind == '-' ? "note" : "fact");
    data_print_json(f->items[i].text);
    putchar('}');
  }
  puts("]}");
}

static int run(const cli_command *self, int argc, char **argv)
{
  bool json = false, quiet = false;
  cli_args a;
  data_session s;
  findings f;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case JSON: json = true; break;
    case 'q': quiet = true; break;
    default: break;
    }
  if (a.n_operands)
    return cli_usage(self, argv[0], "%s: takes no operands", argv[0]);
  int status = data_open_to_read(&s);
  if (status)
    return status;
  int code = data_doctor(&f, s.repo);
  cli_progress_clear(s.progress);
  if (code == 0) {
    if (json)
      print_json(&f);
    else
      print(&f, quiet);
    status = f.bad ? CLI_SOME_FAILED : CLI_OK;
    findings_free(&f);
  }
  int closed = data_finish(&s, code);
  return closed ? closed : status;
}

static const cli_example examples[] = {{"opis data doctor", "what to send along with a question, and what to mend first"}, {0}};
const cli_command data_doctor_command = {
  .name = "doctor",
  .operands = "",
  .summary = "tell how this repository is set up, and what is wrong with it",
  .description = "Looks at git and its hooks, the cache and which links work, remotes (without asking them), and what is tracked. The exit status is 1 when something is wrong. "
                 "Passwords are not shown.",
  .options = options,
  .examples = examples,
  .run = run,
};
