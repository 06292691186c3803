/* The models, each with a thread that describes what waits, several pictures at a time. */
#ifndef SERVE_ENGINES_H
#define SERVE_ENGINES_H

#include "serve/server.h"

typedef struct picture picture;
typedef struct engine engine;

int engines_new(engines **out, server *s);
int engines_start(engines *e);       /* models are loaded in the background; s->ready is set when all are warm, s->failed when one cannot be loaded */
void engines_cancel_all(engines *e); /* what waits and what runs fails with OPIS_ECANCELLED */
void engines_stop(engines *e);       /* the same, and ends the threads; nothing may be submitted behind it */
void engines_free(engines *e);

size_t engines_count(const engines *e);
engine *engines_at(const engines *e, size_t i);
engine *engines_find(const engines *e, const char *name); /* NULL name: the first */
const char *engine_name(const engine *e);
opis_model *engine_model(const engine *e); /* NULL until loaded */
const char *engine_sha256(const engine *e);
double engine_loaded_in(const engine *e);  /* seconds; 0 while not */
void engine_submit(engine *e, picture *p); /* with its image decoded */

/* Places: pictures that wait or are worked on. Answers 0, OPIS_EBUSY (full) or OPIS_ELIMIT (this client has its share); OPIS_EINVALID when n can never fit. */
int engines_reserve(engines *e, const char *client, size_t n);
void engines_give_back(engines *e, const char *client, size_t n);
bool engines_full(engines *e, const char *client, int *code);
size_t engines_places_taken(engines *e);

/* Decoded pictures that wait: workers stop decoding ahead of the engines beyond a budget. */
void engines_wait_for_room(engines *e);

#endif
