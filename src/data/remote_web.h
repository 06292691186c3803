/* What the transports over HTTP share: connections for many threads, how far the other side is trusted, counting what goes over, and what an answer's status means. */
#ifndef DATA_REMOTE_WEB_H
#define DATA_REMOTE_WEB_H

#include "data/remote.h"
#include "util/http.h"

#include <pthread.h>

enum { WEB_CONNECTIONS = 256 };

/* Clients with open connections, lent to one request at a time. As many as threads ask at once. */
typedef struct web {
  pthread_mutex_t lock;
  http_client *idle[WEB_CONNECTIONS];
  int n;
  http_trust trust;
  char *strings[3]; /* owned: what trust points to */
} web;

/* ssl_verify, connect_timeout, read_timeout, cert_path and key_path of the settings. Does not load libcurl. */
int web_open(web *w, const remote_settings *settings);
void web_close(web *w);

/* http_perform with one of the clients, the remote's trust where the request has none, and the caller's io (may be NULL), which is told of each byte once. */
int web_perform(web *w, http_response *out, const http_request *request, const remote_io *io);
/* Tells io of what is missing to `whole`: an object that went over counts with all its bytes, once. */
typedef struct web_count {
  const remote_io *io;
  uint64_t told;
} web_count;
void web_counted(web_count *count, uint64_t whole);
int web_progress(void *web_count_, uint64_t done, uint64_t total);

/* A URL apart: what is before "://" to the end of the path, without user and password, which come out decoded (NULL when there are none). All malloc'ed. OPIS_EINVALID. */
typedef struct web_url {
  char *url;                  /* scheme://host[:port][/path], no '/' at the end */
  char *scheme, *host, *path; /* in small letters; with its port; "" or "/…" */
  char *user, *password;
} web_url;
int web_url_parse(web_url *u, const char *url);
void web_url_free(web_url *u);

/* Percent-decoded; malloc'ed, NULL: no memory. */
char *web_decoded(const char *s, size_t n);

/* "Authorization: Basic …", malloc'ed. NULL: no memory. */
char *web_basic(const char *user, const char *password);

/* The error for a status that is no success: OPIS_ENOTFOUND, OPIS_EAUTH, OPIS_ENETWORK (what passed away by no number of tries) or OPIS_EIO. why: the service's own words, or NULL. */
int web_failed(const char *what, int status, const char *why);

#endif
