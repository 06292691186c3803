#include "data/ignore.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ignore_rule {
  char *pattern;
  bool negated, folder_only, tied; /* tied: matched against the whole path below its file, else against the last name */
};

enum { LARGEST = 4 << 20 };

/* One bracket expression; returns behind it, or NULL when it is not closed (then '[' is itself). */
static const char *bracket(const char *p, char c, bool *matched)
{
  bool negated = *p == '!' || *p == '^', hit = false, first = true;
  if (negated)
    p++;
  for (; first || *p != ']'; first = false) {
    if (*p == '\\' && p[1])
      p++;
    if (!*p)
      return NULL;
    unsigned char low = (unsigned char)*p++, high = low;
    if (*p == '-' && p[1] && p[1] != ']') {
      p++;
      if (*p == '\\' && p[1])
        p++;
      high = (unsigned char)*p++;
    }
    hit |= (unsigned char)c >= low && (unsigned char)c <= high;
  }
  *matched = hit != negated && c != '/';
  return p + 1;
}

/* Backtracking over '*' and '**' is bounded by remembering only the last of each kind, as a '*' never crosses a '/'. */
bool ignore_match(const char *pattern, const char *path)
{
  const char *p = pattern, *s = path;
  const char *star_p = NULL, *star_s = NULL; /* where to go on after the last '*' */
  const char *deep_p = NULL, *deep_s = NULL; /* and after the last "**" */
  for (;;) {
    if (p[0] == '*' && p[1] == '*' && (p == pattern || p[-1] == '/') && (p[2] == '/' || !p[2])) {
      star_p = NULL;
      if (!p[2]) /* two stars at the end: everything below */
        return *s != '\0';
      p += 3;
      deep_p = p;
      deep_s = s;
      continue;
    }
    if (*p == '*') {
      while (*p == '*')
        p++;
      star_p = p;
      star_s = s;
      continue;
    }
    bool ok = false;
    if (!*s && !*p)
      return true;
    if (*s && *p) {
      if (*p == '?') {
        ok = *s != '/';
        p += ok;
        s += ok;
        while (ok && ((unsigned char)*s & 0xC0) == 0x80) /* one character, not one byte */
          s++;
      } else if (*p == '[') {
        const char *after = bracket(p + 1, *s, &ok);
        if (!after)
          ok = *s == '[';
        if (ok) {
          p = after ? after : p + 1;
          s++;
        }
      } else {
        const char *literal = *p == '\\' && p[1] ? p + 1 : p;
        ok = *literal == *s;
        if (ok) {
          p = literal + 1;
          s++;
        }
      }
    }
    if (ok)
      continue;
    if (star_p && *star_s && *star_s != '/') {
      s = ++star_s;
      p = star_p;
    } else if (deep_p) {
      const char *slash = strchr(deep_s, '/');
      if (!slash)
        return false;
      s = deep_s = slash + 1;
      p = deep_p;
      star_p = NULL;
    } else
      return false;
  }
}

static int add_rule(ignore *g, const char *line, size_t n)
{
  ignore_rule r = {0};
  if (n && line[0] == '!') {
    r.negated = true;
    line++;
    n--;
  } else if (n > 1 && line[0] == '\\' && (line[1] == '#' || line[1] == '!')) {
    line++;
    n--;
  }
  if (n && line[n - 1] == '/') {
    r.folder_only = true;
    n--;
  }
  if (n == 0)
    return 0;
  r.tied = memchr(line, '/', n) != NULL;
  if (line[0] == '/') {
    line++;
    n--;
  }
  ignore_rule *larger = realloc(g->rules, (g->n + 1) * sizeof *larger);
  if (larger)
    g->rules = larger;
  if (!larger || !(r.pattern = strndup(line, n)))
    return error_nomem();
  larger[g->n++] = r;
  return 0;
}

static int add_text(ignore *g, const char *text, size_t n, bool strip)
{
  const char *end = text + n;
  int code = 0;
  if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
    text += 3;
  for (const char *p = text; p < end && code == 0;) {
    const char *eol = memchr(p, '\n', (size_t)(end - p)), *stop = eol ? eol : end;
    const char *s = p;
    p = eol ? eol + 1 : end;
    if (stop > s && stop[-1] == '\r')
      stop--;
    while (strip && s < stop && (*s == ' ' || *s == '\t'))
      s++;
    while (stop > s && (stop[-1] == ' ' || (strip && stop[-1] == '\t')) && !(stop - s > 1 && stop[-2] == '\\'))
      stop--;
    if (s == stop || *s == '#' || memchr(s, '\0', (size_t)(stop - s)))
      continue;
    code = add_rule(g, s, (size_t)(stop - s));
  }
  return code;
}

int ignore_add(ignore *g, const char *text, size_t n)
{
  return add_text(g, text, n, false);
}

int ignore_add_file(ignore *g, int folder, const char *name, bool strip)
{
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
  char *bytes;
  size_t n;
  if (fd < 0)
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : error_set_errno("%s", name);
  int code = file_read_fd(&bytes, &n, fd, name, LARGEST);
  close(fd);
  if (code < 0)
    return code;
  code = add_text(g, bytes, n, strip);
  free(bytes);
  return code;
}

void ignore_free(ignore *g)
{
  for (size_t i = 0; i < g->n; i++)
    free(g->rules[i].pattern);
  free(g->rules);
  g->rules = NULL;
  g->n = 0;
}

bool ignore_test(const ignore *g, const char *path, bool is_folder)
{
  const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
  for (; g; g = g->parent)
    for (size_t i = g->n; i-- > 0;) {
      const ignore_rule *r = &g->rules[i];
      if (r->folder_only && !is_folder)
        continue;
      if (ignore_match(r->pattern, r->tied ? path + g->depth : last))
        return !r->negated;
    }
  return false;
}
