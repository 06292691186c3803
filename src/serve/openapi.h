/* /openapi.json (OpenAPI 3.1), written from the table of routes and the table of parameters. */
#ifndef SERVE_OPENAPI_H
#define SERVE_OPENAPI_H

#include "serve/server.h"

char *openapi_text(const server *s); /* malloc'ed; NULL: no memory */

#endif
