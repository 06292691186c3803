#include "data/yaml.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEEPEST = 64, MOST_COPIES = 100000 };

typedef struct anchor {
  char *name;
  const yaml_node *node;
} anchor;

typedef struct reader {
  yaml_parser_t parser;
  const char *bytes, *what;
  size_t n;
  size_t characters, at; /* marks count characters: how far they were turned into bytes */
  anchor *anchors;
  size_t n_anchors, copied;
} reader;

static size_t byte_of(reader *r, size_t character)
{
  if (character < r->characters)
    r->characters = r->at = 0;
  while (r->characters < character && r->at < r->n) {
    r->at++;
    while (r->at < r->n && ((unsigned char)r->bytes[r->at] & 0xC0) == 0x80)
      r->at++;
    r->characters++;
  }
  return r->at;
}

/* Where git's marks of a merge stand, as a number of a line; 0: nowhere. */
static size_t conflict_line(const reader *r)
{
  static const char mark[] = "<<<<<<< ";
  size_t line = 1, n = strlen(mark);
  for (const char *p = r->bytes, *end = r->bytes + r->n; p && (size_t)(end - p) > n; line++) {
    if (memcmp(p, mark, n) == 0)
      return line;
    p = memchr(p, '\n', (size_t)(end - p));
    p += p != NULL;
  }
  return 0;
}

static int broken(reader *r)
{
  const yaml_parser_t *p = &r->parser;
  size_t conflict = conflict_line(r);
  if (conflict)
    return error_set(OPIS_EFORMAT, "%s: line %zu: a conflict of a merge; 'git checkout --ours' (or --theirs) of this file takes one of the two", r->what, conflict);
  return error_set(p->error == YAML_MEMORY_ERROR ? OPIS_ENOMEM : OPIS_EFORMAT, "%s: line %zu: not YAML: %s", r->what, p->problem_mark.line + 1, p->problem ? p->problem : "broken");
}

static int next(reader *r, yaml_event_t *e)
{
  if (yaml_parser_parse(&r->parser, e))
    return 0;
  return broken(r);
}

void yaml_node_free(yaml_node *node)
{
  if (!node)
    return;
  for (size_t i = 0; i < node->n; i++)
    yaml_node_free(node->items[i]);
  free(node->items);
  free(node->text);
  free(node);
}

static int append(yaml_node *parent, yaml_node *child)
{
  if ((parent->n & (parent->n - 1)) == 0) {
    yaml_node **larger = realloc(parent->items, (parent->n ? parent->n * 2 : 1) * sizeof *larger);
    if (!larger)
      return error_nomem();
    parent->items = larger;
  }
  parent->items[parent->n++] = child;
  return 0;
}

static int build(reader *r, yaml_node **out, yaml_event_t *first, int depth);

/* What an alias stands for, once more: readers need not know of aliases then, and nothing is edited through one. */
static int copy_node(reader *r, yaml_node **out, const yaml_node *of)
{
  yaml_node *node = calloc(1, sizeof *node);
  int code = node ? 0 : error_nomem();
  *out = NULL;
  if (code == 0 && ++r->copied > MOST_COPIES)
    code = error_set(OPIS_ELIMIT, "%s: its aliases stand for too much", r->what);
  if (code == 0) {
    *node = (yaml_node){.kind = of->kind, .plain = of->plain, .flow = true, .length = of->length, .begin = of->begin, .end = of->end, .column = of->column};
    node->text = of->text ? malloc(of->length + 1) : NULL;
    if (of->text && !node->text)
      code = error_nomem();
    else if (of->text)
      memcpy(node->text, of->text, of->length + 1);
  }
  for (size_t i = 0; i < of->n && code == 0; i++) {
    yaml_node *child;
    code = copy_node(r, &child, of->items[i]);
    if (code == 0 && (code = append(node, child)) < 0)
      yaml_node_free(child);
  }
  if (code < 0)
    yaml_node_free(node);
  else
    *out = node;
  return code;
}

static int alias(reader *r, yaml_node **out, yaml_event_t *e)
{
  const char *name = (const char *)e->data.alias.anchor;
  size_t i = r->n_anchors;
  while (i > 0 && strcmp(r->anchors[i - 1].name, name) != 0) /* the last one of a name */
    i--;
  int code = i == 0 ? error_set(OPIS_EFORMAT, "%s: line %zu: '*%s' stands for nothing", r->what, e->start_mark.line + 1, name) : copy_node(r, out, r->anchors[i - 1].node);
  if (code == 0) {
    (*out)->begin = byte_of(r, e->start_mark.index);
    (*out)->end = byte_of(r, e->end_mark.index);
  }
  yaml_event_delete(e);
  return code;
}

/* A node is known by its anchor only when it is whole: none holds itself. */
static int keep_anchor(reader *r, char *name, const yaml_node *node)
{
  anchor *larger = realloc(r->anchors, (r->n_anchors + 1) * sizeof *larger);
  if (!larger) {
    free(name);
    return error_nomem();
  }
  r->anchors = larger;
  larger[r->n_anchors++] = (anchor){name, node};
  return 0;
}

static int children(reader *r, yaml_node *node, yaml_event_type_t last, int depth)
{
  for (;;) {
    yaml_event_t e;
    yaml_node *child;
    int code = next(r, &e);
    if (code < 0)
      return code;
    if (e.type == last) {
      node->end = byte_of(r, e.end_mark.index);
      yaml_event_delete(&e);
      return 0;
    }
    code = build(r, &child, &e, depth + 1);
    if (code == 0 && (code = append(node, child)) < 0)
      yaml_node_free(child);
    if (code < 0)
      return code;
  }
}

/* Takes the event over. */
static int build(reader *r, yaml_node **out, yaml_event_t *e, int depth)
{
  if (e->type == YAML_ALIAS_EVENT)
    return alias(r, out, e);
  int code = 0;
  yaml_node *node = calloc(1, sizeof *node);
  const yaml_char_t *named = e->type == YAML_SCALAR_EVENT ? e->data.scalar.anchor
    : e->type == YAML_MAPPING_START_EVENT                 ? e->data.mapping_start.anchor
                                                          : e->data.sequence_start.anchor;
  char *name = named ? strdup((const char *)named) : NULL;
  *out = NULL;
  if (!node || (named && !name)) {
    free(node);
    free(name);
    yaml_event_delete(e);
    return error_nomem();
  }
  node->begin = byte_of(r, e->start_mark.index);
  node->end = byte_of(r, e->end_mark.index);
  for (size_t i = node->begin; i > 0 && r->bytes[i - 1] != '\n'; i--)
    node->column++;
  yaml_event_type_t type = e->type;
  if (depth > DEEPEST)
    code = error_set(OPIS_ELIMIT, "%s: line %zu: nested too deeply", r->what, e->start_mark.line + 1);
  else if (type == YAML_SCALAR_EVENT) {
    node->kind = YAML_SCALAR;
    node->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->length = e->data.scalar.length;
    node->text = malloc(node->length + 1);
    if (node->text) {
      memcpy(node->text, e->data.scalar.value, node->length);
      node->text[node->length] = '\0';
    } else
      code = error_nomem();
  } else if (type == YAML_MAPPING_START_EVENT) {
    node->kind = YAML_MAPPING;
    node->flow = e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
  } else {
    node->kind = YAML_SEQUENCE;
    node->flow = e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
  }
  yaml_event_delete(e);
  if (code == 0 && node->kind != YAML_SCALAR)
    code = children(r, node, node->kind == YAML_MAPPING ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth);
  if (code == 0 && name) {
    code = keep_anchor(r, name, node);
    name = NULL;
  }
  free(name);
  if (code < 0)
    yaml_node_free(node);
  else
    *out = node;
  return code;
}

int yaml_parse(yaml_node **out, const char *bytes, size_t n, const char *what)
{
  reader r = {.bytes = bytes, .what = what, .n = n};
  yaml_event_t e;
  int code = 0;
  *out = NULL;
  if (!yaml_parser_initialize(&r.parser))
    return error_nomem();
  yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes, n);
  for (bool more = true; more && code == 0;) {
    code = next(&r, &e);
    if (code < 0)
      break;
    switch (e.type) {
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT: yaml_event_delete(&e); break;
    case YAML_DOCUMENT_START_EVENT:
      yaml_event_delete(&e);
      if (*out)
        code = error_set(OPIS_EFORMAT, "%s: more than one document", what);
      break;
    case YAML_STREAM_END_EVENT:
      yaml_event_delete(&e);
      more = false;
      break;
    default: code = build(&r, out, &e, 0);
    }
  }
  yaml_parser_delete(&r.parser);
  for (size_t i = 0; i < r.n_anchors; i++)
    free(r.anchors[i].name);
  free(r.anchors);
  bool empty = *out && (*out)->kind == YAML_SCALAR && (*out)->plain && (*out)->length == 0;
  if (code < 0 || empty) {
    yaml_node_free(*out);
    *out = NULL;
  }
  return code;
}

static size_t find(const yaml_node *mapping, const char *key)
{
  if (mapping && mapping->kind == YAML_MAPPING)
    for (size_t i = 0; i + 1 < mapping->n; i += 2)
      if (mapping->items[i]->kind == YAML_SCALAR && strcmp(mapping->items[i]->text, key) == 0)
        return i;
  return SIZE_MAX;
}

const yaml_node *yaml_get(const yaml_node *mapping, const char *key)
{
  size_t i = find(mapping, key);
  if (i != SIZE_MAX)
    return mapping->items[i + 1];
  if ((i = find(mapping, "<<")) == SIZE_MAX)
    return NULL;
  const yaml_node *more = mapping->items[i + 1], *found = NULL; /* "<<: *a" or "<<: [*a, *b]": the keys of those, too */
  if (more->kind != YAML_SEQUENCE)
    return yaml_get(more, key);
  for (i = 0; i < more->n && !found; i++)
    found = yaml_get(more->items[i], key);
  return found;
}

static bool is_null(const yaml_node *v)
{
  return v->plain && (v->length == 0 || strcmp(v->text, "~") == 0 || strcmp(v->text, "null") == 0 || strcmp(v->text, "Null") == 0 || strcmp(v->text, "NULL") == 0);
}

const char *yaml_text(const yaml_node *mapping, const char *key)
{
  const yaml_node *v = yaml_get(mapping, key);
  return v && v->kind == YAML_SCALAR && !is_null(v) ? v->text : NULL;
}

bool yaml_bool(const yaml_node *mapping, const char *key, bool otherwise)
{
  const char *s = yaml_text(mapping, key);
  return s ? strcmp(s, "true") == 0 || strcmp(s, "True") == 0 || strcmp(s, "TRUE") == 0 : otherwise;
}

int64_t yaml_int(const yaml_node *mapping, const char *key, int64_t otherwise)
{
  const char *s = yaml_text(mapping, key);
  char *end;
  if (!s)
    return otherwise;
  long long v = strtoll(s, &end, 10);
  return *s && !*end ? v : otherwise;
}

/* ---- editing ---- */

/* The end of the line on which byte `at` stands, behind its line break; a missing last line break is added. */
static size_t line_end(strbuf *text, size_t at)
{
  while (at < text->n && text->s[at] != '\n')
    at++;
  if (at < text->n)
    return at + 1;
  strbuf_putc(text, '\n');
  return text->n;
}

/* Where a value's text ends: libyaml puts the end of a block collection behind the blank lines and comments that follow, and so that of the value which "? key" alone has not. */
static size_t value_end(const strbuf *text, const yaml_node *v)
{
  if (v->kind == YAML_SCALAR || v->flow || v->n == 0)
    return v->end;
  const yaml_node *last = v->items[v->n - 1];
  bool none = v->kind == YAML_MAPPING && last->kind == YAML_SCALAR && last->begin == last->end && (last->end == 0 || text->s[last->end - 1] != ':');
  return value_end(text, none ? v->items[v->n - 2] : last);
}

/* YAML has line ends beside "\n" and "\r\n". DVC writes them in names alone; behind a colon, or in lists and mappings, columns and ends of lines are not what they seem. */
static bool is_unusual_end(const char *s)
{
  return strncmp(s, "\xC2\x85", 2) == 0 || strncmp(s, "\xE2\x80\xA8", 3) == 0 || strncmp(s, "\xE2\x80\xA9", 3) == 0;
}

static bool has_unusual_ends(const strbuf *text, size_t colon, const yaml_node *v)
{
  const char *s = text->s + colon + 1;
  bool found = is_unusual_end(s + strspn(s, " \t"));
  for (size_t i = colon; v->kind != YAML_SCALAR && i < v->end && !found; i++)
    found = is_unusual_end(text->s + i);
  return found;
}

/* The rest of a line: something may stand there that is on another one for YAML. */
static bool line_goes_on(const strbuf *text, size_t at)
{
  while (at < text->n && text->s[at] != '\n' && !is_unusual_end(text->s + at))
    at++;
  return at < text->n && text->s[at] != '\n';
}

/* "? key": where its value ends, libyaml does not say. */
static bool is_explicit_key(const strbuf *text, const yaml_node *key)
{
  size_t at = key->begin;
  while (at > 0 && strchr(" \t", text->s[at - 1]))
    at--;
  return key->kind != YAML_SCALAR || (at > 0 && text->s[at - 1] == '?');
}

static int set_in(strbuf *text, const yaml_node *map, const char *key, const char *value, const char *what)
{
  size_t i = find(map, key);
  strbuf line = STRBUF_INIT;
  int code = 0;
  if (map->flow)
    return error_set(OPIS_EUNSUPPORTED, "%s: '%s' stands in a mapping written as {…}; write it as lines", what, key);
  if (i == SIZE_MAX && (!value || map->n == 0))
    return 0;
  if (i == SIZE_MAX && is_explicit_key(text, map->items[map->n - 2]))
    return error_set(OPIS_EUNSUPPORTED, "%s: the last key before '%s' is written with '?'; put another one behind it", what, key);
  if ((i == SIZE_MAX || !value) && line_goes_on(text, value_end(text, map->items[i == SIZE_MAX ? map->n - 1 : i + 1])))
    return error_set(OPIS_EUNSUPPORTED, "%s: '%s' has line ends near it that only YAML knows (U+0085, U+2028 or U+2029); write it with line feeds", what, key);
  if (i == SIZE_MAX) {
    size_t end = value_end(text, map->items[map->n - 1]);
    if (end > 0 && text->s[end - 1] == '\n') /* a block scalar ends behind its line */
      end--;
    end = line_end(text, end);
    strbuf_printf(&line, "%*s%s: %s\n", (int)map->column, "", key, value);
    code = strbuf_check(&line) < 0 ? error_nomem() : strbuf_replace(text, end, end, line.s, line.n);
  } else if (value) {
    const yaml_node *k = map->items[i], *v = map->items[i + 1];
    size_t colon = k->end + strspn(text->s + k->end, " \t"), begin = v->begin > colon ? v->begin : colon + 1, gap = colon + 1;
    if (text->s[colon] != ':' || !strchr(" \t\r\n", text->s[colon + 1]) || has_unusual_ends(text, colon, v))
      return error_set(OPIS_EUNSUPPORTED, "%s: '%s' is not written as 'key: value'", what, key);
    while (gap < begin && strchr(" \n", text->s[gap]))
      gap++;
    if (gap == begin && memchr(text->s + colon, '\n', begin - colon)) /* a long word has a line of its own, which goes with it */
      begin = colon + 1;
    size_t end = value_end(text, v) > begin ? value_end(text, v) : begin;
    if (end > begin && text->s[end - 1] == '\n') /* a block scalar ends behind its line */
      end--;
    strbuf_printf(&line, "%s%s%s", begin > colon + 1 ? "" : " ", value, end < text->n && text->s[end] == '#' ? " " : ""); /* a comment may follow a ] at once, but not a word */
    code = strbuf_check(&line) < 0 ? error_nomem() : strbuf_replace(text, begin, end, line.s, line.n);
  } else if (i + 2 < map->n) /* up to the next key, which also works for the first one, behind "- " */
    code = strbuf_replace(text, map->items[i]->begin, map->items[i + 2]->begin, "", 0);
  else {
    size_t end = line_end(text, value_end(text, map->items[i + 1])), begin = map->items[i]->begin - map->items[i]->column;
    code = map->n == 2 ? error_set(OPIS_EINVALID, "%s: '%s' is the only key of its mapping", what, key) : strbuf_replace(text, begin, end, "", 0);
  }
  strbuf_free(&line);
  return code;
}

int yaml_set(strbuf *text, const char *const *at, const char *key, const char *value, const char *what)
{
  yaml_node *root;
  for (size_t i = 0; i < text->n; i++)
    if (text->s[i] == '\r' && text->s[i + 1] != '\n')
      return error_set(OPIS_EUNSUPPORTED, "%s: its lines end as on old Macs; write it with line feeds", what);
  int code = yaml_parse(&root, text->s ? text->s : "", text->n, what);
  if (code < 0)
    return code;
  const yaml_node *node = root;
  for (; *at && node; at++) {
    if ((*at)[0] == '#') {
      size_t k = strtoul(*at + 1, NULL, 10);
      node = node->kind == YAML_SEQUENCE && k < node->n ? node->items[k] : NULL;
    } else
      node = yaml_get(node, *at);
  }
  if (!node || node->kind != YAML_MAPPING)
    code = error_set(OPIS_EFORMAT, "%s: no place for '%s'", what, key);
  else
    code = set_in(text, node, key, value, what);
  yaml_node_free(root);
  return code;
}
