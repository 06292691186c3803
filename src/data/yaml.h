/* The YAML of .dvc, dvc.yaml and dvc.lock files: read into nodes that know where they stand, written as DVC's writer does, and edited in place so that comments and unknown keys survive. */
#ifndef DATA_YAML_H
#define DATA_YAML_H

#include "util/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum yaml_kind { YAML_SCALAR, YAML_MAPPING, YAML_SEQUENCE } yaml_kind;

typedef struct yaml_node yaml_node;
struct yaml_node {
  yaml_kind kind;
  bool plain; /* a scalar without quotes: null, true and numbers are meant as such */
  bool flow;  /* {…} or […] */
  char *text; /* scalar: its value, with a NUL behind it */
  size_t length;
  size_t begin, end; /* bytes of the file: [begin, end) */
  size_t column;     /* of begin, in bytes */
  yaml_node **items; /* sequence: the items; mapping: key, value, key, value, … */
  size_t n;          /* items */
};

/* Parses one document; *out is NULL for an empty one. OPIS_EFORMAT with line and reason; nesting beyond 64 is refused. What an alias stands for stands in its place. `what` names it in errors. */
int yaml_parse(yaml_node **out, const char *bytes, size_t n, const char *what);
void yaml_node_free(yaml_node *node); /* NULL is allowed */

const yaml_node *yaml_get(const yaml_node *mapping, const char *key); /* NULL when it is no mapping or has no such key */
const char *yaml_text(const yaml_node *mapping, const char *key);     /* a scalar's text; NULL when there is none, or null */
bool yaml_bool(const yaml_node *mapping, const char *key, bool otherwise);
int64_t yaml_int(const yaml_node *mapping, const char *key, int64_t otherwise);

/* Appends a string as ruamel.yaml 0.18 emits it as a value (block style, 80 columns): `column` is where the text after "key:" begins to be written (behind the colon), `indent` where
 * continued lines begin. A space goes before it. OPIS_EINVALID when it is not UTF-8. */
int yaml_put_string(strbuf *b, const char *s, size_t column, size_t indent);

/* Edits: `at` leads to a mapping, as keys and, for items of a sequence, "#0"; ended by NULL. value is what stands after "key: " already written as YAML, NULL takes the key out. A key that is not there yet
 * is put at the end of its mapping, as DVC does. The bytes in *text are replaced. */
int yaml_set(strbuf *text, const char *const *at, const char *key, const char *value, const char *what);

#endif
