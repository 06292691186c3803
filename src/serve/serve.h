/* The HTTP server: what `opis serve` runs. The page, the API and the operations side (health, metrics, log) in front of one engine a model. */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct serve_options {
  const char *host; /* a name or an address to listen on */
  int port;         /* 0: one that the system chooses */
  const char *const *models;
  int n_models; /* 0: the default model */
  int threads;  /* of each model; 0: all cores */
  int queue;    /* pictures that may wait or run at a time */
  uint64_t max_upload, max_pixels;
  double timeout;      /* seconds from the last byte of a request to its answer */
  double body_timeout; /* seconds in which a body must bring at least 1 KiB a second */
  const char *history; /* SQLite file; NULL: none */
  int keep_days;       /* 0: for ever */
  const char *const *allow_hosts;
  int n_allow_hosts;
  const char *const *cors;
  int n_cors;
  bool allow_fetch;
  const char *api_key_file; /* one key a line; NULL: no keys */
  const char *log;          /* file for the access log, "-" standard output, "none" */
} serve_options;

/* Runs until SIGTERM or SIGINT, then finishes what was accepted. *signal_number is the signal that ended it.
 * Says on stderr where it listens. Errors: OPIS_EIO (address in use, files that cannot be opened), those of opis_model_open. */
int serve_run(int *signal_number, const serve_options *options);

/* GET url (http only) with a time limit: the status, or a negative error. What `opis health` asks. */
int serve_probe(const char *url, double timeout);

#endif
