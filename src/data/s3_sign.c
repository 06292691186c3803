#include "data/s3_sign.h"

#include "data/md5.h"
#include "util/crypto.h"
#include "util/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIGEST = 32, MOST_HEADERS = 24, PIECE = 256 * 1024 };

static void to_hex(char hex[SHA256_HEX], const uint8_t digest[DIGEST])
{
  for (int i = 0; i < DIGEST; i++)
    snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

int s3_sha256(char hex[SHA256_HEX], const void *bytes, size_t n)
{
  uint8_t digest[DIGEST];
  if (EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL) != 1)
    return crypto_error();
  to_hex(hex, digest);
  return 0;
}

int s3_sum_fd(char hex[SHA256_HEX], strbuf *headers, int fd, uint64_t offset, uint64_t size, const char *what)
{
  uint8_t digest[DIGEST], md5[MD5_SIZE], sum[32], *piece = malloc(PIECE);
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  md5_state m;
  int code = piece && c ? 0 : crypto_error();
  bool good = code == 0 && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;
  md5_start(&m);
  while (code == 0 && good && size > 0) {
    ssize_t n = pread(fd, piece, size < PIECE ? (size_t)size : PIECE, (off_t)offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      code = n < 0 ? error_set_errno("%s", what) : error_set(OPIS_EIO, "%s: became shorter meanwhile", what);
    else {
      good = EVP_DigestUpdate(c, piece, (size_t)n) == 1;
      md5_add(&m, piece, (size_t)n);
      offset += (uint64_t)n;
      size -= (uint64_t)n;
    }
  }
  md5_end(&m, md5);
  good = good && EVP_DigestFinal_ex(c, digest, NULL) == 1;
  EVP_MD_CTX_free(c);
  free(piece);
  if (code == 0 && !good)
    code = error_set(OPIS_EINTERNAL, "libcrypto has no SHA-256");
  if (code < 0)
    return code;
  to_hex(hex, digest);
  EVP_EncodeBlock(sum, md5, MD5_SIZE);
  strbuf_printf(headers, "content-md5: %s%c", (const char *)sum, '\0');
  return strbuf_check(headers);
}

static bool hmac(uint8_t out[DIGEST], const uint8_t *key, size_t n, const char *text)
{
  return HMAC(EVP_sha256(), key, (int)n, (const uint8_t *)text, strlen(text), out, NULL) != NULL;
}

static int by_name(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The headers, sorted: "name: value". Names end before ':', which sorts before every letter but not before '-': names are compared with their ':' taken for the end. */
static int by_header(const void *a, const void *b)
{
  const char *x = *(char *const *)a, *y = *(char *const *)b;
  size_t n = strcspn(x, ":"), m = strcspn(y, ":");
  int c = memcmp(x, y, n < m ? n : m);
  return c ? c : n < m ? -1 : n > m ? 1 : by_name(a, b);
}

int s3_sign(strbuf *out, const s3_signing *s)
{
  char day[16], moment[24], hash[SHA256_HEX], signature[SHA256_HEX];
  char *lines[MOST_HEADERS];
  size_t n = 0;
  struct tm t;
  strbuf all = STRBUF_INIT, canonical = STRBUF_INIT, names = STRBUF_INIT, text = STRBUF_INIT, key = STRBUF_INIT;
  uint8_t k[DIGEST];
  gmtime_r(&s->now, &t);
  strftime(day, sizeof day, "%Y%m%d", &t);
  strftime(moment, sizeof moment, "%Y%m%dT%H%M%SZ", &t);

  strbuf_printf(&all, "host: %s%c", s->host, '\0');
  strbuf_printf(&all, "x-amz-content-sha256: %s%c", s->payload, '\0');
  strbuf_printf(&all, "x-amz-date: %s%c", moment, '\0');
  if (s->token && *s->token)
    strbuf_printf(&all, "x-amz-security-token: %s%c", s->token, '\0');
  if (s->headers && s->headers->n)
    strbuf_append(&all, s->headers->s, s->headers->n);
  int code = strbuf_check(&all);
  for (size_t at = 0; code == 0 && at < all.n; at += strlen(all.s + at) + 1) {
    if (n == MOST_HEADERS)
      code = error_set(OPIS_EINTERNAL, "too many headers to sign");
    else
      lines[n++] = all.s + at;
  }
  if (code < 0)
    goto end;
  qsort(lines, n, sizeof *lines, by_header);

  strbuf_printf(&canonical, "%s\n%s\n%s\n", s->method, s->path, s->query);
  for (size_t i = 0; i < n; i++) {
    size_t name = strcspn(lines[i], ":");
    const char *value = lines[i] + name + strspn(lines[i] + name, ": ");
    strbuf_printf(&canonical, "%.*s:%s\n", (int)name, lines[i], value);
    strbuf_printf(&names, "%s%.*s", i ? ";" : "", (int)name, lines[i]);
  }
  strbuf_printf(&canonical, "\n%s\n%s", names.s, s->payload);
  strbuf_printf(&key, "AWS4%s", s->secret);
  if ((code = strbuf_check(&canonical)) < 0 || (code = strbuf_check(&names)) < 0 || (code = strbuf_check(&key)) < 0 || (code = s3_sha256(hash, canonical.s, canonical.n)) < 0)
    goto end;
  strbuf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", moment, day, s->region, hash);
  if ((code = strbuf_check(&text)) < 0)
    goto end;
  if (!hmac(k, (uint8_t *)key.s, key.n, day) || !hmac(k, k, DIGEST, s->region) || !hmac(k, k, DIGEST, "s3") || !hmac(k, k, DIGEST, "aws4_request") || !hmac(k, k, DIGEST, text.s)) {
    code = error_set(OPIS_EINTERNAL, "libcrypto has no HMAC");
    goto end;
  }
  to_hex(signature, k);
  for (size_t i = 0; i < n; i++)
    if (strncmp(lines[i], "host:", 5) != 0) /* libcurl sends it of itself */
      strbuf_append(out, lines[i], strlen(lines[i]) + 1);
  strbuf_printf(out, "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, SignedHeaders=%s, Signature=%s%c", s->id, day, s->region, names.s, signature, '\0');
  code = strbuf_check(out);

end:
  if (key.s)
    explicit_bzero(key.s, key.n);
  explicit_bzero(k, sizeof k);
  strbuf_free(&all);
  strbuf_free(&canonical);
  strbuf_free(&names);
  strbuf_free(&text);
  strbuf_free(&key);
  return code;
}
