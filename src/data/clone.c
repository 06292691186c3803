#include "data/clone.h"

#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* git as a program: it knows the user's keys, passwords and proxies. In a hook of git's, variables name the repository of the hook, which is not the one that is meant. Returns 0 or errno. */
static int spawn_git(pid_t *pid, const char *const *argv, const posix_spawn_file_actions_t *actions)
{
  static const char *const local[] = {"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE"};
  size_t n = 0, kept = 0;
  while (environ[n])
    n++;
  char **without = malloc((n + 1) * sizeof *without);
  if (!without)
    return ENOMEM;
  for (size_t i = 0; i < n; i++) {
    bool drop = false;
    for (size_t k = 0; k < sizeof local / sizeof *local && !drop; k++)
      drop = strncmp(environ[i], local[k], strlen(local[k])) == 0 && environ[i][strlen(local[k])] == '=';
    if (!drop)
      without[kept++] = environ[i];
  }
  without[kept] = NULL;
  int failed = posix_spawnp(pid, "git", actions, NULL, (char *const *)(uintptr_t)argv, without);
  free(without);
  return failed;
}

/* Its words go to stderr as they are. */
static int run_git(const char *const *argv, const char *what)
{
  pid_t pid;
  int status, failed = spawn_git(&pid, argv, NULL);
  if (failed) {
    errno = failed;
    return error_set_errno("git");
  }
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return error_set_errno("git");
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : error_set(OPIS_ENETWORK, "%s: git could not clone it", what);
}

int clone_into(const char *work, const char *url, const char *rev)
{
  int code = run_git((const char *const[]){"git", "clone", "-q", "--", url, work, NULL}, url);
  if (code == 0 && rev) { /* a branch of theirs, a tag, a commit */
    char *branch;
    if (asprintf(&branch, "origin/%s", rev) < 0)
      branch = NULL;
    const char *const first[] = {"git", "-C", work, "-c", "advice.detachedHead=false", "rev-parse", "-q", "--verify", branch, NULL};
    posix_spawn_file_actions_t quiet;
    pid_t pid;
    int status = 1;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    if (spawn_git(&pid, first, &quiet) == 0)
      while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    posix_spawn_file_actions_destroy(&quiet);
    bool is_branch = branch && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    code = run_git((const char *const[]){"git", "-C", work, "checkout", "-q", "--detach", is_branch ? branch : rev, NULL}, url);
    if (code < 0)
      code = error_set(OPIS_ENOTFOUND, "%s: %s: no revision of that repository", url, rev);
    free(branch);
  }
  return code;
}

/* What `git ls-remote` tells: a branch before a tag, and of a tag the commit. */
int clone_newest(char hex[41], const char *url, const char *rev)
{
  int ends[2], status = 0, code = 0, best = 0;
  char line[4096], wanted[3][256];
  posix_spawn_file_actions_t actions;
  pid_t pid;
  const char *const argv[] = {"git", "ls-remote", "-q", "--", url, NULL};
  if (pipe2(ends, O_CLOEXEC) != 0)
    return error_set_errno("git");
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  int failed = spawn_git(&pid, argv, &actions);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  FILE *in = fdopen(ends[0], "r");
  if (failed || !in) {
    errno = failed ? failed : errno;
    code = error_set_errno("git");
    if (!in)
      close(ends[0]);
  }
  snprintf(wanted[0], sizeof wanted[0], "%s%s", rev ? "refs/tags/" : "HEAD", rev ? rev : "");
  snprintf(wanted[1], sizeof wanted[1], "refs/tags/%s^{}", rev ? rev : "");
  snprintf(wanted[2], sizeof wanted[2], "refs/heads/%s", rev ? rev : "");
  hex[0] = '\0';
  while (code == 0 && fgets(line, sizeof line, in)) {
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < 3; i++)
      if (strlen(line) > 41 && line[40] == '\t' && strcmp(line + 41, wanted[i]) == 0 && i + 1 > best) {
        best = i + 1;
        memcpy(hex, line, 40);
        hex[40] = '\0';
      }
  }
  if (in)
    fclose(in);
  if (!failed)
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
      ;
  if (code == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
    code = error_set(OPIS_ENETWORK, "%s: git could not ask it", url);
  if (code == 0 && !best && rev && strlen(rev) == 40)
    memcpy(hex, rev, 41); /* a commit: it stays what it is */
  return code;
}
