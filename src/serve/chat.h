/* OpenAI's chat completion request, as far as it concerns a captioner. */
#ifndef SERVE_CHAT_H
#define SERVE_CHAT_H

#include "serve/params.h"

#include <jansson.h>

typedef struct chat_request {
  params params; /* model, stream, n as candidates, max_tokens as max_length; describe's other parameters by their names */
  char **urls;   /* of the last message with pictures */
  size_t n_urls;
  char *text; /* its text parts, NULL when there are none */
  bool usage; /* stream_options.include_usage */
  int max_tokens;
  const char *param; /* after an error: what was wrong, NULL: the whole; static */
} chat_request;

/* OPIS_EINVALID with words for people; OPIS_ENOMEM. To be freed after errors too. */
int chat_parse(chat_request *c, const char *body, size_t size);
void chat_free(chat_request *c);

/* data:[TYPE][;…];base64,… -> bytes, malloc'ed. OPIS_EINVALID when it is none. */
int data_uri_decode(char **bytes, size_t *size, const char *uri);

#endif
