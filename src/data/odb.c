#include "data/odb.h"

#include "data/settle.h"
#include "data/temporary.h"
#include "util/error.h"
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool oid_parse(oid *o, const char *text)
{
  size_t n = strlen(text);
  o->dir = n == 36 && strcmp(text + 32, ".dir") == 0;
  return (n == 32 || o->dir) && md5_from_hex(o->md5, text, 32);
}

void oid_text(char text[OID_TEXT], const oid *o)
{
  md5_to_hex(text, o->md5);
  if (o->dir)
    memcpy(text + 32, ".dir", 5);
}

bool oid_same(const oid *a, const oid *b)
{
  return a->dir == b->dir && memcmp(a->md5, b->md5, MD5_SIZE) == 0;
}

int oid_compare(const void *a, const void *b)
{
  const oid *x = a, *y = b;
  return x->dir != y->dir ? x->dir - y->dir : memcmp(x->md5, y->md5, MD5_SIZE);
}

void odb_key(char key[OID_KEY], const oid *o)
{
  char text[OID_TEXT];
  oid_text(text, o);
  snprintf(key, OID_KEY, "%.2s/%s", text, text + 2);
}

/* The folder of its first two digits. */
static void fan_out(char folder[OID_KEY], const oid *o)
{
  odb_key(folder, o);
  folder[2] = '\0';
}

static int parse_types(odb *db, const char *types)
{
  static const char *const names[] = {"reflink", "hardlink", "symlink", "copy"};
  const char *p = types ? types : "reflink,copy";
  db->n_types = 0;
  while (*p) {
    size_t n = strcspn(p, ", "), k = 0;
    while (n && k < 4 && !(strlen(names[k]) == n && strncmp(names[k], p, n) == 0))
      k++;
    if (k == 4)
      return error_set(OPIS_EINVALID, "cache.type: '%.*s' is none of reflink, hardlink, symlink, copy", (int)n, p);
    if (n && db->n_types < 4)
      db->types[db->n_types++] = (link_type)k;
    p += n;
    p += strspn(p, ", ");
  }
  if (db->n_types == 0)
    db->types[db->n_types++] = LINK_COPY;
  return 0;
}

int odb_open(odb *db, const char *path, bool legacy, const char *types, bool shared)
{
  *db = (odb){.path = strdup(path), .fd = -1, .legacy = legacy, .shared = shared, .lock = PTHREAD_MUTEX_INITIALIZER};
  if (!db->path)
    return error_nomem();
  int code = parse_types(db, types);
  if (code == 0) {
    db->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (db->fd < 0 && errno != ENOENT)
      code = error_set_errno("%s", path);
  }
  if (code < 0)
    odb_close(db);
  return code;
}

void odb_close(odb *db)
{
  if (db->fd >= 0)
    close(db->fd);
  free(db->path);
  db->path = NULL;
  db->fd = -1;
}

static mode_t folder_mode(const odb *db)
{
  return db->shared ? 02775 : 0777;
}

/* mkdir takes the set-group bit and the umask into account; a shared cache must not. */
static int make_folder(const odb *db, const char *name)
{
  if (mkdirat(db->fd, name, folder_mode(db)) != 0)
    return errno == EEXIST ? 0 : error_set_errno("%s/%s", db->path, name);
  if (db->shared)
    return fchmodat(db->fd, name, folder_mode(db), 0) == 0 ? 0 : error_set_errno("%s/%s", db->path, name);
  return 0;
}

/* The folders above the objects that are not there yet, with the group's mode where the cache is shared. */
static int make_above(const odb *db)
{
  size_t made = strlen(db->path), n = made;
  char *path = strdup(db->path);
  struct stat st;
  if (!path)
    return error_nomem();
  for (char *slash; db->shared && stat(path, &st) != 0 && errno == ENOENT && (slash = strrchr(path, '/')) && slash != path; *slash = '\0')
    made = (size_t)(slash - path);
  int code = file_make_folders(db->path, 0777);
  for (size_t i = made + 1; code == 0 && i < n; i++)
    if (db->path[i] == '/') {
      memcpy(path, db->path, i);
      path[i] = '\0';
      chmod(path, folder_mode(db));
    }
  free(path);
  return code;
}

static int ensure_open(odb *db)
{
  if (db->fd >= 0)
    return 0;
  int code = make_above(db);
  if (code < 0)
    return code;
  if (db->shared)
    chmod(db->path, folder_mode(db));
  db->fd = open(db->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return db->fd < 0 ? error_set_errno("%s", db->path) : 0;
}

static int hash_object(odb *db, const char *key, bool dir, uint8_t md5[MD5_SIZE])
{
  int fd = openat(db->fd, key, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return error_set_errno("%s/%s", db->path, key);
  int code = md5_fd_either(md5, db->legacy && !dir, fd, key, NULL);
  close(fd);
  return code;
}

int odb_check(odb *db, const oid *o, uint64_t *size)
{
  char key[OID_KEY];
  struct stat st;
  odb_key(key, o);
  int fd = db->fd;
  if (fd < 0 || fstatat(fd, key, &st, 0) != 0) {
    if (fd >= 0 && errno != ENOENT && errno != ENOTDIR)
      return error_set_errno("%s/%s", db->path, key);
    return error_set(OPIS_ENOTFOUND, "%s/%s: not in the cache", db->path, key);
  }
  if (size)
    *size = (uint64_t)st.st_size;
  if ((st.st_mode & 07777) == 0444)
    return S_ISREG(st.st_mode) ? 0 : error_set(OPIS_ENOTFOUND, "%s/%s: no regular file", db->path, key);
  int code = odb_rehash(db, o);
  if (code < 0)
    return code;
  if (fchmodat(db->fd, key, 0444, 0) != 0)
    return 0; /* somebody else's file in a shared cache: right all the same, and hashed again next time */
  return 0;
}

int odb_rehash(odb *db, const oid *o)
{
  char key[OID_KEY];
  uint8_t md5[MD5_SIZE];
  odb_key(key, o);
  int code = hash_object(db, key, o->dir, md5);
  if (code < 0)
    return code;
  if (memcmp(md5, o->md5, MD5_SIZE) == 0)
    return 0;
  unlinkat(db->fd, key, 0);
  return error_set(OPIS_ENOTFOUND, "%s/%s: damaged, and taken away", db->path, key);
}

bool odb_has(odb *db, const oid *o)
{
  return odb_check(db, o, NULL) == 0;
}

int odb_read_fd(int *fd, odb *db, const oid *o)
{
  char key[OID_KEY];
  odb_key(key, o);
  int folder = db->fd;
  *fd = folder < 0 ? -1 : openat(folder, key, O_RDONLY | O_CLOEXEC);
  if (*fd < 0 && (folder < 0 || errno == ENOENT))
    return error_set(OPIS_ENOTFOUND, "%s/%s: not in the cache", db->path, key);
  return *fd < 0 ? error_set_errno("%s/%s", db->path, key) : 0;
}

/* Files of processes that are no more. */
static void sweep(odb *db)
{
  int fd = openat(db->fd, ODB_TEMPORARY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;
  temporary_sweep(fd, db->tag);
  close(fd);
}

/* Once, by whichever thread comes first: sweeping takes this process's own number for an earlier one's. The note is needed again after each waiting for the disk. */
static int prepare(odb *db)
{
  int code = 0;
  if (atomic_load_explicit(&db->noted, memory_order_acquire))
    return 0;
  pthread_mutex_lock(&db->lock);
  if (!db->prepared) {
    code = ensure_open(db);
    if (code == 0) {
      temporary_tag(db->tag);
      sweep(db);
      db->prepared = true;
    }
  }
  for (int attempt = 0; code == 0 && !atomic_load(&db->noted); attempt++) {
    code = make_folder(db, ODB_TEMPORARY);
    if (code == 0)
      code = settle_note(db);
    if (code == OPIS_ENOTFOUND && attempt < 10) /* another process was done, and took the folder away */
      code = 0;
  }
  pthread_mutex_unlock(&db->lock);
  return code;
}

static void next_name(odb_temporary *t, odb *db)
{
  memcpy(t->name, ODB_TEMPORARY "/", sizeof ODB_TEMPORARY);
  temporary_name(t->name + sizeof ODB_TEMPORARY, db->tag, atomic_fetch_add(&db->next, 1));
}

int odb_new_named(odb_temporary *t, odb *db)
{
  int code = prepare(db);
  if (code < 0)
    return code;
  next_name(t, db);
  for (int attempt = 0; attempt < 3; attempt++) {
    t->fd = openat(db->fd, t->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, db->shared ? 0664 : 0666);
    if (t->fd >= 0)
      return 0;
    if (errno == ENOENT)
      code = make_folder(db, ODB_TEMPORARY);
    else if (errno == EEXIST)
      unlinkat(db->fd, t->name, 0); /* an earlier process of the same number */
    else
      break;
    if (code < 0)
      return code;
  }
  return error_set_errno("%s/%s", db->path, t->name);
}

int odb_new(odb_temporary *t, odb *db, const oid *o)
{
  char key[OID_KEY] = ".";
  int code = prepare(db);
  if (code < 0)
    return code;
  if (o)
    fan_out(key, o);
  if (!atomic_load_explicit(&db->named, memory_order_relaxed)) {
    t->name[0] = '\0';
    t->fd = temporary_nameless(db->fd, key, 0444);
    if (t->fd < 0 && errno == ENOENT && o && make_folder(db, key) == 0)
      t->fd = temporary_nameless(db->fd, key, 0444);
    if (t->fd >= 0)
      return 0;
    if (errno == EOPNOTSUPP)
      atomic_store(&db->named, true);
  }
  return odb_new_named(t, db);
}

void odb_drop(odb_temporary *t, odb *db)
{
  if (t->fd < 0)
    return;
  close(t->fd);
  if (t->name[0])
    unlinkat(db->fd, t->name, 0);
  t->fd = -1;
}

/* A temporary name for a file without one: by a link, or where that cannot be by a copy. */
static int give_name(odb_temporary *t, odb *db)
{
  odb_temporary named;
  next_name(t, db);
  if (temporary_link(t->fd, db->fd, t->name))
    return 0;
  t->name[0] = '\0';
  int code = lseek(t->fd, 0, SEEK_SET) == 0 ? odb_new_named(&named, db) : error_set_errno("%s", db->path);
  if (code < 0)
    return code;
  code = copy_file(named.fd, t->fd, true, db->path, NULL);
  if (code < 0) {
    odb_drop(&named, db);
    return code;
  }
  close(t->fd);
  *t = named;
  return 0;
}

static int set_mode(const odb *db, int fd, const struct stat *st, const char *key)
{
  if ((st->st_mode & 07777) == 0444 || fchmod(fd, 0444) == 0 || errno == EPERM || errno == EOPNOTSUPP)
    return 0;
  return error_set_errno("%s/%s", db->path, key);
}

static int rename_to(odb_temporary *t, odb *db, const oid *o, const char *key)
{
  char folder[OID_KEY];
  if (renameat(db->fd, t->name, db->fd, key) == 0)
    return 0;
  fan_out(folder, o);
  int code = errno == ENOENT ? make_folder(db, folder) : error_set_errno("%s/%s", db->path, key);
  if (code == 0 && renameat(db->fd, t->name, db->fd, key) != 0)
    code = error_set_errno("%s/%s", db->path, key);
  return code;
}

int odb_keep(odb_temporary *t, odb *db, const oid *o)
{
  char key[OID_KEY], folder[OID_KEY];
  struct stat st;
  odb_key(key, o);
  fan_out(folder, o);
  int code = fstat(t->fd, &st) == 0 ? set_mode(db, t->fd, &st, key) : error_set_errno("%s/%s", db->path, key);
  bool linked = false;
  if (code == 0 && !t->name[0]) {
    linked = temporary_link(t->fd, db->fd, key) || (errno == ENOENT && make_folder(db, folder) == 0 && temporary_link(t->fd, db->fd, key));
    if (!linked)
      code = give_name(t, db); /* there is an object of that name, perhaps a damaged one: a rename takes its place */
    if (!linked && code == 0)
      code = set_mode(db, t->fd, &(struct stat){0}, key);
  }
  if (code == 0 && !linked)
    code = rename_to(t, db, o, key);
  if (code < 0) {
    odb_drop(t, db);
    return code;
  }
  atomic_fetch_add_explicit(&db->stored, (unsigned long long)st.st_size + 1, memory_order_relaxed);
  close(t->fd);
  t->fd = -1;
  return 0;
}

int odb_link(odb *db, const oid *o, int fd, bool *done)
{
  char key[OID_KEY], folder[OID_KEY];
  int code = prepare(db);
  *done = false;
  if (code < 0)
    return code;
  odb_key(key, o);
  fan_out(folder, o);
  /* The open file and not its path, which could have another one by now. */
  if (!temporary_link(fd, db->fd, key) && !(errno == ENOENT && make_folder(db, folder) == 0 && temporary_link(fd, db->fd, key)))
    return 0; /* another file system, too many links, or somebody else's file */
  *done = true;
  if (fchmod(fd, 0444) != 0 && errno != EPERM && errno != EOPNOTSUPP) /* until here, the object counts as one that must be hashed first */
    code = error_set_errno("%s/%s", db->path, key);
  atomic_fetch_add_explicit(&db->stored, 1, memory_order_relaxed);
  return code;
}

int odb_write(odb *db, const oid *o, const void *bytes, size_t n)
{
  odb_temporary t;
  int code = odb_new(&t, db, o);
  if (code < 0)
    return code;
  code = file_write_all(t.fd, bytes, n, db->path);
  if (code < 0) {
    odb_drop(&t, db);
    return code;
  }
  return odb_keep(&t, db, o);
}

int odb_sync(odb *db)
{
  return settle_later(db);
}

void odb_tidy(odb *db)
{
  if (db->fd < 0 || !db->prepared)
    return;
  if (atomic_load(&db->stored) == 0)
    settle_later(db); /* takes the note away */
  unlinkat(db->fd, ODB_TEMPORARY, AT_REMOVEDIR);
}

static bool is_fan_out(const char *s)
{
  return s[0] && s[1] && !s[2] && strspn(s, "0123456789abcdef") == 2;
}

int odb_list(odb *db, int (*each)(void *user, const oid *o, uint64_t size), void *user)
{
  int fd = db->fd < 0 ? -1 : openat(db->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = 0;
  DIR *top = fd >= 0 ? fdopendir(fd) : NULL;
  if (!top)
    return db->fd < 0 ? 0 : error_set_errno("%s", db->path);
  for (struct dirent *f; code == 0 && (f = readdir(top));) {
    if (!is_fan_out(f->d_name))
      continue;
    fd = openat(db->fd, f->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
      if (fd >= 0)
        close(fd);
      if (errno != ENOTDIR)
        code = error_set_errno("%s/%s", db->path, f->d_name);
      continue;
    }
    for (struct dirent *e; code == 0 && (e = readdir(d));) {
      char text[OID_TEXT + 1];
      struct stat st;
      oid o;
      size_t n = strlen(e->d_name);
      if (n + 2 >= OID_TEXT)
        continue;
      snprintf(text, sizeof text, "%.2s%.35s", f->d_name, e->d_name);
      if (oid_parse(&o, text) && fstatat(dirfd(d), e->d_name, &st, 0) == 0)
        code = each(user, &o, (uint64_t)st.st_size);
    }
    closedir(d);
  }
  closedir(top);
  return code;
}

int odb_remove(odb *db, const oid *o)
{
  char key[OID_KEY];
  odb_key(key, o);
  if (db->fd < 0 || unlinkat(db->fd, key, 0) == 0 || errno == ENOENT)
    return 0;
  return error_set_errno("%s/%s", db->path, key);
}
