/* Reading a chat completion request. */
#include "serve/chat.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_URLS = 64 };

static int wrong(chat_request *c, const char *param, const char *why)
{
  c->param = param;
  return error_set(OPIS_EINVALID, "%s: %s", param, why);
}

static int add_url(chat_request *c, const char *url)
{
  if (c->n_urls >= MAX_URLS)
    return wrong(c, "messages", "too many pictures");
  char **urls = realloc(c->urls, (c->n_urls + 1) * sizeof *urls);
  if (!urls)
    return error_nomem();
  c->urls = urls;
  if (!(urls[c->n_urls] = strdup(url)))
    return error_nomem();
  c->n_urls++;
  return 0;
}

static bool is_image_part(const json_t *part)
{
  const char *type = json_string_value(json_object_get(part, "type"));
  return type && (strcmp(type, "image_url") == 0 || strcmp(type, "input_image") == 0);
}

static bool has_image(const json_t *message)
{
  const json_t *content = json_object_get(message, "content");
  for (size_t i = 0; i < json_array_size(content); i++)
    if (is_image_part(json_array_get(content, i)))
      return true;
  return false;
}

static int read_parts(chat_request *c, const json_t *message)
{
  const json_t *content = json_object_get(message, "content");
  strbuf text = STRBUF_INIT;
  int status = 0;
  for (size_t i = 0; i < json_array_size(content) && status == 0; i++) {
    const json_t *part = json_array_get(content, i), *image = json_object_get(part, "image_url");
    const char *words = json_string_value(json_object_get(part, "text"));
    const char *url = json_string_value(json_is_object(image) ? json_object_get(image, "url") : image);
    if (is_image_part(part))
      status = url ? add_url(c, url) : wrong(c, "messages", "an image_url without url");
    else if (words && *words)
      strbuf_printf(&text, "%s%s", text.n ? "\n" : "", words);
  }
  if (text.n && status == 0 && !(c->text = strbuf_take(&text)))
    status = error_nomem();
  strbuf_free(&text);
  return status;
}

static int read_messages(chat_request *c, const json_t *root)
{
  const json_t *messages = json_object_get(root, "messages"), *last = NULL;
  if (!json_is_array(messages) || json_array_size(messages) == 0)
    return wrong(c, "messages", "a list with at least one message is needed");
  for (size_t i = 0; i < json_array_size(messages); i++) {
    const json_t *m = json_array_get(messages, i), *content = json_object_get(m, "content");
    if (!json_is_object(m) || !json_is_string(json_object_get(m, "role")))
      return wrong(c, "messages", "every message is an object with a role");
    if (content && !json_is_null(content) && !json_is_string(content) && !json_is_array(content))
      return wrong(c, "messages", "content is a text or a list of parts");
    for (size_t k = 0; k < json_array_size(content); k++)
      if (!json_is_string(json_object_get(json_array_get(content, k), "type")))
        return wrong(c, "messages", "every part of a content is an object with a type");
    if (has_image(m))
      last = m;
  }
  if (!last)
    return wrong(c, "messages", "there is no picture in them (a part of type image_url)");
  return read_parts(c, last);
}

static int set(chat_request *c, const char *name, const json_t *value)
{
  char text[64];
  const char *s = text;
  if (json_is_integer(value))
    snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
  else if (json_is_real(value))
    snprintf(text, sizeof text, "%.9f", json_real_value(value));
  else if (json_is_boolean(value))
    s = json_is_true(value) ? "true" : "false";
  else if (json_is_string(value))
    s = json_string_value(value);
  else
    return error_set(OPIS_EINVALID, "%s: neither text nor number", name);
  return params_set(&c->params, name, s, strlen(s));
}

static int read_settings(chat_request *c, const json_t *root)
{
  for (const param_entry *e = param_table; e->name; e++) {
    const json_t *value = json_object_get(root, e->name);
    if (!value || json_is_null(value) || strcmp(e->name, "prompt") == 0 || strcmp(e->name, "attention") == 0)
      continue;
    if ((e->type == PARAM_STRING) != (json_is_string(value) != 0) && e->type != PARAM_EARLY_STOPPING)
      return wrong(c, e->name, "of another type");
    if (e->type == PARAM_BOOL && !json_is_boolean(value))
      return wrong(c, e->name, "neither true nor false");
    int status = set(c, e->name, value);
    if (status < 0) {
      c->param = e->name;
      return status;
    }
  }
  const json_t *n = json_object_get(root, "n"), *most = json_object_get(root, "max_completion_tokens");
  if (n && !json_is_null(n)) {
    if (!json_is_integer(n) || json_integer_value(n) < 1 || json_integer_value(n) > 64)
      return wrong(c, "n", "a whole number from 1 to 64 is needed");
    c->params.options.candidates = (int)json_integer_value(n);
  }
  const char *name = most && !json_is_null(most) ? "max_completion_tokens" : "max_tokens";
  most = json_object_get(root, name);
  if (most && !json_is_null(most)) {
    if (!json_is_integer(most) || json_integer_value(most) < 1)
      return wrong(c, name, "a whole number above 0 is needed");
    c->max_tokens = json_integer_value(most) < 100000 ? (int)json_integer_value(most) : 100000;
  }
  const json_t *stream = json_object_get(root, "stream_options");
  if (stream && !json_is_null(stream) && !json_is_object(stream))
    return wrong(c, "stream_options", "an object is needed");
  c->usage = json_is_true(json_object_get(stream, "include_usage"));
  return 0;
}

int chat_parse(chat_request *c, const char *body, size_t size)
{
  json_error_t error;
  *c = (chat_request){0};
  params_init(&c->params);
  json_t *root = json_loadb(body, size, 0, &error);
  if (!root) {
    strbuf words = STRBUF_INIT;
    strbuf_put_utf8(&words, error.text, strlen(error.text));
    int status = error_set(OPIS_EINVALID, "the body is no JSON: %s (line %d, column %d)", words.s ? words.s : "", error.line, error.column);
    strbuf_free(&words);
    return status;
  }
  int status = json_is_object(root) ? 0 : error_set(OPIS_EINVALID, "the body is no JSON object");
  if (status == 0)
    status = read_settings(c, root);
  if (status == 0)
    status = read_messages(c, root);
  json_decref(root);
  return status;
}

void chat_free(chat_request *c)
{
  params_free(&c->params);
  for (size_t i = 0; i < c->n_urls; i++)
    free(c->urls[i]);
  free(c->urls);
  free(c->text);
  c->urls = NULL;
  c->text = NULL;
  c->n_urls = 0;
}

static int digit(unsigned char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

int data_uri_decode(char **bytes, size_t *size, const char *uri)
{
  const char *comma = strchr(uri, ',');
  if (strncasecmp(uri, "data:", 5) != 0 || !comma || comma - uri < 12 || strncasecmp(comma - 7, ";base64", 7) != 0)
    return error_set(OPIS_EINVALID, "image_url: a data URI is data:image/…;base64,…");
  const unsigned char *s = (const unsigned char *)comma + 1;
  size_t length = strlen((const char *)s), n = 0;
  unsigned char *out = malloc(length / 4 * 3 + 4);
  if (!out)
    return error_nomem();
  uint32_t bits = 0;
  int have = 0;
  for (; *s && *s != '='; s++) {
    int d = digit(*s);
    if (d < 0 && (*s == '\r' || *s == '\n' || *s == ' '))
      continue;
    if (d < 0)
      break;
    bits = (bits << 6) | (uint32_t)d;
    if ((have += 6) >= 8)
      out[n++] = (unsigned char)(bits >> (have -= 8));
  }
  while (*s == '=' || *s == '\r' || *s == '\n' || *s == ' ')
    s++;
  if (*s || n == 0) {
    free(out);
    return error_set(OPIS_EINVALID, "image_url: the data URI is no base64");
  }
  *bytes = (char *)out;
  *size = n;
  return 0;
}
