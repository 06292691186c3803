/* Metrics on captions small enough to be computed by hand, matching of names, intervals and the paired test. */
#include "../cmocka_all.h"

#include "eval/eval.h"
#include <math.h>
#include <opis/error.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
  captions references, predictions;
  eval_references r;
  ptb_text *texts;
  size_t unused;
  eval_corpus *corpus;
  eval_result result;
} fixture;

static int read_pair(fixture *f, const char *references, const char *predictions)
{
  memset(f, 0, sizeof *f);
  assert_int_equal(captions_read_memory(&f->references, references, strlen(references), "references", CAPTIONS_AUTO), 0);
  assert_int_equal(captions_read_memory(&f->predictions, predictions, strlen(predictions), "predictions", CAPTIONS_AUTO), 0);
  assert_int_equal(eval_references_make(&f->r, &f->references, "references"), 0);
  return eval_match(&f->texts, &f->unused, &f->r, &f->predictions, "predictions");
}

static void score(fixture *f, const char *references, const char *predictions)
{
  assert_int_equal(read_pair(f, references, predictions), 0);
  assert_int_equal(eval_corpus_new(&f->corpus, &f->r), 0);
  assert_int_equal(eval_score(&f->result, f->corpus, f->texts), 0);
}

static void release(fixture *f)
{
  eval_result_free(&f->result);
  eval_corpus_free(f->corpus);
  free(f->texts);
  eval_references_free(&f->r);
  captions_free(&f->references);
  captions_free(&f->predictions);
}

static void near(double a, double b)
{
  if (fabs(a - b) > 1e-6)
    fail_msg("%.9f is not %.9f", a, b);
}

static void test_perfect_and_nothing(void **state)
{
  (void)state;
  fixture f;
  score(&f, "a.jpg\ta dog runs on the beach\nb.jpg\ttwo cats sleep in a box\n", "a.jpg\ta dog runs on the beach\nb.jpg\ttwo cats sleep in a box\n");
  for (int m = EVAL_BLEU_1; m <= EVAL_ROUGE_L; m++)
    near(f.result.score[m], 1);
  near(f.result.score[EVAL_CIDER], 10);
  release(&f);
  score(&f, "a.jpg\ta dog runs\nb.jpg\ttwo cats sleep\n", "a.jpg\tblue\nb.jpg\tred\n");
  near(f.result.score[EVAL_ROUGE_L], 0);
  near(f.result.score[EVAL_CIDER], 0);
  near(f.result.score[EVAL_BLEU_1], 0);
  release(&f);
}

static void test_by_hand(void **state)
{
  (void)state;
  fixture f;
  /* Every word and 1 of 3 pairs right; the references are 4 and 6 words long: the nearer counts, so no brevity penalty. */
  score(&f, "a.jpg#0\ta dog runs fast\na.jpg#1\tthe dog is in the park\n", "a.jpg\ta dog in park\n");
  const eval_picture *p = &f.result.pictures[0];
  assert_int_equal(p->length, 4);
  assert_int_equal(p->reference_length, 4);
  assert_int_equal(p->correct[0], 4);
  assert_int_equal(p->correct[1], 1);
  near(f.result.score[EVAL_BLEU_1], 1);
  near(f.result.score[EVAL_BLEU_2], sqrt(1.0 / 3));
  /* common subsequences: "a dog" (2 of 4 and 4), "dog in park" (3 of 4 and 6): precision 3/4, recall 1/2, each the best */
  near(f.result.score[EVAL_ROUGE_L], (1 + 1.44) * 0.75 * 0.5 / (0.5 + 1.44 * 0.75));
  near(f.result.score[EVAL_CIDER], 0); /* one picture: every word is in all of them */
  release(&f);
}

static void test_shorter_of_two_equally_near_lengths(void **state)
{
  (void)state;
  fixture f;
  score(&f, "a.jpg#0\ta b c d e\na.jpg#1\ta b c\n", "a.jpg\ta b c d\n");
  assert_int_equal(f.result.pictures[0].reference_length, 3);
  release(&f);
}

static void test_brevity(void **state)
{
  (void)state;
  fixture f;
  score(&f, "a.jpg\tone two three four\n", "a.jpg\tone two\n");
  near(f.result.score[EVAL_BLEU_1], exp(1 - 4.0 / 2));
  release(&f);
}

static void test_empty_prediction(void **state)
{
  (void)state;
  fixture f;
  score(&f, "a.jpg\tone two\nb.jpg\tthree\n", "path,description\na.jpg,\nb.jpg,three\n");
  assert_int_equal(f.result.pictures[0].length, 0);
  near(f.result.pictures[0].rouge, 0);
  release(&f);
}

static void test_matching(void **state)
{
  (void)state;
  fixture f;
  /* by path first, by file name else; what belongs to no picture is counted */
  score(&f, "x/a.jpg\tone\ny/a.jpg\ttwo\nb.jpg\tthree\n", "y/a.jpg\ttwo\nx/a.jpg\tone\n/data/b.jpg\tthree\nc.jpg\tfour\n");
  near(f.result.score[EVAL_ROUGE_L], 1);
  assert_int_equal(f.unused, 1);
  release(&f);
  /* COCO: results know pictures by number */
  score(&f, "{\"images\":[{\"id\":7,\"file_name\":\"x.jpg\"}],\"annotations\":[{\"image_id\":7,\"caption\":\"one two\"}]}", "[{\"image_id\": 7, \"caption\": \"one two\"}]");
  near(f.result.score[EVAL_BLEU_1], 1);
  release(&f);
  assert_int_equal(read_pair(&f, "x/a.jpg\tone\ny/a.jpg\ttwo\n", "a.jpg\tone\n"), OPIS_ENOTFOUND); /* which of the two? */
  assert_non_null(strstr(opis_error_message(), "2 of 2 pictures"));
  release(&f);
  assert_int_equal(read_pair(&f, "a.jpg\tone\n", "a.jpg\tone\na.jpg\ttwo\n"), OPIS_EFORMAT);
  assert_non_null(strstr(opis_error_message(), "line 2"));
  release(&f);
}

static void test_words_said_too_often(void **state)
{
  (void)state;
  fixture f;
  strbuf r = STRBUF_INIT, p = STRBUF_INIT;
  for (int i = 0; i < 50; i++) {
    strbuf_printf(&r, "%d.jpg\ta word%d runs by tree%d\n", i, i, i % 7);
    strbuf_printf(&p, "%d.jpg\ta skateboard runs\n", i);
  }
  score(&f, r.s, p.s);
  assert_true(f.result.n_too_often >= 1);
  assert_string_equal(f.result.too_often[0].word, "skateboard");
  assert_int_equal(f.result.too_often[0].count, 50);
  assert_int_equal(f.result.different, 1);
  assert_int_equal(f.result.vocabulary, 3);
  near(f.result.distinct[0], 3.0 / 150);
  near(f.result.mean_length, 3);
  release(&f);
  strbuf_free(&r);
  strbuf_free(&p);
}

static void test_intervals_and_comparison(void **state)
{
  (void)state;
  fixture good, bad;
  strbuf r = STRBUF_INIT, a = STRBUF_INIT, b = STRBUF_INIT;
  for (int i = 0; i < 60; i++) {
    strbuf_printf(&r, "%d.jpg\tthe animal number%d eats grass%d\n", i, i, i % 5);
    strbuf_printf(&a, "%d.jpg\tthe animal number%d eats\n", i, i % 4 ? i : i + 1);
    strbuf_printf(&b, "%d.jpg\tsome thing eats\n", i);
  }
  score(&good, r.s, a.s);
  score(&bad, r.s, b.s);
  eval_interval one[EVAL_METRICS], two[EVAL_METRICS];
  assert_int_equal(eval_confidence(one, &good.result, 200), 0);
  assert_int_equal(eval_confidence(two, &good.result, 200), 0);
  for (int m = 0; m < EVAL_METRICS; m++) {
    assert_true(one[m].low <= good.result.score[m] && good.result.score[m] <= one[m].high && one[m].low < one[m].high);
    assert_true(one[m].low == two[m].low && one[m].high == two[m].high); /* the same in every run */
  }
  eval_comparison c;
  assert_int_equal(eval_compare(&c, &good.result, &bad.result, 200), 0);
  assert_true(c.p[EVAL_CIDER] < 0.01 && c.interval[EVAL_CIDER].low > 0 && c.better == 45 && c.worse == 0);
  assert_int_equal(eval_compare(&c, &good.result, &good.result, 200), 0);
  assert_true(c.p[EVAL_CIDER] == 1 && c.difference[EVAL_CIDER] == 0 && c.better == 0);
  release(&good);
  release(&bad);
  strbuf_free(&r);
  strbuf_free(&a);
  strbuf_free(&b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_perfect_and_nothing),
    cmocka_unit_test(test_by_hand),
    cmocka_unit_test(test_shorter_of_two_equally_near_lengths),
    cmocka_unit_test(test_brevity),
    cmocka_unit_test(test_empty_prediction),
    cmocka_unit_test(test_matching),
    cmocka_unit_test(test_words_said_too_often),
    cmocka_unit_test(test_intervals_and_comparison),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
