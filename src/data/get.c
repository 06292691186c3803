/* opis data get: a copy of data, or of what git has, from another repository. */
#include "data/objects.h"
#include "data/progress.h"
#include "data/source.h"
#include "data/transfer.h"

#include "util/error.h"
#include "util/file.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct getting {
  source *s;
  const tree *t;
  const tree_entry *root;
  const char *path, *to; /* to: a temporary name beside the place */
  progress done;
} getting;

static int copy_one(getting *g, const tree_entry *e, const char *to)
{
  int from = -1, code;
  char *bytes = NULL;
  size_t n = 0;
  if (e->flags & VIEW_LINK)
    return error_set(OPIS_EUNSUPPORTED, "%s: a symbolic link in the source's git; get the file that it leads to", e->path);
  if (e->flags & VIEW_FILE_HERE)
    code = source_file(&from, &bytes, &n, g->s, e->path);
  else if (e->flags & TREE_HASHED) {
    oid o = {.dir = false};
    memcpy(o.md5, e->md5, MD5_SIZE);
    code = source_read(&from, g->s, &o, (e->flags & VIEW_LEGACY) != 0);
  } else
    code = error_set(OPIS_ENOTFOUND, "%s: the source says nothing of its content yet", e->path);
  if (code < 0)
    return code;
  int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, e->flags & TREE_EXECUTABLE ? 0777 : 0666);
  if (fd < 0)
    code = error_set_errno("%s", to);
  else {
    code = from >= 0 ? copy_file(fd, from, true, to, &(watch){progress_bytes, &g->done}) : file_write_all(fd, bytes, n, to);
    if (close(fd) != 0 && code == 0)
      code = error_set_errno("%s", to);
  }
  if (from >= 0)
    close(from);
  free(bytes);
  return code;
}

static int copy_entry(void *user, size_t i)
{
  getting *g = user;
  const tree_entry *e = &g->t->entries[i];
  size_t skip = strlen(g->path) + (*g->path != '\0');
  char *to;
  if (e->flags & VIEW_DIR)
    return 0;
  if (asprintf(&to, "%s/%s", g->to, e->path + skip) < 0)
    return error_nomem();
  int code = copy_one(g, e, to);
  free(to);
  progress_add(&g->done, 1, 0);
  return code;
}

static int copy_all(getting *g, int jobs)
{
  size_t skip = strlen(g->path) + (*g->path != '\0');
  int code = 0;
  if (!(g->root->flags & VIEW_DIR))
    return copy_one(g, g->root, g->to);
  if (mkdir(g->to, 0777) != 0)
    return error_set_errno("%s", g->to);
  for (size_t i = 0; i < g->t->n && code == 0; i++)
    if (g->t->entries[i].flags & VIEW_DIR) { /* sorted: folders before what is in them, but for names like "a-b" between */
      char *to;
      code = asprintf(&to, "%s/%s", g->to, g->t->entries[i].path + skip) < 0 ? error_nomem() : file_make_folders(to, 0777);
      if (code == 0)
        free(to);
    }
  g->done.of_files = g->t->n;
  return code < 0 ? code : transfer_parallel(g->s->repo, g->t->n, jobs ? jobs : 8, copy_entry, g);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
  (void)st;
  (void)at;
  return type == FTW_DP || type == FTW_D || type == FTW_DNR ? rmdir(path) : unlink(path);
}

static void clear(const char *path)
{
  nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Where it goes: into a folder that is there, as cp does. */
static int resolve(char **to, const char *path, const char *out, bool force)
{
  struct stat st;
  const char *name = path_name(path);
  *to = NULL;
  if (!out && !*name)
    return error_set(OPIS_EINVALID, "the whole repository: name where it goes with -o");
  if (!out)
    *to = strdup(name);
  else if (file_is_folder(out) && *name) {
    if (asprintf(to, "%s/%s", out, name) < 0)
      *to = NULL;
  } else
    *to = strdup(out);
  if (!*to)
    return error_nomem();
  for (size_t n = strlen(*to); n > 1 && (*to)[n - 1] == '/'; n--)
    (*to)[n - 1] = '\0';
  if (!force && lstat(*to, &st) == 0)
    return error_set(OPIS_EEXISTS, "%s: exists already; --force takes its place", *to);
  return 0;
}

static int put_into_place(const char *temporary, const char *to)
{
  char *old = NULL;
  int code = 0;
  struct stat st;
  if (lstat(to, &st) == 0 && (S_ISDIR(st.st_mode) || file_is_folder(temporary))) { /* a folder cannot be replaced by a rename: the old one steps aside first */
    if (asprintf(&old, "%s.old", temporary) < 0)
      return error_nomem();
    if (rename(to, old) != 0)
      code = error_set_errno("%s", to);
  }
  if (code == 0 && rename(temporary, to) != 0) {
    code = error_set_errno("%s", to);
    if (old)
      rename(old, to);
  }
  if (old && code == 0)
    clear(old);
  free(old);
  return code;
}

int data_get(char **written, const char *url, const char *typed, const get_options *o)
{
  source *s = NULL;
  tree t = TREE_INIT;
  tree_entry root;
  char *path = NULL, *to = NULL, *temporary = NULL, *folder = NULL;
  *written = NULL;
  int code = source_path(&path, NULL, typed);
  if (code == 0)
    code = resolve(&to, path, o->out, o->force);
  if (code == 0 && path_is_stage_file(to))
    code = error_set(OPIS_EINVALID, "%s: a .dvc file names data; name the data themselves", typed);
  if (code == 0) {
    folder = path_folder(to);
    code = folder ? *folder ? file_make_folders(folder, 0777) : 0 : OPIS_ENOMEM;
  }
  if (code == 0 && asprintf(&temporary, "%s%s.%s.opis-%ld", folder, *folder ? "/" : "", path_name(to), (long)getpid()) < 0) {
    temporary = NULL;
    code = error_nomem();
  }
  free(path);
  path = NULL;
  if (code == 0)
    code = source_open(&s, &path, url, typed, o->source);
  if (code == 0)
    code = source_view(&t, &root, s, path, &(view_options){.recursive = true});
  if (code == 0)
    code = source_bring(s, &t, &root, true, o->jobs);
  if (code == 0) {
    getting g = {.s = s, .t = &t, .root = &root, .path = path, .to = temporary, .done = {.r = s->repo, .what = "Copying"}};
    clear(temporary);
    code = copy_all(&g, o->jobs);
    if (code == 0)
      code = put_into_place(temporary, to);
    if (code < 0)
      clear(temporary);
  }
  tree_free(&t);
  source_close(s);
  free(path);
  free(folder);
  free(temporary);
  if (code == 0)
    *written = to;
  else
    free(to);
  return code;
}

int data_get_url(char **where, const char *url, const char *typed, const source_options *o)
{
  source *s = NULL;
  tree t = TREE_INIT;
  tree_entry root;
  remote *side = NULL;
  char *path = NULL, key[OID_KEY + 16];
  *where = NULL;
  int code = source_open(&s, &path, url, typed, o);
  if (code == 0)
    code = source_view(&t, &root, s, path, &(view_options){0});
  if (code == 0 && !(root.flags & TREE_HASHED))
    code = error_set(OPIS_ENOTFOUND, "%s: no data of %s", typed, url);
  if (code == 0)
    code = transfer_open(&side, s->repo, source_remote(s, path));
  if (code == 0) {
    oid id = {.dir = (root.flags & VIEW_DIR_HASH) != 0};
    memcpy(id.md5, root.md5, MD5_SIZE);
    transfer_key(key, &id, (root.flags & VIEW_LEGACY) != 0);
    if (asprintf(where, "%s/%s", side->url, key) < 0) {
      *where = NULL;
      code = error_nomem();
    }
  }
  remote_close(side);
  tree_free(&t);
  source_close(s);
  free(path);
  return code;
}
