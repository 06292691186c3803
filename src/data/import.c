/* opis data import and update: data of another repository, with a stage file that says where they came from. */
#include "data/git.h"
#include "data/gitignore.h"
#include "data/objects.h"
#include "data/progress.h"
#include "data/source.h"
#include "data/stage_md5.h"
#include "data/transfer.h"

#include "util/error.h"
#include "util/file.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The files of a view become, one by one, those of the directory object: their paths begin behind the one that was asked for. */
typedef struct taking {
  repo *r;
  source *s;
  tree files;
  size_t skip; /* bytes of the path in the source before that */
  progress done;
} taking;

/* What the source has as a file, or as an object of DVC 2, becomes an object of ours. */
static int store(repo *r, source *s, tree_entry *e, const char *path, const watch *w)
{
  int from = -1;
  char *bytes = NULL;
  size_t n = 0;
  odb_temporary t;
  oid id = {.dir = false};
  int code = 0;
  if (e->flags & VIEW_LINK)
    return error_set(OPIS_EUNSUPPORTED, "%s: a symbolic link in the source's git; import the file that it leads to", path);
  memcpy(id.md5, e->md5, MD5_SIZE);
  code = e->flags & VIEW_FILE_HERE ? source_file(&from, &bytes, &n, s, path) : source_read(&from, s, &id, true);
  if (code == 0)
    code = odb_new(&t, &r->db, NULL);
  if (code == 0) {
    code = from >= 0 ? copy_file(t.fd, from, true, path, NULL) : file_write_all(t.fd, bytes, n, path);
    if (code == 0 && lseek(t.fd, 0, SEEK_SET) != 0)
      code = error_set_errno("%s", path);
    if (code == 0)
      code = md5_fd(id.md5, &e->size, t.fd, path, w);
    if (code == 0)
      code = odb_keep(&t, &r->db, &id);
    else
      odb_drop(&t, &r->db);
  }
  if (from >= 0)
    close(from);
  free(bytes);
  memcpy(e->md5, id.md5, MD5_SIZE);
  return code;
}

static int take_one(void *user, size_t i)
{
  taking *t = user;
  tree_entry *e = &t->files.entries[i];
  const char *path = e->path - t->skip;
  int code = 0;
  if (e->flags & (VIEW_FILE_HERE | VIEW_LEGACY))
    code = store(t->r, t->s, e, path, &(watch){progress_bytes, &t->done});
  else if (e->flags & TREE_HASHED) {
    oid id = {.dir = false};
    memcpy(id.md5, e->md5, MD5_SIZE);
    code = odb_check(&t->r->db, &id, &e->size);
  } else
    code = error_set(OPIS_ENOTFOUND, "%s: the source says nothing of its content yet", path);
  e->flags = TREE_HASHED;
  progress_add(&t->done, 1, 0);
  return code;
}

static int make_single(tree *t, const tree_entry *root)
{
  tree_free(t);
  tree_entry *e = tree_add(t, root->path, strlen(root->path));
  if (!e)
    return OPIS_ENOMEM;
  e->flags = root->flags;
  memcpy(e->md5, root->md5, MD5_SIZE);
  return 0;
}

int source_take(taken *what, repo *r, source *s, const char *path, int jobs)
{
  tree_entry root;
  taking t = {.r = r, .s = s};
  tree *files = &t.files;
  size_t n = 0;
  *what = (taken){0};
  int code = source_view(files, &root, s, path, &(view_options){.recursive = true});
  if (code < 0)
    return code;
  bool folder = (root.flags & VIEW_DIR) != 0;
  code = source_bring(s, files, &root, false, jobs);
  odb_temporary none;
  if (code == 0 && r->db.fd < 0 && (code = odb_new(&none, &r->db, NULL)) == 0) /* the source's side has just made our cache: it is opened here, too */
    odb_drop(&none, &r->db);
  if (code == 0 && !folder)
    code = make_single(files, &root);
  t.skip = strlen(path) + (folder && *path);
  for (size_t i = 0; i < files->n; i++)
    if (!folder || !(files->entries[i].flags & VIEW_DIR)) {
      files->entries[n] = files->entries[i];
      files->entries[n++].path += t.skip;
    }
  files->n = n;
  t.done = (progress){.r = r, .what = "Importing", .of_files = n};
  if (code == 0)
    code = transfer_parallel(r, n, jobs ? jobs : 8, take_one, &t);
  if (code == 0 && folder)
    code = objects_save(&what->id, files, r, &r->db);
  else if (code == 0)
    memcpy(what->id.md5, files->entries[0].md5, MD5_SIZE);
  if (code == 0)
    code = odb_sync(&r->db);
  what->size = tree_bytes(files);
  what->files = n;
  tree_free(files);
  return code;
}

/* ---- the stage file ---- */

static void put_value(strbuf *b, const char *indent, const char *key, const char *value, int *code)
{
  if (!value || *code < 0)
    return;
  strbuf_printf(b, "%s%s:", indent, key);
  *code = yaml_put_string(b, value, strlen(indent) + strlen(key) + 1, strlen(indent) + 2);
  strbuf_putc(b, '\n');
}

static int write_stage(stage **s, const char *file, const char *out, const char *url, const char *path, const source_options *o, const char *lock)
{
  strbuf b = STRBUF_INIT;
  int code = 0;
  strbuf_puts(&b, "frozen: true\ndeps:\n");
  put_value(&b, "- ", "path", path, &code);
  strbuf_puts(&b, "  repo:\n");
  put_value(&b, "    ", "url", url, &code);
  put_value(&b, "    ", "rev", o->rev, &code);
  put_value(&b, "    ", "rev_lock", lock && *lock ? lock : NULL, &code);
  put_value(&b, "    ", "config", o->config, &code);
  if (o->n_remote_config) {
    strbuf_puts(&b, "    remote:\n");
    for (int i = 0; i < o->n_remote_config && code == 0; i++) {
      const char *equals = strchr(o->remote_config[i], '=');
      char *key = equals ? strndup(o->remote_config[i], (size_t)(equals - o->remote_config[i])) : NULL;
      if (key)
        put_value(&b, "      ", key, equals + 1, &code);
      free(key);
    }
  } else
    put_value(&b, "    ", "remote", o->remote, &code);
  strbuf_puts(&b, "outs:\n- hash: md5\n");
  put_value(&b, "  ", "path", out, &code);
  if (code == 0 && strbuf_check(&b) < 0)
    code = error_nomem();
  if (code == 0)
    code = stage_parse(s, file, b.s, b.n);
  strbuf_free(&b);
  return code;
}

/* md5, size and nfiles go before what a new file has: in DVC's order. */
static int fill_new(stage *s, const taken *what)
{
  char md5[OID_TEXT];
  strbuf b = STRBUF_INIT, quoted = STRBUF_INIT;
  const char *outs = strstr(s->text.s, "\nouts:\n- hash: md5\n");
  oid_text(md5, &what->id);
  int code = yaml_put_string(&quoted, md5, 6, 4);
  strbuf_append(&b, s->text.s, (size_t)(outs - s->text.s));
  strbuf_printf(&b, "\nouts:\n- md5:%s\n  size: %llu\n", quoted.s, (unsigned long long)what->size);
  if (what->id.dir)
    strbuf_printf(&b, "  nfiles: %zu\n", what->files);
  strbuf_printf(&b, "  %s", outs + 9);
  strbuf_free(&quoted);
  if (code == 0 && strbuf_check(&b) < 0)
    code = error_nomem();
  if (code < 0) {
    strbuf_free(&b);
    return code;
  }
  strbuf_free(&s->text);
  s->text = b;
  s->outs[0].oid = what->id;
  s->outs[0].hashed = true;
  s->outs[0].legacy = false;
  return 0;
}

/* ---- import ---- */

/* Where it goes, root-relative. */
static int resolve(char **rel, repo *r, const char *path, const import_options *o)
{
  char *typed = NULL;
  const char *name = path_name(path);
  if (!*name && !o->out)
    return error_set(OPIS_EINVALID, "the whole repository: name where it goes with -o");
  if (!o->out)
    typed = strdup(name);
  else if (file_is_folder(o->out) && *name) {
    if (asprintf(&typed, "%s/%s", o->out, name) < 0)
      typed = NULL;
  } else
    typed = strdup(o->out);
  if (!typed)
    return error_nomem();
  int code = repo_relative(rel, r, typed);
  free(typed);
  if (code < 0)
    return code;
  if (**rel == '\0')
    code = error_set(OPIS_EINVALID, "the repository itself cannot be an import; name a path in it with -o");
  else
    code = repo_check_folder(r, *rel);
  if (code == 0 && !o->force && scan_kind(r, *rel) != PATH_MISSING)
    code = error_set(OPIS_EEXISTS, "%s: exists already; --force takes its place", *rel);
  return code < 0 ? code : repo_check_no_links(r, *rel);
}

int data_import(name_list *written, repo *r, const char *url, const char *typed, const import_options *o)
{
  stages set = {0};
  stage *st = NULL;
  source *s = NULL;
  taken what = {0};
  changes c = {0};
  char *path = NULL, *rel = NULL, *file = NULL, *shown = NULL;
  source_options from = *o->source;
  from.into = r;
  int code = stages_load(&set, r);
  if (code == 0)
    code = source_path(&path, NULL, typed);
  if (code == 0)
    code = resolve(&rel, r, path, o);
  if (code == 0 && asprintf(&file, "%s.dvc", rel) < 0) {
    file = NULL;
    code = error_nomem();
  }
  if (code == 0 && from.remote && from.n_remote_config)
    code = error_set(OPIS_EUNSUPPORTED, "--remote with --remote-config in an import: write both into a file of configuration and name it with --config");
  if (code == 0 && !o->force && scan_kind(r, file) != PATH_MISSING)
    code = error_set(OPIS_EEXISTS, "%s: exists already; --force takes its place", file);
  if (code == 0)
    code = stages_check_free(&set, rel, file);
  if (code == 0)
    code = stage_check_place(r, file);
  if (code == 0)
    code = gitignore_check_untracked(r, rel);
  if (code == 0)
    code = lock_check_paths(r, (const char *const[]){rel}, 1, true);
  free(path);
  path = NULL;
  if (code == 0 && !o->no_exec)
    code = source_open(&s, &path, url, typed, &from);
  if (code == 0 && !o->no_exec && !o->no_download)
    code = source_take(&what, r, s, path, o->jobs);
  else if (code == 0 && s) { /* it must be there all the same */
    tree_entry root;
    tree t;
    code = source_view(&t, &root, s, path, &(view_options){0});
    tree_free(&t);
  }
  if (code == 0)
    code = write_stage(&st, file, path_name(rel), url, typed, &from, s ? s->lock : NULL);
  if (code == 0 && s && !o->no_download)
    code = fill_new(st, &what);
  if (code == 0 && s)
    code = stage_put_md5(st, true);
  if (code == 0)
    code = gitignore_add(r, rel);
  if (code == 0)
    code = stage_save(r, st);
  if (code == 0 && st->outs[0].hashed)
    code = place_output(&c, r, &st->outs[0], NULL, &(checkout_options){.force = o->force});
  if (code == 0) {
    shown = repo_shown(r, file);
    code = shown ? names_add(written, shown) : error_nomem();
  }
  changes_free(&c);
  source_close(s);
  stage_free(st);
  stages_free(&set);
  free(path);
  free(rel);
  free(file);
  free(shown);
  int staged = repo_stage_touched(r);
  return code < 0 ? code : staged;
}

/* ---- update, and bringing ---- */

/* Settings that the stage file has beside the revision. The strings are the node's and *list's. */
static int read_settings(source_options *o, name_list *list, const yaml_node *root)
{
  const yaml_node *deps = yaml_get(root, "deps"), *from = deps && deps->kind == YAML_SEQUENCE && deps->n ? yaml_get(deps->items[0], "repo") : NULL;
  const yaml_node *settings = yaml_get(from, "config"), *where = yaml_get(from, "remote");
  if (settings && settings->kind != YAML_SCALAR)
    return error_set(OPIS_EUNSUPPORTED, "an import with settings in its .dvc file ('config:'), which opis does not read; write them into a file and name it there");
  if (settings)
    o->config = settings->text;
  if (where && where->kind == YAML_SCALAR)
    o->remote = where->text;
  for (size_t i = 0; where && where->kind == YAML_MAPPING && i + 1 < where->n; i += 2) {
    char *pair = NULL;
    if (where->items[i]->kind != YAML_SCALAR || where->items[i + 1]->kind != YAML_SCALAR)
      continue;
    int code = asprintf(&pair, "%s=%s", where->items[i]->text, where->items[i + 1]->text) < 0 ? error_nomem() : names_add(list, pair);
    if (code < 0)
      return code;
    free(pair);
  }
  o->remote_config = list->items;
  o->n_remote_config = (int)list->n;
  return 0;
}

/* A path of a source as the .dvc file has it: from where the user stands, as DVC takes it, else from the file's own folder. malloc'ed. */
static char *find_url(const repo *r, const stage *s, const char *url)
{
  char *folder, *there = NULL;
  struct stat st;
  if (url[0] == '/' || strstr(url, "://") || stat(url, &st) == 0)
    return strdup(url);
  folder = path_folder(s->file);
  if (folder && asprintf(&there, "%s/%s/%s", r->root, folder, url) >= 0 && stat(there, &st) != 0) {
    free(there);
    there = strdup(url); /* "user@host:path", or nothing: git will say */
  }
  free(folder);
  return there;
}

static int open_source(source **s, char **path, repo *r, const stage *st, const char *rev)
{
  yaml_node *root = NULL;
  name_list list = {0};
  source_options from = {.rev = rev, .into = r, .hooks = r->hooks};
  char *folder = NULL, *url = NULL;
  int code = yaml_parse(&root, st->text.s, st->text.n, st->file);
  if (code == 0)
    code = read_settings(&from, &list, root);
  if (code == 0 && asprintf(&folder, "%s/tmp/opis", r->dvc) < 0) {
    folder = NULL;
    code = error_nomem();
  }
  from.folder = folder;
  if (code == 0 && !(url = find_url(r, st, st->deps[0].repo_url)))
    code = error_nomem();
  if (code == 0)
    code = source_open(s, path, url, st->deps[0].written, &from);
  names_free(&list);
  yaml_node_free(root);
  free(folder);
  free(url);
  return code < 0 ? error_prefix(code, "%s", st->file) : 0;
}

static bool from_repo(const stage *s)
{
  return stage_is_import(s) && s->deps[0].repo_url && s->n_outs == 1 && s->outs[0].path;
}

int import_outdated(bool *outdated, repo *r, const stage *s)
{
  char hex[41] = "";
  *outdated = false;
  if (!from_repo(s) || !s->deps[0].repo_rev_lock)
    return 0;
  char *url = find_url(r, s, s->deps[0].repo_url);
  if (!url)
    return error_nomem();
  int code = source_newest(hex, url, s->deps[0].repo_rev, &r->hooks);
  free(url);
  *outdated = code == 0 && hex[0] && strcmp(hex, s->deps[0].repo_rev_lock) != 0;
  return code;
}

int import_bring(repo *r, stage *st, int jobs, uint64_t *brought)
{
  source *s;
  taken what;
  bool there = false;
  output *o = &st->outs[0];
  if (!from_repo(st) || o->refused)
    return 0;
  int code = o->hashed ? output_in_cache(&there, r, o) : 0;
  if (code < 0 || there)
    return code;
  char *path = NULL;
  code = open_source(&s, &path, r, st, st->deps[0].repo_rev_lock ? st->deps[0].repo_rev_lock : st->deps[0].repo_rev);
  if (code == 0)
    code = source_take(&what, r, s, path, jobs);
  if (code == 0) {
    *brought += what.files;
    if (o->hashed && !oid_same(&what.id, &o->oid))
      code = error_set(OPIS_ECONFLICT, "%s: the source has other data there than when this was imported; 'opis data update %s' takes them", st->file, st->file);
    else if (!o->hashed) /* an import without its data so far */
      o->oid = what.id, o->hashed = true, o->legacy = false;
  }
  free(path);
  source_close(s);
  return code;
}

static int set_repo_key(stage *s, const char *key, const char *value)
{
  strbuf quoted = STRBUF_INIT;
  int code = yaml_put_string(&quoted, value, strlen(key) + 5, 6);
  if (code == 0)
    code = strbuf_check(&quoted) < 0 ? error_nomem() : yaml_set(&s->text, (const char *const[]){"deps", "#0", "repo", NULL}, key, quoted.s + 1, s->file);
  strbuf_free(&quoted);
  return code;
}

static int clear_out(stage *s)
{
  static const char *const keys[] = {"md5", "size", "nfiles"};
  int code = 0;
  for (int i = 0; i < 3 && code == 0; i++)
    code = yaml_set(&s->text, (const char *const[]){"outs", "#0", NULL}, keys[i], NULL, s->file);
  return code;
}

static int update_one(changes *c, repo *r, stage *st, const update_options *o)
{
  source *s;
  taken what = {0};
  char *path = NULL;
  output *out = &st->outs[0];
  const char *rev = o->rev ? o->rev : st->deps[0].repo_rev, *before = st->deps[0].repo_rev_lock;
  int code = lock_check_paths(r, (const char *const[]){out->path}, 1, true);
  if (code == 0)
    code = open_source(&s, &path, r, st, rev);
  if (code < 0) {
    free(path);
    return code;
  }
  bool moved = !before || strcmp(before, s->lock) != 0 || !out->hashed;
  if (!o->no_download)
    code = source_take(&what, r, s, path, o->jobs);
  if (code == 0 && o->rev)
    code = set_repo_key(st, "rev", o->rev);
  if (code == 0 && s->lock[0])
    code = set_repo_key(st, "rev_lock", s->lock);
  if (code == 0 && !o->no_download)
    code = stage_set_output(st, 0, &what.id, what.size, what.files, false);
  if (code == 0 && (moved || !o->no_download))
    code = stage_put_md5(st, false);
  if (code == 0 && o->no_download && moved)
    code = clear_out(st);
  if (code == 0 && !o->no_download) /* before the .dvc file, which then says what is there: it refuses where changes would be lost */
    code = place_output(c, r, out, NULL, &(checkout_options){.force = false});
  if (code == OPIS_ECONFLICT) /* neither can be added, nor has update a --force */
    code = error_set(code, "%s: has changes of its own that no version has; 'opis data checkout --force %s' gives them up, or move them elsewhere", out->path, st->file);
  if (code == 0)
    code = stage_save(r, st);
  if (code == 0 && o->no_download && moved && scan_kind(r, out->path) != PATH_MISSING && out->hashed)
    code = place_remove(c, r, out->path, output_store(r, out), false); /* as DVC: what is there now is not what the file says */
  source_close(s);
  free(path);
  return code;
}

int data_update(changes *c, repo *r, char *const *names, int n, const update_options *o)
{
  stages set;
  targets t = {0};
  int code = stages_load(&set, r);
  if (code < 0)
    return code;
  code = targets_collect(&t, r, &set, names, n, o->recursive, false);
  for (size_t i = 0; i < t.n && code == 0; i++) {
    const stage *s = t.items[i].out->stage;
    if (!from_repo(s))
      code = error_set(stage_is_import(s) ? OPIS_EUNSUPPORTED : OPIS_EINVALID, "%s: %s", s->file,
        stage_is_import(s) ? "an import of a URL, which opis does not update ('dvc update' does)" : "no import: there is nothing that it follows");
  }
  for (size_t i = 0; i < t.n && code == 0; i++)
    code = update_one(c, r, t.items[i].out->stage, o);
  targets_free(&t);
  stages_free(&set);
  int staged = repo_stage_touched(r);
  return code < 0 ? code : staged;
}
