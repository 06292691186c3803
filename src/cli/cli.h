/* The command line: one table of commands, each with its table of options. `--help`, man pages and shell completions are made from the same tables, so that they cannot disagree. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses (docs: "Exit status"). */
enum { CLI_OK = 0, CLI_SOME_FAILED = 1, CLI_USAGE = 2, CLI_FAILED = 3, CLI_INTERRUPTED = 130 };

/* What completes an option's argument or an operand in a shell. */
typedef enum cli_completion { CLI_COMPLETE_NONE, CLI_COMPLETE_FILE, CLI_COMPLETE_FOLDER, CLI_COMPLETE_MODEL, CLI_COMPLETE_COMMAND, CLI_COMPLETE_REVISION } cli_completion;

typedef struct cli_option {
  int id;               /* what cli_next returns; a letter's own code for short options, from 256 up for long-only ones; 0 ends the table */
  const char *name;     /* "max-length", without dashes; NULL: short only */
  const char *argument; /* "N", "FILE", "text|json|csv" (words split by | are completed); NULL: none. In brackets, "[=never]": optional */
  const char *help;     /* one sentence, no full stop, in the imperative where it is an action */
  cli_completion completion;
} cli_option;

typedef struct cli_example {
  const char *command; /* "opis describe photo.jpg" */
  const char *what;    /* "the description of one picture" */
} cli_example;

typedef struct cli_command cli_command;
struct cli_command {
  const char *name;                                               /* "describe"; for a command of a group the last word alone: "add" */
  const char *operands;                                           /* "PATH… | -"; "" when it takes none */
  const char *summary;                                            /* one line for the list of commands, no full stop */
  const char *description;                                        /* paragraphs split by blank lines, for --help and the man page */
  const cli_option *options;                                      /* ended by id 0; NULL: none but --help */
  const cli_example *examples;                                    /* ended by command NULL */
  const cli_command *const *commands;                             /* a group's commands, ended by NULL; else NULL */
  int (*enter)(const cli_command *self, int *argc, char ***argv); /* a group's own options, in front of its command: takes them; 0 or an exit status. NULL: it has none */
  int (*run)(const cli_command *self, int argc, char **argv);     /* argv[0] is the full name, "opis data add"; NULL for a group */
  cli_completion operand_completion;
};

extern const cli_command *const cli_commands[]; /* ended by NULL; in commands.c */

/* Reading options, in any order with operands, until "--":
 *
 *   cli_args a;
 *   cli_start(&a, self, argc, argv);
 *   for (int id; (id = cli_next(&a)) != 0;)
 *     switch (id) {
 *     case CLI_HELP: return cli_help(self, argv[0]);
 *     case CLI_ERROR: return CLI_USAGE;      // already said on stderr
 *     case 'o': output = a.value; break;
 *     }
 *   a.operands[0 .. a.n_operands - 1]
 */
enum { CLI_HELP = -1, CLI_ERROR = -2, CLI_MOST_OPTIONS = 64 /* of a command */ };
typedef struct cli_args {
  const cli_command *command;
  const char *name;
  int argc;
  char **argv;
  const char *value;        /* the present option's argument, NULL when it has none */
  const cli_option *option; /* the present option */
  char **operands;          /* inside argv */
  int n_operands;
  struct option longs[CLI_MOST_OPTIONS + 2]; /* private, as the next */
  char shorts[3 * CLI_MOST_OPTIONS + 2];
} cli_args;
void cli_start(cli_args *a, const cli_command *command, int argc, char **argv);
int cli_next(cli_args *a); /* 0: no more options; operands are then set */

/* Values. Each says what is wrong on stderr ("opis: --beams: 'x' is no whole number") and returns false. */
bool cli_int(const cli_args *a, int *value, int min, int max);
bool cli_double(const cli_args *a, double *value, double min, double max);
bool cli_bytes(const cli_args *a, uint64_t *value);                       /* "200M", "1.5G", "4096": powers of 1024 */
bool cli_choice(const cli_args *a, int *value, const char *const *words); /* the index in a list ended by NULL */

/* Prints `opis: …` to stderr and returns CLI_USAGE, with a pointer to --help. */
int cli_usage(const cli_command *command, const char *argv0, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Prints `opis: …` to stderr; for errors of the library pass "%s", opis_error_message(). */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

int cli_help(const cli_command *command, const char *name);           /* to stdout; returns the exit status */
int cli_man(FILE *out, const cli_command *command, const char *name); /* mdoc */
int cli_complete(FILE *out, const char *shell);                       /* "bash", "zsh", "fish" */

/* Finishing: flushes stdout. A closed pipe ends quietly (status unchanged), a full disk is an error (CLI_FAILED). */
int cli_finish(int status);

/* Signals: after cli_catch_signals, SIGINT and SIGTERM set a flag that long work looks at; a second one ends the process at once. SIGPIPE is ignored. */
void cli_catch_signals(void);
bool cli_interrupted(void);

/* A progress line on stderr, only where that is a terminal: "312 done, 2 failed, 14.2/s, 3:10 left". Safe to call often (draws ten times a second) and from many threads. */
typedef struct cli_progress cli_progress;
cli_progress *cli_progress_new(const char *what, uint64_t total, bool bytes); /* total 0: unknown. bytes: numbers are shown as sizes. NULL when stderr is no terminal */
void cli_progress_update(cli_progress *p, uint64_t done, uint64_t failed);
void cli_progress_files(cli_progress *p, uint64_t files, uint64_t of_files, uint64_t bytes, uint64_t of_bytes); /* of both; a total of 0: unknown */
void cli_progress_clear(cli_progress *p);                                                                       /* takes the line away before something else is printed to stderr */
void cli_progress_free(cli_progress *p);

#endif
