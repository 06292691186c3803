/* opis data verify: every object of the cache hashed. What is not what its name says is brought anew from a remote, or set aside so that nobody takes it for data. */
#include "data/check_objects.h"
#include "data/index.h"
#include "data/objects.h"
#include "data/progress.h"
#include "data/transfer.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct verifying {
  repo *r;
  object_check *items;
  size_t n, capacity;
  odb *db;
  uint64_t total;
} verifying;

static int note(void *user, const oid *o, uint64_t size)
{
  verifying *v = user;
  if (v->n == v->capacity) {
    size_t capacity = v->capacity ? v->capacity * 2 : 1024;
    object_check *larger = realloc(v->items, capacity * sizeof *larger);
    if (!larger)
      return error_nomem();
    v->items = larger;
    v->capacity = capacity;
  }
  v->items[v->n++] = (object_check){.oid = *o, .size = size, .db = v->db};
  v->total += size;
  return 0;
}

/* Below the cache, where neither DVC nor opis takes it for an object. */
static int set_aside(repo *r, const oid *o, const odb *db)
{
  char *folder, *from = NULL, *to = NULL, text[OID_TEXT], key[OID_KEY];
  oid_text(text, o);
  odb_key(key, o);
  if (asprintf(&folder, "%s/damaged", r->cache) < 0)
    return error_nomem();
  int code = file_make_folders(folder, 0777);
  if (code == 0 && (asprintf(&from, "%s/%s", db->path, key) < 0 || asprintf(&to, "%s/%s", folder, text) < 0))
    code = error_nomem();
  if (code == 0 && rename(from, to) != 0)
    code = error_set_errno("%s", from);
  free(folder);
  free(from);
  free(to);
  return code;
}

/* Which of the work tree's files an object is; the first of them. */
static void name_damage(repo *r, verify_result *v)
{
  used u;
  map damaged[2] = {{0}, {0}}; /* by store and id */
  for (size_t i = 0; i < v->n; i++)
    if (map_put(&damaged[v->items[i].legacy], (const char *)&v->items[i].oid, sizeof(oid), i) < 0)
      break;
  if (used_collect(&u, r, NULL, 0, &(sync_options){0}, &(used_options){.names = true, .imports = true}) < 0)
    u = (used){0};
  for (size_t k = 0; k < u.n; k++) {
    const size_t *i = map_get(&damaged[u.items[k].legacy], (const char *)&u.items[k].oid, sizeof(oid));
    if (i && !v->items[*i].path && u.items[k].name)
      v->items[*i].path = strdup(u.items[k].name);
  }
  used_free(&u);
  map_free(&damaged[0]);
  map_free(&damaged[1]);
}

static int forget(void *user, const char *rel, bool legacy)
{
  tree empty = TREE_INIT;
  return index_save(&empty, user, rel, legacy); /* stays known as an output, but every file of it is read again: it may share its bytes with the damaged object */
}

static int mend(verify_result *v, repo *r, const char *name)
{
  remote *side = NULL;
  int code = 0, opened = transfer_open(&side, r, name);
  if (opened < 0)
    repo_warn(r, "nothing can be mended: %s", opis_error_message());
  if (opened < 0 && name)
    return opened;
  for (size_t i = 0; i < v->n && code == 0; i++) {
    damage *d = &v->items[i];
    int brought = side ? transfer_bring_one(r, side, &d->oid, d->legacy) : OPIS_ENOTFOUND; /* takes the place of the damaged one by a rename */
    d->mended = brought == 0;
    if (d->mended)
      v->mended++;
    else {
      if (brought != OPIS_ENOTFOUND)
        repo_warn(r, "%s", opis_error_message());
      code = set_aside(r, &d->oid, d->legacy ? &r->legacy : &r->db);
    }
  }
  remote_close(side);
  for (int i = 0; i < 2 && code == 0; i++)
    code = odb_sync(i ? &r->legacy : &r->db);
  return code;
}

int data_verify(verify_result *v, repo *r, const verify_options *o)
{
  verifying x = {.r = r, .db = &r->db};
  *v = (verify_result){0};
  int code = odb_list(&r->db, note, &x);
  x.db = &r->legacy;
  if (code == 0)
    code = odb_list(&r->legacy, note, &x);
  progress done = {.r = r, .what = "Verifying", .of_bytes = x.total};
  if (code == 0)
    code = objects_check(x.items, x.n, r->pool, &(watch){progress_bytes, &done});
  v->objects = x.n;
  v->bytes = x.total;
  for (size_t i = 0; i < x.n && code == 0; i++) {
    if (!x.items[i].damaged)
      continue;
    damage *larger = realloc(v->items, (v->n + 1) * sizeof *larger);
    if (!larger) {
      code = error_nomem();
      break;
    }
    v->items = larger;
    larger[v->n++] = (damage){.oid = x.items[i].oid, .legacy = x.items[i].db->legacy};
  }
  free(x.items);
  if (code == 0 && v->n && !o->dry) {
    code = mend(v, r, o->remote);
    if (code == 0)
      code = index_each(r, forget, r);
  }
  if (code == 0 && v->n)
    name_damage(r, v);
  if (code < 0)
    verify_free(v);
  return code;
}

void verify_free(verify_result *v)
{
  for (size_t i = 0; i < v->n; i++)
    free(v->items[i].path);
  free(v->items);
  *v = (verify_result){0};
}
