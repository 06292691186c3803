/* How good descriptions are: BLEU, ROUGE-L and CIDEr as pycocoevalcap 1.2 computes them, what is said too often, and how sure one may be.
 *
 *   eval_references_make   captions of a file, picture by picture
 *   eval_match             one prediction for each of these pictures
 *   eval_corpus_new        references as words and n-grams
 *   eval_score             predictions against them
 *   eval_confidence, eval_compare
 *
 * Nothing here is thread-safe; results are the same on every machine and in every run. */
#ifndef EVAL_EVAL_H
#define EVAL_EVAL_H

#include "captions/captions.h"
#include "eval/ptb.h"
#include <stdbool.h>

/* ---- pairs.c ---- */

typedef struct eval_references {
  size_t n;              /* pictures, in the order in which the file first names them */
  const char **pictures; /* [n] as written; the captions' own */
  const char **ids;      /* [n] COCO's numbers, NULL where there are none */
  size_t *first;         /* [n + 1]: where the references of each begin in texts */
  ptb_text *texts;       /* [first[n]] the captions' own */
} eval_references;

/* Groups captions by picture. The captions must outlive it. OPIS_EFORMAT when there are none; `name` is for errors. */
int eval_references_make(eval_references *r, const captions *c, const char *name);
void eval_references_free(eval_references *r);

/* Finds the prediction of every picture: by path as written, else by COCO's number, else by file name where that is told apart. *texts [r->n] is malloc'ed and points into the captions.
 * *unused: predictions of pictures that have no references. OPIS_ENOTFOUND with the first names when predictions are missing, OPIS_EFORMAT when a picture has two. */
int eval_match(ptb_text **texts, size_t *unused, const eval_references *r, const captions *predictions, const char *name);

/* ---- corpus.c ---- */

enum { EVAL_BLEU_1, EVAL_BLEU_2, EVAL_BLEU_3, EVAL_BLEU_4, EVAL_ROUGE_L, EVAL_CIDER, EVAL_METRICS };
const char *eval_metric_name(int metric); /* "BLEU_1", … */

/* What one prediction has in common with its references: everything that the metrics of any set of pictures are sums of. */
typedef struct eval_picture {
  uint32_t guess[4], correct[4]; /* n-grams of 1 to 4 words: said, and said rightly (no oftener than in one reference) */
  uint32_t length, reference_length;
  double rouge, cider;
} eval_picture;

typedef struct eval_word {
  const char *word; /* the corpus' own */
  size_t count;
  double per_thousand, reference_per_thousand; /* of all words */
  double surprise;                             /* log-likelihood ratio (Dunning) */
} eval_word;

typedef struct eval_result {
  size_t n;
  eval_picture *pictures;     /* [n] */
  double score[EVAL_METRICS]; /* of all pictures together */
  char **tokens;              /* [n] the words that were counted */
  size_t vocabulary;          /* different words */
  size_t words;               /* all words */
  size_t different;           /* different descriptions */
  double distinct[4];         /* different n-grams / all n-grams */
  double mean_length;
  eval_word *too_often; /* the most surprising first */
  size_t n_too_often;
} eval_result;

typedef struct eval_corpus eval_corpus;
int eval_corpus_new(eval_corpus **out, const eval_references *r); /* OPIS_ENOMEM, OPIS_ELIMIT */
void eval_corpus_free(eval_corpus *c);
size_t eval_corpus_vocabulary(const eval_corpus *c); /* different words in the references */
double eval_corpus_mean_length(const eval_corpus *c);

int eval_score(eval_result *result, eval_corpus *c, const ptb_text *predictions);
void eval_result_free(eval_result *result);
double eval_picture_score(const eval_picture *p, int metric); /* of one picture by itself */

/* ---- bootstrap.c ---- */

typedef struct eval_interval {
  double low, high;
} eval_interval;

/* 95 % percentile intervals from `samples` bootstrap samples of the pictures. */
int eval_confidence(eval_interval interval[EVAL_METRICS], const eval_result *result, int samples);

typedef struct eval_comparison {
  double difference[EVAL_METRICS]; /* a - b */
  eval_interval interval[EVAL_METRICS];
  double p[EVAL_METRICS]; /* two-sided, approximate randomization: how likely such a difference is when which system said what were chance */
  size_t better, worse;   /* pictures on which a's CIDEr is above or below b's */
} eval_comparison;
int eval_compare(eval_comparison *c, const eval_result *a, const eval_result *b, int samples);

/* ---- report.c, page.c ---- */

typedef struct eval_report {
  const eval_references *references;
  const eval_corpus *corpus;
  const ptb_text *predictions, *other_predictions; /* other_: NULL without --compare */
  const eval_result *result, *other;
  const eval_interval *interval; /* NULL: none */
  const eval_comparison *comparison;
  const char *references_name, *predictions_name, *other_name;
  size_t unused;
  size_t shown;         /* pictures on the page, best and worst each */
  const char *pictures; /* folder with the pictures, NULL: as the paths say */
} eval_report;

int eval_report_text(strbuf *b, const eval_report *r);
int eval_report_json(strbuf *b, const eval_report *r);
int eval_report_html(strbuf *b, const eval_report *r); /* one file with everything in it */

#endif
