/* What a description tells. */
#include "engine/engine.h"

#include <math.h>
#include <stdlib.h>

void opis_description_free(opis_description *d)
{
  if (!d)
    return;
  for (size_t i = 0; i < d->n; i++) {
    struct description_candidate *c = &d->candidates[i];
    for (size_t t = 0; c->token_texts && t < c->n_tokens; t++)
      free(c->token_texts[t]);
    free(c->token_texts);
    free(c->attention);
    free(c->tokens);
    free(c->text);
  }
  free(d->candidates);
  free(d);
}

const char *opis_description_text(const opis_description *d)
{
  return opis_description_candidate_text(d, 0);
}

size_t opis_description_candidates(const opis_description *d)
{
  return d->n;
}

const char *opis_description_candidate_text(const opis_description *d, size_t i)
{
  return i < d->n ? d->candidates[i].text : "";
}

double opis_description_candidate_score(const opis_description *d, size_t i)
{
  return i < d->n ? d->candidates[i].score : NAN;
}

const int32_t *opis_description_candidate_tokens(const opis_description *d, size_t i, size_t *n)
{
  *n = i < d->n ? d->candidates[i].n_tokens : 0;
  return i < d->n ? d->candidates[i].tokens : NULL;
}

const char *opis_description_token_text(const opis_description *d, size_t i, size_t token)
{
  return i < d->n && d->candidates[i].token_texts && token < d->candidates[i].n_tokens ? d->candidates[i].token_texts[token] : "";
}

const float *opis_description_attention(const opis_description *d, size_t i, size_t token, int *grid_width, int *grid_height)
{
  *grid_width = d->columns;
  *grid_height = d->rows;
  if (i >= d->n || !d->candidates[i].attention || token >= d->candidates[i].n_tokens)
    return NULL;
  const float *a = d->candidates[i].attention + token * (size_t)d->rows * (size_t)d->columns;
  return *a < 0 ? NULL : a;
}

int opis_description_width(const opis_description *d)
{
  return d->width;
}

int opis_description_height(const opis_description *d)
{
  return d->height;
}

opis_timing opis_description_timing(const opis_description *d)
{
  return d->timing;
}
