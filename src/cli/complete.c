/* Completion scripts for bash, zsh and fish, from the tables. */
#include "cli/cli.h"

#include <string.h>

typedef void visit_fn(FILE *out, const cli_command *c, const char *path);

static void walk(FILE *out, const cli_command *const *commands, const char *prefix, visit_fn *visit)
{
  for (; *commands; commands++) {
    char path[64];
    snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? " " : "", (*commands)->name);
    visit(out, *commands, path);
    if ((*commands)->commands)
      walk(out, (*commands)->commands, path, visit);
  }
}

/* The words an argument such as "text|json" or "[=never]" allows, separated by spaces; "" when it is a name such as N or FILE. */
static void choices(char *words, size_t size, const char *argument)
{
  words[0] = '\0';
  if (!argument || !strchr(argument, '|'))
    return;
  snprintf(words, size, "%s", argument);
  for (char *p = words; *p; p++) {
    if (*p == '|')
      *p = ' ';
    if (*p >= 'A' && *p <= 'Z') {
      words[0] = '\0';
      return;
    }
  }
}

static const char *bash_kind(cli_completion kind)
{
  switch (kind) {
  case CLI_COMPLETE_FILE: return "_opis_files";
  case CLI_COMPLETE_FOLDER: return "_opis_folders";
  case CLI_COMPLETE_MODEL: return "_opis_models";
  case CLI_COMPLETE_COMMAND: return "_opis_commands";
  case CLI_COMPLETE_REVISION: return "_opis_revisions";
  case CLI_COMPLETE_NONE: break;
  }
  return "";
}

static void bash_one(FILE *out, const cli_command *c, const char *path)
{
  char words[256];
  fprintf(out, "    '%s')\n      words='--help", path);
  for (const cli_option *o = c->options; o && o->id; o++) {
    if (o->name)
      fprintf(out, " --%s", o->name);
    if (o->id < 256)
      fprintf(out, " -%c", o->id);
  }
  for (const cli_command *const *k = c->commands; k && *k; k++)
    fprintf(out, " %s", (*k)->name);
  fprintf(out, "'\n      operand='%s'\n      case $prev in\n", bash_kind(c->operand_completion));
  for (const cli_option *o = c->options; o && o->id; o++) {
    if (!o->argument || o->argument[0] == '[')
      continue;
    fputs("        ", out);
    if (o->name)
      fprintf(out, "--%s%s", o->name, o->id < 256 ? "|" : "");
    if (o->id < 256)
      fprintf(out, "-%c", o->id);
    choices(words, sizeof words, o->argument);
    if (words[0])
      fprintf(out, ") COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", words);
    else if (o->completion != CLI_COMPLETE_NONE)
      fprintf(out, ") %s; return ;;\n", bash_kind(o->completion));
    else
      fputs(") return ;;\n", out);
  }
  fputs("      esac ;;\n", out);
}

static void bash(FILE *out)
{
  fputs("# bash completion for opis\n"
        "_opis_files() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); }\n"
        "_opis_folders() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); }\n"
        "_opis_models() { mapfile -t COMPREPLY < <(compgen -W \"$(opis model list 2>/dev/null | cut -f1)\" -- \"$cur\"; compgen -f -- \"$cur\"); }\n"
        "_opis_revisions() { mapfile -t COMPREPLY < <(compgen -W \"$(git for-each-ref --format='%(refname:short)' 2>/dev/null)\" -- \"$cur\"); }\n"
        "_opis_commands() { COMPREPLY=($(compgen -W '",
    out);
  for (const cli_command *const *c = cli_commands; *c; c++)
    fprintf(out, "%s ", (*c)->name);
  fputs("' -- \"$cur\")); }\n"
        "_opis() {\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path=${COMP_WORDS[1]} words operand\n"
        "  COMPREPLY=()\n"
        "  if [ \"$COMP_CWORD\" -eq 1 ]; then _opis_commands; return; fi\n"
        "  case $path in ",
    out);
  const char *bar = "";
  for (const cli_command *const *c = cli_commands; *c; c++)
    if ((*c)->commands) {
      fprintf(out, "%s%s", bar, (*c)->name);
      bar = "|";
    }
  if (!*bar)
    fputs("''", out);
  fputs(") [ \"$COMP_CWORD\" -gt 2 ] && path=\"$path ${COMP_WORDS[2]}\" ;; esac\n  case $path in\n", out);
  walk(out, cli_commands, "", bash_one);
  fputs("    *) return ;;\n  esac\n"
        "  case $cur in\n"
        "    -*) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
        "    *) if [ -n \"$operand\" ]; then $operand; else mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"); fi ;;\n"
        "  esac\n}\ncomplete -F _opis opis\n",
    out);
}

/* Text inside single quotes of zsh and fish. */
static void quoted(FILE *out, const char *s, const char *escape_too)
{
  for (; *s; s++) {
    if (*s == '\'')
      fputs("'\\''", out);
    else if (strchr(escape_too, *s))
      fprintf(out, "\\%c", *s);
    else
      fputc(*s, out);
  }
}

static void zsh_function(FILE *out, const char *path)
{
  fputs("_opis_", out);
  for (const char *p = path; *p; p++)
    fputc(*p == ' ' ? '_' : *p, out);
}

static const char *zsh_kind(cli_completion kind)
{
  switch (kind) {
  case CLI_COMPLETE_FILE: return "_files";
  case CLI_COMPLETE_FOLDER: return "_files -/";
  case CLI_COMPLETE_MODEL: return "_opis__models";
  case CLI_COMPLETE_COMMAND: return "_opis__commands";
  case CLI_COMPLETE_REVISION: return "_opis__revisions";
  case CLI_COMPLETE_NONE: break;
  }
  return " ";
}

static void zsh_one(FILE *out, const cli_command *c, const char *path)
{
  char words[256];
  zsh_function(out, path);
  fputs("() {\n", out);
  if (c->commands) {
    fputs("  if (( CURRENT == 2 )); then\n    local -a list=(", out);
    for (const cli_command *const *k = c->commands; *k; k++) {
      fprintf(out, " '%s:", (*k)->name);
      quoted(out, (*k)->summary, "");
      fputs("'", out);
    }
    fputs(" )\n    _describe command list\n  else\n    local sub=$words[2]; shift words; (( CURRENT-- ))\n    (( $+functions[", out);
    zsh_function(out, path);
    fputs("_$sub] )) && ", out);
    zsh_function(out, path);
    fputs("_$sub\n  fi\n}\n", out);
    return;
  }
  fputs("  _arguments -s '--help[print this and exit]'", out);
  for (const cli_option *o = c->options; o && o->id; o++) {
    char spelled[2][80] = {"", ""};
    if (o->id < 256)
      snprintf(spelled[0], sizeof spelled[0], "-%c", o->id);
    if (o->name)
      snprintf(spelled[1], sizeof spelled[1], "--%s", o->name);
    for (int i = 0; i < 2; i++) {
      if (!spelled[i][0])
        continue;
      fprintf(out, " \\\n    '*%s", spelled[i]);
      if (o->argument)
        fputs(i == 0 ? "+" : o->argument[0] == '[' ? "=-" : "=", out);
      fputc('[', out);
      quoted(out, o->help, "[]:");
      fputc(']', out);
      if (o->argument) {
        choices(words, sizeof words, o->argument);
        fprintf(out, "%s", o->argument[0] == '[' ? "::" : ":");
        quoted(out, o->name ? o->name : "value", ":");
        if (words[0])
          fprintf(out, ":(%s)", words);
        else
          fprintf(out, ":%s", zsh_kind(o->completion));
      }
      fputc('\'', out);
    }
  }
  if (c->operand_completion != CLI_COMPLETE_NONE)
    fprintf(out, " \\\n    '*:operand:%s'", zsh_kind(c->operand_completion));
  fputs("\n}\n", out);
}

static void zsh(FILE *out)
{
  fputs("#compdef opis\n"
        "_opis__models() { local -a list=(${(f)\"$(opis model list 2>/dev/null | cut -f1)\"}); compadd -a list; _files }\n"
        "_opis__revisions() { local -a list=(${(f)\"$(git for-each-ref --format='%(refname:short)' 2>/dev/null)\"}); compadd -a list }\n"
        "_opis__commands() {\n  local -a list=(",
    out);
  for (const cli_command *const *c = cli_commands; *c; c++) {
    fprintf(out, " '%s:", (*c)->name);
    quoted(out, (*c)->summary, "");
    fputs("'", out);
  }
  fputs(" )\n  _describe command list\n}\n", out);
  walk(out, cli_commands, "", zsh_one);
  fputs("_opis() {\n  if (( CURRENT == 2 )); then _opis__commands; return; fi\n  local sub=$words[2]; shift words; (( CURRENT-- ))\n"
        "  (( $+functions[_opis_$sub] )) && _opis_$sub\n}\n_opis \"$@\"\n",
    out);
}

static void fish_one(FILE *out, const cli_command *c, const char *path)
{
  char words[256], condition[256];
  const char *space = strchr(path, ' ');
  if (space)
    snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s", (int)(space - path), path, space + 1);
  else
    snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s", path);
  for (const cli_command *const *k = c->commands; k && *k; k++) {
    fprintf(out, "complete -c opis -f -n '%s' -a %s -d '", condition, (*k)->name);
    quoted(out, (*k)->summary, "");
    fputs("'\n", out);
  }
  for (const cli_option *o = c->options; o && o->id; o++) {
    fprintf(out, "complete -c opis -n '%s'", condition);
    if (o->name)
      fprintf(out, " -l %s", o->name);
    if (o->id < 256)
      fprintf(out, " -s %c", o->id);
    choices(words, sizeof words, o->argument);
    if (words[0])
      fprintf(out, " -x -a '%s'", words);
    else if (o->completion == CLI_COMPLETE_MODEL)
      fputs(" -r -a '(opis model list 2>/dev/null | cut -f1)'", out);
    else if (o->completion == CLI_COMPLETE_FILE || o->completion == CLI_COMPLETE_FOLDER)
      fputs(" -r -F", out);
    else if (o->argument && o->argument[0] != '[')
      fputs(" -x", out);
    fputs(" -d '", out);
    quoted(out, o->help, "");
    fputs("'\n", out);
  }
  fprintf(out, "complete -c opis -n '%s' -l help -d 'print this and exit'\n", condition);
  if (c->operand_completion == CLI_COMPLETE_COMMAND)
    for (const cli_command *const *k = cli_commands; *k; k++)
      fprintf(out, "complete -c opis -f -n '%s' -a %s\n", condition, (*k)->name);
  else if (c->operand_completion == CLI_COMPLETE_MODEL)
    fprintf(out, "complete -c opis -n '%s' -a '(opis model list 2>/dev/null | cut -f1)'\n", condition);
  else if (c->operand_completion == CLI_COMPLETE_REVISION)
    fprintf(out, "complete -c opis -f -n '%s' -a '(git for-each-ref --format=\"%%(refname:short)\" 2>/dev/null)'\n", condition);
}

static void fish(FILE *out)
{
  fputs("# fish completion for opis\n", out);
  for (const cli_command *const *c = cli_commands; *c; c++) {
    fprintf(out, "complete -c opis -f -n __fish_use_subcommand -a %s -d '", (*c)->name);
    quoted(out, (*c)->summary, "");
    fputs("'\n", out);
  }
  walk(out, cli_commands, "", fish_one);
}

int cli_complete(FILE *out, const char *shell)
{
  if (strcmp(shell, "bash") == 0)
    bash(out);
  else if (strcmp(shell, "zsh") == 0)
    zsh(out);
  else if (strcmp(shell, "fish") == 0)
    fish(out);
  else
    return -1;
  return 0;
}
