#include "data/bring.h"

#include "data/transfer.h"
#include "util/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH = 32, SMALL = 512 * 1024, BYTES = 1 << 20 };

typedef struct batch {
  size_t n, used;
  const used_object *objects[BATCH];
  md5_piece pieces[BATCH];
  uint8_t md5[BATCH][MD5_SIZE];
  uint8_t bytes[BYTES];
} batch;

typedef struct bringing {
  repo *r;
  remote *side;
  const watch *w;
  bring_told *told;
  void *user;
} bringing;

static odb *store_of(const bringing *b, const used_object *o)
{
  return o->legacy ? &b->r->legacy : &b->r->db;
}

static int check(const bringing *b, const used_object *o, const uint8_t md5[MD5_SIZE])
{
  char key[OID_KEY + 16];
  transfer_key(key, &o->oid, o->legacy);
  return memcmp(md5, o->oid.md5, MD5_SIZE) == 0 ? 0 : transfer_damaged(b->side, key);
}

static int flush(const bringing *b, batch *a)
{
  int code = 0;
  md5_many(a->md5, a->pieces, a->n);
  for (size_t k = 0; k < a->n && code == 0; k++) {
    const used_object *o = a->objects[k];
    int one = check(b, o, a->md5[k]);
    if (one == 0)
      one = odb_write(store_of(b, o), &o->oid, a->pieces[k].bytes, a->pieces[k].n);
    code = b->told(b->user, o, one, a->pieces[k].n);
  }
  a->n = a->used = 0;
  return code;
}

static int read_whole(int fd, uint8_t *bytes, size_t n, const char *what)
{
  for (size_t at = 0; at < n;) {
    ssize_t got = read(fd, bytes + at, n - at);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return error_set_errno("%s", what);
    if (got == 0)
      return error_set(OPIS_EIO, "%s: shorter than its size", what);
    at += (size_t)got;
  }
  return 0;
}

/* A large object, or one of DVC 2, whose hash is not that of its bytes. */
static int bring_alone(const bringing *b, const used_object *o, int from, const char *key)
{
  odb *db = store_of(b, o);
  odb_temporary t;
  uint8_t md5[MD5_SIZE];
  bool legacy = o->legacy && !o->oid.dir;
  int code = odb_new(&t, db, &o->oid);
  if (code < 0)
    return code;
  if (legacy || clone_file(t.fd, from)) {
    code = legacy ? copy_file(t.fd, from, true, key, NULL) : 0;
    if (code == 0 && lseek(t.fd, 0, SEEK_SET) != 0)
      code = error_set_errno("%s", key);
    if (code == 0)
      code = md5_fd_either(md5, legacy, t.fd, key, b->w);
  } else
    code = copy_hashed(md5, t.fd, from, key, b->w);
  if (code == 0)
    code = check(b, o, md5);
  if (code < 0) {
    odb_drop(&t, db);
    return code;
  }
  return odb_keep(&t, db, &o->oid);
}

static int bring_one(const bringing *b, batch *a, const used_object *o)
{
  char key[OID_KEY + 16];
  struct stat st;
  int fd;
  transfer_key(key, &o->oid, o->legacy);
  int code = b->side->ops->open(b->side, key, &fd);
  if (code < 0)
    return b->told(b->user, o, code, 0);
  if (fstat(fd, &st) != 0)
    code = error_set_errno("%s", key);
  else if (st.st_size > SMALL || o->legacy) {
    code = bring_alone(b, o, fd, key);
    close(fd);
    return b->told(b->user, o, code, 0);
  } else if (a->n == BATCH || a->used + (size_t)st.st_size > BYTES)
    code = flush(b, a);
  if (code < 0) {
    close(fd);
    return code;
  }
  size_t n = (size_t)st.st_size;
  code = read_whole(fd, a->bytes + a->used, n, key);
  close(fd);
  if (code < 0)
    return b->told(b->user, o, code, 0);
  a->objects[a->n] = o;
  a->pieces[a->n++] = (md5_piece){a->bytes + a->used, n};
  a->used += n;
  return 0;
}

int bring_files(repo *r, remote *side, const used_object *objects, const size_t *list, size_t n, const watch *w, bring_told *told, void *user)
{
  const bringing b = {r, side, w, told, user};
  batch *a = malloc(sizeof *a);
  if (!a)
    return error_nomem();
  a->n = a->used = 0;
  int code = 0;
  for (size_t i = 0; i < n && code == 0; i++) {
    code = repo_check_cancelled(r);
    if (code == 0)
      code = bring_one(&b, a, &objects[list[i]]);
  }
  if (code == 0)
    code = flush(&b, a);
  free(a);
  return code;
}
