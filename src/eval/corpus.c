/* References and predictions as words and n-grams, and the metrics over them. The rules are pycocoevalcap's, its habits included: CIDEr's length is the number of bigrams, ROUGE-L takes
 * its best precision and its best recall from different references and counts an empty caption as one empty word. */
#include "eval/eval.h"

#include "eval/ngrams.h"
#include "eval/sums.h"
#include "eval/words.h"
#include "util/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The words of a row of captions. */
typedef struct sentences {
  uint32_t *words; /* split at white space, as BLEU and CIDEr do */
  size_t n_words, capacity;
  size_t *first;   /* [n + 1] into words */
  uint32_t *parts; /* split at spaces alone, as ROUGE-L does: a no-break space does not part words */
  size_t n_parts, part_capacity;
  size_t *first_part; /* [n + 1] */
  size_t n;
} sentences;

typedef struct grams {
  ngram_count *items;
  size_t n, capacity;
  size_t *first; /* [captions + 1] */
} grams;

struct eval_corpus {
  const eval_references *references;
  ptb *tokenizer;
  word_table words;
  ngram_table ngrams;
  sentences sentences;
  grams grams;
  double *norms;       /* [captions, 4] lengths of the references' CIDEr vectors */
  size_t *word_counts; /* [vocabulary of the references] */
  size_t vocabulary;
  size_t reference_words; /* entries of the table that the references made */
};

const char *eval_metric_name(int metric)
{
  static const char *const names[EVAL_METRICS] = {"BLEU_1", "BLEU_2", "BLEU_3", "BLEU_4", "ROUGE_L", "CIDEr"};
  return metric >= 0 && metric < EVAL_METRICS ? names[metric] : "";
}

/* ---- words ---- */

static int add_word(uint32_t **words, size_t *n, size_t *capacity, word_table *t, const char *s, size_t length)
{
  if (*n == *capacity) {
    size_t more = *capacity ? *capacity * 2 : 4096;
    uint32_t *grown = reallocarray(*words, more, sizeof *grown);
    if (!grown)
      return error_nomem();
    *words = grown;
    *capacity = more;
  }
  int e = word_number(t, &(*words)[*n], s, length);
  *n += e == 0;
  return e;
}

/* Bytes of the white space that str.split() of Python knows, at s; 0: none. */
static size_t space_at(const char *s, const char *end)
{
  unsigned char c = (unsigned char)*s;
  if (c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f))
    return 1;
  if (c == 0xC2 && end - s >= 2 && ((unsigned char)s[1] == 0xA0 || (unsigned char)s[1] == 0x85))
    return 2;
  if (end - s < 3 || (c != 0xE1 && c != 0xE2 && c != 0xE3))
    return 0;
  unsigned code = (c & 0xFu) << 12 | ((unsigned char)s[1] & 0x3Fu) << 6 | ((unsigned char)s[2] & 0x3Fu);
  return code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000 ? 3 : 0;
}

typedef struct splitter {
  sentences *s;
  word_table *t;
  char **tokens; /* NULL: not kept */
} splitter;

static int split(void *user, size_t i, const char *tokens, size_t length)
{
  splitter *x = user;
  sentences *s = x->s;
  const char *end = tokens + length, *begin = tokens, *p = tokens;
  while (p <= end) {
    size_t space = p < end ? space_at(p, end) : 1;
    if (!space) {
      p++;
      continue;
    }
    if (p > begin) {
      int e = add_word(&s->words, &s->n_words, &s->capacity, x->t, begin, (size_t)(p - begin));
      if (e < 0)
        return e;
    }
    p += space;
    begin = p;
  }
  for (begin = p = tokens; p <= end; p++)
    if (p == end || *p == ' ') {
      int e = add_word(&s->parts, &s->n_parts, &s->part_capacity, x->t, begin, (size_t)(p - begin));
      if (e < 0)
        return e;
      begin = p + 1;
    }
  s->first[i + 1] = s->n_words;
  s->first_part[i + 1] = s->n_parts;
  if (x->tokens) {
    x->tokens[i] = malloc(length + 1);
    if (!x->tokens[i])
      return error_nomem();
    memcpy(x->tokens[i], tokens, length);
    x->tokens[i][length] = 0;
  }
  return 0;
}

static int read_sentences(sentences *s, eval_corpus *c, const ptb_text *texts, size_t n, char **tokens)
{
  s->n = n;
  s->first = calloc(n + 1, sizeof *s->first);
  s->first_part = calloc(n + 1, sizeof *s->first_part);
  if (!s->first || !s->first_part)
    return error_nomem();
  splitter x = {s, &c->words, tokens};
  return ptb_lines(c->tokenizer, texts, n, 0, split, &x);
}

static void sentences_free(sentences *s)
{
  free(s->words);
  free(s->first);
  free(s->parts);
  free(s->first_part);
}

static int count_grams(grams *g, eval_corpus *c, const sentences *s)
{
  g->first = calloc(s->n + 1, sizeof *g->first);
  if (!g->first)
    return error_nomem();
  for (size_t i = 0; i < s->n; i++) {
    size_t n = s->first[i + 1] - s->first[i], kept;
    if (g->capacity - g->n < 4 * n) {
      size_t more = 2 * g->capacity + 4 * n + 4096;
      ngram_count *grown = reallocarray(g->items, more, sizeof *grown);
      if (!grown)
        return error_nomem();
      g->items = grown;
      g->capacity = more;
    }
    g->first[i] = g->n;
    int e = n ? ngrams_count(&c->ngrams, g->items + g->n, &kept, s->words + s->first[i], n) : 0;
    if (e < 0)
      return e;
    g->n += n ? kept : 0;
  }
  g->first[s->n] = g->n;
  return 0;
}

static void grams_free(grams *g)
{
  free(g->items);
  free(g->first);
}

/* ---- CIDEr ---- */

static double weight(const eval_corpus *c, const ngram_count *g)
{
  uint32_t df = g->number < c->ngrams.n ? c->ngrams.pictures[g->number] : 0;
  return (double)g->count * (log((double)c->references->n) - log(df > 1 ? (double)df : 1));
}

/* The lengths of the four vectors; what it says is the number of bigrams. */
static uint32_t norms_of(double norms[4], const eval_corpus *c, const ngram_count *g, size_t n)
{
  uint32_t bigrams = 0;
  memset(norms, 0, 4 * sizeof *norms);
  for (size_t i = 0; i < n; i++) {
    double w = weight(c, &g[i]);
    norms[g[i].size - 1] += w * w;
    if (g[i].size == 2)
      bigrams += g[i].count;
  }
  for (int k = 0; k < 4; k++)
    norms[k] = sqrt(norms[k]);
  return bigrams;
}

static double cider(const eval_corpus *c, size_t picture, const ngram_count *said, size_t n_said)
{
  const eval_references *r = c->references;
  const grams *g = &c->grams;
  double norms[4], sum = 0;
  uint32_t bigrams = norms_of(norms, c, said, n_said);
  for (size_t k = r->first[picture]; k < r->first[picture + 1]; k++) {
    const ngram_count *a = said, *a_end = said + n_said, *b = g->items + g->first[k], *b_end = g->items + g->first[k + 1];
    double dot[4] = {0};
    uint32_t reference_bigrams = 0;
    for (const ngram_count *q = b; q < b_end; q++)
      if (q->size == 2)
        reference_bigrams += q->count;
    while (a < a_end && b < b_end) {
      if (a->number == b->number) {
        double x = weight(c, a), y = weight(c, b);
        dot[a->size - 1] += (x < y ? x : y) * y;
        a++;
        b++;
      } else if (a->number < b->number)
        a++;
      else
        b++;
    }
    double delta = (double)bigrams - (double)reference_bigrams, penalty = exp(-(delta * delta) / 72);
    for (int n = 0; n < 4; n++) {
      double other = c->norms[4 * k + (size_t)n];
      if (norms[n] != 0 && other != 0)
        dot[n] /= norms[n] * other;
      sum += dot[n] * penalty;
    }
  }
  return sum / 4 / (double)(r->first[picture + 1] - r->first[picture]) * 10;
}

/* ---- BLEU ---- */

static void bleu(eval_picture *p, const eval_corpus *c, size_t picture, const ngram_count *said, size_t n_said, size_t length)
{
  const eval_references *r = c->references;
  const grams *g = &c->grams;
  p->length = (uint32_t)length;
  for (size_t k = 0; k < 4; k++)
    p->guess[k] = length > k ? (uint32_t)(length - k) : 0;
  uint32_t nearest = UINT32_MAX;
  for (size_t k = r->first[picture]; k < r->first[picture + 1]; k++) {
    uint32_t n = (uint32_t)(c->sentences.first[k + 1] - c->sentences.first[k]), away = n > p->length ? n - p->length : p->length - n;
    if (away < nearest || (away == nearest && n < p->reference_length)) {
      nearest = away;
      p->reference_length = n;
    }
  }
  for (size_t i = 0; i < n_said; i++) {
    uint32_t most = 0;
    for (size_t k = r->first[picture]; k < r->first[picture + 1]; k++) {
      size_t low = g->first[k], high = g->first[k + 1];
      while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (g->items[middle].number < said[i].number)
          low = middle + 1;
        else
          high = middle;
      }
      if (low < g->first[k + 1] && g->items[low].number == said[i].number && g->items[low].count > most)
        most = g->items[low].count;
    }
    p->correct[said[i].size - 1] += said[i].count < most ? said[i].count : most;
  }
}

static const double small = 1e-9, tiny = 1e-15;

static void bleu_of_sums(double score[4], const double guess[4], const double correct[4], double length, double reference_length)
{
  double product = 1, ratio = (length + tiny) / (reference_length + small);
  for (int k = 0; k < 4; k++) {
    product *= (correct[k] + tiny) / (guess[k] + small);
    score[k] = pow(product, 1.0 / (k + 1)) * (ratio < 1 ? exp(1 - 1 / ratio) : 1);
  }
}

double eval_picture_score(const eval_picture *p, int metric)
{
  if (metric == EVAL_ROUGE_L)
    return p->rouge;
  if (metric == EVAL_CIDER)
    return p->cider;
  double guess[4], correct[4], score[4];
  for (int k = 0; k < 4; k++) {
    guess[k] = p->guess[k];
    correct[k] = p->correct[k];
  }
  bleu_of_sums(score, guess, correct, p->length, p->reference_length);
  return score[metric];
}

void eval_sums_score(double score[EVAL_METRICS], const eval_sums *s)
{
  bleu_of_sums(score, s->guess, s->correct, s->length, s->reference_length);
  score[EVAL_ROUGE_L] = s->n > 0 ? s->rouge / s->n : 0;
  score[EVAL_CIDER] = s->n > 0 ? s->cider / s->n : 0;
}

void eval_sums_add(eval_sums *s, const eval_picture *p)
{
  for (int k = 0; k < 4; k++) {
    s->guess[k] += p->guess[k];
    s->correct[k] += p->correct[k];
  }
  s->length += p->length;
  s->reference_length += p->reference_length;
  s->rouge += p->rouge;
  s->cider += p->cider;
  s->n++;
}

/* ---- ROUGE-L ---- */

/* The longest common subsequence; row has room for n_b + 1. */
static uint32_t common(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b, uint32_t *row)
{
  memset(row, 0, (n_b + 1) * sizeof *row);
  for (size_t i = 0; i < n_a; i++) {
    uint32_t diagonal = 0;
    for (size_t k = 1; k <= n_b; k++) {
      uint32_t above = row[k];
      row[k] = a[i] == b[k - 1] ? diagonal + 1 : above > row[k - 1] ? above : row[k - 1];
      diagonal = above;
    }
  }
  return row[n_b];
}

static double rouge(const eval_corpus *c, size_t picture, const uint32_t *said, size_t n, uint32_t *row)
{
  const double beta2 = 1.2 * 1.2;
  double precision = 0, recall = 0;
  for (size_t k = c->references->first[picture]; k < c->references->first[picture + 1]; k++) {
    size_t first = c->sentences.first_part[k], other = c->sentences.first_part[k + 1] - first;
    double both = common(c->sentences.parts + first, other, said, n, row);
    if (both / (double)n > precision)
      precision = both / (double)n;
    if (both / (double)other > recall)
      recall = both / (double)other;
  }
  return precision > 0 && recall > 0 ? (1 + beta2) * precision * recall / (recall + beta2 * precision) : 0;
}

/* ---- the corpus ---- */

static int count_references(eval_corpus *c)
{
  const eval_references *r = c->references;
  size_t n = r->first[r->n];
  c->vocabulary = 0;
  c->word_counts = calloc(c->words.n + 1, sizeof *c->word_counts);
  c->norms = calloc(n * 4 + 1, sizeof *c->norms);
  if (!c->word_counts || !c->norms)
    return error_nomem();
  for (size_t i = 0; i < c->sentences.n_words; i++)
    c->vocabulary += c->word_counts[c->sentences.words[i]]++ == 0;
  for (size_t p = 0; p < r->n; p++)
    for (size_t i = c->grams.first[r->first[p]]; i < c->grams.first[r->first[p + 1]]; i++) {
      uint32_t k = c->grams.items[i].number;
      if (c->ngrams.seen[k] != (uint32_t)p + 1) {
        c->ngrams.seen[k] = (uint32_t)p + 1;
        c->ngrams.pictures[k]++;
      }
    }
  for (size_t k = 0; k < n; k++)
    norms_of(c->norms + 4 * k, c, c->grams.items + c->grams.first[k], c->grams.first[k + 1] - c->grams.first[k]);
  return 0;
}

int eval_corpus_new(eval_corpus **out, const eval_references *r)
{
  *out = NULL;
  if (r->n >= UINT32_MAX)
    return error_set(OPIS_ELIMIT, "more than 2^32 pictures");
  eval_corpus *c = calloc(1, sizeof *c);
  if (!c)
    return error_nomem();
  c->references = r;
  int e = ptb_new(&c->tokenizer);
  if (e == 0)
    e = read_sentences(&c->sentences, c, r->texts, r->first[r->n], NULL);
  if (e == 0)
    e = count_grams(&c->grams, c, &c->sentences);
  if (e == 0)
    e = count_references(c);
  if (e < 0) {
    eval_corpus_free(c);
    return e;
  }
  c->reference_words = c->words.n;
  *out = c;
  return 0;
}

void eval_corpus_free(eval_corpus *c)
{
  if (!c)
    return;
  ptb_free(c->tokenizer);
  word_table_free(&c->words);
  ngram_table_free(&c->ngrams);
  sentences_free(&c->sentences);
  grams_free(&c->grams);
  free(c->norms);
  free(c->word_counts);
  free(c);
}

size_t eval_corpus_vocabulary(const eval_corpus *c)
{
  return c->vocabulary;
}

double eval_corpus_mean_length(const eval_corpus *c)
{
  return c->sentences.n ? (double)c->sentences.n_words / (double)c->sentences.n : 0;
}

/* ---- what is said, taken by itself ---- */

static int by_surprise(const void *a, const void *b)
{
  const eval_word *x = a, *y = b;
  if (x->surprise != y->surprise)
    return x->surprise < y->surprise ? 1 : -1;
  return strcmp(x->word, y->word);
}

/* Words that come at least five times and one and a half times as often as in the references, by Dunning's log-likelihood ratio. */
static int say_too_often(eval_result *r, const eval_corpus *c, const size_t *counts)
{
  double said = (double)r->words, written = (double)c->sentences.n_words;
  r->too_often = calloc(c->words.n + 1, sizeof *r->too_often);
  if (!r->too_often)
    return error_nomem();
  if (said == 0 || written == 0)
    return 0;
  for (size_t i = 0; i < c->words.n; i++) {
    double a = (double)counts[i], b = i < c->reference_words ? (double)c->word_counts[i] : 0;
    if (a < 5 || a / said < 1.5 * b / written)
      continue;
    double rate = (a + b) / (said + written), surprise = 2 * (a * log(a / (said * rate)) + (b > 0 ? b * log(b / (written * rate)) : 0));
    if (surprise > 10.83) /* one in a thousand by chance */
      r->too_often[r->n_too_often++] = (eval_word){c->words.entries[i].key, counts[i], 1000 * a / said, 1000 * b / written, surprise};
  }
  qsort(r->too_often, r->n_too_often, sizeof *r->too_often, by_surprise);
  if (r->n_too_often > 20)
    r->n_too_often = 20;
  return 0;
}

static int by_text(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int describe_words(eval_result *r, const eval_corpus *c, const sentences *s, const grams *g)
{
  size_t *counts = calloc(c->words.n + 1, sizeof *counts);
  char **sorted = calloc(r->n + 1, sizeof *sorted);
  unsigned char *seen = calloc(c->ngrams.n + 1, 1);
  int e = !counts || !sorted || !seen ? error_nomem() : 0;
  if (e == 0) {
    double all[4] = {0}, distinct[4] = {0};
    for (size_t i = 0; i < g->n; i++) {
      const ngram_count *q = &g->items[i];
      all[q->size - 1] += q->count;
      distinct[q->size - 1] += !seen[q->number];
      seen[q->number] = 1;
    }
    for (int k = 0; k < 4; k++)
      r->distinct[k] = all[k] > 0 ? distinct[k] / all[k] : 0;
    for (size_t i = 0; i < s->n_words; i++)
      r->vocabulary += counts[s->words[i]]++ == 0;
    r->words = s->n_words;
    r->mean_length = r->n ? (double)s->n_words / (double)r->n : 0;
    memcpy(sorted, r->tokens, r->n * sizeof *sorted);
    qsort(sorted, r->n, sizeof *sorted, by_text);
    for (size_t i = 0; i < r->n; i++)
      r->different += i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0;
    e = say_too_often(r, c, counts);
  }
  free(counts);
  free(sorted);
  free(seen);
  return e;
}

int eval_score(eval_result *result, eval_corpus *c, const ptb_text *predictions)
{
  size_t n = c->references->n;
  *result = (eval_result){.n = n, .pictures = calloc(n + 1, sizeof *result->pictures), .tokens = calloc(n + 1, sizeof *result->tokens)};
  sentences s = {0};
  grams g = {0};
  uint32_t *row = NULL;
  int e = !result->pictures || !result->tokens ? error_nomem() : read_sentences(&s, c, predictions, n, result->tokens);
  if (e == 0)
    e = count_grams(&g, c, &s);
  size_t longest = 1;
  for (size_t i = 0; e == 0 && i < n; i++)
    if (s.first_part[i + 1] - s.first_part[i] > longest)
      longest = s.first_part[i + 1] - s.first_part[i];
  if (e == 0 && !(row = calloc(longest + 1, sizeof *row)))
    e = error_nomem();
  eval_sums sums = {0};
  for (size_t i = 0; e == 0 && i < n; i++) {
    eval_picture *p = &result->pictures[i];
    const ngram_count *said = g.items + g.first[i];
    size_t n_said = g.first[i + 1] - g.first[i];
    bleu(p, c, i, said, n_said, s.first[i + 1] - s.first[i]);
    p->rouge = rouge(c, i, s.parts + s.first_part[i], s.first_part[i + 1] - s.first_part[i], row);
    p->cider = cider(c, i, said, n_said);
    eval_sums_add(&sums, p);
  }
  if (e == 0) {
    eval_sums_score(result->score, &sums);
    e = describe_words(result, c, &s, &g);
  }
  free(row);
  sentences_free(&s);
  grams_free(&g);
  if (e < 0)
    eval_result_free(result);
  return e;
}

void eval_result_free(eval_result *r)
{
  for (size_t i = 0; r->tokens && i < r->n; i++)
    free(r->tokens[i]);
  free(r->tokens);
  free(r->pictures);
  free(r->too_often);
  *r = (eval_result){0};
}
