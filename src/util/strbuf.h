/* A growing string. A failed allocation is remembered in `failed`, so that many appends need one check at the end. */
#ifndef UTIL_STRBUF_H
#define UTIL_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct strbuf {
  char *s; /* ends with NUL once anything was appended; NULL before */
  size_t n, capacity;
  bool failed;
} strbuf;

#define STRBUF_INIT                                                                                                                                                                \
  {                                                                                                                                                                                \
    NULL, 0, 0, false                                                                                                                                                              \
  }

void strbuf_append(strbuf *b, const char *s, size_t n);
void strbuf_puts(strbuf *b, const char *s);
void strbuf_putc(strbuf *b, char c);
void strbuf_printf(strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes begin up to end give way to the n bytes `with`. 0, or OPIS_ENOMEM and the buffer is as it was. */
int strbuf_replace(strbuf *b, size_t begin, size_t end, const char *with, size_t n);
void strbuf_reset(strbuf *b);      /* n = 0, the memory is kept */
int strbuf_check(const strbuf *b); /* 0 or OPIS_ENOMEM */
char *strbuf_take(strbuf *b);      /* the malloc'ed string, never NULL unless failed; the buffer is empty afterwards */
void strbuf_free(strbuf *b);

/* Appends s as UTF-8, each byte that is not valid UTF-8 as U+FFFD. Returns whether all of it was valid. */
bool strbuf_put_utf8(strbuf *b, const char *s, size_t n);
size_t utf8_sequence(const char *s, size_t n); /* bytes of the UTF-8 character that s[0..n) begins with; 0: none (n > 0) */
bool utf8_valid(const char *s, size_t n);

#endif
