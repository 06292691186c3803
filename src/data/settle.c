#include "data/settle.h"

#include "data/check_objects.h"
#include "util/error.h"
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NOTE ODB_TEMPORARY "/" ODB_NOTE /* followed by the tag and the number of the process (temporary.h); it holds the ids of the boot and the machine */
enum { LITTLE = 64 << 20, WRITTEN_BACK = 60, BOOT = 96, NAME = 96, SLACK = 2 };

static size_t read_id(char *id, size_t most, const char *path)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, id, most);
  if (fd >= 0)
    close(fd);
  return n > 0 ? (size_t)n : 0;
}

/* Of this start of the machine, and of the machine, where it has one (containers have none as a rule). */
static void boot_id(char id[BOOT])
{
  size_t n = read_id(id, 40, "/proc/sys/kernel/random/boot_id");
  n += read_id(id + n, 40, "/etc/machine-id");
  id[n] = '\0';
}

/* A cache that machines share over a network: another one's note is its own business. */
static bool of_another_machine(const char *id, const char *boot)
{
  const char *a = strchr(id, '\n'), *b = strchr(boot, '\n');
  return a && b && a[1] && b[1] && strcmp(a, b) != 0;
}

static void note_name(char name[NAME], const odb *db)
{
  snprintf(name, NAME, NOTE "%s-%ld", db->tag, (long)getpid());
}

int settle_note(odb *db)
{
  char name[NAME], id[BOOT];
  int code = 0;
  note_name(name, db);
  boot_id(id);
  int fd = openat(db->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0)
    return error_set_errno("%s/%s", db->path, name);
  code = file_write_all(fd, id, strlen(id), db->path);
  if (code == 0 && fsync(fd) != 0)
    code = error_set_errno("%s/%s", db->path, name);
  close(fd);
  if (code < 0) {
    unlinkat(db->fd, name, 0);
    return code;
  }
  /* Its name, too: the folder of it may be new itself, but on the file systems that matter the fsync of a new file brings its name and its folders along. */
  fd = openat(db->fd, ODB_TEMPORARY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
    code = error_set_errno("%s/" ODB_TEMPORARY, db->path);
  if (fd >= 0)
    close(fd);
  atomic_store_explicit(&db->noted, code == 0, memory_order_release);
  return code;
}

typedef struct notes {
  bool any, others;   /* there are notes of this boot; of other processes */
  time_t oldest;      /* of those others */
  bool torn;          /* there are notes of an earlier boot */
  time_t since;       /* the oldest of those */
  bool take, earlier; /* takes those of this boot away whose processes are done; those of earlier ones */
} notes;

static bool still_running(const char *name)
{
  const char *dash = strchr(name + strlen(ODB_NOTE), '-');
  long pid = dash ? strtol(dash + 1, NULL, 10) : 0;
  return pid > 0 && pid != getpid() && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

static void one_note(notes *n, int folder, const char *name, const char *mine, const char *boot)
{
  struct stat st;
  char id[BOOT] = "";
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 || fstat(fd, &st) != 0 ? -1 : read(fd, id, BOOT - 1);
  if (fd >= 0)
    close(fd);
  if (got < 0)
    return;
  id[got] = '\0';
  if (of_another_machine(id, boot))
    return;
  bool now = strcmp(id, boot) == 0, other = now && strcmp(name, mine) != 0;
  if (other && (!n->others || st.st_mtime < n->oldest))
    n->oldest = st.st_mtime;
  if (!now && (!n->torn || st.st_mtime < n->since))
    n->since = st.st_mtime;
  n->any |= now;
  n->others |= other;
  n->torn |= !now;
  if (now ? n->take && !still_running(name) : n->earlier)
    unlinkat(folder, name, 0);
}

static void look(notes *n, const odb *db)
{
  char boot[BOOT], mine[NAME];
  int fd = db->fd < 0 ? -1 : openat(db->fd, ODB_TEMPORARY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
  if (!d) {
    if (fd >= 0)
      close(fd);
    return;
  }
  boot_id(boot);
  note_name(mine, db);
  for (struct dirent *e; (e = readdir(d));)
    if (strncmp(e->d_name, ODB_NOTE, strlen(ODB_NOTE)) == 0)
      one_note(n, dirfd(d), e->d_name, mine + strlen(ODB_TEMPORARY "/"), boot);
  closedir(d);
}

static int wait_for_disk(odb *db)
{
  if (syncfs(db->fd) != 0)
    return error_set_errno("%s", db->path);
  atomic_store(&db->stored, 0);
  atomic_store(&db->noted, false); /* what is stored from now on needs a note again */
  look(&(notes){.take = true}, db);
  unlinkat(db->fd, ODB_TEMPORARY, AT_REMOVEDIR);
  return 0;
}

int settle_later(odb *db)
{
  notes n = {0};
  char name[NAME];
  unsigned long long stored = atomic_load(&db->stored);
  if (db->fd < 0 || !atomic_load(&db->noted) || stored > LITTLE)
    return 0;
  if (stored == 0) { /* nothing came of it */
    note_name(name, db);
    unlinkat(db->fd, name, 0);
    atomic_store(&db->noted, false);
    return 0;
  }
  look(&n, db);
  return n.others && time(NULL) - n.oldest < WRITTEN_BACK ? 0 : wait_for_disk(db); /* it would wait for what others stored, too */
}

int settle_now(odb *db)
{
  notes n = {0};
  look(&n, db);
  return n.any ? wait_for_disk(db) : 0;
}

typedef struct suspects {
  odb *db;
  time_t since;
  object_check *items;
  size_t n, capacity;
} suspects;

static int suspect(void *user, const oid *o, uint64_t size)
{
  suspects *s = user;
  char key[OID_KEY];
  struct stat st;
  odb_key(key, o);
  if (fstatat(s->db->fd, key, &st, 0) != 0 || st.st_ctime + SLACK < s->since)
    return 0;
  if (s->n == s->capacity) {
    size_t capacity = s->capacity ? s->capacity * 2 : 1024;
    object_check *larger = realloc(s->items, capacity * sizeof *larger);
    if (!larger)
      return error_nomem();
    s->items = larger;
    s->capacity = capacity;
  }
  s->items[s->n++] = (object_check){.oid = *o, .size = size, .db = s->db};
  return 0;
}

int settle_recover(odb *db, pool *p, size_t *damaged)
{
  notes n = {0};
  *damaged = 0;
  look(&n, db);
  if (!n.torn)
    return 0;
  suspects s = {.db = db, .since = n.since};
  int code = odb_list(db, suspect, &s);
  if (code == 0)
    code = objects_check(s.items, s.n, p, NULL);
  for (size_t i = 0; i < s.n && code == 0; i++)
    if (s.items[i].damaged) {
      code = odb_remove(db, &s.items[i].oid);
      *damaged += code == 0;
    }
  free(s.items);
  if (code == 0) {
    look(&(notes){.earlier = true}, db);
    unlinkat(db->fd, ODB_TEMPORARY, AT_REMOVEDIR);
  }
  return code;
}
