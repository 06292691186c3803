/* Names that are trouble on other systems, and folders without anything. */
#include "check/check.h"

#include "util/error.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

/* How Windows and macOS compare names: composed and case-folded. malloc'ed; NULL when it is no UTF-8. */
static char *folded(const char *path)
{
  utf8proc_uint8_t *out = NULL;
  if (utf8proc_map((const utf8proc_uint8_t *)path, 0, &out, UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD) < 0)
    return NULL;
  return (char *)out;
}

typedef struct folded_name {
  char *name;
  size_t i;
} folded_name;

static int by_name(const void *a, const void *b)
{
  const folded_name *x = a, *y = b;
  int c = strcmp(x->name, y->name);
  return c ? c : (x->i > y->i) - (x->i < y->i);
}

static int clashes(check_set *set, const check_settings *s)
{
  folded_name *names = calloc(set->n + 1, sizeof *names);
  size_t n = 0;
  int e = 0;
  if (!names)
    return error_nomem();
  for (size_t i = 0; i < set->n; i++)
    if ((names[n].name = folded(set->files[i].path)))
      names[n++].i = i;
  qsort(names, n, sizeof *names, by_name);
  for (size_t i = 1; e == 0 && i < n; i++)
    if (strcmp(names[i].name, names[i - 1].name) == 0)
      e = check_add(set, s, KEY_CASE_CLASH, set->files[names[i].i].path, "the same name as %s where case does not count", set->files[names[i - 1].i].path);
  for (size_t i = 0; i < n; i++)
    free(names[i].name);
  free(names);
  return e;
}

/* CON, nul.jpg, COM1 and the like, in any case. */
static bool is_device(const char *name, size_t n)
{
  static const char *const devices[] = {"con", "prn", "aux", "nul"};
  size_t stem = 0;
  while (stem < n && name[stem] != '.')
    stem++;
  while (stem && name[stem - 1] == ' ')
    stem--;
  for (size_t i = 0; i < 4; i++)
    if (stem == 3 && strncasecmp(name, devices[i], 3) == 0)
      return true;
  return stem == 4 && (strncasecmp(name, "com", 3) == 0 || strncasecmp(name, "lpt", 3) == 0) && name[3] >= '1' && name[3] <= '9';
}

/* What is wrong with one part of a path on Windows; NULL: nothing. */
static const char *trouble(const char *name, size_t n)
{
  if (is_device(name, n))
    return "is the name of a device on Windows";
  if (n && (name[n - 1] == '.' || name[n - 1] == ' '))
    return "ends with a full stop or space, which Windows takes off";
  for (size_t i = 0; i < n; i++)
    if (strchr("<>:\"\\|?*", name[i]) || (unsigned char)name[i] < 32)
      return "has a character that Windows does not allow in names";
  return n > 255 ? "is longer than 255 bytes" : NULL;
}

static int spelling(check_set *set, const check_settings *s, const char *path)
{
  int e = 0;
  for (const char *p = path; e == 0 && *p;) {
    size_t n = strcspn(p, "/");
    const char *what = trouble(p, n);
    if (what) {
      e = check_add(set, s, KEY_RESERVED_NAME, path, "'%.*s' %s", (int)n, p, what);
      break;
    }
    p += n + (p[n] == '/');
  }
  if (e < 0)
    return e;
  if (!utf8_valid(path, strlen(path)))
    return check_add(set, s, KEY_NOT_NFC, path, "the name is not UTF-8");
  utf8proc_uint8_t *composed = utf8proc_NFC((const utf8proc_uint8_t *)path);
  if (composed && strcmp((const char *)composed, path) != 0)
    e = check_add(set, s, KEY_NOT_NFC, path, "the name has letters and their marks apart: macOS and Linux take it for different ones");
  free(composed);
  return e;
}

int check_find_names(check_set *set, const check_settings *s)
{
  int e = clashes(set, s);
  for (size_t i = 0; e == 0 && i < set->n; i++)
    e = spelling(set, s, set->files[i].path);
  if (e == 0 && set->n == 0)
    e = check_add(set, s, KEY_EMPTY_FOLDER, "", "no picture in %s", set->root);
  for (size_t i = 0; e == 0 && i < set->n_empty; i++)
    e = check_add(set, s, KEY_EMPTY_FOLDER, set->empty_folders[i], "nothing is in this folder");
  return e;
}
