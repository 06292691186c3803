/* Ctrl-C, closed pipes, full disks: how the program ends. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
  (void)number;
  if (interrupted)
    _exit(CLI_INTERRUPTED);
  interrupted = 1;
}

void cli_catch_signals(void)
{
  struct sigaction a = {.sa_handler = on_signal};
  sigaction(SIGINT, &a, NULL);
  sigaction(SIGTERM, &a, NULL);
  a.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &a, NULL);
  sigaction(SIGXFSZ, &a, NULL); /* a file that may not grow any more is an error like a full disk */
}

bool cli_interrupted(void)
{
  return interrupted != 0;
}

int cli_finish(int status)
{
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout))
    return status;
  if (errno == EPIPE || errno == 0)
    return status;
  cli_error("standard output: %s", strerror(errno));
  return status == CLI_INTERRUPTED ? status : CLI_FAILED;
}
