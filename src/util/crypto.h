/* libcrypto, opened when somebody first needs it: digests are asked for seldom, and finding its symbols takes a third of the time of a program that does nothing. The functions are called by their own
 * names and mean what they mean; where the library is missing they fail as they do for want of memory (NULL, 0); EVP_EncodeBlock then gives an empty text, EVP_DecodeBlock -1. */
#ifndef UTIL_CRYPTO_H
#define UTIL_CRYPTO_H

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

/* result, name, parameters, arguments, what it gives without the library */
#define CRYPTO_FUNCTIONS(X)                                                                                                                                                        \
  X(EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), NULL)                                                                                                                                \
  X(const EVP_MD *, EVP_md5, (void), (), NULL)                                                                                                                                     \
  X(const EVP_MD *, EVP_sha1, (void), (), NULL)                                                                                                                                    \
  X(const EVP_MD *, EVP_sha256, (void), (), NULL)                                                                                                                                  \
  X(int, EVP_DigestInit_ex, (EVP_MD_CTX * c, const EVP_MD *type, ENGINE *e), (c, type, e), 0)                                                                                      \
  X(int, EVP_DigestUpdate, (EVP_MD_CTX * c, const void *bytes, size_t n), (c, bytes, n), 0)                                                                                        \
  X(int, EVP_DigestFinal_ex, (EVP_MD_CTX * c, unsigned char *out, unsigned *n), (c, out, n), 0)                                                                                    \
  X(int, EVP_Digest, (const void *bytes, size_t n, unsigned char *out, unsigned *size, const EVP_MD *type, ENGINE *e), (bytes, n, out, size, type, e), 0)                          \
  X(unsigned char *, SHA256, (const unsigned char *bytes, size_t n, unsigned char *out), (bytes, n, out), NULL)                                                                    \
  X(unsigned char *, HMAC, (const EVP_MD *type, const void *key, int key_size, const unsigned char *bytes, size_t n, unsigned char *out, unsigned *size),                          \
    (type, key, key_size, bytes, n, out, size), NULL)                                                                                                                              \
  X(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), (), NULL)                                                                                                                        \
  X(const EVP_CIPHER *, EVP_aes_256_ctr, (void), (), NULL)                                                                                                                         \
  X(int, EVP_EncryptInit_ex, (EVP_CIPHER_CTX * c, const EVP_CIPHER *type, ENGINE *e, const unsigned char *key, const unsigned char *iv), (c, type, e, key, iv), 0)                 \
  X(int, EVP_EncryptUpdate, (EVP_CIPHER_CTX * c, unsigned char *out, int *size, const unsigned char *bytes, int n), (c, out, size, bytes, n), 0)                                   \
  X(int, EVP_EncodeBlock, (unsigned char *out, const unsigned char *bytes, int n), (out, bytes, n), (*out = '\0'))                                                                 \
  X(int, EVP_DecodeBlock, (unsigned char *out, const unsigned char *text, int n), (out, text, n), -1)

#define CRYPTO_DECLARE(result, name, parameters, arguments, otherwise) result crypto_##name parameters;
CRYPTO_FUNCTIONS(CRYPTO_DECLARE)
#undef CRYPTO_DECLARE
void crypto_EVP_MD_CTX_free(EVP_MD_CTX *c);
void crypto_EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *c);
int crypto_CRYPTO_memcmp(const void *a, const void *b, size_t n);
void crypto_OPENSSL_cleanse(void *p, size_t n);

/* Sets the error of a function that failed: the library is missing (OPIS_EUNSUPPORTED), or there is no memory. */
int crypto_error(void);

#ifndef CRYPTO_OWN_NAMES
#define EVP_MD_CTX_new crypto_EVP_MD_CTX_new
#define EVP_MD_CTX_free crypto_EVP_MD_CTX_free
#define EVP_md5 crypto_EVP_md5
#define EVP_sha1 crypto_EVP_sha1
#define EVP_sha256 crypto_EVP_sha256
#define EVP_DigestInit_ex crypto_EVP_DigestInit_ex
#define EVP_DigestUpdate crypto_EVP_DigestUpdate
#define EVP_DigestFinal_ex crypto_EVP_DigestFinal_ex
#define EVP_Digest crypto_EVP_Digest
#undef SHA256
#define SHA256 crypto_SHA256
#undef HMAC
#define HMAC crypto_HMAC
#define EVP_CIPHER_CTX_new crypto_EVP_CIPHER_CTX_new
#define EVP_CIPHER_CTX_free crypto_EVP_CIPHER_CTX_free
#define EVP_aes_256_ctr crypto_EVP_aes_256_ctr
#define EVP_EncryptInit_ex crypto_EVP_EncryptInit_ex
#define EVP_EncryptUpdate crypto_EVP_EncryptUpdate
#define EVP_EncodeBlock crypto_EVP_EncodeBlock
#define EVP_DecodeBlock crypto_EVP_DecodeBlock
#define CRYPTO_memcmp crypto_CRYPTO_memcmp
#undef OPENSSL_cleanse
#define OPENSSL_cleanse crypto_OPENSSL_cleanse
#endif

#endif
