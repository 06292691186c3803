/* What a source has: the files of git or of its work tree, with the data laid over them. */
#include "data/source.h"

#include "data/git.h"
#include "data/git_ignore.h"
#include "data/objects.h"
#include "util/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 500, LARGEST_FILE = 1 << 30 };

typedef struct viewing {
  source *s;
  const char *top; /* "" or a folder's path */
  const view_options *o;
  tree files, data; /* data: only what is not among the files */
  size_t next;      /* of files: tree_find_next */
  strbuf path;
  git_ignore hidden; /* of a revision */
} viewing;

/* How deep below the top: 1 for what is in it. 0: not below. */
static int level(const viewing *v, const char *path)
{
  size_t n = strlen(v->top);
  if (n && (strncmp(path, v->top, n) != 0 || path[n] != '/'))
    return 0;
  int depth = 1;
  for (const char *p = path + n + (n != 0); *p; p++)
    depth += *p == '/';
  return depth;
}

static int deepest(const viewing *v)
{
  return !v->o->recursive ? 1 : v->o->depth > 0 ? v->o->depth : DEEPEST;
}

static tree_entry *put(tree *t, const char *path, uint32_t flags, uint64_t size)
{
  tree_entry *e = tree_add(t, path, strlen(path));
  if (!e) {
    error_nomem();
    return NULL;
  }
  e->flags = flags;
  e->size = size;
  return e;
}

/* ---- the files ---- */

static uint32_t flags_of(const struct stat *st)
{
  return VIEW_FILE_HERE | VIEW_SIZE | (S_ISDIR(st->st_mode) ? VIEW_DIR : st->st_mode & 0111 ? TREE_EXECUTABLE : 0);
}

/* What an entry of a folder is, and what it leads to. A list shows links that lead to folders or nowhere as DVC's does, as files; nobody else has a use for those that lead nowhere. */
static bool look_at(const viewing *v, int folder, const char *name, struct stat *st, struct stat *own)
{
  if (fstatat(folder, name, own, AT_SYMLINK_NOFOLLOW) != 0)
    return false;
  bool there = fstatat(folder, name, st, 0) == 0;
  if (S_ISLNK(own->st_mode) && v->o->links && !there)
    *st = (struct stat){.st_mode = S_IFREG};
  else if (S_ISLNK(own->st_mode) && v->o->links && S_ISDIR(st->st_mode))
    st->st_mode = S_IFREG;
  else
    return there && (S_ISDIR(st->st_mode) || S_ISREG(st->st_mode));
  return true;
}

/* Of another DVC repository, which is not shown from above. */
static bool is_root(int folder, const char *name)
{
  char *dvc;
  struct stat st;
  if (asprintf(&dvc, "%s/.dvc", name) < 0)
    return false;
  bool root = fstatat(folder, dvc, &st, 0) == 0 && S_ISDIR(st.st_mode);
  free(dvc);
  return root;
}

static int walk(viewing *v, int fd, const ignore *above, int depth)
{
  size_t length = v->path.n;
  ignore rules = {.parent = above, .depth = length ? length + 1 : 0};
  DIR *d = fdopendir(fd);
  int code = 0;
  if (!d) {
    close(fd);
    return error_set_errno("%s", v->path.s ? v->path.s : "");
  }
  code = ignore_add_file(&rules, dirfd(d), ".dvcignore", true);
  for (struct dirent *e; code == 0 && (e = readdir(d));) {
    struct stat st, own;
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, ".git") == 0)
      continue;
    if (!look_at(v, dirfd(d), e->d_name, &st, &own))
      continue;
    if (S_ISDIR(st.st_mode) && (strcmp(e->d_name, ".dvc") == 0 || strcmp(e->d_name, ".hg") == 0 || is_root(dirfd(d), e->d_name)))
      continue;
    if (length)
      strbuf_putc(&v->path, '/');
    strbuf_puts(&v->path, e->d_name);
    if (strbuf_check(&v->path) < 0)
      code = error_nomem();
    else if (!ignore_test(&rules, v->path.s, S_ISDIR(st.st_mode))) {
      if (!put(&v->files, v->path.s, flags_of(&st), (uint64_t)st.st_size))
        code = OPIS_ENOMEM;
      else if (S_ISDIR(own.st_mode) && depth < deepest(v)) { /* links to folders are shown, not followed */
        int inner = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0)
          code = walk(v, inner, &rules, depth + 1);
        else if (errno != EACCES && errno != ENOENT)
          code = error_set_errno("%s", v->path.s);
      }
    }
    v->path.n = length;
    if (v->path.s)
      v->path.s[length] = '\0';
  }
  closedir(d);
  ignore_free(&rules);
  return code;
}

static int walk_work_tree(viewing *v, tree_entry *root)
{
  char *path;
  struct stat st;
  ignore_chain rules;
  bool hidden = false;
  int code = repo_absolute(&path, v->s->repo, v->top);
  if (code < 0)
    return code;
  bool there = stat(path, &st) == 0 && (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode));
  if (there && *v->top)
    code = scan_is_ignored(&hidden, v->s->repo, v->top, S_ISDIR(st.st_mode));
  if (code == 0 && there && !hidden) {
    root->flags |= flags_of(&st);
    root->size = (uint64_t)st.st_size;
    if (S_ISDIR(st.st_mode)) {
      char *above = path_folder(v->top);
      int fd = above ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
      if (fd < 0)
        code = error_set_errno("%s", path);
      else if (*v->top == '\0')
        code = walk(v, fd, NULL, 1);
      else {
        code = ignore_chain_open(&rules, v->s->repo, above, ".dvcignore", true);
        if (code < 0)
          close(fd);
        else {
          strbuf_puts(&v->path, v->top);
          code = walk(v, fd, ignore_chain_last(&rules), 1);
          ignore_chain_close(&rules);
        }
      }
      free(above);
    }
  }
  free(path);
  return code;
}

static int see(void *user, const char *rel, uint32_t mode, uint64_t size)
{
  viewing *v = user;
  bool folder = S_ISDIR(mode);
  int depth = level(v, rel);
  bool hidden;
  if (depth == 0 || depth > deepest(v))
    return 0;
  int code = git_ignore_test(&hidden, &v->hidden, rel, folder);
  if (code < 0 || hidden)
    return code;
  return put(&v->files, rel, VIEW_FILE_HERE | VIEW_SIZE | (folder ? VIEW_DIR : 0) | (S_ISLNK(mode) ? VIEW_LINK : 0) | (!folder && mode & 0111 ? TREE_EXECUTABLE : 0), size)
    ? 0
    : OPIS_ENOMEM;
}

static int walk_revision(viewing *v, tree_entry *root)
{
  uint32_t mode;
  uint64_t size;
  bool hidden = false;
  int code = git_ignore_open(&v->hidden, v->s->repo, v->s->hex);
  if (code == 0)
    code = git_entry(&mode, &size, v->s->repo, v->s->hex, v->top);
  if (code == 0)
    code = git_ignore_test(&hidden, &v->hidden, v->top, S_ISDIR(mode));
  if (code < 0 || hidden)
    return code == OPIS_ENOTFOUND ? 0 : code;
  root->flags |= VIEW_FILE_HERE | VIEW_SIZE | (S_ISDIR(mode) ? VIEW_DIR : mode & 0111 ? TREE_EXECUTABLE : 0);
  root->size = size;
  return S_ISDIR(mode) ? git_each(v->s->repo, v->s->hex, v->top, see, v) : 0;
}

/* ---- the data ---- */

typedef struct laying {
  viewing *v;
  const output *o;
  tree_entry *root;
  strbuf path, before; /* of this file and of the one before */
} laying;

/* Data below what is a file now. */
static bool below_a_file(const tree *files, const char *path)
{
  char *copy = files->n ? strdup(path) : NULL;
  bool answer = false;
  for (char *slash; copy && !answer && (slash = strrchr(copy, '/'));) {
    *slash = '\0';
    const tree_entry *e = tree_find(files, copy);
    answer = e && !(e->flags & VIEW_DIR);
  }
  free(copy);
  return answer;
}

static int lay(laying *l, const char *path, const uint8_t *md5, uint32_t flags, uint64_t size)
{
  viewing *v = l->v;
  tree_entry *e = l->root;
  if (strcmp(path, v->top) == 0) {
    uint32_t known = e->flags;
    e->flags |= flags & ~(known & VIEW_FILE_HERE ? (uint32_t)(VIEW_DIR | VIEW_SIZE) : 0);
    if (!(known & VIEW_FILE_HERE))
      e->size = size;
  } else {
    int depth = level(v, path);
    if (depth == 0 || depth > deepest(v))
      return 0;
    e = tree_find_next(&v->files, &v->next, path);
    if (e)
      e->flags |= flags & ~(uint32_t)(VIEW_DIR | VIEW_SIZE);
    else if (below_a_file(&v->files, path))
      return 0;
    else if (!(e = put(&v->data, path, flags, size)))
      return OPIS_ENOMEM;
  }
  if (md5)
    memcpy(e->md5, md5, MD5_SIZE);
  return 0;
}

/* The folders that a path is in, down from `from`: data have none of their own. */
static int lay_folders(laying *l, const char *path, size_t from, uint32_t flags, uint64_t size)
{
  int code = 0;
  for (const char *slash = strchr(path + from, '/'); slash && code == 0; slash = strchr(slash + 1, '/')) {
    char *folder = strndup(path, (size_t)(slash - path));
    code = folder ? lay(l, folder, NULL, VIEW_DIR | flags, size) : error_nomem();
    free(folder);
  }
  return code;
}

static int lay_file(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  laying *l = user;
  strbuf *whole = &l->path;
  size_t same = 0;
  strbuf_reset(whole);
  strbuf_puts(whole, l->o->path);
  strbuf_putc(whole, '/');
  size_t own = whole->n;
  strbuf_append(whole, path, n);
  if (strbuf_check(whole) < 0)
    return error_nomem();
  if (level(l->v, whole->s) == 0 && strcmp(whole->s, l->v->top) != 0)
    return 0;
  while (l->before.n > same && whole->s[same] == l->before.s[same])
    same++;
  int code = lay_folders(l, whole->s, same > own ? same : own, VIEW_OUT, 0); /* those of the file before are there */
  if (code == 0)
    code = lay(l, whole->s, md5, TREE_HASHED | VIEW_OUT | (l->o->legacy ? VIEW_LEGACY : 0), 0);
  strbuf before = l->before;
  l->before = *whole;
  l->path = before;
  return code;
}

static int lay_output(viewing *v, tree_entry *root, const output *o)
{
  laying l = {.v = v, .o = o, .root = root, .path = STRBUF_INIT, .before = STRBUF_INIT};
  uint32_t flags = VIEW_OUT | (o->legacy ? VIEW_LEGACY : 0) | (o->has_size || !o->hashed ? VIEW_SIZE : 0); /* DVC: of what nothing is recorded, 0 bytes */
  int code = 0;
  if (!o->path || o->refused || !o->cache || !path_overlaps(o->path, v->top))
    return 0;
  code = lay_folders(&l, o->path, 0, 0, 0);
  if (code == 0)
    code = lay(&l, o->path, o->hashed ? o->oid.md5 : NULL, flags | (o->hashed ? TREE_HASHED : 0) | (o->hashed && o->oid.dir ? VIEW_DIR | VIEW_DIR_HASH : 0), o->size);
  int depth = strcmp(o->path, v->top) == 0 ? 0 : level(v, o->path);
  bool above = strlen(o->path) < strlen(v->top);
  if (code == 0 && o->hashed && o->oid.dir && (above || depth < deepest(v))) {
    code = source_bring_dir(v->s, &o->oid, o->legacy, o->remote);
    if (code == 0)
      code = objects_each(output_store(v->s->repo, o), &o->oid, lay_file, &l);
  }
  strbuf_free(&l.path);
  strbuf_free(&l.before);
  return code;
}

/* ---- both ---- */

/* Folders come many times, with several outputs in them. */
static void unite(tree *t)
{
  size_t kept = 0;
  tree_sort(t);
  for (size_t i = 0; i < t->n; i++) {
    const tree_entry *e = &t->entries[i];
    tree_entry *last = kept ? &t->entries[kept - 1] : NULL;
    if (!last || strcmp(last->path, e->path) != 0)
      t->entries[kept++] = *e;
    else if (e->flags & TREE_HASHED) {
      last->flags |= e->flags & (TREE_HASHED | VIEW_OUT | VIEW_LEGACY | VIEW_DIR_HASH | VIEW_SIZE);
      last->size = e->size;
      memcpy(last->md5, e->md5, MD5_SIZE);
    } else
      last->flags |= e->flags & VIEW_OUT;
  }
  t->n = kept;
}

static void drop_dvcs_own(tree *t)
{
  size_t kept = 0;
  for (size_t i = 0; i < t->n; i++)
    if (!path_is_stage_file(t->entries[i].path) && strcmp(path_name(t->entries[i].path), ".dvcignore") != 0)
      t->entries[kept++] = t->entries[i];
  t->n = kept;
}

static int merge(tree *out, viewing *v)
{
  unite(&v->data);
  int code = tree_merge(&v->files, &v->data);
  if (code == 0 && !v->o->stage_files)
    drop_dvcs_own(&v->files);
  if (code == 0) {
    *out = v->files;
    v->files = (tree)TREE_INIT;
  }
  return code;
}

int source_view(tree *t, tree_entry *root, source *s, const char *path, const view_options *o)
{
  viewing v = {.s = s, .top = path, .o = o, .files = TREE_INIT, .data = TREE_INIT};
  *t = (tree)TREE_INIT;
  *root = (tree_entry){.path = path};
  int code = 0;
  view_options flat = {0};
  if (o->dvc_only)
    v.o = &flat; /* only whether the path is there */
  code = s->hex[0] ? walk_revision(&v, root) : walk_work_tree(&v, root);
  v.o = o;
  if (o->dvc_only) {
    tree_free(&v.files);
    v.files = (tree)TREE_INIT;
  }
  tree_sort(&v.files);
  for (size_t i = 0; i < s->stages.n && code == 0; i++) {
    bool hidden;
    code = git_ignore_test(&hidden, &v.hidden, s->stages.items[i]->file, false);
    for (size_t k = 0; code == 0 && !hidden && k < s->stages.items[i]->n_outs; k++)
      code = lay_output(&v, root, &s->stages.items[i]->outs[k]);
  }
  if (*path == '\0')
    root->flags |= VIEW_DIR;
  if (code == 0 && !(root->flags & (VIEW_DIR | VIEW_FILE_HERE | VIEW_OUT)))
    code = error_set(OPIS_ENOTFOUND, "%s: neither a file of git nor data in %s", path, s->repo->root);
  if (code == 0 && root->flags & VIEW_DIR)
    code = merge(t, &v);
  git_ignore_close(&v.hidden);
  strbuf_free(&v.path);
  tree_free(&v.files);
  tree_free(&v.data);
  if (code < 0)
    tree_free(t);
  return code;
}

int source_file(int *fd, char **bytes, size_t *n, source *s, const char *path)
{
  char *whole;
  *fd = -1;
  *bytes = NULL;
  if (s->hex[0])
    return git_read(bytes, n, s->repo, s->hex, path);
  int code = repo_absolute(&whole, s->repo, path);
  if (code < 0)
    return code;
  *fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (*fd < 0)
    code = error_set_errno("%s", whole);
  free(whole);
  return code;
}
