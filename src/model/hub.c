/* What a pull does: the list of files, which of them, the folder that they become. */
#include "model/hub.h"

#include "model/hub_fetch.h"
#include "model/json_text.h"
#include "model/model_source.h"
#include "model/store.h"
#include "util/error.h"
#include "util/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_LIST ((uint64_t)32 << 20)
#define MAX_TEXT ((uint64_t)64 << 20)
enum { MAX_FILES = 1200 };

typedef struct pull {
  char *repo, *revision, *name; /* name: the store's */
  char *endpoint, *authorization;
  char *folder, *installed_folder, *commit;
  json_t *list, *installed; /* list: what the hub says of the revision */
  int lock;
  hub_job job;
} pull;

static const char *set(const char *name)
{
  const char *v = getenv(name);
  return v && *v ? v : NULL;
}

static bool is_offline(void)
{
  const char *v = set("HF_HUB_OFFLINE");
  return v && strcmp(v, "0") != 0 && strcasecmp(v, "false") != 0 && strcasecmp(v, "no") != 0 && strcasecmp(v, "off") != 0;
}

/* "OWNER/NAME@REVISION". */
static int parse_name(pull *p, const char *given)
{
  const char *at = strchr(given, '@');
  p->repo = at ? strndup(given, (size_t)(at - given)) : strdup(given);
  p->revision = strdup(at ? at + 1 : "main");
  if (!p->repo || !p->revision)
    return error_nomem();
  for (char *slash = p->revision; (slash = strstr(slash, "%2F")); slash++) { /* as it stands in the hub's addresses */
    *slash = '/';
    memmove(slash + 1, slash + 3, strlen(slash + 3) + 1);
  }
  if (!model_name_is_valid(p->repo) || !*p->revision || strlen(p->revision) > 100 || strstr(p->revision, "..") || strspn(p->revision, "/?#%@") > 0)
    return error_set(OPIS_EINVALID, "%s: a model of the hub is OWNER/NAME or OWNER/NAME@REVISION", given);
  int made = strcmp(p->revision, "main") == 0 ? asprintf(&p->name, "%s", p->repo) : asprintf(&p->name, "%s@%s", p->repo, p->revision);
  if (made < 0) {
    p->name = NULL;
    return error_nomem();
  }
  return model_name_is_valid(p->name) ? 0 : error_set(OPIS_EINVALID, "%s: cannot be a model's name", p->name);
}

/* The token of HF_TOKEN, or of the file where `hf auth login` leaves it. */
static int find_token(pull *p)
{
  const char *token = set("HF_TOKEN"), *path = set("HF_TOKEN_PATH"), *home = set("HF_HOME"), *user = set("HOME");
  char *file = NULL, *text = NULL;
  size_t n = 0;
  int code = 0;
  if (!token)
    token = set("HUGGING_FACE_HUB_TOKEN");
  if (!token) {
    int made = path ? asprintf(&file, "%s", path) : home ? asprintf(&file, "%s/token", home) : asprintf(&file, "%s/.cache/huggingface/token", user ? user : "");
    if (made < 0)
      return error_nomem();
    if (file_exists(file) && file_read(&text, &n, file, 4096) == 0)
      token = text;
    free(file);
  }
  if (token) {
    size_t length = strcspn(token, " \t\r\n");
    if (length && asprintf(&p->authorization, "Authorization: Bearer %.*s", (int)length, token) < 0) {
      p->authorization = NULL;
      code = error_nomem();
    }
  }
  free(text);
  return code;
}

static int find_endpoint(pull *p)
{
  const char *given = set("HF_ENDPOINT");
  p->endpoint = strdup(given ? given : "https://huggingface.co");
  if (!p->endpoint)
    return error_nomem();
  for (size_t n = strlen(p->endpoint); n > 0 && p->endpoint[n - 1] == '/'; n--)
    p->endpoint[n - 1] = '\0';
  return 0;
}

static int on_list(void *user, uint64_t done, uint64_t total)
{
  const hub_options *o = user;
  (void)done;
  (void)total;
  return o && o->progress ? o->progress(o->user, 0, 0) : 0;
}

static int ask_list(pull *p)
{
  http_client *client;
  http_response r = HTTP_RESPONSE_INIT;
  strbuf url = STRBUF_INIT;
  const char *const headers[] = {p->authorization, NULL};
  strbuf_printf(&url, "%s/api/models/%s/revision/", p->endpoint, p->repo);
  http_put_escaped(&url, p->revision, false);
  strbuf_puts(&url, "?blobs=true");
  int code = strbuf_check(&url);
  if (code == 0)
    code = http_client_new(&client);
  if (code == 0) {
    http_request q = {.url = url.s, .headers = headers, .follow = true, .max_body = MAX_LIST, .progress = on_list, .user = (void *)(uintptr_t)p->job.options};
    code = http_perform(client, &r, &q);
    http_client_free(client);
  }
  if (code == 0 && r.status != 200)
    code = hub_status_error(&r, p->name, p->authorization != NULL);
  if (code == 0)
    code = json_text_parse(&p->list, r.body.s ? r.body.s : "", r.body.n, url.s);
  const char *commit = json_string_value(json_object_get(p->list, "sha"));
  if (code == 0 && (!commit || strlen(commit) > 64 || !*commit || strspn(commit, "0123456789abcdef") != strlen(commit) || !json_is_array(json_object_get(p->list, "siblings"))))
    code = error_set(OPIS_EFORMAT, "%s: what answers there is no hub", url.s);
  if (code == 0 && !(p->commit = strdup(commit)))
    code = error_nomem();
  strbuf_free(&url);
  http_response_free(&r);
  return code;
}

/* ---- which files ---- */

static const json_t *listed(const pull *p, const char *name)
{
  const json_t *siblings = json_object_get(p->list, "siblings");
  for (size_t i = 0; i < json_array_size(siblings); i++) {
    const json_t *s = json_array_get(siblings, i);
    const char *file = json_string_value(json_object_get(s, "rfilename"));
    if (file && strcmp(file, name) == 0)
      return s;
  }
  return NULL;
}

static int want(pull *p, const char *name)
{
  const json_t *s = listed(p, name);
  if (!s || strchr(name, '/') || name[0] == '.' || strlen(name) > 200)
    return error_set(OPIS_EFORMAT, "%s: %.200s is not in its list of files", p->name, name);
  if (p->job.n >= MAX_FILES)
    return error_set(OPIS_EFORMAT, "%s: more than %d files", p->name, MAX_FILES);
  hub_file *larger = realloc(p->job.files, (p->job.n + 1) * sizeof *larger), *f;
  if (!larger)
    return error_nomem();
  p->job.files = larger;
  f = &larger[p->job.n];
  *f = (hub_file){.name = strdup(name)};
  if (!f->name)
    return error_nomem();
  p->job.n++;
  const json_t *lfs = json_object_get(s, "lfs"), *size = json_object_get(s, "size");
  const char *digest = json_string_value(json_object_get(lfs, "sha256"));
  if (!digest && !lfs)
    digest = json_string_value(json_object_get(s, "blobId"));
  if (json_is_integer(size) && json_integer_value(size) >= 0)
    f->size = (uint64_t)json_integer_value(size);
  if (digest && strlen(digest) <= 64 && strspn(digest, "0123456789abcdef") == strlen(digest))
    strcpy(f->digest, digest);
  return 0;
}

static const struct {
  const char *file;
  bool is_index;
} weights[] = {{"model.safetensors", false}, {"model.safetensors.index.json", true}, {"pytorch_model.bin", false}, {"pytorch_model.bin.index.json", true}};

/* The best form of the weights that the repository has; -1: none. */
static int best_weights(const pull *p)
{
  for (int i = 0; i < (int)(sizeof weights / sizeof *weights); i++)
    if (listed(p, weights[i].file))
      return i;
  return -1;
}

static int no_weights(const pull *p)
{
  static const char *const others[] = {"tf_model.h5", "flax_model.msgpack", "model.onnx", "rust_model.ot"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (listed(p, others[i]))
      return error_set(OPIS_EUNSUPPORTED, "%s: its weights are only there as %s; opis reads model.safetensors and pytorch_model.bin", p->name, others[i]);
  return error_set(OPIS_EUNSUPPORTED, "%s: no weights that opis reads (model.safetensors or pytorch_model.bin)", p->name);
}

static int read_document(json_t **out, const pull *p, const char *name)
{
  char *path, *text;
  size_t size;
  int code = path_join(&path, p->folder, name);
  if (code < 0)
    return code;
  code = file_read(&text, &size, path, MAX_TEXT);
  if (code == 0) {
    code = json_text_parse(out, text, size, path);
    free(text);
  }
  free(path);
  return code;
}

static int want_shards(pull *p, const char *index)
{
  json_t *root, *file;
  const char *name_of_tensor;
  int code = read_document(&root, p, index);
  if (code < 0)
    return code;
  size_t first = p->job.n;
  json_object_foreach(json_object_get(root, "weight_map"), name_of_tensor, file)
  {
    const char *name = json_string_value(file);
    bool there = false;
    for (size_t i = first; name && i < p->job.n && !there; i++)
      there = strcmp(p->job.files[i].name, name) == 0;
    if (!there)
      code = want(p, name ? name : "");
    if (code < 0)
      break;
  }
  if (code == 0 && p->job.n == first)
    code = error_set(OPIS_EFORMAT, "%s: %s names no files", p->name, index);
  json_decref(root);
  return code;
}

static int check_room(const pull *p)
{
  struct statvfs v;
  uint64_t need = 0;
  for (size_t i = 0; i < p->job.n; i++)
    need += p->job.files[i].size - p->job.files[i].done;
  if (statvfs(p->folder, &v) != 0)
    return 0;
  uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
  /* What an earlier try left counts for both; a copy from the cache may need none. Only what cannot be is said beforehand. */
  if (need / 2 <= room || need <= room)
    return 0;
  return error_set(OPIS_EIO, "%s: needs %.1f MB, and %.1f MB are free at %s", p->name, (double)need / 1e6, (double)room / 1e6, p->folder);
}

static int fetch_all(pull *p)
{
  int best = best_weights(p), code = 0;
  if (best < 0)
    return no_weights(p);
  if (!listed(p, "config.json"))
    return error_set(OPIS_EUNSUPPORTED, "%s: no model of Transformers: it has no config.json", p->name);
  for (const char *const *name = model_text_files; *name && code == 0; name++)
    if (listed(p, *name))
      code = want(p, *name);
  if (code == 0 && weights[best].is_index)
    code = want(p, weights[best].file);
  if (code == 0)
    code = hub_fetch(&p->job, 0);
  if (code == 0 && p->job.options && p->job.options->accept) {
    json_t *config;
    code = read_document(&config, p, "config.json");
    if (code == 0) {
      code = p->job.options->accept(p->job.options->user, config);
      json_decref(config);
    }
  }
  size_t small = p->job.n;
  if (code == 0)
    code = weights[best].is_index ? want_shards(p, weights[best].file) : want(p, weights[best].file);
  if (code == 0)
    code = check_room(p);
  return code < 0 ? code : hub_fetch(&p->job, small);
}

static int install(hub_result *out, pull *p)
{
  const char **keep = calloc(p->job.n + 1, sizeof *keep);
  json_t *record = json_pack("{ssssss}", "repo", p->repo, "revision", p->revision, "commit", p->commit);
  int code = keep && record ? 0 : error_nomem();
  for (size_t i = 0; i < p->job.n && keep; i++)
    keep[i] = p->job.files[i].name;
  if (code == 0)
    code = model_store_install(&out->path, p->folder, p->name, record, keep);
  json_decref(record);
  free(keep);
  return code;
}

/* The installed folder, where it is this commit and nothing is missing. */
static bool is_installed(const pull *p)
{
  const char *commit = json_string_value(json_object_get(p->installed, "commit")), *file;
  json_t *entry;
  bool whole = commit && strcmp(commit, p->commit) == 0;
  if (whole) {
    json_object_foreach(json_object_get(p->installed, "files"), file, entry)
    {
      char *path;
      if (path_join(&path, p->installed_folder, file) < 0)
        return false;
      whole &= file_exists(path);
      free(path);
    }
  }
  return whole;
}

/* Without a network: what is installed, else what the Hugging Face cache has. */
static int pull_offline(hub_result *out, pull *p)
{
  char *snapshot;
  if (p->installed_folder) {
    out->was_there = true;
    const char *commit = json_string_value(json_object_get(p->installed, "commit"));
    out->commit = strdup(commit ? commit : "");
    out->path = strdup(p->installed_folder);
    return out->commit && out->path ? 0 : error_nomem();
  }
  int code = hub_cache_snapshot(&snapshot, p->repo, p->revision);
  if (code == OPIS_ENOTFOUND || (code == 0 && !model_store_has_weights(snapshot))) {
    if (code == 0)
      free(snapshot);
    return error_set(OPIS_ENOTFOUND, "%s: not on this machine, and HF_HUB_OFFLINE forbids asking the hub", p->name);
  }
  if (code < 0)
    return code;
  const char *last = strrchr(snapshot, '/');
  out->commit = strdup(last ? last + 1 : "");
  out->path = snapshot; /* it is used where it is */
  out->was_there = true;
  return out->commit ? 0 : error_nomem();
}

static int run(hub_result *out, pull *p, const char *repo)
{
  int code = parse_name(p, repo);
  if (code == 0 && !(out->name = strdup(p->name)))
    code = error_nomem();
  if (code == 0) {
    int found = model_store_find(&p->installed_folder, p->name);
    code = found == OPIS_ENOTFOUND ? 0 : found;
  }
  if (code == 0 && p->installed_folder && model_store_record(&p->installed, p->installed_folder) < 0)
    p->installed = NULL; /* a broken record: fetched anew */
  if (code < 0)
    return code;
  if (is_offline())
    return pull_offline(out, p);
  code = find_endpoint(p);
  if (code == 0)
    code = find_token(p);
  if (code == 0)
    code = ask_list(p);
  if (code < 0)
    return code;
  if (!(out->commit = strdup(p->commit)))
    return error_nomem();
  if (is_installed(p)) {
    out->was_there = true;
    return (out->path = strdup(p->installed_folder)) ? 0 : error_nomem();
  }
  code = model_store_stage(&p->folder, &p->lock, p->name);
  if (code < 0)
    return code;
  hub_job *j = &p->job;
  j->endpoint = p->endpoint;
  j->repo = p->repo;
  j->commit = p->commit;
  j->authorization = p->authorization;
  j->folder = p->folder;
  j->installed = p->installed;
  j->installed_folder = p->installed_folder;
  code = fetch_all(p);
  if (code == 0)
    code = install(out, p);
  out->fetched = j->fetched;
  out->reused = j->reused;
  return code;
}

int hub_pull(hub_result *out, const char *repo, const hub_options *options)
{
  pull p = {.lock = -1, .job.options = options};
  *out = (hub_result){0};
  int code = run(out, &p, repo);
  for (size_t i = 0; i < p.job.n; i++)
    free(p.job.files[i].name);
  free(p.job.files);
  if (p.lock >= 0)
    close(p.lock);
  json_decref(p.list);
  json_decref(p.installed);
  free(p.repo);
  free(p.revision);
  free(p.name);
  free(p.endpoint);
  free(p.authorization);
  free(p.folder);
  free(p.installed_folder);
  free(p.commit);
  if (code < 0)
    hub_result_free(out);
  return code;
}

void hub_result_free(hub_result *r)
{
  free(r->name);
  free(r->path);
  free(r->commit);
  *r = (hub_result){0};
}
