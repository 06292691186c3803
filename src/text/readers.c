/* The files a vocabulary comes in. */
#include "text/internal.h"
#include "text/json_pull.h"
#include "util/error.h"
#include <stdlib.h>
#include <string.h>

/* {"token": id} */
static int read_vocabulary(tokenizer *t, json_pull *j)
{
  strbuf scratch = STRBUF_INIT;
  const char *token;
  size_t n;
  int64_t id;
  int status = pull_open(j, '{');
  while (status >= 0 && (status = pull_key_at(j, &scratch, &token, &n)) > 0) {
    status = pull_integer(j, &id);
    if (status == 0)
      status = vocabulary_add(&t->vocabulary, token, n, id);
  }
  strbuf_free(&scratch);
  return status;
}

static int keep_merges(tokenizer *t, const char *text, size_t size, bool json)
{
  free(t->bpe.merges_text);
  t->bpe.merges_text = malloc(size + 1);
  if (!t->bpe.merges_text)
    return error_nomem();
  if (size)
    memcpy(t->bpe.merges_text, text, size);
  t->bpe.merges_size = size;
  t->bpe.merges_json = json;
  return 0;
}

int read_vocab_json(tokenizer *t, const tokenizer_source *source)
{
  json_pull j;
  t->kind = TOKENIZER_BPE;
  pull_start(&j, source->vocab_json, source->vocab_json_size, "vocab.json");
  int status = read_vocabulary(t, &j);
  if (status == 0)
    status = pull_finish(&j);
  if (status < 0)
    return status;
  if (!source->merges_txt)
    t->no_encoding = "merges.txt is missing";
  else if (!utf8_valid(source->merges_txt, source->merges_txt_size))
    return error_set(OPIS_EFORMAT, "merges.txt: not UTF-8");
  return source->merges_txt ? keep_merges(t, source->merges_txt, source->merges_txt_size, false) : 0;
}

static void bert_defaults(tokenizer *t)
{
  t->kind = TOKENIZER_WORDPIECE;
  t->wordpiece = (wordpiece){.clean = true, .lowercase = true, .strip_accents = true, .space_cjk = true, .unknown = -1, .prefix = "##", .max_characters = 100};
  memcpy(t->decoder_prefix, "##", 3);
  t->decoder_cleanup = true;
}

int read_vocab_txt(tokenizer *t, const char *text, size_t size)
{
  bert_defaults(t);
  if (!utf8_valid(text, size))
    return error_set(OPIS_EFORMAT, "vocab.txt: not UTF-8");
  int64_t id = 0;
  int status = 0;
  for (const char *p = text, *end = text + size; status == 0 && p < end; id++) {
    const char *eol = memchr(p, '\n', (size_t)(end - p));
    size_t n = (size_t)((eol ? eol : end) - p);
    if (n > 0 && p[n - 1] == '\r')
      n--;
    status = vocabulary_add(&t->vocabulary, p, n, id);
    p = eol ? eol + 1 : end;
  }
  if (status == 0)
    t->wordpiece.unknown = vocabulary_find(&t->vocabulary, "[UNK]", 5);
  return status;
}

/* --- tokenizer.json --- */

typedef struct tokenizer_file {
  json_t *added, *normalizer, *pre_tokenizer, *decoder, *settings; /* settings: the model without its lists */
  bool has_vocabulary, has_merges;
} tokenizer_file;

static int small_value(json_t **out, json_pull *j)
{
  const char *at;
  size_t size;
  int status = pull_skip(j, &at, &size);
  if (status < 0)
    return status;
  json_decref(*out);
  *out = json_loadb(at, size, JSON_DECODE_ANY, NULL);
  return *out ? 0 : pull_fail(j, "a value cannot be read");
}

static int read_model(tokenizer *t, tokenizer_file *f, json_pull *j)
{
  strbuf key = STRBUF_INIT;
  f->settings = json_object();
  int status = f->settings ? pull_open(j, '{') : error_nomem();
  while (status >= 0 && (status = pull_key(j, &key)) > 0) {
    if (strcmp(key.s, "vocab") == 0 && pull_kind(j) == '{') {
      status = f->has_vocabulary ? pull_fail(j, "two vocabularies") : read_vocabulary(t, j);
      f->has_vocabulary = true;
    } else if (strcmp(key.s, "merges") == 0 && pull_kind(j) == '[') {
      const char *at;
      size_t size;
      status = pull_skip(j, &at, &size);
      if (status == 0)
        status = keep_merges(t, at, size, true);
      f->has_merges = true;
    } else if (strcmp(key.s, "vocab") == 0) {
      status = pull_skip(j, NULL, NULL);
    } else {
      json_t *value = NULL;
      status = small_value(&value, j);
      if (value)
        json_object_set_new(f->settings, key.s, value);
    }
  }
  strbuf_free(&key);
  return status;
}

static int read_parts(tokenizer *t, tokenizer_file *f, json_pull *j)
{
  strbuf key = STRBUF_INIT;
  int status = pull_open(j, '{');
  while (status >= 0 && (status = pull_key(j, &key)) > 0) {
    json_t **part = strcmp(key.s, "added_tokens") == 0 ? &f->added
      : strcmp(key.s, "normalizer") == 0               ? &f->normalizer
      : strcmp(key.s, "pre_tokenizer") == 0            ? &f->pre_tokenizer
      : strcmp(key.s, "decoder") == 0                  ? &f->decoder
                                                       : NULL;
    if (strcmp(key.s, "model") == 0)
      status = f->settings ? pull_fail(j, "two models") : read_model(t, f, j);
    else
      status = part ? small_value(part, j) : pull_skip(j, NULL, NULL);
  }
  strbuf_free(&key);
  return status < 0 ? status : pull_finish(j);
}

static const char *string_of(const json_t *object, const char *key)
{
  const char *s = json_string_value(json_object_get(object, key));
  return s ? s : "";
}

static bool flag_of(const json_t *object, const char *key, bool otherwise)
{
  const json_t *v = json_object_get(object, key);
  return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

static int unknown_id(const tokenizer *t, const json_t *settings)
{
  const char *unknown = string_of(settings, "unk_token");
  return *unknown ? vocabulary_find(&t->vocabulary, unknown, strlen(unknown)) : -1;
}

static int settle_bpe(tokenizer *t, const tokenizer_file *f)
{
  t->kind = TOKENIZER_BPE;
  if (strcmp(string_of(f->decoder, "type"), "ByteLevel") != 0)
    return error_set(OPIS_EUNSUPPORTED, "tokenizer.json: byte-pair encoding with the decoder \"%s\" is not supported, only byte level", string_of(f->decoder, "type"));
  if (*string_of(f->settings, "continuing_subword_prefix") || *string_of(f->settings, "end_of_word_suffix") || flag_of(f->settings, "byte_fallback", false))
    return error_set(OPIS_EUNSUPPORTED, "tokenizer.json: byte-pair encoding with word marks or byte fallback is not supported");
  t->bpe.ignore_merges = flag_of(f->settings, "ignore_merges", false);
  t->bpe.unknown = unknown_id(t, f->settings);
  t->bpe.add_prefix_space = flag_of(f->pre_tokenizer, "add_prefix_space", false);
  if (!f->has_merges)
    t->no_encoding = "tokenizer.json has no merges";
  else if (f->normalizer && !json_is_null(f->normalizer))
    t->no_encoding = "tokenizer.json has a normalizer that is not supported for byte-pair encoding";
  else if (strcmp(string_of(f->pre_tokenizer, "type"), "ByteLevel") != 0 || !flag_of(f->pre_tokenizer, "use_regex", true))
    t->no_encoding = "tokenizer.json has a pre-tokenizer that is not supported, only ByteLevel";
  return 0;
}

static int prefix_from(char *to, size_t size, const json_t *object, const char *key)
{
  const char *s = string_of(object, key);
  if (strlen(s) >= size)
    return error_set(OPIS_EFORMAT, "tokenizer.json: %s of %zu bytes", key, strlen(s));
  memcpy(to, s, strlen(s) + 1);
  return 0;
}

static int settle_wordpiece(tokenizer *t, const tokenizer_file *f)
{
  bert_defaults(t);
  const char *decoder = string_of(f->decoder, "type");
  if (*decoder && strcmp(decoder, "WordPiece") != 0)
    return error_set(OPIS_EUNSUPPORTED, "tokenizer.json: word pieces with the decoder \"%s\" are not supported", decoder);
  t->decoder_cleanup = *decoder && flag_of(f->decoder, "cleanup", true);
  int status = prefix_from(t->decoder_prefix, sizeof t->decoder_prefix, f->decoder, "prefix");
  if (status == 0 && json_object_get(f->settings, "continuing_subword_prefix"))
    status = prefix_from(t->wordpiece.prefix, sizeof t->wordpiece.prefix, f->settings, "continuing_subword_prefix");
  if (status < 0)
    return status;
  const json_t *most = json_object_get(f->settings, "max_input_chars_per_word");
  if (json_is_integer(most) && json_integer_value(most) >= 0)
    t->wordpiece.max_characters = (size_t)json_integer_value(most);
  t->wordpiece.unknown = unknown_id(t, f->settings);
  const json_t *n = f->normalizer;
  bool plain = !n || json_is_null(n);
  t->wordpiece.clean = flag_of(n, "clean_text", !plain);
  t->wordpiece.lowercase = flag_of(n, "lowercase", !plain);
  t->wordpiece.strip_accents = flag_of(n, "strip_accents", t->wordpiece.lowercase);
  t->wordpiece.space_cjk = flag_of(n, "handle_chinese_chars", !plain);
  if (!plain && strcmp(string_of(n, "type"), "BertNormalizer") != 0)
    t->no_encoding = "tokenizer.json has a normalizer that is not supported for word pieces, only BertNormalizer";
  else if (strcmp(string_of(f->pre_tokenizer, "type"), "BertPreTokenizer") != 0)
    t->no_encoding = "tokenizer.json has a pre-tokenizer that is not supported for word pieces, only BertPreTokenizer";
  return 0;
}

int read_tokenizer_json(tokenizer *t, const char *text, size_t size)
{
  json_pull j;
  tokenizer_file f = {0};
  pull_start(&j, text, size, "tokenizer.json");
  int status = read_parts(t, &f, &j);
  if (status == 0) {
    const char *type = string_of(f.settings, "type");
    if (strcmp(type, "BPE") == 0 || (!*type && f.has_merges))
      status = settle_bpe(t, &f);
    else if (strcmp(type, "WordPiece") == 0 || (!*type && json_object_get(f.settings, "max_input_chars_per_word")))
      status = settle_wordpiece(t, &f);
    else
      status = error_set(OPIS_EUNSUPPORTED, "tokenizer.json: the model type \"%s\" is not supported, only BPE and WordPiece", type);
  }
  if (status == 0 && !f.has_vocabulary)
    status = error_set(OPIS_EFORMAT, "tokenizer.json: it has no vocabulary");
  for (size_t i = 0; status == 0 && i < json_array_size(f.added); i++) {
    const json_t *token = json_array_get(f.added, i), *id = json_object_get(token, "id");
    status = tokenizer_add_json(t, token, json_is_integer(id) ? json_integer_value(id) : -1);
  }
  json_decref(f.added);
  json_decref(f.normalizer);
  json_decref(f.pre_tokenizer);
  json_decref(f.decoder);
  json_decref(f.settings);
  return status;
}
