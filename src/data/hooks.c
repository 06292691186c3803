/* opis data hooks: git calls opis when the branch changes, and before a push. */
#include "data/data.h"
#include "data/git.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {"post-checkout", "post-merge", "post-rewrite", "pre-push"};
enum { HOOKS = sizeof names / sizeof *names, LARGEST = 1 << 20 };
static const char mark[] = "# Written by 'opis data hooks install'";
static const char before[] = ".before-opis";

/* For the shell: 'a'\''b'. */
static void put_quoted(strbuf *b, const char *s)
{
  strbuf_putc(b, '\'');
  for (; *s; s++)
    if (*s == '\'')
      strbuf_puts(b, "'\\''");
    else
      strbuf_putc(b, *s);
  strbuf_putc(b, '\'');
}

static void write_hook(strbuf *b, const repo *r, const char *name, const char *program)
{
  const char *below = r->root + strlen(r->git_root);
  bool reads = strcmp(name, "pre-push") == 0 || strcmp(name, "post-rewrite") == 0; /* git tells more on standard input: both hooks get it */
  strbuf_printf(b,
    "#!/bin/sh\n%s; 'opis data hooks remove' takes it away.\n"
    "# A hook that was here before is %s%s beside this one, and runs after it.\n",
    mark, name, before);
  strbuf_puts(b, "opis=$(command -v opis) || opis=");
  put_quoted(b, program);
  strbuf_puts(b, "\n");
  if (reads)
    strbuf_puts(b, "told=$(cat)\n");
  strbuf_puts(b, "(cd ./");
  put_quoted(b, below + (*below == '/'));
  strbuf_printf(b, " 2>/dev/null || exit 0; %s\"$opis\" data hooks run %s -- \"$@\")\nstatus=$?\n", reads ? "printf '%s\\n' \"$told\" | " : "", name);
  if (strcmp(name, "pre-push") == 0)
    strbuf_puts(b, "[ $status -eq 0 ] || { echo \"The data were not pushed, so git's push was stopped; 'git push --no-verify' pushes without them.\" >&2; exit $status; }\n");
  strbuf_printf(b, "if [ -x \"$0%s\" ]; then\n  %s\"$0%s\" \"$@\" || status=$?\nfi\nexit $status\n", before, reads ? "printf '%s\\n' \"$told\" | " : "", before);
}

/* Whether the file there is ours; *exists: whether there is any. */
static int look(bool *ours, bool *exists, const char *path)
{
  char *text;
  size_t n;
  struct stat st;
  *ours = false;
  *exists = lstat(path, &st) == 0;
  if (!*exists)
    return 0;
  int code = file_read(&text, &n, path, LARGEST);
  if (code == OPIS_ELIMIT || code == OPIS_ENOTFOUND)
    return 0; /* a program, or a link that leads nowhere: not ours */
  if (code < 0)
    return code;
  *ours = strstr(text, mark) != NULL;
  free(text);
  return 0;
}

static int paths_of(char **path, char **kept, const char *folder, const char *name)
{
  *path = *kept = NULL;
  if (asprintf(path, "%s/%s", folder, name) >= 0 && asprintf(kept, "%s%s", *path, before) >= 0)
    return 0;
  free(*path);
  *path = *kept = NULL;
  return error_nomem();
}

static int install_one(name_list *written, repo *r, const char *folder, const char *name, const char *program)
{
  char *path, *kept;
  bool ours, exists;
  struct stat st;
  strbuf text = STRBUF_INIT;
  int code = paths_of(&path, &kept, folder, name);
  if (code < 0)
    return code;
  code = look(&ours, &exists, path);
  if (code == 0 && exists && !ours) {
    if (lstat(kept, &st) == 0)
      code = error_set(OPIS_ECONFLICT, "%s: there are two hooks of before already, this and %s%s; join them first", path, name, before);
    else if (rename(path, kept) != 0)
      code = error_set_errno("%s", path);
  }
  if (code == 0) {
    write_hook(&text, r, name, program);
    code = strbuf_check(&text) < 0 ? error_nomem() : file_replace(path, text.s, text.n, 0777, false);
  }
  if (code == 0)
    code = names_add(written, path);
  strbuf_free(&text);
  free(path);
  free(kept);
  return code;
}

static int remove_one(name_list *written, const char *folder, const char *name)
{
  char *path, *kept;
  bool ours, exists;
  int code = paths_of(&path, &kept, folder, name);
  if (code < 0)
    return code;
  code = look(&ours, &exists, path);
  if (code == 0 && ours) {
    if (rename(kept, path) != 0 && (errno != ENOENT || unlink(path) != 0))
      code = error_set_errno("%s", path);
    else
      code = names_add(written, path);
  }
  free(path);
  free(kept);
  return code;
}

int data_hooks_install(name_list *written, repo *r, const char *program)
{
  char *folder;
  int code = git_hooks_folder(&folder, r);
  if (code < 0)
    return code;
  code = file_make_folders(folder, 0777);
  for (size_t i = 0; i < HOOKS && code == 0; i++)
    code = install_one(written, r, folder, names[i], program);
  free(folder);
  return code;
}

int data_hooks_remove(name_list *written, repo *r)
{
  char *folder;
  int code = git_hooks_folder(&folder, r);
  for (size_t i = 0; i < HOOKS && code == 0; i++)
    code = remove_one(written, folder, names[i]);
  free(folder);
  return code;
}

int data_hooks_list(name_list *installed, repo *r)
{
  char *folder, *path, *kept;
  bool ours, exists;
  int code = git_hooks_folder(&folder, r);
  for (size_t i = 0; i < HOOKS && code == 0; i++) {
    code = paths_of(&path, &kept, folder, names[i]);
    if (code < 0)
      break;
    code = look(&ours, &exists, path);
    if (code == 0 && ours)
      code = names_add(installed, names[i]);
    free(path);
    free(kept);
  }
  free(folder);
  return code;
}
