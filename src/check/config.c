/* opis-check.yaml. */
#include "check/check.h"

#include "util/error.h"
#include "util/file.h"
#include "util/strbuf.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MOST_BYTES = 1 << 20 };

typedef struct config {
  yaml_document_t document;
  check_settings *s;
  const char *name, *folder;
} config;

static int wrong(const config *c, const yaml_node_t *at, const char *why)
{
  return error_set(OPIS_EINVALID, "%s: line %zu: %s", c->name, at->start_mark.line + 1, why);
}

static const char *scalar(const yaml_node_t *n)
{
  return n && n->type == YAML_SCALAR_NODE && strlen((const char *)n->data.scalar.value) == n->data.scalar.length ? (const char *)n->data.scalar.value : NULL;
}

/* A path, meant from the file's folder. */
static int path(const config *c, char **field, const yaml_node_t *value)
{
  const char *text = scalar(value);
  if (!text || !*text)
    return wrong(c, value, "a path is wanted here");
  free(*field);
  *field = NULL;
  return path_join(field, c->folder, text);
}

static int thresholds(const config *c, yaml_node_t *value)
{
  yaml_document_t *d = (yaml_document_t *)(uintptr_t)&c->document;
  if (value->type != YAML_MAPPING_NODE)
    return wrong(c, value, "set is a mapping of keys to numbers, on or off");
  for (yaml_node_pair_t *p = value->data.mapping.pairs.start; p < value->data.mapping.pairs.top; p++) {
    yaml_node_t *name = yaml_document_get_node(d, p->key), *number = yaml_document_get_node(d, p->value);
    strbuf b = STRBUF_INIT;
    if (!scalar(name) || !scalar(number))
      return wrong(c, name ? name : value, "set is a mapping of keys to numbers, on or off");
    strbuf_printf(&b, "%s=%s", scalar(name), scalar(number));
    int e = b.failed ? error_nomem() : check_settings_set(c->s, b.s);
    strbuf_free(&b);
    if (e < 0)
      return wrong(c, name, opis_error_message());
  }
  return 0;
}

static int splits(const config *c, yaml_node_t *value)
{
  yaml_document_t *d = (yaml_document_t *)(uintptr_t)&c->document;
  int e = 0;
  if (value->type != YAML_MAPPING_NODE)
    return wrong(c, value, "splits is a mapping of names to files");
  for (yaml_node_pair_t *p = value->data.mapping.pairs.start; e == 0 && p < value->data.mapping.pairs.top; p++) {
    yaml_node_t *name = yaml_document_get_node(d, p->key), *file = yaml_document_get_node(d, p->value);
    strbuf b = STRBUF_INIT;
    char *whole = NULL;
    if (!scalar(name) || !scalar(file) || !*scalar(file))
      return wrong(c, name ? name : value, "splits is a mapping of names to files");
    e = path_join(&whole, c->folder, scalar(file));
    if (e == 0)
      strbuf_printf(&b, "%s=%s", scalar(name), whole);
    if (e == 0 && (b.failed ? error_nomem() : check_settings_split(c->s, b.s)) < 0)
      e = wrong(c, name, opis_error_message());
    free(whole);
    strbuf_free(&b);
  }
  return e;
}

/* A word, or a list of words. */
static int fail_on(const config *c, yaml_node_t *value)
{
  yaml_document_t *d = (yaml_document_t *)(uintptr_t)&c->document;
  strbuf b = STRBUF_INIT;
  int e = 0;
  strbuf_puts(&b, scalar(value) ? scalar(value) : "");
  if (value->type == YAML_SEQUENCE_NODE)
    for (yaml_node_item_t *i = value->data.sequence.items.start; e == 0 && i < value->data.sequence.items.top; i++) {
      const char *key = scalar(yaml_document_get_node(d, *i));
      if (key)
        strbuf_printf(&b, "%s,", key);
      else
        e = wrong(c, value, "fail_on is a list of keys");
    }
  else if (!scalar(value))
    e = wrong(c, value, "fail_on is a list of keys");
  if (e == 0 && (b.failed ? error_nomem() : check_settings_fail_on(c->s, b.s)) < 0)
    e = wrong(c, value, opis_error_message());
  strbuf_free(&b);
  return e;
}

static int entry(const config *c, const yaml_node_t *key, yaml_node_t *value)
{
  const char *name = scalar(key);
  check_settings *s = c->s;
  if (!name || !value)
    return wrong(c, key, "a key is wanted here");
  if (strcmp(name, "captions") == 0)
    return path(c, &s->captions, value);
  if (strcmp(name, "baseline") == 0)
    return path(c, &s->baseline, value);
  if (strcmp(name, "against") == 0) { /* a folder beside the file, else a revision */
    int e = path(c, &s->against, value);
    if (e == 0 && !file_is_folder(s->against)) {
      free(s->against);
      e = (s->against = strdup(scalar(value))) ? 0 : error_nomem();
    }
    return e;
  }
  if (strcmp(name, "against_captions") == 0)
    return path(c, &s->against_captions, value);
  if (strcmp(name, "splits") == 0)
    return splits(c, value);
  if (strcmp(name, "set") == 0)
    return thresholds(c, value);
  if (strcmp(name, "fail_on") == 0)
    return fail_on(c, value);
  if (strcmp(name, "require") == 0)
    return scalar(value) && check_settings_require(s, scalar(value)) == 0 ? 0 : wrong(c, value, scalar(value) ? opis_error_message() : "a format is wanted here");
  return wrong(c, key, "unknown; captions, splits, against, against_captions, require, fail_on, set and baseline are known");
}

int check_config_read_memory(check_settings *s, const char *bytes, size_t size, const char *name, const char *folder)
{
  yaml_parser_t parser;
  config c = {.s = s, .name = name, .folder = folder};
  int e = 0;
  if (size > MOST_BYTES)
    return error_set(OPIS_ELIMIT, "%s: more than 1 MiB", name);
  if (!yaml_parser_initialize(&parser))
    return error_nomem();
  yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, size);
  if (!yaml_parser_load(&parser, &c.document)) {
    e = error_set(OPIS_EFORMAT, "%s: line %zu: %s", name, parser.problem_mark.line + 1, parser.problem ? parser.problem : "no YAML");
    yaml_parser_delete(&parser);
    return e;
  }
  yaml_node_t *root = yaml_document_get_root_node(&c.document);
  if (root && root->type == YAML_MAPPING_NODE)
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; e == 0 && p < root->data.mapping.pairs.top; p++)
      e = entry(&c, yaml_document_get_node(&c.document, p->key), yaml_document_get_node(&c.document, p->value));
  else if (root)
    e = wrong(&c, root, "a mapping is wanted");
  yaml_document_delete(&c.document);
  yaml_parser_delete(&parser);
  return e;
}

int check_config_read(check_settings *s, const char *file)
{
  char *bytes, *folder = strdup(file);
  size_t size;
  int e = folder ? file_read(&bytes, &size, file, MOST_BYTES) : error_nomem();
  if (e == 0) {
    char *slash = strrchr(folder, '/');
    if (slash)
      slash[slash == folder] = 0;
    e = check_config_read_memory(s, bytes, size, file, slash ? folder : ".");
    free(bytes);
  }
  free(folder);
  return e;
}
