#include "text/tokenizer.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include "util/file.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tokenizer *golden(const char *folder, const char *file)
{
  char path[4096];
  char *text;
  size_t size;
  snprintf(path, sizeof path, "%s/golden/%s/%s", getenv("OPIS_TESTS"), folder, file);
  assert_int_equal(file_read(&text, &size, path, UINT64_C(1) << 28), 0);
  tokenizer_source s = {0};
  if (strcmp(file, "vocab.txt") == 0) {
    s.vocab_txt = text;
    s.vocab_txt_size = size;
  } else {
    s.tokenizer_json = text;
    s.tokenizer_json_size = size;
  }
  tokenizer *t;
  assert_int_equal(tokenizer_new(&t, &s), 0);
  free(text);
  return t;
}

static void round_trip(const tokenizer *t, const char *text, const char *want, bool skip)
{
  int32_t *ids;
  size_t n;
  char *back;
  assert_int_equal(tokenizer_encode(t, &ids, &n, text), 0);
  assert_int_equal(tokenizer_decode(t, &back, ids, n, skip), 0);
  assert_string_equal(back, want);
  free(back);
  free(ids);
}

static void byte_pairs(void **state)
{
  (void)state;
  tokenizer *t = golden("vit-gpt2", "tokenizer.json");
  assert_string_equal(tokenizer_kind(t), "byte-level BPE");
  assert_int_equal(tokenizer_size(t), 4096);
  assert_int_equal(tokenizer_id(t, "<|endoftext|>"), 0);
  assert_true(tokenizer_is_special(t, 0) && !tokenizer_is_special(t, 1) && !tokenizer_is_special(t, -1) && !tokenizer_is_special(t, 4096));
  round_trip(t, "A man  isn't\tриding the 3 waves \xF0\x9F\x8C\x8A \n ", "A man  isn't\tриding the 3 waves \xF0\x9F\x8C\x8A \n ", true);
  round_trip(t, "one<|endoftext|>two", "onetwo", true);
  round_trip(t, "one<|endoftext|>two", "one<|endoftext|>two", false);
  round_trip(t, "", "", true);
  int32_t half[] = {tokenizer_id(t, "\xC3\xA2"), 1 << 20, -5, tokenizer_id(t, "!")}; /* the byte E2 alone, and ids that there are not */
  char *text;
  assert_true(half[0] > 0);
  assert_int_equal(tokenizer_decode(t, &text, half, 4, true), 0);
  assert_string_equal(text, "\xEF\xBF\xBD!");
  free(text);
  tokenizer_free(t);
}

static void word_pieces(void **state)
{
  (void)state;
  static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nman\nrid\n##ing\n.\ndon\n'\nt\ncafe\n";
  tokenizer_source s = {.vocab_txt = vocabulary, .vocab_txt_size = sizeof vocabulary - 1};
  tokenizer *t;
  assert_int_equal(tokenizer_new(&t, &s), 0);
  assert_string_equal(tokenizer_kind(t), "WordPiece");
  round_trip(t, "A MAN\triding.", "a man riding.", true);
  round_trip(t, "Caf\xC3\xA9 zebra [SEP] man", "cafe [UNK] [SEP] man", false);
  round_trip(t, "Caf\xC3\xA9 zebra [SEP] man", "cafe man", true);
  round_trip(t, "don't", "don't", true);
  tokenizer_free(t);
  t = golden("blip", "tokenizer.json");
  round_trip(t, "A Man", "a man", true);
  tokenizer_free(t);
}

/* Every sort of broken file is refused with words, and frees what it took. */
static void refuses(void **state)
{
  (void)state;
  static const struct {
    const char *vocab_json, *tokenizer_json;
    int code;
  } cases[] = {{"", NULL, OPIS_EFORMAT}, {"{", NULL, OPIS_EFORMAT}, {"{}", NULL, OPIS_EFORMAT}, {"{\"a\":}", NULL, OPIS_EFORMAT}, {"{\"a\":-1}", NULL, OPIS_EFORMAT},
    {"{\"a\":99999999999999999999}", NULL, OPIS_EFORMAT}, {"{\"a\":2147483647}", NULL, OPIS_EFORMAT}, {"{\"a\":1.5}", NULL, OPIS_EFORMAT}, {"{\"a\":0}x", NULL, OPIS_EFORMAT},
    {"{\"a\xFF\":0}", NULL, OPIS_EFORMAT}, {"{\"\\q\":0}", NULL, OPIS_EFORMAT}, {NULL, "[]", OPIS_EFORMAT}, {NULL, "{}", OPIS_EUNSUPPORTED},
    {NULL, "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}", OPIS_EUNSUPPORTED}, {NULL, "{\"model\":{\"type\":\"WordPiece\"}}", OPIS_EFORMAT},
    {NULL, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", OPIS_EUNSUPPORTED}, {NULL, NULL, OPIS_ENOTFOUND}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tokenizer_source s = {.vocab_json = cases[i].vocab_json, .tokenizer_json = cases[i].tokenizer_json};
    s.vocab_json_size = s.vocab_json ? strlen(s.vocab_json) : 0;
    s.tokenizer_json_size = s.tokenizer_json ? strlen(s.tokenizer_json) : 0;
    tokenizer *t = (tokenizer *)&s;
    assert_int_equal(tokenizer_new(&t, &s), cases[i].code);
    assert_null(t);
    assert_true(strlen(opis_error_message()) > 0);
  }
  char *deep = malloc(100001);
  memset(deep, '[', 100000);
  deep[100000] = '\0';
  tokenizer_source s = {.tokenizer_json = deep, .tokenizer_json_size = 100000};
  tokenizer *t;
  assert_int_equal(tokenizer_new(&t, &s), OPIS_EFORMAT);
  free(deep);
}

/* A broken table of merges shows when the first text is encoded, every time; decoding goes on. */
static void broken_merges(void **state)
{
  (void)state;
  static const char vocabulary[] = "{\"a\":0,\"b\":1,\"ab\":2}";
  static const struct {
    const char *merges;
    int code;
  } cases[] = {{"#version: 0.2\na b\n", 0}, {"a b\na b\n", 0}, {"a b", 0}, {"ab\n", OPIS_EFORMAT}, {"a c\n", OPIS_EFORMAT}, {"b a\n", OPIS_EFORMAT}, {" b\n", OPIS_EFORMAT}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tokenizer_source s = {.vocab_json = vocabulary, .vocab_json_size = sizeof vocabulary - 1, .merges_txt = cases[i].merges, .merges_txt_size = strlen(cases[i].merges)};
    tokenizer *t;
    assert_int_equal(tokenizer_new(&t, &s), 0);
    for (int again = 0; again < 2; again++) {
      int32_t *ids;
      size_t n;
      assert_int_equal(tokenizer_encode(t, &ids, &n, "abab"), cases[i].code);
      if (cases[i].code == 0)
        assert_true(n == 2 && ids[0] == 2 && ids[1] == 2);
      free(ids);
    }
    tokenizer_free(t);
  }
}

static void *encode_often(void *user)
{
  for (int i = 0; i < 50; i++) {
    int32_t *ids;
    size_t n;
    if (tokenizer_id(user, "\xC4\xA0man") < 0 || tokenizer_encode(user, &ids, &n, "a man riding a wave") < 0 || n != 5)
      return user;
    free(ids);
  }
  return NULL;
}

static void shared_by_threads(void **state)
{
  (void)state;
  tokenizer *t = golden("vit-gpt2", "tokenizer.json");
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, encode_often, t), 0);
  for (int i = 0; i < 4; i++) {
    void *failed;
    pthread_join(threads[i], &failed);
    assert_null(failed);
  }
  tokenizer_free(t);
}

/* Ids are the same without the index of tokens (before the first text is encoded, few added tokens) and with it: of a token that stands twice the highest, spelled with escapes or not. */
static void ids_with_and_without_index(void **state)
{
  (void)state;
  static const char vocabulary[] = "{\"a\": 0, \"b\": 1, \"a\": 2, \"\\u0120\\u0041\": 3, \"\xC3\xA9\": 4, \"\": 5, \"b\\\"\": 6, \"gone\": 7, \"new\": 7, \"far\": 40}";
  for (int n_added = 0; n_added <= 40; n_added += 8) {
    json_t *added = json_object();
    for (int i = 0; i < n_added; i++) { /* their ids lie in the hole before "far" and behind it */
      char name[16];
      snprintf(name, sizeof name, "<%d>", i);
      json_object_set_new(added, name, json_integer(i % 2 ? 8 + i / 2 : 41 + i / 2));
    }
    json_object_set_new(added, "b", json_integer(1));
    tokenizer_source s = {.vocab_json = vocabulary, .vocab_json_size = sizeof vocabulary - 1, .merges_txt = "", .added_tokens = added};
    tokenizer *t;
    assert_int_equal(tokenizer_new(&t, &s), 0);
    json_decref(added);
    for (int indexed = 0; indexed < 2; indexed++) {
      assert_int_equal(tokenizer_id(t, "a"), 2);
      assert_int_equal(tokenizer_id(t, "b"), 1);
      assert_int_equal(tokenizer_id(t,
                         "\xC4\xA0"
                         "A"),
        3);
      assert_int_equal(tokenizer_id(t, "\xC3\xA9"), 4);
      assert_int_equal(tokenizer_id(t, ""), 5);
      assert_int_equal(tokenizer_id(t, "b\""), 6);
      assert_int_equal(tokenizer_id(t, "gone"), -1);
      assert_int_equal(tokenizer_id(t, "new"), 7);
      assert_int_equal(tokenizer_id(t, "far"), 40);
      assert_int_equal(tokenizer_id(t, "nowhere"), -1);
      for (int i = 0; i < n_added; i++) {
        char name[16];
        snprintf(name, sizeof name, "<%d>", i);
        assert_int_equal(tokenizer_id(t, name), i % 2 ? 8 + i / 2 : 41 + i / 2);
      }
      round_trip(t, "ab", "ab", false); /* from here on there is an index */
    }
    tokenizer_free(t);
  }
}

/* A word of half a million letters takes n log n, not n squared. */
static void long_words(void **state)
{
  (void)state;
  enum { N = 500000 };
  tokenizer *t = golden("vit-gpt2", "tokenizer.json");
  char *word = malloc(N + 1);
  for (int i = 0; i < N; i++)
    word[i] = (char)('a' + i * 7 % 26);
  word[N] = '\0';
  round_trip(t, word, word, true);
  free(word);
  tokenizer_free(t);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(byte_pairs), cmocka_unit_test(word_pieces), cmocka_unit_test(refuses), cmocka_unit_test(broken_merges),
    cmocka_unit_test(shared_by_threads), cmocka_unit_test(ids_with_and_without_index), cmocka_unit_test(long_words)};
  return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
