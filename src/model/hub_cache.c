/* The Hugging Face cache on this machine: models--OWNER--NAME/{refs/REVISION, snapshots/COMMIT/FILE -> ../../blobs/ETAG, blobs/ETAG}. Only read. */
#include "model/store.h"
#include "util/error.h"
#include "util/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *set(const char *name)
{
  const char *v = getenv(name);
  return v && *v ? v : NULL;
}

int hub_cache_folder(char **folder)
{
  const char *v, *home = set("HOME");
  int made;
  if ((v = set("HF_HUB_CACHE")) || (v = set("HUGGINGFACE_HUB_CACHE")))
    made = asprintf(folder, "%s", v);
  else if ((v = set("HF_HOME")))
    made = asprintf(folder, "%s/hub", v);
  else if ((v = set("XDG_CACHE_HOME")))
    made = asprintf(folder, "%s/huggingface/hub", v);
  else
    made = asprintf(folder, "%s/.cache/huggingface/hub", home ? home : "");
  return made < 0 ? error_nomem() : 0;
}

/* CACHE/models--OWNER--NAME/INSIDE, where that exists. */
static int inside(char **path, const char *repo, const char *folder, const char *name)
{
  char *cache;
  *path = NULL;
  if (!model_name_is_valid(repo) || strchr(repo, '@') || strstr(name, "..") || name[0] == '/')
    return error_set(OPIS_ENOTFOUND, "%s: not in the Hugging Face cache", repo);
  int code = hub_cache_folder(&cache);
  if (code < 0)
    return code;
  const char *slash = strchr(repo, '/');
  int made = slash ? asprintf(path, "%s/models--%.*s--%s/%s/%s", cache, (int)(slash - repo), repo, slash + 1, folder, name)
                   : asprintf(path, "%s/models--%s/%s/%s", cache, repo, folder, name);
  free(cache);
  if (made < 0) {
    *path = NULL;
    return error_nomem();
  }
  if (file_exists(*path))
    return 0;
  free(*path);
  *path = NULL;
  return error_set(OPIS_ENOTFOUND, "%s: not in the Hugging Face cache", repo);
}

int hub_cache_snapshot(char **folder, const char *repo, const char *revision)
{
  char *ref, *commit = NULL;
  size_t n = 0;
  int code = inside(&ref, repo, "refs", revision);
  if (code == 0) {
    code = file_read(&commit, &n, ref, 256);
    free(ref);
    if (code == 0) {
      commit[strcspn(commit, " \r\n")] = '\0';
      code = *commit && !strchr(commit, '/') ? inside(folder, repo, "snapshots", commit) : error_set(OPIS_ENOTFOUND, "%s: its revision in the Hugging Face cache is broken", repo);
      free(commit);
    }
  } else if (code == OPIS_ENOTFOUND && !strchr(revision, '/'))
    code = inside(folder, repo, "snapshots", revision);
  return code;
}

int hub_cache_blob(char **path, const char *repo, const char *etag)
{
  return inside(path, repo, "blobs", etag);
}
