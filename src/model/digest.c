#include "model/digest.h"

#include "util/crypto.h"
#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

static int digest_all(EVP_MD_CTX *c, uint8_t *piece, int fd, const char *path, int (*progress)(void *user, uint64_t done), void *user)
{
  uint64_t done = 0;
  for (;;) {
    ssize_t n = read(fd, piece, PIECE);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return error_set_errno("%s", path);
    if (n == 0)
      return 0;
    EVP_DigestUpdate(c, piece, (size_t)n);
    done += (uint64_t)n;
    if (progress && progress(user, done) != 0)
      return error_set(OPIS_ECANCELLED, "%s: cancelled", path);
  }
}

int digest_file(char hex[65], digest_kind kind, const char *path, int (*progress)(void *user, uint64_t done), void *user)
{
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return error_set_errno("%s", path);
  uint8_t *piece = malloc(PIECE), digest[EVP_MAX_MD_SIZE];
  EVP_MD_CTX *c = EVP_MD_CTX_new();
  unsigned length = 0;
  int code = piece && c ? 0 : crypto_error();
  if (code == 0 && fstat(fd, &st) != 0)
    code = error_set_errno("%s", path);
  if (code == 0 && EVP_DigestInit_ex(c, kind == DIGEST_SHA256 ? EVP_sha256() : EVP_sha1(), NULL) != 1)
    code = error_set(OPIS_EINTERNAL, "libcrypto has no SHA");
  if (code == 0 && kind == DIGEST_GIT_BLOB) {
    char header[40];
    int n = snprintf(header, sizeof header, "blob %lld", (long long)st.st_size);
    EVP_DigestUpdate(c, header, (size_t)n + 1);
  }
  if (code == 0)
    code = digest_all(c, piece, fd, path, progress, user);
  if (code == 0 && (EVP_DigestFinal_ex(c, digest, &length) != 1 || length > 32))
    code = error_set(OPIS_EINTERNAL, "libcrypto cannot finish a digest");
  for (unsigned i = 0; code == 0 && i < length; i++)
    snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  EVP_MD_CTX_free(c);
  free(piece);
  close(fd);
  return code;
}

bool digest_is(const char *s, digest_kind *kind)
{
  size_t n = strlen(s);
  *kind = n == 64 ? DIGEST_SHA256 : DIGEST_GIT_BLOB;
  return (n == 64 || n == 40) && strspn(s, "0123456789abcdef") == n;
}
