/* What the parts of the server share. One I/O thread (libmicrohttpd's) receives and sends; `workers` parse bodies and decode pictures; one thread a model describes; a watchdog looks
 * after slow and vanished clients. A request waits for others suspended, and costs no thread. */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include "serve/mhd.h"
#include "serve/serve.h"
#include "util/strbuf.h"

#include <jansson.h>
#include <opis/opis.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct server server;
typedef struct request request;
typedef struct route route;
typedef struct metrics metrics;
typedef struct engines engines;
typedef struct workers workers;
typedef struct history history;
typedef struct access_log access_log;
typedef struct api_keys api_keys;

/* One TCP connection; lives from accept to close. */
typedef struct connection {
  server *s;
  int fd;
  double quiet_since;  /* when it began to wait for a request's headers; 0 while one is in hand */
  double linger_until; /* after an answer that could not wait for the body: when to hang up; 0: not lingering */
  request *current;
  struct connection *next, *previous;
} connection;

typedef struct query_value {
  char *name, *value; /* value NUL-terminated behind n bytes */
  size_t n;
} query_value;

enum request_phase { PHASE_RECEIVING, PHASE_WORKING, PHASE_REPLYING };

/* An answer that is ready to be sent. */
typedef struct reply {
  unsigned status;
  const char *type; /* static; NULL: no body */
  char *body;       /* malloc'ed, or static where body_static is set */
  size_t size;
  bool body_static;
  int retry_after;         /* seconds; 0: no header */
  const char *allow;       /* Allow of a 405 */
  const char *disposition; /* Content-Disposition, static */
  const char *etag;
  bool page; /* add the page's security headers */
} reply;

struct request {
  server *s;
  struct MHD_Connection *mhd;
  connection *connection;
  atomic_int references;          /* libmicrohttpd's and a job's */
  const route *route;             /* NULL: none matched */
  char *method, *path, *argument; /* argument: what stands in the place of {…} in the route's path */
  char client[64], owner[17], id[20];
  char *origin; /* of an allowed foreign page; NULL: none */
  char *content_type;
  query_value *query;
  size_t n_query;
  double started, window_started;
  uint64_t declared, received, window_received; /* declared: Content-Length, UINT64_MAX: unknown */
  char *body;
  size_t body_capacity;
  bool discarding; /* the body is read only to be thrown away before an early answer */
  bool has_body, keep_body;

  pthread_mutex_t lock; /* guards what follows */
  enum request_phase phase;
  bool suspended, have_reply, aborted, logged;
  reply reply;
  bool streaming, stream_ended;
  strbuf events;
  size_t events_sent;
  unsigned status; /* what was answered, for the log */
  uint64_t sent;
  int pictures;
  void (*on_gone)(void *user); /* told once, when the client has left */
  void *on_gone_user;
};

struct server {
  serve_options options;
  struct MHD_Daemon *daemon;
  int port;
  atomic_bool draining, ready, failed;
  atomic_uint_fast64_t body_bytes; /* in memory, of all requests */
  uint64_t body_budget;
  double started;
  metrics *metrics;
  engines *engines;
  workers *workers;
  history *history;
  access_log *log;
  api_keys *keys;
  char *openapi;
  char id_prefix[12];
  atomic_uint_fast32_t next_id;
  pthread_mutex_t connections_lock;
  connection *connections;
  atomic_int requests_open;
  pthread_t watchdog;
  atomic_bool stop_watchdog;
  char failure[1024]; /* why a model could not be loaded */
};

/* request.c */
enum MHD_Result request_handle(void *user, struct MHD_Connection *mhd, const char *path, const char *method, const char *version, const char *data, size_t *size, void **state);
void request_completed(void *user, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode why);
void request_hold(request *r);
void request_release(request *r);
/* Gives the answer (takes over its body) and wakes the connection. Only the first one counts. Any thread. */
void request_answer(request *r, reply *out);
/* Streams: an event is appended; the first one starts the answer with status 200. Any thread. */
void request_event(request *r, const char *bytes, size_t n);
void request_stream_end(request *r);
bool request_stream_started(request *r);
/* Calls gone(user) when the client leaves, at once if it has left already; NULL: no longer. */
void request_on_gone(request *r, void (*gone)(void *), void *user);
void request_gone(request *r); /* the watchdog's discovery */
const char *request_header(const request *r, const char *name);

/* receive.c: the body */
enum MHD_Result receive_body(request *r, const char *data, size_t *size);
void receive_free(request *r);
void receive_reject(request *r, unsigned status, int code, const char *message); /* answers while the body is still coming; connections_lock held or on the I/O thread */

/* watchdog.c */
void *watchdog_run(void *server_);
void connection_notify(void *user, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what);

/* reply.c */
#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_EVENTS "text/event-stream"
void reply_json(reply *out, unsigned status, json_t *value);                /* steals value; NULL (out of memory) gives a 500 */
void reply_text(reply *out, unsigned status, const char *type, char *text); /* takes over text */
/* {"error": {"code", "message"}}; on the chat route with OpenAI's type and param beside them. */
void reply_error(reply *out, const request *r, unsigned status, int code, const char *format, ...) __attribute__((format(printf, 5, 6)));
void reply_error_coded(reply *out, const request *r, unsigned status, const char *code, const char *param, const char *message);
json_t *error_object(const request *r, unsigned status, const char *code, const char *param, const char *message); /* {"code", "message", …} */
unsigned status_of_error(int code);                                                                                /* 422 for OPIS_EFORMAT, … */
struct MHD_Response *reply_make(const request *r, reply *from);
struct MHD_Response *reply_make_stream(request *r);
void reply_free(reply *r);
char *json_text(const json_t *value); /* malloc'ed, compact, numbers with 9 digits; NULL: no memory */
const char *status_words(unsigned status);

/* notify.c: "READY=1" and its like to the service manager, if there is one */
void notify_manager(const char *state);

/* hosts.c */
bool host_allowed(const request *r, const char *host);
/* 0: no Origin, or the server's own; 1: one that --cors names; -1: foreign */
int origin_check(const request *r, const char *origin, const char *host);

/* auth.c */
int api_keys_open(api_keys **keys, const char *path);
void api_keys_free(api_keys *keys);
bool api_keys_check(const api_keys *keys, const char *authorization, const char *x_api_key, char owner[17]);

/* log.c */
int access_log_open(access_log **log, const char *where);
void access_log_write(access_log *log, const request *r, double seconds);
void access_log_reopen(access_log *log); /* after the file was moved away */
void access_log_free(access_log *log);

#endif
