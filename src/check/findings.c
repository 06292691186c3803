#include "check/check.h"

#include "util/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *check_shown(check_set *set, const char *path)
{
  size_t n = strlen(path);
  strbuf b = STRBUF_INIT;
  strbuf_puts(&b, "");
  strbuf_put_utf8(&b, path, n);
  for (size_t i = 0; i < b.n; i++) /* one finding, one line */
    if ((unsigned char)b.s[i] < 32 || b.s[i] == 127)
      b.s[i] = '?';
  const char *kept = b.s ? arena_strndup(&set->memory, b.s, b.n) : NULL;
  strbuf_free(&b);
  return kept ? kept : "";
}

int check_add(check_set *set, const check_settings *s, int key, const char *path, const char *format, ...)
{
  if (s->off[key])
    return 0;
  if (set->n_findings == set->finding_capacity) {
    size_t more = set->finding_capacity ? set->finding_capacity * 2 : 256;
    check_finding *grown = reallocarray(set->findings, more, sizeof *grown);
    if (!grown)
      return error_nomem();
    set->findings = grown;
    set->finding_capacity = more;
  }
  char *words = NULL;
  va_list args;
  va_start(args, format);
  int n = vasprintf(&words, format, args);
  va_end(args);
  if (n < 0)
    return error_nomem();
  check_finding f = {key, check_shown(set, path), check_shown(set, words), false};
  free(words);
  set->findings[set->n_findings++] = f;
  return 0;
}

bool check_flagged(const check_settings *s, const check_file *f, int key, double *score)
{
  double t = s->threshold[key], ratio;
  switch (key) {
  case KEY_DARK: *score = f->facts.dark; return *score < t;
  case KEY_LIGHT: *score = f->facts.light; return *score < t;
  case KEY_LOW_INFORMATION: *score = f->facts.low_information; return *score < t;
  case KEY_BLURRY: *score = f->facts.blurry; return *score < t;
  case KEY_ODD_ASPECT_RATIO:
    ratio = (double)f->facts.width / f->facts.height;
    *score = ratio < 1 ? ratio : (double)f->facts.height / f->facts.width;
    return *score < t;
  case KEY_GRAYSCALE: *score = f->facts.mode == CHECK_L ? 0 : 1; return *score == 0;
  case KEY_ODD_SIZE: *score = f->odd_size; return f->odd;
  case KEY_EXACT_DUPLICATES: *score = f->exact; return *score < 1;
  default: *score = f->near; return *score < 1;
  }
}

size_t check_failures(const check_set *set, const check_settings *s)
{
  size_t n = 0;
  for (size_t i = 0; i < set->n_findings; i++)
    n += s->fails[set->findings[i].key] && !set->findings[i].accepted;
  return n;
}
