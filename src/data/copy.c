/* Bytes from one file to another: cloned, copied by the kernel, or hashed on the way by a thread of its own: a piece is hashed while it is still in the processor's cache, and the next ones are read and
 * written meanwhile. */
#include "data/odb.h"

#include "util/cpus.h"
#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 256 * 1024, PIECES = 16, AT_ONCE = 64 << 20 };

bool clone_file(int to, int from)
{
  return ioctl(to, FICLONE, from) == 0;
}

int copy_file(int to, int from, bool reflink, const char *what, const watch *w)
{
  char buffer[64 * 1024];
  if (reflink && clone_file(to, from)) {
    struct stat st;
    return fstat(from, &st) == 0 ? watch_tell(w, (uint64_t)st.st_size) : 0;
  }
  for (bool kernel = false, first = true;; first = false) { /* small files by hand, which is quicker than the kernel's way through a pipe */
    ssize_t n = kernel ? copy_file_range(from, NULL, to, NULL, AT_ONCE, 0) : read(from, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0 && kernel) { /* another file system, or one that says that there is nothing: the rest by hand */
      kernel = false;
      continue;
    }
    if (n < 0)
      return error_set_errno("%s", what);
    int code = kernel ? 0 : file_write_all(to, buffer, (size_t)n, what);
    if (code == 0 && n > 0)
      code = watch_tell(w, (uint64_t)n);
    if (code < 0 || n == 0 || (first && (size_t)n < sizeof buffer))
      return code;
    kernel |= first;
  }
}

/* ---- hashed on the way ---- */

typedef struct hashing {
  pthread_mutex_t lock;
  pthread_cond_t more, room;
  size_t read, hashed; /* pieces so far */
  bool ended, elsewhere;
  cpu_set_t own;
  md5_state md5;
  size_t sizes[PIECES];
  uint8_t bytes[PIECES][PIECE];
} hashing;

static void *hash_pieces(void *argument)
{
  hashing *h = argument;
  if (h->elsewhere)
    cpus_anywhere(&h->own);
  pthread_mutex_lock(&h->lock);
  for (;;) {
    while (h->hashed == h->read && !h->ended)
      pthread_cond_wait(&h->more, &h->lock);
    if (h->hashed == h->read)
      break;
    size_t k = h->hashed % PIECES;
    pthread_mutex_unlock(&h->lock);
    md5_add(&h->md5, h->bytes[k], h->sizes[k]);
    pthread_mutex_lock(&h->lock);
    h->hashed++;
    if (h->read - h->hashed <= PIECES / 4)
      pthread_cond_signal(&h->room);
  }
  pthread_mutex_unlock(&h->lock);
  return NULL;
}

/* The place of the next piece, once its old bytes are hashed. */
static size_t wait_for_room(hashing *h)
{
  pthread_mutex_lock(&h->lock);
  if (h->read - h->hashed == PIECES) /* woken once for many pieces: the two would wake each other for every one, and then share a processor */
    while (h->read - h->hashed > PIECES / 4)
      pthread_cond_wait(&h->room, &h->lock);
  size_t k = h->read % PIECES;
  pthread_mutex_unlock(&h->lock);
  return k;
}

static void give(hashing *h, size_t k, size_t n)
{
  pthread_mutex_lock(&h->lock);
  h->sizes[k] = n;
  h->read++;
  pthread_cond_signal(&h->more);
  pthread_mutex_unlock(&h->lock);
}

static int move(hashing *h, int to, int from, const char *what, const watch *w)
{
  for (;;) {
    size_t k = wait_for_room(h);
    ssize_t n = read(from, h->bytes[k], PIECE);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return error_set_errno("%s", what);
    if (n == 0)
      return 0;
    give(h, k, (size_t)n);
    int code = file_write_all(to, h->bytes[k], (size_t)n, what);
    if (code == 0)
      code = watch_tell(w, (uint64_t)n);
    if (code < 0)
      return code;
  }
}

int copy_hashed(uint8_t digest[MD5_SIZE], int to, int from, const char *what, const watch *w)
{
  pthread_t thread;
  hashing *h = malloc(sizeof *h);
  if (!h)
    return error_nomem();
  h->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  h->more = h->room = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
  h->read = h->hashed = 0;
  h->ended = false;
  md5_start(&h->md5);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  h->elsewhere = cpus_elsewhere(&attributes, &h->own);
  int failed = pthread_create(&thread, &attributes, hash_pieces, h);
  pthread_attr_destroy(&attributes);
  if (failed) {
    free(h);
    return error_nomem();
  }
  int code = move(h, to, from, what, w);
  pthread_mutex_lock(&h->lock);
  h->ended = true;
  pthread_cond_signal(&h->more);
  pthread_mutex_unlock(&h->lock);
  pthread_join(thread, NULL);
  md5_end(&h->md5, digest);
  free(h);
  return code;
}
