/* What the commands of `opis data` share: opening the repository, asking, printing. */
#include "cli/data.h"

#include "util/strbuf.h"

#include <opis/error.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool data_wait_for_lock;

static void show_progress(void *user, const repo_advance *a)
{
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  data_session *s = user;
  pthread_mutex_lock(&lock);
  if (!s->what || strcmp(s->what, a->what) != 0) {
    cli_progress_free(s->progress);
    s->progress = cli_progress_new(a->what, 0, false);
    s->what = a->what;
  }
  cli_progress_files(s->progress, a->files, a->of_files, a->bytes, a->of_bytes);
  pthread_mutex_unlock(&lock);
}

static void show_warning(void *user, const char *message)
{
  data_session *s = user;
  cli_progress_clear(s->progress);
  cli_error("warning: %s", message);
}

static int is_cancelled(void *unused)
{
  (void)unused;
  return cli_interrupted();
}

static int status_of(int code)
{
  return code == 0 ? CLI_OK : code == OPIS_ECANCELLED || cli_interrupted() ? CLI_INTERRUPTED : code == OPIS_EINVALID ? CLI_USAGE : CLI_SOME_FAILED;
}

repo_hooks data_start(data_session *s)
{
  *s = (data_session){0};
  cli_catch_signals();
  return (repo_hooks){isatty(STDERR_FILENO) ? show_progress : NULL, show_warning, is_cancelled, s, data_wait_for_lock, false, false};
}

static int open_session(data_session *s, bool lock, bool settings_only, bool reads_only)
{
  repo_hooks hooks = data_start(s);
  hooks.settings_only = settings_only;
  hooks.reads_only = reads_only;
  int code = repo_open(&s->repo, NULL, lock, &hooks);
  if (code < 0) {
    cli_error("%s", opis_error_message());
    return status_of(code) == CLI_OK ? CLI_FAILED : status_of(code);
  }
  return 0;
}

int data_open(data_session *s, bool lock)
{
  return open_session(s, lock, false, false);
}

int data_open_to_read(data_session *s)
{
  return open_session(s, true, false, true);
}

int data_open_settings(data_session *s, bool lock)
{
  return open_session(s, lock, true, false);
}

int data_finish(data_session *s, int code)
{
  cli_progress_free(s->progress);
  if (code < 0)
    cli_error("%s", opis_error_message());
  repo_close(s->repo);
  return status_of(code);
}

bool data_ask(void *user, const char *question)
{
  data_session *s = user;
  char answer[16];
  if (s)
    cli_progress_clear(s->progress);
  if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
    return false;
  fprintf(stderr, "%s [y/n] ", question);
  return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

bool data_take_list(char ***list, int *n, int *argc, char **argv, const char *option)
{
  int kept = 1;
  bool taking = false;
  *n = 0;
  *list = calloc((size_t)*argc + 1, sizeof **list);
  if (!*list)
    return false;
  for (int i = 1; i < *argc; i++) {
    size_t k = strlen(option);
    if (strcmp(argv[i], "--") == 0) { /* what follows are operands */
      while (i < *argc)
        argv[kept++] = argv[i++];
      break;
    }
    if (strcmp(argv[i], option) == 0)
      taking = true;
    else if (strncmp(argv[i], option, k) == 0 && argv[i][k] == '=') {
      (*list)[(*n)++] = argv[i] + k + 1;
      taking = false;
    } else if (taking && (argv[i][0] != '-' || !argv[i][1]))
      (*list)[(*n)++] = argv[i];
    else {
      argv[kept++] = argv[i];
      taking = false;
    }
  }
  argv[ *argc = kept] = NULL;
  return true;
}

void data_print_git_add(data_session *s, const name_list *written)
{
  if (!s->repo->git_root || config_true(&s->repo->config, "core", "autostage", false) || !written->n)
    return;
  cli_progress_clear(s->progress);
  printf("To track the changes with git: git add");
  for (size_t i = 0; i < written->n; i++)
    printf(" %s", written->items[i]);
  for (size_t i = 0; i < s->repo->n_touched; i++) {
    const char *name = strrchr(s->repo->touched[i], '/');
    if (strcmp(name ? name + 1 : s->repo->touched[i], ".gitignore") == 0) {
      char *shown = repo_shown(s->repo, s->repo->touched[i]);
      printf(" %s", shown ? shown : s->repo->touched[i]);
      free(shown);
    }
  }
  putchar('\n');
}

void data_print_changes(const changes *c)
{
  static const char order[] = "MAD"; /* as DVC lists them */
  for (const char *k = order; *k; k++)
    for (size_t i = 0; i < c->n; i++)
      if (c->items[i].kind == *k)
        printf("%c\t%s\n", *k, c->items[i].path);
}

void data_print_json(const char *s)
{
  size_t n = strlen(s), length;
  putchar('"');
  for (; n; s += length, n -= length) {
    unsigned char c = (unsigned char)*s;
    length = utf8_sequence(s, n);
    if (length == 0) { /* no UTF-8, which JSON must be: as Python has it, and lists of folders */
      printf("\\udc%02x", c);
      length = 1;
    } else if (c == '"' || c == '\\')
      printf("\\%c", c);
    else if (c < 0x20)
      printf("\\u%04x", c);
    else
      fwrite(s, 1, length, stdout);
  }
  putchar('"');
}
