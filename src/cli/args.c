/* Options from a command's table, read by getopt_long. */
#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_ID = 0x10000 };

static int count(const cli_option *o)
{
  int n = 0;
  while (o && o[n].id)
    n++;
  return n;
}

void cli_start(cli_args *a, const cli_command *command, int argc, char **argv)
{
  int n = count(command->options);
  assert(n <= CLI_MOST_OPTIONS);
  *a = (cli_args){.command = command, .name = argv[0], .argc = argc, .argv = argv};
  char *s = a->shorts;
  *s++ = ':'; /* a missing argument is told from an unknown option */
  int k = 0;
  for (int i = 0; i < n; i++) {
    const cli_option *o = &command->options[i];
    int has = !o->argument ? no_argument : o->argument[0] == '[' ? optional_argument : required_argument;
    if (o->name)
      a->longs[k++] = (struct option){o->name, has, NULL, o->id};
    if (o->id < 256) {
      *s++ = (char)o->id;
      if (has != no_argument)
        *s++ = ':';
    }
  }
  a->longs[k] = (struct option){"help", no_argument, NULL, HELP_ID};
  if (!strchr(a->shorts, 'h'))
    *s++ = 'h'; /* another spelling of --help where it means nothing else */
  optind = 0;   /* glibc: start afresh */
  opterr = 0;
}

int cli_next(cli_args *a)
{
  int at = optind > 0 ? optind : 1;
  int id = getopt_long(a->argc, a->argv, a->shorts, a->longs, NULL);
  a->value = optarg;
  a->option = NULL;
  bool own_h = false;
  for (const cli_option *o = id == 'h' ? a->command->options : NULL; o && o->id; o++)
    own_h |= o->id == 'h';
  if (id == HELP_ID || (id == 'h' && !own_h))
    id = CLI_HELP;
  else if (id == '?' || id == ':') {
    const char *word = at < a->argc ? a->argv[at] : "";
    if (optind > 1 && optind <= a->argc && strncmp(a->argv[optind - 1], "-", 1) == 0)
      word = a->argv[optind - 1];
    cli_usage(a->command, a->name, id == ':' ? "%s: needs an argument" : "%s: unknown option, or one that takes no argument", word);
    id = CLI_ERROR;
  } else if (id == -1) {
    a->operands = a->argv + optind;
    a->n_operands = a->argc - optind;
    id = 0;
  } else
    for (const cli_option *o = a->command->options; o->id; o++)
      if (o->id == id)
        a->option = o;
  return id;
}

static void complain(const cli_args *a, const char *why)
{
  if (a->option->name)
    cli_error("--%s: '%s' %s", a->option->name, a->value, why);
  else
    cli_error("-%c: '%s' %s", a->option->id, a->value, why);
}

bool cli_int(const cli_args *a, int *value, int min, int max)
{
  char *end, words[96];
  errno = 0;
  long v = strtol(a->value, &end, 10);
  if (end == a->value || *end) {
    complain(a, "is no whole number");
    return false;
  }
  if (errno || v < min || v > max) {
    snprintf(words, sizeof words, "is outside %d..%d", min, max);
    complain(a, words);
    return false;
  }
  *value = (int)v;
  return true;
}

bool cli_double(const cli_args *a, double *value, double min, double max)
{
  char *end, words[96];
  double v = strtod(a->value, &end);
  if (end == a->value || *end || !isfinite(v)) {
    complain(a, "is no number");
    return false;
  }
  if (v < min || v > max) {
    snprintf(words, sizeof words, "is outside %g..%g", min, max);
    complain(a, words);
    return false;
  }
  *value = v;
  return true;
}

bool cli_bytes(const cli_args *a, uint64_t *value)
{
  static const char units[] = "KMGT";
  char *end;
  double v = strtod(a->value, &end);
  if (end != a->value && *end) {
    const char *u = strchr(units, *end & ~0x20);
    if (u) {
      for (const char *p = units; p <= u; p++)
        v *= 1024;
      end++;
      if (end[0] == 'i' && end[1] == 'B')
        end += 2;
      else if (end[0] == 'B')
        end++;
    }
  }
  if (end == a->value || *end || !(v >= 1) || v > 9e18) {
    complain(a, "is no size; write 4096, 200M or 1.5G");
    return false;
  }
  *value = (uint64_t)v;
  return true;
}

bool cli_choice(const cli_args *a, int *value, const char *const *words)
{
  for (int i = 0; words[i]; i++)
    if (strcmp(words[i], a->value) == 0) {
      *value = i;
      return true;
    }
  char list[256] = "is none of ";
  for (int i = 0; words[i]; i++)
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", words[i]);
  complain(a, list);
  return false;
}
