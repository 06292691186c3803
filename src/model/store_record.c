/* Records of installed models: what belongs to them, and whether it still is what it was. Importing folders that are on this machine. */
#include "model/digest.h"
#include "model/json_text.h"
#include "model/model_source.h"
#include "model/store.h"
#include "util/error.h"
#include "util/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_RECORD ((uint64_t)16 << 20)

int model_store_write_record(const char *folder, json_t *record, const char *const *files)
{
  char hex[65], *path;
  json_t *list = json_object();
  int code = list ? 0 : error_nomem();
  for (size_t i = 0; files[i] && code == 0; i++) {
    struct stat st;
    code = path_join(&path, folder, files[i]);
    if (code < 0)
      break;
    code = digest_file(hex, DIGEST_SHA256, path, NULL, NULL);
    if (code == 0 && stat(path, &st) != 0)
      code = error_set_errno("%s", path);
    if (code == 0 && json_object_set_new(list, files[i], json_pack("{sIss}", "size", (json_int_t)st.st_size, "sha256", hex)) != 0)
      code = error_nomem();
    free(path);
  }
  json_object_set_new(record, "files", list);
  char *text = code == 0 ? json_dumps(record, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
  if (code == 0 && !text)
    code = error_nomem();
  if (code == 0 && (code = path_join(&path, folder, STORE_RECORD)) == 0) {
    code = file_replace(path, text, strlen(text), 0666, false);
    free(path);
  }
  free(text);
  return code;
}

int model_store_record(json_t **record, const char *folder)
{
  char *path, *text;
  size_t size;
  *record = NULL;
  int code = path_join(&path, folder, STORE_RECORD);
  if (code < 0)
    return code;
  if (file_exists(path) && (code = file_read(&text, &size, path, MAX_RECORD)) == 0) {
    code = json_text_parse(record, text, size, path);
    free(text);
  }
  free(path);
  return code;
}

/* ---- verify ---- */

typedef struct check {
  char *path, *digest;
  int64_t size; /* -1: as it is */
} check;

typedef struct checks {
  check *at;
  size_t n;
  uint64_t done, total;
  int (*progress)(void *user, uint64_t done, uint64_t total);
  void *user;
} checks;

static int add_check(checks *c, const char *folder, const char *file, const char *digest, int64_t size)
{
  check *larger = realloc(c->at, (c->n + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  c->at = larger;
  check *x = &larger[c->n];
  *x = (check){.size = size, .digest = strdup(digest)};
  int code = x->digest ? path_join(&x->path, folder, file) : error_nomem();
  if (code < 0) {
    free(x->digest);
    return code;
  }
  c->n++;
  return 0;
}

static int checks_of_record(checks *c, const char *folder, const json_t *record)
{
  const char *file;
  json_t *entry;
  digest_kind kind;
  int code = 0;
  json_object_foreach(json_object_get(record, "files"), file, entry)
  {
    const char *digest = json_string_value(json_object_get(entry, "sha256"));
    if (!digest || !digest_is(digest, &kind) || strchr(file, '/'))
      code = error_set(OPIS_EFORMAT, "%s/%s: broken", folder, STORE_RECORD);
    else
      code = add_check(c, folder, file, digest, json_integer_value(json_object_get(entry, "size")));
    if (code < 0)
      return code;
  }
  return 0;
}

/* In the Hugging Face cache a file is a link to its digest. */
static int checks_of_links(checks *c, const char *folder)
{
  DIR *d = opendir(folder);
  int code = 0;
  for (struct dirent *e; d && code == 0 && (e = readdir(d));) {
    char *path, target[512];
    digest_kind kind;
    if ((code = path_join(&path, folder, e->d_name)) < 0)
      break;
    ssize_t n = readlink(path, target, sizeof target - 1);
    free(path);
    if (n <= 0)
      continue;
    target[n] = '\0';
    const char *last = strrchr(target, '/');
    if (last && digest_is(last + 1, &kind))
      code = add_check(c, folder, e->d_name, last + 1, -1);
  }
  if (d)
    closedir(d);
  return code;
}

static int on_read(void *user, uint64_t done)
{
  const checks *c = user;
  return c->progress ? c->progress(c->user, c->done + done, c->total) : 0;
}

static int run_check(checks *c, const check *x)
{
  struct stat st;
  char hex[65];
  digest_kind kind;
  if (stat(x->path, &st) != 0)
    return error_set_errno("%s", x->path);
  if (x->size >= 0 && st.st_size != x->size)
    return error_set(OPIS_EFORMAT, "%s: has %lld bytes, not %lld: fetch it again", x->path, (long long)st.st_size, (long long)x->size);
  digest_is(x->digest, &kind);
  int code = digest_file(hex, kind, x->path, on_read, c);
  c->done += (uint64_t)st.st_size;
  if (code == 0 && strcmp(hex, x->digest) != 0)
    code = error_set(OPIS_EFORMAT, "%s: its digest is %s, not %s: fetch it again", x->path, hex, x->digest);
  return code;
}

int model_store_verify(size_t *files, const char *folder, int (*progress)(void *user, uint64_t done, uint64_t total), void *user)
{
  checks c = {.progress = progress, .user = user};
  json_t *record;
  *files = 0;
  if (!file_is_folder(folder))
    return 0;
  int code = model_store_record(&record, folder);
  if (code == 0)
    code = record ? checks_of_record(&c, folder, record) : checks_of_links(&c, folder);
  json_decref(record);
  for (size_t i = 0; i < c.n; i++) {
    struct stat st;
    c.total += stat(c.at[i].path, &st) == 0 ? (uint64_t)st.st_size : 0;
  }
  for (size_t i = 0; i < c.n && code == 0; i++, ++*files)
    code = run_check(&c, &c.at[i]);
  for (size_t i = 0; i < c.n; i++) {
    free(c.at[i].path);
    free(c.at[i].digest);
  }
  free(c.at);
  return code;
}

/* ---- import ---- */

static bool is_weights(const char *file)
{
  size_t n = strlen(file);
  static const char *const endings[] = {".safetensors", ".safetensors.index.json", ".bin.index.json"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (n > strlen(endings[i]) && strcmp(file + n - strlen(endings[i]), endings[i]) == 0)
      return true;
  return strncmp(file, "pytorch_model", 13) == 0 && n > 4 && strcmp(file + n - 4, ".bin") == 0;
}

static bool is_wanted(const char *file)
{
  for (const char *const *name = model_text_files; *name; name++)
    if (strcmp(*name, file) == 0)
      return true;
  return is_weights(file);
}

static int copy_folder(char ***files, size_t *n, const char *staged, const char *source)
{
  DIR *d = opendir(source);
  int code = d ? 0 : error_set_errno("%s", source);
  for (struct dirent *e; d && code == 0 && (e = readdir(d));) {
    char *from = NULL, *to = NULL;
    if (!is_wanted(e->d_name))
      continue;
    char **larger = realloc(*files, (*n + 2) * sizeof *larger);
    if (!larger)
      code = error_nomem();
    else {
      *files = larger;
      larger[*n] = strdup(e->d_name);
      larger[++*n] = NULL;
      code = larger[*n - 1] ? path_join(&from, source, e->d_name) : error_nomem();
    }
    if (code == 0)
      code = path_join(&to, staged, e->d_name);
    if (code == 0)
      code = model_store_copy(to, from, false);
    free(from);
    free(to);
  }
  if (d)
    closedir(d);
  return code;
}

static int import_folder(char **path, const char *name, const char *source)
{
  char *staged, **files = NULL;
  size_t n = 0;
  int lock, code = model_store_stage(&staged, &lock, name);
  if (code < 0)
    return code;
  code = copy_folder(&files, &n, staged, source);
  json_t *record = code == 0 ? json_pack("{ss}", "imported", name) : NULL;
  if (code == 0)
    code = record ? model_store_install(path, staged, name, record, (const char *const *)files) : error_nomem();
  json_decref(record);
  for (size_t i = 0; i < n; i++)
    free(files[i]);
  free(files);
  free(staged);
  close(lock);
  return code;
}

static int import_file(char **path, const char *name, const char *source)
{
  char *store, *to = NULL, *part = NULL;
  int code = model_store_folder(&store);
  if (code == 0)
    code = file_make_folders(store, 0777);
  if (code == 0 && (asprintf(&to, "%s/%s.gguf", store, name) < 0 || asprintf(&part, "%s/.%s.gguf.part", store, name) < 0))
    code = error_nomem();
  if (code == 0)
    code = model_store_copy(part, source, false);
  if (code == 0 && rename(part, to) != 0)
    code = error_set_errno("%s", to);
  free(store);
  free(part);
  if (code < 0)
    free(to);
  else
    *path = to;
  return code;
}

int model_store_import(char **name, char **path, const char *source)
{
  size_t n = strlen(source);
  char *there;
  *path = NULL;
  while (n > 1 && source[n - 1] == '/')
    n--;
  size_t first = n;
  while (first > 0 && source[first - 1] != '/')
    first--;
  bool folder = file_is_folder(source), gguf = !folder && n - first > 5 && strncmp(source + n - 5, ".gguf", 5) == 0;
  *name = strndup(source + first, n - first - (gguf ? 5 : 0));
  if (!*name)
    return error_nomem();
  int code = 0;
  if (!file_exists(source))
    code = error_set(OPIS_ENOTFOUND, "%s: no such folder", source);
  else if (folder ? !model_store_has_weights(source) : !gguf)
    code = error_set(OPIS_EFORMAT, "%s: no model: a hub folder has a config.json and model.safetensors or pytorch_model.bin", source);
  else if (!model_name_is_valid(*name))
    code = error_set(OPIS_EINVALID, "%s: cannot be a model's name; rename the folder", *name);
  else if (model_store_find(&there, *name) == 0) {
    code = error_set(OPIS_EEXISTS, "%s: there is a model of this name; 'opis model remove %s' takes it away", *name, *name);
    free(there);
  } else
    code = folder ? import_folder(path, *name, source) : import_file(path, *name, source);
  if (code < 0) {
    free(*name);
    *name = NULL;
  }
  return code;
}
