#include "text/wordpiece.h"

#include "text/unicode.h"
#include "util/error.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static bool is_cjk(uint32_t c)
{
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
    (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static void put_lower(strbuf *out, uint32_t c)
{
  if (c == 0x130) { /* the one letter whose lower case is two */
    strbuf_puts(out, "i\xCC\x87");
    return;
  }
  utf8_put(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
}

/* Canonical decomposition without the marks it sets free. */
static int strip_accents(strbuf *text)
{
  utf8proc_uint8_t *plain = NULL;
  utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text->s, (utf8proc_ssize_t)text->n, &plain, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);
  if (n < 0)
    return n == UTF8PROC_ERROR_NOMEM ? error_nomem() : error_set(OPIS_EINVALID, "text: cannot be decomposed");
  strbuf_reset(text);
  for (const char *p = (const char *)plain, *end = p + n; p < end;) {
    uint32_t c = utf8_next(&p);
    if (c < 0x80 || !unicode_is_mark(c))
      utf8_put(text, c);
  }
  free(plain);
  return strbuf_check(text);
}

int wordpiece_normalize(const wordpiece *w, strbuf *out, const char *text, size_t n)
{
  strbuf_reset(out);
  strbuf_append(out, "", 0);
  for (const char *p = text, *end = text + n; p < end;) {
    uint32_t c = utf8_next(&p);
    if (w->clean) {
      bool space = c == '\t' || c == '\n' || c == '\r' || unicode_is_space(c);
      if (c == 0 || c == 0xFFFD || (c != '\t' && c != '\n' && c != '\r' && unicode_is_other(c)))
        continue;
      c = space ? ' ' : c;
    }
    bool cjk = w->space_cjk && is_cjk(c);
    if (cjk)
      strbuf_putc(out, ' ');
    utf8_put(out, c);
    if (cjk)
      strbuf_putc(out, ' ');
  }
  int status = strbuf_check(out);
  if (status == 0 && w->strip_accents && out->n > 0)
    status = strip_accents(out);
  if (status < 0 || !w->lowercase)
    return status;
  strbuf lower = STRBUF_INIT;
  strbuf_append(&lower, "", 0);
  for (const char *p = out->s, *end = p + out->n; p < end;)
    put_lower(&lower, utf8_next(&p));
  strbuf_free(out);
  *out = lower;
  return strbuf_check(out);
}

static int encode_word(const wordpiece *w, const vocabulary *v, id_list *out, const char *word, size_t n)
{
  size_t characters = 0, before = out->n;
  for (size_t i = 0; i < n; i++)
    characters += (word[i] & 0xC0) != 0x80;
  bool unknown = characters > w->max_characters;
  strbuf piece = STRBUF_INIT;
  int status = 0;
  for (size_t begin = 0; begin < n && !unknown && status == 0;) {
    size_t end = n;
    int32_t id = -1;
    strbuf_reset(&piece);
    if (begin > 0)
      strbuf_puts(&piece, w->prefix);
    size_t prefix = piece.n;
    strbuf_append(&piece, word + begin, n - begin);
    status = strbuf_check(&piece);
    for (; status == 0 && end > begin; end--)
      if ((end == n || (word[end] & 0xC0) != 0x80) && (id = vocabulary_find(v, piece.s, prefix + end - begin)) >= 0)
        break;
    unknown = id < 0;
    if (status == 0 && !unknown)
      status = id_list_add(out, id);
    begin = end;
  }
  strbuf_free(&piece);
  if (status == 0 && unknown) {
    out->n = before;
    if (w->unknown < 0)
      return error_set(OPIS_EINVALID, "text: the vocabulary cannot spell it, and has no token for the unknown");
    status = id_list_add(out, w->unknown);
  }
  return status;
}

int wordpiece_encode(const wordpiece *w, const vocabulary *v, id_list *out, const char *text, size_t n)
{
  int status = 0;
  const char *word = NULL;
  for (const char *p = text, *end = text + n; status == 0 && p <= end;) {
    const char *here = p;
    uint32_t c = p < end ? utf8_next(&p) : ' ';
    bool space = unicode_is_space(c), punctuation = c < 0x80 ? c > 32 && c < 127 && !unicode_is_letter(c) && !unicode_is_number(c) : unicode_is_punctuation(c);
    if (!space && !punctuation) {
      word = word ? word : here;
      continue;
    }
    if (word)
      status = encode_word(w, v, out, word, (size_t)(here - word));
    word = NULL;
    if (status == 0 && punctuation)
      status = encode_word(w, v, out, here, (size_t)(p - here));
    if (here == end)
      break;
  }
  return status;
}
