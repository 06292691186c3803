#define CRYPTO_OWN_NAMES
#include "util/crypto.h"

#include "util/error.h"
#include "util/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static struct {
#define MEMBER(result, name, parameters, arguments, otherwise) result(*name) parameters;
  CRYPTO_FUNCTIONS(MEMBER)
#undef MEMBER
  void (*md_free)(EVP_MD_CTX *);
  void (*cipher_free)(EVP_CIPHER_CTX *);
  int (*compare)(const void *, const void *, size_t);
  void (*cleanse)(void *, size_t);
  bool there;
} lib; /* written once, under pthread_once */

static bool find(void *to, void *library, const char *name)
{
  void *f = dlsym(library, name);
  memcpy(to, &f, sizeof f);
  return f != NULL;
}

static void open_library(void)
{
  void *library = library_open("libcrypto.so.3", "EVP_DigestInit_ex");
  if (!library)
    return;
  lib.there = true;
#define FIND(result, name, parameters, arguments, otherwise) lib.there = find(&lib.name, library, #name) && lib.there;
  CRYPTO_FUNCTIONS(FIND)
#undef FIND
  lib.there = find(&lib.md_free, library, "EVP_MD_CTX_free") && find(&lib.cipher_free, library, "EVP_CIPHER_CTX_free") && find(&lib.compare, library, "CRYPTO_memcmp") &&
    find(&lib.cleanse, library, "OPENSSL_cleanse") && lib.there;
}

static bool there(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_library);
  return lib.there;
}

#define DEFINE(result, name, parameters, arguments, otherwise)                                                                                                                     \
  result crypto_##name parameters                                                                                                                                                  \
  {                                                                                                                                                                                \
    return there() ? lib.name arguments : otherwise;                                                                                                                               \
  }
CRYPTO_FUNCTIONS(DEFINE)
#undef DEFINE

void crypto_EVP_MD_CTX_free(EVP_MD_CTX *c)
{
  if (c)
    lib.md_free(c);
}

void crypto_EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *c)
{
  if (c)
    lib.cipher_free(c);
}

/* Without the library nothing is equal. */
int crypto_CRYPTO_memcmp(const void *a, const void *b, size_t n)
{
  return there() ? lib.compare(a, b, n) : 1;
}

void crypto_OPENSSL_cleanse(void *p, size_t n)
{
  if (there())
    lib.cleanse(p, n);
}

int crypto_error(void)
{
  return there() ? error_nomem() : error_set(OPIS_EUNSUPPORTED, "digests need libcrypto: install the package libssl3");
}
