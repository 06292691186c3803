/* MD5, as DVC names content by it. Not a secret's guard: only a name. */
#ifndef DATA_MD5_H
#define DATA_MD5_H

#include "data/watch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MD5_SIZE = 16, MD5_HEX = 33 };

/* Hashing in pieces. One a thread; cheap to start again. */
typedef struct md5_state {
  uint32_t h[4];
  uint64_t bytes;
  uint8_t block[64];
} md5_state;
void md5_start(md5_state *m);
void md5_add(md5_state *m, const void *bytes, size_t n);
void md5_end(md5_state *m, uint8_t digest[MD5_SIZE]);
void md5_bytes(uint8_t digest[MD5_SIZE], const void *bytes, size_t n);

/* Many at once, several times as fast as one after the other: each takes a lane of the processor's vectors. Of any lengths; long ones first are quickest. */
typedef struct md5_piece {
  const void *bytes;
  size_t n;
} md5_piece;
void md5_many(uint8_t (*digest)[MD5_SIZE], const md5_piece *pieces, size_t n);

/* The rest of an open file, and how many bytes it had (size may be NULL). `what` names it in errors. */
int md5_fd(uint8_t digest[MD5_SIZE], uint64_t *size, int fd, const char *what, const watch *w);
/* The hash of DVC 2 ("md5-dos2unix"): chunks of 1 MiB that look like text are hashed with their line ends made \n. */
int md5_fd_dos2unix(uint8_t digest[MD5_SIZE], uint64_t *size, int fd, const char *what, const watch *w);
/* The one or the other. */
int md5_fd_either(uint8_t digest[MD5_SIZE], bool dos2unix, int fd, const char *what, const watch *w);

void md5_to_hex(char hex[MD5_HEX], const uint8_t digest[MD5_SIZE]);
bool md5_from_hex(uint8_t digest[MD5_SIZE], const char *hex, size_t n); /* false unless exactly 32 hexadecimal digits, lower case */

#endif
