/* opis serve */
#include "cli/commands.h"
#include "serve/serve.h"

#include <ctype.h>
#include <opis/opis.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PORT = 256, HOST, THREADS, QUEUE, MAX_UPLOAD, MAX_PIXELS, TIMEOUT, BODY_TIMEOUT, HISTORY, KEEP, ALLOW_HOST, ALLOW_FETCH, API_KEY_FILE, CORS, LOG };

static const cli_option options[] = {
  {HOST, "host", "NAME", "Listen at this name or address (default 127.0.0.1: this machine only; 0.0.0.0: every network)", CLI_COMPLETE_NONE},
  {PORT, "port", "N", "Listen at this port (default 8501; 0: one that is free)", CLI_COMPLETE_NONE},
  {'m', "model", "MODEL", "Serve this model; may be given several times, the first is the default", CLI_COMPLETE_MODEL},
  {THREADS, "threads", "N", "Compute with N threads a model (default: all processors)", CLI_COMPLETE_NONE},
  {QUEUE, "queue", "N", "Let at most N pictures wait or run (default 64)", CLI_COMPLETE_NONE},
  {MAX_UPLOAD, "max-upload", "SIZE", "Refuse bodies above this size (default 200M)", CLI_COMPLETE_NONE},
  {MAX_PIXELS, "max-pixels", "N", "Refuse pictures with more pixels (default 178956970)", CLI_COMPLETE_NONE},
  {TIMEOUT, "timeout", "S", "Give a request up after S seconds (default 120)", CLI_COMPLETE_NONE},
  {BODY_TIMEOUT, "body-timeout", "S", "Refuse bodies that bring less than 1 KiB a second over S seconds (default 30)", CLI_COMPLETE_NONE},
  {HISTORY, "history", "FILE", "Keep descriptions in this SQLite file", CLI_COMPLETE_FILE},
  {KEEP, "keep", "DAYS", "Forget entries of the history after so many days (default: never)", CLI_COMPLETE_NONE},
  {ALLOW_HOST, "allow-host", "NAME", "Answer to this name too; may be given several times ('*': to any)", CLI_COMPLETE_NONE},
  {ALLOW_FETCH, "allow-fetch", NULL, "Fetch pictures that requests name by URL, from public addresses only", CLI_COMPLETE_NONE},
  {API_KEY_FILE, "api-key-file", "FILE", "Ask for one of the keys in this file, one a line", CLI_COMPLETE_FILE},
  {CORS, "cors", "ORIGIN", "Let pages of this origin use the server; may be given several times", CLI_COMPLETE_NONE},
  {LOG, "log", "FILE|-|none", "Write the access log, one JSON object a line, to this file (default: standard output)", CLI_COMPLETE_FILE},
  {0},
};

static const cli_example examples[] = {
  {"opis serve", "the page and the API at http://127.0.0.1:8501/"},
  {"opis serve --host 0.0.0.0 --allow-host pictures.example.org --api-key-file keys.txt", "for others, who need a key"},
  {"opis serve --history history.sqlite --keep 30", "remember descriptions for 30 days"},
  {"curl -F image=@photo.jpg http://127.0.0.1:8501/v1/describe", "what a program sends"},
  {0},
};

typedef struct settings {
  serve_options o;
  const char *models[64], *hosts[64], *cors[64];
} settings;

static bool add(const char **list, int *n, const char *value)
{
  if (*n >= 64) {
    cli_error("%s: more than 64 of its kind", value);
    return false;
  }
  list[(*n)++] = value;
  return true;
}

static bool apply(settings *s, const cli_args *a, int id)
{
  serve_options *o = &s->o;
  switch (id) {
  case 'm': return add(s->models, &o->n_models, a->value);
  case HOST: o->host = a->value; return true;
  case PORT: return cli_int(a, &o->port, 0, 65535);
  case THREADS: return cli_int(a, &o->threads, 1, 1024);
  case QUEUE: return cli_int(a, &o->queue, 1, 100000);
  case MAX_UPLOAD: return cli_bytes(a, &o->max_upload);
  case MAX_PIXELS: return cli_bytes(a, &o->max_pixels);
  case TIMEOUT: return cli_double(a, &o->timeout, 0.1, 86400);
  case BODY_TIMEOUT: return cli_double(a, &o->body_timeout, 0.1, 86400);
  case HISTORY: o->history = a->value; return true;
  case KEEP: return cli_int(a, &o->keep_days, 1, 100000);
  case ALLOW_HOST: return add(s->hosts, &o->n_allow_hosts, a->value);
  case ALLOW_FETCH: o->allow_fetch = true; return true;
  case API_KEY_FILE: o->api_key_file = a->value; return true;
  case CORS: return add(s->cors, &o->n_cors, a->value);
  case LOG: o->log = a->value; return true;
  }
  return true;
}

/* OPIS_PORT for --port, and so on; lists are split at commas. OPIS_MODEL is read by the library. */
static bool from_environment(settings *s, const cli_command *self)
{
  for (const cli_option *option = self->options; option->id; option++) {
    char name[64] = "OPIS_";
    size_t n = strlen(name);
    for (const char *c = option->name; *c && n + 1 < sizeof name; c++)
      name[n++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    name[n] = '\0';
    const char *value = getenv(name);
    cli_args a = {.command = self, .value = value, .option = option};
    if (!value || !*value || option->id == 'm' || (option->id == ALLOW_FETCH && strcmp(value, "0") == 0))
      continue;
    if (option->id != ALLOW_HOST && option->id != CORS) {
      if (!apply(s, &a, option->id))
        return false;
      continue;
    }
    char *list = strdup(value), *rest = NULL; /* kept to the end of the program */
    for (char *word = list ? strtok_r(list, ", ", &rest) : NULL; word; word = strtok_r(NULL, ", ", &rest)) {
      a.value = word;
      if (!apply(s, &a, option->id))
        return false;
    }
  }
  return true;
}

static int run(const cli_command *self, int argc, char **argv)
{
  static settings s; /* static: what the environment gave stays reachable */
  cli_args a;
  int signal_number = 0;
  bool ok = true;
  s = (settings){
    .o = {
      .host = "127.0.0.1", .port = 8501, .queue = 64, .max_upload = OPIS_MAX_BYTES_DEFAULT, .max_pixels = OPIS_MAX_PIXELS_DEFAULT, .timeout = 120, .body_timeout = 30, .log = "-"}};
  if (!from_environment(&s, self))
    return CLI_USAGE;
  cli_start(&a, self, argc, argv);
  for (int id; (id = cli_next(&a)) != 0;) {
    if (id == CLI_HELP)
      return cli_help(self, argv[0]);
    if (id == CLI_ERROR)
      return CLI_USAGE;
    ok = ok && apply(&s, &a, id);
  }
  if (!ok)
    return CLI_USAGE;
  if (a.n_operands)
    return cli_usage(self, argv[0], "%s: takes no operands", argv[0]);
  if (s.o.keep_days && !s.o.history)
    return cli_usage(self, argv[0], "--keep: there is no --history to forget");
  s.o.models = s.models;
  s.o.allow_hosts = s.hosts;
  s.o.cors = s.cors;
  if (serve_run(&signal_number, &s.o) < 0) {
    cli_error("%s", opis_error_message());
    return CLI_FAILED;
  }
  return signal_number == SIGINT ? CLI_INTERRUPTED : CLI_OK;
}

const cli_command cmd_serve = {
  .name = "serve",
  .operands = "",
  .summary = "serve the page and the HTTP API",
  .description = "Serves a page where people drop pictures, and an API that programs call: POST /v1/describe, /v1/chat/completions in OpenAI's form, /healthz, /readyz, /metrics, "
                 "/openapi.json.\n\nEvery option can also be set in the environment, as OPIS_PORT for --port; lists are split at commas.\n\n"
                 "SIGTERM finishes what was begun and refuses the rest; SIGHUP opens the access log anew.",
  .options = options,
  .examples = examples,
  .run = run,
};
