#include "data/parts.h"

#include "data/sync.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>

enum { IS_DROPPED = 1 << 16 }; /* beside tree.h's own flags */

int parts_open(parts *p, repo *r, output *o)
{
  *p = (parts){.r = r, .list = TREE_INIT, .taken = TREE_INIT, .size = o->has_size ? o->size : SIZE_UNKNOWN};
  if (o->refused)
    return error_set(OPIS_EUNSUPPORTED, "%s: %s", o->written, o->refused);
  if (o->hashed && !o->oid.dir)
    return error_set(OPIS_ECONFLICT, "'%s' is tracked as a file; add it as a whole", o->path);
  if (scan_kind(r, o->path) != PATH_FOLDER)
    return error_set(OPIS_ENOTFOUND, "%s: no such folder", o->path);
  target whole = {.out = o};
  sync_bring_dirs(r, &(targets){&whole, 1});
  int code = o->hashed ? output_want(&p->list, r, o) : 0;
  if (code == OPIS_ENOTFOUND)
    code = error_set(code, "%s: its list of files is neither in the cache nor on the remote; add the folder as a whole", o->path);
  if (code == 0)
    p->o = o;
  return code;
}

void parts_close(parts *p)
{
  tree_free(&p->list);
  tree_free(&p->taken);
  map_free(&p->places);
  map_free(&p->above);
  p->o = NULL;
}

/* What a drop took out of the list, beside what is there now. */
typedef struct dropping {
  const tree *now;
  const char *part;
  size_t n, same;
} dropping;

static void drop(dropping *d, tree_entry *e)
{
  size_t n = strlen(d->part);
  if (e->flags & IS_DROPPED)
    return;
  e->flags |= IS_DROPPED;
  d->n++;
  const tree_entry *now = strncmp(e->path, d->part, n) == 0 && (!e->path[n] || e->path[n] == '/') ? tree_find(d->now, e->path[n] ? e->path + n + 1 : "") : NULL;
  d->same += now && memcmp(now->md5, e->md5, MD5_SIZE) == 0;
}

/* Of what was taken before: the path that the first n bytes of the part are. */
static void drop_taken(dropping *d, parts *p, size_t n)
{
  const size_t *i = map_get(&p->places, d->part, n);
  if (i)
    drop(d, &p->taken.entries[*i]);
}

/* The part itself, all below it, and (there) a file where there is a folder now that leads to it. */
static int drop_all(dropping *d, parts *p, bool there)
{
  size_t begin, end, n = strlen(d->part);
  tree_entry *e = tree_find(&p->list, d->part);
  if (e)
    drop(d, e);
  tree_range(&p->list, d->part, &begin, &end);
  for (size_t i = begin; i < end; i++)
    drop(d, &p->list.entries[i]);
  drop_taken(d, p, n);
  for (size_t i = 0; map_get(&p->above, d->part, n) && i < p->taken.n; i++) {
    const char *path = p->taken.entries[i].path;
    if (strncmp(path, d->part, n) == 0 && path[n] == '/')
      drop(d, &p->taken.entries[i]);
  }
  for (const char *slash = there ? strchr(d->part, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
    char *above = strndup(d->part, (size_t)(slash - d->part));
    if (!above)
      return error_nomem();
    if ((e = tree_find(&p->list, above)))
      drop(d, e);
    free(above);
    drop_taken(d, p, (size_t)(slash - d->part));
  }
  return 0;
}

static int put(tree *t, const char *part, const char *below, const uint8_t md5[MD5_SIZE])
{
  strbuf path = STRBUF_INIT;
  strbuf_puts(&path, part);
  if (*below) {
    strbuf_putc(&path, '/');
    strbuf_puts(&path, below);
  }
  tree_entry *e = strbuf_check(&path) == 0 ? tree_add(t, path.s, path.n) : NULL;
  strbuf_free(&path);
  if (!e)
    return error_nomem();
  memcpy(e->md5, md5, MD5_SIZE);
  e->flags = TREE_HASHED;
  return 0;
}

static int take(parts *p, const char *part, const char *below, const uint8_t md5[MD5_SIZE])
{
  int code = put(&p->taken, part, below, md5);
  if (code < 0)
    return code;
  const char *path = p->taken.entries[p->taken.n - 1].path;
  size_t n = strlen(path);
  code = map_put(&p->places, path, n, p->taken.n - 1);
  while (n > 0 && code == 0)
    if (path[--n] == '/') {
      if (map_get(&p->above, path, n)) /* where one folder is known, so are those above it */
        break;
      code = map_put(&p->above, path, n, 0);
    }
  return code;
}

static int look(tree *now, parts *p, const char *inside, path_kind kind, odb *store)
{
  *now = (tree)TREE_INIT;
  if (kind == PATH_MISSING)
    return 0;
  int code = kind == PATH_FOLDER ? scan_folder(now, p->r, inside)
    : kind == PATH_FILE          ? scan_file(now, p->r, inside)
                                 : error_set(OPIS_EINVALID, "%s: neither a file nor a folder", inside);
  if (code == 0)
    code = scan_hash(now, p->r, inside, p->o->legacy, store);
  int forgot = place_forget(p->r, inside); /* it is no output of its own */
  return code < 0 ? code : forgot;
}

int parts_take(parts *p, const char *inside, bool store, bool relink)
{
  tree now;
  odb *db = output_store(p->r, p->o);
  dropping d = {.now = &now, .part = inside + strlen(p->o->path) + 1};
  path_kind kind = scan_kind(p->r, inside);
  store &= p->o->cache;
  int code = look(&now, p, inside, kind, store ? db : NULL);
  if (code == 0 && store && relink && now.n) {
    code = place_relink(p->r, inside, db, &now);
    int forgot = place_forget(p->r, inside);
    code = code < 0 ? code : forgot;
  }
  if (code == 0)
    code = drop_all(&d, p, kind != PATH_MISSING);
  if (code == 0 && kind == PATH_MISSING && d.n == 0)
    code = error_set(OPIS_ENOTFOUND, "%s: no such file or folder", inside);
  bool same = d.n == now.n && d.same == now.n;
  if (d.n == 0 && p->size != SIZE_UNKNOWN && p->size > 0) /* as DVC reckons: what only grows has a known size, anything else has none until all of it is added */
    p->size += tree_bytes(&now);
  else if (!same)
    p->size = SIZE_UNKNOWN;
  p->changed |= !same;
  for (size_t i = 0; i < now.n && code == 0; i++)
    code = take(p, d.part, now.entries[i].path, now.entries[i].md5);
  tree_free(&now);
  if (code < 0 && code != OPIS_ENOTFOUND) /* half of it must not be recorded */
    parts_close(p);
  return code;
}

int parts_save(parts *p, bool store)
{
  output *o = p->o;
  odb *db = output_store(p->r, o);
  tree *t = &p->list;
  oid id = {.dir = true};
  size_t n = 0;
  int code = 0;
  if (!p->changed)
    return odb_sync(db);
  if (o->legacy && o->hashed)
    return error_set(OPIS_ECONFLICT, "%s: recorded by DVC 2, whose lists are of another kind; add the folder as a whole", o->path);
  for (size_t i = 0; i < t->n; i++)
    if (!(t->entries[i].flags & IS_DROPPED))
      t->entries[n++] = t->entries[i];
  t->n = n;
  for (size_t i = 0; i < p->taken.n && code == 0; i++)
    if (!(p->taken.entries[i].flags & IS_DROPPED))
      code = put(t, p->taken.entries[i].path, "", p->taken.entries[i].md5);
  if (code == 0) {
    tree_sort(t);
    code = objects_save(&id, t, p->r, store && o->cache ? db : NULL);
  }
  if (code == 0)
    code = stage_set_output(o->stage, (size_t)(o - o->stage->outs), &id, p->size, t->n, false);
  return code < 0 ? code : odb_sync(db);
}
