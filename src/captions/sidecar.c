/* Sidecar files: NAME.txt beside NAME.jpg, one caption a line. */
#include "captions/internal.h"

#include "util/error.h"
#include "util/file.h"
#include "util/strbuf.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_SIDECAR (UINT64_C(64) << 20)
#define MAX_FOLDERS 64 /* inside each other */

static int read_one(captions *c, const char *path, const char *picture)
{
  char *bytes;
  size_t size;
  int e = file_read(&bytes, &size, path, MAX_SIDECAR);
  if (e < 0)
    return e == OPIS_ENOMEM ? e : captions_problem(c, 0, "%.200s: cannot be read: left out", path);
  char *p = bytes;
  if (size >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
    p += 3, size -= 3;
  caption_lines l = {p, p + size, 0};
  char *s;
  size_t n;
  bool any = false;
  e = 0;
  while (e == 0 && captions_next_line(&l, &s, &n)) {
    size_t blank = 0;
    while (blank < n && (s[blank] == ' ' || s[blank] == '\t'))
      blank++;
    if (blank == n)
      continue;
    any = true;
    e = captions_add(c, picture, strlen(picture), s, n, NULL, l.line);
  }
  if (e == 0 && !any)
    e = captions_add(c, picture, strlen(picture), "", 0, NULL, 1);
  free(bytes);
  return e;
}

static int read_folder(captions *c, const char *root, const char *inside, int depth)
{
  char *folder = NULL;
  int e = path_join(&folder, root, inside);
  if (e < 0)
    return e;
  struct dirent **names;
  int n = scandir(*inside ? folder : root, &names, NULL, alphasort);
  if (n < 0)
    e = *inside ? captions_problem(c, 0, "%.200s: the folder cannot be read: left out", inside) : error_set_errno("%s", root);
  for (int i = 0; i < n; i++) {
    const char *name = names[i]->d_name;
    strbuf path = STRBUF_INIT;
    if (*inside)
      strbuf_printf(&path, "%s/", inside);
    strbuf_puts(&path, name);
    char *full = NULL;
    struct stat st;
    if (e == 0 && name[0] != '.' && (e = strbuf_check(&path)) == 0 && (e = path_join(&full, root, path.s)) == 0 && lstat(full, &st) == 0) {
      if (S_ISDIR(st.st_mode) && depth < MAX_FOLDERS)
        e = read_folder(c, root, path.s, depth + 1);
      else if (!S_ISDIR(st.st_mode) && path.n > 4 && strcmp(path.s + path.n - 4, ".txt") == 0 && stat(full, &st) == 0 && S_ISREG(st.st_mode)) {
        path.s[path.n - 4] = 0;
        e = read_one(c, full, path.s);
      }
    }
    free(full);
    strbuf_free(&path);
    free(names[i]);
  }
  if (n >= 0)
    free(names);
  free(folder);
  return e;
}

int captions_read_sidecars(captions *c, const char *folder)
{
  return read_folder(c, folder, "", 0);
}
