/* opis data verify: every object of the cache hashed. What is not what its name says is brought anew from a remote, or set aside so that nobody takes it for data. */
#include "data/index.h"
#include "data/objects.h"
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

typedef struct object {
  oid oid;
  uint64_t size;
  bool legacy, damaged;
} object;

typedef struct verifying {
  repo *r;
  object *items;
  size_t n, capacity;
  bool legacy;
  uint64_t total;
  atomic_ullong bytes;
  atomic_int code;
  char message[1024];
} verifying;

static int note(void *user, const oid *o, uint64_t size)
{
  verifying *v = user;
  if (v->n == v->capacity) {
    size_t capacity = v->capacity ? v->capacity * 2 : 1024;
    object *larger = realloc(v->items, capacity * sizeof *larger);
    if (!larger)
      return error_nomem();
    v->items = larger;
    v->capacity = capacity;
  }
  v->items[v->n++] = (object){*o, size, v->legacy, false};
  v->total += size;
  return 0;
}

enum { BATCH = 32, BYTES = 1 << 20, SMALL = 256 * 1024 };

/* Small objects, read one by one and hashed together. */
typedef struct batch {
  size_t n, used;
  object *objects[BATCH];
  md5_piece pieces[BATCH];
  uint8_t md5[BATCH][MD5_SIZE];
  uint8_t bytes[BYTES];
} batch;

static void flush(batch *b)
{
  md5_many(b->md5, b->pieces, b->n);
  for (size_t i = 0; i < b->n; i++)
    b->objects[i]->damaged = memcmp(b->md5[i], b->objects[i]->oid.md5, MD5_SIZE) != 0;
  b->n = b->used = 0;
}

/* False for whatever is not as its listing said, or cannot be read: hash_one finds out. */
static bool read_small(const verifying *v, batch *b, object *o)
{
  char key[OID_KEY];
  if (o->legacy || o->size > SMALL)
    return false;
  if (b->n == BATCH || b->used + o->size + 1 > BYTES)
    flush(b);
  odb_key(key, &o->oid);
  int fd = openat(v->r->db.fd, key, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  ssize_t n = fd < 0 ? -1 : read(fd, b->bytes + b->used, o->size + 1);
  if (fd >= 0)
    close(fd);
  if (n < 0 || (uint64_t)n != o->size)
    return false;
  b->objects[b->n] = o;
  b->pieces[b->n++] = (md5_piece){b->bytes + b->used, (size_t)n};
  b->used += (size_t)n;
  return true;
}

static int hash_one(verifying *v, object *o)
{
  odb *db = o->legacy ? &v->r->legacy : &v->r->db;
  uint8_t md5[MD5_SIZE];
  char key[OID_KEY];
  odb_key(key, &o->oid);
  int fd = openat(db->fd, key, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return errno == ENOENT ? 0 : error_set_errno("%s/%s", db->path, key);
  int code = o->legacy && !o->oid.dir ? md5_fd_dos2unix(md5, NULL, fd, key) : md5_fd(md5, NULL, fd, key);
  close(fd);
  if (code == OPIS_EIO) { /* a sector that cannot be read is damage, too */
    o->damaged = true;
    return 0;
  }
  o->damaged = code == 0 && memcmp(md5, o->oid.md5, MD5_SIZE) != 0;
  return code;
}

static void hash_some(void *user, size_t begin, size_t end, int thread)
{
  verifying *v = user;
  batch *b = malloc(sizeof *b);
  (void)thread;
  if (b)
    b->n = b->used = 0;
  for (size_t i = begin; i < end && atomic_load(&v->code) == 0; i++) {
    int none = 0, code = b ? repo_check_cancelled(v->r) : error_nomem();
    if (code == 0 && !read_small(v, b, &v->items[i]))
      code = hash_one(v, &v->items[i]);
    if (code < 0 && atomic_compare_exchange_strong(&v->code, &none, code))
      snprintf(v->message, sizeof v->message, "%s", opis_error_message());
    repo_progress(v->r, "verifying", atomic_fetch_add(&v->bytes, v->items[i].size) + v->items[i].size, v->total, true);
  }
  if (b)
    flush(b);
  free(b);
}

/* Below the cache, where neither DVC nor opis takes it for an object. */
static int set_aside(repo *r, const object *o)
{
  odb *db = o->legacy ? &r->legacy : &r->db;
  char *folder, *from = NULL, *to = NULL, text[OID_TEXT], key[OID_KEY];
  oid_text(text, &o->oid);
  odb_key(key, &o->oid);
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
  if (used_collect(&u, r, NULL, 0, &(sync_options){0}, &(used_options){.names = true, .imports = true}) < 0)
    return;
  for (size_t i = 0; i < v->n; i++)
    for (size_t k = 0; k < u.n && !v->items[i].path; k++)
      if (u.items[k].legacy == v->items[i].legacy && oid_same(&u.items[k].oid, &v->items[i].oid) && u.items[k].name)
        v->items[i].path = strdup(u.items[k].name);
  used_free(&u);
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
      code = set_aside(r, &(object){d->oid, 0, d->legacy, true});
    }
  }
  remote_close(side);
  for (int i = 0; i < 2 && code == 0; i++)
    code = odb_sync(i ? &r->legacy : &r->db);
  return code;
}

int data_verify(verify_result *v, repo *r, const verify_options *o)
{
  verifying x = {.r = r};
  *v = (verify_result){0};
  int code = odb_list(&r->db, note, &x);
  x.legacy = true;
  if (code == 0)
    code = odb_list(&r->legacy, note, &x);
  if (code == 0) {
    pool_for(r->pool, x.n, 1, hash_some, &x);
    code = atomic_load(&x.code);
    if (code < 0)
      error_set(code, "%s", x.message);
  }
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
    larger[v->n++] = (damage){.oid = x.items[i].oid, .legacy = x.items[i].legacy};
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
