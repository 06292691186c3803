/* What the options of generate_options.h mean. */
#include "cli/generate_options.h"

#include <string.h>

static bool early_stopping(const cli_args *a, opis_options *g)
{
  static const struct {
    const char *name;
    int value;
  } known[] = {{"true", OPIS_EARLY_STOPPING_TRUE}, {"false", OPIS_EARLY_STOPPING_FALSE}, {"never", OPIS_EARLY_STOPPING_NEVER}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(a->value ? a->value : "true", known[i].name) == 0) {
      g->early_stopping = known[i].value;
      return true;
    }
  cli_error("--early-stopping: '%s' is not true, false or never", a->value);
  return false;
}

static bool repetition_penalty(const cli_args *a, opis_options *g)
{
  if (!cli_double(a, &g->repetition_penalty, 0, 1e30))
    return false;
  if (g->repetition_penalty == 0)
    cli_error("--repetition-penalty: must be above 0; 1 is none");
  return g->repetition_penalty > 0;
}

static bool precision(const cli_args *a, opis_model_options *load)
{
  static const char *const precisions[] = {"f32", "q8", NULL};
  int n;
  if (!cli_choice(a, &n, precisions))
    return false;
  load->precision = n == 0 ? OPIS_PRECISION_F32 : OPIS_PRECISION_Q8;
  return true;
}

int generate_option(const cli_args *a, int id, generate_settings *s)
{
  opis_options *g = &s->generate;
  bool ok = true;
  switch (id) {
  case 'm': s->model = a->value; break;
  case GENERATE_BEAMS: ok = cli_int(a, &g->beams, 1, 64); break;
  case GENERATE_LONGEST: ok = cli_int(a, &g->max_length, 1, 1 << 20); break;
  case GENERATE_MIN_LENGTH: ok = cli_int(a, &g->min_length, 0, 1 << 20); break;
  case GENERATE_LENGTH_PENALTY: ok = cli_double(a, &g->length_penalty, -1e30, 1e30); break;
  case GENERATE_EARLY_STOPPING: ok = early_stopping(a, g); break;
  case GENERATE_NO_REPEAT_NGRAM: ok = cli_int(a, &g->no_repeat_ngram, 0, 1 << 20); break;
  case GENERATE_REPETITION_PENALTY: ok = repetition_penalty(a, g); break;
  case GENERATE_PROMPT: g->prompt = a->value; break;
  case GENERATE_PRECISION: ok = precision(a, &s->load); break;
  case GENERATE_THREADS: ok = cli_int(a, &s->load.threads, 1, 1024); break;
  case GENERATE_JOBS: ok = cli_int(a, &s->jobs, 1, 256); break;
  case GENERATE_NO_ORIENT: g->image.no_orient = 1; break;
  case GENERATE_MAX_BYTES: ok = cli_bytes(a, &g->image.max_bytes); break;
  case GENERATE_MAX_PIXELS: ok = cli_bytes(a, &g->image.max_pixels); break;
  case GENERATE_TIMEOUT: ok = cli_double(a, &g->timeout, 1e-3, 1e9); break;
  default: return 0;
  }
  return ok ? 1 : -1;
}
