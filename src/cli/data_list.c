/* opis data list, get. */
#include "cli/data.h"
#include "data/source.h"

#include <opis/error.h>
#include <stdlib.h>
#include <string.h>

enum { JSON = 256, DVC_ONLY, REV, CONFIG, REMOTE, REMOTE_CONFIG, SIZE, SHOW_HASH, SHOW_URL };

#define SOURCE_OPTIONS                                                                                                                                                             \
  {REV, "rev", "REV", "in this revision; else as it is, of a clone its default branch", CLI_COMPLETE_REVISION},                                                                    \
    {CONFIG, "config", "FILE", "settings laid over the source's", CLI_COMPLETE_FILE}, {REMOTE, "remote", "NAME", "the source's data are on this remote of its", 0},                \
  {                                                                                                                                                                                \
    REMOTE_CONFIG, "remote-config", "KEY=VALUE…", "settings of that remote", 0                                                                                                     \
  }

typedef struct choice {
  source_options source;
  view_options view;
  get_options get;
  bool json, tree, size, hash, quiet, show_url;
  char **remote_config;
} choice;

/* -1, or the exit status when options end the command. */
static int read_options(choice *c, cli_args *a, const cli_command *self, int argc, char **argv)
{
  *c = (choice){.view = {.stage_files = true, .links = true}};
  if (!data_take_list(&c->remote_config, &c->source.n_remote_config, &argc, argv, "--remote-config")) {
    cli_error("out of memory");
    return CLI_FAILED;
  }
  c->source.remote_config = c->remote_config;
  c->source.folder = getenv("TMPDIR") && *getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
  cli_start(a, self, argc, argv);
  for (int id; (id = cli_next(a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case REV: c->source.rev = a->value; break;
    case CONFIG: c->source.config = a->value; break;
    case REMOTE: c->source.remote = a->value; break;
    case 'R': c->view.recursive = true; break;
    case 'T': c->tree = c->view.recursive = true; break;
    case 'L':
      if (!cli_int(a, &c->view.depth, 0, 500))
        return CLI_USAGE;
      if (c->view.depth == 0)
        c->view.depth = -1;
      break;
    case DVC_ONLY: c->view.dvc_only = true; break;
    case JSON: c->json = true; break;
    case SIZE: c->size = true; break;
    case SHOW_HASH: c->hash = true; break;
    case SHOW_URL: c->show_url = true; break;
    case 'o': c->get.out = a->value; break;
    case 'f': c->get.force = true; break;
    case 'j':
      if (!cli_int(a, &c->get.jobs, 1, 256))
        return CLI_USAGE;
      break;
    case 'q': c->quiet = true; break;
    default: break;
    }
  return -1;
}

/* ---- list ---- */

typedef struct row {
  const tree_entry *e;
  const char *name;
  int level; /* 0: the folder itself */
  bool last;
} row;

static void hash_of(char text[OID_TEXT], const tree_entry *e)
{
  oid o = {.dir = (e->flags & VIEW_DIR_HASH) != 0};
  memcpy(o.md5, e->md5, MD5_SIZE);
  text[0] = '\0';
  if (e->flags & TREE_HASHED)
    oid_text(text, &o);
}

static void size_of(char text[32], const tree_entry *e)
{
  static const char units[] = " kMGTPEZ";
  double v = (double)e->size;
  int unit = 0;
  text[0] = '\0';
  if (!(e->flags & VIEW_SIZE) || (e->size == 0 && e->flags & VIEW_DIR))
    return;
  if (e->size < 1024) {
    snprintf(text, 32, "%.0f", v);
    return;
  }
  for (; v >= 999.5 && units[unit + 1]; unit++)
    v /= 1024;
  snprintf(text, 32, v < 9.995 ? "%1.2f%c" : v < 99.95 ? "%2.1f%c" : "%3.0f%c", v, units[unit]);
}

static void print_json(const row *rows, size_t n)
{
  char hash[OID_TEXT];
  putchar('[');
  for (size_t i = 0; i < n; i++) {
    const tree_entry *e = rows[i].e;
    hash_of(hash, e);
    printf("%s{\"isout\": %s, \"isdir\": %s, \"isexec\": %s, \"size\": ", i ? ", " : "", e->flags & VIEW_OUT ? "true" : "false", e->flags & VIEW_DIR ? "true" : "false",
      e->flags & TREE_EXECUTABLE ? "true" : "false");
    if (e->flags & VIEW_SIZE)
      printf("%llu", (unsigned long long)e->size);
    else
      fputs("null", stdout);
    printf(", \"md5\": %s%s%s, \"path\": ", *hash ? "\"" : "", *hash ? hash : "null", *hash ? "\"" : "");
    data_print_json(rows[i].name);
    putchar('}');
  }
  puts("]");
}

static void print_rows(const row *rows, size_t n, const choice *c)
{
  char hash[OID_TEXT], size[32];
  bool open[512] = {false}; /* tree: levels whose line goes on below */
  int sizes = 0, hashes = 1;
  for (size_t i = 0; i < n; i++) {
    size_of(size, rows[i].e);
    hash_of(hash, rows[i].e);
    sizes = (int)strlen(size) > sizes ? (int)strlen(size) : sizes;
    hashes = (int)strlen(hash) > hashes ? (int)strlen(hash) : hashes;
  }
  for (size_t i = 0; i < n; i++) {
    size_of(size, rows[i].e);
    hash_of(hash, rows[i].e);
    if (c->size)
      printf("%*s  ", sizes, size);
    if (c->hash)
      printf("%-*s  ", hashes, *hash ? hash : "-");
    if (c->tree && rows[i].level > 0) {
      for (int k = 1; k < rows[i].level; k++)
        fputs(open[k] ? "│   " : "    ", stdout);
      fputs(rows[i].last ? "└── " : "├── ", stdout);
      open[rows[i].level] = !rows[i].last;
    }
    puts(rows[i].name);
  }
}

/* Siblings by name, folders before what is in them: as a tree is drawn. */
static int by_parts(const void *a, const void *b)
{
  const char *x = ((const row *)a)->e->path, *y = ((const row *)b)->e->path;
  for (; *x && *x == *y; x++)
    y++;
  int p = *x == '/' ? 1 : *x ? (unsigned char)*x + 1 : 0, q = *y == '/' ? 1 : *y ? (unsigned char)*y + 1 : 0;
  return p - q;
}

static int by_name(const void *a, const void *b)
{
  return strcmp(((const row *)a)->name, ((const row *)b)->name);
}

/* Of a whole repository that the user stands in, paths are shown from there. *names: what they are kept in. */
static int show_from(row *rows, size_t n, const char *here, name_list *names)
{
  int code = 0;
  for (size_t i = 0; i < n && code == 0; i++) {
    char *folder = path_folder(rows[i].e->path), *way = folder ? path_relative(here, folder) : NULL, *name = NULL;
    if (!way)
      code = OPIS_ENOMEM;
    else if (asprintf(&name, "%s%s%s", strcmp(way, ".") == 0 ? "" : way, strcmp(way, ".") == 0 ? "" : "/", path_name(rows[i].e->path)) < 0) {
      name = NULL;
      code = OPIS_ENOMEM;
    } else
      code = names_add(names, name);
    free(folder);
    free(way);
    free(name);
    if (code == 0)
      rows[i].name = names->items[i];
  }
  qsort(rows, n, sizeof *rows, by_name);
  return code;
}

static size_t choose(row *rows, const tree *t, const tree_entry *root, const char *path, const char *typed, const choice *c)
{
  size_t n = 0, skip = strlen(path) + (*path != '\0');
  const char *self = path_name(typed);
  if (!(root->flags & VIEW_DIR) || (c->view.recursive && c->view.depth < 0)) {
    rows[0] = (row){root, c->tree ? *typed ? typed : "." : *self ? self : ".", 0, true};
    return 1;
  }
  if (c->tree)
    rows[n++] = (row){root, *typed ? typed : ".", 0, true};
  for (size_t i = 0; i < t->n; i++) {
    const tree_entry *e = &t->entries[i];
    int level = 1;
    for (const char *p = e->path + skip; *p; p++)
      level += *p == '/';
    bool folder = (e->flags & VIEW_DIR) != 0;
    if (c->tree || !c->view.recursive || !folder || (c->view.depth > 0 && level == c->view.depth))
      rows[n++] = (row){e, c->tree ? path_name(e->path) : e->path + skip, level, true};
  }
  if (c->tree) {
    bool more[512] = {false};
    if (n > 1)
      qsort(rows + 1, n - 1, sizeof *rows, by_parts);
    for (size_t i = n; i-- > 1;) {
      rows[i].last = !more[rows[i].level];
      more[rows[i].level] = true;
      memset(more + rows[i].level + 1, 0, sizeof more - (size_t)rows[i].level - 1);
    }
  }
  return n;
}

static int list(const choice *c, const char *url, const char *typed)
{
  source *s = NULL;
  tree t = TREE_INIT;
  tree_entry root;
  name_list names = {0};
  char *path = NULL, *here = NULL;
  view_options view = c->view;
  if (!view.recursive || view.depth < 0)
    view.depth = 0;
  int code = source_open(&s, &path, url, typed, &c->source);
  if (code == 0)
    code = source_here(&here, s);
  if (code == 0)
    code = source_view(&t, &root, s, path, &view);
  row *rows = code == 0 ? malloc((t.n + 2) * sizeof *rows) : NULL;
  if (rows) {
    size_t n = choose(rows, &t, &root, path, typed, c);
    if (!*typed && *here && !c->tree && n && rows[0].e != &root)
      code = show_from(rows, n, here, &names);
    if (code == 0 && c->json)
      print_json(rows, n);
    else if (code == 0)
      print_rows(rows, n, c);
  } else if (code == 0)
    code = OPIS_ENOMEM;
  free(rows);
  names_free(&names);
  tree_free(&t);
  source_close(s);
  free(path);
  free(here);
  return code;
}

static const cli_option list_options[] = {
  {'R', "recursive", NULL, "everything below", 0},
  {'T', "tree", NULL, "everything below, drawn as a tree", 0},
  {'L', "level", "N", "with -R and -T: so many levels", 0},
  {DVC_ONLY, "dvc-only", NULL, "data only, not what git has", 0},
  {JSON, "json", NULL, "print JSON", 0},
  SOURCE_OPTIONS,
  {SIZE, "size", NULL, "with sizes", 0},
  {SHOW_HASH, "show-hash", NULL, "with the hashes", 0},
  DATA_COMMON,
  {0},
};

static int run_list(const cli_command *self, int argc, char **argv)
{
  choice c;
  cli_args a;
  data_session s;
  int status = read_options(&c, &a, self, argc, argv);
  if (status < 0 && (a.n_operands < 1 || a.n_operands > 2))
    status = cli_usage(self, argv[0], "%s: needs a repository ('.' is this one), and perhaps a path in it", argv[0]);
  if (status < 0 && c.tree && c.json)
    status = cli_usage(self, argv[0], "--tree and --json exclude each other");
  if (status < 0) {
    c.source.hooks = data_start(&s);
    status = data_finish(&s, list(&c, a.operands[0], a.n_operands > 1 ? a.operands[1] : ""));
  }
  free(c.remote_config);
  return status;
}

static const cli_example list_examples[] = {
  {"opis data list -R --dvc-only .", "all data of this repository"},
  {"opis data list https://example.org/pictures.git sets --rev v2 --size", "a folder of another one, in a past version"},
  {0},
};
const cli_command data_list_command = {
  .name = "list",
  .operands = "URL [PATH]",
  .summary = "list the files and data of a repository",
  .description = "Lists what git has and the data over it, of a repository on this machine (as it is, or in a revision) or of one that git can clone. Of the repository around the "
                 "present folder, as it is, paths are from this folder; else from the root.",
  .options = list_options,
  .examples = list_examples,
  .run = run_list,
  .operand_completion = CLI_COMPLETE_FOLDER,
};

const cli_command data_ls_command = {
  .name = "ls",
  .operands = "URL [PATH]",
  .summary = "the same as list",
  .description = "Another name of 'opis data list'.",
  .options = list_options,
  .examples = list_examples,
  .run = run_list,
  .operand_completion = CLI_COMPLETE_FOLDER,
};

/* ---- get ---- */

static const cli_option get_options_table[] = {
  {'o', "out", "PATH", "where it goes; into it when it is a folder", CLI_COMPLETE_FILE},
  SOURCE_OPTIONS,
  {'f', "force", NULL, "take the place of what is there", 0},
  {SHOW_URL, "show-url", NULL, "only print where the data would come from", 0},
  {'j', "jobs", "N", "so many transfers at once", 0},
  DATA_COMMON,
  {0},
};

static int run_get(const cli_command *self, int argc, char **argv)
{
  choice c;
  cli_args a;
  data_session s;
  char *text = NULL;
  int status = read_options(&c, &a, self, argc, argv);
  if (status < 0 && a.n_operands != 2)
    status = cli_usage(self, argv[0], "%s: needs a repository and a path in it", argv[0]);
  if (status < 0) {
    c.source.hooks = data_start(&s);
    c.get.source = &c.source;
    int code = c.show_url ? data_get_url(&text, a.operands[0], a.operands[1], &c.source) : data_get(&text, a.operands[0], a.operands[1], &c.get);
    cli_progress_clear(s.progress);
    if (code == 0 && c.show_url)
      puts(text);
    free(text);
    status = data_finish(&s, code);
  }
  free(c.remote_config);
  return status;
}

static const cli_example get_examples[] = {
  {"opis data get https://example.org/pictures.git sets/cats", "a folder of somebody's data, without their history"},
  {"opis data get ../pictures photo.jpg --rev v1 -o old.jpg", "one file of a past version"},
  {0},
};
const cli_command data_get_command = {
  .name = "get",
  .operands = "URL PATH",
  .summary = "copy data or files out of a repository",
  .description = "Works anywhere, also outside of repositories. 'opis data import' does the same and remembers where it came from.",
  .options = get_options_table,
  .examples = get_examples,
  .run = run_get,
  .operand_completion = CLI_COMPLETE_FOLDER,
};
