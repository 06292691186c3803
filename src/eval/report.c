/* What `opis eval` says: in words and in JSON. */
#include "eval/eval.h"

#include "util/error.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void text_scores(strbuf *b, const eval_report *r)
{
  strbuf_printf(b, "%-8s  %10s%s%s\n", "", "score", r->interval ? "      95 % interval" : "", r->comparison ? "       other  difference      95 % interval        p" : "");
  for (int m = 0; m < EVAL_METRICS; m++) {
    strbuf_printf(b, "%-8s  %10.4f", eval_metric_name(m), r->result->score[m]);
    if (r->interval)
      strbuf_printf(b, "  %7.4f .. %6.4f", r->interval[m].low, r->interval[m].high);
    const eval_comparison *c = r->comparison;
    if (c)
      strbuf_printf(b, "  %10.4f  %+10.4f  %+7.4f .. %+6.4f  %7.4f", r->other->score[m], c->difference[m], c->interval[m].low, c->interval[m].high, c->p[m]);
    strbuf_putc(b, '\n');
  }
}

static void text_words(strbuf *b, const eval_report *r)
{
  const eval_result *q = r->result;
  strbuf_printf(b, "\n%.1f words a description (references: %.1f), %zu different words (references: %zu)\n", q->mean_length, eval_corpus_mean_length(r->corpus), q->vocabulary,
    eval_corpus_vocabulary(r->corpus));
  strbuf_printf(b, "%zu of %zu descriptions differ; distinct words %.3f, pairs %.3f, triples %.3f\n", q->different, q->n, q->distinct[0], q->distinct[1], q->distinct[2]);
  if (q->n_too_often)
    strbuf_puts(b, "\nSaid more often than people say it, in a thousand words (people):\n");
  for (size_t i = 0; i < q->n_too_often && i < 10; i++)
    strbuf_printf(b, "  %-16s %6.1f  (%.1f)\n", q->too_often[i].word, q->too_often[i].per_thousand, q->too_often[i].reference_per_thousand);
}

int eval_report_text(strbuf *b, const eval_report *r)
{
  strbuf_printf(b, "%zu pictures, %zu references (%s), predictions: %s\n\n", r->references->n, r->references->first[r->references->n], r->references_name, r->predictions_name);
  text_scores(b, r);
  if (r->comparison)
    strbuf_printf(b, "\nother: %s; CIDEr is better on %zu pictures and worse on %zu\n", r->other_name, r->comparison->better, r->comparison->worse);
  text_words(b, r);
  if (r->unused)
    strbuf_printf(b, "\n%zu predictions are of pictures without references and were left out\n", r->unused);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}

/* ---- JSON ---- */

static json_t *text_json(const char *s, size_t n)
{
  strbuf valid = STRBUF_INIT;
  strbuf_puts(&valid, "");
  strbuf_put_utf8(&valid, s, n);
  json_t *j = valid.s ? json_stringn(valid.s, valid.n) : NULL;
  strbuf_free(&valid);
  return j;
}

static json_t *scores_json(const double score[EVAL_METRICS])
{
  json_t *o = json_object();
  for (int m = 0; m < EVAL_METRICS; m++)
    json_object_set_new(o, eval_metric_name(m), json_real(score[m]));
  return o;
}

static json_t *intervals_json(const eval_interval *interval)
{
  json_t *o = json_object();
  for (int m = 0; m < EVAL_METRICS; m++)
    json_object_set_new(o, eval_metric_name(m), json_pack("[f, f]", interval[m].low, interval[m].high));
  return o;
}

static json_t *picture_json(const eval_result *q, size_t i, const ptb_text *prediction)
{
  double score[EVAL_METRICS];
  for (int m = 0; m < EVAL_METRICS; m++)
    score[m] = eval_picture_score(&q->pictures[i], m);
  json_t *o = scores_json(score);
  json_object_set_new(o, "prediction", text_json(prediction->text, prediction->length));
  json_object_set_new(o, "words", json_string(q->tokens[i]));
  return o;
}

static json_t *pictures_json(const eval_report *r)
{
  json_t *o = json_object();
  for (size_t i = 0; i < r->references->n; i++) {
    json_t *one = picture_json(r->result, i, &r->predictions[i]);
    if (r->other)
      json_object_set_new(one, "compare", picture_json(r->other, i, &r->other_predictions[i]));
    strbuf name = STRBUF_INIT;
    strbuf_put_utf8(&name, r->references->pictures[i], strlen(r->references->pictures[i]));
    json_object_set_new(o, name.s ? name.s : "", one);
    strbuf_free(&name);
  }
  return o;
}

static json_t *comparison_json(const eval_report *r)
{
  const eval_comparison *c = r->comparison;
  json_t *o = scores_json(r->other->score), *p = json_object();
  for (int m = 0; m < EVAL_METRICS; m++)
    json_object_set_new(p, eval_metric_name(m), json_real(c->p[m]));
  json_object_set_new(o, "difference", scores_json(c->difference));
  json_object_set_new(o, "difference_confidence", intervals_json(c->interval));
  json_object_set_new(o, "p", p);
  json_object_set_new(o, "better", json_integer((json_int_t)c->better));
  json_object_set_new(o, "worse", json_integer((json_int_t)c->worse));
  return o;
}

int eval_report_json(strbuf *b, const eval_report *r)
{
  const eval_result *q = r->result;
  json_t *o = scores_json(q->score), *words = json_array();
  if (r->interval)
    json_object_set_new(o, "confidence", intervals_json(r->interval));
  json_object_set_new(o, "pictures", json_integer((json_int_t)q->n));
  json_object_set_new(o, "references", json_integer((json_int_t)r->references->first[r->references->n]));
  json_object_set_new(o, "unused_predictions", json_integer((json_int_t)r->unused));
  for (int k = 0; k < 4; k++) {
    char key[16];
    snprintf(key, sizeof key, "distinct_%d", k + 1);
    json_object_set_new(o, key, json_real(q->distinct[k]));
  }
  json_object_set_new(o, "different_descriptions", json_integer((json_int_t)q->different));
  json_object_set_new(o, "vocabulary", json_integer((json_int_t)q->vocabulary));
  json_object_set_new(o, "reference_vocabulary", json_integer((json_int_t)eval_corpus_vocabulary(r->corpus)));
  json_object_set_new(o, "mean_length", json_real(q->mean_length));
  json_object_set_new(o, "reference_mean_length", json_real(eval_corpus_mean_length(r->corpus)));
  for (size_t i = 0; i < q->n_too_often; i++) {
    const eval_word *w = &q->too_often[i];
    json_array_append_new(words,
      json_pack("{s:s, s:I, s:f, s:f, s:f}", "word", w->word, "count", (json_int_t)w->count, "per_thousand", w->per_thousand, "reference_per_thousand", w->reference_per_thousand,
        "surprise", w->surprise));
  }
  json_object_set_new(o, "said_too_often", words);
  if (r->comparison)
    json_object_set_new(o, "compare", comparison_json(r));
  json_object_set_new(o, "per_picture", pictures_json(r));
  char *text = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
  json_decref(o);
  if (!text)
    return error_nomem();
  strbuf_puts(b, text);
  strbuf_putc(b, '\n');
  free(text);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}
