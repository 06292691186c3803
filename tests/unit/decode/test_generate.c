#include "../../tools/fake_decoder.h"

#include "../cmocka_all.h"
#include "decode/logits.h"
#include <math.h>

/* What Transformers answered on random decoders and options (tests/interop/test_generate.py made the file, and compares live). */
static void answers_as_the_reference(void **state)
{
  (void)state;
  char path[4096];
  snprintf(path, sizeof path, "%s/golden/generate/cases.jsonl", getenv("OPIS_TESTS"));
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  char *line = NULL;
  size_t capacity = 0;
  int cases = 0;
  while (getline(&line, &capacity, f) > 0) {
    json_t *both = json_loads(line, 0, NULL);
    assert_non_null(both);
    json_t *ours = run_case(json_object_get(both, "case"));
    const json_t *theirs = json_object_get(both, "answer");
    if (!json_equal(json_object_get(ours, "sequences"), json_object_get(theirs, "sequences")) ||
      !json_equal(json_object_get(ours, "beam_indices"), json_object_get(theirs, "beam_indices")))
      fail_msg("case %d: %s answered %s", cases, line, json_dumps(ours, JSON_COMPACT));
    json_t *scores = json_object_get(ours, "scores");
    for (size_t i = 0; i < json_array_size(scores); i++) {
      double a = json_number_value(json_array_get(scores, i)), b = json_number_value(json_array_get(json_object_get(theirs, "scores"), i));
      assert_true(fabs(a - b) <= 1e-5 * fmax(1, fabs(b)));
    }
    json_decref(ours);
    json_decref(both);
    cases++;
  }
  assert_int_equal(cases, 210);
  free(line);
  fclose(f);
}

static uint32_t random_state = 12345;
static float random_float(void)
{
  random_state = random_state * 1664525u + 1013904223u;
  return (float)(random_state >> 8) * 0x1p-24f;
}

static void log_softmax_is_right(void **state)
{
  (void)state;
  for (size_t n = 2; n < 300; n += n < 40 ? 1 : 37) {
    float x[300];
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
      x[i] = random_float() * 200 - 100;
      if (i == 0 && n % 3 == 0)
        x[i] = -INFINITY;
    }
    double max = -1e9;
    for (size_t i = 0; i < n; i++)
      max = fmax(max, (double)x[i]);
    for (size_t i = 0; i < n; i++)
      sum += exp((double)x[i] - max);
    float y[300];
    memcpy(y, x, sizeof y);
    assert_int_equal(logits_log_softmax(y, n), 0);
    for (size_t i = 0; i < n; i++) {
      double want = (double)x[i] - max - log(sum);
      assert_true(isinf(want) ? isinf(y[i]) && y[i] < 0 : fabs((double)y[i] - want) < 2e-5);
      assert_true(isinf(want) || fabsf(logits_log_softmax_at(x, n, i) - y[i]) == 0);
    }
  }
}

static void refuses_what_is_no_number(void **state)
{
  (void)state;
  for (size_t at = 0; at < 20; at++) {
    float x[20] = {0};
    x[at] = NAN;
    assert_int_equal(logits_log_softmax(x, 20), -1);
    assert_int_equal(logits_argmax(x, 20), -1);
    x[at] = INFINITY;
    assert_int_equal(logits_log_softmax(x, 20), -1);
    x[at] = -INFINITY;
    assert_int_equal(logits_argmax(x, 20), at == 0 ? 1 : 0);
  }
  float none[9];
  for (int i = 0; i < 9; i++)
    none[i] = -INFINITY;
  assert_int_equal(logits_log_softmax(none, 9), -1);
}

static int by_rank(const void *a, const void *b)
{
  const logits_candidate *x = a, *y = b;
  if (x->value != y->value)
    return x->value < y->value ? 1 : -1;
  return x->beam != y->beam ? x->beam - y->beam : x->token - y->token;
}

static void top_is_a_sort(void **state)
{
  (void)state;
  enum { VOCAB = 500, BEAMS = 4 };
  static float x[BEAMS][VOCAB];
  static logits_candidate all[BEAMS * VOCAB], best[64];
  for (int round = 0; round < 50; round++) {
    size_t n = 0, k = 1 + (size_t)round % 20, vocab = (size_t)(VOCAB - round * 7);
    size_t total = 0;
    for (int32_t b = 0; b < BEAMS; b++) {
      for (size_t i = 0; i < vocab; i++) {
        x[b][i] = floorf(random_float() * 40); /* many equals */
        all[total++] = (logits_candidate){x[b][i] + (float)b, b, (int32_t)i};
      }
      logits_top(best, &n, k, x[b], vocab, (float)b, b);
    }
    qsort(all, total, sizeof *all, by_rank);
    assert_int_equal(n, k);
    for (size_t i = 0; i < k; i++)
      assert_int_equal(by_rank(&all[i], &best[i]), 0);
  }
}

static void processors(void **state)
{
  (void)state;
  float x[6] = {-1, 2, -3, 4, 0, 1};
  int32_t row[] = {1, 2, 1, 4};
  logits_repetition_penalty(x, row, 4, 2);
  float penalised[6] = {-1, 1, -6, 4, 0, 1};
  assert_memory_equal(x, penalised, sizeof x);
  int32_t again[] = {1, 2, 3, 1, 2};
  logits_no_repeat_ngram(x, again, 5, 3);
  assert_true(isinf(x[3]) && x[0] == -1 && x[1] == 1 && x[2] == -6);
  logits_no_repeat_ngram(x, again, 5, 1);
  assert_true(isinf(x[1]) && isinf(x[2]) && x[0] == -1);
  int32_t ids[] = {5, 17, -1};
  logits_forbid(x, 6, ids, 3);
  assert_true(isinf(x[5]));
}

static void refuses_options(void **state)
{
  (void)state;
  static const struct {
    const char *what, *key, *value;
  } cases[] = {{"beams", "num_beams", "0"}, {"beams", "num_beams", "257"}, {"max_length", "max_length", "2"}, {"max_length", "max_length", "65537"},
    {"min_length", "min_length", "-1"}, {"candidates", "num_return_sequences", "3"}, {"repetition_penalty", "repetition_penalty", "0"},
    {"no_repeat_ngram", "no_repeat_ngram_size", "-2"}, {"prompt", "vocab", "5"}, {"vocabulary", "vocab", "1"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *c =
      json_loads("{\"seed\":1,\"vocab\":50,\"scale\":8,\"end_bias\":0,\"prompt\":[7,3],\"eos\":[4],\"num_beams\":2,\"max_length\":9,\"min_length\":0,\"length_penalty\":1,"
                 "\"early_stopping\":false,\"no_repeat_ngram_size\":0,\"repetition_penalty\":1,\"num_return_sequences\":1}",
        0, NULL);
    json_t *fine = run_case(c);
    assert_null(json_object_get(fine, "error"));
    json_object_set_new(c, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
    json_t *answer = run_case(c);
    const char *error = json_string_value(json_object_get(answer, "error"));
    assert_non_null(error);
    assert_memory_equal(error, cases[i].what, strlen(cases[i].what));
    json_decref(answer);
    json_decref(fine);
    json_decref(c);
  }
}

static int stop_at_three(void *user, const int32_t *row, size_t n, size_t settled)
{
  (void)user, (void)row, (void)settled;
  return n >= 3 ? OPIS_ECANCELLED : 0;
}

static void progress_cancels(void **state)
{
  (void)state;
  int32_t start = 0;
  generate_options o = {.beams = 3, .max_length = 30, .length_penalty = 1, .repetition_penalty = 1, .candidates = 1, .vocab = 60};
  int32_t rows[2 * 3 * 30];
  fake_decoder d = {.seed = 3, .vocab = 60, .scale = 8, .o = &o, .rows = rows};
  generate_model model = {fake_step, stop_at_three, &d};
  generate_result r[3];
  size_t n = 9;
  assert_int_equal(generate(r, &n, &o, &start, 1, &model), OPIS_ECANCELLED);
  assert_int_equal(n, 0);
  assert_int_equal(d.calls, 2);
}

/* Beams scored by several threads are the beams scored by one, and what is no number is found in any of them. */
static void threads_change_nothing(void **state)
{
  (void)state;
  enum { VOCAB = 5000, BEAMS = 6 };
  const int32_t start = 7, eos = 11;
  const generate_options o = {
    .beams = BEAMS, .max_length = 12, .length_penalty = 1, .repetition_penalty = 1.3, .no_repeat_ngram = 2, .candidates = 1, .vocab = VOCAB, .eos = &eos, .n_eos = 1};
  float *logits = malloc(2 * BEAMS * VOCAB * sizeof *logits), *same = logits + BEAMS * VOCAB;
  pool *threads;
  assert_int_equal(pool_new(&threads, 3), 0);
  for (int round = 0; round < 20; round++) {
    const int broken = round < 10 ? 0 : round - 9; /* the step that brings a NaN; 0: none */
    search *alone, *together;
    assert_int_equal(search_new(&alone, &o, &start, 1), 0);
    assert_int_equal(search_new(&together, &o, &start, 1), 0);
    for (int step = 1; !search_done(alone); step++) {
      const size_t live = search_feed(alone).live;
      for (size_t i = 0; i < live * VOCAB; i++)
        logits[i] = same[i] = 20 * random_float();
      if (step == broken)
        logits[(live - 1) * VOCAB + 17] = same[(live - 1) * VOCAB + 17] = NAN;
      const int code = search_advance(alone, logits, NULL);
      assert_int_equal(code, step == broken ? OPIS_EFORMAT : 0);
      assert_int_equal(search_advance(together, same, threads), code);
      assert_int_equal(search_done(together), search_done(alone));
      const search_input a = search_feed(alone), b = search_feed(together);
      assert_int_equal(a.live, b.live);
      if (code == 0 && a.live)
        assert_memory_equal(a.tokens, b.tokens, a.live * sizeof *a.tokens);
    }
    generate_result one[BEAMS], other[BEAMS];
    size_t n, m;
    if (!broken) {
      assert_int_equal(search_results(one, &n, alone), 0);
      assert_int_equal(search_results(other, &m, together), 0);
      assert_int_equal(n, 1);
      assert_int_equal(m, 1);
      assert_int_equal(one->n, other->n);
      assert_memory_equal(one->tokens, other->tokens, one->n * sizeof *one->tokens);
      assert_true(one->score == other->score);
      generate_result_free(one);
      generate_result_free(other);
    }
    search_free(alone);
    search_free(together);
  }
  pool_free(threads);
  free(logits);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(answers_as_the_reference), cmocka_unit_test(log_softmax_is_right), cmocka_unit_test(refuses_what_is_no_number),
    cmocka_unit_test(top_is_a_sort), cmocka_unit_test(processors), cmocka_unit_test(refuses_options), cmocka_unit_test(progress_cancels), cmocka_unit_test(threads_change_nothing)};
  return cmocka_run_group_tests_name("generate", tests, NULL, NULL);
}
