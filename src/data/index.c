/* The format: "opisidx3", the number of entries (8 bytes), the output's path with its length (4 bytes), then the entries sorted by path: how many bytes of the path before it shares (1), how many follow
 * (2), these, inode, time, size (8 each), md5 (16); a sum of everything before it (8); "end." Numbers are in the byte order of the machine. */
#include "data/index.h"

#include "util/error.h"
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FIXED = 40, SHARED_MOST = 255, REST_MOST = 65535, TICK = 20 * 1000 * 1000, PIECE = 64 * 1024, KEPT = 1 << 20 /* bytes of a mapped index, while it is read */ };
static const char magic[8] = "opisidx3", final[4] = "end.";

/* Against blocks that never reached the disk, not against anybody's intent. */
static uint64_t add_to_sum(uint64_t sum, const uint8_t *bytes, size_t n)
{
  uint64_t word;
  for (; n >= 8; n -= 8, bytes += 8) {
    memcpy(&word, bytes, 8);
    sum = (sum ^ word) * 0x9E3779B97F4A7C15U;
    sum ^= sum >> 29;
  }
  for (; n; n--)
    sum = (sum ^ *bytes++) * 0x100000001B3U;
  return sum;
}

bool index_racy(int64_t mtime)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t t = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
  int64_t grain = mtime % 1000000000 == 0 ? 2000000000 : TICK; /* whole seconds: a file system that knows no better */
  return mtime > t - grain;
}

static int index_path(char **path, const repo *r, const char *rel, bool legacy)
{
  uint8_t md5[MD5_SIZE];
  char hex[MD5_HEX];
  md5_bytes(md5, rel, strlen(rel));
  md5_to_hex(hex, md5);
  return asprintf(path, "%s/tmp/opis/index/%s%s", r->dvc, hex, legacy ? "-2" : "") < 0 ? error_nomem() : 0;
}

typedef struct cursor {
  const file_map *map;
  size_t passed; /* bytes of it that are not in memory any more */
  const uint8_t *p, *end;
  uint64_t left;
  char path[PATH_MAX + 1];
  size_t length;
  uint64_t inode, size;
  int64_t mtime;
  const uint8_t *md5;
} cursor;

static void pass(cursor *c, size_t at)
{
  if (at - c->passed < KEPT && at < c->map->size)
    return;
  file_map_passed(c->map, c->passed, at);
  c->passed = at;
}

/* The next entry; false at the end, or when something is wrong. */
static bool advance(cursor *c)
{
  if (c->left == 0 || c->end - c->p < 3)
    return false;
  size_t shared = c->p[0], rest;
  uint16_t n;
  memcpy(&n, c->p + 1, 2);
  rest = n;
  if (shared > c->length || shared + rest > PATH_MAX || (size_t)(c->end - c->p) < 3 + rest + FIXED)
    return false;
  memcpy(c->path + shared, c->p + 3, rest);
  c->length = shared + rest;
  c->path[c->length] = '\0';
  c->p += 3 + rest;
  memcpy(&c->inode, c->p, 8);
  memcpy(&c->mtime, c->p + 8, 8);
  memcpy(&c->size, c->p + 16, 8);
  c->md5 = c->p + 24;
  c->p += FIXED;
  c->left--;
  pass(c, (size_t)(c->md5 - c->map->data));
  return true;
}

static bool begin(cursor *c, const file_map *m, const char *rel)
{
  uint32_t n;
  uint64_t sum = 0, written;
  *c = (cursor){.map = m, .p = m->data, .end = m->data + m->size};
  if (m->size < 32 || memcmp(c->p, magic, 8) != 0 || memcmp(c->end - 4, final, 4) != 0)
    return false;
  for (size_t at = 0, all = m->size - 12, part; at < all; at += part) { /* in the pieces that it was written in */
    part = all - at < PIECE ? all - at : PIECE;
    sum = add_to_sum(sum, c->p + at, part);
    pass(c, at);
  }
  pass(c, m->size);
  c->passed = 0;
  memcpy(&written, c->end - 12, 8);
  if (sum != written)
    return false;
  memcpy(&c->left, c->p + 8, 8);
  memcpy(&n, c->p + 16, 4);
  if (n != strlen(rel) || m->size - 32 < n || memcmp(c->p + 20, rel, n) != 0)
    return false;
  c->p += 20 + n;
  c->end -= 12;
  return true;
}

int index_apply(tree *t, const repo *r, const char *rel, bool legacy, bool *same)
{
  char *path;
  file_map m;
  cursor *c;
  *same = false;
  int code = index_path(&path, r, rel, legacy);
  if (code < 0)
    return code;
  code = file_map_open(&m, path);
  free(path);
  if (code < 0)
    return code == OPIS_ENOMEM ? code : 0;
  c = malloc(sizeof *c);
  if (!c) {
    file_map_close(&m);
    return error_nomem();
  }
  if (m.data && begin(c, &m, rel)) {
    size_t i = 0, found = 0;
    uint64_t all = c->left, looked = 0;
    madvise((void *)(uintptr_t)m.data, m.size, MADV_SEQUENTIAL);
    while (i < t->n && advance(c)) {
      int order = -1;
      looked++;
      while (i < t->n && (order = tree_compare_paths(t->entries[i].path, c->path)) < 0)
        i++;
      if (i == t->n || order > 0)
        continue;
      tree_entry *e = &t->entries[i++];
      if (e->inode == c->inode && e->size == c->size && e->mtime == c->mtime) {
        memcpy(e->md5, c->md5, MD5_SIZE);
        e->flags |= TREE_HASHED;
        found++;
      }
    }
    *same = found == t->n && all == looked && c->left == 0;
  }
  free(c);
  file_map_close(&m);
  return 0;
}

/* Bytes on their way into the file; the first failure is kept. */
typedef struct writer {
  int fd, code;
  const char *what;
  size_t n;
  uint64_t sum;
  uint8_t bytes[PIECE];
} writer;

static void flush(writer *w)
{
  w->sum = add_to_sum(w->sum, w->bytes, w->n);
  if (w->code == 0 && w->n)
    w->code = file_write_all(w->fd, w->bytes, w->n, w->what);
  w->n = 0;
}

static void put(writer *w, const void *bytes, size_t n)
{
  const uint8_t *p = bytes;
  while (n) {
    size_t part = n < PIECE - w->n ? n : PIECE - w->n;
    memcpy(w->bytes + w->n, p, part);
    w->n += part;
    p += part;
    n -= part;
    if (w->n == PIECE)
      flush(w);
  }
}

static bool is_saved(const tree_entry *e)
{
  return (e->flags & (TREE_HASHED | TREE_RACY)) == TREE_HASHED && strlen(e->path) <= PATH_MAX;
}

static uint64_t count(const tree *t)
{
  uint64_t n = 0;
  for (size_t i = 0; i < t->n; i++)
    n += is_saved(&t->entries[i]);
  return n;
}

static void put_entry(writer *w, const tree_entry *e, const char *before)
{
  size_t all = strlen(e->path), shared = 0;
  while (shared < SHARED_MOST && before[shared] && before[shared] == e->path[shared])
    shared++;
  uint16_t rest = (uint16_t)(all - shared);
  uint8_t head[3] = {(uint8_t)shared};
  memcpy(head + 1, &rest, 2);
  put(w, head, 3);
  put(w, e->path + shared, rest);
  put(w, &e->inode, 8);
  put(w, &e->mtime, 8);
  put(w, &e->size, 8);
  put(w, e->md5, MD5_SIZE);
}

int index_save(const tree *t, const repo *r, const char *rel, bool legacy)
{
  return index_save_both(t, &(tree)TREE_INIT, r, rel, legacy);
}

int index_save_both(const tree *t, const tree *more, const repo *r, const char *rel, bool legacy)
{
  char *path, *folder = NULL;
  file_replacement f = {.fd = -1};
  const char *before = "";
  uint64_t n = count(t) + count(more);
  uint32_t length = (uint32_t)strlen(rel);
  if (r->read_only)
    return 0;
  int code = index_path(&path, r, rel, legacy);
  if (code < 0)
    return code;
  folder = path_folder(path);
  code = folder ? file_make_folders(folder, 0777) : OPIS_ENOMEM;
  free(folder);
  if (code == 0)
    code = repo_replace_open(&f, r, path, 0666);
  free(path);
  if (code < 0)
    return code;
  writer *w = malloc(sizeof *w);
  if (!w) {
    file_replace_abort(&f);
    return error_nomem();
  }
  *w = (writer){.fd = f.fd, .what = f.path};
  put(w, magic, 8);
  put(w, &n, 8);
  put(w, &length, 4);
  put(w, rel, length);
  for (size_t i = 0, k = 0; i < t->n || k < more->n;) {
    bool first = k == more->n || (i < t->n && tree_compare_paths(t->entries[i].path, more->entries[k].path) <= 0);
    const tree_entry *e = first ? &t->entries[i++] : &more->entries[k++];
    if (is_saved(e)) {
      put_entry(w, e, before);
      before = e->path;
    }
  }
  flush(w);
  if (w->code == 0)
    w->code = file_write_all(w->fd, &w->sum, sizeof w->sum, w->what);
  if (w->code == 0)
    w->code = file_write_all(w->fd, final, sizeof final, w->what);
  code = w->code;
  free(w);
  if (code < 0) {
    file_replace_abort(&f);
    return code;
  }
  return file_replace_commit(&f, false);
}

int index_forget(const repo *r, const char *rel)
{
  for (int legacy = 0; legacy < 2; legacy++) {
    char *path;
    int code = index_path(&path, r, rel, legacy);
    if (code < 0)
      return code;
    unlink(path);
    free(path);
  }
  return 0;
}

static char *output_name(const char *path)
{
  file_map m;
  uint32_t n;
  char *rel = NULL;
  if (file_map_open(&m, path) < 0)
    return NULL;
  if (m.size >= 24 && memcmp(m.data, magic, 8) == 0) {
    memcpy(&n, m.data + 16, 4);
    if (n <= m.size - 24 && n <= PATH_MAX && !memchr(m.data + 20, '\0', n))
      rel = strndup((const char *)m.data + 20, n);
  }
  file_map_close(&m);
  return rel;
}

int index_each(const repo *r, int (*each)(void *user, const char *rel, bool legacy), void *user)
{
  char *folder;
  int code = 0;
  if (asprintf(&folder, "%s/tmp/opis/index", r->dvc) < 0)
    return error_nomem();
  DIR *d = opendir(folder);
  for (struct dirent *e; d && code == 0 && (e = readdir(d));) {
    char *path, *rel;
    size_t n = strlen(e->d_name);
    if (n < 32 || strchr(e->d_name, '.') || asprintf(&path, "%s/%s", folder, e->d_name) < 0)
      continue;
    rel = output_name(path);
    free(path);
    if (rel && strncmp(rel, INDEX_FOREIGN, strlen(INDEX_FOREIGN)) != 0)
      code = each(user, rel, n > 32);
    free(rel);
  }
  if (d)
    closedir(d);
  free(folder);
  return code;
}
