/* Reading the configuration. Its lines are taken apart in config_line.c. */
#include "data/config.h"

#include "data/temporary.h"
#include "util/error.h"
#include "util/file.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { LARGEST = 4 << 20 };

static char *lower(char *s)
{
  for (char *p = s; p && *p; p++)
    *p = (char)tolower((unsigned char)*p);
  return s;
}

static int add_item(config *c, const char *section, const char *name, const char *key, const char *value, config_level level)
{
  config_item *larger = realloc(c->items, (c->n + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  c->items = larger;
  config_item *i = &larger[c->n];
  *i = (config_item){lower(strdup(section)), strdup(name), lower(strdup(key)), strdup(value), level};
  c->n++;
  return i->section && i->name && i->key && i->value ? 0 : error_nomem();
}

/* Whether a word, in letters as written, came before; it is noted. */
static int came_before(bool *before, strbuf *seen, const char *a, const char *b)
{
  strbuf word = STRBUF_INIT;
  strbuf_printf(&word, "\n%s\"%s\n", a, b);
  int code = strbuf_check(&word);
  *before = code == 0 && seen->n && memmem(seen->s, seen->n, word.s, word.n);
  if (code == 0)
    strbuf_append(seen, word.s, word.n);
  strbuf_free(&word);
  return code < 0 || strbuf_check(seen) < 0 ? error_nomem() : 0;
}

int config_parse(config *c, const char *text, size_t n, config_level level, const char *what)
{
  const char *end = text + n, *p = text;
  size_t line = 1;
  strbuf sections = STRBUF_INIT, keys = STRBUF_INIT;
  bool again = false;
  char *section = NULL, *name = NULL;
  int code = 0;
  if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
    p += 3;
  if (memchr(p, '\0', (size_t)(end - p)))
    return error_set(OPIS_EFORMAT, "%s: holds a NUL byte", what);
  while (p < end && code == 0) {
    config_line l;
    code = config_next_line(&l, p, end);
    if (code == 0 && l.wrong)
      code = error_set(OPIS_EFORMAT, "%s: line %zu: %s", what, line, l.wrong);
    else if (code == 0 && l.kind == CONFIG_SECTION) {
      strbuf_reset(&keys);
      code = came_before(&again, &sections, l.section, l.name);
      if (code == 0 && again)
        code = error_set(OPIS_EFORMAT, "%s: line %zu: this section is there already; put its lines together", what, line);
      free(section);
      free(name);
      section = lower(l.section);
      name = lower(l.name); /* DVC's remotes have no capitals */
      l.section = l.name = NULL;
    } else if (code == 0 && l.kind == CONFIG_KEY) {
      if (!section)
        code = error_set(OPIS_EFORMAT, "%s: line %zu: a key outside of a section", what, line);
      else
        code = came_before(&again, &keys, l.key, "");
      if (code == 0 && again)
        code = error_set(OPIS_EFORMAT, "%s: line %zu: '%s' is set already in this section", what, line, l.key);
      if (code == 0)
        code = add_item(c, section, name, l.key, l.value, level);
    }
    line += l.lines;
    p = l.end;
    config_line_free(&l);
  }
  strbuf_free(&sections);
  strbuf_free(&keys);
  free(section);
  free(name);
  return code;
}

/* NULL also for what is set and empty, as DVC takes it. */
static const char *variable(const char *name)
{
  const char *v = getenv(name);
  return v && *v ? v : NULL;
}

/* Where DVC looks: $DVC_SYSTEM_CONFIG_DIR, else the first of XDG_CONFIG_DIRS; $DVC_GLOBAL_CONFIG_DIR, else XDG_CONFIG_HOME. */
static int level_files(config *c, const char *dvc)
{
  const char *system = variable("DVC_SYSTEM_CONFIG_DIR"), *global = variable("DVC_GLOBAL_CONFIG_DIR"), *xdg = variable("XDG_CONFIG_HOME"), *dirs = variable("XDG_CONFIG_DIRS");
  char *home = file_home();
  int made = 0;
  if (!home)
    return error_nomem();
  if (!dirs)
    dirs = "/etc/xdg";
  made |= system ? asprintf(&c->files[CONFIG_SYSTEM], "%s/config", system) : asprintf(&c->files[CONFIG_SYSTEM], "%.*s/dvc/config", (int)strcspn(dirs, ":"), dirs);
  made |= global           ? asprintf(&c->files[CONFIG_GLOBAL], "%s/config", global)
    : xdg && xdg[0] == '/' ? asprintf(&c->files[CONFIG_GLOBAL], "%s/dvc/config", xdg)
                           : asprintf(&c->files[CONFIG_GLOBAL], "%s/.config/dvc/config", home);
  if (dvc) {
    made |= asprintf(&c->files[CONFIG_REPO], "%s/config", dvc);
    made |= asprintf(&c->files[CONFIG_LOCAL], "%s/config.local", dvc);
  }
  free(home);
  return made < 0 ? error_nomem() : 0;
}

int config_read_level(strbuf *text, const config *c, config_level level)
{
  *text = (strbuf)STRBUF_INIT;
  if (!c->files[level])
    return error_set(OPIS_EINVALID, "not inside of a DVC repository: there is no such configuration");
  int code = file_append(text, c->files[level], LARGEST);
  return code == OPIS_ENOTFOUND ? 0 : code;
}

int config_write_level(const config *c, config_level level, const strbuf *text)
{
  char *folder = strdup(c->files[level]), *slash = folder ? strrchr(folder, '/') : NULL;
  int code = folder ? 0 : error_nomem();
  if (slash) {
    *slash = '\0';
    code = file_make_folders(folder, 0777);
  }
  const char *bytes = text->s ? text->s : "";
  char *scratch = NULL, *behind = file_behind(c->files[level]);
  if (code == 0 && !behind)
    code = OPIS_ENOMEM;
  if (code == 0 && (level == CONFIG_REPO || level == CONFIG_LOCAL)) {
    code = asprintf(&scratch, "%s/tmp/opis/place", folder) < 0 ? error_nomem() : temporary_replace(behind, scratch, bytes, text->n, true);
    free(scratch);
  } else if (code == 0)
    code = file_replace(behind, bytes, text->n, 0666, true);
  free(behind);
  free(folder);
  return code;
}

int config_load(config *c, const char *dvc)
{
  *c = (config){0};
  int code = level_files(c, dvc);
  for (int level = 0; level < CONFIG_LEVELS && code == 0; level++) {
    strbuf text;
    if (!c->files[level])
      continue;
    code = config_read_level(&text, c, (config_level)level);
    if (code == 0 && text.n)
      code = config_parse(c, text.s, text.n, (config_level)level, c->files[level]);
    strbuf_free(&text);
  }
  if (code < 0)
    config_free(c);
  return code;
}

void config_free(config *c)
{
  for (size_t i = 0; i < c->n; i++) {
    free(c->items[i].section);
    free(c->items[i].name);
    free(c->items[i].key);
    free(c->items[i].value);
  }
  free(c->items);
  for (int i = 0; i < CONFIG_LEVELS; i++)
    free(c->files[i]);
  *c = (config){0};
}

const config_item *config_find(const config *c, const char *section, const char *name, const char *key)
{
  for (size_t i = c->n; i-- > 0;)
    if (strcmp(c->items[i].section, section) == 0 && strcasecmp(c->items[i].name, name) == 0 && strcmp(c->items[i].key, key) == 0)
      return &c->items[i];
  return NULL;
}

const char *config_get(const config *c, const char *section, const char *name, const char *key)
{
  const config_item *i = config_find(c, section, name, key);
  return i ? i->value : NULL;
}

bool config_true(const config *c, const char *section, const char *key, bool otherwise)
{
  const char *v = config_get(c, section, "", key);
  return v ? strcasecmp(v, "true") == 0 || strcasecmp(v, "yes") == 0 || strcasecmp(v, "on") == 0 || strcmp(v, "1") == 0 : otherwise;
}

bool config_has_remote(const config *c, const char *name)
{
  for (size_t i = 0; i < c->n; i++)
    if (strcmp(c->items[i].section, "remote") == 0 && strcasecmp(c->items[i].name, name) == 0)
      return true;
  return false;
}

static bool has_scheme(const char *s)
{
  size_t n = 0;
  while (isalnum((unsigned char)s[n]) || s[n] == '_')
    n++;
  return n > 0 && strncmp(s + n, "://", 3) == 0;
}

int config_item_path(char **path, const config *c, const config_item *i)
{
  const char *v = i->value, *slash = strrchr(c->files[i->level], '/');
  *path = NULL;
  if (has_scheme(v) || v[0] == '/') {
    *path = strdup(v);
    return *path ? 0 : error_nomem();
  }
  if (v[0] == '~' && (v[1] == '/' || !v[1])) {
    char *home = file_home();
    int made = home ? asprintf(path, "%s%s", home, v + 1) : -1;
    free(home);
    return made < 0 ? error_nomem() : 0;
  }
  return asprintf(path, "%.*s/%s", (int)(slash - c->files[i->level]), c->files[i->level], v) < 0 ? error_nomem() : 0;
}

int config_path(char **path, const config *c, const char *section, const char *name, const char *key)
{
  const config_item *i = config_find(c, section, name, key);
  *path = NULL;
  return i ? config_item_path(path, c, i) : 0;
}

int config_split(char **section, char **name, char **key, const char *dotted)
{
  const char *first = strchr(dotted, '.'), *last = strrchr(dotted, '.');
  *section = *name = *key = NULL;
  if (!first || first == dotted || !last[1] || (last == first && strncmp(dotted, "remote.", 7) == 0) || first + 1 == last)
    return error_set(OPIS_EINVALID, "%s: not the name of a setting; they look like core.remote or remote.NAME.url", dotted);
  *section = lower(strndup(dotted, (size_t)(first - dotted)));
  *name = last == first ? strdup("") : lower(strndup(first + 1, (size_t)(last - first - 1)));
  *key = lower(strdup(last + 1));
  return *section && *name && *key ? 0 : error_nomem();
}
