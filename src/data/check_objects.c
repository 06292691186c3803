#include "data/check_objects.h"

#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 32, BYTES = 1 << 20, SMALL = 256 * 1024 };

typedef struct checking {
  object_check *items;
  const watch *w;
  atomic_int code;
  char message[1024];
} checking;

/* Small objects, read one by one and hashed together. */
typedef struct batch {
  size_t n, used;
  object_check *objects[BATCH];
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
static bool read_small(batch *b, object_check *o)
{
  char key[OID_KEY];
  if (o->db->legacy || o->size > SMALL)
    return false;
  if (b->n == BATCH || b->used + o->size + 1 > BYTES)
    flush(b);
  odb_key(key, &o->oid);
  int fd = openat(o->db->fd, key, O_RDONLY | O_CLOEXEC | O_NOCTTY);
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

static int hash_one(object_check *o, const watch *w)
{
  uint8_t md5[MD5_SIZE];
  char key[OID_KEY];
  odb_key(key, &o->oid);
  int fd = openat(o->db->fd, key, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return errno == ENOENT ? 0 : error_set_errno("%s/%s", o->db->path, key);
  int code = md5_fd_either(md5, o->db->legacy && !o->oid.dir, fd, key, w);
  close(fd);
  if (code == OPIS_EIO) { /* a sector that cannot be read is damage, too */
    o->damaged = true;
    return 0;
  }
  o->damaged = code == 0 && memcmp(md5, o->oid.md5, MD5_SIZE) != 0;
  return code;
}

static void check_some(void *user, size_t begin, size_t end, int thread)
{
  checking *c = user;
  batch *b = malloc(sizeof *b);
  (void)thread;
  if (b)
    b->n = b->used = 0;
  for (size_t i = begin; i < end && atomic_load(&c->code) == 0; i++) {
    object_check *o = &c->items[i];
    int none = 0, code = b ? 0 : error_nomem();
    if (code == 0)
      code = read_small(b, o) ? watch_tell(c->w, o->size) : hash_one(o, c->w);
    if (code < 0 && atomic_compare_exchange_strong(&c->code, &none, code))
      snprintf(c->message, sizeof c->message, "%s", opis_error_message());
  }
  if (b)
    flush(b);
  free(b);
}

int objects_check(object_check *items, size_t n, pool *p, const watch *w)
{
  checking c = {.items = items, .w = w};
  pool_for(p, n, 32, check_some, &c);
  int code = atomic_load(&c.code);
  return code < 0 ? error_set(code, "%s", c.message) : 0;
}
