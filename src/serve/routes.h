/* The one table from which requests are routed and /openapi.json is written. */
#ifndef SERVE_ROUTES_H
#define SERVE_ROUTES_H

#include "serve/server.h"

enum route_flags {
  ROUTE_OPEN = 1,     /* answered without an API key */
  ROUTE_PICTURES = 2, /* takes a body with pictures and a place in the queue */
  ROUTE_CHAT = 4,     /* errors in OpenAI's form */
  ROUTE_HISTORY = 8,  /* only with --history */
  ROUTE_ASSET = 16,   /* part of the page: not in /openapi.json */
};

struct route {
  const char *method, *path; /* at most one {name}, as the last part */
  unsigned flags;
  void (*handle)(request *r); /* on the I/O thread, with the whole body received; answers by request_answer, now or later */
  const char *const *types;   /* content types of the body, ended by NULL; "image/" stands for all of them; NULL: no body */
  const char *query;          /* names of query parameters: "describe" stands for the table of params.h; else words split by spaces; NULL: none */
  const char *id, *summary;   /* OpenAPI's operationId and summary */
  const char *answers;        /* "200:Models 503:Error": statuses with names of schemas (application/json unless the schema says otherwise) */
};

extern const route route_table[]; /* ended by method NULL */

/* The route, or NULL with *allow (static or malloc'ed into the server's lifetime) set to the methods the path takes, NULL when there is no such path. *argument is inside path. */
const route *route_find(const server *s, const char *method, const char *path, const char **argument, const char **allow);
bool route_takes(const route *r, const char *content_type);
size_t route_index(const route *r); /* for metrics */
size_t route_count(void);

/* Handlers, each in the file of its subject. */
void handle_page(request *r);
void handle_healthz(request *r);
void handle_readyz(request *r);
void handle_metrics(request *r);
void handle_openapi(request *r);
void handle_models(request *r);
void handle_model(request *r);
void handle_info(request *r);
void handle_describe(request *r);
void handle_chat(request *r);
void handle_history_list(request *r);
void handle_history_delete(request *r);
void handle_history_clear(request *r);

#endif
