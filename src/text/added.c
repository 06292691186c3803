/* Added tokens, and what the small files beside the vocabulary say about them. */
#include "text/internal.h"
#include "util/error.h"
#include <stdlib.h>
#include <string.h>

#define MAX_ADDED 65536
#define FEW_ADDED 16 /* so many are looked for without an index of the vocabulary */

static int set_special(tokenizer *t, int32_t id, size_t size_before)
{
  if (t->vocabulary.size > size_before || !t->special) {
    uint8_t *grown = realloc(t->special, t->vocabulary.size);
    if (!grown)
      return error_nomem();
    size_t had = t->special ? size_before : 0;
    memset(grown + had, 0, t->vocabulary.size - had);
    t->special = grown;
  }
  t->special[id] = 1;
  return 0;
}

int tokenizer_add(tokenizer *t, const added_token *flags, const char *content, int64_t id)
{
  size_t n = strlen(content), size_before = t->vocabulary.size;
  if (n == 0)
    return 0;
  int status = t->n_added < FEW_ADDED ? 0 : vocabulary_index(&t->vocabulary);
  int32_t known = vocabulary_find(&t->vocabulary, content, n);
  if (status == 0 && known < 0) {
    status = vocabulary_add(&t->vocabulary, content, n, id >= 0 ? id : (int64_t)t->vocabulary.size);
    known = (int32_t)(id >= 0 ? id : (int64_t)size_before);
    /* The special flags cover all ids at any time. */
    if (status == 0 && t->special && t->vocabulary.size > size_before) {
      uint8_t *grown = realloc(t->special, t->vocabulary.size);
      if (!grown)
        return error_nomem();
      memset(grown + size_before, 0, t->vocabulary.size - size_before);
      t->special = grown;
      size_before = t->vocabulary.size;
    }
  }
  if (status < 0)
    return status;
  added_token *a = NULL;
  for (size_t i = 0; i < t->n_added && !a; i++)
    if (t->added[i].id == known)
      a = &t->added[i];
  if (!a) {
    if (t->n_added == MAX_ADDED)
      return error_set(OPIS_EFORMAT, "tokenizer: more than %d added tokens", MAX_ADDED);
    if ((t->n_added & (t->n_added - 1)) == 0) { /* room doubles whenever the number is a power of two */
      added_token *grown = realloc(t->added, (t->n_added ? 2 * t->n_added : 1) * sizeof *grown);
      if (!grown)
        return error_nomem();
      t->added = grown;
    }
    a = &t->added[t->n_added];
    a->content = strdup(content);
    if (!a->content)
      return error_nomem();
    t->n_added++;
  }
  char *kept = a->content;
  *a = *flags;
  a->content = kept;
  a->length = strlen(kept);
  a->id = known;
  return a->special ? set_special(t, known, size_before) : 0;
}

static bool flag(const json_t *token, const char *key, bool otherwise)
{
  const json_t *v = json_object_get(token, key);
  return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

int tokenizer_add_json(tokenizer *t, const json_t *token, int64_t id)
{
  const char *content = json_string_value(json_object_get(token, "content"));
  if (!content)
    return error_set(OPIS_EFORMAT, "tokenizer: an added token without content");
  bool special = flag(token, "special", false);
  added_token flags = {.special = special,
    .lstrip = flag(token, "lstrip", false),
    .rstrip = flag(token, "rstrip", false),
    .single_word = flag(token, "single_word", false),
    .normalized = flag(token, "normalized", !special)};
  return tokenizer_add(t, &flags, content, id);
}

/* --- tokenizer_config.json and its neighbours --- */

typedef struct numbered {
  int64_t id;
  const char *name;
  const json_t *token;
} numbered;

static int by_id(const void *a, const void *b)
{
  const numbered *x = a, *y = b;
  return x->id < y->id ? -1 : x->id > y->id;
}

/* What is said of a name like "unk_token": by tokenizer_config.json, or, in folders older than its added_tokens_decoder, rather by special_tokens_map.json. */
static const json_t *special_name(const tokenizer_source *source, const char *name)
{
  const json_t *map = json_object_get(source->config, "added_tokens_decoder") ? NULL : source->special_tokens_map, *v = json_object_get(map, name);
  return v ? v : json_object_get(source->config, name);
}

static const char *const special_names[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
enum { SPECIAL_NAMES = sizeof special_names / sizeof *special_names };

static const char *content_of(const json_t *token)
{
  return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

static bool is_in(const json_t *list, const char *content)
{
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *one = content_of(json_array_get(list, i));
    if (one && strcmp(one, content) == 0)
      return true;
  }
  return false;
}

static bool is_special_name(const tokenizer_source *source, const char *content)
{
  for (size_t i = 0; i < SPECIAL_NAMES; i++) {
    const char *one = content_of(special_name(source, special_names[i]));
    if (one && strcmp(one, content) == 0)
      return true;
  }
  return is_in(json_object_get(source->config, "additional_special_tokens"), content) || is_in(json_object_get(source->special_tokens_map, "additional_special_tokens"), content);
}

static bool is_added(const tokenizer *t, int64_t id)
{
  for (size_t i = 0; i < t->n_added; i++)
    if (t->added[i].id == id)
      return true;
  return false;
}

/* {"ID": {"content", ...}} of tokenizer_config.json, or {"content": ID} of added_tokens.json, in the order of the ids. */
static int add_numbered(tokenizer *t, const tokenizer_source *source, const json_t *object)
{
  size_t n = json_object_size(object), i = 0;
  if (n == 0)
    return 0;
  if (n > MAX_ADDED)
    return error_set(OPIS_EFORMAT, "tokenizer: more than %d added tokens", MAX_ADDED);
  numbered *list = calloc(n, sizeof *list);
  if (!list)
    return error_nomem();
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)object, key, value) list[i++] =
    (numbered){json_is_object(value) ? strtoll(key, NULL, 10) : (int64_t)json_integer_value(value), key, json_is_object(value) ? value : NULL};
  qsort(list, n, sizeof *list, by_id);
  int status = 0;
  for (i = 0; i < n && status == 0; i++) {
    bool special = !list[i].token && is_special_name(source, list[i].name);
    if (list[i].token)
      status = tokenizer_add_json(t, list[i].token, list[i].id);
    else if (!is_added(t, list[i].id)) /* tokenizer.json knows more of its own */
      status = tokenizer_add(t, &(added_token){.special = special, .normalized = !special}, list[i].name, list[i].id);
  }
  free(list);
  return status;
}

/* "bos_token" and so on: a string or {"content", ...}. Such a token is special. `must`: it is added even if the vocabulary does not have it. */
static int add_special(tokenizer *t, const json_t *token, bool must)
{
  const char *content = content_of(token);
  if (!content || !*content)
    return 0;
  int32_t id = vocabulary_find(&t->vocabulary, content, strlen(content));
  if (id < 0 && !must)
    return 0;
  for (size_t i = 0; id >= 0 && i < t->n_added; i++)
    if (t->added[i].id == id) { /* its flags are known */
      t->added[i].special = true;
      return set_special(t, id, t->vocabulary.size);
    }
  added_token flags = {.special = true,
    .lstrip = flag(token, "lstrip", false),
    .rstrip = flag(token, "rstrip", false),
    .single_word = flag(token, "single_word", false),
    .normalized = flag(token, "normalized", false)};
  return tokenizer_add(t, &flags, content, -1);
}

/* The special tokens that the classes of Transformers have without being told; NULL: none. */
static const char *usual_token(const tokenizer *t, const tokenizer_source *source, size_t name)
{
  static const char *const gpt2[] = {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>", NULL, NULL, NULL, NULL},
                           *const bert[] = {NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
  const char *class = json_string_value(json_object_get(source->config, "tokenizer_class"));
  bool is_bpe = t->kind == TOKENIZER_BPE;
  if (class && strncmp(class, is_bpe ? "GPT2" : "Bert", 4) != 0)
    return NULL;
  return is_bpe ? gpt2[name] : bert[name];
}

static int add_list(tokenizer *t, const json_t *list)
{
  int status = 0;
  for (size_t i = 0; i < json_array_size(list) && status == 0; i++)
    status = add_special(t, json_array_get(list, i), true);
  return status;
}

static int add_special_names(tokenizer *t, const tokenizer_source *source)
{
  static const char more[] = "additional_special_tokens";
  int status = 0;
  for (size_t i = 0; i < SPECIAL_NAMES && status == 0; i++) {
    const json_t *said = special_name(source, special_names[i]);
    const char *usual = said ? NULL : usual_token(t, source, i);
    json_t *token = usual ? json_string(usual) : NULL;
    status = add_special(t, said ? said : token, said != NULL);
    json_decref(token);
  }
  if (status == 0)
    status = add_list(t, json_object_get(source->config, more));
  if (status == 0 && !json_object_get(source->config, "added_tokens_decoder"))
    status = add_list(t, json_object_get(source->special_tokens_map, more));
  return status;
}

static void apply_bert_settings(tokenizer *t, const tokenizer_source *source, bool from_json)
{
  const json_t *config = source->config;
  const json_t *lower = json_object_get(config, "do_lower_case"), *strip = json_object_get(config, "strip_accents"), *cjk = json_object_get(config, "tokenize_chinese_chars");
  if (from_json && !lower && !strip && !cjk)
    return;
  wordpiece *w = &t->wordpiece;
  w->lowercase = lower ? json_is_true(lower) : true;
  w->strip_accents = json_is_boolean(strip) ? json_is_true(strip) : w->lowercase;
  w->space_cjk = cjk ? json_is_true(cjk) : true;
  const char *unknown = content_of(special_name(source, "unk_token"));
  if (!from_json && unknown)
    w->unknown = vocabulary_find(&t->vocabulary, unknown, strlen(unknown));
}

/* Added tokens are looked for in normalised text in their own normalised form. */
static int normalize_added(tokenizer *t)
{
  if (t->kind != TOKENIZER_WORDPIECE)
    return 0;
  for (size_t i = 0; i < t->n_added; i++) {
    added_token *a = &t->added[i];
    if (!a->normalized)
      continue;
    strbuf text = STRBUF_INIT;
    int status = wordpiece_normalize(&t->wordpiece, &text, a->content, a->length);
    if (status < 0) {
      strbuf_free(&text);
      return status;
    }
    free(a->content);
    a->length = text.n;
    a->content = strbuf_take(&text);
    if (!a->content)
      return error_nomem();
  }
  return 0;
}

int apply_config(tokenizer *t, const tokenizer_source *source)
{
  bool from_json = source->tokenizer_json != NULL;
  const json_t *config = source->config, *cleanup = json_object_get(config, "clean_up_tokenization_spaces");
  int status = add_numbered(t, source, json_object_get(config, "added_tokens_decoder"));
  if (status == 0 && !json_object_get(config, "added_tokens_decoder"))
    status = add_numbered(t, source, source->added_tokens);
  if (status == 0)
    status = add_special_names(t, source);
  if (status < 0)
    return status;
  /* Transformers' own default is false; its word-piece class that reads vocab.txt asks for it. */
  t->cleanup = cleanup ? json_is_true(cleanup) : t->kind == TOKENIZER_WORDPIECE && !from_json;
  if (t->kind == TOKENIZER_WORDPIECE)
    apply_bert_settings(t, source, from_json);
  else
    t->bpe.add_prefix_space = json_is_true(json_object_get(config, "add_prefix_space"));
  return normalize_added(t);
}
