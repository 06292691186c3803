/* Other work trees of the same git repository (git worktree): where they are, and what they stand on. */
#include "data/git_private.h"

#include "util/error.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 64 * 1024 };

/* The first line of a file of git's; malloc'ed, NULL when there is none. */
static char *first_line(const char *folder, const char *name)
{
  char *path, *text = NULL;
  size_t n;
  if (asprintf(&path, "%s/%s", folder, name) < 0)
    return NULL;
  if (file_read(&text, &n, path, LARGEST) == 0)
    text[strcspn(text, "\r\n")] = '\0';
  else
    text = NULL;
  free(path);
  return text;
}

/* A path of git's, which may be relative to a folder. malloc'ed; takes `said`. */
static char *from_folder(const char *folder, char *said)
{
  char *whole = NULL;
  if (!said || said[0] == '/')
    return said;
  if (asprintf(&whole, "%s/%s", folder, said) < 0)
    whole = NULL;
  free(said);
  return whole;
}

/* What all work trees have in common, without libgit2, which gc has no other need of. malloc'ed, links resolved; NULL when git would not find it either. */
static char *common_folder(const repo *r)
{
  static const char mark[] = "gitdir: ";
  char *own, *common = NULL, *said, real[PATH_MAX];
  if (asprintf(&own, "%s/.git", r->git_root) < 0)
    return NULL;
  if (!file_is_folder(own)) {
    said = first_line(r->git_root, ".git");
    if (said && strncmp(said, mark, strlen(mark)) == 0)
      memmove(said, said + strlen(mark), strlen(said) - strlen(mark) + 1);
    free(own);
    own = from_folder(r->git_root, said);
  }
  if (own)
    common = from_folder(own, first_line(own, "commondir"));
  const char *found = common ? common : own;
  char *answer = found && realpath(found, real) ? strdup(real) : NULL;
  free(common);
  free(own);
  return answer;
}

/* git's own folder of each work tree: the common one is the main work tree's, too. */
static int each_own(const repo *r, int (*each)(void *user, const char *own, bool main), void *user)
{
  char *common = common_folder(r), *folder = NULL;
  int code = common ? each(user, common, true) : 0;
  DIR *d = NULL;
  if (code == 0 && common) {
    if (asprintf(&folder, "%s/worktrees", common) < 0) {
      folder = NULL;
      code = error_nomem();
    } else
      d = opendir(folder);
  }
  for (struct dirent *e; d && code == 0 && (e = readdir(d));) {
    char *own;
    if (e->d_name[0] == '.')
      continue;
    code = asprintf(&own, "%s/%s", folder, e->d_name) < 0 ? error_nomem() : 0;
    if (code == 0) {
      code = each(user, own, false);
      free(own);
    }
  }
  if (d)
    closedir(d);
  free(folder);
  free(common);
  return code;
}

/* ---- where they are ---- */

typedef struct visiting {
  const repo *r;
  int (*each)(void *user, const char *root);
  void *user;
} visiting;

/* "FOLDER/.git": by the common folder's name (that of a bare repository has another one), or as the file "gitdir" says. malloc'ed, NULL when there is none. */
static char *link_of(const char *own, bool main)
{
  if (main)
    return strcmp(path_name(own), ".git") == 0 ? strdup(own) : NULL;
  return from_folder(own, first_line(own, "gitdir"));
}

static int visit_one(void *user, const char *own, bool main)
{
  const visiting *v = user;
  char *link = link_of(own, main), *folder = link ? path_folder(link) : NULL, real[PATH_MAX], *root = NULL;
  int code = 0;
  if (folder && realpath(folder, real) && strcmp(real, v->r->git_root) != 0) {
    const char *below = v->r->root + strlen(v->r->git_root);
    code = asprintf(&root, "%s%s", real, below) < 0 ? error_nomem() : v->each(v->user, root);
    if (root)
      free(root);
  }
  free(folder);
  free(link);
  return code;
}

int git_worktrees(const repo *r, int (*each)(void *user, const char *root), void *user)
{
  return r->git_root ? each_own(r, visit_one, &(visiting){r, each, user}) : 0;
}

/* ---- what they stand on ---- */

typedef struct pushing {
  git *g;
  git_revwalk *walk;
} pushing;

static int push_one(void *user, const char *own, bool main)
{
  const pushing *p = user;
  char *head = first_line(own, "HEAD");
  git_oid id;
  (void)main;
  if (head && strlen(head) == 40 && p->g->git_oid_fromstr(&id, head) == 0)
    p->g->git_revwalk_push(p->walk, &id);
  free(head);
  return 0;
}

int git_push_detached(const repo *r, git_revwalk *walk)
{
  return each_own(r, push_one, &(pushing){r->git, walk});
}
