#include "data/objects.h"

#include "util/error.h"
#include "util/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

odb *output_store(repo *r, const output *o)
{
  return o->legacy ? &r->legacy : &r->db;
}

static int map_object(file_map *m, odb *db, const oid *o)
{
  char *path, key[OID_KEY];
  odb_key(key, o);
  int code = odb_check(db, o, NULL);
  if (code < 0)
    return code;
  if (asprintf(&path, "%s/%s", db->path, key) < 0)
    return error_nomem();
  code = file_map_open(m, path);
  free(path);
  return code;
}

/* A mapped object counts as this process's memory only where it was just read. */
typedef struct reading {
  file_map map;
  size_t read, passed; /* read: at least so many bytes */
  tree_each *each;
  void *user;
} reading;

static int read_entry(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  enum { KEPT = 1 << 20 };
  reading *r = user;
  r->read += n + TREE_ENTRY_LEAST;
  if (r->read - r->passed >= KEPT) {
    file_map_passed(&r->map, r->passed, r->read);
    r->passed = r->read;
  }
  return r->each(r->user, path, n, md5);
}

int objects_each(odb *db, const oid *o, tree_each *each, void *user)
{
  reading r = {.each = each, .user = user};
  char text[OID_TEXT];
  int code = map_object(&r.map, db, o);
  if (code < 0)
    return code;
  oid_text(text, o);
  code = tree_parse_each((const char *)r.map.data, r.map.size, text, read_entry, &r);
  file_map_close(&r.map);
  return code;
}

int objects_load(tree *t, odb *db, const oid *o)
{
  char text[OID_TEXT];
  *t = (tree)TREE_INIT;
  int code = objects_each(db, o, tree_collect, t);
  oid_text(text, o);
  if (code < 0)
    tree_free(t);
  return code < 0 ? code : tree_finish(t, text);
}

static int sink(void *user, const char *bytes, size_t n)
{
  const int *fd = user;
  return file_write_all(*fd, bytes, n, "directory object");
}

int objects_save(oid *o, const tree *t, repo *r, odb *store)
{
  odb_temporary temporary;
  (void)r;
  o->dir = true;
  int code = tree_write(t, o->md5, NULL, NULL, NULL);
  if (code < 0 || !store || odb_has(store, o))
    return code;
  code = odb_new(&temporary, store, o);
  if (code < 0)
    return code;
  code = tree_write(t, o->md5, NULL, sink, &temporary.fd);
  if (code < 0) {
    odb_drop(&temporary, store);
    return code;
  }
  return odb_keep(&temporary, store, o);
}

static bool is_dependency(const output *o)
{
  return o->stage && o >= o->stage->deps && o < o->stage->deps + o->stage->n_deps;
}

static int look(tree *t, path_kind *kind, repo *r, const char *rel, const output *o, odb *store)
{
  bool ignored = false, dependency = is_dependency(o), foreign = dependency || (o->stage && !o->cache);
  *t = (tree)TREE_INIT;
  *kind = scan_kind(r, rel);
  int code = *kind == PATH_MISSING || o->outside ? 0 : scan_is_ignored(&ignored, r, rel, *kind == PATH_FOLDER);
  if (code < 0)
    return code;
  if (ignored && !dependency)
    *kind = PATH_MISSING;
  if (*kind == PATH_MISSING || (ignored && *kind == PATH_FOLDER)) /* DVC sees an ignored folder that something depends on as an empty one */
    return 0;
  if (*kind == PATH_OTHER)
    return error_set(OPIS_EINVALID, "%s: neither a file nor a folder", rel);
  code = *kind == PATH_FILE ? scan_file(t, r, rel) : scan_folder(t, r, rel);
  if (code == 0)
    code = foreign && !store ? scan_hash_foreign(t, r, rel, o->outside ? o->outside : rel, o->legacy) : scan_hash(t, r, rel, o->legacy, store);
  if (code < 0)
    tree_free(t);
  return code;
}

int output_look(tree *t, path_kind *kind, repo *r, const output *o, odb *store)
{
  repo around;
  if (!o->outside)
    return look(t, kind, r, o->path, o, store);
  int code = repo_around(&around, r, o->outside);
  if (code == 0)
    code = look(t, kind, &around, path_name(o->outside), o, NULL);
  repo_around_close(&around);
  return code;
}

int output_hash(oid *id, tree *t, path_kind *kind, repo *r, const output *o, odb *store)
{
  *id = (oid){.dir = false};
  int code = output_look(t, kind, r, o, store);
  if (code < 0)
    return code;
  if (*kind == PATH_FOLDER)
    code = objects_save(id, t, r, store);
  else if (*kind == PATH_FILE)
    memcpy(id->md5, t->entries[0].md5, MD5_SIZE);
  if (code < 0)
    tree_free(t);
  return code;
}

int output_state(const char **state, repo *r, const output *o)
{
  bool there = true;
  int code = o->path && o->hashed && o->cache && !is_dependency(o) ? output_in_cache(&there, r, o) : 0;
  *state = there ? NULL : "not in cache";
  return code == 0 && there ? output_changed(state, r, o) : code;
}

int output_changed(const char **state, repo *r, const output *o)
{
  tree t;
  path_kind kind;
  oid id;
  *state = NULL;
  if (!o->path && !o->outside)
    return 0;
  int code = output_hash(&id, &t, &kind, r, o, NULL);
  if (code < 0)
    return code;
  if (kind == PATH_MISSING)
    *state = "deleted";
  else if (!(o->hashed && oid_same(&id, &o->oid)))
    *state = "modified";
  tree_free(&t);
  return 0;
}

int output_want(tree *t, repo *r, const output *o)
{
  if (o->oid.dir)
    return objects_load(t, output_store(r, o), &o->oid);
  *t = (tree)TREE_INIT;
  tree_entry *e = tree_add(t, "", 0);
  if (!e)
    return OPIS_ENOMEM;
  memcpy(e->md5, o->oid.md5, MD5_SIZE);
  e->flags = TREE_HASHED | (o->executable ? TREE_EXECUTABLE : 0);
  return 0;
}

typedef struct presence {
  odb *db;
  uint8_t (*md5)[MD5_SIZE];
  size_t n, capacity;
  bool missing;
} presence;

static int remember(void *user, const char *path, size_t n, const uint8_t md5[MD5_SIZE])
{
  presence *p = user;
  (void)path;
  (void)n;
  if (p->n == p->capacity) {
    size_t capacity = p->capacity ? p->capacity * 2 : 1024;
    uint8_t(*larger)[MD5_SIZE] = realloc(p->md5, capacity * sizeof *larger);
    if (!larger)
      return error_nomem();
    p->md5 = larger;
    p->capacity = capacity;
  }
  memcpy(p->md5[p->n++], md5, MD5_SIZE);
  return 0;
}

static void ask(void *user, size_t begin, size_t end, int thread)
{
  presence *p = user;
  (void)thread;
  for (size_t i = begin; i < end && !__atomic_load_n(&p->missing, __ATOMIC_RELAXED); i++) {
    oid o = {.dir = false};
    memcpy(o.md5, p->md5[i], MD5_SIZE);
    if (!odb_has(p->db, &o))
      __atomic_store_n(&p->missing, true, __ATOMIC_RELAXED);
  }
}

int output_in_cache(bool *there, repo *r, const output *o)
{
  presence p = {.db = output_store(r, o)};
  *there = false;
  int code = odb_check(p.db, &o->oid, NULL);
  if (code == 0 && o->oid.dir)
    code = objects_each(p.db, &o->oid, remember, &p);
  if (code == 0) {
    pool_for(r->pool, p.n, 256, ask, &p);
    *there = !p.missing;
  }
  free(p.md5);
  return code == OPIS_ENOTFOUND || code == OPIS_EFORMAT ? 0 : code;
}

/* ---- lists ---- */

static int append(change **items, size_t *n, char kind, const char *path)
{
  if ((*n & (*n - 1)) == 0) {
    change *larger = realloc(*items, (*n ? *n * 2 : 1) * sizeof *larger);
    if (!larger)
      return error_nomem();
    *items = larger;
  }
  char *copy = strdup(path);
  if (!copy)
    return error_nomem();
  (*items)[(*n)++] = (change){kind, copy};
  return 0;
}

int changes_add(changes *c, char kind, const char *path)
{
  return append(&c->items, &c->n, kind, path);
}

int changes_fail(changes *c, const char *path)
{
  return append(&c->failed, &c->n_failed, '?', path);
}

void changes_free(changes *c)
{
  for (size_t i = 0; i < c->n; i++)
    free(c->items[i].path);
  for (size_t i = 0; i < c->n_failed; i++)
    free(c->failed[i].path);
  free(c->items);
  free(c->failed);
  *c = (changes){0};
}

int names_add(name_list *l, const char *s)
{
  char **larger = realloc(l->items, (l->n + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  l->items = larger;
  if (!(larger[l->n] = strdup(s)))
    return error_nomem();
  l->n++;
  return 0;
}

int names_add_once(name_set *s, const char *name)
{
  size_t n = strlen(name);
  if (map_get(&s->known, name, n))
    return 0;
  int code = names_add(&s->list, name);
  return code < 0 ? code : map_put(&s->known, s->list.items[s->list.n - 1], n, s->list.n - 1);
}

void name_set_free(name_set *s)
{
  names_free(&s->list);
  map_free(&s->known);
}

void names_free(name_list *l)
{
  for (size_t i = 0; i < l->n; i++)
    free(l->items[i]);
  free(l->items);
  *l = (name_list){0};
}
