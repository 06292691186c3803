/* GET /v1/history?search=&before=&limit=, DELETE /v1/history and /v1/history/{id} */
#include "serve/history.h"
#include "serve/routes.h"
#include "serve/workers.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void refuse(request *r, int status)
{
  reply out;
  reply_error(&out, r, status == OPIS_EINVALID ? 400 : status == OPIS_ENOTFOUND ? 404 : 500, status, "%s", opis_error_message());
  request_answer(r, &out);
}

static bool whole(const char *text, int64_t *value, int64_t min, int64_t max)
{
  char *end;
  if (text[0] < '0' || text[0] > '9')
    return false;
  errno = 0;
  *value = strtoll(text, &end, 10);
  return !errno && !*end && *value >= min && *value <= max;
}

/* What /openapi.json promises of it: at most 250 characters of UTF-8. */
static bool searchable(const query_value *q)
{
  size_t characters = 0;
  for (size_t i = 0; i < q->n; i++)
    characters += ((unsigned char)q->value[i] & 0xc0) != 0x80;
  return strlen(q->value) == q->n && characters <= 250 && utf8_valid(q->value, q->n);
}

static void list(void *user)
{
  request *r = user;
  reply out;
  json_t *entries;
  int64_t before = 0, limit = 50;
  const char *search = NULL;
  int status = 0;
  for (size_t i = 0; i < r->n_query && status == 0; i++) {
    const query_value *q = &r->query[i];
    if (strcmp(q->name, "search") == 0 && searchable(q))
      search = q->value;
    else if (strcmp(q->name, "search") == 0)
      status = error_set(OPIS_EINVALID, "search: is no UTF-8 text of at most 250 characters");
    else if (strcmp(q->name, "before") == 0 && !whole(q->value, &before, 1, INT64_MAX))
      status = error_set(OPIS_EINVALID, "before: is no id");
    else if (strcmp(q->name, "limit") == 0 && !whole(q->value, &limit, 1, 500))
      status = error_set(OPIS_EINVALID, "limit: is no whole number from 1 to 500");
    else if (strcmp(q->name, "before") != 0 && strcmp(q->name, "limit") != 0)
      status = error_set(OPIS_EINVALID, "%.64s: unknown parameter (known: search, before, limit)", q->name);
  }
  if (status == 0)
    status = history_list(&entries, r->s->history, r->owner, search, before, (int)limit);
  if (status < 0)
    refuse(r, status);
  else {
    reply_json(&out, 200, entries);
    request_answer(r, &out);
  }
  request_release(r);
}

static void remove_some(void *user)
{
  request *r = user;
  reply out = {.status = 204};
  int64_t id = 0;
  int status;
  if (!r->argument)
    status = history_clear(r->s->history, r->owner);
  else if (!whole(r->argument, &id, 1, INT64_MAX))
    status = error_set(OPIS_EINVALID, "history: '%.64s' is no id", r->argument);
  else
    status = history_delete(r->s->history, r->owner, id);
  if (status < 0)
    refuse(r, status);
  else
    request_answer(r, &out);
  request_release(r);
}

static void submit(request *r, void (*work)(void *))
{
  request_hold(r);
  if (workers_submit(r->s->workers, work, r) < 0) {
    refuse(r, OPIS_ENOMEM);
    request_release(r);
  }
}

void handle_history_list(request *r)
{
  submit(r, list);
}

void handle_history_delete(request *r)
{
  submit(r, remove_some);
}

void handle_history_clear(request *r)
{
  submit(r, remove_some);
}
