#include "model/json_text.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <ctype.h>
#include <string.h>

static bool starts(const char *text, size_t size, size_t i, const char *word)
{
  size_t n = strlen(word);
  return size - i >= n && memcmp(text + i, word, n) == 0;
}

/* The same text with what only Python writes replaced. Strings are passed over. */
static int rewrite(strbuf *out, const char *text, size_t size)
{
  bool in_string = false;
  for (size_t i = 0; i < size;) {
    char c = text[i];
    if (in_string) {
      size_t n = c == '\\' && i + 1 < size ? 2 : 1;
      strbuf_append(out, text + i, n);
      in_string = c != '"';
      i += n;
    } else if (starts(text, size, i, "-Infinity") || starts(text, size, i, "Infinity") || starts(text, size, i, "NaN")) {
      strbuf_puts(out, "null");
      i += c == '-' ? 9 : c == 'I' ? 8 : 3;
    } else if (isdigit((unsigned char)c)) {
      size_t n = 1;
      while (i + n < size && isdigit((unsigned char)text[i + n]))
        n++;
      bool real = i + n < size && (text[i + n] == '.' || text[i + n] == 'e' || text[i + n] == 'E');
      strbuf_append(out, text + i, n);
      i += n;
      if (!real && n > 18)
        strbuf_puts(out, ".0");
      else if (real) /* its fraction and exponent are no whole numbers */
        while (i < size && (isalnum((unsigned char)text[i]) || text[i] == '.' || text[i] == '+' || text[i] == '-'))
          strbuf_putc(out, text[i++]);
    } else {
      strbuf_putc(out, c);
      in_string = c == '"';
      i++;
    }
  }
  return strbuf_check(out);
}

int json_text_parse(json_t **out, const char *text, size_t size, const char *file)
{
  json_error_t error;
  *out = json_loadb(text, size, 0, &error);
  if (*out)
    return 0;
  strbuf again = STRBUF_INIT;
  if (rewrite(&again, text, size) < 0) {
    strbuf_free(&again);
    return error_nomem();
  }
  if (again.n != size) /* something was replaced */
    *out = json_loadb(again.s, again.n, 0, &error);
  strbuf_free(&again);
  return *out ? 0 : error_set(OPIS_EFORMAT, "%s: no valid JSON: line %d: %s", file, error.line, error.text);
}
