/* Manual pages in mdoc(7), from the tables. */
#include "cli/cli.h"

#include <ctype.h>
#include <opis/opis.h>
#include <string.h>

/* Text as roff: backslashes and leading dots escaped, dashes kept as dashes; each sentence begins a line, so that roff spaces it as its own habit is. */
static void text(FILE *out, const char *s)
{
  bool start = true, sentence = false;
  for (; *s; s++) {
    if (start && (*s == '.' || *s == '\''))
      fputs("\\&", out);
    if (*s == '\\')
      fputs("\\e", out);
    else if (*s == '-')
      fputs("\\-", out);
    else if (*s == ' ' && sentence)
      fputc('\n', out);
    else
      fputc(*s, out);
    start = *s == '\n' || (*s == ' ' && sentence);
    sentence = (*s == '.' || *s == '!' || *s == '?' || (*s == ')' && sentence)) && !start;
  }
}

static void paragraphs(FILE *out, const char *s)
{
  while (*s) {
    const char *end = strstr(s, "\n\n");
    size_t n = end ? (size_t)(end - s) : strlen(s);
    char part[4096];
    snprintf(part, sizeof part, "%.*s", (int)n, s);
    text(out, part);
    fputc('\n', out);
    s += n;
    if (*s) {
      fputs(".Pp\n", out);
      s += 2;
    }
  }
}

static void option(FILE *out, const cli_option *o)
{
  fputs(".It ", out);
  if (o->id < 256)
    fprintf(out, "Fl %c%s", o->id, o->name ? " , " : "");
  if (o->name) {
    fputs("Fl \\-", out);
    text(out, o->name);
  }
  if (o->argument) {
    fputs(o->argument[0] == '[' ? " Ns Ar " : " Ar ", out);
    text(out, o->argument);
  }
  fputc('\n', out);
  text(out, o->help);
  fputs(".\n", out);
}

int cli_man(FILE *out, const cli_command *c, const char *name)
{
  char dashed[64], upper[64];
  snprintf(dashed, sizeof dashed, "%s", name);
  for (char *p = dashed; *p; p++)
    if (*p == ' ')
      *p = '-';
  size_t n = strlen(dashed);
  for (size_t i = 0; i <= n; i++)
    upper[i] = (char)toupper((unsigned char)dashed[i]);
  fprintf(out, ".Dd $Mdocdate$\n.Dt %s 1\n.Os opis %s\n.Sh NAME\n.Nm %s\n.Nd ", upper, opis_version(), dashed);
  text(out, c ? c->summary : "says in words what is on a picture, and keeps picture data in order");
  fprintf(out, "\n.Sh SYNOPSIS\n.Nm %s\n", name);
  const cli_command *const *commands = c ? c->commands : cli_commands;
  if (c && c->options)
    fputs(".Op Ar OPTION ...\n", out);
  if (commands)
    fputs(".Ar COMMAND\n.Op Ar OPERAND ...\n", out);
  else if (c && c->operands[0]) {
    fputs(".Ar ", out);
    text(out, c->operands);
    fputc('\n', out);
  }
  fputs(".Sh DESCRIPTION\n", out);
  paragraphs(out,
    c && c->description ? c->description
      : c               ? c->summary
                        : "A native program that describes pictures in words on your own machine, and keeps the data, the checks and the delivery around it in order.");
  if (commands) {
    fputs(".Pp\nThe commands are:\n.Bl -tag -width 12n\n", out);
    for (; *commands; commands++) {
      fprintf(out, ".It Cm %s\n", (*commands)->name);
      text(out, (*commands)->summary);
      fputs(".\n", out);
    }
    fputs(".El\n", out);
  }
  if (c) {
    fputs(".Sh OPTIONS\n.Bl -tag -width Ds\n", out);
    for (const cli_option *o = c->options; o && o->id; o++)
      option(out, o);
    fputs(".It Fl \\-help\nprint a short help and exit.\n.El\n", out);
  }
  fputs(".Sh EXIT STATUS\n0 all well; 1 some inputs failed, or checks found something; 2 wrong usage; 3 the job itself failed; 130 after Ctrl\\-C.\n", out);
  if (c && c->examples) {
    fputs(".Sh EXAMPLES\n", out);
    for (const cli_example *e = c->examples; e->command; e++) {
      text(out, e->what);
      fputs(":\n.Bd -literal -offset indent\n", out);
      text(out, e->command);
      fputs("\n.Ed\n", out);
      if (e[1].command)
        fputs(".Pp\n", out);
    }
  }
  return CLI_OK;
}
