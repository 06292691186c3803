#include "data/ignore.h"

#include "util/error.h"
#include "util/file.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ignore_rule {
  char *pattern;
  bool negated, folder_only, dvc; /* dvc: of a .dvcignore */
  bool tied;                      /* tied: matched against the whole path below its file, else against the last name */
};

enum { LARGEST = 4 << 20 };

/* The character at s, and how many bytes it has; a byte that is no UTF-8 is itself. */
static uint32_t character(const char *s, size_t *n)
{
  const unsigned char *u = (const unsigned char *)s;
  *n = utf8_sequence(s, strnlen(s, 4));
  if (*n < 2) {
    *n = 1;
    return u[0];
  }
  uint32_t c = u[0] & (0xFFU >> (*n + 1));
  for (size_t i = 1; i < *n; i++)
    c = c << 6 | (u[i] & 0x3F);
  return c;
}

static uint32_t take(const char **p)
{
  size_t n;
  if (**p == '\\' && (*p)[1])
    ++*p;
  uint32_t c = character(*p, &n);
  *p += n;
  return c;
}

/* One bracket expression; returns behind it, or NULL when it is not closed. */
static const char *bracket(const char *p, uint32_t c, bool *matched)
{
  bool negated = *p == '!' || *p == '^', hit = false, first = true;
  if (negated)
    p++;
  for (; first || *p != ']'; first = false) {
    if (!*p)
      return NULL;
    uint32_t low = take(&p), high = low;
    if (*p == '-' && p[1] && p[1] != ']') {
      p++;
      high = take(&p);
    }
    hit |= c >= low && c <= high;
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
        size_t length;
        const char *after = bracket(p + 1, character(s, &length), &ok);
        if (!after) /* as git: a pattern that is none matches nothing */
          return false;
        if (ok) {
          p = after;
          s += length;
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

/* Without anything that makes it a pattern, only the name itself matches; backslashes are taken out of it. */
static bool make_name(char *pattern)
{
  char *to = pattern;
  if (strpbrk(pattern, "*?["))
    for (const char *p = pattern; *p; p += 1 + (*p == '\\' && p[1]))
      if (strchr("*?[", *p))
        return false;
  for (const char *p = pattern; *p;) {
    p += *p == '\\' && p[1];
    *to++ = *p++;
  }
  *to = '\0';
  return true;
}

/* What is a mere name is looked up and not tried: a .gitignore may have as many lines as there are files. */
static int put_rule(ignore *g, ignore_rule r, const char *pattern, size_t n)
{
  if ((g->n & (g->n - 1)) == 0) {
    ignore_rule *larger = realloc(g->rules, (g->n ? g->n * 2 : 1) * sizeof *larger);
    if (!larger)
      return error_nomem();
    g->rules = larger;
  }
  if (!(r.pattern = strndup(pattern, n)))
    return error_nomem();
  g->rules[g->n++] = r;
  if (!r.negated && !r.folder_only && make_name(r.pattern))
    return map_put(r.tied ? &g->whole : &g->last, r.pattern, strlen(r.pattern), g->n - 1);
  size_t *larger = realloc(g->others, (g->n_others + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  g->others = larger;
  larger[g->n_others++] = g->n - 1;
  return 0;
}

static int add_rule(ignore *g, const char *line, size_t n, bool dvc)
{
  ignore_rule r = {.dvc = dvc};
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
  if (n == 0 || (dvc && r.folder_only && ((n == 1 && *line == '*') || (n == 2 && memcmp(line, "**", 2) == 0) || (n == 3 && memcmp(line, "/**", 3) == 0))))
    return 0; /* DVC takes such a pattern, and it never matches */
  r.tied = memchr(line, '/', n) != NULL;
  if (line[0] == '/') {
    line++;
    n--;
  }
  int code = put_rule(g, r, line, n);
  if (code == 0 && dvc && !r.folder_only && n > 3 && memcmp(line + n - 3, "/**", 3) == 0) { /* to DVC, the folder itself, too: what is in it is not looked at any more */
    r.folder_only = true;
    code = put_rule(g, r, line, n - 3);
  }
  return code;
}

int ignore_add_text(ignore *g, const char *text, size_t n, bool strip)
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
    code = add_rule(g, s, (size_t)(stop - s), strip);
  }
  return code;
}

int ignore_add(ignore *g, const char *text, size_t n)
{
  return ignore_add_text(g, text, n, false);
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
  code = ignore_add_text(g, bytes, n, strip);
  free(bytes);
  return code;
}

void ignore_free(ignore *g)
{
  for (size_t i = 0; i < g->n; i++)
    free(g->rules[i].pattern);
  free(g->rules);
  free(g->others);
  map_free(&g->whole);
  map_free(&g->last);
  g->rules = NULL;
  g->others = NULL;
  g->n = g->n_others = 0;
}

/* With DVC, what is taken back is so with everything below it. */
static bool taken_back(const ignore_rule *r, const char *path, size_t depth)
{
  char *copy = strdup(path + depth);
  bool answer = false;
  for (char *slash = copy ? strchr(copy, '/') : NULL; slash && !answer; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    const char *last = strrchr(copy, '/');
    answer = ignore_match(r->pattern, r->tied || !last ? copy : last + 1);
    *slash = '/';
  }
  free(copy);
  return answer;
}

bool ignore_test(const ignore *g, const char *path, bool is_folder)
{
  const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
  for (; g; g = g->parent) {
    const size_t *whole = map_get(&g->whole, path + g->depth, strlen(path + g->depth)), *name = map_get(&g->last, last, strlen(last));
    size_t behind = whole && (!name || *whole > *name) ? *whole + 1 : name ? *name + 1 : 0; /* only rules behind a name that matches can say anything else */
    for (size_t i = g->n_others; i-- > 0 && g->others[i] >= behind;) {
      const ignore_rule *r = &g->rules[g->others[i]];
      if (r->folder_only && !is_folder)
        continue;
      if (ignore_match(r->pattern, r->tied ? path + g->depth : last) || (r->negated && r->dvc && taken_back(r, path, g->depth)))
        return !r->negated;
    }
    if (behind)
      return true;
  }
  return false;
}
