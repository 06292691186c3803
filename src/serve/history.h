/* Descriptions that were made, in SQLite (--history). Every call takes history NULL: then there is none. Thread-safe. */
#ifndef SERVE_HISTORY_H
#define SERVE_HISTORY_H

#include <jansson.h>
#include <stdint.h>

typedef struct history history;

int history_open(history **h, const char *path, int keep_days); /* OPIS_EFORMAT: a file that is something else */
void history_close(history *h);
void history_add(history *h, const char *owner, const json_t *result); /* errors are kept for /metrics' sake silent: the description matters more */
/* {"entries": [{"id", "time", "path", "description", "score", "model", "width", "height", "candidates"}], "next": id or null}, newest first, those that hold `search` (any case) in name or text. */
int history_list(json_t **out, history *h, const char *owner, const char *search, int64_t before, int limit);
int history_delete(history *h, const char *owner, int64_t id); /* OPIS_ENOTFOUND */
int history_clear(history *h, const char *owner);

#endif
