/* Counters and histograms in Prometheus' text format. */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include "serve/server.h"

int metrics_new(metrics **out);
void metrics_free(metrics *m);
void metrics_request(metrics *m, const request *r, double seconds);
void metrics_picture(metrics *m, bool ok, size_t tokens, double wait, double decode, double encode, double generate); /* seconds */
void metrics_batch(metrics *m, size_t pictures, double seconds);
int metrics_write(strbuf *b, server *s);

#endif
