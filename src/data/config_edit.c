/* Edits of a configuration file, line by line: what is not named stays as it was, comments too. */
#include "data/config.h"

#include "util/error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A value as configobj quotes it. */
static int put_value(strbuf *b, const char *v)
{
  static const char space[] = " \r\n\v\t'\"";
  size_t n = strlen(v);
  bool line = strchr(v, '\n') != NULL, both = strchr(v, '\'') && strchr(v, '"');
  if (n == 0)
    strbuf_puts(b, "\"\"");
  else if (line || both) {
    const char *q = strstr(v, "\"\"\"") ? "'''" : "\"\"\"";
    if (line || strstr(v, q))
      return error_set(OPIS_EINVALID, "the value '%s' cannot be quoted", v);
    strbuf_printf(b, "%s%s%s", q, v, q);
  } else if (strchr(space, v[0]) || strchr(space, v[n - 1]) || strchr(v, ',') || strchr(v, '#'))
    strbuf_printf(b, strchr(v, '"') ? "'%s'" : "\"%s\"", v);
  else
    strbuf_puts(b, v);
  return strbuf_check(b) < 0 ? error_nomem() : 0;
}

static void put_section(strbuf *b, const char *section, const char *name)
{
  if (*name)
    strbuf_printf(b, "['%s \"%s\"']\n", section, name);
  else
    strbuf_printf(b, "[%s]\n", section);
}

typedef struct place {
  size_t header, header_end; /* the section's own line */
  size_t last;               /* behind the section's last line that is no blank and no comment */
  size_t end;                /* where the next section begins, or the end */
  size_t key, key_end;       /* the key's line; key == key_end: it is not there */
  size_t keys;               /* keys in the section */
} place;

/* Looks the section and key up by parsing each line as config_parse does. */
static bool locate(const strbuf *text, const char *section, const char *name, const char *key, place *at)
{
  bool inside = false, found = false;
  *at = (place){0};
  for (size_t p = 0; p < text->n;) {
    const char *eol = memchr(text->s + p, '\n', text->n - p);
    size_t next = eol ? (size_t)(eol - text->s) + 1 : text->n, s = p;
    while (s < next && isspace((unsigned char)text->s[s]))
      s++;
    if (s < next && text->s[s] == '[') {
      config one = {0};
      strbuf probe = STRBUF_INIT;
      strbuf_append(&probe, text->s + s, next - s);
      strbuf_puts(&probe, "\nx = 1\n");
      if (inside)
        at->end = p;
      inside = false;
      if (!found && strbuf_check(&probe) == 0 && config_parse(&one, probe.s, probe.n, CONFIG_REPO, "") == 0 && one.n && strcmp(one.items[0].section, section) == 0 &&
        strcmp(one.items[0].name, name) == 0) {
        found = inside = true;
        at->header = p;
        at->header_end = at->last = next;
        at->end = text->n;
      }
      config_free(&one);
      strbuf_free(&probe);
    } else if (inside && s < next && text->s[s] != '#') {
      const char *equals = memchr(text->s + s, '=', next - s);
      size_t e = equals ? (size_t)(equals - text->s) : s;
      while (e > s && isspace((unsigned char)text->s[e - 1]))
        e--;
      at->last = next;
      at->keys++;
      if (key && e - s == strlen(key) && strncasecmp(text->s + s, key, e - s) == 0) {
        at->key = p;
        at->key_end = next;
      }
    }
    p = next;
  }
  return found;
}

/* `with` stands on lines of its own; NULL: nothing. */
static int splice(strbuf *text, size_t begin, size_t end, const strbuf *with)
{
  if (!with)
    return strbuf_replace(text, begin, end, "", 0);
  if (begin == 0 || text->s[begin - 1] == '\n')
    return strbuf_replace(text, begin, end, with->s, with->n);
  int code = strbuf_replace(text, begin, begin, "\n", 1);
  return code < 0 ? code : strbuf_replace(text, begin + 1, end + 1, with->s, with->n);
}

int config_edit(strbuf *text, const char *section, const char *name, const char *key, const char *value, bool *found)
{
  place at;
  strbuf line = STRBUF_INIT;
  bool there = locate(text, section, name, key, &at);
  int code = 0;
  if (found)
    *found = there && (!key || at.key_end > at.key);
  if (!key)
    return there ? splice(text, at.header, at.end, NULL) : 0;
  if (!value) {
    if (!there || at.key_end == at.key)
      return 0;
    return at.keys == 1 ? splice(text, at.header, at.end, NULL) : splice(text, at.key, at.key_end, NULL);
  }
  if (!there)
    put_section(&line, section, name);
  strbuf_printf(&line, "    %s = ", key);
  code = put_value(&line, value);
  strbuf_putc(&line, '\n');
  if (code == 0 && strbuf_check(&line) < 0)
    code = error_nomem();
  if (code == 0)
    code = !there ? splice(text, text->n, text->n, &line) : at.key_end > at.key ? splice(text, at.key, at.key_end, &line) : splice(text, at.last, at.last, &line);
  strbuf_free(&line);
  return code;
}

int config_rename_section(strbuf *text, const char *section, const char *from, const char *to, bool *found)
{
  place at;
  strbuf line = STRBUF_INIT;
  *found = locate(text, section, from, NULL, &at);
  if (!*found)
    return 0;
  put_section(&line, section, to);
  int code = strbuf_check(&line) < 0 ? error_nomem() : splice(text, at.header, at.header_end, &line);
  strbuf_free(&line);
  return code;
}
