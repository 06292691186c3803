/* Paths as strings: nothing here asks the file system. */
#include "data/repo.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>

char *path_normal(const char *folder, const char *path)
{
  strbuf all = STRBUF_INIT;
  char *out = NULL;
  if (path[0] != '/') {
    strbuf_puts(&all, folder);
    strbuf_putc(&all, '/');
  }
  strbuf_puts(&all, path);
  if (strbuf_check(&all) == 0)
    out = malloc(all.n + 2);
  if (!out) {
    error_nomem();
    strbuf_free(&all);
    return NULL;
  }
  bool absolute = (path[0] == '/' || folder[0] == '/');
  size_t n = 0, least = absolute ? 1 : 0;
  if (absolute)
    out[n++] = '/';
  for (char *p = all.s; *p;) {
    size_t part = strcspn(p, "/");
    if (part == 2 && p[0] == '.' && p[1] == '.') {
      if (n <= least && !absolute) {
        error_set(OPIS_EINVALID, "%s: leads out of the repository", path);
        free(out);
        strbuf_free(&all);
        return NULL;
      }
      while (n > least && out[n - 1] != '/')
        n--;
      if (n > least)
        n--;
    } else if (part && !(part == 1 && p[0] == '.')) {
      if (n > least)
        out[n++] = '/';
      memcpy(out + n, p, part);
      n += part;
    }
    p += part;
    p += *p == '/';
  }
  out[n] = '\0';
  strbuf_free(&all);
  return out;
}

char *path_relative(const char *from, const char *to)
{
  strbuf b = STRBUF_INIT;
  size_t common = 0, i = 0;
  for (;; i++) { /* the longest common beginning that ends at a '/' in both */
    bool from_ends = !from[i] || from[i] == '/', to_ends = !to[i] || to[i] == '/';
    if (from_ends && to_ends && i > 0)
      common = i;
    if (!from[i] || from[i] != to[i])
      break;
  }
  const char *rest = from + common;
  rest += *rest == '/';
  while (*rest) {
    strbuf_puts(&b, b.n ? "/.." : "..");
    rest += strcspn(rest, "/");
    rest += *rest == '/';
  }
  const char *tail = to + common;
  tail += *tail == '/';
  if (*tail) {
    if (b.n)
      strbuf_putc(&b, '/');
    strbuf_puts(&b, tail);
  }
  if (!b.n)
    strbuf_putc(&b, '.');
  char *out = strbuf_check(&b) == 0 ? strbuf_take(&b) : NULL;
  if (!out)
    error_nomem();
  return out;
}

char *path_folder(const char *path)
{
  const char *slash = strrchr(path, '/');
  char *out = strndup(path, slash ? (size_t)(slash - path) : 0);
  if (!out)
    error_nomem();
  return out;
}

const char *path_name(const char *path)
{
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

bool path_is_stage_file(const char *path)
{
  size_t n = strlen(path);
  return (n > 4 && strcmp(path + n - 4, ".dvc") == 0) || strcmp(path_name(path), "dvc.yaml") == 0;
}

bool path_overlaps(const char *a, const char *b)
{
  size_t m = strlen(a), n = strlen(b), k = m < n ? m : n;
  return memcmp(a, b, k) == 0 && (m == n || (m > n ? a[k] : b[k]) == '/' || k == 0);
}
