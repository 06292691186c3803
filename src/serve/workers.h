/* Threads for what must not stall the I/O thread: parsing bodies, decoding pictures, the history's queries. */
#ifndef SERVE_WORKERS_H
#define SERVE_WORKERS_H

typedef struct workers workers;

int workers_new(workers **out, int threads);
int workers_submit(workers *w, void (*work)(void *user), void *user); /* first in, first out; OPIS_ENOMEM */
void workers_free(workers *w);                                        /* runs what is still there, then ends */

#endif
