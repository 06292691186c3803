/* What the tables say in words: --help, and the errors that point to it. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 30, WIDTH = 100 };

/* Prints text at an indent, lines broken at spaces; `at` is the column where the cursor stands. */
static void wrapped(FILE *out, const char *text, int at, int indent, int width)
{
  while (*text) {
    size_t word = strcspn(text, " \n");
    int columns = 0;
    for (size_t i = 0; i < word; i++)
      columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    if (at > indent && at + columns > width) {
      fprintf(out, "\n%*s", indent, "");
      at = indent;
    }
    fwrite(text, 1, word, out);
    at += columns;
    text += word;
    if (*text == '\n') {
      fprintf(out, "\n%*s", text[1] == '\n' ? 0 : indent, "");
      at = indent;
      text++;
    } else if (*text == ' ') {
      text++;
      if (*text && at < width) {
        fputc(' ', out);
        at++;
      }
    }
  }
  fputc('\n', out);
}

static void print_option(FILE *out, const cli_option *o)
{
  char left[256];
  int n = 0;
  n += o->id < 256 ? snprintf(left, sizeof left, "  -%c%s", o->id, o->name ? ", " : "") : snprintf(left, sizeof left, "      ");
  if (o->name)
    n += snprintf(left + n, sizeof left - (size_t)n, "--%s", o->name);
  if (o->argument)
    n += snprintf(left + n, sizeof left - (size_t)n, "%s%s", o->argument[0] == '[' ? "" : " ", o->argument);
  fputs(left, out);
  if (n >= HELP_COLUMN) {
    fputc('\n', out);
    n = 0;
  }
  fprintf(out, "%*s", HELP_COLUMN - n, "");
  wrapped(out, o->help, HELP_COLUMN, HELP_COLUMN, WIDTH);
}

int cli_help(const cli_command *c, const char *name)
{
  FILE *out = stdout;
  fprintf(out, "Usage: %s%s%s%s%s\n\n", name, c->options ? " [OPTION]…" : "", c->commands ? " COMMAND" : "", c->operands[0] ? " " : "", c->operands);
  wrapped(out, c->description ? c->description : c->summary, 0, 0, WIDTH);
  if (c->commands) {
    fputs("\nCommands:\n", out);
    for (const cli_command *const *k = c->commands; *k; k++) {
      fprintf(out, "  %-12s  ", (*k)->name);
      wrapped(out, (*k)->summary, 16, 16, WIDTH);
    }
  }
  fputs("\nOptions:\n", out);
  for (const cli_option *o = c->options; o && o->id; o++)
    print_option(out, o);
  print_option(out, &(cli_option){1000, "help", NULL, "print this and exit", 0});
  if (c->examples) {
    fputs("\nExamples:\n", out);
    for (const cli_example *e = c->examples; e->command; e++)
      fprintf(out, "  %s\n      %s\n", e->command, e->what);
  }
  return CLI_OK;
}

void cli_error(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  flockfile(stderr);
  fputs("opis: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  funlockfile(stderr);
  va_end(args);
}

int cli_usage(const cli_command *c, const char *name, const char *format, ...)
{
  (void)c;
  va_list args;
  va_start(args, format);
  fputs("opis: ", stderr);
  vfprintf(stderr, format, args);
  fprintf(stderr, "\nTry '%s --help'.\n", name);
  va_end(args);
  return CLI_USAGE;
}
