/* Values of parameter files, dvc.yaml and dvc.lock, typed, compared and written as Python has them. They live in an arena, may be part of several trees, and are freed with it. */
#ifndef DATA_VALUE_H
#define DATA_VALUE_H

#include "data/yaml.h"
#include "util/arena.h"
#include "util/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* VALUE_LARGE: an integer beyond 64 bits. VALUE_TIME: a date or a moment. */
typedef enum value_kind { VALUE_NULL, VALUE_BOOL, VALUE_INT, VALUE_LARGE, VALUE_FLOAT, VALUE_STRING, VALUE_TIME, VALUE_LIST, VALUE_TUPLE, VALUE_DICT } value_kind;

typedef struct value value;
struct value {
  value_kind kind;
  bool truth;      /* of VALUE_BOOL */
  size_t n;        /* a string's bytes; items of a list, a tuple or a dict, whose keys and values take turns */
  size_t room;     /* items that there is memory for */
  uint32_t *slots; /* of a large dict: where its keys are, by their hashes */
  size_t n_slots;
  union {
    int64_t integer;
    double real;
    const char *text; /* of a string, a large integer (decimal) and a time (in one form for each moment); with a NUL behind it */
    const value **items;
  };
};

/* NULL (with a message) when there is no memory. */
value *value_new(arena *a, value_kind kind);
value *value_string(arena *a, const char *s, size_t n);
value *value_text(arena *a, value_kind kind, const char *s, size_t n); /* VALUE_STRING, VALUE_LARGE, VALUE_TIME */
value *value_bool(arena *a, bool truth);
value *value_int(arena *a, int64_t integer);
value *value_float(arena *a, double real);
/* An integer of any size from its digits, which are of this base (2 to 16) and as many as there are. */
value *value_digits(arena *a, const char *digits, size_t n, unsigned base, bool negative);

int value_append(arena *a, value *list, const value *item);
int value_put(arena *a, value *dict, const value *key, const value *item); /* a key that is there keeps its place */
const value *value_find(const value *dict, const value *key);              /* NULL: it has no such key, or is no dict */
const value *value_get(const value *dict, const char *key);
#define VALUE_EACH(dict, i) for (size_t i = 0; i + 1 < (dict)->n; i += 2)

bool value_is_text(const value *v, const char *text); /* a string of these bytes; v may be NULL */
bool value_true(const value *v);                      /* Python's bool(v); NULL is none */
bool value_same(const value *a, const value *b);      /* Python's a == b: numbers and truth values by what they count, dicts in any order, NaN to nothing */
const char *value_type(const value *v);               /* "string", "list", for messages */
void value_put_text(strbuf *b, const value *v);       /* as str(v); of lists and dicts as JSON */
void value_put_json(strbuf *b, const value *v);       /* as json.dumps(v, sort_keys=True) */

void value_put_character(strbuf *b, uint32_t c); /* as UTF-8, half a pair of surrogates in its three bytes */

/* Readers. `what` names the text in errors: OPIS_EFORMAT for what Python's reader refuses, too, OPIS_EUNSUPPORTED for what only opis does not read, OPIS_ELIMIT. */
int value_from_yaml(const value **out, arena *a, const yaml_node *node, const char *what); /* as ruamel.yaml's safe loader; no node: null */
int value_scalar(const value **out, arena *a, const yaml_node *node, const char *what);
int value_from_json(const value **out, arena *a, const char *s, size_t n, const char *what); /* as Python's json */
int value_from_toml(const value **out, arena *a, const char *s, size_t n, const char *what);
int value_from_python(const value **out, arena *a, const char *s, size_t n, const char *what); /* what is assigned as a literal; nothing is run */
bool value_moment(const value **out, arena *a, const char *s); /* "2024-05-06", "2024-05-06T07:08:09+02:00": false: it is no such text; *out NULL: no memory */

#endif
