#include "util/strbuf.h"

#include "util/error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(strbuf *b, size_t more)
{
  if (b->failed || more >= SIZE_MAX / 4 - b->n)
    return !(b->failed = true);
  if (b->n + more + 1 <= b->capacity)
    return true;
  size_t capacity = b->capacity ? b->capacity : 64;
  while (capacity < b->n + more + 1)
    capacity *= 2;
  char *s = realloc(b->s, capacity);
  if (!s)
    return !(b->failed = true);
  b->s = s;
  b->capacity = capacity;
  return true;
}

void strbuf_append(strbuf *b, const char *s, size_t n)
{
  if (!grow(b, n))
    return;
  if (n)
    memcpy(b->s + b->n, s, n);
  b->n += n;
  b->s[b->n] = '\0';
}

void strbuf_puts(strbuf *b, const char *s)
{
  strbuf_append(b, s, strlen(s));
}

void strbuf_putc(strbuf *b, char c)
{
  strbuf_append(b, &c, 1);
}

void strbuf_printf(strbuf *b, const char *format, ...)
{
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, args);
  if (n < 0)
    b->failed = true;
  else if (grow(b, (size_t)n)) {
    vsnprintf(b->s + b->n, (size_t)n + 1, format, again);
    b->n += (size_t)n;
  }
  va_end(again);
  va_end(args);
}

int strbuf_replace(strbuf *b, size_t begin, size_t end, const char *with, size_t n)
{
  strbuf fresh = STRBUF_INIT;
  strbuf_append(&fresh, b->s ? b->s : "", begin);
  strbuf_append(&fresh, with, n);
  strbuf_append(&fresh, b->s ? b->s + end : "", b->n - end);
  if (strbuf_check(&fresh) < 0) {
    strbuf_free(&fresh);
    return error_nomem();
  }
  strbuf_free(b);
  *b = fresh;
  return 0;
}

void strbuf_reset(strbuf *b)
{
  b->n = 0;
  if (b->s)
    b->s[0] = '\0';
}

int strbuf_check(const strbuf *b)
{
  return b->failed ? error_nomem() : 0;
}

char *strbuf_take(strbuf *b)
{
  if (!b->s)
    strbuf_append(b, "", 0);
  char *s = b->failed ? NULL : b->s;
  if (b->failed) {
    free(b->s);
    error_nomem();
  }
  *b = (strbuf)STRBUF_INIT;
  return s;
}

void strbuf_free(strbuf *b)
{
  free(b->s);
  *b = (strbuf)STRBUF_INIT;
}

/* Length of the valid UTF-8 sequence at s (Unicode 15, table 3-7), 0 when there is none. */
size_t utf8_sequence(const char *text, size_t n)
{
  const unsigned char *s = (const unsigned char *)text;
  if (s[0] < 0x80)
    return 1;
  if (s[0] < 0xC2 || s[0] > 0xF4)
    return 0;
  size_t want = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
  if (n < want)
    return 0;
  unsigned low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80, high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
  if (s[1] < low || s[1] > high)
    return 0;
  for (size_t i = 2; i < want; i++)
    if ((s[i] & 0xC0) != 0x80)
      return 0;
  return want;
}

bool strbuf_put_utf8(strbuf *b, const char *s, size_t n)
{
  bool valid = true;
  for (size_t i = 0; i < n;) {
    size_t k = utf8_sequence(s + i, n - i);
    if (k) {
      strbuf_append(b, s + i, k);
      i += k;
    } else {
      strbuf_puts(b, "\xEF\xBF\xBD");
      valid = false;
      i++;
    }
  }
  return valid;
}

bool utf8_valid(const char *s, size_t n)
{
  for (size_t i = 0; i < n;) {
    uint64_t eight;
    if (n - i >= sizeof eight && (memcpy(&eight, s + i, sizeof eight), (eight & UINT64_C(0x8080808080808080)) == 0)) { /* most of most texts */
      i += sizeof eight;
      continue;
    }
    size_t k = utf8_sequence(s + i, n - i);
    if (!k)
      return false;
    i += k;
  }
  return true;
}
