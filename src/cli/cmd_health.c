/* opis health */
#include "cli/commands.h"
#include "serve/serve.h"

#include <opis/opis.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT = 256 };

static const cli_option options[] = {{TIMEOUT, "timeout", "S", "Wait at most S seconds (default 5)", CLI_COMPLETE_NONE}, {0}};

static const cli_example examples[] = {
  {"opis health", "is the server on this machine ready?"},
  {"opis health http://pictures.example.org:8501", "and that one?"},
  {0},
};

static int run(const cli_command *self, int argc, char **argv)
{
  cli_args a;
  double timeout = 5;
  char here[64];
  bool ok = true;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;)
    switch (id) {
    case CLI_HELP: return cli_help(self, argv[0]);
    case CLI_ERROR: return CLI_USAGE;
    case TIMEOUT: ok = ok && cli_double(&a, &timeout, 0.01, 3600); break;
    }
  if (!ok)
    return CLI_USAGE;
  if (a.n_operands > 1)
    return cli_usage(self, argv[0], "%s: takes one URL", argv[0]);
  const char *port = getenv("OPIS_PORT"), *url = a.n_operands ? a.operands[0] : here;
  snprintf(here, sizeof here, "http://127.0.0.1:%s", port && *port && strlen(port) < 6 ? port : "8501");
  int status = serve_probe(url, timeout);
  if (status == 200) {
    printf("%s: ready\n", url);
    return CLI_OK;
  }
  if (status > 0)
    cli_error("%s: not ready (HTTP %d)", url, status);
  else
    cli_error("%s: %s", url, opis_error_message());
  return status == OPIS_EINVALID ? CLI_USAGE : CLI_SOME_FAILED;
}

const cli_command cmd_health = {
  .name = "health",
  .operands = "[URL]",
  .summary = "ask a server whether it is ready",
  .description = "Exit status 0 when the server at URL (default http://127.0.0.1:8501, or the port in OPIS_PORT) has its models loaded and warm. Made for container health checks.",
  .options = options,
  .examples = examples,
  .run = run,
};
