/* The set beside another state of it: what came, went and changed, and in what the two differ. */
#include "check/check.h"
#include "check/statistics.h"

#include "eval/words.h"
#include "util/error.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 10, COMMON_WORDS = 50, STEPS = 24, KINDS = IMAGE_PNM + 1 };

/* ---- added, removed, changed ---- */

typedef struct names {
  char **items;
  size_t n, capacity;
} names;

static int put(names *l, char *path)
{
  if (l->n == l->capacity) {
    size_t more = l->capacity ? 2 * l->capacity : 64;
    char **grown = reallocarray(l->items, more, sizeof *grown);
    if (!grown)
      return error_nomem();
    l->items = grown;
    l->capacity = more;
  }
  l->items[l->n++] = path;
  return 0;
}

static bool differ(const check_file *a, const check_file *b)
{
  if (a->facts.state != CHECK_READ || b->facts.state != CHECK_READ)
    return a->facts.state != b->facts.state || a->size != b->size;
  return a->facts.content[0] != b->facts.content[0] || a->facts.content[1] != b->facts.content[1] || a->facts.kind != b->facts.kind || a->facts.mode != b->facts.mode;
}

/* What is said of each picture, in any order: sums of hashes. */
static uint64_t *said(const check_set *set)
{
  uint64_t *sums = calloc(set->n + 1, sizeof *sums);
  for (size_t i = 0; sums && i < set->captions.n; i++) {
    const caption *c = &set->captions.items[i];
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t k = 0; k < c->length; k++)
      h = (h ^ (unsigned char)c->text[k]) * UINT64_C(1099511628211);
    if (set->caption_file[i] != SIZE_MAX)
      sums[set->caption_file[i]] += h ^ h >> 29;
  }
  return sums;
}

static int changes(check_set *set, const check_set *before)
{
  names added = {NULL, 0, 0}, removed = {NULL, 0, 0}, changed = {NULL, 0, 0}, recaptioned = {NULL, 0, 0};
  uint64_t *now = said(set), *then = said(before);
  int e = now && then ? 0 : error_nomem();
  for (size_t i = 0, k = 0; e == 0 && (i < set->n || k < before->n);) {
    int c = i == set->n ? 1 : k == before->n ? -1 : strcmp(set->files[i].path, before->files[k].path);
    if (c < 0)
      e = put(&added, set->files[i].path);
    else if (c > 0) {
      char *path = arena_strdup(&set->memory, before->files[k].path);
      e = path ? put(&removed, path) : OPIS_ENOMEM;
    } else {
      if (differ(&set->files[i], &before->files[k]))
        e = put(&changed, set->files[i].path);
      if (e == 0 && set->has_captions && before->has_captions && now[i] != then[k])
        e = put(&recaptioned, set->files[i].path);
    }
    i += c <= 0;
    k += c >= 0;
  }
  free(now);
  free(then);
  set->added = added.items, set->n_added = added.n;
  set->removed = removed.items, set->n_removed = removed.n;
  set->changed = changed.items, set->n_changed = changed.n;
  set->recaptioned = recaptioned.items, set->n_recaptioned = recaptioned.n;
  return e;
}

/* ---- drift ---- */

static const char *kept(check_set *set, strbuf *b)
{
  if (b->s)
    b->s[b->n] = 0;
  const char *words = b->failed || !b->s ? NULL : check_shown(set, b->s);
  strbuf_free(b);
  return words;
}

/* How much it moved, in words. Chance is left aside first, then the index is read. */
static const char *verdict(const check_settings *s, const check_drift *d)
{
  if (!(d->p < 0.001))
    return "about as before: the difference may be chance";
  if (d->psi < s->threshold[KEY_DRIFT] / 2)
    return "hardly different from before";
  return d->psi < s->threshold[KEY_DRIFT] ? "somewhat different from before" : "clearly different from before";
}

static int tell(check_set *set, const check_settings *s, check_drift *d)
{
  if (!d->words)
    return error_nomem();
  set->drifts[set->n_drifts++] = *d;
  char path[64];
  snprintf(path, sizeof path, "#%s", d->name);
  return d->p < 0.001 && d->psi >= s->threshold[KEY_DRIFT] ? check_add(set, s, KEY_DRIFT, path, "%s", d->words) : 0;
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double mean_of(const double *v, size_t n)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += v[i];
  return sum / (double)n;
}

/* Bins that hold a tenth each of what was before, as is usual for the index. */
static double stability(const double *now, size_t n, const double *before, size_t m)
{
  double edges[BINS], counts[BINS] = {0}, others[BINS] = {0};
  double last = before[0];
  size_t k = 0;
  for (size_t i = 1; i < BINS; i++) {
    double edge = before[i * m / BINS];
    if (edge > last)
      last = edges[k++] = edge;
  }
  if (k == 0) { /* all were the same */
    edges[k++] = before[0];
    edges[k] = nextafter(before[0], INFINITY);
    k++;
  }
  for (size_t i = 0, b = 0; i < n; i++) {
    while (b < k && now[i] >= edges[b])
      b++;
    counts[b]++;
  }
  for (size_t i = 0, b = 0; i < m; i++) {
    while (b < k && before[i] >= edges[b])
      b++;
    others[b]++;
  }
  return stat_psi(counts, others, k + 1);
}

static void histogram(check_drift *d, const double *now, size_t n, const double *before, size_t m)
{
  d->low = fmin(now[0], before[0]);
  d->high = fmax(now[n - 1], before[m - 1]);
  if (!(d->high > d->low))
    return;
  d->n_counts = STEPS;
  for (size_t i = 0; i < n; i++)
    d->counts[(size_t)fmin((now[i] - d->low) / (d->high - d->low) * STEPS, STEPS - 1)]++;
  for (size_t i = 0; i < m; i++)
    d->others[(size_t)fmin((before[i] - d->low) / (d->high - d->low) * STEPS, STEPS - 1)]++;
}

/* Sorts both. */
static int numbers(check_set *set, const check_settings *s, const char *name, const char *unit, double *now, size_t n, double *before, size_t m)
{
  if (!n || !m)
    return 0;
  qsort(now, n, sizeof *now, by_value);
  qsort(before, m, sizeof *before, by_value);
  check_drift d = {.name = name, .mean = mean_of(now, n), .other_mean = mean_of(before, m)};
  d.ks = stat_ks(now, n, before, m);
  d.p = stat_ks_p(d.ks, n, m);
  d.psi = stability(now, n, before, m);
  histogram(&d, now, n, before, m);
  strbuf b = STRBUF_INIT;
  strbuf_printf(&b, "%s; %.3g%s on average, %.3g before (Kolmogorov-Smirnov %.3f, p %.2g; stability index %.3f)", verdict(s, &d), d.mean, unit, d.other_mean, d.ks, d.p, d.psi);
  d.words = kept(set, &b);
  return tell(set, s, &d);
}

static double size_of(const check_file *f)
{
  return sqrt((double)f->facts.width * f->facts.height);
}

static double ratio_of(const check_file *f)
{
  return (double)f->facts.width / f->facts.height;
}

static double brightness_of(const check_file *f)
{
  return f->facts.brightness;
}

static double sharpness_of(const check_file *f)
{
  return f->facts.blurry;
}

static size_t collect(double *out, const check_set *set, double (*value)(const check_file *))
{
  size_t n = 0;
  for (size_t i = 0; i < set->n; i++)
    if (set->files[i].facts.state == CHECK_READ)
      out[n++] = value(&set->files[i]);
  return n;
}

static int pictures(check_set *set, const check_settings *s, const check_set *before)
{
  static const struct {
    const char *name, *unit;
    double (*value)(const check_file *);
  } measures[] = {{"size", " pixels (root of width x height)", size_of}, {"aspect_ratio", "", ratio_of}, {"brightness", "", brightness_of}, {"sharpness", "", sharpness_of}};
  double *now = calloc(set->n + 1, sizeof *now), *then = calloc(before->n + 1, sizeof *then);
  int e = now && then ? 0 : error_nomem();
  for (size_t i = 0; e == 0 && i < sizeof measures / sizeof *measures; i++) {
    size_t n = collect(now, set, measures[i].value), m = collect(then, before, measures[i].value);
    e = numbers(set, s, measures[i].name, measures[i].unit, now, n, then, m);
  }
  free(now);
  free(then);
  return e;
}

static int formats(check_set *set, const check_settings *s, const check_set *before)
{
  double now[KINDS] = {0}, then[KINDS] = {0}, n = 0, m = 0;
  for (size_t i = 0; i < set->n; i++)
    now[set->files[i].facts.kind] += set->files[i].facts.state == CHECK_READ;
  for (size_t i = 0; i < before->n; i++)
    then[before->files[i].facts.kind] += before->files[i].facts.state == CHECK_READ;
  double bins[2][KINDS];
  size_t k = 0;
  for (int i = 0; i < KINDS; i++) {
    n += now[i];
    m += then[i];
    if (now[i] + then[i] > 0) {
      bins[0][k] = now[i];
      bins[1][k++] = then[i];
    }
  }
  if (n <= 0 || m <= 0)
    return 0;
  check_drift d = {.name = "format", .ks = NAN, .mean = NAN, .other_mean = NAN, .p = stat_chi2_p(bins[0], bins[1], k), .psi = stat_psi(bins[0], bins[1], k)};
  strbuf b = STRBUF_INIT;
  strbuf_printf(&b, "%s;", verdict(s, &d));
  for (int i = 0; i < KINDS; i++)
    if (now[i] + then[i] > 0)
      strbuf_printf(&b, " %s %.1f %% (before %.1f %%),", image_kind_name((image_kind)i), 100 * now[i] / n, 100 * then[i] / m);
  if (b.n && b.s[b.n - 1] == ',')
    b.n--;
  strbuf_printf(&b, " (chi-squared p %.2g; stability index %.3f)", d.p, d.psi);
  d.words = kept(set, &b);
  return tell(set, s, &d);
}

/* ---- captions ---- */

static int lengths(check_set *set, const check_settings *s, const check_set *before)
{
  double *now = calloc(set->captions.n + 1, sizeof *now), *then = calloc(before->captions.n + 1, sizeof *then);
  int e = now && then ? 0 : error_nomem();
  for (size_t i = 0; e == 0 && i < set->captions.n; i++)
    now[i] = (double)set->caption_words[i].n;
  for (size_t i = 0; e == 0 && i < before->captions.n; i++)
    then[i] = (double)before->caption_words[i].n;
  if (e == 0)
    e = numbers(set, s, "caption_length", " words", now, set->captions.n, then, before->captions.n);
  free(now);
  free(then);
  return e;
}

typedef struct used {
  double now, before;
  uint32_t word;
} used;

static int count(word_table *t, used **words, size_t *capacity, const check_set *set, bool now)
{
  for (size_t i = 0; i < set->captions.n; i++) {
    const char *p = set->caption_words[i].text, *end = p + set->caption_words[i].length;
    while (p < end) {
      const char *space = memchr(p, ' ', (size_t)(end - p)), *stop = space ? space : end;
      uint32_t number;
      int e = word_number(t, &number, p, (size_t)(stop - p));
      if (e < 0)
        return e;
      if (number >= *capacity) {
        size_t more = *capacity ? 2 * *capacity : 4096;
        used *grown = reallocarray(*words, more, sizeof *grown);
        if (!grown)
          return error_nomem();
        memset(grown + *capacity, 0, (more - *capacity) * sizeof *grown);
        *words = grown;
        *capacity = more;
      }
      (*words)[number].word = number;
      *(now ? &(*words)[number].now : &(*words)[number].before) += 1;
      p = stop + 1;
    }
  }
  return 0;
}

static int by_use(const void *a, const void *b)
{
  const used *x = a, *y = b;
  double m = x->now + x->before, n = y->now + y->before;
  return m != n ? (m < n ? 1 : -1) : (x->word > y->word) - (x->word < y->word);
}

static int by_news(const void *a, const void *b)
{
  const used *x = a, *y = b;
  double m = x->before > 0 ? 0 : x->now, n = y->before > 0 ? 0 : y->now;
  return m != n ? (m < n ? 1 : -1) : (x->word > y->word) - (x->word < y->word);
}

static void new_words(strbuf *b, used *words, size_t n, double all, const word_table *t)
{
  double fresh = 0;
  qsort(words, n, sizeof *words, by_news);
  for (size_t i = 0; i < n && words[i].before <= 0; i++)
    fresh += words[i].now;
  strbuf_printf(b, "; %.1f %% of the words were not said before", 100 * fresh / all);
  for (size_t i = 0; i < n && i < 5 && words[i].before <= 0; i++)
    strbuf_printf(b, "%s'%.40s'", i ? ", " : ", such as ", t->entries[words[i].word].key);
}

static int vocabulary(check_set *set, const check_settings *s, const check_set *before)
{
  word_table t = WORD_TABLE_INIT;
  used *words = NULL;
  size_t capacity = 0, k = 0;
  double now[COMMON_WORDS + 1] = {0}, then[COMMON_WORDS + 1] = {0}, n = 0, m = 0;
  int e = count(&t, &words, &capacity, set, true);
  if (e == 0)
    e = count(&t, &words, &capacity, before, false);
  if (e == 0 && t.n) {
    qsort(words, t.n, sizeof *words, by_use);
    for (size_t i = 0; i < t.n; i++) {
      k = i < COMMON_WORDS ? i : COMMON_WORDS; /* the last bin is for all others */
      now[k] += words[i].now;
      then[k] += words[i].before;
      n += words[i].now;
      m += words[i].before;
    }
  }
  if (e == 0 && n > 0 && m > 0) {
    check_drift d = {.name = "vocabulary", .ks = NAN, .mean = NAN, .other_mean = NAN, .p = stat_chi2_p(now, then, k + 1), .psi = stat_psi(now, then, k + 1)};
    strbuf b = STRBUF_INIT;
    strbuf_puts(&b, verdict(s, &d));
    new_words(&b, words, t.n, n, &t);
    strbuf_printf(&b, " (chi-squared p %.2g; stability index %.3f)", d.p, d.psi);
    d.words = kept(set, &b);
    e = tell(set, s, &d);
  }
  free(words);
  word_table_free(&t);
  return e;
}

int check_compare(check_set *set, const check_settings *s, const check_set *before)
{
  enum { MOST_DRIFTS = 8 };
  set->compared = true;
  set->checked[KEY_DRIFT] = !s->off[KEY_DRIFT];
  set->drifts = calloc(MOST_DRIFTS, sizeof *set->drifts);
  int e = set->drifts ? changes(set, before) : error_nomem();
  if (e == 0)
    e = pictures(set, s, before);
  if (e == 0)
    e = formats(set, s, before);
  if (e == 0 && set->has_captions && before->has_captions)
    e = lengths(set, s, before);
  return e == 0 && set->has_captions && before->has_captions ? vocabulary(set, s, before) : e;
}
