/* opis data diff: what two versions of the data have different, or a version and the work tree. */
#include "data/git.h"
#include "data/objects.h"
#include "data/source.h"
#include "data/sync.h"

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beside tree.h's own flags: what an entry of a side is. */
enum { IS_DIR = 1 << 16, IS_LEGACY = 1 << 17, IS_TAKEN = 1 << 18 };

/* One of the two versions: every output and every file in one, by root-relative path. */
typedef struct side {
  tree flat;
  name_list unknown; /* outputs whose directory object is nowhere: what is in them cannot be told */
} side;

typedef struct comparing {
  repo *r;
  side old_side, new_side;
  bool work_tree; /* the new side is the work tree, and what the cache has not of the old one is told */
  source *lists;  /* this repository with a temporary cache: lists of folders that only the remote has; NULL: not needed */
  diff_result *d;
} comparing;

static void free_list(diff_list *l)
{
  for (size_t i = 0; i < l->n; i++) {
    free(l->items[i].path);
    free(l->items[i].renamed_to);
  }
  free(l->items);
  *l = (diff_list){0};
}

void diff_free(diff_result *d)
{
  free_list(&d->added);
  free_list(&d->deleted);
  free_list(&d->renamed);
  free_list(&d->modified);
  free_list(&d->missing);
}

/* Paths of directories end with a '/', as DVC shows them. */
static char *shown_path(const char *path, bool dir)
{
  char *out;
  return asprintf(&out, "%s%s", path, dir ? "/" : "") < 0 ? NULL : out;
}

static void hash_text(char text[OID_TEXT], const tree_entry *e)
{
  text[0] = '\0';
  if (e && e->flags & TREE_HASHED) {
    oid o = {.dir = (e->flags & IS_DIR) != 0};
    memcpy(o.md5, e->md5, MD5_SIZE);
    oid_text(text, &o);
  }
}

/* One of the two entries is there; both are where it is renamed. */
static int tell(diff_list *l, const tree_entry *old_entry, const tree_entry *new_entry, bool renamed)
{
  if ((l->n & (l->n - 1)) == 0) {
    diff_entry *larger = realloc(l->items, (l->n ? l->n * 2 : 1) * sizeof *larger);
    if (!larger)
      return error_nomem();
    l->items = larger;
  }
  const tree_entry *first = old_entry ? old_entry : new_entry;
  diff_entry *e = &l->items[l->n];
  /* cppcheck-suppress nullPointer */
  *e = (diff_entry){.path = shown_path(first->path, first->flags & IS_DIR)};
  if (renamed)
    /* cppcheck-suppress nullPointer */
    e->renamed_to = shown_path(new_entry->path, new_entry->flags & IS_DIR);
  if (!e->path || (renamed && !e->renamed_to)) {
    free(e->path);
    return error_nomem();
  }
  hash_text(e->old_hash, old_entry);
  hash_text(e->new_hash, new_entry);
  l->n++;
  return 0;
}

/* ---- the two sides ---- */

static int put(side *s, const char *path, const char *below, size_t below_n, const uint8_t *md5, uint32_t flags)
{
  strbuf b = STRBUF_INIT;
  strbuf_puts(&b, path);
  if (below) {
    strbuf_putc(&b, '/');
    strbuf_append(&b, below, below_n);
  }
  tree_entry *e = strbuf_check(&b) == 0 ? tree_add(&s->flat, b.s, b.n) : NULL;
  strbuf_free(&b);
  if (!e)
    return error_nomem();
  if (md5)
    memcpy(e->md5, md5, MD5_SIZE);
  e->flags = flags | (md5 ? TREE_HASHED : 0);
  return 0;
}

static int each_file(comparing *c, const output *o, tree_each *each, void *user)
{
  int code = objects_each(output_store(c->r, o), &o->oid, each, user);
  return code == OPIS_ENOTFOUND && c->lists ? objects_each(output_store(c->lists->repo, o), &o->oid, each, user) : code;
}

typedef struct filling {
  side *s;
  const target *t;
} filling;

static int put_file(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  filling *f = user;
  const output *o = f->t->out;
  return selection_has(&f->t->parts, path) ? put(f->s, o->path, path, n, md5, o->legacy ? IS_LEGACY : 0) : 0;
}

/* An output as its stage file has it. */
static int put_recorded(comparing *c, side *s, const target *t)
{
  const output *o = t->out;
  uint32_t flags = o->legacy ? IS_LEGACY : 0;
  int code = t->parts.n ? 0 : put(s, o->path, NULL, 0, o->hashed ? o->oid.md5 : NULL, flags | (o->hashed && o->oid.dir ? IS_DIR : 0));
  if (code < 0 || !o->hashed || !o->oid.dir)
    return code;
  code = each_file(c, o, put_file, &(filling){s, t});
  return code == OPIS_ENOTFOUND ? names_add(&s->unknown, o->path) : code;
}

/* An output as it is: looked at before. */
static int put_seen(side *s, const target *t, const tree *seen, path_kind kind, const oid *id)
{
  const output *o = t->out;
  uint32_t flags = o->legacy ? IS_LEGACY : 0;
  if (kind == PATH_FILE)
    return put(s, o->path, NULL, 0, id->md5, flags);
  int code = t->parts.n ? 0 : put(s, o->path, NULL, 0, id->md5, flags | IS_DIR);
  for (size_t i = 0; i < seen->n && code == 0; i++) {
    const char *path = seen->entries[i].path;
    if (!(seen->entries[i].flags & IS_TAKEN) && selection_has(&t->parts, path))
      code = put(s, o->path, path, strlen(path), seen->entries[i].md5, flags);
  }
  return code;
}

/* ---- an output that is the same on both sides: no list is made of it, only its presence in the cache looked at ---- */

typedef struct asking {
  comparing *c;
  const output *o;
} asking;

static int ask_one(comparing *c, const output *o, const char *below, size_t n, const uint8_t *md5, bool dir)
{
  oid id = {.dir = dir};
  memcpy(id.md5, md5, MD5_SIZE);
  if (odb_has(output_store(c->r, o), &id))
    return 0;
  side one = {.flat = TREE_INIT};
  int code = put(&one, o->path, below, n, md5, dir ? IS_DIR : 0);
  if (code == 0)
    code = tell(&c->d->missing, one.flat.entries, NULL, false);
  tree_free(&one.flat);
  return code;
}

static int ask_file(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  asking *a = user;
  return ask_one(a->c, a->o, path, n, md5, false);
}

static int ask_all(comparing *c, const output *o)
{
  int code = ask_one(c, o, NULL, 0, o->oid.md5, o->oid.dir);
  if (code == 0 && o->oid.dir)
    code = each_file(c, o, ask_file, &(asking){c, o});
  return code == OPIS_ENOTFOUND ? 0 : code;
}

/* ---- a folder that changed: what is in it on both sides is looked at only in the cache, too; lists of a million files would be long ---- */

typedef struct sparing {
  comparing *c;
  const output *before;
  tree *seen;
} sparing;

static int put_changed(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  sparing *s = user;
  const output *o = s->before;
  char *whole = strndup(path, n);
  if (!whole)
    return error_nomem();
  tree_entry *e = tree_find(s->seen, whole);
  free(whole);
  if (!e || memcmp(e->md5, md5, MD5_SIZE) != 0)
    return put(&s->c->old_side, o->path, path, n, md5, o->legacy ? IS_LEGACY : 0);
  e->flags |= IS_TAKEN;
  return ask_one(s->c, o, path, n, md5, false);
}

static int put_before(comparing *c, const output *before, tree *seen)
{
  int code = put(&c->old_side, before->path, NULL, 0, before->oid.md5, IS_DIR | (before->legacy ? IS_LEGACY : 0));
  if (code == 0)
    code = each_file(c, before, put_changed, &(sparing){c, before, seen});
  return code == OPIS_ENOTFOUND ? names_add(&c->old_side.unknown, before->path) : code;
}

static bool skipped(comparing *c, const output *o)
{
  if (o->refused && o->cache)
    repo_warn(c->r, "%s: %s: %s", o->stage->file, o->written, o->refused);
  return o->refused || !o->cache || !o->path;
}

/* The same output among the other side's targets, whole there as here; NULL. */
static const target *counterpart(const targets *other, const map *whole, const target *t)
{
  const size_t *i = t->parts.n || !t->out->path ? NULL : map_get(whole, t->out->path, strlen(t->out->path));
  return i ? &other->items[*i] : NULL;
}

static int find_whole(map *whole, const targets *t)
{
  int code = 0;
  for (size_t i = t->n; i-- > 0 && code == 0;) /* the first one counts */
    if (!t->items[i].parts.n && t->items[i].out->path)
      code = map_put(whole, t->items[i].out->path, strlen(t->items[i].out->path), i);
  return code;
}

static bool same_record(const output *a, const output *b)
{
  return a->hashed && b->hashed && a->legacy == b->legacy && oid_same(&a->oid, &b->oid);
}

/* Lists that the cache has not come from the remote, as far as it can be asked. The cache stays as it is: what it has not is told, too. */
static int bring_lists(comparing *c, const targets *before, const targets *now)
{
  const targets *const sides[] = {before, now};
  targets wanted = {.items = malloc((before->n + now->n + 1) * sizeof *wanted.items)};
  char *folder;
  int code = 0;
  if (!wanted.items)
    return error_nomem();
  for (int k = 0; k < (c->work_tree ? 1 : 2); k++) {
    map whole = {0};
    code = code < 0 || c->work_tree ? code : find_whole(&whole, sides[!k]);
    for (size_t i = 0; i < sides[k]->n && code == 0; i++) {
      const target *t = &sides[k]->items[i], *twin = counterpart(sides[!k], &whole, t);
      const output *o = t->out;
      if (!o->refused && o->cache && o->path && o->hashed && o->oid.dir && !(twin && same_record(o, twin->out)) && !odb_has(output_store(c->r, o), &o->oid))
        wanted.items[wanted.n++] = *t;
    }
    map_free(&whole);
  }
  if (code == 0 && wanted.n && asprintf(&folder, "%s/tmp/opis", c->r->dvc) < 0)
    code = error_nomem();
  else if (wanted.n) {
    code = source_open(&c->lists, NULL, c->r->root, NULL, &(source_options){.folder = folder, .hooks = c->r->hooks});
    if (code == 0)
      sync_bring_dirs(c->lists->repo, &wanted);
    free(folder);
  }
  free(wanted.items);
  return code;
}

static int fill(comparing *c, const targets *before, const targets *now)
{
  bool *done = calloc(before->n + 1, sizeof *done);
  map whole = {0};
  int code = done ? find_whole(&whole, before) : error_nomem();
  for (size_t i = 0; i < now->n && code == 0; i++) {
    const target *t = &now->items[i], *twin = counterpart(before, &whole, t);
    const output *o = t->out;
    tree seen = TREE_INIT;
    path_kind kind = PATH_MISSING;
    oid id = o->oid;
    if (skipped(c, o))
      continue;
    bool known = o->hashed;
    if (c->work_tree) {
      code = output_hash(&id, &seen, &kind, c->r, o, NULL);
      known = code == 0 && kind != PATH_MISSING;
    }
    if (code == 0 && known && twin && !skipped(c, twin->out) && twin->out->hashed && twin->out->legacy == o->legacy && oid_same(&twin->out->oid, &id)) {
      done[twin - before->items] = true;
      code = c->work_tree ? ask_all(c, twin->out) : 0;
    } else if (code == 0 && c->work_tree && kind == PATH_FOLDER && twin && !skipped(c, twin->out) && twin->out->hashed && twin->out->oid.dir && twin->out->legacy == o->legacy) {
      done[twin - before->items] = true;
      code = put_before(c, twin->out, &seen);
      if (code == 0)
        code = put_seen(&c->new_side, t, &seen, kind, &id);
    } else if (code == 0 && !c->work_tree)
      code = put_recorded(c, &c->new_side, t);
    else if (code == 0 && known)
      code = put_seen(&c->new_side, t, &seen, kind, &id);
    tree_free(&seen);
  }
  for (size_t i = 0; i < before->n && code == 0; i++)
    if (!done[i] && !skipped(c, before->items[i].out))
      code = put_recorded(c, &c->old_side, &before->items[i]);
  map_free(&whole);
  free(done);
  return code;
}

/* ---- comparing ---- */

static bool is_unknown(const side *s, const char *path)
{
  for (size_t i = 0; i < s->unknown.n; i++) {
    size_t n = strlen(s->unknown.items[i]);
    if (strncmp(path, s->unknown.items[i], n) == 0 && path[n] == '/')
      return true;
  }
  return false;
}

/* As Python compares tuples of names: '/' before everything else. */
static int by_parts(const void *a, const void *b)
{
  const char *x = (*(const tree_entry *const *)a)->path, *y = (*(const tree_entry *const *)b)->path;
  for (; *x && *x == *y; x++)
    y++;
  int p = *x == '/' ? 1 : *x ? (unsigned char)*x + 1 : 0, q = *y == '/' ? 1 : *y ? (unsigned char)*y + 1 : 0;
  return p - q;
}

static int compare_content(const tree_entry *a, const tree_entry *b)
{
  uint32_t mask = IS_DIR | IS_LEGACY | TREE_HASHED;
  int c = memcmp(a->md5, b->md5, MD5_SIZE);
  return c ? c : (int)((a->flags & mask) >> 1) - (int)((b->flags & mask) >> 1);
}

static int by_content(const void *a, const void *b)
{
  const tree_entry *x = *(const tree_entry *const *)a, *y = *(const tree_entry *const *)b;
  int c = compare_content(x, y);
  return c ? c : by_parts(a, b);
}

/* What went from one path and came to another is renamed: in the order of paths, as DVC pairs them. */
static int pair(diff_result *d, tree_entry **gone, size_t n_gone, tree_entry **come, size_t n_come)
{
  int code = 0;
  if (n_come)
    qsort(come, n_come, sizeof *come, by_parts);
  if (n_gone)
    qsort(gone, n_gone, sizeof *gone, by_content);
  for (size_t i = 0; i < n_come && code == 0; i++) {
    tree_entry *from = NULL;
    if (come[i]->flags & TREE_HASHED) {
      size_t low = 0, high = n_gone;
      while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_content(gone[middle], come[i]) < 0)
          low = middle + 1;
        else
          high = middle;
      }
      /* gone[low].links counts those of this content that are paired already, so that many empty files take no quadratic time */
      if (low < n_gone && low + gone[low]->links < n_gone && compare_content(gone[low + gone[low]->links], come[i]) == 0)
        from = gone[low + gone[low]->links++];
    }
    if (from)
      from->flags |= IS_TAKEN;
    code = from ? tell(&d->renamed, from, come[i], true) : tell(&d->added, NULL, come[i], false);
  }
  for (size_t i = 0; i < n_gone && code == 0; i++)
    if (!(gone[i]->flags & IS_TAKEN))
      code = tell(&d->deleted, gone[i], NULL, false);
  return code;
}

static int compare(comparing *c)
{
  tree *a = &c->old_side.flat, *b = &c->new_side.flat;
  size_t i = 0, k = 0, n_gone = 0, n_come = 0;
  int code = 0;
  tree_sort(a);
  tree_sort(b);
  tree_entry **gone = malloc((a->n + 1) * sizeof *gone), **come = malloc((b->n + 1) * sizeof *come);
  if (!gone || !come)
    code = error_nomem();
  while (code == 0 && (i < a->n || k < b->n)) {
    tree_entry *x = i < a->n ? &a->entries[i] : NULL, *y = k < b->n ? &b->entries[k] : NULL;
    int order = !x ? 1 : !y ? -1 : tree_compare_paths(x->path, y->path);
    if (order < 0) {
      if (!is_unknown(&c->new_side, x->path))
        gone[n_gone++] = x;
    } else if (order > 0) {
      if (!is_unknown(&c->old_side, y->path))
        come[n_come++] = y;
    } else if (compare_content(x, y) != 0)
      code = tell(&c->d->modified, x, y, false);
    if (order <= 0) {
      i++;
      oid id = {.dir = (x->flags & IS_DIR) != 0};
      memcpy(id.md5, x->md5, MD5_SIZE);
      if (code == 0 && c->work_tree && x->flags & TREE_HASHED && !odb_has(x->flags & IS_LEGACY ? &c->r->legacy : &c->r->db, &id))
        code = tell(&c->d->missing, x, NULL, false);
    }
    if (order >= 0)
      k++;
  }
  if (code == 0)
    code = pair(c->d, gone, n_gone, come, n_come);
  free(gone);
  free(come);
  return code;
}

static int by_path(const void *a, const void *b)
{
  return tree_compare_paths(((const diff_entry *)a)->path, ((const diff_entry *)b)->path);
}

static void sort(diff_list *l)
{
  if (l->n)
    qsort(l->items, l->n, sizeof *l->items, by_path);
}

int data_diff(diff_result *d, repo *r, const char *old_revision, const char *new_revision, char *const *names, int n)
{
  char old_hex[41], new_hex[41] = "";
  stages old_set = {0}, new_set = {0};
  targets before = {0}, now = {0};
  comparing c = {.r = r, .old_side = {.flat = TREE_INIT}, .new_side = {.flat = TREE_INIT}, .work_tree = !new_revision, .d = d};
  *d = (diff_result){0};
  bool born = true;
  int code = git_has_commits(&born, r);
  if (code < 0 || !born) /* a repository without a commit has nothing to compare with */
    return code;
  bool *absent = calloc((size_t)n * 2 + 2, sizeof *absent);
  if (!absent)
    return error_nomem();
  code = git_resolve(old_hex, r, old_revision ? old_revision : "HEAD");
  if (code == 0 && new_revision)
    code = git_resolve(new_hex, r, new_revision);
  if (code == 0 && strcmp(old_hex, new_hex) != 0) {
    code = stages_load_revision(&old_set, r, old_hex);
    if (code == 0)
      code = new_revision ? stages_load_revision(&new_set, r, new_hex) : stages_load(&new_set, r);
    if (code == 0)
      code = targets_collect_known(&before, r, &old_set, names, n, false, false, absent);
    if (code == 0)
      code = targets_collect_known(&now, r, &new_set, names, n, false, false, absent + n);
    for (int i = 0; i < n && code == 0; i++)
      if (absent[i] && absent[n + i])
        code = error_set(OPIS_ENOTFOUND, "%s: tracked in neither of the two versions", names[i]);
    if (code == 0)
      code = bring_lists(&c, &before, &now);
    if (code == 0)
      code = fill(&c, &before, &now);
    if (code == 0)
      code = compare(&c);
  }
  diff_list *const all[] = {&d->added, &d->deleted, &d->renamed, &d->modified, &d->missing};
  for (int i = 0; i < 5; i++)
    sort(all[i]);
  free(absent);
  source_close(c.lists);
  targets_free(&before);
  targets_free(&now);
  stages_free(&old_set);
  stages_free(&new_set);
  tree_free(&c.old_side.flat);
  tree_free(&c.new_side.flat);
  names_free(&c.old_side.unknown);
  names_free(&c.new_side.unknown);
  if (code < 0)
    diff_free(d);
  return code;
}
