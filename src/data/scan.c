#include "data/scan.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 500 };

path_kind scan_kind(const repo *r, const char *rel)
{
  char *path;
  struct stat st;
  if (repo_absolute(&path, r, rel) < 0)
    return PATH_MISSING;
  int failed = stat(path, &st);
  free(path);
  return failed ? PATH_MISSING : S_ISREG(st.st_mode) ? PATH_FILE : S_ISDIR(st.st_mode) ? PATH_FOLDER : PATH_OTHER;
}

/* ---- rules ---- */

int ignore_chain_open(ignore_chain *c, const repo *r, const char *rel, const char *file, bool strip)
{
  size_t levels = 1;
  *c = (ignore_chain){0};
  for (const char *p = rel; *p; p++)
    levels += *p == '/';
  levels += *rel != '\0';
  c->levels = calloc(levels, sizeof *c->levels);
  if (!c->levels)
    return error_nomem();
  int code = 0;
  size_t end = 0;
  for (size_t i = 0; i < levels && code == 0; i++) {
    char *path;
    if (asprintf(&path, "%s/%.*s%s%s", r->root, (int)end, rel, end ? "/" : "", file) < 0)
      return error_nomem();
    c->levels[i] = (ignore){.parent = i ? &c->levels[i - 1] : NULL, .depth = end ? end + 1 : 0};
    c->n++;
    code = ignore_add_file(&c->levels[i], AT_FDCWD, path, strip);
    free(path);
    end += rel[end] == '/';
    end += strcspn(rel + end, "/");
  }
  if (code < 0)
    ignore_chain_close(c);
  return code;
}

void ignore_chain_close(ignore_chain *c)
{
  for (size_t i = 0; i < c->n; i++)
    ignore_free(&c->levels[i]);
  free(c->levels);
  *c = (ignore_chain){0};
}

const ignore *ignore_chain_last(const ignore_chain *c)
{
  for (size_t i = 0; i < c->n; i++)
    if (c->levels[i].n)
      return &c->levels[c->n - 1];
  return NULL;
}

static bool always_ignored(const char *name, bool is_folder)
{
  return strcmp(name, ".git") == 0 || (is_folder && (strcmp(name, ".dvc") == 0 || strcmp(name, ".hg") == 0));
}

/* Tests the path and every folder above it, as an ignored folder hides what is in it. */
static bool hidden(const ignore_chain *c, const char *rel, bool is_folder, bool dvc)
{
  char *copy = strdup(rel);
  bool answer = false;
  size_t level = 0;
  for (char *p = copy; p && !answer; level++) {
    char *slash = strchr(p, '/');
    if (slash)
      *slash = '\0';
    bool folder = slash || is_folder;
    answer = (dvc && always_ignored(path_name(copy), folder)) || (level < c->n && ignore_test(&c->levels[level], copy, folder));
    if (slash)
      *slash = '/';
    p = slash ? slash + 1 : NULL;
  }
  free(copy);
  return answer;
}

int scan_is_ignored(bool *ignored, const repo *r, const char *rel, bool is_folder)
{
  ignore_chain c;
  char *folder = path_folder(rel);
  int code = folder ? ignore_chain_open(&c, r, folder, ".dvcignore", true) : OPIS_ENOMEM;
  free(folder);
  if (code < 0)
    return code;
  *ignored = hidden(&c, rel, is_folder, true);
  ignore_chain_close(&c);
  return 0;
}

/* Patterns of one file hold at every depth. */
static int is_excluded(bool *ignored, const ignore *exclude, const char *path, bool is_folder)
{
  char *copy = strdup(path);
  if (!copy)
    return error_nomem();
  for (char *p = copy; p && !*ignored;) {
    char *slash = strchr(p, '/');
    if (slash)
      *slash = '\0';
    *ignored = ignore_test(exclude, copy, slash || is_folder);
    if (slash)
      *slash = '/';
    p = slash ? slash + 1 : NULL;
  }
  free(copy);
  return 0;
}

static int open_gitignored(gitignored *g, const repo *r, char *folder)
{
  repo above = {.root = r->git_root};
  char *path;
  gitignored_close(g);
  g->folder = folder;
  int code = ignore_chain_open(&g->chain, &above, folder, ".gitignore", false);
  if (code == 0 && asprintf(&path, "%s/.git/info/exclude", r->git_root) < 0)
    code = error_nomem();
  else if (code == 0) {
    code = ignore_add_file(&g->exclude, AT_FDCWD, path, false);
    free(path);
  }
  if (code < 0)
    gitignored_close(g);
  return code;
}

int gitignored_test(bool *ignored, gitignored *g, const repo *r, const char *rel, bool is_folder)
{
  *ignored = false;
  if (!r->git_root)
    return 0;
  size_t n = strlen(r->git_root);
  if (strncmp(r->root, r->git_root, n) != 0) /* git's work tree is elsewhere: nothing to ask */
    return 0;
  const char *below = r->root + n;
  below += *below == '/';
  char *whole, *folder;
  if (asprintf(&whole, "%s%s%s", below, *below ? "/" : "", rel) < 0)
    return error_nomem();
  folder = path_folder(whole);
  int code = folder ? 0 : OPIS_ENOMEM;
  if (code == 0 && g->folder && strcmp(g->folder, folder) == 0)
    free(folder);
  else if (code == 0)
    code = open_gitignored(g, r, folder);
  if (code == 0) {
    *ignored = hidden(&g->chain, whole, is_folder, false);
    if (!*ignored)
      code = is_excluded(ignored, &g->exclude, whole, is_folder);
  }
  free(whole);
  return code;
}

void gitignored_close(gitignored *g)
{
  ignore_chain_close(&g->chain);
  ignore_free(&g->exclude);
  free(g->folder);
  *g = (gitignored){0};
}

int scan_is_gitignored(bool *ignored, const repo *r, const char *rel, bool is_folder)
{
  gitignored g = {0};
  int code = gitignored_test(ignored, &g, r, rel, is_folder);
  gitignored_close(&g);
  return code;
}

/* ---- walking ---- */

typedef struct walk {
  const repo *r;
  tree *t;
  strbuf path; /* from the root */
  size_t skip; /* bytes of it that are the folder scanned */
  const ignore *rules;
  uint64_t seen;
} walk;

typedef struct item {
  char *name;
  unsigned char type;
} item;

/* Names in the order that their paths will have: a folder counts as its name with a '/'. */
static int by_name(const void *a, const void *b)
{
  const item *x = a, *y = b;
  size_t m = strlen(x->name), n = strlen(y->name), k = m < n ? m : n;
  int c = memcmp(x->name, y->name, k);
  if (c)
    return c;
  unsigned char p = m > k ? (unsigned char)x->name[k] : x->type == DT_DIR ? '/' : 0, q = n > k ? (unsigned char)y->name[k] : y->type == DT_DIR ? '/' : 0;
  return p < q ? -1 : p > q;
}

static void free_items(item *items, size_t n)
{
  for (size_t i = 0; i < n; i++)
    free(items[i].name);
  free(items);
}

static int read_folder(item **out, size_t *n, int fd, const char *what)
{
  DIR *d = fdopendir(fd);
  size_t capacity = 0;
  int code = 0;
  *out = NULL;
  *n = 0;
  if (!d) {
    code = error_set_errno("%s", what);
    close(fd);
    return code;
  }
  for (;;) {
    errno = 0;
    struct dirent *e = readdir(d);
    if (!e) {
      if (errno)
        code = error_set_errno("%s", what);
      break;
    }
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
      continue;
    if (*n == capacity) {
      capacity = capacity ? capacity * 2 : 16;
      item *larger = realloc(*out, capacity * sizeof *larger);
      if (!larger) {
        code = error_nomem();
        break;
      }
      *out = larger;
    }
    unsigned char type = e->d_type;
    struct stat st;
    if (type == DT_UNKNOWN && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
      type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISLNK(st.st_mode) ? DT_LNK : S_ISREG(st.st_mode) ? DT_REG : DT_FIFO;
    (*out)[*n] = (item){strdup(e->d_name), type};
    if (!(*out)[(*n)++].name) {
      (*n)--;
      code = error_nomem();
      break;
    }
  }
  closedir(d);
  if (code == 0 && *n)
    qsort(*out, *n, sizeof **out, by_name);
  return code;
}

static int64_t nanoseconds(struct timespec t)
{
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fill(tree_entry *e, const struct stat *st)
{
  e->size = (uint64_t)st->st_size;
  e->inode = (uint64_t)st->st_ino;
  e->mtime = nanoseconds(st->st_mtim);
  e->links = (uint32_t)st->st_nlink;
  if (st->st_mode & 0111)
    e->flags |= TREE_EXECUTABLE;
}

static int tell(walk *w)
{
  if (++w->seen % 4096 != 0)
    return 0;
  repo_progress(w->r, &(repo_advance){.what = "Looking at files", .files = w->seen});
  return repo_check_cancelled(w->r);
}

static int take_file(walk *w, int folder, const item *i)
{
  struct stat st;
  if (strcmp(i->name, ".dvcignore") == 0)
    return error_set(OPIS_EINVALID, "%s: a .dvcignore inside of a tracked folder; move it above", w->path.s);
  if (i->type == DT_REG) { /* looked at later, on all cores */
    if (!tree_add(w->t, w->path.s + w->skip, w->path.n - w->skip))
      return OPIS_ENOMEM;
    return tell(w);
  }
  if (fstatat(folder, i->name, &st, 0) != 0) {
    if (i->type == DT_LNK && (errno == ENOENT || errno == ELOOP))
      return error_set(OPIS_EINVALID, "%s: a link that leads nowhere", w->path.s);
    return error_set_errno("%s", w->path.s);
  }
  if (S_ISDIR(st.st_mode)) /* a link to a folder: not followed */
    return 0;
  if (!S_ISREG(st.st_mode))
    return error_set(OPIS_EINVALID, "%s: neither a file nor a folder", w->path.s);
  tree_entry *e = tree_add(w->t, w->path.s + w->skip, w->path.n - w->skip);
  if (!e)
    return OPIS_ENOMEM;
  fill(e, &st);
  if (i->type == DT_LNK)
    e->flags |= TREE_SYMLINK;
  return tell(w);
}

/* What the walk left: sizes, inodes and times of regular files. */
typedef struct looking {
  tree *t;
  int folder;
  const char *rel;
  atomic_int code;
  char message[1024];
} looking;

static int look_at(const looking *l, tree_entry *e)
{
  struct stat st;
  if (fstatat(l->folder, e->path, &st, 0) != 0)
    return error_set_errno("%s/%s", l->rel, e->path);
  if (!S_ISREG(st.st_mode))
    return error_set(OPIS_EBUSY, "%s/%s: became something else while it was looked at", l->rel, e->path);
  fill(e, &st);
  return 0;
}

static void look_at_some(void *user, size_t begin, size_t end, int thread)
{
  looking *l = user;
  (void)thread;
  for (size_t i = begin; i < end && atomic_load_explicit(&l->code, memory_order_relaxed) == 0; i++) {
    int none = 0, code = l->t->entries[i].inode ? 0 : look_at(l, &l->t->entries[i]);
    if (code < 0 && atomic_compare_exchange_strong(&l->code, &none, code))
      snprintf(l->message, sizeof l->message, "%s", opis_error_message());
  }
}

/* Takes fd over. */
static int walk_folder(walk *w, int fd, int depth)
{
  item *items;
  size_t n, length = w->path.n;
  int mine = dup(fd); /* readdir's descriptor is closed with it */
  if (mine < 0 || depth > DEEPEST) {
    close(fd);
    if (mine >= 0)
      close(mine);
    return mine < 0 ? error_set_errno("%s", w->path.s) : error_set(OPIS_ELIMIT, "%s: folders nested too deeply", w->path.s);
  }
  int code = read_folder(&items, &n, fd, w->path.s);
  for (size_t i = 0; i < n && code == 0; i++) {
    bool folder = items[i].type == DT_DIR;
    if (w->path.n)
      strbuf_putc(&w->path, '/');
    strbuf_puts(&w->path, items[i].name);
    if (strbuf_check(&w->path) < 0)
      code = error_nomem();
    else if (always_ignored(items[i].name, folder) || (w->rules && ignore_test(w->rules, w->path.s, folder)))
      ;
    else if (folder) {
      struct stat st;
      int inner = openat(mine, items[i].name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (inner < 0)
        code = error_set_errno("%s", w->path.s);
      else if (fstatat(inner, ".dvc", &st, 0) == 0 && S_ISDIR(st.st_mode)) /* another repository: its own business */
        close(inner);
      else
        code = walk_folder(w, inner, depth + 1);
    } else
      code = take_file(w, mine, &items[i]);
    w->path.n = length;
    if (w->path.s)
      w->path.s[length] = '\0';
  }
  free_items(items, n);
  close(mine);
  return code;
}

int scan_folder(tree *t, const repo *r, const char *rel)
{
  walk w = {.r = r, .t = t, .skip = *rel ? strlen(rel) + 1 : 0};
  ignore_chain rules;
  char *path;
  *t = (tree)TREE_INIT;
  int code = repo_absolute(&path, r, rel);
  if (code < 0)
    return code;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    code = error_set_errno("%s", rel);
    free(path);
    return code;
  }
  free(path);
  looking l = {.t = t, .folder = fcntl(fd, F_DUPFD_CLOEXEC, 0), .rel = rel};
  code = ignore_chain_open(&rules, r, rel, ".dvcignore", true);
  strbuf_puts(&w.path, rel);
  w.rules = code == 0 ? ignore_chain_last(&rules) : NULL;
  if (code < 0)
    close(fd);
  else {
    code = walk_folder(&w, fd, 0);
    ignore_chain_close(&rules);
  }
  strbuf_free(&w.path);
  if (code == 0 && l.folder < 0)
    code = error_set(OPIS_ELIMIT, "%s: too many open files", rel);
  if (code == 0) {
    pool_for(r->pool, t->n, 256, look_at_some, &l);
    code = l.code < 0 ? error_set(l.code, "%s", l.message) : 0;
  }
  if (l.folder >= 0)
    close(l.folder);
  if (code < 0)
    tree_free(t);
  else
    tree_sort(t);
  return code;
}

int scan_file(tree *t, const repo *r, const char *rel)
{
  char *path;
  struct stat st, own;
  *t = (tree)TREE_INIT;
  int code = repo_absolute(&path, r, rel);
  if (code < 0)
    return code;
  if (stat(path, &st) != 0 || lstat(path, &own) != 0)
    code = error_set_errno("%s", rel);
  else if (!S_ISREG(st.st_mode))
    code = error_set(OPIS_EINVALID, "%s: neither a file nor a folder", rel);
  else {
    tree_entry *e = tree_add(t, "", 0);
    if (e) {
      fill(e, &st);
      if (S_ISLNK(own.st_mode))
        e->flags |= TREE_SYMLINK;
    } else
      code = OPIS_ENOMEM;
  }
  free(path);
  return code;
}

/* ---- stage files ---- */

typedef struct stage_walk {
  const repo *r;
  strbuf path;
  int (*each)(void *user, const char *rel);
  bool (*leave_out)(void *user, const char *rel);
  void *user;
} stage_walk;

static int walk_stages(stage_walk *w, int fd, const ignore *dvc_above, const ignore *git_above, int depth)
{
  size_t length = w->path.n, n = 0;
  ignore dvc = {.parent = dvc_above, .depth = length ? length + 1 : 0}, by_git = {.parent = git_above, .depth = length ? length + 1 : 0};
  item *items = NULL;
  int mine = dup(fd), code = 0;
  if (mine < 0 || depth > DEEPEST) {
    close(fd);
    if (mine >= 0)
      close(mine);
    return mine < 0 ? error_set_errno("%s", w->r->root) : 0;
  }
  code = read_folder(&items, &n, fd, w->path.n ? w->path.s : w->r->root);
  if (code == 0)
    code = ignore_add_file(&dvc, mine, ".dvcignore", true);
  if (code == 0 && w->r->git_root)
    code = ignore_add_file(&by_git, mine, ".gitignore", false);
  for (int pass = 0; pass < 2 && code == 0; pass++) /* first the files, whose outputs then hide folders */
    for (size_t i = 0; i < n && code == 0; i++) {
      bool folder = items[i].type == DT_DIR;
      if (folder != (pass == 1) || (!folder && !path_is_stage_file(items[i].name)) || always_ignored(items[i].name, folder))
        continue;
      if (length)
        strbuf_putc(&w->path, '/');
      strbuf_puts(&w->path, items[i].name);
      if (strbuf_check(&w->path) < 0)
        code = error_nomem();
      else if (!ignore_test(&dvc, w->path.s, folder) && !ignore_test(&by_git, w->path.s, folder)) {
        if (!folder)
          code = w->each(w->user, w->path.s);
        else if (!w->leave_out(w->user, w->path.s)) {
          struct stat st;
          int inner = openat(mine, items[i].name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
          if (inner < 0)
            code = errno == EACCES || errno == ENOENT ? 0 : error_set_errno("%s", w->path.s);
          else if (fstatat(inner, ".dvc", &st, 0) == 0 && S_ISDIR(st.st_mode))
            close(inner);
          else
            code = walk_stages(w, inner, &dvc, &by_git, depth + 1);
        }
      }
      w->path.n = length;
      w->path.s[length] = '\0';
    }
  ignore_free(&dvc);
  ignore_free(&by_git);
  free_items(items, n);
  close(mine);
  return code;
}

int scan_stages(const repo *r, int (*each)(void *user, const char *rel), bool (*leave_out)(void *user, const char *rel), void *user)
{
  stage_walk w = {.r = r, .each = each, .leave_out = leave_out, .user = user};
  int fd = open(r->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return error_set_errno("%s", r->root);
  int code = walk_stages(&w, fd, NULL, NULL, 0);
  strbuf_free(&w.path);
  return code;
}
