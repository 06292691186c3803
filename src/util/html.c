#include "util/html.h"

#include <stdint.h>
#include <string.h>

static const char style[] =
  ":root{color-scheme:light dark;--line:#8884;--soft:#8882;--bar:#3b7dd8;--other:#d8703b}"
  "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}"
  "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}"
  "table{border-collapse:collapse}th,td{text-align:left;padding:.25rem .9rem .25rem 0;vertical-align:top;border-bottom:1px solid var(--soft)}"
  "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
  ".grid{display:flex;flex-wrap:wrap;gap:1rem}.grid figure{margin:0;width:15rem;overflow-wrap:anywhere}.grid img{max-width:100%;max-height:11rem;border-radius:4px;display:block}"
  "figcaption{font-size:.85rem}.group{display:flex;flex-wrap:wrap;gap:.6rem;border:1px solid var(--line);border-radius:6px;padding:.6rem;margin:.6rem 0}"
  ".group figure{margin:0;width:11rem;overflow-wrap:anywhere}.group img{max-width:100%;max-height:9rem;border-radius:4px;display:block}"
  ".ok{color:#2a8a3a}.bad{color:#c33}.note{opacity:.7}svg .bar{fill:var(--bar)}svg .line{fill:none;stroke:var(--other);stroke-width:2}svg text{font-size:11px;fill:currentColor}"
  "details{margin:.4rem 0}code{overflow-wrap:anywhere}ul{margin:.3rem 0;padding-left:1.1rem}";

void html_begin(strbuf *b, const char *title)
{
  strbuf_puts(b,
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"><title>");
  html_text(b, title);
  strbuf_printf(b, "</title><style>%s</style></head><body>\n<h1>", style);
  html_text(b, title);
  strbuf_puts(b, "</h1>\n");
}

void html_end(strbuf *b)
{
  strbuf_puts(b, "</body></html>\n");
}

void html_text(strbuf *b, const char *s)
{
  html_text_n(b, s, strlen(s));
}

void html_text_n(strbuf *b, const char *s, size_t n)
{
  strbuf valid = STRBUF_INIT;
  strbuf_put_utf8(&valid, s, n);
  b->failed = b->failed || valid.failed;
  for (size_t i = 0; i < valid.n; i++) {
    unsigned char c = (unsigned char)valid.s[i];
    if (c == '&')
      strbuf_puts(b, "&amp;");
    else if (c == '<')
      strbuf_puts(b, "&lt;");
    else if (c == '>')
      strbuf_puts(b, "&gt;");
    else if (c == '"')
      strbuf_puts(b, "&quot;");
    else if (c == '\'')
      strbuf_puts(b, "&#39;");
    else if (c < 32 && c != '\t' && c != '\n') { /* U+2400: pictures of control characters */
      strbuf_puts(b, "\xE2\x90");
      strbuf_putc(b, (char)(0x80 + c));
    } else
      strbuf_putc(b, (char)c);
  }
  strbuf_free(&valid);
}

static double total(const double *counts, size_t n)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += counts[i];
  return sum > 0 ? sum : 1;
}

void html_histogram(strbuf *b, const double *counts, const double *other, size_t n, double low, double high)
{
  const double width = 480, height = 110;
  double all = total(counts, n), others = other ? total(other, n) : 1, most = 0;
  for (size_t i = 0; i < n; i++) {
    most = counts[i] / all > most ? counts[i] / all : most;
    most = other && other[i] / others > most ? other[i] / others : most;
  }
  most = most > 0 ? most : 1;
  strbuf_printf(b, "<svg width=\"%g\" height=\"%g\" role=\"img\">", width, height + 18);
  for (size_t i = 0; i < n; i++) {
    double h = counts[i] / all / most * height, w = width / (double)n;
    strbuf_printf(b, "<rect class=\"bar\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>%.4g to %.4g: %g</title></rect>", (double)i * w, height - h, w * 0.92, h,
      low + (high - low) * (double)i / (double)n, low + (high - low) * (double)(i + 1) / (double)n, counts[i]);
  }
  if (other) {
    strbuf_puts(b, "<polyline class=\"line\" points=\"");
    for (size_t i = 0; i < n; i++)
      strbuf_printf(b, "%.2f,%.2f ", ((double)i + 0.46) * width / (double)n, height - other[i] / others / most * height);
    strbuf_puts(b, "\"/>");
  }
  strbuf_printf(b, "<text x=\"0\" y=\"%g\">%.4g</text><text x=\"%g\" y=\"%g\" text-anchor=\"end\">%.4g</text></svg>\n", height + 14, low, width, height + 14, high);
}
