#include "data/repo.h"

#include "data/git.h"
#include "data/settle.h"
#include "data/temporary.h"
#include "util/cpus.h"
#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has(const char *folder, const char *name, bool folder_only)
{
  char *path;
  struct stat st;
  if (asprintf(&path, "%s/%s", folder, name) < 0)
    return false;
  bool there = lstat(path, &st) == 0 && (!folder_only || S_ISDIR(st.st_mode));
  free(path);
  return there;
}

/* The nearest folder at or above `start` that holds `name`; malloc'ed, NULL when there is none. */
static char *find_above(const char *start, const char *name, bool folder_only)
{
  char *at = strdup(start);
  while (at && !has(at, name, folder_only)) {
    char *slash = strrchr(at, '/');
    if (!slash || at[1] == '\0') {
      free(at);
      return NULL;
    }
    slash[slash == at] = '\0';
  }
  return at;
}

static int open_caches(repo *r)
{
  char *objects = NULL;
  const char *types = r->hooks.settings_only ? NULL : config_get(&r->config, "cache", "", "type"), *group = config_get(&r->config, "cache", "", "shared");
  bool shared = group && strcasecmp(group, "group") == 0;
  int code = config_path(&r->cache, &r->config, "cache", "", "dir");
  if (code == 0 && !r->cache && asprintf(&r->cache, "%s/cache", r->dvc) < 0)
    code = error_nomem();
  if (code == 0) { /* without "..": symbolic links into the cache are what DVC would make of them */
    char *plain = path_normal("/", r->cache);
    free(r->cache);
    r->cache = plain;
    code = plain ? 0 : OPIS_ENOMEM;
  }
  if (code == 0 && asprintf(&objects, "%s/files/md5", r->cache) < 0)
    code = error_nomem();
  if (code == 0)
    code = odb_open(&r->db, objects, false, types, shared);
  if (code == 0)
    code = odb_open(&r->legacy, r->cache, true, types, shared);
  free(objects);
  return code;
}

/* ---- temporary files ---- */

char *repo_scratch(const repo *r)
{
  char *path;
  return asprintf(&path, "%s/tmp/opis/place", r->dvc) < 0 ? NULL : path;
}

/* What killed processes left. */
static void sweep(const repo *r)
{
  char tag[TEMPORARY_TAG], *path = repo_scratch(r);
  int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  free(path);
  if (fd < 0)
    return;
  temporary_tag(tag);
  temporary_sweep(fd, tag);
  close(fd);
}

/* After a restart of the machine: what was not on its disk yet. */
static int recover(const repo *r, odb *db)
{
  size_t damaged;
  int code = settle_recover(db, r->pool, &damaged);
  if (damaged)
    repo_warn(r, "the machine stopped before everything was on its disk: %zu damaged %s taken away; 'opis data add' or 'opis data pull' brings back what is missing", damaged,
      damaged == 1 ? "object was" : "objects were");
  return code;
}

int repo_replace_open(file_replacement *f, const repo *r, const char *path, mode_t mode)
{
  char *scratch = repo_scratch(r);
  int code = scratch ? temporary_replace_open(f, path, scratch, mode) : error_nomem();
  free(scratch);
  return code;
}

int repo_replace(const repo *r, const char *path, const void *bytes, size_t n, bool sync)
{
  char *scratch = repo_scratch(r), *behind = file_behind(path);
  int code = scratch && behind ? temporary_replace(behind, scratch, bytes, n, sync) : error_nomem();
  free(scratch);
  free(behind);
  return code;
}

/* Whether there is no lock to be had: where nobody can write nobody needs one, and who only reads may go without. */
static bool is_read_only(const repo *r)
{
  const char *const names[] = {"/tmp/lock", "/tmp", ""};
  bool can = false;
  errno = ENOENT;
  for (int i = 0; i < 3 && !can && errno == ENOENT; i++) {
    char *path;
    if (asprintf(&path, "%s%s", r->dvc, names[i]) < 0)
      return false;
    can = access(path, W_OK) == 0;
    int error = errno;
    free(path);
    errno = error;
  }
  return !can && (errno == EROFS || (errno == EACCES && r->hooks.reads_only));
}

/* Which folders may be the root: the nearest with .dvc; or, without any, the nearest under git; or the one that is named, and no other. */
typedef enum finding_root { ROOT_DVC, ROOT_ANY, ROOT_HERE } finding_root;

static int open_repo(repo **out, const char *start, bool lock, finding_root how, const repo_hooks *hooks)
{
  char *cwd = NULL, here[PATH_MAX];
  repo *r = calloc(1, sizeof *r);
  int code = 0;
  *out = NULL;
  if (!r)
    return error_nomem();
  r->lock = -1;
  r->db.fd = -1;
  r->legacy.fd = -1;
  if (hooks)
    r->hooks = *hooks;
  cwd = realpath(start ? start : ".", here);
  if (!cwd)
    code = error_set_errno("%s", start ? start : ".");
  else if (!(r->cwd = strdup(cwd)))
    code = error_nomem();
  else if (how == ROOT_HERE) {
    r->dvc_there = has(cwd, ".dvc", true);
    r->root = strdup(cwd);
    code = r->root ? 0 : error_nomem();
  } else if ((r->root = find_above(cwd, ".dvc", true)))
    r->dvc_there = true;
  else if (how == ROOT_DVC || !(r->root = find_above(cwd, ".git", false)))
    code = error_set(OPIS_ENOTFOUND, "%s: not inside of a DVC repository; 'opis data init' makes one", cwd);
  if (code == 0 && asprintf(&r->dvc, "%s/.dvc", r->root) < 0)
    code = error_nomem();
  if (code == 0)
    code = config_load(&r->config, r->dvc);
  if (code == 0 && !config_true(&r->config, "core", "no_scm", false))
    r->git_root = find_above(r->root, ".git", false);
  if (code == 0)
    code = open_caches(r);
  if (code == 0) {
    const char *jobs = config_get(&r->config, "core", "", "checksum_jobs");
    int threads = jobs ? atoi(jobs) : 0;
    code = pool_new(&r->pool, threads > 0 && threads <= 256 ? threads : cpus_available());
  }
  if (code == 0 && lock) {
    r->read_only = is_read_only(r);
    lock = !r->read_only;
  }
  if (code == 0 && lock)
    code = lock_take(r);
  if (code == 0 && lock) {
    sweep(r);
    code = recover(r, &r->db);
  }
  if (code == 0 && lock)
    code = recover(r, &r->legacy);
  if (code < 0)
    repo_close(r);
  else
    *out = r;
  return code;
}

int repo_open(repo **out, const char *start, bool lock, const repo_hooks *hooks)
{
  return open_repo(out, start, lock, ROOT_DVC, hooks);
}

int repo_open_any(repo **out, const char *start, const repo_hooks *hooks)
{
  return open_repo(out, start, false, ROOT_ANY, hooks);
}

int repo_open_root(repo **out, const char *root, const repo_hooks *hooks)
{
  return open_repo(out, root, false, ROOT_HERE, hooks);
}

void repo_close(repo *r)
{
  if (!r)
    return;
  if (r->db.path)
    odb_tidy(&r->db);
  if (r->legacy.path)
    odb_tidy(&r->legacy);
  odb_close(&r->db);
  odb_close(&r->legacy);
  lock_release(r);
  git_close(r->git);
  pool_free(r->pool);
  config_free(&r->config);
  for (size_t i = 0; i < r->n_touched; i++)
    free(r->touched[i]);
  free(r->touched);
  map_free(&r->known);
  free(r->git_root);
  free(r->cache);
  free(r->cwd);
  free(r->dvc);
  free(r->root);
  free(r);
}

bool repo_cancelled(const repo *r)
{
  return r->hooks.cancelled && r->hooks.cancelled(r->hooks.user);
}

int repo_check_cancelled(const repo *r)
{
  return repo_cancelled(r) ? error_set(OPIS_ECANCELLED, "stopped; what was done is whole, and the same command goes on from here") : 0;
}

void repo_progress(const repo *r, const repo_advance *a)
{
  if (r->hooks.progress)
    r->hooks.progress(r->hooks.user, a);
}

void repo_warn(const repo *r, const char *format, ...)
{
  char message[1024];
  va_list args;
  if (!r->hooks.warn)
    return;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  r->hooks.warn(r->hooks.user, message);
}

int repo_relative(char **rel, const repo *r, const char *typed)
{
  char *absolute = path_normal(r->cwd, typed);
  size_t n = strlen(r->root);
  *rel = NULL;
  if (!absolute)
    return OPIS_EINVALID;
  if (strncmp(absolute, r->root, n) != 0 || (absolute[n] && absolute[n] != '/')) {
    /* Perhaps the same place by another name, through a link above the root. */
    char *folder = path_folder(absolute), real[PATH_MAX], *whole = NULL;
    if (folder && realpath(*folder ? folder : "/", real) && asprintf(&whole, "%s/%s", real, path_name(absolute)) >= 0 && strncmp(whole, r->root, n) == 0 && whole[n] == '/') {
      free(absolute);
      absolute = whole;
      whole = NULL;
    } else {
      int code = error_set(OPIS_EINVALID, "%s: outside of the repository %s", typed, r->root);
      free(folder);
      free(whole);
      free(absolute);
      return code;
    }
    free(folder);
    free(whole);
  }
  *rel = strdup(absolute[n] ? absolute + n + 1 : "");
  free(absolute);
  return *rel ? 0 : error_nomem();
}

char *repo_shown(const repo *r, const char *rel)
{
  size_t n = strlen(r->root);
  if (strncmp(r->cwd, r->root, n) != 0 || (r->cwd[n] && r->cwd[n] != '/'))
    return strdup(rel);
  return path_relative(r->cwd[n] ? r->cwd + n + 1 : "", rel);
}

int repo_absolute(char **absolute, const repo *r, const char *rel)
{
  return asprintf(absolute, "%s%s%s", r->root, *rel ? "/" : "", rel) < 0 ? error_nomem() : 0;
}

int repo_check_no_links(const repo *r, const char *rel)
{
  for (const char *slash = strchr(rel, '/'); slash; slash = strchr(slash + 1, '/')) {
    char *path;
    struct stat st;
    if (asprintf(&path, "%s/%.*s", r->root, (int)(slash - rel), rel) < 0)
      return error_nomem();
    bool link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    free(path);
    if (link)
      return error_set(OPIS_EINVALID, "%s: '%.*s' is a symbolic link; data behind it is not part of the repository", rel, (int)(slash - rel), rel);
  }
  return 0;
}

int repo_check_own(const repo *r, const char *rel)
{
  for (const char *end = strchr(rel, '/');; end = strchr(end + 1, '/')) {
    char *path;
    size_t n = end ? (size_t)(end - rel) : strlen(rel);
    struct stat st;
    if (asprintf(&path, "%s/%.*s/.dvc", r->root, (int)n, rel) < 0)
      return error_nomem();
    bool other = n && lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
    free(path);
    if (other)
      return error_set(OPIS_EINVALID, "%s: '%.*s' is another DVC repository; go there to work with its data", rel, (int)n, rel);
    if (!end)
      return 0;
  }
}

int repo_check_folder(const repo *r, const char *rel)
{
  char *folder = path_folder(rel), *path;
  int code = folder ? repo_absolute(&path, r, folder) : error_nomem();
  if (code == 0) {
    if (!file_is_folder(path))
      code = error_set(OPIS_ENOTFOUND, "%s: there is no folder '%s'; make it first: mkdir -p '%s'", rel, folder, folder);
    free(path);
  }
  free(folder);
  return code;
}

int repo_touch(repo *r, const char *rel)
{
  size_t n = strlen(rel);
  if (map_get(&r->known, rel, n))
    return 0;
  char **larger = realloc(r->touched, (r->n_touched + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  r->touched = larger;
  if (!(larger[r->n_touched] = strdup(rel)))
    return error_nomem();
  r->n_touched++;
  return map_put(&r->known, r->touched[r->n_touched - 1], n, 0);
}

int repo_stage_touched(repo *r)
{
  if (r->n_touched == 0 || !r->git_root || !config_true(&r->config, "core", "autostage", false))
    return 0;
  return git_add(r, r->touched, r->n_touched);
}

/* ---- init ---- */

static int remove_tree(const char *path)
{
  /* Only .dvc itself goes: its caches may be anywhere, and data that is linked into it would be lost. */
  char *shared = NULL, *local = NULL;
  if (asprintf(&shared, "%s/config", path) < 0 || asprintf(&local, "%s/config.local", path) < 0)
    return error_nomem();
  unlink(shared);
  unlink(local);
  free(shared);
  free(local);
  return 0;
}

static int write_in(const char *folder, const char *name, const char *text, bool keep)
{
  char *path;
  if (asprintf(&path, "%s/%s", folder, name) < 0)
    return error_nomem();
  int code = keep && file_exists(path) ? 0 : file_replace(path, text, strlen(text), 0666, true);
  free(path);
  return code;
}

int repo_init(const char *folder, bool no_scm, bool subdir, bool force)
{
  char root[PATH_MAX], *dvc = NULL, *tmp = NULL, *above = NULL;
  if (no_scm && subdir)
    return error_set(OPIS_EINVALID, "--no-scm and --subdir exclude each other");
  bool made = !file_exists(folder);
  int code = made ? file_make_folders(folder, 0777) : 0;
  if (code < 0)
    return code;
  if (!realpath(folder, root))
    return error_set_errno("%s", folder);
  if (asprintf(&dvc, "%s/.dvc", root) < 0 || asprintf(&tmp, "%s/.dvc/tmp", root) < 0)
    return error_nomem();
  above = find_above(root, ".git", false);
  if (!no_scm && !subdir && !has(root, ".git", false))
    code = error_set(OPIS_EINVALID, "%s: no git repository begins here; run 'git init' first, or use --no-scm, or --subdir inside of a larger one", root);
  else if (subdir && !above)
    code = error_set(OPIS_EINVALID, "%s: --subdir is for folders of a git repository, and this is none", root);
  else if (file_exists(dvc) && !force)
    code = error_set(OPIS_EEXISTS, "%s: there is a repository already; -f sets its configuration back", dvc);
  else if (file_exists(dvc))
    code = remove_tree(dvc);
  if (code == 0)
    code = file_make_folders(tmp, 0777);
  if (code == 0 && !no_scm)
    code = write_in(dvc, ".gitignore", "/config.local\n/tmp\n/cache\n", false);
  if (code == 0)
    code = write_in(
      root, ".dvcignore", "# Add patterns of files dvc should ignore, which could improve\n# the performance. Learn more at\n# https://dvc.org/doc/user-guide/dvcignore\n", true);
  if (code == 0) /* the last one: it makes the folder a repository for other programs */
    code = write_in(dvc, "config", no_scm ? "[core]\n    no_scm = True\n" : "", false);
  if (code == 0 && !no_scm) {
    repo *r;
    code = repo_open(&r, root, false, NULL);
    if (code == 0) {
      char *files[] = {(char *)(uintptr_t) ".dvc/config", (char *)(uintptr_t) ".dvc/.gitignore", (char *)(uintptr_t) ".dvcignore"};
      code = git_add(r, files, 3);
      repo_close(r);
    }
  }
  if (code < 0 && made)
    rmdir(root);
  free(above);
  free(dvc);
  free(tmp);
  return code;
}

int repo_around(repo *around, const repo *r, const char *path)
{
  *around = (repo){.dvc = r->dvc, .pool = r->pool, .hooks = r->hooks, .lock = -1};
  around->db.fd = around->legacy.fd = -1;
  around->root = path_folder(path);
  around->cwd = path_folder(path);
  if (!around->root || !around->cwd)
    return OPIS_ENOMEM;
  return *path_name(path) ? 0 : error_set(OPIS_EINVALID, "%s: has no name", path);
}

void repo_around_close(repo *around)
{
  free(around->root);
  free(around->cwd);
}
