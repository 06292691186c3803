#include "data/gitignore.h"

#include "data/git.h"
#include "data/scan.h"
#include "util/error.h"
#include "util/file.h"
#include "util/strbuf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGEST = 16 << 20 };

char *gitignore_line(const char *name)
{
  strbuf b = STRBUF_INIT;
  strbuf_putc(&b, '/');
  size_t n = strlen(name);
  for (size_t i = 0; i < n; i++) {
    if (strchr("*?[]!#\\", name[i]) || (name[i] == ' ' && i + 1 == n))
      strbuf_putc(&b, '\\');
    strbuf_putc(&b, name[i]);
  }
  return strbuf_check(&b) == 0 ? strbuf_take(&b) : NULL;
}

static int read_file(strbuf *text, char **path, char **rel, const repo *r, const char *of)
{
  char *folder = path_folder(of);
  *text = (strbuf)STRBUF_INIT;
  *path = *rel = NULL;
  if (!folder || asprintf(rel, "%s%s.gitignore", folder, *folder ? "/" : "") < 0) {
    free(folder);
    return error_nomem();
  }
  free(folder);
  int code = repo_absolute(path, r, *rel);
  if (code == 0)
    code = file_append(text, *path, LARGEST);
  return code == OPIS_ENOTFOUND ? 0 : code;
}

/* Where the line stands; false when it is not there. */
static bool find_line(const strbuf *text, const char *line, size_t *begin, size_t *end)
{
  size_t n = strlen(line);
  for (size_t p = 0; p < text->n;) {
    const char *eol = memchr(text->s + p, '\n', text->n - p);
    size_t next = eol ? (size_t)(eol - text->s) + 1 : text->n, stop = next - (eol != NULL);
    while (stop > p && (text->s[stop - 1] == '\r' || text->s[stop - 1] == ' ' || text->s[stop - 1] == '\t') && !(stop - p <= n))
      stop--;
    if (stop - p == n && memcmp(text->s + p, line, n) == 0) {
      *begin = p;
      *end = next;
      return true;
    }
    p = next;
  }
  return false;
}

int gitignore_check_untracked(repo *r, const char *rel)
{
  bool tracked;
  int code = git_tracks(&tracked, r, rel);
  if (code == 0 && tracked)
    code = error_set(OPIS_ECONFLICT, "%s: tracked by git already; take it out with: git rm -r --cached '%s' && git commit -m 'stop tracking %s'", rel, rel, rel);
  return code;
}

int gitignore_add(repo *r, const char *rel)
{
  bool ignored = false;
  strbuf text;
  char *path, *file, *line;
  size_t begin, end;
  if (!r->git_root)
    return 0;
  int code = gitignore_check_untracked(r, rel);
  if (code == 0)
    code = scan_is_gitignored(&ignored, r, rel, scan_kind(r, rel) == PATH_FOLDER);
  if (code < 0 || ignored)
    return code;
  line = gitignore_line(path_name(rel));
  code = line ? read_file(&text, &path, &file, r, rel) : error_nomem();
  if (code < 0) {
    free(line);
    return code;
  }
  if (!find_line(&text, line, &begin, &end)) {
    if (text.n && text.s[text.n - 1] != '\n')
      strbuf_putc(&text, '\n');
    strbuf_printf(&text, "%s\n", line);
    code = strbuf_check(&text) < 0 ? error_nomem() : repo_replace(r, path, text.s, text.n, false);
    if (code == 0)
      code = repo_touch(r, file);
  }
  strbuf_free(&text);
  free(path);
  free(file);
  free(line);
  return code;
}

int gitignore_remove(repo *r, const char *rel)
{
  strbuf text;
  char *path, *file, *line;
  size_t begin, end;
  if (!r->git_root)
    return 0;
  line = gitignore_line(path_name(rel));
  int code = line ? read_file(&text, &path, &file, r, rel) : error_nomem();
  if (code == 0 && find_line(&text, line, &begin, &end)) {
    strbuf fresh = STRBUF_INIT;
    strbuf_append(&fresh, text.s, begin);
    strbuf_append(&fresh, text.s + end, text.n - end);
    if (strbuf_check(&fresh) < 0)
      code = error_nomem();
    else if (fresh.n == 0)
      code = unlink(path) == 0 ? 0 : error_set_errno("%s", file);
    else
      code = repo_replace(r, path, fresh.s, fresh.n, false);
    if (code == 0)
      code = repo_touch(r, file);
    strbuf_free(&fresh);
  }
  if (line) {
    strbuf_free(&text);
    free(path);
    free(file);
  }
  free(line);
  return code;
}
