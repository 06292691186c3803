/* The whole way: pictures in, descriptions out. */
#include "engine/engine.h"

#include "util/clock.h"
#include "util/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One call in the making, or a part of one. */
typedef struct call {
  opis_model *model;
  const opis_options *o;
  session *s;
  generation g;
  int32_t *prompt; /* start token and prompt */
  size_t n_prompt, index;
  double deadline; /* of the present picture; 0: none */
  /* Of a part: */
  bool elsewhere;           /* it is not the caller's thread that works, so nothing of the caller's is called */
  const atomic_bool *ended; /* set when another part failed */
} call;

/* ---- cancel and timeout ---- */

static int ask(void *user)
{
  const call *c = user;
  if (c->ended && atomic_load_explicit(c->ended, memory_order_relaxed))
    return error_set(OPIS_ECANCELLED, "another picture failed");
  if (c->o && !c->elsewhere && c->o->cancelled && c->o->cancelled(c->o->user) != 0)
    return error_set(OPIS_ECANCELLED, "cancelled");
  if (c->deadline > 0 && clock_seconds() > c->deadline)
    return error_set(OPIS_ETIMEOUT, "took more than %g seconds", c->o->timeout);
  return 0;
}

/* ---- words ---- */

static char *trimmed(char *text)
{
  size_t n = strlen(text), begin = 0;
  while (n > 0 && strchr(" \t\n\r\f\v", text[n - 1]))
    n--;
  while (begin < n && strchr(" \t\n\r\f\v", text[begin]))
    begin++;
  memmove(text, text + begin, n - begin);
  text[n - begin] = '\0';
  return text;
}

static int words(char **text, const opis_model *m, const int32_t *tokens, size_t n)
{
  int code = tokenizer_decode(m->tokenizer, text, tokens, n, true);
  if (code == 0)
    trimmed(*text);
  return code;
}

static int tell_words(const call *c, void (*told)(void *user, size_t index, const char *text), size_t index, const int32_t *row, size_t n)
{
  char *text;
  int code = words(&text, c->model, row, n);
  if (code < 0)
    return code;
  told(c->o->user, index, text);
  free(text);
  return 0;
}

/* Tells the caller the best text so far of the call's picture `index`, and what of it stays. */
static int tell(const call *c, size_t index, const search *s)
{
  const int32_t *row;
  size_t n, settled;
  int code = 0;
  search_best(s, &row, &n, &settled);
  if (c->o->partial)
    code = tell_words(c, c->o->partial, index, row, n);
  if (c->o->settled && code == 0)
    code = tell_words(c, c->o->settled, index, row, settled);
  return code;
}

/* The start token, and the prompt's own tokens. */
static int make_prompt(call *c)
{
  const char *text = c->o ? c->o->prompt : NULL;
  int32_t *ids = NULL;
  size_t n = 0;
  if (text && *text) {
    int code = tokenizer_encode(c->model->tokenizer, &ids, &n, text);
    if (code < 0)
      return code;
  }
  c->prompt = malloc((n + 1) * sizeof *c->prompt);
  if (!c->prompt) {
    free(ids);
    return error_nomem();
  }
  c->prompt[0] = c->g.start;
  if (n)
    memcpy(c->prompt + 1, ids, n * sizeof *ids);
  c->n_prompt = n + 1;
  free(ids);
  generate_options *s = &c->g.search;
  if (c->model->max_new_tokens && !(c->o && c->o->max_length))
    s->max_length = (int)c->n_prompt + c->model->max_new_tokens;
  else if (s->max_length == GENERATION_USUAL_LENGTH && !(c->o && c->o->max_length)) {
    /* Nobody said anything: Transformers counts the new tokens then, up to the positions of a model without an encoder of its own configuration. */
    s->max_length += (int)c->n_prompt;
    if (c->model->captioner.takes_prompt && s->max_length > c->model->captioner.text.positions)
      s->max_length = c->model->captioner.text.positions;
  }
  if (c->model->min_new_tokens && !(c->o && c->o->min_length >= 0) && (int)c->n_prompt + c->model->min_new_tokens > s->min_length)
    s->min_length = (int)c->n_prompt + c->model->min_new_tokens;
  return 0;
}

/* ---- results ---- */

static int token_texts(struct description_candidate *to, const opis_model *m)
{
  to->token_texts = calloc(to->n_tokens + 1, sizeof *to->token_texts);
  int code = to->token_texts ? 0 : error_nomem();
  for (size_t i = 0; i < to->n_tokens && code == 0; i++)
    code = tokenizer_decode(m->tokenizer, &to->token_texts[i], &to->tokens[i], 1, true);
  return code;
}

/* Where the decoder looked when it chose each token: while the token before it was fed, by the beam that chose it. */
static int keep_attention(const call *c, const text_state *state, opis_description *d, struct description_candidate *to, const generate_result *from)
{
  size_t grid = (size_t)d->rows * (size_t)d->columns, skip = (size_t)c->model->captioner.vision.prefix;
  to->attention = malloc(from->n * grid * sizeof *to->attention);
  if (!to->attention)
    return error_nomem();
  for (size_t i = 0; i < from->n; i++) {
    const float *looked = i > 0 && from->beam_path[i] >= 0 ? text_state_attention(state, i - 1, (size_t)from->beam_path[i]) : NULL;
    if (looked)
      memcpy(to->attention + i * grid, looked + skip, grid * sizeof *looked);
    else
      to->attention[i * grid] = -1;
  }
  return 0;
}

static int keep(const call *c, const text_state *state, opis_description *d, struct description_candidate *to, generate_result *from)
{
  to->tokens = malloc(from->n * sizeof *to->tokens);
  if (!to->tokens)
    return error_nomem();
  memcpy(to->tokens, from->tokens, from->n * sizeof *to->tokens);
  to->n_tokens = from->n;
  to->score = from->score;
  int code = words(&to->text, c->model, to->tokens, to->n_tokens);
  if (code == 0 && c->o && c->o->attention) {
    code = token_texts(to, c->model);
    if (code == 0 && !c->model->captioner.text.prefix)
      code = keep_attention(c, state, d, to, from);
  }
  return code;
}

static int keep_all(const call *c, const text_state *state, opis_description *d, const search *s)
{
  generate_result results[64] = {{0}};
  size_t n = 0;
  int code = search_results(results, &n, s);
  d->candidates = calloc(n ? n : 1, sizeof *d->candidates);
  if (code == 0 && !d->candidates)
    code = error_nomem();
  for (size_t k = 0; k < n; k++) {
    if (code == 0) {
      d->n = k + 1;
      code = keep(c, state, d, &d->candidates[k], &results[k]);
    }
    generate_result_free(&results[k]);
  }
  return code;
}

/* ---- the search over several pictures, step by step together ---- */

static int begin(call *c, search **out, size_t i, size_t picture, const encoded_size *size)
{
  const generate_options *o = &c->g.search;
  session *s = c->s;
  int code = s->texts[i] ? 0 : text_state_new(&s->texts[i], &c->model->captioner.text);
  const float *states = code == 0 ? engine_project(s, c->model, picture, size) : NULL;
  if (!states)
    return OPIS_ENOMEM;
  code = text_state_begin(s->texts[i], s->nn, states, size->T, o->beams, o->max_length, c->o && c->o->attention, (arch_check){ask, c});
  return code < 0 ? code : search_new(out, o, c->prompt, c->n_prompt);
}

/* One step of every search that is not done; *more: whether there was one. */
static int advance(call *c, search *const *searches, size_t n, size_t index, bool *more)
{
  text_feed feeds[ENGINE_BATCH];
  size_t which[ENGINE_BATCH], k = 0, vocab = (size_t)c->g.search.vocab;
  for (size_t i = 0; i < n; i++)
    if (!search_done(searches[i])) {
      search_input in = search_feed(searches[i]);
      feeds[k] = (text_feed){c->s->texts[i], in.tokens, in.n_tokens, in.source, in.live};
      which[k++] = i;
    }
  *more = k > 0;
  if (!*more)
    return 0;
  int code = ask(c);
  if (code == 0)
    code = text_states_feed(c->s->nn, c->s->logits, feeds, k);
  float *logits = c->s->logits;
  for (size_t j = 0; j < k && code == 0; logits += feeds[j].live * vocab, j++) {
    code = search_advance(searches[which[j]], logits, c->model->threads);
    if (code == 0 && c->o && (c->o->partial || c->o->settled))
      code = tell(c, index + which[j], searches[which[j]]);
  }
  return code;
}

/* Descriptions of pictures first .. first + n - 1 of the session's batch, n at most ENGINE_BATCH. */
static int caption(call *c, opis_description **out, size_t first, size_t n, const encoded_size *size)
{
  search *searches[ENGINE_BATCH] = {NULL};
  size_t most = n * (size_t)c->g.search.beams * (size_t)c->g.search.vocab;
  bool more = true;
  int code = session_reserve(&c->s->logits, &c->s->n_logits, most);
  for (size_t i = 0; i < n && code == 0; i++)
    code = begin(c, &searches[i], i, first + i, size);
  while (code == 0 && more)
    code = advance(c, searches, n, c->index, &more);
  for (size_t i = 0; i < n && code == 0; i++) {
    out[i]->rows = size->rows;
    out[i]->columns = size->columns;
    code = keep_all(c, c->s->texts[i], out[i], searches[i]);
  }
  for (size_t i = 0; i < n; i++)
    search_free(searches[i]);
  return code;
}

/* How many searches go together: no more than whose caches fit some tens of megabytes. */
static size_t together(const call *c, const encoded_size *size)
{
  size_t n = ((size_t)96 << 20) / text_state_bytes(&c->model->captioner.text, size->T, c->g.search.beams, c->g.search.max_length);
  return n < 1 ? 1 : n > ENGINE_BATCH ? ENGINE_BATCH : n;
}

/* ---- calls ---- */

static bool same_size(const opis_model *m, const opis_image *a, const opis_image *b)
{
  int aw, ah, bw, bh;
  preprocess_result_size(&m->preprocess, a->width, a->height, &aw, &ah);
  preprocess_result_size(&m->preprocess, b->width, b->height, &bw, &bh);
  return aw == bw && ah == bh;
}

/* n pictures of one preprocessed size. */
static int describe_batch(call *c, opis_description **out, const opis_image *const *images, size_t n)
{
  encoded_size size;
  double started = clock_seconds();
  c->deadline = c->o && c->o->timeout > 0 ? started + c->o->timeout * (double)n : 0;
  int code = engine_encode(c->s, c->model, images, n, &size, (arch_check){ask, c});
  double encode = (clock_seconds() - started) * 1e3 / (double)n;
  for (size_t i = 0; i < n && code == 0; i++) {
    out[i] = calloc(1, sizeof *out[i]);
    if (!out[i])
      return error_nomem();
    out[i]->width = images[i]->width;
    out[i]->height = images[i]->height;
    out[i]->timing.encode = encode;
  }
  size_t k = code == 0 ? together(c, &size) : 0;
  for (size_t i = 0; i < n && code == 0; i += k, c->index += k) {
    k = k < n - i ? k : n - i;
    started = clock_seconds();
    if (c->deadline > 0)
      c->deadline = started + c->o->timeout * (double)k;
    code = caption(c, out + i, i, k, &size);
    for (size_t j = i; j < i + k; j++)
      out[j]->timing.generate = (clock_seconds() - started) * 1e3 / (double)k;
  }
  return code;
}

/* Pictures that a call has settled everything for, in batches of one size. */
static int describe_some(call *c, opis_description **out, const opis_image *const *images, size_t n)
{
  int code = session_take(&c->s, c->model);
  for (size_t at = 0; at < n && code == 0;) {
    size_t k = 1;
    while (k < ENGINE_BATCH && at + k < n && same_size(c->model, images[at], images[at + k]))
      k++;
    code = describe_batch(c, out + at, images + at, k);
    at += k;
  }
  if (c->s)
    session_give(c->model, c->s);
  return code;
}

/* ---- many pictures, each thread on its own ---- */

/* Whether threads do more with pictures of their own than together with one after the other. They do where the weights stay in their caches: nobody waits for another then; those of a larger model would
 * have to come from memory for each thread. */
static bool goes_apart(const opis_model *m)
{
  const uint64_t MOST = 32000000; /* parameters */
  return pool_threads(m->threads) > 1 && m->parameters <= MOST;
}

size_t engine_pictures(const opis_model *m)
{
  const size_t n = 2 * ENGINE_BATCH * (goes_apart(m) ? (size_t)pool_threads(m->threads) : 1);
  return n < ENGINE_PICTURES ? n : ENGINE_PICTURES;
}

typedef struct parts {
  const call *c;
  opis_description **out;
  const opis_image *const *images;
  size_t n, each;
  atomic_bool ended;
  pthread_mutex_t lock; /* guards what the first failure leaves */
  int code;
  char message[1024];
} parts;

static void run_parts(void *user, size_t begin, size_t end, int thread)
{
  parts *p = user;
  for (size_t i = begin; i < end && !atomic_load(&p->ended); i++) {
    const size_t first = i * p->each, n = p->n - first < p->each ? p->n - first : p->each;
    call c = *p->c;
    c.index = first;
    c.elsewhere = thread != 0;
    c.ended = &p->ended;
    int code = describe_some(&c, p->out + first, p->images + first, n);
    if (code == 0)
      continue;
    pthread_mutex_lock(&p->lock);
    if (p->code == 0) {
      p->code = code;
      snprintf(p->message, sizeof p->message, "%s", opis_error_message());
    }
    pthread_mutex_unlock(&p->lock);
    atomic_store(&p->ended, true);
  }
}

static int describe_apart(call *c, opis_description **out, const opis_image *const *images, size_t n)
{
  const size_t threads = (size_t)pool_threads(c->model->threads), share = (n + threads - 1) / threads;
  parts p = {.c = c, .out = out, .images = images, .n = n, .each = share < ENGINE_BATCH ? share : ENGINE_BATCH, .lock = PTHREAD_MUTEX_INITIALIZER};
  pool_expect(c->model->threads);
  pool_for(c->model->threads, (n + p.each - 1) / p.each, 1, run_parts, &p);
  pool_rest(c->model->threads);
  pthread_mutex_destroy(&p.lock);
  return p.code < 0 ? error_set(p.code, "%s", p.message) : 0;
}

int opis_describe_images(opis_description **out, opis_model *model, const opis_image *const *images, size_t n, const opis_options *o)
{
  call c = {.model = model, .o = o};
  memset(out, 0, n * sizeof(opis_description *));
  int code = generation_apply(&c.g, model, o);
  if (code < 0)
    return code;
  c.g.search.eos = c.g.ends;
  code = make_prompt(&c);
  if (code == 0)
    code = (n > 1 && goes_apart(model) && !(o && (o->partial || o->settled)) ? describe_apart : describe_some)(&c, out, images, n);
  free(c.prompt);
  if (code < 0)
    for (size_t i = 0; i < n; i++) {
      opis_description_free(out[i]);
      out[i] = NULL;
    }
  return code;
}

int opis_options_check(const opis_model *model, const opis_options *options)
{
  call c = {.model = (opis_model *)(uintptr_t)model, .o = options};
  int code = generation_apply(&c.g, model, options);
  if (code == 0)
    code = make_prompt(&c);
  if (code == 0 && c.n_prompt >= (size_t)c.g.search.max_length)
    code = error_set(OPIS_EINVALID, "max_length: %d leaves no room after the %zu tokens of start and prompt", c.g.search.max_length, c.n_prompt);
  if (code == 0 && c.g.search.max_length - 1 > model->captioner.text.positions)
    code = error_set(OPIS_EINVALID, "max_length: %d is more than the %d positions that this model knows", c.g.search.max_length, model->captioner.text.positions);
  free(c.prompt);
  return code;
}

int opis_describe_image(opis_description **out, opis_model *model, const opis_image *image, const opis_options *o)
{
  return opis_describe_images(out, model, &image, 1, o);
}

static int describe_opened(opis_description **out, opis_model *model, opis_image *image, const opis_options *o, double started)
{
  double decode = (clock_seconds() - started) * 1e3;
  int code = opis_describe_image(out, model, image, o);
  opis_image_free(image);
  if (code == 0)
    (*out)->timing.decode = decode;
  return code;
}

int opis_describe_file(opis_description **out, opis_model *model, const char *path, const opis_options *o)
{
  opis_image *image;
  double started = clock_seconds();
  *out = NULL;
  int code = opis_image_open_file(&image, path, o ? &o->image : NULL);
  return code < 0 ? code : describe_opened(out, model, image, o, started);
}

int opis_describe_memory(opis_description **out, opis_model *model, const void *bytes, size_t size, const opis_options *o)
{
  opis_image *image;
  double started = clock_seconds();
  *out = NULL;
  int code = opis_image_open_memory(&image, bytes, size, o ? &o->image : NULL);
  return code < 0 ? code : describe_opened(out, model, image, o, started);
}
