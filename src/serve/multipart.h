/* multipart/form-data (RFC 7578), parsed in place from a body that is in memory. */
#ifndef SERVE_MULTIPART_H
#define SERVE_MULTIPART_H

#include <stddef.h>

typedef struct multipart_part {
  char *name;       /* of the field, "" when it has none */
  char *filename;   /* as sent, UTF-8 (anything else replaced); NULL when there is none */
  const char *data; /* inside the body */
  size_t size;
} multipart_part;

typedef struct multipart {
  multipart_part *parts;
  size_t n;
} multipart;

#define MULTIPART_MAX_PARTS 1024

/* content_type is the request's header, with its boundary. OPIS_EINVALID: no boundary, or a body that does not follow it; OPIS_ELIMIT: too many parts; OPIS_ENOMEM.
 * On an error nothing is left to free. */
int multipart_parse(multipart *m, const char *content_type, const char *body, size_t size);
void multipart_free(multipart *m);

#endif
