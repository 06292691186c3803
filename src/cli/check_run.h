/* The run of `opis check`: reads, looks, reports. */
#ifndef CLI_CHECK_RUN_H
#define CLI_CHECK_RUN_H

#include "check/check.h"
#include "cli/cli.h"

typedef struct check_report {
  int kind; /* 0 html, 1 json, 2 junit */
  const char *file;
} check_report;

typedef struct check_run {
  check_settings settings;
  const char *root, *index; /* index NULL: the default one */
  uint64_t max_bytes, max_pixels;
  int threads; /* 0: as many as there are */
  check_report reports[16];
  size_t n_reports;
  bool list, own_splits;
} check_run;

/* The other state that --against names, scanned and with its captions where it has some; *before is to be freed in any case. check_before.c */
int check_before(check_set *before, const check_set *set, const check_run *r, pool *threads);
/* The index, NULL: none; malloc'ed. check_run.c */
char *check_index_file(const check_run *r);

int check_run_all(check_run *r); /* the exit status; says what failed */

#endif
