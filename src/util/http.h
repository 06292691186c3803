/* HTTP for programs that fetch and store files: one request at a time, with retries, resumed downloads and progress. libcurl is opened at the first use, so that what needs no network does
 * not load it. Proxies and certificates are found as libcurl finds them (https_proxy, no_proxy, SSL_CERT_FILE, …). */
#ifndef UTIL_HTTP_H
#define UTIL_HTTP_H

#include "util/strbuf.h"

#include <stdint.h>

/* A client keeps its connections open for the next request. One thread at a time. */
typedef struct http_client http_client;
int http_client_new(http_client **out); /* OPIS_EUNSUPPORTED where libcurl is not installed */
void http_client_free(http_client *c);  /* NULL is allowed */

typedef struct http_response http_response;

/* How far the other side is trusted, and how long it may take. */
typedef struct http_trust {
  bool anyone;                   /* certificates are not verified */
  const char *authorities;       /* a file of certificates of authorities; NULL: the system's */
  const char *certificate, *key; /* files: who we are; NULL: nobody */
  bool direct;                   /* no proxy: for services on this machine or its network */
  long connect_seconds;          /* 0: 15 */
  long stall_seconds;            /* without a single byte; 0: 30 */
} http_trust;

typedef struct http_request {
  const char *url;            /* http or https */
  const char *method;         /* NULL: GET, or PUT where there is a body */
  const char *const *headers; /* "Name: value", ended by NULL; NULL: none. Authorization and Cookie are not sent to another host that an answer points to */
  bool follow;                /* goes where redirects point, ten times at most */
  /* Headers that belong to one try only, such as a signature over the time: called before each, appends "Name: value" and a NUL for each header. Not 0 ends the request with that code. */
  int (*sign)(void *user, strbuf *headers);
  void *sign_user;

  /* What is sent, from memory or from a file (body_file true: body_size bytes of body_fd from body_offset on). */
  const void *body;
  uint64_t body_size;
  bool body_file;
  int body_fd;
  uint64_t body_offset;

  /* Where the body of a 2xx answer goes: a file, or else response.body. With output_offset above 0 only the rest is asked for; an answer that begins at 0 all the same truncates the file and
   * begins again. A connection that breaks is made anew and the rest asked for: output_tag (an ETag, with its quotes; NULL: none) makes sure that it is the rest of the same bytes. */
  bool output_file;
  int output_fd;
  uint64_t output_offset;
  const char *output_tag;
  uint64_t max_body; /* of response.body; 0: 16 MiB */

  /* Broken connections and the statuses 408, 429, 500, 502, 503, 504 are tried again, `attempts` times in all without progress (0: 5), after what Retry-After asks for (at most a
   * minute), else 0.5, 1, 2, 4, … seconds. */
  int attempts;
  bool (*passing)(const struct http_response *answer); /* an answer with another status that is worth another try all the same; may be NULL */
  /* Called some times a second, also while waiting; other than 0 ends the request with OPIS_ECANCELLED. Bytes of the answer's body (or, while sending, of the body sent); total 0: unknown. */
  int (*progress)(void *user, uint64_t done, uint64_t total);
  void *user;

  const http_trust *trust; /* NULL: as libcurl does of itself */
} http_request;

struct http_response {
  int status;
  strbuf body;
  strbuf headers; /* of the last answer: "name: value\0name: value\0…" */
  char *url;      /* where the answer came from in the end */
};
#define HTTP_RESPONSE_INIT                                                                                                                                                         \
  {                                                                                                                                                                                \
    0, STRBUF_INIT, STRBUF_INIT, NULL                                                                                                                                              \
  }

/* 0 whenever there was an answer, whatever its status. OPIS_ENETWORK (no answer; the words say why), OPIS_EIO (the output could not be written, the body not be read), OPIS_ELIMIT (a body
 * longer than max_body), OPIS_EINVALID (no http address), OPIS_ECANCELLED, OPIS_ENOMEM. The response is emptied first and must be freed in any case. */
int http_perform(http_client *c, http_response *out, const http_request *request);
void http_response_free(http_response *r);

/* A header of the answer, by its name in any case; NULL when there is none. Borrowed. */
const char *http_header(const http_response *r, const char *name);

/* Percent-encodes what is no letter, digit, or one of -._~ (and /, where `path`). */
void http_put_escaped(strbuf *b, const char *s, bool path);

#endif
