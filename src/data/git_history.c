/* Commits: which ones a scope names, and what is in any of them. */
#include "data/git_private.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct pushing {
  git *g;
  git_revwalk *walk;
} pushing;

static int push_one(const char *name, void *payload)
{
  pushing *p = payload;
  git_object *o, *commit;
  if (p->g->git_revparse_single(&o, p->g->repository, name) < 0)
    return 0;
  if (p->g->git_object_peel(&commit, o, GIT_OBJECT_COMMIT) == 0) { /* (a tag may name a file) */
    p->g->git_revwalk_push(p->walk, p->g->git_object_id(commit));
    p->g->git_object_free(commit);
  }
  p->g->git_object_free(o);
  return 0;
}

/* A walk over everything that any reference or work tree reaches. Not by libgit2's globs: their * ends at a '/', and nearly every reference has several. */
static int push_all(const repo *r, git_revwalk *walk)
{
  git *g = r->git;
  pushing p = {g, walk};
  g->git_reference_foreach_name(g->repository, push_one, &p);
  g->git_revwalk_push_head(walk);
  return git_push_detached(r, walk);
}

int git_knows(bool *known, repo *r, const char *rel, const void *bytes, size_t n)
{
  git_oid wanted, id;
  git_blob *blob;
  git_revwalk *walk;
  char *path, hex[41];
  bool found;
  int code = git_need(r);
  *known = false;
  if (code < 0)
    return code;
  git *g = r->git;
  if (g->git_odb_hash(&wanted, bytes, n, GIT_OBJECT_BLOB) < 0)
    return git_failed(g, rel);
  if (g->git_blob_lookup(&blob, g->repository, &wanted) < 0)
    return 0;
  g->git_blob_free(blob);
  code = git_prefixed(&path, r, rel, "");
  if (code < 0)
    return code;
  if (g->git_revwalk_new(&walk, g->repository) < 0) {
    free(path);
    return git_failed(g, "history");
  }
  code = push_all(r, walk);
  while (code == 0 && !*known && g->git_revwalk_next(&id, walk) == 0) {
    g->git_oid_tostr(hex, sizeof hex, &id);
    if (git_find(&found, &id, r, hex, path) == 0 && found)
      *known = g->git_oid_equal(&id, &wanted) != 0;
  }
  g->git_revwalk_free(walk);
  free(path);
  return code;
}

/* ---- scopes ---- */

typedef struct commits {
  repo *r;
  char (*hex)[41];
  size_t n;
  int num;
  int code;
  const char *prefix; /* of the references that count */
} commits;

static void add_commit(commits *c, const git_oid *id)
{
  char hex[41];
  c->r->git->git_oid_tostr(hex, sizeof hex, id);
  for (size_t i = 0; i < c->n; i++)
    if (strcmp(c->hex[i], hex) == 0)
      return;
  char(*larger)[41] = realloc(c->hex, (c->n + 1) * sizeof *larger);
  if (!larger) {
    c->code = error_nomem();
    return;
  }
  c->hex = larger;
  memcpy(larger[c->n++], hex, 41);
}

/* A commit and the num - 1 before it, by first parents as DVC counts. */
static int add_line(commits *c, const git_oid *id)
{
  git *g = c->r->git;
  git_revwalk *walk;
  git_oid at;
  if (g->git_revwalk_new(&walk, g->repository) < 0)
    return git_failed(g, "history");
  if (g->git_revwalk_push(walk, id) < 0)
    c->code = git_failed(g, "history");
  g->git_revwalk_simplify_first_parent(walk);
  for (int i = 0; c->code == 0 && i < c->num && g->git_revwalk_next(&at, walk) == 0; i++)
    add_commit(c, &at);
  g->git_revwalk_free(walk);
  return c->code;
}

static int add_reference(const char *name, void *payload)
{
  commits *c = payload;
  git *g = c->r->git;
  git_object *o, *commit;
  if (strncmp(name, c->prefix, strlen(c->prefix)) != 0)
    return 0;
  if (g->git_revparse_single(&o, g->repository, name) < 0)
    return 0;
  if (g->git_object_peel(&commit, o, GIT_OBJECT_COMMIT) == 0) {
    add_line(c, g->git_object_id(commit));
    g->git_object_free(commit);
  }
  g->git_object_free(o);
  return c->code < 0 ? -1 : 0;
}

static int add_reachable(commits *c, const char *since)
{
  git *g = c->r->git;
  git_revwalk *walk;
  git_oid id;
  struct tm day = {0};
  time_t first = 0;
  if (since) {
    char *end = strptime(since, "%Y-%m-%d", &day);
    if (!end || *end)
      return error_set(OPIS_EINVALID, "--date: '%s' is no day of the form yyyy-mm-dd", since);
    first = timegm(&day);
  }
  if (g->git_revwalk_new(&walk, g->repository) < 0)
    return git_failed(g, "history");
  c->code = push_all(c->r, walk);
  while (c->code == 0 && g->git_revwalk_next(&id, walk) == 0) {
    git_commit *commit;
    if (since && g->git_commit_lookup(&commit, g->repository, &id) == 0) {
      bool old = g->git_commit_time(commit) < (git_time_t)first;
      g->git_commit_free(commit);
      if (old)
        continue;
    }
    /* A walk gives each commit once: no search for duplicates, which histories of 100,000 commits would feel. */
    if ((c->n & (c->n - 1)) == 0) {
      char(*larger)[41] = realloc(c->hex, (c->n ? c->n * 2 : 1) * sizeof *larger);
      if (!larger) {
        c->code = error_nomem();
        break;
      }
      c->hex = larger;
    }
    g->git_oid_tostr(c->hex[c->n++], 41, &id);
  }
  g->git_revwalk_free(walk);
  return c->code;
}

int git_commits(repo *r, const git_scope *s, int (*each)(void *user, const char *hex), void *user)
{
  commits c = {.r = r, .num = s->num > 1 ? s->num : 1};
  git_oid id;
  char hex[41];
  int code = git_need(r);
  if (code < 0)
    return code;
  if (s->all || s->since)
    code = add_reachable(&c, s->all ? NULL : s->since);
  else {
    c.n = 0;
    const char *const prefixes[] = {s->branches ? "refs/heads/" : NULL, s->tags ? "refs/tags/" : NULL, s->experiments ? "refs/exps/" : NULL};
    for (int i = 0; i < 3 && code == 0; i++) {
      c.prefix = prefixes[i];
      if (c.prefix && r->git->git_reference_foreach_name(r->git->repository, add_reference, &c) < 0 && c.code == 0)
        code = git_failed(r->git, "references");
    }
    if (code == 0 && s->revision) {
      code = git_resolve(hex, r, s->revision);
      if (code == 0 && r->git->git_oid_fromstr(&id, hex) == 0)
        code = add_line(&c, &id);
    }
  }
  if (code == 0)
    code = c.code;
  for (size_t i = 0; i < c.n && code == 0; i++)
    code = each(user, c.hex[i]);
  free(c.hex);
  return code;
}
