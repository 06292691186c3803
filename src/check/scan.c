/* The folder and what is in it. Hidden names and links to folders are left out. */
#include "check/check.h"

#include "check/index.h"
#include "util/error.h"
#include "util/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DEEP = 256 };

/* ---- walking ---- */

static int grow(void **items, size_t n, size_t size)
{
  if (n & (n - 1)) /* room is made at powers of two */
    return 0;
  void *grown = reallocarray(*items, n ? 2 * n : 1, size);
  if (!grown)
    return error_nomem();
  *items = grown;
  return 0;
}

static int add_file(check_set *set, char *path /* taken over */, const struct stat *st)
{
  void *p = set->files;
  int e = grow(&p, set->n, sizeof *set->files);
  set->files = p;
  if (e < 0) {
    free(path);
    return e;
  }
  set->files[set->n++] = (check_file){
    .path = path,
    .size = (uint64_t)st->st_size,
    .modified = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
    .changed = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
    .inode = (uint64_t)st->st_ino,
    .exact = 1,
    .near = 1,
    .odd_size = 1,
  };
  return 0;
}

static int add_empty(check_set *set, const char *path)
{
  void *p = set->empty_folders;
  int e = grow(&p, set->n_empty, sizeof *set->empty_folders);
  set->empty_folders = p;
  if (e == 0 && !(set->empty_folders[set->n_empty] = strdup(path)))
    e = error_nomem();
  set->n_empty += e == 0;
  return e;
}

/* prefix: "" or "a/b/". */
static int walk(check_set *set, int fd, const char *prefix, int depth, const check_scan_options *o)
{
  DIR *d = fdopendir(fd);
  size_t entries = 0;
  int e = 0;
  if (!d) {
    close(fd);
    return error_set_errno("%s/%s", set->root, prefix);
  }
  for (struct dirent *x; e == 0 && (errno = 0, x = readdir(d));) {
    struct stat st;
    char *path = NULL;
    if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
      continue;
    entries++;
    if (x->d_name[0] == '.' || fstatat(dirfd(d), x->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
      continue;
    bool link = S_ISLNK(st.st_mode);
    if (link && (fstatat(dirfd(d), x->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode)))
      continue;
    if (o->cancelled && o->cancelled(o->user))
      e = error_set(OPIS_ECANCELLED, "interrupted");
    else if (S_ISDIR(st.st_mode)) {
      int inner = depth < MOST_DEEP ? openat(dirfd(d), x->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
      if (asprintf(&path, "%s%s/", prefix, x->d_name) < 0)
        e = error_nomem();
      else if (inner < 0)
        e = depth < MOST_DEEP ? error_set_errno("%s/%s", set->root, path) : error_set(OPIS_ELIMIT, "%s/%s: folders nested deeper than %d", set->root, path, MOST_DEEP);
      if (e == 0)
        e = walk(set, inner, path, depth + 1, o);
      else if (inner >= 0)
        close(inner);
      free(path);
    } else if (S_ISREG(st.st_mode))
      e = asprintf(&path, "%s%s", prefix, x->d_name) < 0 ? error_nomem() : add_file(set, path, &st);
  }
  if (e == 0 && errno)
    e = error_set_errno("%s/%s", set->root, prefix);
  closedir(d);
  return e == 0 && entries == 0 && *prefix ? add_empty(set, prefix) : e;
}

static int by_path(const void *a, const void *b)
{
  return strcmp(((const check_file *)a)->path, ((const check_file *)b)->path);
}

static int by_string(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- measuring ---- */

static bool says_picture(const char *path)
{
  static const char *const extensions[] = {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib", "tif", "tiff", "heic", "heif", "avif", "ppm", "pgm", "pbm", "pnm"};
  const char *dot = strrchr(caption_base_name(path), '.');
  for (size_t i = 0; dot && i < sizeof extensions / sizeof *extensions; i++)
    if (strcasecmp(dot + 1, extensions[i]) == 0)
      return true;
  return false;
}

typedef struct measuring {
  check_set *set;
  const check_scan_options *o;
  size_t *todo;
  atomic_uint_fast64_t done;
  uint64_t from_index;
  atomic_int error;
} measuring;

static int measure(const check_set *set, check_file *f, const check_scan_options *o)
{
  char *path, *bytes = NULL;
  size_t size;
  int e = path_join(&path, set->root, f->path);
  if (e < 0)
    return e;
  if (!says_picture(f->path) && image_sniff_file(path) == IMAGE_UNKNOWN) {
    f->facts = (check_facts){.state = CHECK_NO_PICTURE};
    f->measured = true;
    free(path);
    return 0;
  }
  e = file_read(&bytes, &size, path, o->max_bytes);
  free(path);
  if (e == OPIS_ENOMEM)
    return e;
  if (e < 0) { /* not kept in the index: it may be readable the next time */
    const char *why = opis_error_message(), *colon = strstr(why, f->path);
    f->facts = (check_facts){.state = CHECK_UNREADABLE};
    snprintf(f->facts.why, sizeof f->facts.why, "%s", colon ? colon + strlen(f->path) + strspn(colon + strlen(f->path), ": ") : why);
    return 0;
  }
  e = check_measure(&f->facts, (const uint8_t *)bytes, size, o->max_pixels);
  free(bytes);
  f->measured = e == 0;
  return e;
}

static void work(void *user, size_t begin, size_t end, int thread)
{
  measuring *m = user;
  (void)thread;
  for (size_t i = begin; i < end && atomic_load(&m->error) == 0; i++) {
    int e = m->o->cancelled && m->o->cancelled(m->o->user) ? OPIS_ECANCELLED : measure(m->set, &m->set->files[m->todo[i]], m->o);
    if (e < 0)
      atomic_store(&m->error, e);
    uint64_t done = atomic_fetch_add(&m->done, 1) + 1;
    if (m->o->progress)
      m->o->progress(m->o->user, m->from_index + done, m->set->n);
  }
}

static int measure_all(check_set *set, const check_scan_options *o)
{
  check_index *x = NULL;
  measuring m = {.set = set, .o = o, .todo = calloc(set->n + 1, sizeof *m.todo)};
  size_t n = 0;
  if (!m.todo)
    return error_nomem();
  if (o->index && check_index_open(&x, o->index, set->root) < 0)
    x = NULL; /* slower, not wrong */
  for (size_t i = 0; i < set->n; i++) {
    check_file *f = &set->files[i];
    f->measured = x && check_index_get(x, f);
    if (!f->measured)
      m.todo[n++] = i;
  }
  m.from_index = set->n - n;
  pool_for(o->threads, n, 1, work, &m);
  int e = atomic_load(&m.error);
  if (e == OPIS_ENOMEM)
    error_nomem();
  else if (e == OPIS_ECANCELLED)
    error_set(e, "interrupted");
  if (x && n && e == 0)
    check_index_put(x, set); /* when it cannot be written the next run is slower */
  check_index_close(x);
  free(m.todo);
  return e;
}

/* Files that are no pictures and do not say so are only counted. */
static void leave_others_out(check_set *set)
{
  size_t n = 0;
  for (size_t i = 0; i < set->n; i++) {
    check_file *f = &set->files[i];
    if (f->facts.state == CHECK_NO_PICTURE && !says_picture(f->path)) {
      free(f->path);
      set->others++;
    } else
      set->files[n++] = *f;
  }
  set->n = n;
}

int check_scan(check_set *set, const char *root, const check_scan_options *o)
{
  *set = (check_set){0};
  set->root = strdup(root);
  if (!set->root)
    return error_nomem();
  size_t length = strlen(set->root);
  while (length > 1 && set->root[length - 1] == '/')
    set->root[--length] = 0;
  int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOTDIR ? error_set(OPIS_EINVALID, "%s: is no folder", root) : error_set_errno("%s", root);
  int e = walk(set, fd, "", 0, o);
  if (e < 0)
    return e;
  if (set->n)
    qsort(set->files, set->n, sizeof *set->files, by_path);
  if (set->n_empty)
    qsort(set->empty_folders, set->n_empty, sizeof *set->empty_folders, by_string);
  e = measure_all(set, o);
  if (e == 0)
    leave_others_out(set);
  return e;
}

static void free_strings(char **strings, size_t n)
{
  for (size_t i = 0; i < n; i++)
    free(strings[i]);
  free(strings);
}

void check_set_free(check_set *set)
{
  for (size_t i = 0; i < set->n; i++)
    free(set->files[i].path);
  free(set->files);
  free_strings(set->empty_folders, set->n_empty);
  captions_free(&set->captions);
  free(set->caption_file);
  free(set->caption_number);
  free(set->caption_words);
  for (size_t i = 0; i < set->n_splits; i++) {
    free(set->splits[i].names);
    free(set->splits[i].files);
  }
  free(set->splits);
  free(set->findings);
  for (int k = 0; k < 3; k++) {
    for (size_t i = 0; i < set->groups[k].n; i++)
      free(set->groups[k].items[i].members);
    free(set->groups[k].items);
  }
  free(set->added);
  free(set->removed);
  free(set->changed);
  free(set->recaptioned);
  free(set->drifts);
  free(set->root);
  arena_free(&set->memory);
  *set = (check_set){0};
}

size_t check_file_find(const check_set *set, const char *path)
{
  size_t low = 0, high = set->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (strcmp(set->files[middle].path, path) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < set->n && strcmp(set->files[low].path, path) == 0 ? low : SIZE_MAX;
}
