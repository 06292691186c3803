/* Where installed models are, and how they come and go. */
#include "model/store.h"

#include "model/model_source.h"
#include "util/error.h"
#include "util/file.h"
#include "util/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define INCOMING ".incoming"

static int join(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int join(char **out, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int made = vasprintf(out, format, args);
  va_end(args);
  if (made >= 0)
    return 0;
  *out = NULL;
  return error_nomem();
}

int model_store_folder(char **folder)
{
  const char *home = getenv("OPIS_HOME"), *data = getenv("XDG_DATA_HOME"), *user = getenv("HOME");
  if (home && *home)
    return join(folder, "%s", home);
  if (data && *data)
    return join(folder, "%s/opis", data);
  return join(folder, "%s/.local/share/opis", user ? user : "");
}

bool model_name_is_valid(const char *name)
{
  int slashes = 0;
  size_t n = strlen(name);
  if (n == 0 || n > 200 || name[n - 1] == '/')
    return false;
  for (size_t i = 0; i < n; i++) {
    char c = name[i];
    bool first = i == 0 || name[i - 1] == '/';
    bool revision = memchr(name, '@', i) != NULL;
    if (c == '/' ? first || (!revision && ++slashes > 1) : first && (c == '.' || c == '-' || c == '@'))
      return false;
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._@/", c)))
      return false;
  }
  return !strstr(name, "..");
}

/* A name as the store's file system has it, malloc'ed: at most OWNER/NAME. NULL without memory. */
static char *file_name_of(const char *name)
{
  strbuf b = STRBUF_INIT;
  bool revision = false;
  for (const char *p = name; *p; p++) {
    revision |= *p == '@';
    if (revision && *p == '/')
      strbuf_puts(&b, "%2F");
    else
      strbuf_putc(&b, *p);
  }
  return strbuf_take(&b);
}

/* The way back, in place. */
static void name_of_file(char *name)
{
  char *at = strchr(name, '@');
  for (char *found = at ? strstr(at, "%2F") : NULL; found; found = strstr(found + 1, "%2F")) {
    *found = '/';
    memmove(found + 1, found + 3, strlen(found + 3) + 1);
  }
}

int model_store_find(char **path, const char *name)
{
  char *store, *file;
  *path = NULL;
  if (!model_name_is_valid(name))
    return error_set(OPIS_ENOTFOUND, "%s: no model's name", name);
  int code = model_store_folder(&store);
  if (code < 0)
    return code;
  if (!(file = file_name_of(name)))
    code = error_nomem();
  for (int gguf = 0; gguf < 2 && code == 0; gguf++) {
    code = join(path, "%s/%s%s", store, file, gguf ? ".gguf" : "");
    if (code == 0 && file_exists(*path))
      break;
    free(*path);
    *path = NULL;
  }
  free(file);
  free(store);
  return code < 0 ? code : *path ? 0 : error_set(OPIS_ENOTFOUND, "%s: no such model is installed; 'opis model list' names those that are", name);
}

/* ---- the list ---- */

static int by_name(const void *a, const void *b)
{
  const store_item *x = a, *y = b;
  int order = strcmp(x->name, y->name);
  return order ? order : (int)x->from_hub_cache - (int)y->from_hub_cache;
}

static int add_item(store_item **items, size_t *n, char *name, char *path, bool from_hub_cache)
{
  store_item *larger = name && path ? realloc(*items, (*n + 1) * sizeof *larger) : NULL;
  if (!larger) {
    free(name);
    free(path);
    return error_nomem();
  }
  *items = larger;
  larger[(*n)++] = (store_item){name, path, from_hub_cache};
  return 0;
}

static bool has(const char *folder, const char *file)
{
  char *path;
  bool there = path_join(&path, folder, file) == 0 && file_exists(path);
  if (there)
    free(path);
  return there;
}

bool model_store_has_weights(const char *folder)
{
  return has(folder, "config.json") &&
    (has(folder, "model.safetensors") || has(folder, "model.safetensors.index.json") || has(folder, "pytorch_model.bin") || has(folder, "pytorch_model.bin.index.json"));
}

/* Folders with a config.json, one or two deep (OWNER/NAME), and GGUF files. */
static int collect(store_item **items, size_t *n, const char *folder, const char *prefix, int depth)
{
  DIR *d = opendir(folder);
  int code = 0;
  for (struct dirent *e; d && code == 0 && (e = readdir(d));) {
    char *path, *name;
    size_t length = strlen(e->d_name);
    if (e->d_name[0] == '.')
      continue;
    code = join(&path, "%s/%s", folder, e->d_name);
    if (code < 0)
      break;
    bool gguf = length > 5 && strcmp(e->d_name + length - 5, ".gguf") == 0;
    if (gguf || has(path, "config.json")) {
      code = join(&name, "%s%.*s", prefix, (int)(gguf ? length - 5 : length), e->d_name);
      if (code == 0) {
        name_of_file(name);
        code = add_item(items, n, name, path, false);
      }
      continue;
    }
    if (depth > 0 && file_is_folder(path)) {
      code = join(&name, "%s%s/", prefix, e->d_name);
      if (code == 0) {
        code = collect(items, n, path, name, depth - 1);
        free(name);
      }
    }
    free(path);
  }
  if (d)
    closedir(d);
  return code;
}

/* models--OWNER--NAME with a main revision that has weights. */
static int collect_hub_cache(store_item **items, size_t *n)
{
  char *cache;
  int code = hub_cache_folder(&cache);
  DIR *d = code == 0 ? opendir(cache) : NULL;
  for (struct dirent *e; d && code == 0 && (e = readdir(d));) {
    char *repo, *dashes, *snapshot;
    if (strncmp(e->d_name, "models--", 8) != 0 || !(repo = strdup(e->d_name + 8)))
      continue;
    if ((dashes = strstr(repo, "--"))) {
      *dashes = '/';
      memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    if (hub_cache_snapshot(&snapshot, repo, "main") == 0 && model_store_has_weights(snapshot))
      code = add_item(items, n, repo, snapshot, true);
    else {
      free(repo);
      free(snapshot);
    }
  }
  if (d)
    closedir(d);
  free(cache);
  return code;
}

int model_store_list(store_item **items, size_t *n)
{
  char *store;
  *items = NULL;
  *n = 0;
  int code = model_store_folder(&store);
  if (code == 0) {
    code = collect(items, n, store, "", 1);
    free(store);
  }
  if (code == 0)
    code = collect_hub_cache(items, n);
  if (code < 0) {
    model_store_list_free(*items, *n);
    *items = NULL;
    *n = 0;
  } else if (*n)
    qsort(*items, *n, sizeof **items, by_name);
  return code;
}

void model_store_list_free(store_item *items, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    free(items[i].name);
    free(items[i].path);
  }
  free(items);
}

/* ---- coming and going ---- */

/* In .incoming: the name with its slash replaced, which no other name can become. */
static int incoming(char **path, const char *name, const char *ending)
{
  char *store, *file = file_name_of(name);
  int code = file ? model_store_folder(&store) : error_nomem();
  if (code < 0) {
    free(file);
    return code;
  }
  code = join(path, "%s/" INCOMING, store);
  if (code == 0) {
    code = file_make_folders(*path, 0777);
    free(*path);
    *path = NULL;
  }
  if (code == 0)
    code = join(path, "%s/" INCOMING "/%s%s", store, file, ending);
  free(store);
  if (code == 0 && strchr(file, '/'))
    *strrchr(*path, '/') = '+';
  free(file);
  return code;
}

int model_store_stage(char **folder, int *lock, const char *name)
{
  char *path;
  *folder = NULL;
  *lock = -1;
  if (!model_name_is_valid(name))
    return error_set(OPIS_EINVALID, "%s: cannot be a model's name", name);
  int code = incoming(&path, name, ".lock");
  if (code < 0)
    return code;
  *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (*lock < 0)
    code = error_set_errno("%s", path);
  else if (flock(*lock, LOCK_EX | LOCK_NB) != 0)
    code = error_set(OPIS_EBUSY, "%s: another opis is fetching it just now", name);
  free(path);
  if (code == 0)
    code = incoming(folder, name, "");
  if (code == 0)
    code = file_make_folders(*folder, 0777);
  if (code < 0) {
    if (*lock >= 0)
      close(*lock);
    *lock = -1;
    free(*folder);
    *folder = NULL;
  }
  return code;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void)st;
  (void)type;
  (void)ftw;
  return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static int remove_tree(const char *path)
{
  return nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : error_set_errno("%s", path);
}

static int remove_strangers(const char *folder, const char *const *keep)
{
  DIR *d = opendir(folder);
  int code = d ? 0 : error_set_errno("%s", folder);
  for (struct dirent *e; d && code == 0 && (e = readdir(d));) {
    bool kept = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    for (size_t i = 0; keep[i] && !kept; i++)
      kept = strcmp(keep[i], e->d_name) == 0;
    char *path;
    if (!kept && (code = path_join(&path, folder, e->d_name)) == 0) {
      code = remove_tree(path);
      free(path);
    }
  }
  if (d)
    closedir(d);
  return code;
}

/* The staged folder to its place, at once where the system can exchange two names. */
static int put_in_place(const char *staged, const char *path, const char *name)
{
  if (rename(staged, path) == 0)
    return 0;
  if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
    return error_set_errno("%s", path);
  if (renameat2(AT_FDCWD, staged, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
    return remove_tree(staged);
  char *old;
  int code = incoming(&old, name, ".old");
  if (code < 0)
    return code;
  remove_tree(old);
  if (rename(path, old) != 0 || rename(staged, path) != 0)
    code = error_set_errno("%s", path);
  else
    code = remove_tree(old);
  free(old);
  return code;
}

static int parent_of(const char *path)
{
  char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
  int code = folder ? file_make_folders(folder, 0777) : error_nomem();
  free(folder);
  return code;
}

int model_store_install(char **path, const char *staged, const char *name, json_t *record, const char *const *keep)
{
  char *store;
  *path = NULL;
  int code = remove_strangers(staged, keep);
  if (code == 0)
    code = model_store_write_record(staged, record, keep);
  if (code == 0)
    code = model_store_folder(&store);
  if (code < 0)
    return code;
  char *file = file_name_of(name);
  code = file ? join(path, "%s/%s", store, file) : error_nomem();
  free(file);
  free(store);
  int fd = code == 0 ? open(staged, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (code == 0 && (fd < 0 || syncfs(fd) != 0))
    code = error_set_errno("%s", staged);
  if (fd >= 0)
    close(fd);
  if (code == 0)
    code = parent_of(*path);
  if (code == 0)
    code = put_in_place(staged, *path, name);
  if (code < 0) {
    free(*path);
    *path = NULL;
  }
  return code;
}

int model_store_remove(const char *name)
{
  char *path, *trash = NULL, *store = NULL;
  int code = model_store_find(&path, name);
  if (code < 0)
    return code;
  code = incoming(&trash, name, ".removed");
  if (code == 0)
    remove_tree(trash);
  if (code == 0 && rename(path, trash) != 0)
    code = error_set_errno("%s", path);
  if (code == 0)
    code = remove_tree(trash);
  if (code == 0 && model_store_folder(&store) == 0) { /* the owner's folder, when it was the last */
    *strrchr(path, '/') = '\0';
    if (strcmp(path, store) != 0)
      rmdir(path);
  }
  free(store);
  free(trash);
  free(path);
  return code;
}

static int copy_bytes(int out, int in, const char *to)
{
  ssize_t n;
  int code = 0;
  while ((n = copy_file_range(in, NULL, out, NULL, (size_t)1 << 30, 0)) > 0) {
  }
  if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
    char *bytes = malloc(1 << 20);
    code = bytes ? 0 : error_nomem();
    while (code == 0 && (n = read(in, bytes, 1 << 20)) > 0)
      code = file_write_all(out, bytes, (size_t)n, to);
    free(bytes);
  }
  return code == 0 && n < 0 ? error_set_errno("%s", to) : code;
}

int model_store_copy(const char *to, const char *from, bool may_link)
{
  unlink(to);
  int in = open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0)
    return error_set_errno("%s", from);
  int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), code = 0;
  if (out < 0)
    code = error_set_errno("%s", to);
  else if (ioctl(out, FICLONE, in) != 0 && !(may_link && unlink(to) == 0 && linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0)) {
    if (may_link) { /* the name is gone by now */
      close(out);
      out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    code = out < 0 ? error_set_errno("%s", to) : copy_bytes(out, in, to);
  }
  if (out >= 0 && close(out) != 0 && code == 0)
    code = error_set_errno("%s", to);
  close(in);
  if (code < 0 && out >= 0)
    unlink(to);
  return code;
}
