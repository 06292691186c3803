/* AWS Signature Version 4, as S3 wants it: every request carries a hash of itself made with a secret key. libcurl 7.88 can sign, too, but neither sorts nor encodes queries and knows no hash
 * of a body that it reads from a file. */
#ifndef DATA_S3_SIGN_H
#define DATA_S3_SIGN_H

#include "util/strbuf.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { SHA256_HEX = 65 };
#define S3_UNSIGNED "UNSIGNED-PAYLOAD"
#define S3_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" /* the hash of no bytes */

typedef struct s3_signing {
  const char *method, *host; /* host: as in the Host header */
  const char *path;          /* "/…", percent-encoded */
  const char *query;         /* "a=1&b=2", sorted and percent-encoded; "" */
  const char *region;
  const char *payload;             /* the body's SHA-256 in hexadecimal, or S3_UNSIGNED */
  const strbuf *headers;           /* more to be signed and sent: "name: value\0…", names in small letters; NULL: none */
  const char *id, *secret, *token; /* token NULL or "": none */
  time_t now;
} s3_signing;

/* Appends what the request must carry: "name: value\0" for x-amz-date and the like, s->headers, and Authorization. */
int s3_sign(strbuf *out, const s3_signing *s);

/* SHA-256 in hexadecimal. */
int s3_sha256(char hex[SHA256_HEX], const void *bytes, size_t n);
/* The same of a piece of a file; and, appended to `headers`, "content-md5: …", as some services look only at that. */
int s3_sum_fd(char hex[SHA256_HEX], strbuf *headers, int fd, uint64_t offset, uint64_t size, const char *what);

#endif
