/* opis data diff. */
#include "cli/data.h"

#include <opis/error.h>
#include <stdlib.h>
#include <string.h>

enum { TARGETS = 256, JSON, SHOW_HASH, MARKDOWN, HIDE_MISSING };

static const cli_option options[] = {
  {TARGETS, "targets", "PATH…", "only these files and folders", CLI_COMPLETE_FILE},
  {JSON, "json", NULL, "print JSON", 0},
  {SHOW_HASH, "show-hash", NULL, "with the hashes", 0},
  {MARKDOWN, "md", NULL, "print a table in Markdown", 0},
  {HIDE_MISSING, "hide-missing", NULL, "leave out what the cache has not", 0},
  DATA_COMMON,
  {0},
};

typedef struct part {
  const char *name; /* as DVC's JSON has it */
  const char *title;
  const diff_list *list;
} part;

static void print_hash_json(const char *hash)
{
  if (*hash)
    data_print_json(hash);
  else
    fputs("null", stdout);
}

static void print_entry_json(const diff_entry *e, const part *p, bool hashes)
{
  bool modified = strcmp(p->name, "modified") == 0;
  fputs("{\"path\": ", stdout);
  if (e->renamed_to) {
    fputs("{\"old\": ", stdout);
    data_print_json(e->path);
    fputs(", \"new\": ", stdout);
    data_print_json(e->renamed_to);
    putchar('}');
  } else
    data_print_json(e->path);
  if (hashes) {
    fputs(", \"hash\": ", stdout);
    if (modified) {
      fputs("{\"old\": ", stdout);
      print_hash_json(e->old_hash);
      fputs(", \"new\": ", stdout);
      print_hash_json(e->new_hash);
      putchar('}');
    } else
      print_hash_json(*e->old_hash ? e->old_hash : e->new_hash);
  }
  putchar('}');
}

static void print_json(const part *parts, int n, bool anything, bool hashes)
{
  putchar('{');
  for (int i = 0; anything && i < n; i++) {
    printf("%s\"%s\": [", i ? ", " : "", parts[i].name);
    for (size_t k = 0; k < parts[i].list->n; k++) {
      fputs(k ? ", " : "", stdout);
      print_entry_json(&parts[i].list->items[k], &parts[i], hashes);
    }
    putchar(']');
  }
  puts("}");
}

/* The first eight digits of a hash, of both where there are two. */
static void digest(char out[24], const diff_entry *e, bool modified)
{
  if (modified)
    snprintf(out, 24, "%.8s..%.8s", *e->old_hash ? e->old_hash : "none", *e->new_hash ? e->new_hash : "none");
  else
    snprintf(out, 24, "%.8s", *e->old_hash ? e->old_hash : e->new_hash);
}

static int columns(const char *s)
{
  int n = 0;
  for (; *s; s++)
    n += ((unsigned char)*s & 0xC0) != 0x80;
  return n;
}

static void cell(const char *s, int width)
{
  printf(" %s%*s |", s, width - columns(s), "");
}

static void print_markdown(const part *const *order, int n, bool hashes)
{
  int widths[3] = {8, 6, 6}; /* as the tables of DVC: the titles and two more */
  char hash[24];
  for (int i = 0; i < n; i++)
    for (size_t k = 0; k < order[i]->list->n; k++) {
      const diff_entry *e = &order[i]->list->items[k];
      int path = columns(e->path) + (e->renamed_to ? 4 + columns(e->renamed_to) : 0), status = columns(order[i]->name);
      digest(hash, e, strcmp(order[i]->name, "modified") == 0);
      widths[0] = status > widths[0] ? status : widths[0];
      widths[1] = columns(hash) > widths[1] ? columns(hash) : widths[1];
      widths[2] = path > widths[2] ? path : widths[2];
    }
  putchar('|');
  cell("Status", widths[0]);
  if (hashes)
    cell("Hash", widths[1]);
  cell("Path", widths[2]);
  fputs("\n|", stdout);
  for (int i = 0; i < 3; i++)
    if (i != 1 || hashes) {
      for (int k = 0; k < widths[i] + 2; k++)
        putchar('-');
      putchar('|');
    }
  putchar('\n');
  for (int i = 0; i < n; i++)
    for (size_t k = 0; k < order[i]->list->n; k++) {
      const diff_entry *e = &order[i]->list->items[k];
      digest(hash, e, strcmp(order[i]->name, "modified") == 0);
      putchar('|');
      cell(order[i]->name, widths[0]);
      if (hashes)
        cell(hash, widths[1]);
      printf(" %s%s%s%*s |\n", e->path, e->renamed_to ? " -> " : "", e->renamed_to ? e->renamed_to : "",
        widths[2] - columns(e->path) - (e->renamed_to ? 4 + columns(e->renamed_to) : 0), "");
    }
  putchar('\n');
}

static void print_text(const part *const *order, int n, bool hashes)
{
  size_t counts[5] = {0};
  char hash[24];
  const char *comma = "";
  for (int i = 0; i < n; i++) {
    const diff_list *l = order[i]->list;
    if (l->n == 0)
      continue;
    printf("%s:\n", order[i]->title);
    for (size_t k = 0; k < l->n; k++) {
      const diff_entry *e = &l->items[k];
      const char *last = e->renamed_to ? e->renamed_to : e->path;
      digest(hash, e, strcmp(order[i]->name, "modified") == 0);
      printf("    %s%s%s%s%s\n", hashes ? hash : "", hashes && *hash ? "  " : "", e->path, e->renamed_to ? " -> " : "", e->renamed_to ? e->renamed_to : "");
      counts[i] += last[strlen(last) - 1] != '/';
    }
    putchar('\n');
  }
  for (int i = 0; i < n; i++)
    if (counts[i]) {
      printf("%s%s%zu %s", *comma ? "" : "files summary: ", comma, counts[i], order[i]->name);
      comma = ", ";
    }
  if (*comma)
    putchar('\n');
}

static int run(const cli_command *self, int argc, char **argv)
{
  bool json = false, hashes = false, markdown = false, hide = false, quiet = false;
  char **paths;
  int n_paths, status = -1;
  cli_args a;
  data_session s;
  diff_result d;
  if (!data_take_list(&paths, &n_paths, &argc, argv, "--targets")) {
    cli_error("out of memory");
    return CLI_FAILED;
  }
  cli_start(&a, self, argc, argv);
  for (int id; status < 0 && (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: status = cli_help(self, argv[0]); break;
    case CLI_ERROR: status = CLI_USAGE; break;
    case JSON: json = true; break;
    case SHOW_HASH: hashes = true; break;
    case MARKDOWN: markdown = true; break;
    case HIDE_MISSING: hide = true; break;
    case 'q': quiet = true; break;
    default: break;
    }
  if (status < 0 && a.n_operands > 2)
    status = cli_usage(self, argv[0], "%s: compares two revisions at most; paths go behind --targets", argv[0]);
  if (status < 0 && (status = data_open_to_read(&s)) == 0) {
    int code = data_diff(&d, s.repo, a.n_operands > 0 ? a.operands[0] : NULL, a.n_operands > 1 ? a.operands[1] : NULL, paths, n_paths);
    cli_progress_clear(s.progress);
    if (code == 0) {
      const part parts[] = {{"added", "Added", &d.added}, {"deleted", "Deleted", &d.deleted}, {"modified", "Modified", &d.modified}, {"renamed", "Renamed", &d.renamed},
        {"not in cache", "Not in cache", &d.missing}};
      const part *const order[] = {&parts[0], &parts[1], &parts[3], &parts[2], &parts[4]};
      bool anything = d.added.n || d.deleted.n || d.modified.n || d.renamed.n || d.missing.n;
      int n = hide || a.n_operands > 1 ? 4 : 5;
      if (json)
        print_json(parts, n, anything, hashes);
      else if (markdown)
        print_markdown(order, n, hashes);
      else if (!quiet)
        print_text(order, n, hashes);
      diff_free(&d);
    }
    status = data_finish(&s, code);
  }
  free(paths);
  return status;
}

static const cli_example examples[] = {
  {"opis data diff", "what changed since the last commit"},
  {"opis data diff v1 v2 --json", "between two revisions, for a program"},
  {"opis data diff HEAD~1 --targets photos", "of one folder only"},
  {0},
};
const cli_command data_diff_command = {
  .name = "diff",
  .operands = "[A] [B]",
  .summary = "compare two versions of the data",
  .description =
    "Tells which files were added, deleted, renamed or modified from revision A (HEAD when it is not named) to revision B, or to the work tree. In the work tree's case it "
    "also tells which files of A the cache has not.",
  .options = options,
  .examples = examples,
  .run = run,
  .operand_completion = CLI_COMPLETE_REVISION,
};
