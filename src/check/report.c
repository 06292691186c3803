/* What `opis check` says: text with a summary first, JSON for programs, JUnit XML for build servers. */
#include "check/report.h"

#include "util/error.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10 }; /* findings of a kind in the text */

static int by_key(const void *a, const void *b)
{
  const check_finding *const *x = a, *const *y = b;
  if ((*x)->key != (*y)->key)
    return (*x)->key - (*y)->key;
  return *x < *y ? -1 : *x > *y;
}

const check_finding **check_sorted(const check_set *set, size_t first[CHECK_KEYS + 1])
{
  const check_finding **sorted = calloc(set->n_findings + 1, sizeof *sorted);
  memset(first, 0, (CHECK_KEYS + 1) * sizeof *first);
  for (size_t i = 0; sorted && i < set->n_findings; i++) {
    sorted[i] = &set->findings[i];
    first[set->findings[i].key + 1]++;
  }
  if (sorted)
    qsort(sorted, set->n_findings, sizeof *sorted, by_key);
  for (int k = 0; k < CHECK_KEYS; k++)
    first[k + 1] += first[k];
  return sorted;
}

static size_t accepted(const check_finding **f, size_t n)
{
  size_t count = 0;
  for (size_t i = 0; i < n; i++)
    count += f[i]->accepted;
  return count;
}

static void summary(strbuf *b, const check_set *set, const check_settings *s, const check_finding **sorted, const size_t *first)
{
  uint64_t bytes = 0;
  for (size_t i = 0; i < set->n; i++)
    bytes += set->files[i].size;
  strbuf_printf(b, "%s: %zu pictures, %.1f MB", set->root, set->n, (double)bytes / 1e6);
  if (set->has_captions)
    strbuf_printf(b, ", %zu captions", set->captions.n);
  if (set->n_splits)
    strbuf_printf(b, ", %zu splits", set->n_splits);
  if (set->others)
    strbuf_printf(b, "; %zu other files", set->others);
  strbuf_putc(b, '\n');
  if (set->compared)
    strbuf_printf(b, "against %s: %zu added, %zu removed, %zu changed, %zu captioned otherwise\n", s->against, set->n_added, set->n_removed, set->n_changed, set->n_recaptioned);
  size_t failures = check_failures(set, s);
  if (!set->n_findings)
    strbuf_puts(b, "nothing found\n");
  for (int k = 0; k < CHECK_KEYS; k++) {
    size_t n = first[k + 1] - first[k], known = accepted(sorted + first[k], n);
    if (!n)
      continue;
    strbuf_printf(b, "%8zu  %-20s %s%s", n - known, check_keys[k].name, check_keys[k].title, s->fails[k] && n > known ? "  (fails)" : "");
    if (known)
      strbuf_printf(b, "  (%zu more accepted)", known);
    strbuf_putc(b, '\n');
  }
  if (failures)
    strbuf_printf(b, "%zu findings make the data unusable\n", failures);
}

int check_report_text(strbuf *b, const check_set *set, const check_settings *s)
{
  size_t first[CHECK_KEYS + 1];
  const check_finding **sorted = check_sorted(set, first);
  if (!sorted)
    return error_nomem();
  summary(b, set, s, sorted, first);
  for (size_t i = 0; i < set->n_drifts; i++)
    strbuf_printf(b, "%s%s: %s\n", i ? "" : "\n", set->drifts[i].name, set->drifts[i].words);
  for (int k = 0; k < CHECK_KEYS; k++) {
    size_t shown = 0, n = 0;
    for (size_t i = first[k]; i < first[k + 1]; i++) {
      const check_finding *f = sorted[i];
      if (f->accepted)
        continue;
      if (n++ == 0)
        strbuf_printf(b, "\n%s (%s: %s)\n", check_keys[k].title, check_keys[k].name, check_keys[k].about);
      if (shown < SHOWN) {
        strbuf_printf(b, "  %s%s%s\n", f->path, *f->path ? ": " : "", f->message);
        shown++;
      }
    }
    if (n > shown)
      strbuf_printf(b, "  ... and %zu more; --report json=FILE or html=FILE has all\n", n - shown);
  }
  free(sorted);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}

/* ---- JSON ---- */

static json_t *number(double v)
{
  return isnan(v) ? json_null() : json_real(v);
}

static json_t *pictures_json(check_set *set, const check_settings *s)
{
  json_t *o = json_object();
  for (size_t i = 0; i < set->n; i++) {
    const check_file *f = &set->files[i];
    json_t *keys = json_object();
    if (f->facts.state == CHECK_READ)
      for (int k = 0; k < CHECK_SCORES; k++) {
        double score;
        if (s->off[k])
          continue;
        bool flagged = check_flagged(s, f, k, &score);
        json_object_set_new(keys, check_keys[k].name, json_pack("{s:f, s:b}", "score", score, "flagged", flagged));
      }
    json_object_set_new(o, check_shown(set, f->path), keys);
  }
  return o;
}

static json_t *groups_json(check_set *set)
{
  static const int keys[3] = {KEY_EXACT_DUPLICATES, KEY_NEAR_DUPLICATES, KEY_SIMILAR};
  json_t *o = json_object();
  for (int k = 0; k < 3; k++) {
    json_t *list = json_array();
    for (size_t i = 0; i < set->groups[k].n; i++) {
      json_t *group = json_array();
      for (size_t m = 0; m < set->groups[k].items[i].n; m++)
        json_array_append_new(group, json_string(check_shown(set, set->files[set->groups[k].items[i].members[m]].path)));
      json_array_append_new(list, group);
    }
    if (set->checked[keys[k]])
      json_object_set(o, check_keys[keys[k]].name, list);
    json_decref(list);
  }
  return o;
}

static json_t *strings_json(check_set *set, char **strings, size_t n)
{
  json_t *list = json_array();
  for (size_t i = 0; i < n; i++)
    json_array_append_new(list, json_string(check_shown(set, strings[i])));
  return list;
}

static json_t *drift_json(const check_set *set)
{
  json_t *o = json_object();
  for (size_t i = 0; i < set->n_drifts; i++) {
    const check_drift *d = &set->drifts[i];
    json_t *one = json_object();
    json_object_set_new(one, "ks", number(d->ks));
    json_object_set_new(one, "p", number(d->p));
    json_object_set_new(one, "psi", number(d->psi));
    json_object_set_new(one, "mean", number(d->mean));
    json_object_set_new(one, "mean_before", number(d->other_mean));
    json_object_set_new(one, "words", json_string(d->words));
    json_object_set_new(o, d->name, one);
  }
  return o;
}

int check_report_json(strbuf *b, const check_set *given, const check_settings *s)
{
  check_set *set = (check_set *)(uintptr_t)given; /* shown names are kept in its arena */
  json_t *o = json_object(), *findings = json_array(), *counts = json_object();
  size_t count[CHECK_KEYS] = {0};
  for (size_t i = 0; i < set->n_findings; i++) {
    const check_finding *f = &set->findings[i];
    count[f->key] += !f->accepted;
    json_t *one = json_pack("{s:s, s:s, s:s}", "key", check_keys[f->key].name, "path", f->path, "message", f->message);
    if (f->accepted)
      json_object_set_new(one, "accepted", json_true());
    json_array_append_new(findings, one);
  }
  for (int k = 0; k < CHECK_KEYS; k++)
    if (set->checked[k])
      json_object_set_new(counts, check_keys[k].name, json_integer((json_int_t)count[k]));
  json_object_set_new(o, "root", json_string(check_shown(set, set->root)));
  json_object_set_new(o, "summary", counts);
  json_object_set_new(o, "failures", json_integer((json_int_t)check_failures(set, s)));
  json_object_set_new(o, "findings", findings);
  json_object_set_new(o, "groups", groups_json(set));
  if (set->compared) {
    json_t *changes = json_object();
    json_object_set_new(changes, "added", strings_json(set, set->added, set->n_added));
    json_object_set_new(changes, "removed", strings_json(set, set->removed, set->n_removed));
    json_object_set_new(changes, "changed", strings_json(set, set->changed, set->n_changed));
    json_object_set_new(changes, "recaptioned", strings_json(set, set->recaptioned, set->n_recaptioned));
    json_object_set_new(o, "changes", changes);
    json_object_set_new(o, "drift", drift_json(set));
  }
  json_object_set_new(o, "pictures", pictures_json(set, s));
  char *text = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
  json_decref(o);
  if (!text)
    return error_nomem();
  strbuf_puts(b, text);
  strbuf_putc(b, '\n');
  free(text);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}
