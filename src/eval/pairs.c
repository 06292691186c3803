/* Which prediction belongs to which references. */
#include "eval/eval.h"

#include "util/error.h"
#include "util/strbuf.h"
#include <stdlib.h>
#include <string.h>

/* A sorted index from names to numbers. */
typedef struct named {
  const char *name;
  size_t i;
} named;

static int by_name(const void *a, const void *b)
{
  const named *x = a, *y = b;
  int c = strcmp(x->name, y->name);
  return c ? c : (x->i > y->i) - (x->i < y->i);
}

/* The first entry of that name; *several: there are more. NULL: none. */
static const named *look_up(const named *index, size_t n, const char *name, bool *several)
{
  size_t low = 0, high = n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(index[middle].name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == n || strcmp(index[low].name, name) != 0)
    return NULL;
  *several = low + 1 < n && strcmp(index[low + 1].name, name) == 0;
  return &index[low];
}

int eval_references_make(eval_references *r, const captions *c, const char *name)
{
  *r = (eval_references){0};
  if (!c->n)
    return error_set(OPIS_EFORMAT, "%s: no captions in it", name);
  named *index = calloc(c->n, sizeof *index);
  size_t *picture_of = calloc(c->n, sizeof *picture_of), n = 0;
  r->pictures = calloc(c->n, sizeof *r->pictures);
  r->ids = calloc(c->n, sizeof *r->ids);
  r->first = calloc(c->n + 2, sizeof *r->first);
  r->texts = calloc(c->n, sizeof *r->texts);
  if (!index || !picture_of || !r->pictures || !r->ids || !r->first || !r->texts) {
    free(index);
    free(picture_of);
    eval_references_free(r);
    return error_nomem();
  }
  for (size_t i = 0; i < c->n; i++)
    index[i] = (named){c->items[i].picture, i};
  qsort(index, c->n, sizeof *index, by_name);
  /* The first caption of each picture leads its group; groups are numbered in the order of the file. */
  for (size_t i = 0, leader = 0; i < c->n; i++) {
    if (i == 0 || strcmp(index[i].name, index[i - 1].name) != 0)
      leader = index[i].i;
    picture_of[index[i].i] = leader;
  }
  size_t *number = calloc(c->n, sizeof *number);
  if (number) {
    for (size_t i = 0; i < c->n; i++) {
      if (picture_of[i] == i) {
        r->pictures[n] = c->items[i].picture;
        r->ids[n] = c->items[i].id;
        number[i] = n++;
      }
      r->first[number[picture_of[i]] + 2]++;
    }
    for (size_t i = 2; i <= n + 1; i++)
      r->first[i] += r->first[i - 1];
    for (size_t i = 0; i < c->n; i++)
      r->texts[r->first[number[picture_of[i]] + 1]++] = (ptb_text){c->items[i].text, c->items[i].length};
    r->n = n;
  }
  free(index);
  free(picture_of);
  if (!number) {
    eval_references_free(r);
    return error_nomem();
  }
  free(number);
  return 0;
}

void eval_references_free(eval_references *r)
{
  free(r->pictures);
  free(r->ids);
  free(r->first);
  free(r->texts);
  *r = (eval_references){0};
}

typedef struct indexes {
  named *path, *id, *base; /* of the references */
  size_t n, n_id;
} indexes;

static int make_indexes(indexes *x, const eval_references *r)
{
  *x = (indexes){calloc(r->n, sizeof *x->path), calloc(r->n, sizeof *x->id), calloc(r->n, sizeof *x->base), r->n, 0};
  if (!x->path || !x->id || !x->base)
    return error_nomem();
  for (size_t i = 0; i < r->n; i++) {
    x->path[i] = (named){r->pictures[i], i};
    x->base[i] = (named){caption_base_name(r->pictures[i]), i};
    if (r->ids[i])
      x->id[x->n_id++] = (named){r->ids[i], i};
  }
  qsort(x->path, x->n, sizeof *x->path, by_name);
  qsort(x->base, x->n, sizeof *x->base, by_name);
  qsort(x->id, x->n_id, sizeof *x->id, by_name);
  return 0;
}

static void free_indexes(indexes *x)
{
  free(x->path);
  free(x->id);
  free(x->base);
}

/* The picture that a prediction is about; r->n: none. *exact: by path or number, which counts more than a file name. */
static size_t find(const indexes *x, const char *picture, bool *exact)
{
  bool several = false;
  const named *found = look_up(x->path, x->n, picture, &several);
  if (!found)
    found = look_up(x->id, x->n_id, picture, &several);
  *exact = found != NULL;
  if (!found) {
    found = look_up(x->base, x->n, caption_base_name(picture), &several);
    if (several)
      found = NULL;
  }
  return found ? found->i : x->n;
}

static int missing(const ptb_text *texts, const eval_references *r, const char *name)
{
  strbuf words = STRBUF_INIT;
  size_t n = 0;
  for (size_t i = 0; i < r->n; i++)
    if (!texts[i].text && n++ < 3)
      strbuf_printf(&words, "%s%.200s", n > 1 ? ", " : "", r->pictures[i]);
  int e = 0;
  if (n)
    e = error_set(OPIS_ENOTFOUND, "%s: no prediction for %zu of %zu pictures: %s%s; describe them, or take them out of the references", name, n, r->n, words.s ? words.s : "",
      n > 3 ? ", ..." : "");
  strbuf_free(&words);
  return e;
}

int eval_match(ptb_text **texts, size_t *unused, const eval_references *r, const captions *predictions, const char *name)
{
  indexes x;
  ptb_text *t = calloc(r->n, sizeof *t);
  bool *sure = calloc(r->n, sizeof *sure);
  int e = make_indexes(&x, r);
  if (!t || !sure)
    e = error_nomem();
  *unused = 0;
  /* First those that name their picture outright, then those that only share its file name. */
  for (int pass = 0; e == 0 && pass < 2; pass++)
    for (size_t i = 0; e == 0 && i < predictions->n; i++) {
      const caption *c = &predictions->items[i];
      bool exact;
      size_t k = find(&x, c->picture, &exact);
      if (k == r->n)
        *unused += pass == 0;
      else if (exact != (pass == 0))
        continue;
      else if (!t[k].text) {
        t[k] = (ptb_text){c->text, c->length};
        sure[k] = exact;
      } else if (sure[k] == exact)
        e = error_set(OPIS_EFORMAT, "%s: line %llu: a second prediction for %s; each picture has one", name, (unsigned long long)c->line, r->pictures[k]);
      else
        ++*unused;
    }
  if (e == 0)
    e = missing(t, r, name);
  free_indexes(&x);
  free(sure);
  *texts = e == 0 ? t : NULL;
  if (e < 0)
    free(t);
  return e;
}
