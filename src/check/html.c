/* The page of `opis check`: the verdict, what was found, how the pictures are spread, and each kind of finding with its pictures. */
#include "check/report.h"

#include "image/thumbnail.h"
#include "util/error.h"
#include "util/file.h"
#include "util/html.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FIGURES = 24, MOST_GROUPS = 40, MOST_IN_GROUP = 8, MOST_LINES = 1000, MOST_NAMES = 200, STEPS = 24 };

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

/* ---- figures ---- */

static void picture(strbuf *b, const check_set *set, size_t i)
{
  char *whole = NULL;
  size_t before = b->n;
  if (i != SIZE_MAX && path_join(&whole, set->root, set->files[i].path) == 0) {
    strbuf_puts(b, "<img alt=\"");
    html_text(b, set->files[i].path);
    strbuf_puts(b, "\" src=\"");
    if (image_thumbnail(b, whole, 240) == 0) {
      strbuf_puts(b, "\">");
      free(whole);
      return;
    }
  }
  free(whole);
  if (b->s)
    b->s[b->n = before] = 0;
  strbuf_puts(b, "<div class=\"nothing\">no picture to show</div>");
}

static void name_and_words(strbuf *b, const char *path, const char *words)
{
  strbuf_puts(b, "<figcaption><span class=\"name\">");
  html_text(b, path);
  strbuf_puts(b, "</span>");
  if (words) {
    strbuf_puts(b, "<span class=\"note\">");
    html_text(b, words);
    strbuf_puts(b, "</span>");
  }
  strbuf_puts(b, "</figcaption></figure>\n");
}

static void figure(strbuf *b, const check_set *set, const char *path, const char *words)
{
  strbuf_puts(b, "<figure>");
  picture(b, set, file_of(set, path));
  name_and_words(b, path, words);
}

/* One of a group, with what tells it from the others: its measures. */
static void member(strbuf *b, const check_set *set, size_t i)
{
  const check_file *f = &set->files[i];
  char words[96];
  snprintf(words, sizeof words, "%d × %d, %.1f KB", f->facts.width, f->facts.height, (double)f->size / 1e3);
  strbuf_puts(b, "<figure>");
  picture(b, set, i);
  name_and_words(b, f->path, words);
}

/* ---- the top of the page ---- */

static void tile(strbuf *b, const char *what, double number, const char *class)
{
  strbuf_printf(b, "<div class=\"tile %s\"><b>%.0f</b><span>%s</span></div>", class, number, what);
}

static size_t not_accepted(const check_finding **f, size_t n)
{
  size_t open = 0;
  for (size_t i = 0; i < n; i++)
    open += !f[i]->accepted;
  return open;
}

static void found_rows(strbuf *b, const check_settings *s, const size_t open[CHECK_KEYS], bool fails)
{
  for (int k = 0; k < CHECK_KEYS; k++)
    if (open[k] && s->fails[k] == fails)
      strbuf_printf(b, "<a class=\"row %s\" href=\"#%s\"><b>%zu</b><span>%s<small>%s</small></span><code>%s</code></a>\n", fails ? "bad" : "", check_keys[k].name, open[k],
        check_keys[k].title, check_keys[k].about, check_keys[k].name);
}

static void summary(strbuf *b, const check_set *set, const check_settings *s, const check_finding **sorted, const size_t *first)
{
  size_t failures = check_failures(set, s), open[CHECK_KEYS] = {0}, all = 0, clean = 0, known = 0;
  for (int k = 0; k < CHECK_KEYS; k++) {
    open[k] = not_accepted(sorted + first[k], first[k + 1] - first[k]);
    all += open[k];
    known += first[k + 1] - first[k] - open[k];
    clean += set->checked[k] && !open[k];
  }
  strbuf_printf(b, "<p class=\"verdict %s\">", failures ? "bad" : "ok");
  if (failures)
    strbuf_printf(b, "%zu %s not be there: the check fails.", failures, failures == 1 ? "finding should" : "findings should");
  else
    strbuf_puts(b, all ? "The check passes; some things are worth a look." : "The check passes, and nothing was found.");
  strbuf_puts(b, "</p>\n<div class=\"tiles\">");
  tile(b, "pictures", (double)set->n, "");
  if (set->has_captions)
    tile(b, "captions", (double)set->captions.n, "");
  if (set->n_splits)
    tile(b, "splits", (double)set->n_splits, "");
  tile(b, "findings that fail", (double)failures, failures ? "bad" : "");
  tile(b, "other findings", (double)(all - failures), "");
  if (known)
    tile(b, "accepted by the baseline", (double)known, "");
  strbuf_puts(b, "</div>\n");
  if (all) {
    strbuf_puts(b, "<h2>Found</h2>\n<div class=\"rows\">\n");
    found_rows(b, s, open, true);
    found_rows(b, s, open, false);
    strbuf_puts(b, "</div>\n");
  }
  strbuf_printf(b, "<details class=\"clean\"><summary>%zu checks found nothing</summary><p>", clean);
  for (int k = 0; k < CHECK_KEYS; k++)
    if (set->checked[k] && !open[k])
      strbuf_printf(b, "<span class=\"chip\">%s</span> ", check_keys[k].title);
  strbuf_puts(b, "</p></details>\n");
}

/* ---- histograms ---- */

static void one_histogram(strbuf *b, const check_set *set, const char *title, double (*value)(const check_file *))
{
  double counts[STEPS] = {0}, low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < set->n; i++)
    if (set->files[i].facts.state == CHECK_READ) {
      low = fmin(low, value(&set->files[i]));
      high = fmax(high, value(&set->files[i]));
    }
  if (!isfinite(low))
    return;
  strbuf_printf(b, "<section class=\"card\"><h3>%s</h3>", title);
  if (high > low) {
    for (size_t i = 0; i < set->n; i++)
      if (set->files[i].facts.state == CHECK_READ)
        counts[(size_t)fmin((value(&set->files[i]) - low) / (high - low) * STEPS, STEPS - 1)]++;
    html_histogram(b, counts, NULL, STEPS, low, high);
  } else
    strbuf_printf(b, "<p class=\"note\">%.4g for all of them</p>", low);
  strbuf_puts(b, "</section>\n");
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

static void lengths(strbuf *b, const check_set *set)
{
  enum { LONGEST = 48 };
  double counts[LONGEST] = {0};
  size_t most = 1;
  for (size_t i = 0; i < set->captions.n; i++) {
    size_t words = set->caption_words[i].n < LONGEST ? set->caption_words[i].n : LONGEST - 1;
    counts[words]++;
    most = words > most ? words : most;
  }
  strbuf_puts(b, "<section class=\"card\"><h3>words a caption</h3>");
  html_histogram(b, counts, NULL, most + 1, 0, (double)most + 1);
  strbuf_puts(b, "</section>\n");
}

static void spread(strbuf *b, const check_set *set)
{
  strbuf_puts(b, "<h2>How they are spread</h2>\n<div class=\"cards\">\n");
  one_histogram(b, set, "size: root of width × height, in pixels", size_of);
  one_histogram(b, set, "width / height", ratio_of);
  one_histogram(b, set, "brightness, 0 to 1", brightness_of);
  one_histogram(b, set, "sharpness, 0 to 1", blur_of);
  if (set->captions.n)
    lengths(b, set);
  strbuf_puts(b, "</div>\n");
}

/* ---- against another state ---- */

static void names(strbuf *b, const char *title, char **paths, size_t n)
{
  if (!n)
    return;
  strbuf_printf(b, "<details><summary>%zu %s</summary><ul>\n", n, title);
  for (size_t i = 0; i < n && i < MOST_NAMES; i++) {
    strbuf_puts(b, "<li><code>");
    html_text(b, paths[i]);
    strbuf_puts(b, "</code></li>\n");
  }
  strbuf_puts(b, n > MOST_NAMES ? "<li>…</li></ul></details>\n" : "</ul></details>\n");
}

static void drift(strbuf *b, const check_set *set, const check_settings *s)
{
  strbuf_puts(b, "<h2 id=\"drift\">Against ");
  html_text(b, s->against);
  strbuf_puts(b, "</h2>\n<div class=\"tiles\">");
  tile(b, "added", (double)set->n_added, "");
  tile(b, "removed", (double)set->n_removed, "");
  tile(b, "changed", (double)set->n_changed, "");
  if (set->has_captions)
    tile(b, "captioned otherwise", (double)set->n_recaptioned, "");
  strbuf_puts(b, "</div>\n");
  names(b, "added", set->added, set->n_added);
  names(b, "removed", set->removed, set->n_removed);
  names(b, "changed", set->changed, set->n_changed);
  names(b, "captioned otherwise", set->recaptioned, set->n_recaptioned);
  strbuf_puts(b, "<p class=\"legend\"><i class=\"key bar\"></i>now <i class=\"key line\"></i>before</p>\n<div class=\"cards\">\n");
  for (size_t i = 0; i < set->n_drifts; i++) {
    const check_drift *d = &set->drifts[i];
    bool moved = d->p < 0.001 && d->psi >= s->threshold[KEY_DRIFT];
    strbuf_printf(b, "<section class=\"card%s\"><h3>", moved ? " moved" : "");
    for (const char *p = d->name; *p; p++)
      strbuf_putc(b, *p == '_' ? ' ' : *p);
    strbuf_puts(b, "</h3>");
    if (d->n_counts)
      html_histogram(b, d->counts, d->others, d->n_counts, d->low, d->high);
    strbuf_puts(b, "<p class=\"note\">");
    html_text(b, d->words);
    strbuf_puts(b, "</p></section>\n");
  }
  strbuf_puts(b, "</div>\n");
}

/* ---- one kind of finding ---- */

static bool group_is_open(const check_set *set, const check_group *g, const check_finding **f, size_t n)
{
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; !f[i]->accepted && k < g->n; k++)
      if (file_of(set, f[i]->path) == g->members[k])
        return true;
  return false;
}

static void groups(strbuf *b, const check_set *set, const check_groups *g, const check_finding **f, size_t n)
{
  size_t shown = 0;
  for (size_t i = 0; i < g->n && shown < MOST_GROUPS; i++) {
    if (!group_is_open(set, &g->items[i], f, n))
      continue;
    strbuf_puts(b, "<div class=\"group\">\n");
    for (size_t k = 0; k < g->items[i].n && k < MOST_IN_GROUP; k++)
      member(b, set, g->items[i].members[k]);
    if (g->items[i].n > MOST_IN_GROUP)
      strbuf_printf(b, "<p class=\"note\">and %zu more</p>", g->items[i].n - MOST_IN_GROUP);
    strbuf_puts(b, "</div>\n");
    shown++;
  }
  if (g->n > shown && shown == MOST_GROUPS)
    strbuf_printf(b, "<p class=\"note\">and %zu more groups</p>\n", g->n - shown);
}

static void lines(strbuf *b, const check_finding **f, size_t n, size_t open)
{
  size_t told = 0;
  strbuf_printf(b, "<details><summary>all %zu in words</summary><ul>\n", open);
  for (size_t i = 0; i < n && told < MOST_LINES; i++)
    if (!f[i]->accepted) {
      strbuf_puts(b, "<li><code>");
      html_text(b, f[i]->path);
      strbuf_puts(b, "</code> ");
      html_text(b, f[i]->message);
      strbuf_puts(b, "</li>\n");
      told++;
    }
  strbuf_puts(b, open > told ? "<li>…</li></ul></details>\n" : "</ul></details>\n");
}

static bool has_pictures(const check_set *set, const check_finding **f, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (file_of(set, f[i]->path) != SIZE_MAX)
      return true;
  return false;
}

static void one_check(strbuf *b, const check_set *set, const check_settings *s, int k, const check_finding **f, size_t n)
{
  size_t open = not_accepted(f, n), shown = 0;
  if (!open || k == KEY_DRIFT)
    return;
  strbuf_printf(b, "<h2 id=\"%s\">%s <span class=\"count%s\">%zu</span></h2><p class=\"note\">%s</p>\n", check_keys[k].name, check_keys[k].title, s->fails[k] ? " bad" : "", open,
    check_keys[k].about);
  if (k >= KEY_EXACT_DUPLICATES && k <= KEY_SIMILAR)
    groups(b, set, &set->groups[k - KEY_EXACT_DUPLICATES], f, n);
  else if (has_pictures(set, f, n)) {
    strbuf_puts(b, "<div class=\"grid\">\n");
    for (size_t i = 0; i < n && shown < MOST_FIGURES; i++)
      if (!f[i]->accepted) {
        figure(b, set, f[i]->path, f[i]->message);
        shown++;
      }
    strbuf_puts(b, "</div>\n");
  }
  if (open > shown)
    lines(b, f, n, open);
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
  if (set->n)
    spread(b, set);
  for (int fails = 1; fails >= 0; fails--)
    for (int k = 0; k < CHECK_KEYS; k++)
      if (set->checked[k] && s->fails[k] == fails)
        one_check(b, set, s, k, sorted + first[k], first[k + 1] - first[k]);
  html_end(b);
  free(sorted);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}
