/* The page of `opis eval`: scores, words, and the pictures described best and worst. */
#include "eval/eval.h"

#include "image/thumbnail.h"
#include "util/error.h"
#include "util/file.h"
#include "util/html.h"
#include <math.h>
#include <stdlib.h>

static void scores(strbuf *b, const eval_report *r)
{
  const eval_comparison *c = r->comparison;
  strbuf_puts(b, "<table><tr><th></th><th class=\"n\">score</th>");
  if (r->interval)
    strbuf_puts(b, "<th class=\"n\">95 % interval</th>");
  if (c)
    strbuf_puts(b, "<th class=\"n\">other</th><th class=\"n\">difference</th><th class=\"n\">95 % interval</th><th class=\"n\">p</th>");
  strbuf_puts(b, "</tr>\n");
  for (int m = 0; m < EVAL_METRICS; m++) {
    strbuf_printf(b, "<tr><th>%s</th><td class=\"n\">%.4f</td>", eval_metric_name(m), r->result->score[m]);
    if (r->interval)
      strbuf_printf(b, "<td class=\"n\">%.4f – %.4f</td>", r->interval[m].low, r->interval[m].high);
    if (c)
      strbuf_printf(b, "<td class=\"n\">%.4f</td><td class=\"n\">%+.4f</td><td class=\"n\">%+.4f – %+.4f</td><td class=\"n\">%.4f</td>", r->other->score[m], c->difference[m],
        c->interval[m].low, c->interval[m].high, c->p[m]);
    strbuf_puts(b, "</tr>\n");
  }
  strbuf_puts(b, "</table>\n");
}

static void histogram(strbuf *b, const eval_report *r)
{
  enum { STEPS = 24 };
  double counts[STEPS] = {0}, other[STEPS] = {0}, most = 0;
  for (size_t i = 0; i < r->result->n; i++) {
    most = fmax(most, r->result->pictures[i].cider);
    if (r->other)
      most = fmax(most, r->other->pictures[i].cider);
  }
  most = most > 0 ? most : 1;
  for (size_t i = 0; i < r->result->n; i++) {
    counts[(int)fmin(r->result->pictures[i].cider / most * STEPS, STEPS - 1)]++;
    if (r->other)
      other[(int)fmin(r->other->pictures[i].cider / most * STEPS, STEPS - 1)]++;
  }
  strbuf_puts(b, "<h2>CIDEr, picture by picture</h2>\n");
  if (r->other)
    strbuf_puts(b, "<p class=\"legend\"><i class=\"key bar\"></i>this one <i class=\"key line\"></i>the other</p>\n");
  html_histogram(b, counts, r->other ? other : NULL, STEPS, 0, most);
}

static void words(strbuf *b, const eval_report *r)
{
  const eval_result *q = r->result;
  strbuf_printf(b, "<h2>Words</h2><p>%.1f words a description (references: %.1f); %zu different words (references: %zu); %zu of %zu descriptions differ.</p>\n", q->mean_length,
    eval_corpus_mean_length(r->corpus), q->vocabulary, eval_corpus_vocabulary(r->corpus), q->different, q->n);
  if (!q->n_too_often)
    return;
  strbuf_puts(b, "<table><tr><th>said more often than people say it</th><th class=\"n\">in a thousand words</th><th class=\"n\">people</th></tr>\n");
  for (size_t i = 0; i < q->n_too_often; i++) {
    strbuf_puts(b, "<tr><td>");
    html_text(b, q->too_often[i].word);
    strbuf_printf(b, "</td><td class=\"n\">%.1f</td><td class=\"n\">%.1f</td></tr>\n", q->too_often[i].per_thousand, q->too_often[i].reference_per_thousand);
  }
  strbuf_puts(b, "</table>\n");
}

static void thumbnail(strbuf *b, const eval_report *r, size_t i)
{
  const char *names[2] = {r->references->pictures[i], caption_base_name(r->references->pictures[i])};
  for (int k = 0; k < 2; k++) {
    char *path;
    size_t before = b->n;
    if (path_join(&path, r->pictures ? r->pictures : ".", names[k]) < 0)
      return;
    strbuf_puts(b, "<img alt=\"\" src=\"");
    int e = image_thumbnail(b, path, 240);
    free(path);
    if (e == 0) {
      strbuf_puts(b, "\">");
      return;
    }
    if (b->s)
      b->s[b->n = before] = 0;
  }
}

static void figure(strbuf *b, const eval_report *r, size_t i)
{
  strbuf_puts(b, "<figure>");
  thumbnail(b, r, i);
  strbuf_puts(b, "<figcaption><b>");
  html_text_n(b, r->predictions[i].text, r->predictions[i].length);
  strbuf_puts(b, "</b>");
  if (r->other) {
    strbuf_puts(b, "<br>other: ");
    html_text_n(b, r->other_predictions[i].text, r->other_predictions[i].length);
    strbuf_printf(b, " <span class=\"note\">(%.3f)</span>", r->other->pictures[i].cider);
  }
  strbuf_printf(b, "<details><summary>CIDEr %.3f, ROUGE-L %.3f · ", r->result->pictures[i].cider, r->result->pictures[i].rouge);
  html_text(b, r->references->pictures[i]);
  strbuf_puts(b, "</summary><ul>");
  for (size_t k = r->references->first[i]; k < r->references->first[i + 1]; k++) {
    strbuf_puts(b, "<li>");
    html_text_n(b, r->references->texts[k].text, r->references->texts[k].length);
    strbuf_puts(b, "</li>");
  }
  strbuf_puts(b, "</ul></details></figcaption></figure>\n");
}

typedef struct ranked {
  double score;
  size_t i;
} ranked;

static int by_score(const void *a, const void *b)
{
  const ranked *x = a, *y = b;
  if (x->score != y->score)
    return x->score < y->score ? 1 : -1;
  return (x->i > y->i) - (x->i < y->i);
}

static void pictures(strbuf *b, const eval_report *r, const ranked *order, size_t n, size_t from, size_t step, const char *title)
{
  strbuf_printf(b, "<h2>%s</h2>\n<div class=\"grid\">\n", title);
  for (size_t i = 0; i < n; i++)
    figure(b, r, order[step ? from + i : from - i].i);
  strbuf_puts(b, "</div>\n");
}

int eval_report_html(strbuf *b, const eval_report *r)
{
  size_t n = r->result->n, shown = r->shown < n ? r->shown : n;
  ranked *order = calloc(n, sizeof *order);
  if (!order)
    return error_nomem();
  for (size_t i = 0; i < n; i++)
    order[i] = (ranked){r->result->pictures[i].cider, i};
  qsort(order, n, sizeof *order, by_score);
  html_begin(b, "Descriptions against references");
  strbuf_printf(b, "<p>%zu pictures, %zu references (<code>", n, r->references->first[n]);
  html_text(b, r->references_name);
  strbuf_puts(b, "</code>), predictions <code>");
  html_text(b, r->predictions_name);
  strbuf_puts(b, "</code>");
  if (r->other) {
    strbuf_puts(b, ", compared with <code>");
    html_text(b, r->other_name);
    strbuf_printf(b, "</code>: better on %zu pictures, worse on %zu", r->comparison ? r->comparison->better : 0, r->comparison ? r->comparison->worse : 0);
  }
  strbuf_puts(b, "</p>\n");
  scores(b, r);
  histogram(b, r);
  words(b, r);
  pictures(b, r, order, shown, n - 1, 0, "Worst");
  pictures(b, r, order, shown, 0, 1, "Best");
  html_end(b);
  free(order);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}
