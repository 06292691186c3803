/* The page of `opis check`. */
#include "check/report.h"

#include "image/thumbnail.h"
#include "util/error.h"
#include "util/file.h"
#include "util/html.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FIGURES = 24, MOST_GROUPS = 40, MOST_IN_GROUP = 8, MOST_LINES = 1000, STEPS = 24 };

/* The picture that a finding is about: "a.jpg", or "a.jpg#2" of a caption. SIZE_MAX: none of the folder. */
static size_t file_of(const check_set *set, const char *path)
{
  size_t i = check_file_find(set, path);
  const char *sharp = strrchr(path, '#');
  char *alone = i == SIZE_MAX && sharp ? strndup(path, (size_t)(sharp - path)) : NULL;
  if (alone)
    i = check_file_find(set, alone);
  free(alone);
  return i;
}

static void picture(strbuf *b, const check_set *set, const char *path)
{
  char *whole;
  size_t before = b->n, i = file_of(set, path);
  if (i == SIZE_MAX || path_join(&whole, set->root, set->files[i].path) < 0)
    return;
  strbuf_puts(b, "<img alt=\"\" src=\"");
  int e = image_thumbnail(b, whole, 200);
  free(whole);
  if (e == 0)
    strbuf_puts(b, "\">");
  else if (b->s)
    b->s[b->n = before] = 0;
}

static void figure(strbuf *b, const check_set *set, const char *path, const char *words)
{
  strbuf_puts(b, "<figure>");
  picture(b, set, path);
  strbuf_puts(b, "<figcaption>");
  html_text(b, path);
  if (words) {
    strbuf_puts(b, "<br><span class=\"note\">");
    html_text(b, words);
    strbuf_puts(b, "</span>");
  }
  strbuf_puts(b, "</figcaption></figure>\n");
}

static void summary(strbuf *b, const check_set *set, const check_settings *s, const check_finding **sorted, const size_t *first)
{
  size_t failures = check_failures(set, s);
  strbuf_printf(b, "<p>%zu pictures", set->n);
  if (set->has_captions)
    strbuf_printf(b, ", %zu captions", set->captions.n);
  strbuf_printf(b, ". <b class=\"%s\">%zu findings make the data unusable.</b></p>\n<table><tr><th class=\"n\">found</th><th>check</th><th></th><th></th></tr>\n",
    failures ? "bad" : "ok", failures);
  for (int k = 0; k < CHECK_KEYS; k++) {
    if (!set->checked[k])
      continue;
    size_t open = 0;
    for (size_t i = first[k]; i < first[k + 1]; i++)
      open += !sorted[i]->accepted;
    strbuf_printf(b, "<tr><td class=\"n\">%zu</td><td>", open);
    if (open)
      strbuf_printf(b, "<a href=\"#%s\">%s</a>", check_keys[k].name, check_keys[k].title);
    else
      strbuf_puts(b, check_keys[k].title);
    strbuf_printf(b, "</td><td><code>%s</code></td><td class=\"%s\">%s</td></tr>\n", check_keys[k].name, open && s->fails[k] ? "bad" : "note",
      open && s->fails[k] ? "fails"
        : open            ? ""
                          : "✓");
  }
  strbuf_puts(b, "</table>\n");
}

static void one_histogram(strbuf *b, const check_set *set, const char *title, double (*value)(const check_file *))
{
  double counts[STEPS] = {0}, low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < set->n; i++)
    if (set->files[i].facts.state == CHECK_READ) {
      low = fmin(low, value(&set->files[i]));
      high = fmax(high, value(&set->files[i]));
    }
  if (!(high > low))
    return;
  for (size_t i = 0; i < set->n; i++)
    if (set->files[i].facts.state == CHECK_READ)
      counts[(int)fmin((value(&set->files[i]) - low) / (high - low) * STEPS, STEPS - 1)]++;
  strbuf_printf(b, "<p>%s</p>", title);
  html_histogram(b, counts, NULL, STEPS, low, high);
}

static double size_of(const check_file *f)
{
  return sqrt(f->facts.width) * sqrt(f->facts.height);
}

static double brightness_of(const check_file *f)
{
  return f->facts.brightness;
}

static double blur_of(const check_file *f)
{
  return f->facts.blurry;
}

static double ratio_of(const check_file *f)
{
  return (double)f->facts.width / f->facts.height;
}

static void drift(strbuf *b, const check_set *set, const check_settings *s)
{
  strbuf_puts(b, "<h2>Against ");
  html_text(b, s->against);
  strbuf_printf(
    b, "</h2><p>%zu added, %zu removed, %zu changed, %zu captioned otherwise. Bars: now; line: before.</p>\n", set->n_added, set->n_removed, set->n_changed, set->n_recaptioned);
  for (size_t i = 0; i < set->n_drifts; i++) {
    const check_drift *d = &set->drifts[i];
    strbuf_printf(b, "<p><b>%s</b>: ", d->name);
    html_text(b, d->words);
    strbuf_puts(b, "</p>\n");
    if (d->n_counts)
      html_histogram(b, d->counts, d->others, d->n_counts, d->low, d->high);
  }
}

static void groups(strbuf *b, const check_set *set, const check_groups *g)
{
  for (size_t i = 0; i < g->n && i < MOST_GROUPS; i++) {
    strbuf_puts(b, "<div class=\"group\">\n");
    for (size_t k = 0; k < g->items[i].n && k < MOST_IN_GROUP; k++)
      figure(b, set, set->files[g->items[i].members[k]].path, NULL);
    if (g->items[i].n > MOST_IN_GROUP)
      strbuf_printf(b, "<p>and %zu more</p>", g->items[i].n - MOST_IN_GROUP);
    strbuf_puts(b, "</div>\n");
  }
  if (g->n > MOST_GROUPS)
    strbuf_printf(b, "<p>and %zu more groups</p>\n", g->n - MOST_GROUPS);
}

static void lines(strbuf *b, const check_finding **f, size_t n)
{
  size_t told = 0;
  strbuf_puts(b, "<details><summary>all of them, in words</summary><ul>\n");
  for (size_t i = 0; i < n && told < MOST_LINES; i++)
    if (!f[i]->accepted) {
      strbuf_puts(b, "<li><code>");
      html_text(b, f[i]->path);
      strbuf_puts(b, "</code> ");
      html_text(b, f[i]->message);
      strbuf_puts(b, "</li>\n");
      told++;
    }
  strbuf_puts(b, "</ul></details>\n");
}

static void one_check(strbuf *b, const check_set *set, int k, const check_finding **f, size_t n)
{
  size_t open = 0, shown = 0;
  for (size_t i = 0; i < n; i++)
    open += !f[i]->accepted;
  if (!open)
    return;
  strbuf_printf(b, "<h2 id=\"%s\">%s <span class=\"note\">%zu · %s</span></h2><p>%s</p>\n", check_keys[k].name, check_keys[k].title, open, check_keys[k].name, check_keys[k].about);
  if (k >= KEY_EXACT_DUPLICATES && k <= KEY_SIMILAR)
    groups(b, set, &set->groups[k - KEY_EXACT_DUPLICATES]);
  else {
    strbuf_puts(b, "<div class=\"grid\">\n");
    for (size_t i = 0; i < n && shown < MOST_FIGURES; i++) {
      if (f[i]->accepted)
        continue;
      figure(b, set, f[i]->path, f[i]->message);
      shown++;
    }
    strbuf_puts(b, "</div>\n");
  }
  lines(b, f, n);
}

int check_report_html(strbuf *b, const check_set *set, const check_settings *s)
{
  size_t first[CHECK_KEYS + 1];
  const check_finding **sorted = check_sorted(set, first);
  if (!sorted)
    return error_nomem();
  strbuf title = STRBUF_INIT;
  strbuf_printf(&title, "Check of %s", set->root);
  html_begin(b, title.s ? title.s : "Check");
  strbuf_free(&title);
  summary(b, set, s, sorted, first);
  if (set->compared)
    drift(b, set, s);
  strbuf_puts(b, "<h2>The pictures</h2>\n");
  one_histogram(b, set, "size: root of width × height", size_of);
  one_histogram(b, set, "width / height", ratio_of);
  one_histogram(b, set, "brightness", brightness_of);
  one_histogram(b, set, "sharpness", blur_of);
  for (int k = 0; k < CHECK_KEYS; k++)
    if (set->checked[k])
      one_check(b, set, k, sorted + first[k], first[k + 1] - first[k]);
  html_end(b);
  free(sorted);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}
