/* The history's table. Texts are kept folded beside their own form, so that a search finds any case in any script. */
#include "serve/history.h"

#include "util/error.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utf8proc.h>

#define SWEEP_SECONDS 3600

struct history {
  pthread_mutex_t lock;
  sqlite3 *db;
  sqlite3_stmt *insert;
  int keep_days;
  time_t swept;
};

static int failed(history *h, const char *path)
{
  int code = sqlite3_errcode(h->db);
  return error_set(code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? OPIS_EFORMAT : OPIS_EIO, "%s: %s", path, sqlite3_errmsg(h->db));
}

static char *fold(const char *text)
{
  utf8proc_uint8_t *out = NULL;
  if (utf8proc_map((const utf8proc_uint8_t *)text, 0, &out, UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD) < 0)
    return strdup(text);
  return (char *)out;
}

static void sweep(history *h)
{
  sqlite3_stmt *s;
  time_t now = time(NULL);
  if (!h->keep_days || now - h->swept < SWEEP_SECONDS)
    return;
  h->swept = now;
  if (sqlite3_prepare_v2(h->db, "DELETE FROM descriptions WHERE time < ?", -1, &s, NULL) != SQLITE_OK)
    return;
  sqlite3_bind_int64(s, 1, (sqlite3_int64)now - (sqlite3_int64)h->keep_days * 86400);
  sqlite3_step(s);
  sqlite3_finalize(s);
}

int history_open(history **out, const char *path, int keep_days)
{
  static const char schema[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=2000; PRAGMA secure_delete=ON;"
                               "CREATE TABLE IF NOT EXISTS descriptions (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, owner TEXT NOT NULL, path TEXT, "
                               "description TEXT NOT NULL, score REAL, model TEXT, width INTEGER, height INTEGER, folded TEXT NOT NULL);"
                               "CREATE INDEX IF NOT EXISTS descriptions_owner ON descriptions (owner, id); CREATE INDEX IF NOT EXISTS descriptions_time ON descriptions (time);";
  history *h = calloc(1, sizeof *h);
  if (!h)
    return error_nomem();
  pthread_mutex_init(&h->lock, NULL);
  h->keep_days = keep_days;
  if (sqlite3_open_v2(path, &h->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL) != SQLITE_OK ||
    sqlite3_exec(h->db, schema, NULL, NULL, NULL) != SQLITE_OK ||
    sqlite3_prepare_v2(h->db, "INSERT INTO descriptions (time, owner, path, description, score, model, width, height, folded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, &h->insert,
      NULL) != SQLITE_OK) {
    int status = failed(h, path);
    history_close(h);
    return status;
  }
  sweep(h);
  *out = h;
  return 0;
}

void history_close(history *h)
{
  if (!h)
    return;
  sqlite3_finalize(h->insert);
  sqlite3_close(h->db);
  pthread_mutex_destroy(&h->lock);
  free(h);
}

static const char *string_of(const json_t *result, const char *name)
{
  return json_string_value(json_object_get(result, name));
}

void history_add(history *h, const char *owner, const json_t *result)
{
  if (!h || !result)
    return;
  const char *path = string_of(result, "path"), *description = string_of(result, "description");
  size_t n = strlen(path ? path : "") + strlen(description) + 2;
  char *both = malloc(n);
  if (!both)
    return;
  snprintf(both, n, "%s\n%s", path ? path : "", description);
  char *folded = fold(both);
  pthread_mutex_lock(&h->lock);
  sqlite3_bind_int64(h->insert, 1, (sqlite3_int64)time(NULL));
  sqlite3_bind_text(h->insert, 2, owner, -1, SQLITE_STATIC);
  sqlite3_bind_text(h->insert, 3, path, -1, SQLITE_STATIC);
  sqlite3_bind_text(h->insert, 4, description, -1, SQLITE_STATIC);
  sqlite3_bind_double(h->insert, 5, json_number_value(json_object_get(result, "score")));
  sqlite3_bind_text(h->insert, 6, string_of(result, "model"), -1, SQLITE_STATIC);
  sqlite3_bind_int64(h->insert, 7, json_integer_value(json_object_get(result, "width")));
  sqlite3_bind_int64(h->insert, 8, json_integer_value(json_object_get(result, "height")));
  sqlite3_bind_text(h->insert, 9, folded, -1, SQLITE_STATIC);
  sqlite3_step(h->insert);
  sqlite3_reset(h->insert);
  sqlite3_clear_bindings(h->insert);
  sweep(h);
  pthread_mutex_unlock(&h->lock);
  free(folded);
  free(both);
}

static json_t *text_column(sqlite3_stmt *s, int column)
{
  const char *text = (const char *)sqlite3_column_text(s, column);
  return text ? json_string(text) : json_null();
}

static json_t *row(sqlite3_stmt *s)
{
  return json_pack("{s:I, s:I, s:o, s:o, s:f, s:o, s:I, s:I}", "id", (json_int_t)sqlite3_column_int64(s, 0), "time", (json_int_t)sqlite3_column_int64(s, 1), "path",
    text_column(s, 2), "description", text_column(s, 3), "score", sqlite3_column_double(s, 4), "model", text_column(s, 5), "width", (json_int_t)sqlite3_column_int64(s, 6),
    "height", (json_int_t)sqlite3_column_int64(s, 7));
}

int history_list(json_t **out, history *h, const char *owner, const char *search, int64_t before, int limit)
{
  sqlite3_stmt *s;
  int64_t last = 0;
  char *folded = fold(search ? search : "");
  json_t *list = json_array();
  pthread_mutex_lock(&h->lock);
  if (sqlite3_prepare_v2(h->db,
        "SELECT id, time, path, description, score, model, width, height FROM descriptions WHERE owner = ? AND id < ? AND (? = '' OR instr(folded, ?) > 0) ORDER BY id DESC LIMIT "
        "?",
        -1, &s, NULL) != SQLITE_OK) {
    int status = failed(h, "history");
    pthread_mutex_unlock(&h->lock);
    free(folded);
    json_decref(list);
    return status;
  }
  sqlite3_bind_text(s, 1, owner, -1, SQLITE_STATIC);
  sqlite3_bind_int64(s, 2, before > 0 ? before : INT64_MAX);
  sqlite3_bind_text(s, 3, folded, -1, SQLITE_STATIC);
  sqlite3_bind_text(s, 4, folded, -1, SQLITE_STATIC);
  sqlite3_bind_int(s, 5, limit);
  while (sqlite3_step(s) == SQLITE_ROW) {
    last = sqlite3_column_int64(s, 0);
    json_array_append_new(list, row(s));
  }
  sqlite3_finalize(s);
  pthread_mutex_unlock(&h->lock);
  free(folded);
  *out = json_pack("{s:o, s:o}", "entries", list, "next", json_array_size(list) == (size_t)limit ? json_integer(last) : json_null());
  return *out ? 0 : error_nomem();
}

static int remove_rows(history *h, const char *sql, const char *owner, int64_t id)
{
  sqlite3_stmt *s;
  pthread_mutex_lock(&h->lock);
  int status = sqlite3_prepare_v2(h->db, sql, -1, &s, NULL) == SQLITE_OK ? 0 : failed(h, "history");
  if (status == 0) {
    sqlite3_bind_text(s, 1, owner, -1, SQLITE_STATIC);
    if (id)
      sqlite3_bind_int64(s, 2, id);
    if (sqlite3_step(s) != SQLITE_DONE)
      status = failed(h, "history");
    else if (id && sqlite3_changes(h->db) == 0)
      status = error_set(OPIS_ENOTFOUND, "history: there is no entry %lld", (long long)id);
    sqlite3_finalize(s);
  }
  pthread_mutex_unlock(&h->lock);
  return status;
}

int history_delete(history *h, const char *owner, int64_t id)
{
  return remove_rows(h, "DELETE FROM descriptions WHERE owner = ? AND id = ?", owner, id);
}

int history_clear(history *h, const char *owner)
{
  return remove_rows(h, "DELETE FROM descriptions WHERE owner = ?", owner, 0);
}
