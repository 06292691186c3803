#include "data/rclone.h"

#include "util/clock.h"
#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "data/remote_web.h"

extern char **environ;

enum { SECONDS_TO_START = 30, MOST_SAID = 64 * 1024 };

/* Whether a program is on the PATH. */
static bool is_installed(const char *name)
{
  const char *path = getenv("PATH");
  for (path = path ? path : "/usr/bin:/bin"; *path;) {
    size_t n = strcspn(path, ":");
    char *whole;
    if (asprintf(&whole, "%.*s/%s", (int)n, path, name) < 0)
      return false;
    bool there = access(whole, X_OK) == 0;
    free(whole);
    if (there)
      return true;
    path += n + (path[n] == ':');
  }
  return false;
}

static int check_installed(void)
{
  if (is_installed("rclone"))
    return 0;
  return error_set(OPIS_EUNSUPPORTED, "rclone is not installed, and this remote needs it (on Debian: apt-get install rclone)");
}

/* Our environment with the additions, which win. */
static const strbuf nothing = STRBUF_INIT;

static char **environment(const strbuf *a, const strbuf *b)
{
  const strbuf *both[2] = {a, b};
  size_t n = 0, more = 0;
  for (char **e = environ; *e; e++)
    n++;
  for (int i = 0; i < 2; i++)
    for (size_t at = 0; at < both[i]->n; at += strlen(both[i]->s + at) + 1)
      more++;
  char **all = calloc(n + more + 1, sizeof *all);
  size_t k = 0;
  for (int i = 0; all && i < 2; i++)
    for (size_t at = 0; at < both[i]->n; at += strlen(both[i]->s + at) + 1)
      all[k++] = both[i]->s + at;
  for (char **e = environ; all && *e; e++) {
    size_t length = strcspn(*e, "=") + 1;
    bool ours = false;
    for (size_t i = 0; i < more && !ours; i++)
      ours = strncmp(all[i], *e, length) == 0;
    if (!ours)
      all[k++] = *e;
  }
  return all;
}

static int spawn(pid_t *pid, const char *const *arguments, char *const *env, int in, int out, int err)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t signals;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  if (in >= 0)
    posix_spawn_file_actions_adddup2(&actions, in, 0);
  else
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (out >= 0)
    posix_spawn_file_actions_adddup2(&actions, out, 1);
  else
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setpgroup(&attributes, 0); /* Ctrl-C is for us: what is under way is ended in order */
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int failed = posix_spawnp(pid, arguments[0], &actions, &attributes, (char *const *)(uintptr_t)arguments, env);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  errno = failed;
  return failed ? error_set_errno("starting %s", arguments[0]) : 0;
}

static char *what_it_said(int log)
{
  char *text = malloc(MOST_SAID + 1);
  off_t size = lseek(log, 0, SEEK_END);
  if (!text || size < 0) {
    free(text);
    return NULL;
  }
  ssize_t n = pread(log, text, MOST_SAID, size > MOST_SAID ? size - MOST_SAID : 0);
  text[n > 0 ? n : 0] = '\0';
  return text;
}

/* ---- one run ---- */

int rclone_run(int *status, char **said, const rclone_setup *s, const char *const *arguments, int (*line)(void *user, const char *text), void *user)
{
  static const char *const rclone[] = {"rclone"};
  int pipes[2] = {-1, -1}, log = -1, code = 0;
  pid_t pid = -1;
  char **env = environment(s ? &s->env : &nothing, &nothing), *text = NULL;
  size_t capacity = 0;
  if (said)
    *said = NULL;
  if (!env)
    return error_nomem();
  if (strcmp(arguments[0], rclone[0]) == 0)
    code = check_installed();
  if (code == 0 && (pipe2(pipes, O_CLOEXEC) != 0 || (log = memfd_create("opis", MFD_CLOEXEC)) < 0))
    code = error_set_errno("starting %s", arguments[0]);
  if (code == 0)
    code = spawn(&pid, arguments, env, -1, pipes[1], log);
  free(env);
  if (pipes[1] >= 0)
    close(pipes[1]);
  FILE *f = code == 0 && pipes[0] >= 0 ? fdopen(pipes[0], "r") : NULL;
  if (code == 0 && !f)
    code = error_nomem();
  for (ssize_t n; f && code == 0 && (n = getline(&text, &capacity, f)) > 0;) {
    if (text[n - 1] == '\n')
      text[n - 1] = '\0';
    code = line ? line(user, text) : 0;
  }
  if (f)
    fclose(f);
  else if (pipes[0] >= 0)
    close(pipes[0]);
  if (pid > 0) {
    int how;
    if (code != 0)
      kill(pid, SIGKILL);
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
      ;
    *status = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
  }
  if (said && log >= 0)
    *said = what_it_said(log);
  if (log >= 0)
    close(log);
  free(text);
  return code;
}

/* ---- rclone that stays ---- */

/* "… Serving remote control on http://127.0.0.1:35687/" */
static char *address(const char *said)
{
  const char *at = strstr(said, "http://127.0.0.1:");
  size_t n = at ? 17 + strspn(at + 17, "0123456789") : 0;
  return at && at[n] == '/' ? strndup(at, n) : NULL;
}

static int wait_for_address(rclone_daemon *d)
{
  double start = clock_seconds();
  while (clock_seconds() - start < SECONDS_TO_START) {
    int how;
    char *said = what_it_said(d->log);
    if (!said)
      return error_nomem();
    d->url = address(said);
    bool ended = !d->url && waitpid(d->pid, &how, WNOHANG) == d->pid;
    if (ended) {
      size_t n = strlen(said);
      while (n > 0 && said[n - 1] == '\n')
        said[--n] = '\0';
      const char *last = strrchr(said, '\n');
      d->pid = -1;
      error_set(OPIS_EIO, "rclone does not start: %.500s", last ? last + 1 : said);
    }
    free(said);
    if (d->url)
      return 0;
    if (ended)
      return OPIS_EIO;
    nanosleep(&(struct timespec){0, 5000000}, NULL);
  }
  return error_set(OPIS_EIO, "rclone does not start within %d seconds", SECONDS_TO_START);
}

int rclone_start(rclone_daemon *d, const rclone_setup *s)
{
  /* rclone ends when the shell's input does: when this process closes the pipe, or ends in whatever way. */
  static const char script[] =
    "exec 3<&0; rclone rcd --rc-addr 127.0.0.1:0 --rc-serve --no-check-dest --ask-password=false \"$@\" </dev/null 3<&- & p=$!; { read -r x <&3; kill $p; } & wait $p";
  uint8_t random[16];
  char password[2 * sizeof random + 1];
  int pipes[2], code = check_installed();
  strbuf env = STRBUF_INIT;
  const char *arguments[] = {"sh", "-c", script, "sh", s->own ? NULL : "--config", "", NULL};
  *d = (rclone_daemon){.pid = -1, .pipe = -1, .log = -1};
  if (code < 0)
    return code;
  if (getrandom(random, sizeof random, 0) != sizeof random)
    return error_set(OPIS_EIO, "no random numbers");
  for (size_t i = 0; i < sizeof random; i++)
    snprintf(password + 2 * i, 3, "%02x", random[i]);
  strbuf_printf(&env, "RCLONE_RC_USER=opis%cRCLONE_RC_PASS=%s%c", '\0', password, '\0');
  char **all = env.failed ? NULL : environment(&env, &s->env);
  d->authorization = web_basic("opis", password);
  if (!all || !d->authorization)
    code = error_nomem();
  else if (pipe2(pipes, O_CLOEXEC) != 0)
    code = error_set_errno("starting rclone");
  else {
    d->pipe = pipes[1];
    d->log = memfd_create("rclone", MFD_CLOEXEC);
    code = d->log < 0 ? error_set_errno("starting rclone") : spawn(&d->pid, arguments, all, pipes[0], -1, d->log);
    close(pipes[0]);
  }
  if (code == 0)
    code = wait_for_address(d);
  free(all);
  if (env.s)
    explicit_bzero(env.s, env.n);
  strbuf_free(&env);
  explicit_bzero(password, sizeof password);
  if (code < 0)
    rclone_stop(d);
  return code;
}

void rclone_stop(rclone_daemon *d)
{
  if (d->pipe >= 0)
    close(d->pipe);
  if (d->pid > 0)
    while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
      ;
  if (d->log >= 0)
    close(d->log);
  free(d->url);
  if (d->authorization)
    explicit_bzero(d->authorization, strlen(d->authorization));
  free(d->authorization);
  *d = (rclone_daemon){.pid = -1, .pipe = -1, .log = -1};
}
