/* The pictures of one request, on their way from bytes to words. */
#ifndef SERVE_JOB_H
#define SERVE_JOB_H

#include "serve/engines.h"
#include "serve/params.h"
#include "serve/server.h"

typedef struct job job;

typedef struct picture {
  job *job;
  size_t index;
  char *name; /* the file name that was sent; NULL: none */
  const void *bytes;
  size_t size;
  void *owned; /* freed with the picture; NULL where bytes are in the request's body */
  char *url;   /* to be fetched first; NULL: bytes are there */
  opis_image *image;
  double decode_ms;
  json_t *result; /* the object that is answered; NULL after an error */
  size_t tokens;  /* generated */
  int error;      /* 0, or why there is no result */
  char *message;
  bool timed_out, counted;
  struct picture *next; /* in a queue */
} picture;

struct job {
  request *request;
  server *s;
  params params;
  engine *engine;
  picture *pictures;
  size_t n;
  atomic_size_t left;
  atomic_bool cancelled;
  double deadline;
  /* Called on the engine's or a worker's thread; may be NULL. */
  void (*partial)(job *j, picture *p, const char *text); /* the best text so far */
  void (*settled)(job *j, picture *p, const char *text); /* the beginning that stays */
  void (*done_one)(job *j, picture *p);
  void (*done)(job *j); /* when all are; gives the answer. The job is freed behind it */
  void *user;           /* freed with the job */
  char *sent;           /* chat: what of the text is sent already */
};

/* n pictures; takes hold of the request. NULL: no memory */
job *job_new(request *r, size_t n);
void job_free(job *j);
/* Reserves places for the job's pictures and sends them on their way. On failure (full, not ready) it has answered the request, and the job is freed. */
void job_start(job *j);
void picture_fail(picture *p, int code, const char *message); /* marks it; then picture_done */
void picture_done(picture *p);

/* JSON of a description, as `opis describe --format json` prints it. */
json_t *description_json(const picture *p, const engine *e, const opis_description *d, bool attention);

#endif
