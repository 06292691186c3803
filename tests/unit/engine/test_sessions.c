/* One model, many threads: the same words as alone, cancelled and failing calls beside the others, and no race (run under ThreadSanitizer, too). */
#include "../cmocka_all.h"
#include <opis/opis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 4 };

static const char *const pictures[] = {"astronaut.jpg", "rgb.png", "cat.jpg", "gray.png"};
enum { PICTURES = sizeof pictures / sizeof *pictures };

static const char *in_tests(char *path, size_t size, const char *name)
{
  snprintf(path, size, "%s/golden/%s", getenv("OPIS_TESTS"), name);
  return path;
}

typedef struct shared {
  opis_model *model;
  char *expected[PICTURES];
  atomic_int wrong;
} shared;

static int cancel(void *user)
{
  return --*(int *)user < 0;
}

static char *describe(opis_model *model, int picture, const opis_options *o, int *code)
{
  char path[1024], name[64];
  opis_description *d = NULL;
  snprintf(name, sizeof name, "pictures/%s", pictures[picture]);
  *code = opis_describe_file(&d, model, in_tests(path, sizeof path, name), o);
  char *text = *code == 0 ? strdup(opis_description_text(d)) : NULL;
  opis_description_free(d);
  return text;
}

static void *client(void *user)
{
  shared *s = user;
  for (int i = 0; i < ROUNDS * PICTURES; i++) {
    int code, steps = i % 5;
    opis_options o = OPIS_OPTIONS_INIT;
    o.beams = 4;
    o.max_length = 16;
    char *text = describe(s->model, i % PICTURES, &o, &code);
    if (!text || strcmp(text, s->expected[i % PICTURES]) != 0)
      s->wrong++;
    free(text);
    o.cancelled = cancel;
    o.user = &steps;
    text = describe(s->model, i % PICTURES, &o, &code);
    if (text ? strcmp(text, s->expected[i % PICTURES]) != 0 : code != OPIS_ECANCELLED)
      s->wrong++;
    free(text);
    o.max_length = 1 << 20;
    text = describe(s->model, 0, &o, &code);
    if (text || code != OPIS_EINVALID)
      s->wrong++;
    free(text);
  }
  return NULL;
}

static void same_words_from_many_threads(void **state)
{
  (void)state;
  for (int threads = 1; threads <= 3; threads += 2) {
    char path[1024];
    shared s = {0};
    opis_model_options o = OPIS_MODEL_OPTIONS_INIT;
    o.threads = threads;
    assert_int_equal(opis_model_open(&s.model, in_tests(path, sizeof path, "vit-gpt2"), &o), 0);
    opis_options options = OPIS_OPTIONS_INIT;
    options.beams = 4;
    options.max_length = 16;
    for (int i = 0; i < PICTURES; i++) {
      int code;
      s.expected[i] = describe(s.model, i, &options, &code);
      assert_non_null(s.expected[i]);
    }
    pthread_t clients[THREADS];
    for (int i = 0; i < THREADS; i++)
      assert_int_equal(pthread_create(&clients[i], NULL, client, &s), 0);
    for (int i = 0; i < THREADS; i++)
      pthread_join(clients[i], NULL);
    assert_int_equal(s.wrong, 0);
    for (int i = 0; i < PICTURES; i++)
      free(s.expected[i]);
    opis_model_free(s.model);
  }
}

/* Pictures that the golden models see, again and again. */
static void open_pictures(opis_image **images, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    char path[1024], name[64];
    snprintf(name, sizeof name, "pictures/%s", pictures[i * i % PICTURES]);
    assert_int_equal(opis_image_open_file(&images[i], in_tests(path, sizeof path, name), NULL), 0);
  }
}

/* A batch gives what its pictures give one at a time, however many there are and with any number of threads: small models' threads take pictures of their own. */
static void a_batch_gives_the_same_words(void **state)
{
  (void)state;
  enum { MOST = 21 };
  for (int threads = 1; threads <= 4; threads++) {
    char path[1024];
    opis_model *m;
    opis_image *images[MOST];
    opis_model_options o = OPIS_MODEL_OPTIONS_INIT;
    o.threads = threads;
    assert_int_equal(opis_model_open(&m, in_tests(path, sizeof path, "dinov2-gpt2"), &o), 0);
    open_pictures(images, MOST);
    for (size_t many = 1; many <= MOST; many += 4) {
      opis_description *d[MOST];
      assert_int_equal(opis_describe_images(d, m, (const opis_image *const *)images, many, NULL), 0);
      for (size_t i = 0; i < many; i++) {
        opis_description *one;
        size_t n, k;
        assert_int_equal(opis_describe_image(&one, m, images[i], NULL), 0);
        const int32_t *a = opis_description_candidate_tokens(d[i], 0, &n), *b = opis_description_candidate_tokens(one, 0, &k);
        assert_int_equal(n, k);
        assert_memory_equal(a, b, n * sizeof *a);
        assert_true(opis_description_candidate_score(d[i], 0) == opis_description_candidate_score(one, 0));
        opis_description_free(one);
        opis_description_free(d[i]);
      }
    }
    for (size_t i = 0; i < MOST; i++)
      opis_image_free(images[i]);
    opis_model_free(m);
  }
}

typedef struct watch {
  pthread_t caller;
  atomic_int asked, elsewhere;
  int most; /* this many questions are answered with no */
} watch;

static int watched(void *user)
{
  watch *w = user;
  w->elsewhere += !pthread_equal(pthread_self(), w->caller);
  return ++w->asked > w->most;
}

/* The caller is asked on its own thread, and a batch that is broken off, or cannot be done, gives nothing, and says why. */
static void a_batch_ends_as_a_whole(void **state)
{
  (void)state;
  enum { MANY = 12 };
  char path[1024];
  opis_model *m;
  opis_image *images[MANY];
  opis_description *d[MANY];
  opis_model_options threads = OPIS_MODEL_OPTIONS_INIT;
  threads.threads = 3;
  assert_int_equal(opis_model_open(&m, in_tests(path, sizeof path, "vit-gpt2"), &threads), 0);
  open_pictures(images, MANY);
  for (int most = 0; most < 30; most += 3) {
    watch w = {.caller = pthread_self(), .most = most};
    opis_options o = OPIS_OPTIONS_INIT;
    o.cancelled = watched;
    o.user = &w;
    int code = opis_describe_images(d, m, (const opis_image *const *)images, MANY, &o);
    assert_int_equal(w.elsewhere, 0);
    assert_int_equal(code, w.asked > most ? OPIS_ECANCELLED : 0);
    if (code < 0)
      assert_string_equal(opis_error_message(), "cancelled");
    for (int i = 0; i < MANY; i++) {
      assert_true((d[i] == NULL) == (code < 0));
      opis_description_free(d[i]);
    }
  }
  opis_options late = OPIS_OPTIONS_INIT;
  late.timeout = 1e-9;
  assert_int_equal(opis_describe_images(d, m, (const opis_image *const *)images, MANY, &late), OPIS_ETIMEOUT);
  assert_non_null(strstr(opis_error_message(), "took more than"));
  for (int i = 0; i < MANY; i++)
    opis_image_free(images[i]);
  opis_model_free(m);
}

typedef struct told {
  char text[PICTURES][20][512];
  int n[PICTURES];
} told;

static void hear(void *user, size_t index, const char *text)
{
  told *t = user;
  if (t->n[index] < 20)
    snprintf(t->text[index][t->n[index]++], sizeof t->text[index][0], "%s", text);
}

/* What is told as settled is how the description begins, but for its last word or two, which may yet be spelt otherwise. */
static void settled_text_stays(void **state)
{
  (void)state;
  char path[1024];
  opis_model *m;
  int early = 0;
  assert_int_equal(opis_model_open(&m, in_tests(path, sizeof path, "vit-gpt2"), NULL), 0);
  for (int beams = 1; beams <= 4; beams += 3)
    for (int i = 0; i < PICTURES; i++) {
      told t = {.n = {0}};
      opis_options o = OPIS_OPTIONS_INIT;
      int code;
      o.beams = beams;
      o.max_length = 16;
      o.min_length = 15; /* random weights like to stop at once */
      o.settled = hear;
      o.user = &t;
      char *text = describe(m, i, &o, &code);
      assert_non_null(text);
      assert_true(t.n[0] > 2);
      for (int k = 0; k < t.n[0]; k++) {
        char *s = t.text[0][k], *end = strrchr(s, ' ');
        if (end)
          *end = '\0';
        if (end && (end = strrchr(s, ' ')) != NULL) {
          *end = '\0';
          assert_memory_equal(text, s, strlen(s));
          early += beams > 1 && k + 2 < t.n[0];
        }
      }
      free(text);
    }
  assert_true(early > 0); /* something was said before the end */
  opis_model_free(m);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_words_from_many_threads), cmocka_unit_test(a_batch_gives_the_same_words), cmocka_unit_test(a_batch_ends_as_a_whole),
    cmocka_unit_test(settled_text_stays)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
