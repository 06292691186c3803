/* The inside of the S3 transport: one request, and sending a long file in parts. */
#ifndef DATA_REMOTE_S3_H
#define DATA_REMOTE_S3_H

#include "data/remote_web.h"
#include "data/s3_config.h"

#include <stdatomic.h>

typedef struct s3_remote {
  remote base;
  web web;
  s3_config config; /* keys and region are guarded by lock */
  pthread_mutex_t lock;
  atomic_bool bucket_there; /* some answer has shown it */
} s3_remote;

typedef struct s3_call {
  const char *method;
  const char *key;       /* below the remote's prefix; NULL: the bucket itself */
  const char *query;     /* sorted and percent-encoded; NULL: none */
  const char *payload;   /* the body's SHA-256; NULL: there is no body */
  const strbuf *headers; /* signed, too; NULL: none */
  bool object;           /* the headers of the customer's key go with it */
  http_request http;     /* body, output, progress */
} s3_call;

/* Makes a request: signed for each try, keys renewed, the region corrected when the service names a better one. 0 whenever there was an answer. */
int s3_perform(s3_remote *s, http_response *a, s3_call *call, const remote_io *io);
/* The error of an answer that is no success: by the service's code where it sent one. */
int s3_failed(s3_remote *s, const char *key, const http_response *a);
/* Whether the answer is the service's error of that code. */
bool s3_is_error(const http_response *a, const char *code);
/* A text of the answer's XML by its name (parent NULL: wherever it is), the first one; malloc'ed, NULL when it is not there. */
char *s3_text(const http_response *a, const char *parent, const char *name);
/* "prefix/key" */
int s3_full_key(strbuf *b, const s3_remote *s, const char *key);

/* *to becomes a copy of text. */
int s3_replace(char **to, const char *text);

/* Sends a file in parts, going on with what an interrupted run has left on the service. */
int s3_put_parts(s3_remote *s, const char *key, int fd, uint64_t size, const remote_io *io);
int s3_list(remote *r, const char *prefix, remote_list_fn *each, void *user);
int s3_exists(remote *r, const char *key, bool *there, uint64_t *size);

#endif
