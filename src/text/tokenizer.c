#include "text/tokenizer.h"

#include "text/internal.h"
#include "text/unicode.h"
#include "util/error.h"
#include <stdlib.h>
#include <string.h>

int tokenizer_new(tokenizer **out, const tokenizer_source *source)
{
  *out = NULL;
  tokenizer *t = calloc(1, sizeof *t);
  if (!t)
    return error_nomem();
  pthread_mutex_init(&t->bpe.lock, NULL);
  t->bpe.unknown = -1;
  int status;
  if (source->tokenizer_json)
    status = read_tokenizer_json(t, source->tokenizer_json, source->tokenizer_json_size);
  else if (source->vocab_json)
    status = read_vocab_json(t, source);
  else if (source->vocab_txt)
    status = read_vocab_txt(t, source->vocab_txt, source->vocab_txt_size);
  else
    status = error_set(OPIS_ENOTFOUND, "tokenizer: neither tokenizer.json nor vocab.json nor vocab.txt is there");
  if (status == 0 && t->vocabulary.size == 0)
    status = error_set(OPIS_EFORMAT, "tokenizer: its vocabulary is empty");
  if (status == 0)
    status = apply_config(t, source);
  if (status < 0) {
    tokenizer_free(t);
    return status;
  }
  *out = t;
  return 0;
}

void tokenizer_free(tokenizer *t)
{
  if (!t)
    return;
  for (size_t i = 0; i < t->n_added; i++)
    free(t->added[i].content);
  free(t->added);
  free(t->special);
  vocabulary_free(&t->vocabulary);
  bpe_free(&t->bpe);
  free(t);
}

const char *tokenizer_kind(const tokenizer *t)
{
  return t->kind == TOKENIZER_BPE ? "byte-level BPE" : "WordPiece";
}

int tokenizer_size(const tokenizer *t)
{
  return (int)t->vocabulary.size;
}

int tokenizer_id(const tokenizer *t, const char *token)
{
  return vocabulary_find(&t->vocabulary, token, strlen(token));
}

bool tokenizer_is_special(const tokenizer *t, int32_t id)
{
  return t->special && id >= 0 && (size_t)id < t->vocabulary.size && t->special[id];
}

/* --- text to ids --- */

typedef struct encoding {
  tokenizer *t;
  id_list ids;
  strbuf normal;
} encoding;

static int encode_plain(encoding *e, const char *text, size_t n)
{
  return e->t->kind == TOKENIZER_BPE ? bpe_encode(&e->t->bpe, &e->t->vocabulary, &e->ids, text, n) : wordpiece_encode(&e->t->wordpiece, &e->t->vocabulary, &e->ids, text, n);
}

static uint32_t code_point_before(const char *begin, const char *p)
{
  const char *q = p - 1;
  while (q > begin && (*q & 0xC0) == 0x80)
    q--;
  return utf8_next(&q);
}

static bool stands_alone(const char *text, const char *end, const char *from, const char *to)
{
  const char *behind = to;
  return (from == text || !unicode_is_word(code_point_before(text, from))) && (to == end || !unicode_is_word(utf8_next(&behind)));
}

/* The leftmost added token in p..end, of those at one place the longest. */
static const added_token *find_added(const tokenizer *t, bool normalized, const bool *first, const char **p, const char *end)
{
  for (; *p < end; ++*p) {
    if (!first[(uint8_t) * *p])
      continue;
    const added_token *best = NULL;
    for (size_t i = 0; i < t->n_added; i++) {
      const added_token *a = &t->added[i];
      if (a->normalized == normalized && a->length > 0 && a->length <= (size_t)(end - *p) && (!best || a->length > best->length) && memcmp(*p, a->content, a->length) == 0)
        best = a;
    }
    if (best)
      return best;
  }
  return NULL;
}

/* Splits text at the added tokens of one sort; what is between them goes to `rest`. The white space that an rstrip takes is still searched: a token that begins in it counts. */
static int split_added(encoding *e, bool normalized, const char *text, size_t n, int (*rest)(encoding *e, const char *text, size_t n))
{
  bool first[256] = {false};
  for (size_t i = 0; i < e->t->n_added; i++)
    if (e->t->added[i].normalized == normalized && e->t->added[i].length > 0)
      first[(uint8_t)e->t->added[i].content[0]] = true;
  const char *end = text + n, *done = text, *p = text;
  const added_token *a;
  int status = 0;
  while (status == 0 && (a = find_added(e->t, normalized, first, &p, end))) {
    const char *from = p, *to = p + a->length;
    p = to;
    if (a->single_word && !stands_alone(text, end, from, to))
      continue;
    while (a->lstrip && from > done && unicode_is_space(code_point_before(text, from)))
      do
        from--;
      while ((*from & 0xC0) == 0x80);
    for (const char *q = to; a->rstrip && q < end && unicode_is_space(utf8_next(&q)); to = q) {
    }
    if (from > done)
      status = rest(e, done, (size_t)(from - done));
    if (status == 0)
      status = id_list_add(&e->ids, a->id);
    done = to;
  }
  return status == 0 && done < end ? rest(e, done, (size_t)(end - done)) : status;
}

static int encode_raw(encoding *e, const char *text, size_t n)
{
  if (e->t->kind == TOKENIZER_WORDPIECE) {
    int status = wordpiece_normalize(&e->t->wordpiece, &e->normal, text, n);
    if (status < 0)
      return status;
    text = e->normal.s;
    n = e->normal.n;
  }
  return split_added(e, true, text, n, encode_plain);
}

int tokenizer_encode(const tokenizer *t, int32_t **ids, size_t *n, const char *text)
{
  *ids = NULL;
  *n = 0;
  if (t->no_encoding)
    return error_set(OPIS_EUNSUPPORTED, "tokenizer: cannot turn text into tokens: %s", t->no_encoding);
  /* The only parts of a tokenizer that change are the index of its vocabulary and the table of merges, made once under a lock. */
  encoding e = {.t = (tokenizer *)(uintptr_t)t};
  pthread_mutex_lock(&e.t->bpe.lock);
  int status = vocabulary_index(&e.t->vocabulary);
  pthread_mutex_unlock(&e.t->bpe.lock);
  if (status < 0)
    return status;
  strbuf clean = STRBUF_INIT;
  utf8_put_lossy(&clean, (const uint8_t *)text, strlen(text));
  status = strbuf_check(&clean);
  if (status == 0 && clean.n > 0)
    status = split_added(&e, false, clean.s, clean.n, encode_raw);
  strbuf_free(&clean);
  strbuf_free(&e.normal);
  if (status == 0 && !e.ids.ids)
    status = (e.ids.ids = malloc(sizeof *e.ids.ids)) ? 0 : error_nomem();
  if (status < 0) {
    free(e.ids.ids);
    return status;
  }
  *ids = e.ids.ids;
  *n = e.ids.n;
  return 0;
}

/* --- ids to text --- */

static void replace_all(strbuf *text, const char *what, const char *by)
{
  size_t n = strlen(what), m = strlen(by); /* by is never longer */
  if (!text->s)
    return;
  char *to = text->s;
  for (const char *p = text->s, *end = text->s + text->n; p < end;)
    if ((size_t)(end - p) >= n && memcmp(p, what, n) == 0) {
      memcpy(to, by, m);
      to += m;
      p += n;
    } else {
      *to++ = *p++;
    }
  text->n = (size_t)(to - text->s);
  *to = '\0';
}

/* Transformers' clean_up_tokenization; the decoder of word pieces does it too, token by token and with one rule more. */
static void clean_up(strbuf *text, bool of_token)
{
  static const char *const rules[][2] = {
    {" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (of_token || i != 7)
      replace_all(text, rules[i][0], rules[i][1]);
}

static void put_piece(const tokenizer *t, strbuf *out, const char *token, size_t n, bool first)
{
  size_t prefix = strlen(t->decoder_prefix);
  strbuf piece = STRBUF_INIT;
  if (!first && prefix > 0 && n >= prefix && memcmp(token, t->decoder_prefix, prefix) == 0) {
    token += prefix;
    n -= prefix;
  } else if (!first) {
    strbuf_putc(&piece, ' ');
  }
  strbuf_append(&piece, token, n);
  if (t->decoder_cleanup)
    clean_up(&piece, true);
  out->failed |= piece.failed;
  strbuf_append(out, piece.s ? piece.s : "", piece.n);
  strbuf_free(&piece);
}

/* A vocabulary of bytes can spell NUL, a C string cannot: without it the words behind are kept. */
static void drop_nul(strbuf *text)
{
  size_t n = 0;
  for (size_t i = 0; i < text->n; i++)
    if (text->s[i])
      text->s[n++] = text->s[i];
  text->n = n;
  if (text->s)
    text->s[n] = '\0';
}

int tokenizer_decode(const tokenizer *t, char **text, const int32_t *ids, size_t n, bool skip_special)
{
  strbuf out = STRBUF_INIT, bytes = STRBUF_INIT;
  bool first = true;
  *text = NULL;
  for (size_t i = 0; i < n; i++) {
    const char *token;
    size_t length;
    if (!vocabulary_get(&t->vocabulary, ids[i], &token, &length) || (skip_special && tokenizer_is_special(t, ids[i])))
      continue;
    if (t->kind == TOKENIZER_BPE)
      bpe_token_bytes(&bytes, token, length);
    else
      put_piece(t, &out, token, length, first);
    first = false;
  }
  if (bytes.n > 0)
    utf8_put_lossy(&out, (const uint8_t *)bytes.s, bytes.n);
  out.failed |= bytes.failed;
  strbuf_free(&bytes);
  if (t->cleanup && !out.failed)
    clean_up(&out, false);
  drop_nul(&out);
  *text = strbuf_take(&out);
  return *text ? 0 : error_nomem();
}
