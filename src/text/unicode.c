#include "text/unicode.h"

#include <utf8proc.h>

uint32_t utf8_next(const char **p)
{
  const uint8_t *s = (const uint8_t *)*p;
  if (s[0] < 0x80) {
    *p += 1;
    return s[0];
  }
  if (s[0] < 0xE0) {
    *p += 2;
    return (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
  }
  if (s[0] < 0xF0) {
    *p += 3;
    return (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
  }
  *p += 4;
  return (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
}

void utf8_put(strbuf *b, uint32_t c)
{
  uint8_t bytes[4];
  utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)c, bytes);
  if (n > 0)
    strbuf_append(b, (const char *)bytes, (size_t)n);
}

bool unicode_is_space(uint32_t c)
{
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
    c == 0x205F || c == 0x3000;
}

static utf8proc_category_t category(uint32_t c)
{
  return utf8proc_category((utf8proc_int32_t)c);
}

bool unicode_is_letter(uint32_t c)
{
  if (c < 0x80)
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  utf8proc_category_t k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool unicode_is_number(uint32_t c)
{
  if (c < 0x80)
    return c >= '0' && c <= '9';
  utf8proc_category_t k = category(c);
  return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool unicode_is_mark(uint32_t c)
{
  return category(c) == UTF8PROC_CATEGORY_MN;
}

bool unicode_is_other(uint32_t c)
{
  return category(c) >= UTF8PROC_CATEGORY_CC;
}

bool unicode_is_punctuation(uint32_t c)
{
  utf8proc_category_t k = category(c);
  return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool unicode_is_word(uint32_t c)
{
  utf8proc_category_t k = category(c);
  return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_ME) || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_PC || c == 0x200C ||
    c == 0x200D;
}

/* How many bytes at s are a valid code point (result > 0), or the longest beginning of one (result < 0), at least 1. */
static int utf8_part(const uint8_t *s, size_t n)
{
  static const uint8_t low = 0x80, high = 0xBF;
  uint8_t c = s[0], from = low, to = high;
  int more;
  if (c < 0x80)
    return 1;
  if (c >= 0xC2 && c <= 0xDF)
    more = 1;
  else if (c >= 0xE0 && c <= 0xEF)
    more = 2;
  else if (c >= 0xF0 && c <= 0xF4)
    more = 3;
  else
    return -1;
  if (c == 0xE0)
    from = 0xA0;
  else if (c == 0xED)
    to = 0x9F;
  else if (c == 0xF0)
    from = 0x90;
  else if (c == 0xF4)
    to = 0x8F;
  for (int i = 1; i <= more; i++, from = low, to = high)
    if ((size_t)i >= n || s[i] < from || s[i] > to)
      return -i;
  return more + 1;
}

void utf8_put_lossy(strbuf *b, const uint8_t *s, size_t n)
{
  size_t i = 0, begin = 0;
  while (i < n) {
    int part = utf8_part(s + i, n - i);
    if (part > 0) {
      i += (size_t)part;
      continue;
    }
    strbuf_append(b, (const char *)s + begin, i - begin);
    strbuf_append(b, "\xEF\xBF\xBD", 3);
    i += (size_t)-part;
    begin = i;
  }
  strbuf_append(b, (const char *)s + begin, n - begin);
}
