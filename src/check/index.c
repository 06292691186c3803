#include "check/index.h"

#include "util/error.h"
#include "util/file.h"
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 1 }; /* of check_facts and of what measure.c computes */

struct check_index {
  sqlite3 *db;
  sqlite3_stmt *get;
  char *root;
};

static int failed(check_index *x, const char *file)
{
  return error_set(OPIS_EIO, "%s: %s", file, x->db ? sqlite3_errmsg(x->db) : "out of memory");
}

static int open_database(check_index *x, const char *file)
{
  char sql[400];
  snprintf(sql, sizeof sql,
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=2000;"
    "CREATE TABLE IF NOT EXISTS facts_%d_%zu (root TEXT, path BLOB, size INT, modified INT, changed INT, inode INT, facts BLOB, PRIMARY KEY (root, path)) WITHOUT ROWID;",
    VERSION, sizeof(check_facts));
  if (sqlite3_open_v2(file, &x->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK || sqlite3_exec(x->db, sql, NULL, NULL, NULL) != SQLITE_OK)
    return failed(x, file);
  snprintf(sql, sizeof sql, "SELECT facts FROM facts_%d_%zu WHERE root = ? AND path = ? AND size = ? AND modified = ? AND changed = ? AND inode = ?", VERSION, sizeof(check_facts));
  return sqlite3_prepare_v2(x->db, sql, -1, &x->get, NULL) == SQLITE_OK ? 0 : failed(x, file);
}

int check_index_open(check_index **out, const char *file, const char *root)
{
  check_index *x = calloc(1, sizeof *x);
  char *folder = strdup(file), *slash = folder ? strrchr(folder, '/') : NULL;
  *out = NULL;
  if (slash && slash != folder) {
    *slash = 0;
    file_make_folders(folder, 0700);
  }
  free(folder);
  if (!x || !(x->root = realpath(root, NULL))) {
    free(x);
    return error_set_errno("%s", root);
  }
  int e = open_database(x, file);
  if (e < 0) { /* no database, or a broken one: begin anew, once */
    sqlite3_close(x->db);
    x->db = NULL;
    unlink(file);
    e = open_database(x, file);
  }
  if (e < 0) {
    check_index_close(x);
    return e;
  }
  *out = x;
  return 0;
}

static void bind(sqlite3_stmt *q, const char *root, const check_file *f)
{
  sqlite3_bind_text(q, 1, root, -1, SQLITE_STATIC);
  sqlite3_bind_blob(q, 2, f->path, (int)strlen(f->path), SQLITE_STATIC);
  sqlite3_bind_int64(q, 3, (sqlite3_int64)f->size);
  sqlite3_bind_int64(q, 4, f->modified);
  sqlite3_bind_int64(q, 5, f->changed);
  sqlite3_bind_int64(q, 6, (sqlite3_int64)f->inode);
}

bool check_index_get(check_index *x, check_file *f)
{
  bind(x->get, x->root, f);
  bool found = sqlite3_step(x->get) == SQLITE_ROW && sqlite3_column_bytes(x->get, 0) == (int)sizeof f->facts;
  if (found) {
    memcpy(&f->facts, sqlite3_column_blob(x->get, 0), sizeof f->facts);
    f->facts.why[sizeof f->facts.why - 1] = 0;
    found = f->facts.state <= CHECK_TRUNCATED && f->facts.kind <= IMAGE_PNM && f->facts.mode <= CHECK_CMYK;
  }
  sqlite3_reset(x->get);
  return found;
}

int check_index_put(check_index *x, const check_set *set)
{
  char sql[200];
  sqlite3_stmt *q = NULL;
  bool ok = sqlite3_exec(x->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
  snprintf(sql, sizeof sql, "DELETE FROM facts_%d_%zu WHERE root = ?", VERSION, sizeof(check_facts));
  ok = ok && sqlite3_prepare_v2(x->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_bind_text(q, 1, x->root, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(q) == SQLITE_DONE;
  sqlite3_finalize(q);
  q = NULL;
  snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO facts_%d_%zu VALUES (?, ?, ?, ?, ?, ?, ?)", VERSION, sizeof(check_facts));
  ok = ok && sqlite3_prepare_v2(x->db, sql, -1, &q, NULL) == SQLITE_OK;
  for (size_t i = 0; ok && i < set->n; i++) {
    const check_file *f = &set->files[i];
    if (!f->measured)
      continue;
    bind(q, x->root, f);
    sqlite3_bind_blob(q, 7, &f->facts, sizeof f->facts, SQLITE_STATIC);
    ok = sqlite3_step(q) == SQLITE_DONE;
    sqlite3_reset(q);
  }
  sqlite3_finalize(q);
  ok = ok && sqlite3_exec(x->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
  if (!ok)
    sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
  return ok ? 0 : failed(x, "index");
}

void check_index_close(check_index *x)
{
  if (!x)
    return;
  sqlite3_finalize(x->get);
  sqlite3_close(x->db);
  free(x->root);
  free(x);
}
