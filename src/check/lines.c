/* The caption file, joined to the pictures. */
#include "check/match.h"
#include "check/text.h"

#include "util/error.h"
#include <stdlib.h>
#include <string.h>

typedef struct place {
  size_t file;
  const char *name;
  uint32_t i;
} place;

static int by_picture(const void *a, const void *b)
{
  const place *x = a, *y = b;
  if (x->file != y->file)
    return x->file < y->file ? -1 : 1;
  int c = x->file == SIZE_MAX ? strcmp(x->name, y->name) : 0;
  return c ? c : (x->i > y->i) - (x->i < y->i);
}

/* Captions are numbered within their picture, from 0, as Flickr8k's token files do. */
static int number(check_set *set)
{
  size_t n = set->captions.n;
  place *places = calloc(n + 1, sizeof *places);
  if (!places)
    return error_nomem();
  for (size_t i = 0; i < n; i++)
    places[i] = (place){set->caption_file[i], set->captions.items[i].picture, (uint32_t)i};
  qsort(places, n, sizeof *places, by_picture);
  for (size_t i = 1; i < n; i++) {
    const place *x = &places[i], *y = &places[i - 1];
    bool same = x->file == y->file && (x->file != SIZE_MAX || strcmp(x->name, y->name) == 0);
    set->caption_number[x->i] = same ? set->caption_number[y->i] + 1 : 0;
  }
  free(places);
  return 0;
}

static int join(check_set *set, const char *file)
{
  check_match m;
  size_t n = set->captions.n;
  set->has_captions = true;
  if (n >= UINT32_MAX)
    return error_set(OPIS_ELIMIT, "%s: more than 2^32 captions", file);
  set->caption_file = calloc(n + 1, sizeof *set->caption_file);
  set->caption_number = calloc(n + 1, sizeof *set->caption_number);
  set->caption_words = calloc(n + 1, sizeof *set->caption_words);
  if (!set->caption_file || !set->caption_number || !set->caption_words)
    return error_nomem();
  int e = check_match_make(&m, set);
  if (e < 0)
    return e;
  for (size_t i = 0; e == 0 && i < n; i++) {
    const caption *c = &set->captions.items[i];
    check_words *w = &set->caption_words[i];
    bool several;
    set->caption_file[i] = i && c->picture == c[-1].picture ? set->caption_file[i - 1] : check_match_find(&m, c->picture, &several);
    w->text = text_folded(&set->memory, c->text, c->length, false, &w->length);
    if (!w->text)
      e = OPIS_ENOMEM;
    else
      w->n = text_words(w->text, w->length);
  }
  check_match_free(&m);
  return e < 0 ? e : number(set);
}

int check_read_captions(check_set *set, const char *file)
{
  int e = captions_read(&set->captions, file, CAPTIONS_AUTO);
  return e < 0 ? e : join(set, file);
}

int check_take_captions(check_set *set, const void *bytes, size_t size, const char *name)
{
  int e = captions_read_memory(&set->captions, bytes, size, name, CAPTIONS_AUTO);
  return e < 0 ? e : join(set, name);
}
