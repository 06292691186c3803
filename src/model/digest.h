/* Digests of files, as the hub names them. */
#ifndef MODEL_DIGEST_H
#define MODEL_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

typedef enum digest_kind { DIGEST_SHA256, DIGEST_GIT_BLOB } digest_kind; /* 64 and 40 digits; git's is SHA-1 over "blob SIZE\0" and the bytes */

/* The digest of a whole file in small hexadecimal digits. progress (may be NULL) is told how many bytes are read; other than 0 ends with OPIS_ECANCELLED. */
int digest_file(char hex[65], digest_kind kind, const char *path, int (*progress)(void *user, uint64_t done), void *user);

/* Whether s is a digest of this kind, and which kind it is by its length. */
bool digest_is(const char *s, digest_kind *kind);

#endif
