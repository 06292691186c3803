/* Reading the configuration. Values follow configobj, which DVC uses: quoted with ' or " (or three of them), and a comment may follow. */
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

static const char *skip_space(const char *s, const char *end)
{
  while (s < end && (*s == ' ' || *s == '\t' || *s == '\r'))
    s++;
  return s;
}

static const char *trim_end(const char *s, const char *end)
{
  while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
    end--;
  return end;
}

/* `remote "name"`, perhaps in quotes of its own, into its two words. */
static int section_name(char **section, char **name, const char *s, const char *end)
{
  s = skip_space(s, end);
  end = trim_end(s, end);
  if (end - s >= 2 && (*s == '\'' || *s == '"') && end[-1] == *s) {
    s = skip_space(s + 1, end - 1);
    end = trim_end(s, end - 1);
  }
  const char *quote = memchr(s, '"', (size_t)(end - s));
  if (quote && quote > s && end[-1] == '"' && end - 1 > quote) {
    const char *word = trim_end(s, quote);
    *section = strndup(s, (size_t)(word - s));
    *name = strndup(quote + 1, (size_t)(end - 1 - quote - 1));
  } else {
    *section = strndup(s, (size_t)(end - s));
    *name = strdup("");
  }
  return *section && *name ? 0 : error_nomem();
}

/* The value in [s, end): without quotes and a comment behind it. */
static char *unquote(const char *s, const char *end)
{
  s = skip_space(s, end);
  if (end - s >= 6 && (memcmp(s, "\"\"\"", 3) == 0 || memcmp(s, "'''", 3) == 0)) {
    const char *close = memmem(s + 3, (size_t)(end - s - 3), s, 3);
    if (close)
      return strndup(s + 3, (size_t)(close - s - 3));
  }
  if (s < end && (*s == '"' || *s == '\'')) {
    const char *close = memchr(s + 1, *s, (size_t)(end - s - 1)), *rest = close ? skip_space(close + 1, end) : NULL;
    if (close && (rest == end || *rest == '#'))
      return strndup(s + 1, (size_t)(close - s - 1));
  }
  const char *hash = memchr(s, '#', (size_t)(end - s));
  end = trim_end(s, hash ? hash : end);
  return strndup(s, (size_t)(end - s));
}

int config_parse(config *c, const char *text, size_t n, config_level level, const char *what)
{
  const char *end = text + n;
  char *section = NULL, *name = NULL;
  int code = 0;
  size_t line = 0;
  if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
    text += 3;
  if (memchr(text, '\0', (size_t)(end - text)))
    return error_set(OPIS_EFORMAT, "%s: holds a NUL byte", what);
  for (const char *p = text; p < end && code == 0;) {
    const char *eol = memchr(p, '\n', (size_t)(end - p)), *stop = eol ? eol : end;
    const char *s = skip_space(p, stop), *e = trim_end(s, stop);
    line++;
    p = eol ? eol + 1 : end;
    if (s == e || *s == '#')
      continue;
    if (*s == '[') {
      const char *close = NULL; /* the last ] on the line: names may hold one */
      for (const char *q = s; q < e && *q != '#'; q++)
        if (*q == ']')
          close = q;
      free(section);
      free(name);
      section = name = NULL;
      code = close ? section_name(&section, &name, s + 1, close) : error_set(OPIS_EFORMAT, "%s: line %zu: a section's ] is missing", what, line);
      continue;
    }
    const char *equals = memchr(s, '=', (size_t)(e - s));
    if (!equals || equals == s || !section) {
      code = error_set(OPIS_EFORMAT, "%s: line %zu: %s", what, line, section ? "neither a section nor KEY = VALUE" : "a key outside of a section");
      break;
    }
    char *key = unquote(s, trim_end(s, equals)), *value = unquote(equals + 1, e);
    code = key && value ? add_item(c, section, name, key, value, level) : error_nomem();
    free(key);
    free(value);
  }
  free(section);
  free(name);
  return code;
}

/* Where DVC looks: $DVC_SYSTEM_CONFIG_DIR, else the first of XDG_CONFIG_DIRS; $DVC_GLOBAL_CONFIG_DIR, else XDG_CONFIG_HOME. */
static int level_files(config *c, const char *dvc)
{
  const char *system = getenv("DVC_SYSTEM_CONFIG_DIR"), *global = getenv("DVC_GLOBAL_CONFIG_DIR"), *xdg = getenv("XDG_CONFIG_HOME"), *dirs = getenv("XDG_CONFIG_DIRS");
  char *home = file_home();
  int made = 0;
  if (!home)
    return error_nomem();
  if (!dirs || !*dirs)
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
  char *scratch = NULL;
  if (code == 0 && (level == CONFIG_REPO || level == CONFIG_LOCAL)) {
    code = asprintf(&scratch, "%s/tmp/opis/place", folder) < 0 ? error_nomem() : temporary_replace(c->files[level], scratch, bytes, text->n, true);
    free(scratch);
  } else if (code == 0)
    code = file_replace(c->files[level], bytes, text->n, 0666, true);
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
    if (strcmp(c->items[i].section, section) == 0 && strcmp(c->items[i].name, name) == 0 && strcmp(c->items[i].key, key) == 0)
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
    if (strcmp(c->items[i].section, "remote") == 0 && strcmp(c->items[i].name, name) == 0)
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

int config_path(char **path, const config *c, const char *section, const char *name, const char *key)
{
  const config_item *i = config_find(c, section, name, key);
  *path = NULL;
  if (!i)
    return 0;
  const char *v = i->value, *slash = strrchr(c->files[i->level], '/');
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

int config_split(char **section, char **name, char **key, const char *dotted)
{
  const char *first = strchr(dotted, '.'), *last = strrchr(dotted, '.');
  *section = *name = *key = NULL;
  if (!first || first == dotted || !last[1] || (last == first && strncmp(dotted, "remote.", 7) == 0) || first + 1 == last)
    return error_set(OPIS_EINVALID, "%s: not the name of a setting; they look like core.remote or remote.NAME.url", dotted);
  *section = lower(strndup(dotted, (size_t)(first - dotted)));
  *name = last == first ? strdup("") : strndup(first + 1, (size_t)(last - first - 1));
  *key = lower(strdup(last + 1));
  return *section && *name && *key ? 0 : error_nomem();
}
