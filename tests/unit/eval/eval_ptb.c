/* Captions as words: answers are those of Stanford's tokenizer with pycocoevalcap's list of punctuation (tests/interop/test_eval.py asks it again). */
#include "../cmocka_all.h"

#include "eval/ptb.h"
#include <opis/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int append(void *user, size_t i, const char *tokens, size_t length)
{
  (void)i;
  strbuf *b = user;
  strbuf_append(b, tokens, length);
  strbuf_putc(b, '\n');
  return 0;
}

static void check(const char *const *captions, size_t n, int punctuation, const char *expected)
{
  ptb *p;
  strbuf b = STRBUF_INIT;
  ptb_text texts[16];
  assert_int_equal(ptb_new(&p), 0);
  for (size_t i = 0; i < n; i++)
    texts[i] = (ptb_text){captions[i], strlen(captions[i])};
  assert_int_equal(ptb_lines(p, texts, n, punctuation, append, &b), 0);
  assert_string_equal(b.s, expected);
  strbuf_free(&b);
  ptb_free(p);
}

static void test_words(void **state)
{
  (void)state;
  static const char *const pairs[][2] = {
    {"A child in a pink dress is climbing up a set of stairs in an entry way .", "a child in a pink dress is climbing up a set of stairs in an entry way"},
    {"", ""},
    {"...", ""},
    {"The boy's dogs don't, can't and cannot bark!", "the boy 's dogs do n't ca n't and can not bark"},
    {"they're gonna say \"hello\" -- it's 'fun'", "they 're gon na say hello it 's fun"},
    {"a T-shirt (red) for $5.00", "a t-shirt -lrb- red -rrb- for $ 5.00"},
    {"1/2 of 3,000 people at 9:30 a.m. on Jan. 5", "1/2 of 3,000 people at 9:30 a.m. on jan. 5"},
    {"Mr. Smith vs. the U.S. team", "mr. smith vs. the u.s. team"},
    {"AT&T &amp; R&B", "at&t & r&b"},
    {"o'clock y'all rock'n'roll", "o'clock y' all rock 'n' roll"},
    {"half \xC2\xBD and \xE2\x80\x9Cquotes\xE2\x80\x9D \xE2\x80\x94 caf\xC3\x89", "half 1/2 and quotes caf\xC3\xA9"},
    {"bad \xFF byte", "bad byte"},
    {"line\rbreak", "line break"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    char expected[200];
    snprintf(expected, sizeof expected, "%s\n", pairs[i][1]);
    check(&pairs[i][0], 1, 0, expected);
  }
}

/* What stands at the beginning of the next caption decides whether a single letter keeps its full stop. */
static void test_the_next_caption_matters(void **state)
{
  (void)state;
  check((const char *const[]){"a shirt with an A.", "The dog"}, 2, 0, "a shirt with an a\nthe dog\n");
  check((const char *const[]){"a shirt with an A.", "dogs run"}, 2, 0, "a shirt with an a.\ndogs run\n");
}

static void test_punctuation_kept(void **state)
{
  (void)state;
  check((const char *const[]){"Hi, there: \"you\"... ok?"}, 1, 1, "hi , there : `` you '' ... ok ?\n");
}

static int refuse(void *user, size_t i, const char *tokens, size_t length)
{
  (void)user;
  (void)tokens;
  (void)length;
  return i == 1 ? OPIS_ECANCELLED : 0;
}

static void test_callbacks_error_ends_it(void **state)
{
  (void)state;
  ptb *p;
  ptb_text texts[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
  assert_int_equal(ptb_new(&p), 0);
  assert_int_equal(ptb_lines(p, texts, 3, 0, refuse, NULL), OPIS_ECANCELLED);
  ptb_free(p);
}

static int count(void *user, size_t i, const char *tokens, size_t length)
{
  (void)i;
  (void)tokens;
  *(size_t *)user += length;
  return 0;
}

/* A megabyte without a space, and NUL bytes. */
static void test_hostile_captions(void **state)
{
  (void)state;
  enum { N = 1 << 18 };
  ptb *p;
  char *long_one = malloc(N);
  size_t all = 0;
  memset(long_one, 'a', N);
  assert_int_equal(ptb_new(&p), 0);
  ptb_text texts[2] = {{long_one, N}, {"a\0b", 3}};
  assert_int_equal(ptb_lines(p, texts, 2, 0, count, &all), 0);
  assert_int_equal(all, N + N / 4096 - 1 + 3);
  for (size_t i = 0; i < N; i++)
    long_one[i] = "a.,'-@<&;("[i * 7919 % 10];
  assert_int_equal(ptb_lines(p, texts, 1, 0, count, &all), 0);
  free(long_one);
  ptb_free(p);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_words),
    cmocka_unit_test(test_the_next_caption_matters),
    cmocka_unit_test(test_punctuation_kept),
    cmocka_unit_test(test_callbacks_error_ends_it),
    cmocka_unit_test(test_hostile_captions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
