/* API keys. Keys are compared by their SHA-256, all of them each time, so that the time says nothing about them. */
#include "serve/server.h"

#include "util/crypto.h"
#include "util/error.h"
#include "util/file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct api_keys {
  size_t n;
  unsigned char hashes[][SHA256_DIGEST_LENGTH];
};

static size_t trim(char **line)
{
  *line += strspn(*line, " \t\r");
  size_t n = strcspn(*line, "#");
  while (n && strchr(" \t\r", (*line)[n - 1]))
    n--;
  return n;
}

int api_keys_open(api_keys **out, const char *path)
{
  char *text, *rest = NULL;
  size_t size, lines = 1;
  int status = file_read(&text, &size, path, 1 << 20);
  if (status < 0)
    return status;
  for (size_t i = 0; i < size; i++)
    lines += text[i] == '\n';
  api_keys *keys = calloc(1, sizeof *keys + lines * sizeof keys->hashes[0]);
  if (!keys) {
    free(text);
    return error_nomem();
  }
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    size_t n = trim(&line);
    if (n && !SHA256((unsigned char *)line, n, keys->hashes[keys->n++])) {
      free(text);
      free(keys);
      return error_set(OPIS_EUNSUPPORTED, "API keys need libcrypto: install the package libssl3");
    }
  }
  OPENSSL_cleanse(text, size);
  free(text);
  if (keys->n == 0) {
    free(keys);
    return error_set(OPIS_EINVALID, "%s: there is no key in it (one a line)", path);
  }
  *out = keys;
  return 0;
}

void api_keys_free(api_keys *keys)
{
  free(keys);
}

bool api_keys_check(const api_keys *keys, const char *authorization, const char *x_api_key, char owner[17])
{
  unsigned char hash[SHA256_DIGEST_LENGTH];
  const char *key = x_api_key;
  if (authorization && strncasecmp(authorization, "Bearer ", 7) == 0)
    key = authorization + 7 + strspn(authorization + 7, " ");
  if (!key)
    return false;
  if (!SHA256((const unsigned char *)key, strlen(key), hash))
    return false;
  unsigned found = 0;
  for (size_t i = 0; i < keys->n; i++)
    found |= CRYPTO_memcmp(hash, keys->hashes[i], sizeof hash) == 0;
  if (found)
    for (int i = 0; i < 8; i++)
      snprintf(owner + 2 * i, 3, "%02x", hash[i]);
  return found != 0;
}
