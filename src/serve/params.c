/* Reading the parameters of a description. */
#include "serve/params.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(params, member)

const param_entry param_table[] = {
  {"model", PARAM_STRING, AT(model), 0, 256, "A model of /v1/models; without it the first one"},
  {"beams", PARAM_INT, AT(options.beams), 1, 64, "Width of the beam search; 1 is greedy search"},
  {"max_length", PARAM_INT, AT(options.max_length), 2, 1024, "Longest row of tokens, start and prompt included"},
  {"min_length", PARAM_INT, AT(options.min_length), 0, 1024, "Shortest row of tokens"},
  {"length_penalty", PARAM_NUMBER, AT(options.length_penalty), -100, 100, "Above 0 favours longer texts among the beams, below 0 shorter ones"},
  {"early_stopping", PARAM_EARLY_STOPPING, AT(options.early_stopping), 0, 0, "When a beam search stops: true, false or never, as in Transformers"},
  {"no_repeat_ngram", PARAM_INT, AT(options.no_repeat_ngram), 0, 1024, "No group of this many tokens comes twice; 0 switches it off"},
  {"repetition_penalty", PARAM_NUMBER, AT(options.repetition_penalty), 0.001, 100, "Above 1 makes tokens that were there already less likely"},
  {"candidates", PARAM_INT, AT(options.candidates), 1, 64, "How many texts to return, at most as many as beams"},
  {"prompt", PARAM_STRING, AT(prompt), 0, 4096, "The beginning of the text, for models that take one"},
  {"no_orient", PARAM_BOOL, AT(options.image.no_orient), 0, 0, "Leave the picture as it is stored instead of turning it upright by its EXIF orientation"},
  {"attention", PARAM_BOOL, AT(options.attention), 0, 0, "Add where the model looked for each token"},
  {"stream", PARAM_BOOL, AT(stream), 0, 0, "Answer with server-sent events while the text is made"},
  {0},
};

void params_init(params *p)
{
  *p = (params){.options = OPIS_OPTIONS_INIT};
}

void params_free(params *p)
{
  free(p->model);
  free(p->prompt);
  p->model = p->prompt = NULL;
  p->options.prompt = NULL;
}

static int wrong(const param_entry *e, const char *value, const char *why)
{
  return error_set(OPIS_EINVALID, "%s: '%.64s' %s", e->name, value, why);
}

static int set_number(params *p, const param_entry *e, const char *value)
{
  char *end, why[96];
  void *at = (char *)p + e->offset;
  if (!((value[0] >= '0' && value[0] <= '9') || (value[0] == '-' && ((value[1] >= '0' && value[1] <= '9')))))
    return wrong(e, value, e->type == PARAM_INT ? "is no whole number" : "is no number");
  double v = strtod(value, &end);
  if (*end || !isfinite(v) || strpbrk(value, "xX") || (e->type == PARAM_INT && (v != floor(v) || strpbrk(value, ".eE"))))
    return wrong(e, value, e->type == PARAM_INT ? "is no whole number" : "is no number");
  if (v < e->min || v > e->max) {
    snprintf(why, sizeof why, "is outside %g..%g", e->min, e->max);
    return wrong(e, value, why);
  }
  if (e->type == PARAM_INT)
    *(int *)at = (int)v;
  else
    *(double *)at = v;
  return 0;
}

static int set_string(params *p, const param_entry *e, const char *value, size_t n)
{
  char **at = (char **)((char *)p + e->offset);
  if (strlen(value) != n || !utf8_valid(value, n))
    return error_set(OPIS_EINVALID, "%s: is not UTF-8 text", e->name);
  if ((double)n > e->max)
    return error_set(OPIS_EINVALID, "%s: longer than %g bytes", e->name, e->max);
  free(*at);
  if (!(*at = strdup(value)))
    return error_nomem();
  p->options.prompt = p->prompt && *p->prompt ? p->prompt : NULL;
  return 0;
}

static int set_entry(params *p, const param_entry *e, const char *value, size_t n)
{
  bool is_true = strcmp(value, "true") == 0 || strcmp(value, "1") == 0, is_false = strcmp(value, "false") == 0 || strcmp(value, "0") == 0;
  if (e->type != PARAM_STRING && strlen(value) != n)
    return error_set(OPIS_EINVALID, "%s: a NUL byte in its value", e->name);
  switch (e->type) {
  case PARAM_INT:
  case PARAM_NUMBER: return set_number(p, e, value);
  case PARAM_STRING: return set_string(p, e, value, n);
  case PARAM_EARLY_STOPPING:
    if (is_true || is_false)
      p->options.early_stopping = is_true ? OPIS_EARLY_STOPPING_TRUE : OPIS_EARLY_STOPPING_FALSE;
    else if (strcmp(value, "never") == 0)
      p->options.early_stopping = OPIS_EARLY_STOPPING_NEVER;
    else
      return wrong(e, value, "is none of true, false, never");
    return 0;
  case PARAM_BOOL:
    if (!is_true && !is_false)
      return wrong(e, value, "is neither true nor false");
    if (e->offset == AT(stream))
      p->stream = is_true;
    else
      *(int *)((char *)p + e->offset) = is_true;
    return 0;
  }
  return OPIS_EINTERNAL;
}

int params_set(params *p, const char *name, const char *value, size_t n)
{
  for (unsigned i = 0; param_table[i].name; i++) {
    if (strcmp(param_table[i].name, name) != 0)
      continue;
    if (p->given & (1u << i))
      return error_set(OPIS_EINVALID, "%s: given twice", name);
    p->given |= 1u << i;
    return set_entry(p, &param_table[i], value, n);
  }
  strbuf known = STRBUF_INIT, shown = STRBUF_INIT;
  for (const param_entry *e = param_table; e->name; e++)
    strbuf_printf(&known, "%s%s", e == param_table ? "" : ", ", e->name);
  strbuf_put_utf8(&shown, name, strnlen(name, 64));
  int status =
    strbuf_check(&known) < 0 || strbuf_check(&shown) < 0 ? OPIS_ENOMEM : error_set(OPIS_EINVALID, "%s: unknown parameter (known: %s)", shown.s ? shown.s : "''", known.s);
  strbuf_free(&known);
  strbuf_free(&shown);
  return status;
}
