/* Pages that are one file: reports to be looked at anywhere, without a network. */
#ifndef UTIL_HTML_H
#define UTIL_HTML_H

#include "util/strbuf.h"

void html_begin(strbuf *b, const char *title); /* head, style, <body>, <h1> */
void html_end(strbuf *b);
void html_text(strbuf *b, const char *s);             /* escaped; what is not UTF-8 becomes U+FFFD, control characters are shown */
void html_text_n(strbuf *b, const char *s, size_t n); /* NUL bytes, too */

/* A histogram as SVG: counts [n] of equal steps from low to high. With other (may be NULL) a second one is drawn as a line; both are scaled to shares. */
void html_histogram(strbuf *b, const double *counts, const double *other, size_t n, double low, double high);

#endif
