#include "cli/check_run.h"

#include "util/cpus.h"
#include "util/error.h"
#include "util/file.h"

#include <opis/opis.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int interrupted(void *unused)
{
  (void)unused;
  return cli_interrupted();
}

static void progress(void *user, uint64_t done, uint64_t all)
{
  (void)all;
  cli_progress_update(user, done, 0);
}

/* $XDG_CACHE_HOME/opis/check.sqlite, else below ~/.cache; NULL: there is no such place. */
static char *default_index(void)
{
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char *file = NULL;
  if (cache && *cache == '/')
    return asprintf(&file, "%s/opis/check.sqlite", cache) < 0 ? NULL : file;
  return home && *home == '/' && asprintf(&file, "%s/.cache/opis/check.sqlite", home) >= 0 ? file : NULL;
}

char *check_index_file(const check_run *r)
{
  return r->index ? strcmp(r->index, "none") == 0 ? NULL : strdup(r->index) : default_index();
}

static int scan(check_set *set, const char *root, const check_run *r, pool *threads)
{
  char *index = check_index_file(r);
  cli_progress *p = cli_progress_new("check", 0, false);
  check_scan_options o = {threads, index, r->max_bytes, r->max_pixels, interrupted, p ? progress : NULL, p};
  int e = check_scan(set, root, &o);
  cli_progress_free(p);
  free(index);
  return e;
}

static int find_all(check_set *set, const check_settings *s, pool *threads)
{
  int e = check_find_pictures(set, s);
  if (e == 0)
    e = check_find_names(set, s);
  if (e == 0)
    e = check_find_duplicates(set, s, threads);
  if (e == 0 && s->captions)
    e = check_read_captions(set, s->captions);
  if (e == 0 && s->captions)
    e = check_find_captions(set, s);
  if (e == 0)
    e = check_read_splits(set, s);
  if (e == 0 && set->n_splits)
    e = check_find_leaks(set, s);
  return e;
}

static int write_report(const check_set *set, const check_settings *s, const check_report *to)
{
  static int (*const reports[])(strbuf *, const check_set *, const check_settings *) = {check_report_html, check_report_json, check_report_junit};
  strbuf b = STRBUF_INIT;
  int e = reports[to->kind](&b, set, s);
  if (e == 0 && strcmp(to->file, "-") == 0)
    fwrite(b.s, 1, b.n, stdout);
  else if (e == 0)
    e = file_replace(to->file, b.s, b.n, 0666, false);
  strbuf_free(&b);
  return e;
}

static int report(const check_set *set, const check_run *r)
{
  bool to_stdout = false;
  int e = 0;
  for (size_t i = 0; e == 0 && i < r->n_reports; i++) {
    e = write_report(set, &r->settings, &r->reports[i]);
    to_stdout = to_stdout || strcmp(r->reports[i].file, "-") == 0;
  }
  if (e < 0 || to_stdout)
    return e;
  strbuf b = STRBUF_INIT;
  e = check_report_text(&b, set, &r->settings);
  if (e == 0)
    fwrite(b.s, 1, b.n, stdout);
  strbuf_free(&b);
  return e;
}

int check_run_all(check_run *r)
{
  const check_settings *s = &r->settings;
  check_set set = {0};
  pool *threads = NULL;
  size_t accepted = 0;
  int e = pool_new(&threads, r->threads ? r->threads : cpus_available());
  if (e == 0)
    e = scan(&set, r->root, r, threads);
  if (e == 0)
    e = find_all(&set, s, threads);
  if (e == 0 && s->against) {
    check_set before = {0};
    e = check_before(&before, &set, r, threads);
    if (e == 0)
      e = check_compare(&set, s, &before);
    check_set_free(&before);
  }
  if (e == 0 && s->baseline)
    e = check_accept(&set, &accepted, s->baseline);
  if (e == 0)
    e = report(&set, r);
  size_t failures = e == 0 ? check_failures(&set, s) : 0;
  check_set_free(&set);
  pool_free(threads);
  if (cli_interrupted())
    return CLI_INTERRUPTED;
  if (e < 0) {
    cli_error("%s", opis_error_message());
    return CLI_FAILED;
  }
  return failures ? CLI_SOME_FAILED : CLI_OK;
}
