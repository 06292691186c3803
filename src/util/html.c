#include "util/html.h"

#include <stdint.h>
#include <string.h>

static const char style[] =
  ":root{color-scheme:light dark;--ink:#1a1f27;--paper:#fff;--soft:#f4f5f7;--line:#dcdfe5;--quiet:#5c6570;--bar:#3c72c4;--other:#b8541a;--bad:#b3261e;--ok:#1c7237;--link:#1f58b0}"
  "@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#15181c;--soft:#1e2227;--line:#343a42;--quiet:#a0a8b2;--bar:#6d9be6;--other:#e59058;--bad:#ff8a80;--ok:#7bd08f;--"
  "link:#8db4f2}}"
  "body{font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;color:var(--ink);background:var(--paper);margin:2.5rem auto 5rem;max-width:74rem;padding:0 1.5rem}"
  "h1{font-size:1.6rem;line-height:1.25;margin:0 0 .6rem;overflow-wrap:anywhere}h2{font-size:1.2rem;margin:2.8rem 0 "
  ".4rem;overflow-wrap:anywhere}h3{font-size:.9rem;font-weight:600;margin:0 0 .5rem}"
  "p{margin:.3rem 0 .7rem}a{color:var(--link)}code{font:.86em ui-monospace,monospace;overflow-wrap:anywhere}ul{margin:.4rem 0;padding-left:1.2rem}"
  "table{border-collapse:collapse}th,td{text-align:left;padding:.3rem 1rem .3rem 0;vertical-align:top;border-bottom:1px solid var(--line)}"
  "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
  ".ok{color:var(--ok)}.bad{color:var(--bad)}.note{color:var(--quiet)}.verdict{font-size:1.1rem;font-weight:600;margin-bottom:1.2rem}"
  ".tiles{display:flex;flex-wrap:wrap;gap:.8rem;margin:.8rem 0}.tile{background:var(--soft);border-radius:8px;padding:.7rem 1.1rem;min-width:7rem}"
  ".tile b{display:block;font-size:1.55rem;line-height:1.2;font-weight:600;font-variant-numeric:tabular-nums}.tile span{font-size:.85rem;color:var(--quiet)}.tile.bad "
  "b{color:var(--bad)}"
  ".rows{border-top:1px solid var(--line)}.row{display:grid;grid-template-columns:4.5rem 1fr auto;gap:1.2rem;align-items:baseline;padding:.5rem .4rem;border-bottom:1px solid "
  "var(--line);"
  "text-decoration:none;color:inherit}.row:hover,.row:focus{background:var(--soft)}.row b{text-align:right;font-variant-numeric:tabular-nums}.row.bad b{color:var(--bad)}"
  ".row small{color:var(--quiet);margin-left:.7rem;font-size:.87em}.row code{color:var(--quiet)}"
  ".chip{display:inline-block;background:var(--soft);border-radius:1rem;padding:.1rem .7rem;margin:.15rem "
  ".1rem;font-size:.85rem}.count{font-size:.95rem;font-weight:600;background:var(--soft);"
  "border-radius:1rem;padding:.1rem .65rem;margin-left:.3rem;color:var(--quiet)}.count.bad{color:var(--bad)}"
  ".cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(21rem,1fr));gap:1rem;margin:.8rem 0}.card{border:1px solid var(--line);border-radius:8px;padding:.9rem "
  "1.1rem;min-width:0}"
  ".card p{font-size:.87rem;margin:.5rem 0 0}.card.moved{border-color:var(--bad)}.card.moved h3{color:var(--bad)}"
  ".legend{font-size:.87rem;color:var(--quiet);margin-top:1rem}.key{display:inline-block;width:1.1rem;margin:0 .35rem 0 "
  ".8rem;vertical-align:.1em}.key:first-child{margin-left:0}.key.bar{height:.6rem;background:var(--bar)}"
  ".key.line{border-top:2px solid var(--other);vertical-align:.3em}"
  ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:1.3rem 1rem;margin:.8rem 0}figure{margin:0;min-width:0}"
  "figure "
  "img,.nothing{display:block;width:100%;height:10rem;object-fit:contain;background:var(--soft);border-radius:6px}.nothing{display:flex;align-items:center;justify-content:center;"
  "color:var(--quiet);font-size:.85rem}"
  "figcaption{font-size:.84rem;line-height:1.4;margin-top:.4rem;overflow-wrap:anywhere}figcaption .name{display:block;font-weight:500}figcaption .note{display:block}"
  ".group{display:inline-flex;flex-wrap:wrap;gap:.9rem;border:1px solid var(--line);border-radius:8px;padding:.9rem;margin:.4rem .8rem .4rem 0;vertical-align:top}.group "
  "figure{width:11.5rem}"
  "svg{display:block;width:100%;max-width:30rem;height:auto}svg .bar{fill:var(--bar)}svg .line{fill:none;stroke:var(--other);stroke-width:2;stroke-linejoin:round}svg "
  ".axis{stroke:var(--line)}"
  "svg text{font-size:16px;fill:var(--quiet)}details{margin:.7rem 0}summary{cursor:pointer;color:var(--quiet)}@media print{details{display:none}.group,figure{break-inside:avoid}}";

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
  strbuf_printf(b, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"histogram from %.4g to %.4g\">", width, height + 24, low, high);
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
  strbuf_printf(b, "<line class=\"axis\" x1=\"0\" x2=\"%g\" y1=\"%g\" y2=\"%g\"/><text x=\"0\" y=\"%g\">%.4g</text><text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%.4g</text>",
    width, height + 0.5, height + 0.5, height + 19, low, width / 2, height + 19, (low + high) / 2);
  strbuf_printf(b, "<text x=\"%g\" y=\"%g\" text-anchor=\"end\">%.4g</text></svg>\n", width, height + 19, high);
}
