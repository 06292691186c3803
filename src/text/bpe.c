#include "text/bpe.h"

#include "text/json_pull.h"
#include "text/unicode.h"
#include "util/error.h"
#include <stdlib.h>
#include <string.h>

/* --- bytes as letters: printable bytes stand for themselves, the others are 256, 257, ... in order --- */

static bool stands_for_itself(int byte)
{
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

static uint32_t letter_of(int byte)
{
  if (stands_for_itself(byte))
    return (uint32_t)byte;
  if (byte <= 32)
    return 256u + (uint32_t)byte;
  return byte == 173 ? 323u : 256u + 33u + (uint32_t)byte - 127u; /* 127..160 follow 0..32 */
}

static int byte_of(uint32_t letter)
{
  if (letter < 256)
    return stands_for_itself((int)letter) ? (int)letter : -1;
  if (letter < 256 + 33)
    return (int)(letter - 256);
  if (letter < 323)
    return (int)(letter - 256 - 33 + 127);
  return letter == 323 ? 173 : -1;
}

void bpe_token_bytes(strbuf *out, const char *token, size_t n)
{
  size_t before = out->n;
  for (const char *p = token, *end = token + n; p < end;) {
    int byte = byte_of(utf8_next(&p));
    if (byte < 0) {
      out->n = before;
      strbuf_append(out, token, n);
      return;
    }
    strbuf_putc(out, (char)byte);
  }
}

int id_list_add(id_list *l, int32_t id)
{
  if (l->n == l->capacity) {
    size_t capacity = l->capacity ? 2 * l->capacity : 64;
    int32_t *grown = realloc(l->ids, capacity * sizeof *grown);
    if (!grown)
      return error_nomem();
    l->ids = grown;
    l->capacity = capacity;
  }
  l->ids[l->n++] = id;
  return 0;
}

/* --- merges --- */

typedef struct merge {
  int32_t left, right, rank, result; /* rank -1: an empty place */
} merge;

struct bpe_merges {
  merge *table; /* [size], a power of two */
  size_t size, n;
  int32_t byte_ids[256]; /* the id of each byte alone, or -1 */
};

static merge *merge_slot(const struct bpe_merges *m, int32_t left, int32_t right)
{
  uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
  size_t i = (size_t)(h >> 32) & (m->size - 1);
  while (m->table[i].rank >= 0 && (m->table[i].left != left || m->table[i].right != right))
    i = (i + 1) & (m->size - 1);
  return &m->table[i];
}

static int merge_add(struct bpe_merges *m, const vocabulary *v, const char *left, size_t n_left, const char *right, size_t n_right, strbuf *scratch)
{
  if (2 * (m->n + 1) > m->size) {
    size_t size = m->size ? 2 * m->size : 8192;
    merge *old = m->table, *table = malloc(size * sizeof *table);
    if (!table)
      return error_nomem();
    size_t old_size = m->size;
    for (size_t i = 0; i < size; i++)
      table[i].rank = -1;
    m->table = table;
    m->size = size;
    for (size_t i = 0; i < old_size; i++)
      if (old[i].rank >= 0)
        *merge_slot(m, old[i].left, old[i].right) = old[i];
    free(old);
  }
  strbuf_reset(scratch);
  strbuf_append(scratch, left, n_left);
  strbuf_append(scratch, right, n_right);
  if (strbuf_check(scratch) < 0)
    return OPIS_ENOMEM;
  int32_t l = vocabulary_find(v, left, n_left), r = vocabulary_find(v, right, n_right), both = vocabulary_find(v, scratch->s, scratch->n);
  if (n_left == 0 || n_right == 0 || l < 0 || r < 0 || both < 0)
    return error_set(OPIS_EFORMAT, "tokenizer: merge %zu joins what the vocabulary does not have", m->n + 1);
  *merge_slot(m, l, r) = (merge){l, r, (int32_t)m->n, both}; /* of two equal ones the later counts, as in a dictionary */
  m->n++;
  return 0;
}

/* "left right" */
static int merge_add_line(struct bpe_merges *m, const vocabulary *v, const char *line, size_t n, strbuf *scratch)
{
  const char *space = memchr(line, ' ', n);
  if (!space)
    return error_set(OPIS_EFORMAT, "tokenizer: merge %zu is not two words", m->n + 1);
  return merge_add(m, v, line, (size_t)(space - line), space + 1, n - (size_t)(space - line) - 1, scratch);
}

static int read_merges_text(struct bpe_merges *m, const vocabulary *v, const bpe *b, strbuf *scratch)
{
  const char *p = b->merges_text, *end = p + b->merges_size;
  int status = 0;
  while (status == 0 && p < end) {
    const char *eol = memchr(p, '\n', (size_t)(end - p));
    size_t n = (size_t)((eol ? eol : end) - p);
    if (n > 0 && p[n - 1] == '\r')
      n--;
    if (n > 0 && !(n >= 8 && memcmp(p, "#version", 8) == 0))
      status = merge_add_line(m, v, p, n, scratch);
    p = eol ? eol + 1 : end;
  }
  return status;
}

static int read_merges_json(struct bpe_merges *m, const vocabulary *v, const bpe *b, strbuf *scratch)
{
  json_pull j;
  strbuf left = STRBUF_INIT, right = STRBUF_INIT;
  pull_start(&j, b->merges_text, b->merges_size, "tokenizer.json");
  int status = pull_open(&j, '[');
  while (status >= 0 && (status = pull_item(&j)) > 0) {
    if (pull_kind(&j) == '"') {
      status = pull_string(&j, &left);
      if (status == 0)
        status = merge_add_line(m, v, left.s, left.n, scratch);
      continue;
    }
    status = pull_open(&j, '[');
    if (status >= 0 && (status = pull_item(&j)) == 1)
      status = pull_string(&j, &left);
    if (status >= 0 && (status = pull_item(&j)) == 1)
      status = pull_string(&j, &right);
    if (status >= 0 && pull_item(&j) != 0)
      status = pull_fail(&j, "a merge is two strings");
    if (status >= 0)
      status = merge_add(m, v, left.s ? left.s : "", left.n, right.s ? right.s : "", right.n, scratch);
  }
  strbuf_free(&left);
  strbuf_free(&right);
  return status;
}

static void merges_free(struct bpe_merges *m)
{
  if (!m)
    return;
  free(m->table);
  free(m);
}

static int merges_make(struct bpe_merges **out, const bpe *b, const vocabulary *v)
{
  struct bpe_merges *m = calloc(1, sizeof *m);
  if (!m)
    return error_nomem();
  strbuf scratch = STRBUF_INIT;
  for (int byte = 0; byte < 256; byte++) {
    strbuf_reset(&scratch);
    utf8_put(&scratch, letter_of(byte));
    m->byte_ids[byte] = scratch.failed ? -1 : vocabulary_find(v, scratch.s, scratch.n);
  }
  int status = b->merges_json ? read_merges_json(m, v, b, &scratch) : read_merges_text(m, v, b, &scratch);
  strbuf_free(&scratch);
  if (status < 0) {
    merges_free(m);
    return status;
  }
  *out = m;
  return 0;
}

/* --- one word --- */

typedef struct symbol {
  int32_t id, previous, next; /* indices, -1 at the ends; id -1: taken into its left neighbour */
} symbol;

typedef struct candidate {
  int32_t rank, at, left, right, result;
} candidate;

typedef struct heap {
  candidate *items;
  size_t n;
} heap;

static bool before(const candidate *a, const candidate *b)
{
  return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(heap *h, candidate c)
{
  size_t i = h->n++;
  for (; i > 0 && before(&c, &h->items[(i - 1) / 2]); i = (i - 1) / 2)
    h->items[i] = h->items[(i - 1) / 2];
  h->items[i] = c;
}

static candidate heap_pop(heap *h)
{
  candidate top = h->items[0], last = h->items[--h->n];
  size_t i = 0;
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= h->n)
      break;
    if (child + 1 < h->n && before(&h->items[child + 1], &h->items[child]))
      child++;
    if (!before(&h->items[child], &last))
      break;
    h->items[i] = h->items[child];
    i = child;
  }
  h->items[i] = last;
  return top;
}

static void offer(heap *h, const struct bpe_merges *m, const symbol *s, int32_t at)
{
  if (m->size == 0 || at < 0 || s[at].next < 0)
    return;
  int32_t left = s[at].id, right = s[s[at].next].id;
  const merge *found = merge_slot(m, left, right);
  if (found->rank >= 0)
    heap_push(h, (candidate){found->rank, at, left, right, found->result});
}

/* Joins the pair of lowest rank, the leftmost first, until none is left. Each join offers at most two new pairs, so the heap holds at most 3 n. */
static int encode_word(const bpe *b, const struct bpe_merges *m, const vocabulary *v, id_list *out, const uint8_t *word, size_t n)
{
  if (b->ignore_merges) {
    strbuf spelled = STRBUF_INIT;
    for (size_t i = 0; i < n; i++)
      utf8_put(&spelled, letter_of(word[i]));
    int32_t id = spelled.failed ? -1 : vocabulary_find(v, spelled.s, spelled.n);
    strbuf_free(&spelled);
    if (id >= 0)
      return id_list_add(out, id);
  }
  if (n > INT32_MAX / 4)
    return error_set(OPIS_ELIMIT, "text: a word of %zu bytes is too long", n);
  symbol few_symbols[64], *s = few_symbols;
  candidate few_candidates[3 * 64];
  heap h = {few_candidates, 0};
  if (n > 64) {
    s = malloc(n * sizeof *s);
    h.items = malloc(3 * n * sizeof *h.items);
  }
  int status = s && h.items ? 0 : error_nomem();
  if (status == 0) {
    int32_t count = 0;
    for (size_t i = 0; i < n; i++) {
      int32_t id = m->byte_ids[word[i]] >= 0 ? m->byte_ids[word[i]] : b->unknown;
      if (id < 0)
        continue;
      s[count] = (symbol){id, count - 1, -1};
      if (count > 0)
        s[count - 1].next = count;
      count++;
    }
    for (int32_t i = 0; i + 1 < count; i++)
      offer(&h, m, s, i);
    while (h.n > 0) {
      candidate c = heap_pop(&h);
      symbol *left = &s[c.at];
      if (left->id != c.left || left->next < 0 || s[left->next].id != c.right) /* one of them was joined to something else meanwhile */
        continue;
      symbol *right = &s[left->next];
      left->id = c.result;
      right->id = -1;
      left->next = right->next;
      if (left->next >= 0)
        s[left->next].previous = c.at;
      offer(&h, m, s, left->previous);
      offer(&h, m, s, c.at);
    }
    for (int32_t i = count > 0 ? 0 : -1; i >= 0 && status == 0; i = s[i].next)
      status = id_list_add(out, s[i].id);
  }
  if (s != few_symbols) {
    free(s);
    free(h.items);
  }
  return status;
}

/* --- words: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ --- */

enum class { SPACE, LETTER, NUMBER, OTHER };

static enum class class_of(uint32_t c) { return unicode_is_letter(c) ? LETTER : unicode_is_number(c) ? NUMBER : unicode_is_space(c) ? SPACE : OTHER; }

/* The end of the word that begins at p < end. */
static const char *word_end(const char *p, const char *end)
{
  static const char *const contractions[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  if (*p == '\'')
    for (size_t i = 0; i < sizeof contractions / sizeof *contractions; i++) {
      size_t n = strlen(contractions[i]);
      if ((size_t)(end - p) >= n && memcmp(p, contractions[i], n) == 0)
        return p + n;
    }
  const char *q = p, *here;
  enum class k = class_of(utf8_next(&q));
  if (k == SPACE && *p == ' ' && q < end) { /* one blank belongs to the word behind it */
    const char *r = q;
    enum class behind = class_of(utf8_next(&r));
    if (behind != SPACE) {
      k = behind;
      q = r;
    }
  }
  if (k != SPACE) {
    for (here = q; q < end && class_of(utf8_next(&here)) == k; q = here) {
    }
    return q;
  }
  const char *last = p; /* of a run of white space, all but the last if something follows; a single one alone */
  for (here = q; q < end && class_of(utf8_next(&here)) == SPACE; q = here)
    last = q;
  return q == end || last == p ? q : last;
}

int bpe_encode(bpe *b, const vocabulary *v, id_list *out, const char *text, size_t n)
{
  pthread_mutex_lock(&b->lock);
  int status = b->merges ? 0 : merges_make(&b->merges, b, v);
  const struct bpe_merges *m = b->merges;
  pthread_mutex_unlock(&b->lock);
  strbuf spaced = STRBUF_INIT;
  if (status == 0 && b->add_prefix_space && n > 0 && text[0] != ' ') {
    strbuf_putc(&spaced, ' ');
    strbuf_append(&spaced, text, n);
    status = strbuf_check(&spaced);
    text = spaced.s;
    n++;
  }
  for (const char *p = text, *end = text + n; status == 0 && p < end;) {
    const char *word = p;
    p = word_end(p, end);
    status = encode_word(b, m, v, out, (const uint8_t *)word, (size_t)(p - word));
  }
  strbuf_free(&spaced);
  return status;
}

void bpe_free(bpe *b)
{
  merges_free(b->merges);
  free(b->merges_text);
  pthread_mutex_destroy(&b->lock);
}
