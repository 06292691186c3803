/* JUnit XML: one test case a check, which fails when its findings count for the exit status. */
#include "check/report.h"

#include "util/error.h"
#include <stdlib.h>
#include <string.h>

enum { MOST = 1000 }; /* findings of a kind in one failure */

static void xml(strbuf *b, const char *s)
{
  for (; *s; s++)
    switch (*s) {
    case '&': strbuf_puts(b, "&amp;"); break;
    case '<': strbuf_puts(b, "&lt;"); break;
    case '>': strbuf_puts(b, "&gt;"); break;
    case '"': strbuf_puts(b, "&quot;"); break;
    case '\t':
    case '\n': strbuf_putc(b, ' '); break;
    default:
      /* XML 1.0 has no place for other control characters, nor for U+FFFE and U+FFFF. */
      if ((unsigned char)*s < 32)
        strbuf_putc(b, '?');
      else if (strncmp(s, "\xEF\xBF\xBE", 3) == 0 || strncmp(s, "\xEF\xBF\xBF", 3) == 0) {
        strbuf_putc(b, '?');
        s += 2;
      } else
        strbuf_putc(b, *s);
    }
}

static void one_check(strbuf *b, int key, const check_finding **f, size_t n, bool fails)
{
  size_t open = 0, told = 0;
  for (size_t i = 0; i < n; i++)
    open += !f[i]->accepted;
  strbuf_printf(b, "  <testcase classname=\"opis.check\" name=\"%s\" time=\"0\"", check_keys[key].name);
  if (!open) {
    strbuf_puts(b, "/>\n");
    return;
  }
  strbuf_printf(b, ">\n    <%s", fails ? "failure message=\"" : "system-out>");
  if (fails) {
    strbuf_printf(b, "%zu: ", open);
    xml(b, check_keys[key].title);
    strbuf_puts(b, "\">");
  }
  for (size_t i = 0; i < n && told < MOST; i++)
    if (!f[i]->accepted) {
      xml(b, f[i]->path);
      strbuf_puts(b, *f[i]->path ? ": " : "");
      xml(b, f[i]->message);
      strbuf_putc(b, '\n');
      told++;
    }
  if (open > told)
    strbuf_printf(b, "... and %zu more\n", open - told);
  strbuf_printf(b, "</%s>\n  </testcase>\n", fails ? "failure" : "system-out");
}

int check_report_junit(strbuf *b, const check_set *set, const check_settings *s)
{
  size_t first[CHECK_KEYS + 1], tests = 0, failures = 0;
  const check_finding **sorted = check_sorted(set, first);
  if (!sorted)
    return error_nomem();
  for (int k = 0; k < CHECK_KEYS; k++) {
    size_t open = 0;
    for (size_t i = first[k]; i < first[k + 1]; i++)
      open += !sorted[i]->accepted;
    tests += set->checked[k];
    failures += set->checked[k] && s->fails[k] && open;
  }
  strbuf_printf(b,
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"opis check\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\" time=\"0\">\n", tests,
    failures);
  for (int k = 0; k < CHECK_KEYS; k++)
    if (set->checked[k])
      one_check(b, k, sorted + first[k], first[k + 1] - first[k], s->fails[k]);
  strbuf_puts(b, "</testsuite>\n</testsuites>\n");
  free(sorted);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}
