/* Tables with a header: RFC 4180, and the same with ; | or tab between the fields. */
#include "captions/internal.h"

#include "util/error.h"
#include "util/strbuf.h"
#include <string.h>

#define MAX_COLUMNS 256

typedef struct table {
  const char *p, *end;
  char delimiter;
  uint64_t line; /* of the next record */
} table;

/* The fields of one record, joined in `text`, field i at offsets[i] .. offsets[i + 1]. Returns their number, 0 at the end. */
static size_t next_record(table *t, strbuf *text, size_t offsets[MAX_COLUMNS + 1], uint64_t *line, bool *open_quote)
{
  strbuf_reset(text);
  *open_quote = false;
  if (t->p >= t->end)
    return 0;
  *line = t->line;
  size_t n = 0;
  offsets[0] = 0;
  for (;;) {
    const char *p = t->p;
    while (p < t->end && *p == ' ' && t->delimiter != ' ')
      p++;
    if (p < t->end && *p == '"') {
      for (p++;;) {
        const char *quote = memchr(p, '"', (size_t)(t->end - p));
        const char *stop = quote ? quote : t->end;
        for (const char *q = p; (q = memchr(q, '\n', (size_t)(stop - q))); q++)
          t->line++;
        strbuf_append(text, p, (size_t)(stop - p));
        p = quote ? quote + 1 : t->end;
        if (!quote) {
          *open_quote = true;
          break;
        }
        if (p < t->end && *p == '"') {
          strbuf_putc(text, '"');
          p++;
          continue;
        }
        break;
      }
      t->p = p;
    }
    p = t->p;
    while (p < t->end && *p != t->delimiter && *p != '\n')
      p++;
    const char *stop = p;
    if (stop > t->p && stop[-1] == '\r' && (p == t->end || *p == '\n'))
      stop--;
    strbuf_append(text, t->p, (size_t)(stop - t->p));
    if (n < MAX_COLUMNS)
      offsets[++n] = text->n;
    bool more = p < t->end && *p == t->delimiter;
    t->p = p < t->end ? p + 1 : p;
    if (!more) {
      t->line++;
      return n;
    }
  }
}

static void trim(const char **s, size_t *n)
{
  while (*n && (**s == ' ' || **s == '\t'))
    (*s)++, (*n)--;
  while (*n && ((*s)[*n - 1] == ' ' || (*s)[*n - 1] == '\t'))
    (*n)--;
}

/* The columns of picture, caption and split in the header; false when the first two are not there. */
static bool columns(const strbuf *text, const size_t *offsets, size_t n, size_t *picture, size_t *words, size_t *split)
{
  int best_picture = -1, best_words = -1;
  *split = MAX_COLUMNS;
  for (size_t i = 0; i < n; i++) {
    const char *s = text->s ? text->s + offsets[i] : "";
    size_t length = offsets[i + 1] - offsets[i];
    trim(&s, &length);
    int p = captions_picture_key(s, length), w = captions_caption_key(s, length);
    if (p >= 0 && (best_picture < 0 || p < best_picture))
      best_picture = p, *picture = i;
    if (w >= 0 && (best_words < 0 || w < best_words))
      best_words = w, *words = i;
    if (captions_split_key(s, length))
      *split = i;
  }
  return best_picture >= 0 && best_words >= 0;
}

static bool header(table *t, const char *bytes, size_t size, strbuf *text, size_t *picture, size_t *words, size_t *split, size_t *n)
{
  static const char delimiters[] = {',', ';', '|', '\t'};
  for (size_t i = 0; i < sizeof delimiters; i++) {
    size_t offsets[MAX_COLUMNS + 1];
    uint64_t line;
    bool open_quote;
    *t = (table){bytes, bytes + size, delimiters[i], 1};
    *n = next_record(t, text, offsets, &line, &open_quote);
    if (*n >= 2 && !open_quote && columns(text, offsets, *n, picture, words, split))
      return true;
  }
  return false;
}

bool captions_is_csv(const char *bytes, size_t size)
{
  const char *newline = memchr(bytes, '\n', size);
  size_t first = newline ? (size_t)(newline - bytes) : size;
  if (first > 65536)
    return false;
  strbuf text = STRBUF_INIT;
  table t;
  size_t picture, words, split, n;
  bool yes = header(&t, bytes, first, &text, &picture, &words, &split, &n);
  strbuf_free(&text);
  return yes;
}

int captions_read_csv(captions *c, char *bytes, size_t size, const char *name)
{
  strbuf text = STRBUF_INIT;
  table t;
  size_t picture = 0, words = 0, split = 0, width = 0;
  int e = 0;
  if (!header(&t, bytes, size, &text, &picture, &words, &split, &width))
    e = error_set(OPIS_EFORMAT, "%s: line 1: the header names no picture and caption columns (such as image,caption)", name);
  size_t offsets[MAX_COLUMNS + 1], n;
  uint64_t line;
  bool open_quote;
  while (e == 0 && (n = next_record(&t, &text, offsets, &line, &open_quote)) > 0) {
    if (text.failed) {
      e = error_nomem();
      break;
    }
    if (n == 1 && !text.n)
      continue;
    if (open_quote)
      e = captions_problem(c, line, "a quote is opened and never closed: the rest of the file is taken as one field");
    if (e == 0 && (n <= picture || n <= words))
      e = captions_problem(c, line, "%zu fields where the header has %zu: line left out", n, width);
    else if (e == 0) {
      /* An unquoted caption with commas in the last column is put together again. */
      const char *s = text.s ? text.s : "";
      if (n > width && words == width - 1) {
        strbuf joined = STRBUF_INIT;
        for (size_t i = words; i < n; i++) {
          if (i > words)
            strbuf_putc(&joined, t.delimiter);
          strbuf_append(&joined, s + offsets[i], offsets[i + 1] - offsets[i]);
        }
        e = joined.failed ? error_nomem() : captions_add(c, s + offsets[picture], offsets[picture + 1] - offsets[picture], joined.s ? joined.s : "", joined.n, NULL, line);
        strbuf_free(&joined);
        continue;
      }
      const char *kept = NULL;
      if (split < n && offsets[split + 1] > offsets[split]) {
        kept = arena_strndup(&c->memory, s + offsets[split], offsets[split + 1] - offsets[split]);
        if (!kept)
          e = OPIS_ENOMEM;
      }
      if (e == 0)
        e = captions_add(c, s + offsets[picture], offsets[picture + 1] - offsets[picture], s + offsets[words], offsets[words + 1] - offsets[words], kept, line);
    }
  }
  strbuf_free(&text);
  return e;
}
