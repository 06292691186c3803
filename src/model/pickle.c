/* The interpreter of pickles (Python's Lib/pickletools.py describes each opcode). Values are built once and only pointed at, so that n bytes of pickle never make more than a few dozen
 * times n bytes of memory, however they refer to each other. */
#include "model/pickle.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PICKLE ((size_t)64 << 20)
enum { MAX_TEXT = 4096, MAX_GLOBAL = 200 };

enum meaning { ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, STORAGE_TYPE };

/* All that a state dict may name. */
static const struct global {
  const char *module, *name;
  enum meaning meaning;
  tensor_type type;
  size_t bytes;
} globals[] = {
  {"collections", "OrderedDict", ORDERED_DICT, TENSOR_OTHER, 0},
  {"torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR, TENSOR_OTHER, 0},
  {"torch._utils", "_rebuild_parameter", REBUILD_PARAMETER, TENSOR_OTHER, 0},
  {"torch", "FloatStorage", STORAGE_TYPE, TENSOR_F32, 4},
  {"torch", "HalfStorage", STORAGE_TYPE, TENSOR_F16, 2},
  {"torch", "BFloat16Storage", STORAGE_TYPE, TENSOR_BF16, 2},
  {"torch", "DoubleStorage", STORAGE_TYPE, TENSOR_F64, 8},
  {"torch", "LongStorage", STORAGE_TYPE, TENSOR_I64, 8},
  {"torch", "IntStorage", STORAGE_TYPE, TENSOR_I32, 4},
  {"torch", "ByteStorage", STORAGE_TYPE, TENSOR_U8, 1},
  {"torch", "BoolStorage", STORAGE_TYPE, TENSOR_BOOL, 1},
  {"torch", "ShortStorage", STORAGE_TYPE, TENSOR_OTHER, 2},
  {"torch", "CharStorage", STORAGE_TYPE, TENSOR_OTHER, 1},
  {"torch", "ComplexFloatStorage", STORAGE_TYPE, TENSOR_OTHER, 8},
  {"torch", "ComplexDoubleStorage", STORAGE_TYPE, TENSOR_OTHER, 16},
};

typedef struct machine {
  arena *memory;
  const uint8_t *data;
  size_t size, at;
  const char *file;
  const pickle_value **stack, **memo;
  size_t n_stack, stack_capacity, memo_capacity, n_memo;
  size_t *marks, n_marks, marks_capacity;
  int code;
} machine;

static int fail(machine *m, int code, const char *why)
{
  if (m->code == 0)
    m->code = error_set(code, "%s: the pickle at byte %zu: %s", m->file, m->at, why);
  return m->code;
}

static int broken(machine *m)
{
  return fail(m, OPIS_EFORMAT, "broken or truncated");
}

static int no_memory(machine *m)
{
  return m->code = m->code ? m->code : error_nomem();
}

/* n bytes of the pickle, NULL (and the failure) where there are fewer. */
static const uint8_t *take(machine *m, uint64_t n)
{
  if (m->code < 0)
    return NULL;
  if (n > m->size - m->at) {
    broken(m);
    return NULL;
  }
  const uint8_t *p = m->data + m->at;
  m->at += (size_t)n;
  return p;
}

static uint64_t number(machine *m, int n)
{
  const uint8_t *p = take(m, (uint64_t)n);
  uint64_t v = 0;
  for (int i = n; p && i-- > 0;)
    v = v << 8 | p[i];
  return v;
}

static bool grow(machine *m, void *array, size_t *capacity, size_t need, size_t each)
{
  void **at = array;
  if (need <= *capacity)
    return true;
  size_t larger = *capacity ? *capacity : 256;
  while (larger < need)
    larger *= 2;
  void *p = realloc(*at, larger * each);
  if (!p) {
    no_memory(m);
    return false;
  }
  memset((char *)p + *capacity * each, 0, (larger - *capacity) * each);
  *at = p;
  *capacity = larger;
  return true;
}

/* ---- the stack ---- */

static void push(machine *m, const pickle_value *v)
{
  if (v && m->code == 0 && grow(m, &m->stack, &m->stack_capacity, m->n_stack + 1, sizeof *m->stack))
    m->stack[m->n_stack++] = v;
}

static size_t floor_of(const machine *m)
{
  return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

static const pickle_value *pop(machine *m)
{
  if (m->code < 0 || m->n_stack <= floor_of(m)) {
    broken(m);
    return NULL;
  }
  return m->stack[--m->n_stack];
}

static const pickle_value *top(machine *m)
{
  if (m->code < 0 || m->n_stack <= floor_of(m)) {
    broken(m);
    return NULL;
  }
  return m->stack[m->n_stack - 1];
}

static void mark(machine *m)
{
  if (grow(m, &m->marks, &m->marks_capacity, m->n_marks + 1, sizeof *m->marks))
    m->marks[m->n_marks++] = m->n_stack;
}

/* The values above the last mark, which goes; they stay readable until the next push. */
static const pickle_value **above_mark(machine *m, size_t *n)
{
  *n = 0;
  if (m->code < 0 || m->n_marks == 0) {
    broken(m);
    return NULL;
  }
  size_t from = m->marks[--m->n_marks];
  *n = m->n_stack - from;
  m->n_stack = from;
  return m->stack + from;
}

/* ---- values ---- */

static pickle_value *value(machine *m, pickle_kind kind)
{
  pickle_value *v = m->code == 0 ? arena_calloc(m->memory, 1, sizeof *v) : NULL;
  if (v)
    v->kind = kind;
  else
    no_memory(m);
  return v;
}

static void push_integer(machine *m, pickle_kind kind, int64_t n)
{
  pickle_value *v = value(m, kind);
  if (v)
    v->integer = n;
  push(m, v);
}

static void push_long(machine *m, uint64_t n)
{
  const uint8_t *p = take(m, n);
  if (!p)
    return;
  if (n <= 8) {
    uint64_t v = n > 0 && p[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint64_t i = n; i-- > 0;)
      v = v << 8 | p[i];
    push_integer(m, PICKLE_INT, (int64_t)v);
    return;
  }
  pickle_value *v = value(m, PICKLE_LONG);
  if (v) {
    v->bytes = p;
    v->n = (size_t)n;
  }
  push(m, v);
}

static void push_bytes(machine *m, uint64_t n, bool text)
{
  const uint8_t *p = take(m, n);
  if (!p)
    return;
  if (text && (n > MAX_TEXT || memchr(p, '\0', (size_t)n) || !utf8_valid((const char *)p, (size_t)n))) {
    fail(m, OPIS_EFORMAT, "a text that is too long or no UTF-8");
    return;
  }
  pickle_value *v = value(m, text ? PICKLE_TEXT : PICKLE_BYTES);
  if (!v)
    return;
  v->n = (size_t)n;
  if (text)
    v->text = arena_strndup(m->memory, (const char *)p, (size_t)n);
  else
    v->bytes = p;
  if (!v->bytes)
    no_memory(m);
  push(m, v);
}

static uint16_t deeper(machine *m, uint16_t depth, const pickle_value *inside)
{
  if (inside && inside->depth >= PICKLE_MAX_DEPTH)
    fail(m, OPIS_EFORMAT, "values nested deeper than any state dict's");
  else if (inside && inside->depth + 1 > depth)
    depth = (uint16_t)(inside->depth + 1);
  return depth;
}

/* Lists and dicts grow in the arena by doubling; what they leave behind is at most as much again. */
static void add_item(machine *m, pickle_value *to, const pickle_value *item)
{
  if (m->code < 0 || !item)
    return;
  if (to->n == to->capacity) {
    size_t larger = to->capacity ? 2 * to->capacity : 8;
    const pickle_value **items = arena_alloc(m->memory, larger * sizeof *items);
    if (!items) {
      no_memory(m);
      return;
    }
    if (to->n)
      memcpy(items, to->items, to->n * sizeof *items);
    to->items = items;
    to->capacity = larger;
  }
  to->items[to->n++] = item;
  to->depth = deeper(m, to->depth, item);
}

static void push_tuple(machine *m, const pickle_value **from, size_t n)
{
  pickle_value *v = value(m, PICKLE_TUPLE);
  if (!v)
    return;
  const pickle_value **items = arena_alloc(m->memory, n * sizeof *items);
  if (!items) {
    no_memory(m);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    items[i] = from[i];
    v->depth = deeper(m, v->depth, from[i]);
  }
  v->items = items;
  v->n = n;
  push(m, v);
}

static void push_small_tuple(machine *m, size_t n)
{
  const pickle_value *items[3] = {NULL};
  for (size_t i = n; i-- > 0;)
    items[i] = pop(m);
  if (m->code == 0)
    push_tuple(m, items, n);
}

/* The container under what is to be added. Values are only shared for reading elsewhere: the machine made them, and may change them. */
static pickle_value *container(machine *m, pickle_kind kind)
{
  const pickle_value *v = top(m);
  if (v && v->kind != kind) {
    fail(m, OPIS_EFORMAT, "items for what is no list or dict");
    return NULL;
  }
  return (pickle_value *)(uintptr_t)v;
}

static void add_items(machine *m, pickle_kind kind)
{
  size_t n;
  const pickle_value **items = above_mark(m, &n);
  pickle_value *to = items ? container(m, kind) : NULL;
  if (to && kind == PICKLE_DICT && n % 2)
    broken(m);
  for (size_t i = 0; to && i < n; i++)
    add_item(m, to, items[i]);
}

/* ---- globals, tensors, storages ---- */

static void push_global(machine *m, const char *module, size_t n_module, const char *name, size_t n_name)
{
  for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
    if (strlen(globals[i].module) == n_module && memcmp(globals[i].module, module, n_module) == 0 && strlen(globals[i].name) == n_name &&
      memcmp(globals[i].name, name, n_name) == 0) {
      push_integer(m, PICKLE_GLOBAL, (int64_t)i);
      return;
    }
  strbuf said = STRBUF_INIT;
  strbuf_put_utf8(&said, module, n_module < MAX_GLOBAL ? n_module : MAX_GLOBAL);
  strbuf_putc(&said, '.');
  strbuf_put_utf8(&said, name, n_name < MAX_GLOBAL ? n_name : MAX_GLOBAL);
  for (size_t i = 0; i < said.n; i++)
    if ((unsigned char)said.s[i] < ' ' || said.s[i] == 0x7f)
      said.s[i] = '?';
  if (m->code == 0)
    m->code = error_set(OPIS_EUNSUPPORTED, "%s: refused: its pickle asks for %s, which is no part of a state dict (nothing in it was run)", m->file, said.s ? said.s : "a global");
  strbuf_free(&said);
}

static void read_global(machine *m)
{
  const char *line[2];
  size_t n[2];
  for (int i = 0; i < 2; i++) {
    const uint8_t *end = m->code == 0 ? memchr(m->data + m->at, '\n', m->size - m->at) : NULL;
    if (!end) {
      broken(m);
      return;
    }
    line[i] = (const char *)m->data + m->at;
    n[i] = (size_t)(end - (m->data + m->at));
    m->at += n[i] + 1;
  }
  push_global(m, line[0], n[0], line[1], n[1]);
}

static void read_stack_global(machine *m)
{
  const pickle_value *name = pop(m), *module = pop(m);
  if (!name || !module || name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT)
    broken(m);
  else
    push_global(m, module->text, module->n, name->text, name->n);
}

static bool read_numbers(int64_t out[PICKLE_MAX_DIMS], int *n, const pickle_value *v)
{
  if (v->kind != PICKLE_TUPLE || v->n > PICKLE_MAX_DIMS)
    return false;
  for (size_t i = 0; i < v->n; i++) {
    if (v->items[i]->kind != PICKLE_INT || v->items[i]->integer < 0)
      return false;
    out[i] = v->items[i]->integer;
  }
  *n = (int)v->n;
  return true;
}

/* (storage, offset, size, stride, requires_grad, hooks[, metadata]) */
static void rebuild_tensor(machine *m, const pickle_value *args)
{
  pickle_value *v = value(m, PICKLE_TENSOR);
  pickle_tensor *t = v ? arena_calloc(m->memory, 1, sizeof *t) : NULL;
  int n_strides;
  if (!t) {
    no_memory(m);
    return;
  }
  if (args->n < 4 || args->items[0]->kind != PICKLE_STORAGE || args->items[1]->kind != PICKLE_INT || args->items[1]->integer < 0 ||
    !read_numbers(t->dims, &t->n_dims, args->items[2]) || !read_numbers(t->strides, &n_strides, args->items[3]) || n_strides != t->n_dims) {
    fail(m, OPIS_EFORMAT, "a tensor with an impossible storage, offset, shape or strides");
    return;
  }
  t->storage = args->items[0]->storage;
  t->offset = args->items[1]->integer;
  v->tensor = t;
  push(m, v);
}

static void reduce(machine *m)
{
  const pickle_value *args = pop(m), *called = pop(m);
  if (!args || !called)
    return;
  if (called->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE) {
    fail(m, OPIS_EFORMAT, "a call of what is no known global");
    return;
  }
  switch (globals[called->integer].meaning) {
  case ORDERED_DICT:
    if (args->n == 0)
      push(m, value(m, PICKLE_DICT));
    else
      fail(m, OPIS_EUNSUPPORTED, "an OrderedDict made from a list, as Python 2 wrote it");
    return;
  case REBUILD_TENSOR: rebuild_tensor(m, args); return;
  case REBUILD_PARAMETER: /* (tensor, requires_grad, hooks) */
    if (args->n >= 1 && args->items[0]->kind == PICKLE_TENSOR)
      push(m, args->items[0]);
    else
      fail(m, OPIS_EFORMAT, "a parameter without a tensor");
    return;
  case STORAGE_TYPE: fail(m, OPIS_EFORMAT, "a storage that is made instead of named"); return;
  }
}

/* ("storage", type, key, place, elements[, view]) */
static void persistent_id(machine *m)
{
  const pickle_value *id = pop(m), *const *x = id ? id->items : NULL;
  if (!id)
    return;
  bool good = id->kind == PICKLE_TUPLE && (id->n == 5 || id->n == 6) && x[0]->kind == PICKLE_TEXT && strcmp(x[0]->text, "storage") == 0 && x[1]->kind == PICKLE_GLOBAL &&
    globals[x[1]->integer].meaning == STORAGE_TYPE && x[2]->kind == PICKLE_TEXT && x[4]->kind == PICKLE_INT && x[4]->integer >= 0 && x[4]->integer <= TENSOR_MAX_ELEMENTS;
  if (!good) {
    fail(m, OPIS_EFORMAT, "a reference that is no storage");
    return;
  }
  if (id->n == 6 && x[5]->kind != PICKLE_NONE) {
    fail(m, OPIS_EUNSUPPORTED, "a storage that is part of another, as torch before 0.4 wrote it");
    return;
  }
  pickle_value *v = value(m, PICKLE_STORAGE);
  pickle_storage *s = v ? arena_calloc(m->memory, 1, sizeof *s) : NULL;
  if (!s) {
    no_memory(m);
    return;
  }
  const struct global *type = &globals[x[1]->integer];
  *s = (pickle_storage){type->type, x[2]->text, x[4]->integer, type->bytes};
  v->storage = s;
  push(m, v);
}

/* Attributes (an OrderedDict's _metadata) are passed over. */
static void build(machine *m)
{
  const pickle_value *state = pop(m), *to = top(m);
  if (state && to && (to->kind != PICKLE_DICT || (state->kind != PICKLE_DICT && state->kind != PICKLE_NONE)))
    fail(m, OPIS_EFORMAT, "attributes for what is no dict");
}

static void new_object(machine *m)
{
  const pickle_value *args = pop(m), *class = pop(m);
  if (!args || !class)
    return;
  if (class->kind == PICKLE_GLOBAL && globals[class->integer].meaning == ORDERED_DICT && args->kind == PICKLE_TUPLE && args->n == 0)
    push(m, value(m, PICKLE_DICT));
  else
    fail(m, OPIS_EFORMAT, "an object of a class that no state dict has");
}

/* ---- the memo ---- */

static void memo_put(machine *m, uint64_t at)
{
  const pickle_value *v = top(m);
  if (!v)
    return;
  if (at > m->at) { /* each entry took at least a byte to make: numbers past that only ask for memory */
    broken(m);
    return;
  }
  if (grow(m, &m->memo, &m->memo_capacity, (size_t)at + 1, sizeof *m->memo))
    m->memo[at] = v;
}

static void memo_get(machine *m, uint64_t at)
{
  if (m->code == 0 && (at >= m->memo_capacity || !m->memo[at]))
    broken(m);
  else if (m->code == 0)
    push(m, m->memo[at]);
}

static void set_item(machine *m, pickle_kind kind)
{
  const pickle_value *v = pop(m), *key = kind == PICKLE_DICT ? pop(m) : NULL;
  pickle_value *to = m->code == 0 ? container(m, kind) : NULL;
  if (to && key)
    add_item(m, to, key);
  if (to)
    add_item(m, to, v);
}

static void tuple_above_mark(machine *m)
{
  size_t n;
  const pickle_value **items = above_mark(m, &n);
  if (items)
    push_tuple(m, items, n);
}

static void unknown(machine *m, uint8_t opcode)
{
  char why[64];
  snprintf(why, sizeof why, "the opcode 0x%02x, which no state dict needs", opcode);
  fail(m, OPIS_EUNSUPPORTED, why);
}

static void step(machine *m, uint8_t opcode)
{
  size_t n;
  switch (opcode) {
  case 0x80: /* PROTO */
    if (number(m, 1) > 5)
      fail(m, OPIS_EUNSUPPORTED, "a protocol that Python does not have yet");
    break;
  case 0x95: number(m, 8); break; /* FRAME: only how it was written */
  case '(': mark(m); break;
  case '0': pop(m); break;
  case '1': above_mark(m, &n); break;
  case '2': push(m, top(m)); break;
  case 'N': push(m, value(m, PICKLE_NONE)); break;
  case 0x88: push_integer(m, PICKLE_BOOL, 1); break;
  case 0x89: push_integer(m, PICKLE_BOOL, 0); break;
  case 'J': push_integer(m, PICKLE_INT, (int32_t)number(m, 4)); break;
  case 'K': push_integer(m, PICKLE_INT, (int64_t)number(m, 1)); break;
  case 'M': push_integer(m, PICKLE_INT, (int64_t)number(m, 2)); break;
  case 0x8a: push_long(m, number(m, 1)); break;
  case 0x8b: push_long(m, number(m, 4)); break;
  case 'G': /* BINFLOAT: of no use to a state dict, yet harmless */
    take(m, 8);
    push(m, value(m, PICKLE_FLOAT));
    break;
  case 'X': push_bytes(m, number(m, 4), true); break;
  case 'U':
  case 0x8c: push_bytes(m, number(m, 1), true); break;
  case 'T': push_bytes(m, number(m, 4), true); break;
  case 0x8d: push_bytes(m, number(m, 8), true); break;
  case 'B': push_bytes(m, number(m, 4), false); break;
  case 'C': push_bytes(m, number(m, 1), false); break;
  case 0x8e:
  case 0x96: push_bytes(m, number(m, 8), false); break;
  case ')': push_tuple(m, NULL, 0); break;
  case 't': tuple_above_mark(m); break;
  case 0x85: push_small_tuple(m, 1); break;
  case 0x86: push_small_tuple(m, 2); break;
  case 0x87: push_small_tuple(m, 3); break;
  case ']': push(m, value(m, PICKLE_LIST)); break;
  case 'a': set_item(m, PICKLE_LIST); break;
  case 'e': add_items(m, PICKLE_LIST); break;
  case '}': push(m, value(m, PICKLE_DICT)); break;
  case 's': set_item(m, PICKLE_DICT); break;
  case 'u': add_items(m, PICKLE_DICT); break;
  case 'c': read_global(m); break;
  case 0x93: read_stack_global(m); break;
  case 'R': reduce(m); break;
  case 'b': build(m); break;
  case 0x81: new_object(m); break;
  case 'Q': persistent_id(m); break;
  case 'h': memo_get(m, number(m, 1)); break;
  case 'j': memo_get(m, number(m, 4)); break;
  case 'q': memo_put(m, number(m, 1)); break;
  case 'r': memo_put(m, number(m, 4)); break;
  case 0x94: memo_put(m, m->n_memo++); break;
  default: unknown(m, opcode); break;
  }
}

int pickle_read(const pickle_value **out, size_t *used, arena *memory, const uint8_t *data, size_t size, const char *file)
{
  machine m = {.memory = memory, .data = data, .size = size < MAX_PICKLE ? size : MAX_PICKLE, .file = file};
  *out = NULL;
  grow(&m, &m.stack, &m.stack_capacity, 1, sizeof *m.stack); /* from here on never NULL */
  for (bool done = false; !done && m.code == 0;) {
    const uint8_t *opcode = take(&m, 1);
    if (!opcode)
      break;
    if (*opcode != '.')
      step(&m, *opcode);
    else if (m.n_marks || m.n_stack != 1)
      broken(&m);
    else {
      *out = m.stack[0];
      done = true;
    }
  }
  if (used)
    *used = m.at;
  free(m.stack);
  free(m.memo);
  free(m.marks);
  return m.code;
}
