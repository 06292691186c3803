/* Edits of a configuration file, line by line: what is not named stays as it was, comments too. */
#include "data/config.h"

#include "util/error.h"

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

static void keep_place(place *at, const place *now, bool *found, size_t end)
{
  if (*found && now->key_end == now->key)
    return;
  *at = *now;
  at->end = end;
  *found = true;
}

/* Looks the section and key up, line by line as config_parse does. Sections whose names differ by case are one for DVC, and of a key the last one counts: it is where the key is. */
static int locate(bool *there, const strbuf *text, const char *section, const char *name, const char *key, place *at)
{
  place now = {0};
  bool inside = false, found = false;
  int code = 0;
  *at = now;
  for (size_t p = text->n >= 3 && memcmp(text->s, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0; p < text->n && code == 0;) {
    config_line l;
    code = config_next_line(&l, text->s + p, text->s + text->n);
    size_t next = (size_t)(l.end - text->s);
    if (code == 0 && l.kind == CONFIG_SECTION) {
      if (inside)
        keep_place(at, &now, &found, p);
      inside = strcasecmp(l.section, section) == 0 && strcasecmp(l.name, name) == 0;
      now = (place){.header = p, .header_end = next, .last = next};
    } else if (code == 0 && inside && l.kind == CONFIG_KEY) {
      now.last = next;
      now.keys++;
      if (key && strcasecmp(l.key, key) == 0) {
        now.key = p;
        now.key_end = next;
      }
    }
    config_line_free(&l);
    p = next;
  }
  if (inside)
    keep_place(at, &now, &found, text->n);
  *there = found;
  return code;
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
  bool there;
  int code = locate(&there, text, section, name, key, &at);
  if (code < 0)
    return code;
  if (found)
    *found = there && (!key || at.key_end > at.key);
  if (!key)
    return there ? splice(text, at.header, at.end, NULL) : 0;
  if (!value) {
    if (!there || at.key_end == at.key)
      return 0;
    return at.keys == 1 ? splice(text, at.header, at.end, NULL) : splice(text, at.key, at.key_end, NULL);
  }
  bool replaces = there && at.key_end > at.key;
  const char *written = replaces ? strcasestr(text->s + at.key, key) : NULL; /* as it stands there: it may be the same as one above it but for its case */
  if (!there)
    put_section(&line, section, name);
  strbuf_printf(&line, "    %.*s = ", (int)strlen(key), written ? written : key);
  code = put_value(&line, value);
  strbuf_putc(&line, '\n');
  if (code == 0 && strbuf_check(&line) < 0)
    code = error_nomem();
  if (code == 0)
    code = !there ? splice(text, text->n, text->n, &line) : replaces ? splice(text, at.key, at.key_end, &line) : splice(text, at.last, at.last, &line);
  strbuf_free(&line);
  return code;
}

int config_rename_section(strbuf *text, const char *section, const char *from, const char *to, bool *found)
{
  place at;
  strbuf line = STRBUF_INIT;
  int code = locate(found, text, section, from, NULL, &at);
  if (code < 0 || !*found)
    return code;
  put_section(&line, section, to);
  code = strbuf_check(&line) < 0 ? error_nomem() : splice(text, at.header, at.header_end, &line);
  strbuf_free(&line);
  return code;
}
