/* Captions of any bytes through every caption check and report: no crash, and reports that can be read again. */
#include "check/check.h"

#include "util/error.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void report(check_set *set, const check_settings *s)
{
  int (*const reports[])(strbuf *, const check_set *, const check_settings *) = {check_report_text, check_report_json, check_report_junit, check_report_html};
  for (int i = 0; i < 4; i++) {
    strbuf b = STRBUF_INIT;
    if (reports[i](&b, set, s) < 0 || !utf8_valid(b.s, b.n))
      abort();
    if (i == 1) {
      json_t *o = json_loadb(b.s, b.n, 0, NULL);
      if (!o)
        abort();
      json_decref(o);
    }
    strbuf_free(&b);
  }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
  static const char *const names[] = {"a.jpg", "b.jpg", "sub/c.png"};
  check_set set = {.root = strdup("nowhere"), .n = 3, .files = calloc(3, sizeof *set.files)};
  check_settings s;
  check_settings_init(&s);
  if (!set.root || !set.files)
    abort();
  for (size_t i = 0; i < 3; i++) {
    set.files[i].path = strdup(names[i]);
    set.files[i].facts.state = CHECK_UNREADABLE;
  }
  if (check_take_captions(&set, bytes, size, "fuzz") == 0) {
    if (check_find_captions(&set, &s) < 0 || check_read_splits(&set, &s) < 0 || (set.n_splits && check_find_leaks(&set, &s) < 0))
      abort();
    report(&set, &s);
  }
  check_set_free(&set);
  check_settings_free(&s);
  return 0;
}
