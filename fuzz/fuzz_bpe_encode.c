/* Any bytes as a prompt for byte pairs: what is encoded must decode to the text itself (with broken UTF-8 mended). */
#include "text/tokenizer.h"
#include "text/unicode.h"
#include <stdlib.h>
#include <string.h>

/* All 256 letters that stand for bytes, and a few merges. */
static tokenizer *make(void)
{
  strbuf json = STRBUF_INIT;
  strbuf_puts(&json, "{");
  int id = 0;
  for (uint32_t c = 33; c <= 323; c++)
    if (c <= 126 || (c >= 161 && c != 173)) {
      strbuf_puts(&json, "\"");
      if (c == '"' || c == '\\')
        strbuf_putc(&json, '\\');
      utf8_put(&json, c);
      strbuf_printf(&json, "\":%d,", id++);
    }
  strbuf_printf(&json, "\"ab\":%d,\"abab\":%d,\"aa\":%d}", id, id + 1, id + 2);
  static const char merges[] = "a b\na a\nab ab\n";
  tokenizer_source s = {.vocab_json = json.s, .vocab_json_size = json.n, .merges_txt = merges, .merges_txt_size = sizeof merges - 1};
  tokenizer *t;
  if (tokenizer_new(&t, &s) < 0)
    abort();
  strbuf_free(&json);
  return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static tokenizer *t;
  if (!t)
    t = make();
  char *text = malloc(size + 1), *back;
  if (!text)
    return 0;
  memcpy(text, data, size);
  text[size] = '\0';
  int32_t *ids;
  size_t n;
  if (tokenizer_encode(t, &ids, &n, text) < 0 || tokenizer_decode(t, &back, ids, n, false) < 0)
    abort();
  strbuf want = STRBUF_INIT;
  utf8_put_lossy(&want, (const uint8_t *)text, strlen(text));
  if (strcmp(back, want.s) != 0)
    abort();
  strbuf_free(&want);
  free(back);
  free(ids);
  free(text);
  return 0;
}
