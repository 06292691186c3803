/* tokenizer_tool FOLDER: reads one JSON value a line, a string (to be encoded) or {"ids": [...], "skip": bool} (to be decoded), and answers {"ids": [...]}, {"text": "..."} or {"error": "..."}. */
#include "model/json_text.h"
#include "text/tokenizer.h"
#include "util/error.h"
#include "util/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_text(const char *folder, const char *name, size_t *size)
{
  char *path, *text = NULL;
  if (path_join(&path, folder, name) == 0 && file_exists(path))
    file_read(&text, size, path, UINT64_C(1) << 30);
  free(path);
  return text;
}

static json_t *read_document(const char *folder, const char *name)
{
  size_t size = 0;
  json_t *document = NULL;
  char *text = read_text(folder, name, &size);
  if (text && json_text_parse(&document, text, size, name) < 0)
    fprintf(stderr, "%s\n", opis_error_message());
  free(text);
  return document;
}

static json_t *answer(const tokenizer *t, const json_t *question)
{
  if (json_is_string(question)) {
    int32_t *ids;
    size_t n;
    if (tokenizer_encode(t, &ids, &n, json_string_value(question)) < 0)
      return json_pack("{ss}", "error", opis_error_message());
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
      json_array_append_new(list, json_integer(ids[i]));
    free(ids);
    return json_pack("{so}", "ids", list);
  }
  const json_t *list = json_object_get(question, "ids");
  size_t n = json_array_size(list);
  int32_t *ids = calloc(n + 1, sizeof *ids);
  for (size_t i = 0; ids && i < n; i++)
    ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
  char *text;
  json_t *out = ids && tokenizer_decode(t, &text, ids, n, json_is_true(json_object_get(question, "skip"))) == 0 ? json_pack("{ss}", "text", text)
                                                                                                                : json_pack("{ss}", "error", opis_error_message());
  free(ids);
  return out;
}

int main(int argc, char **argv)
{
  if (argc != 2)
    return 2;
  tokenizer_source s = {0};
  s.tokenizer_json = read_text(argv[1], "tokenizer.json", &s.tokenizer_json_size);
  s.vocab_json = read_text(argv[1], "vocab.json", &s.vocab_json_size);
  s.merges_txt = read_text(argv[1], "merges.txt", &s.merges_txt_size);
  s.vocab_txt = read_text(argv[1], "vocab.txt", &s.vocab_txt_size);
  s.config = read_document(argv[1], "tokenizer_config.json");
  s.special_tokens_map = read_document(argv[1], "special_tokens_map.json");
  s.added_tokens = read_document(argv[1], "added_tokens.json");
  tokenizer *t;
  if (tokenizer_new(&t, &s) < 0) {
    fprintf(stderr, "%s\n", opis_error_message());
    return 1;
  }
  char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, stdin) > 0) {
    json_t *question = json_loads(line, JSON_DECODE_ANY, NULL), *reply = answer(t, question);
    json_dumpf(reply, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(question);
    json_decref(reply);
  }
  free(line);
  tokenizer_free(t);
  return 0;
}
