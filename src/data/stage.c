/* Stage files parsed. */
#include "data/stage_parts.h"

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stage_free(stage *s)
{
  if (!s)
    return;
  for (int deps = 0; deps < 2; deps++) {
    output *o = deps ? s->deps : s->outs;
    for (size_t i = 0; i < (deps ? s->n_deps : s->n_outs); i++) {
      free(o[i].path);
      free(o[i].outside);
      free(o[i].written);
      free(o[i].remote);
      free(o[i].repo_url);
      free(o[i].repo_rev);
      free(o[i].repo_rev_lock);
      free(o[i].etag);
      free(o[i].checksum_key);
    }
    free(o);
  }
  free(s->file);
  free(s->name);
  free(s->wdir);
  free(s->md5);
  free(s->cmd);
  strbuf_free(&s->text);
  free(s);
}

void stages_free(stages *set)
{
  for (size_t i = 0; i < set->n; i++)
    stage_free(set->items[i]);
  free(set->items);
  map_free(&set->outs);
  map_free(&set->above);
  map_free(&set->files);
  arena_free(&set->memory);
  for (size_t i = 0; i < set->n_broken; i++) {
    free(set->broken[i].file);
    free(set->broken[i].name);
    free(set->broken[i].why);
  }
  for (size_t i = 0; i < set->n_empty; i++) {
    free(set->empty[i].file);
    free(set->empty[i].name);
  }
  free(set->empty);
  free(set->broken);
  *set = (stages){0};
}

static char *copy(const char *s)
{
  return s ? strdup(s) : NULL;
}

int stages_note_broken(stages *set, const char *file, const char *name, int code)
{
  if (!set->lazy || code == OPIS_ENOMEM || code == OPIS_ECANCELLED)
    return code;
  struct broken_stage *larger = realloc(set->broken, (set->n_broken + 1) * sizeof *larger), *b;
  if (!larger)
    return error_nomem();
  set->broken = larger;
  b = &larger[set->n_broken++];
  *b = (struct broken_stage){strdup(file), copy(name), strdup(opis_error_message()), code};
  return b->file && b->why && (b->name || !name) ? 0 : error_nomem();
}

int stages_note_empty(stages *set, const char *file, const char *name)
{
  struct empty_name *larger = realloc(set->empty, (set->n_empty + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  set->empty = larger;
  larger[set->n_empty++] = (struct empty_name){strdup(file), copy(name)};
  return larger[set->n_empty - 1].file && (larger[set->n_empty - 1].name || !name) ? 0 : error_nomem();
}

/* Where there are two of a name, the first one counts. */
static int put_first(map *m, const char *key, size_t length, size_t value)
{
  return map_get(m, key, length) ? 0 : map_put(m, key, length, value);
}

static int put_output(stages *set, output *o)
{
  size_t n = strlen(o->path);
  int code = put_first(&set->outs, o->path, n, (size_t)(uintptr_t)o);
  while (code == 0) {
    while (n > 0 && o->path[n - 1] != '/')
      n--;
    if (n == 0 || map_get(&set->above, o->path, --n)) /* where one folder is known, so are those above it */
      break;
    code = map_put(&set->above, o->path, n, (size_t)(uintptr_t)o);
  }
  return code;
}

int stages_append(stages *set, stage *s)
{
  if ((set->n & (set->n - 1)) == 0) {
    stage **larger = realloc(set->items, (set->n ? set->n * 2 : 1) * sizeof *larger);
    if (!larger) {
      stage_free(s);
      return error_nomem();
    }
    set->items = larger;
  }
  set->items[set->n++] = s;
  int code = put_first(&set->files, s->file, strlen(s->file), set->n - 1);
  for (size_t i = 0; i < s->n_outs && code == 0; i++)
    if (s->outs[i].path)
      code = put_output(set, &s->outs[i]);
  return code;
}

bool stage_is_import(const stage *s)
{
  return !s->name && !s->cmd && s->n_deps == 1 && s->n_outs == 1;
}

char *output_shown(const repo *r, const output *o)
{
  return o->path ? repo_shown(r, o->path) : strdup(o->outside ? o->outside : o->written);
}

char *stage_address(const repo *r, const stage *s)
{
  char *file = repo_shown(r, s->file), *out = NULL;
  if (!file || !s->name)
    return file;
  if (strcmp(file, "dvc.yaml") == 0)
    out = strdup(s->name);
  else if (asprintf(&out, "%s:%s", file, s->name) < 0)
    out = NULL;
  free(file);
  return out;
}

stage *stage_begin(const char *rel, const char *name)
{
  stage *s = calloc(1, sizeof *s);
  if (!s)
    return NULL;
  s->file = strdup(rel);
  s->name = copy(name);
  s->wdir = path_folder(rel);
  if (s->file && s->wdir && (!name || s->name))
    return s;
  stage_free(s);
  return NULL;
}

output *stage_add_entry(stage *s, bool dep)
{
  output **list = dep ? &s->deps : &s->outs;
  size_t *n = dep ? &s->n_deps : &s->n_outs;
  output *larger = realloc(*list, (*n + 1) * sizeof *larger);
  if (!larger)
    return NULL;
  *list = larger;
  larger[*n] = (output){.stage = s, .cache = true, .push = true, .legacy = true};
  return &larger[(*n)++];
}

/* A path that is absolute, a URL, or leads out has no place in the repository. */
int output_place(output *o, const char *written)
{
  o->written = strdup(written);
  if (!o->written)
    return error_nomem();
  if (strstr(written, "://") || written[0] == '/')
    return 0;
  o->path = path_normal(o->stage->wdir, written);
  if (o->path && o->path[0] == '\0') {
    free(o->path);
    o->path = NULL;
  }
  return 0;
}

/* An entry of "outs" or "deps", of a .dvc file or of dvc.lock. */
int stage_read_entry(stage *s, const yaml_node *node, bool dep)
{
  const char *path = yaml_text(node, "path"), *md5 = yaml_text(node, "md5");
  static const char *const sums[] = {"etag", "checksum"};
  if (!path)
    return error_set(OPIS_EFORMAT, "%s: an entry of '%s' has no path", s->file, dep ? "deps" : "outs");
  output *o = stage_add_entry(s, dep);
  if (!o)
    return error_nomem();
  int code = output_place(o, path);
  if (code < 0)
    return code;
  o->legacy = !yaml_get(node, "hash");
  o->executable = yaml_bool(node, "isexec", false);
  o->cache = yaml_bool(node, "cache", true);
  o->push = yaml_bool(node, "push", true);
  o->has_size = yaml_text(node, "size") != NULL;
  o->has_nfiles = yaml_text(node, "nfiles") != NULL;
  int64_t size = yaml_int(node, "size", 0), nfiles = yaml_int(node, "nfiles", 0);
  o->size = size > 0 ? (uint64_t)size : 0;
  o->nfiles = nfiles > 0 ? (uint64_t)nfiles : 0;
  o->remote = copy(yaml_text(node, "remote"));
  if (md5) {
    o->hashed = oid_parse(&o->oid, md5);
    if (!o->hashed && !dep)
      return error_set(OPIS_EFORMAT, "%s: '%s' is no md5", s->file, md5);
    o->checksum_key = strdup("md5");
  }
  for (int i = 0; i < 2 && !o->etag; i++)
    if ((o->etag = copy(yaml_text(node, sums[i])))) {
      free(o->checksum_key);
      o->checksum_key = strdup(sums[i]);
    }
  const yaml_node *from = yaml_get(node, "repo");
  o->repo_url = copy(yaml_text(from, "url"));
  o->repo_rev = copy(yaml_text(from, "rev"));
  o->repo_rev_lock = copy(yaml_text(from, "rev_lock"));
  if (o->repo_url) { /* a path in that repository, not in ours */
    free(o->path);
    o->path = NULL;
  }
  if (!dep) {
    if (yaml_get(node, "files") || yaml_get(node, "cloud") || yaml_get(node, "version_id"))
      o->refused = "cloud-versioned data, which opis does not handle";
    else if (!o->path)
      o->refused = "outside of the repository";
  }
  return 0;
}

static int read_entries(stage *s, const yaml_node *list, bool dep)
{
  int code = 0;
  if (list && list->kind != YAML_SEQUENCE)
    return error_set(OPIS_EFORMAT, "%s: '%s' is no list", s->file, dep ? "deps" : "outs");
  for (size_t i = 0; list && i < list->n && code == 0; i++)
    code = stage_read_entry(s, list->items[i], dep);
  return code;
}

int stage_set_wdir(stage *s, const char *wdir)
{
  if (!wdir || strcmp(wdir, ".") == 0)
    return 0;
  if (wdir[0] == '/')
    return error_set(OPIS_EINVALID, "%s: wdir '%s' is no path inside of the repository; make it relative to the file", s->file, wdir);
  char *at = path_normal(s->wdir, wdir);
  if (!at)
    return error_prefix(OPIS_EINVALID, "%s: wdir", s->file);
  free(s->wdir);
  s->wdir = at;
  return 0;
}

int stage_parse(stage **out, const char *rel, const char *text, size_t n)
{
  yaml_node *root;
  *out = NULL;
  int code = yaml_parse(&root, text, n, rel);
  if (code < 0)
    return code;
  stage *s = stage_begin(rel, NULL);
  if (!s)
    code = error_nomem();
  else if (root && root->kind != YAML_MAPPING)
    code = error_set(OPIS_EFORMAT, "%s: no .dvc file: the top is no mapping", rel);
  else {
    strbuf_append(&s->text, text, n);
    s->frozen = yaml_bool(root, "frozen", false) || yaml_bool(root, "locked", false);
    s->always_changed = yaml_bool(root, "always_changed", false);
    s->md5 = copy(yaml_text(root, "md5"));
    s->cmd = copy(yaml_text(root, "cmd"));
    code = strbuf_check(&s->text) < 0 ? error_nomem() : stage_set_wdir(s, yaml_text(root, "wdir"));
    if (code == 0)
      code = read_entries(s, yaml_get(root, "outs"), false);
    if (code == 0)
      code = read_entries(s, yaml_get(root, "deps"), true);
  }
  yaml_node_free(root);
  if (code < 0)
    stage_free(s);
  else
    *out = s;
  return code;
}

static int locate(output *o, bool dep, const char *root, const char *wdir)
{
  size_t n = strlen(root);
  if (o->path || o->repo_url || strstr(o->written, "://"))
    return 0;
  char *at = path_normal(wdir, o->written);
  if (!at)
    return error_nomem();
  if (strncmp(at, root, n) == 0 && at[n] == '/' && at[n + 1]) {
    o->path = strdup(at + n + 1);
    if (!o->path)
      error_nomem();
    else if (!dep)
      o->refused = NULL;
  } else if (dep) {
    o->outside = at;
    o->legacy = false; /* only the repository's own may have the hash of DVC 2 */
    return 0;
  }
  free(at);
  return dep && !o->path ? OPIS_ENOMEM : 0;
}

int stage_locate(stage *s, const char *root)
{
  char *wdir;
  if (asprintf(&wdir, "%s/%s", root, s->wdir) < 0)
    return error_nomem();
  int code = 0;
  for (size_t i = 0; i < s->n_outs && code == 0; i++)
    code = locate(&s->outs[i], false, root, wdir);
  for (size_t i = 0; i < s->n_deps && code == 0; i++)
    code = locate(&s->deps[i], true, root, wdir);
  free(wdir);
  return code;
}

/* ---- writing ---- */

int stage_new(stage **out, const char *dvc_rel, const char *written)
{
  stage *s = stage_begin(dvc_rel, NULL);
  *out = NULL;
  if (!s)
    return error_nomem();
  strbuf_puts(&s->text, "outs:\n- hash: md5\n  path:");
  int code = yaml_put_string(&s->text, written, 7, 4);
  strbuf_putc(&s->text, '\n');
  output *o = code == 0 ? stage_add_entry(s, false) : NULL;
  if (code == 0)
    code = o ? output_place(o, written) : error_nomem();
  if (code == 0 && strbuf_check(&s->text) < 0)
    code = error_nomem();
  if (code < 0) {
    stage_free(s);
    return code;
  }
  o->legacy = false;
  *out = s;
  return 0;
}

static int set_key(stage *s, const char *list, size_t i, const char *key, const char *value)
{
  char item[24];
  snprintf(item, sizeof item, "#%zu", i);
  const char *at[] = {list, item, NULL};
  return yaml_set(&s->text, at, key, value, s->file);
}

/* The first time, an entry as stage_new wrote it: all of it in DVC's order. *done: it was one. */
static int set_fresh(bool *done, stage *s, const char *md5, uint64_t size, bool folder, uint64_t nfiles, bool executable)
{
  static const char start[] = "outs:\n- hash: md5\n";
  const char *path = strstr(s->text.s, "  path:");
  strbuf text = STRBUF_INIT;
  *done = path && strncmp(s->text.s, start, sizeof start - 1) == 0;
  if (!*done)
    return 0;
  strbuf_printf(&text, "outs:\n- md5:%s\n", md5);
  if (size != SIZE_UNKNOWN)
    strbuf_printf(&text, "  size: %llu\n", (unsigned long long)size);
  if (folder)
    strbuf_printf(&text, "  nfiles: %llu\n", (unsigned long long)nfiles);
  if (executable)
    strbuf_puts(&text, "  isexec: true\n");
  strbuf_puts(&text, "  hash: md5\n");
  strbuf_puts(&text, path);
  strbuf_free(&s->text);
  s->text = text;
  return strbuf_check(&s->text) < 0 ? error_nomem() : 0;
}

/* Size, nfiles and isexec. */
static int set_measures(stage *s, const char *list, size_t i, output *o, bool folder, uint64_t size, uint64_t nfiles, bool executable)
{
  char number[24];
  snprintf(number, sizeof number, "%llu", (unsigned long long)size);
  int code = set_key(s, list, i, "size", size == SIZE_UNKNOWN ? NULL : number);
  snprintf(number, sizeof number, "%llu", (unsigned long long)nfiles);
  if (code == 0)
    code = set_key(s, list, i, "nfiles", folder ? number : NULL);
  if (code == 0)
    code = set_key(s, list, i, "isexec", executable ? "true" : NULL);
  if (code < 0)
    return code;
  o->size = size;
  o->nfiles = nfiles;
  o->has_size = size != SIZE_UNKNOWN;
  o->has_nfiles = folder;
  o->executable = executable;
  return 0;
}

static int set_entry(stage *s, const char *list, size_t i, output *o, const oid *id, uint64_t size, uint64_t nfiles, bool executable)
{
  char md5[OID_TEXT];
  strbuf quoted = STRBUF_INIT;
  bool done = false;
  oid_text(md5, id);
  int code = yaml_put_string(&quoted, md5, 6, 4); /* digits with one e in the middle would be a number */
  if (code == 0 && strbuf_check(&quoted) < 0)
    code = error_nomem();
  if (code == 0 && !o->hashed)
    code = set_fresh(&done, s, quoted.s, size, id->dir, nfiles, executable);
  if (code == 0 && !done) {
    code = set_key(s, list, i, "md5", quoted.s + 1);
    if (code == 0)
      code = set_measures(s, list, i, o, id->dir, size, nfiles, executable);
    if (code == 0)
      code = set_key(s, list, i, "hash", "md5");
  }
  strbuf_free(&quoted);
  if (code < 0)
    return code;
  o->oid = *id;
  o->hashed = true;
  o->legacy = false;
  o->size = size;
  o->nfiles = nfiles;
  o->has_size = size != SIZE_UNKNOWN;
  o->has_nfiles = id->dir;
  o->executable = executable;
  return 0;
}

int stage_set_output(stage *s, size_t i, const oid *id, uint64_t size, uint64_t nfiles, bool executable)
{
  return set_entry(s, "outs", i, &s->outs[i], id, size, nfiles, executable);
}

int stage_measure_output(stage *s, size_t i, uint64_t size, uint64_t nfiles, bool executable)
{
  return set_measures(s, "outs", i, &s->outs[i], s->outs[i].oid.dir, size, nfiles, executable);
}

static int set_path(stage *s, const char *list, size_t i, const char *written)
{
  strbuf value = STRBUF_INIT;
  int code = yaml_put_string(&value, written, 7, 4);
  if (code == 0)
    code = strbuf_check(&value) < 0 ? error_nomem() : set_key(s, list, i, "path", value.s + (value.s[0] == ' '));
  strbuf_free(&value);
  return code;
}

/* A dependency's path as DVC writes it, into the text. */
static int write_path(stage *s, size_t i, const output *meant, const char *root)
{
  char *written = NULL, *folder = NULL;
  if (meant->path)
    written = path_relative(s->wdir, meant->path);
  else if (!meant->outside || meant->written[0] == '/')
    return 0;
  else if (asprintf(&folder, "%s%s%s", root + 1, *s->wdir ? "/" : "", s->wdir) >= 0)
    written = path_relative(folder, meant->outside + 1);
  int code = !written ? error_nomem() : strcmp(written, s->deps[i].written) == 0 ? 0 : set_path(s, "deps", i, written);
  free(written);
  free(folder);
  return code;
}

int stage_set_dependency(stage *s, size_t i, const oid *id, uint64_t size, uint64_t nfiles, bool executable)
{
  output *o = &s->deps[i];
  int code = set_entry(s, "deps", i, o, id, size, nfiles, executable);
  return code < 0 || !o->path ? code : write_path(s, i, o, NULL);
}

int stage_follow_dependencies(stage *s, const stage *before, const char *root)
{
  int code = 0;
  for (size_t i = 0; i < s->n_deps && i < before->n_deps && code == 0; i++)
    code = write_path(s, i, &before->deps[i], root);
  return code;
}

int stage_set_path(stage *s, size_t i, const char *written)
{
  int code = set_path(s, "outs", i, written);
  output *o = &s->outs[i];
  if (code < 0)
    return code;
  free(o->path);
  free(o->written);
  o->path = o->written = NULL;
  return output_place(o, written);
}
