/* Thompson's construction; states of the deterministic automaton are made when they are first needed and forgotten together when there are too many. */
#include "eval/pattern.h"

#include "util/error.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STATES = 4096, MOST_NODES = 1 << 20, DEAD = 0, UNKNOWN = -1 };

typedef struct set256 {
  uint64_t bits[4];
} set256;

/* A node of the nondeterministic automaton: either two empty steps, or one step over a set of bytes. */
typedef struct node {
  int32_t next, other; /* -1: none */
  int32_t set;         /* -1: empty steps */
  int32_t accepts;     /* the pattern that ends here, -1 */
} node;

/* A state of the deterministic one: a sorted list of nodes. */
typedef struct state {
  int32_t next[256]; /* UNKNOWN until asked for */
  int32_t accepts;
  size_t n;
  int32_t *nodes;
} state;

typedef struct rule {
  int32_t head, trail; /* automata of the parts alone, for patterns with a trailing part; -1 */
} rule;

typedef struct fragment {
  int32_t start, end; /* end is a node without steps */
} fragment;

struct pattern_set {
  const pattern_macro *macros;
  node *nodes;
  size_t n_nodes, node_capacity;
  set256 *sets;
  size_t n_sets, set_capacity;
  rule *rules;
  size_t n_rules;
  int32_t root; /* joins all rules; -1 until the first match */
  state **states;
  size_t n_states;
  int32_t *table; /* hash of node lists -> state + 1 */
  int32_t *list, *stack;
  uint32_t *mark, stamp;
  size_t scratch;
  int32_t *start_of; /* [node]: the state that begins there, UNKNOWN */
  bool failed;
};

enum { TABLE = MOST_STATES * 4 };

/* ---- building ---- */

static int32_t new_node(pattern_set *s)
{
  if (s->n_nodes == s->node_capacity) {
    size_t more = s->node_capacity ? s->node_capacity * 2 : 4096;
    node *grown = more > MOST_NODES ? NULL : reallocarray(s->nodes, more, sizeof *grown);
    if (!grown) {
      s->failed = true;
      return 0;
    }
    s->nodes = grown;
    s->node_capacity = more;
  }
  s->nodes[s->n_nodes] = (node){-1, -1, -1, -1};
  return (int32_t)s->n_nodes++;
}

static fragment over_set(pattern_set *s, const set256 *bytes)
{
  size_t k = 0;
  while (k < s->n_sets && memcmp(&s->sets[k], bytes, sizeof *bytes) != 0)
    k++;
  if (k == s->n_sets) {
    if (s->n_sets == s->set_capacity) {
      size_t more = s->set_capacity ? s->set_capacity * 2 : 128;
      set256 *grown = reallocarray(s->sets, more, sizeof *grown);
      if (!grown) {
        s->failed = true;
        return (fragment){0, 0};
      }
      s->sets = grown;
      s->set_capacity = more;
    }
    s->sets[s->n_sets++] = *bytes;
  }
  fragment f = {new_node(s), new_node(s)};
  if (!s->failed) {
    s->nodes[f.start].set = (int32_t)k;
    s->nodes[f.start].next = f.end;
  }
  return f;
}

static void step(pattern_set *s, int32_t from, int32_t to)
{
  if (s->failed)
    return;
  if (s->nodes[from].next < 0)
    s->nodes[from].next = to;
  else if (s->nodes[from].other < 0)
    s->nodes[from].other = to;
  else { /* a third step: through a fresh node */
    int32_t between = new_node(s);
    if (s->failed)
      return;
    s->nodes[between].next = s->nodes[from].other;
    s->nodes[between].other = to;
    s->nodes[from].other = between;
  }
}

static fragment empty(pattern_set *s)
{
  fragment f = {new_node(s), new_node(s)};
  step(s, f.start, f.end);
  return f;
}

static void put(set256 *b, unsigned c)
{
  b->bits[c >> 6] |= UINT64_C(1) << (c & 63);
}

static bool has(const set256 *b, unsigned c)
{
  return b->bits[c >> 6] >> (c & 63) & 1;
}

typedef struct reader {
  pattern_set *s;
  const char *p;
  int depth;
} reader;

static fragment read_choice(reader *r);

static unsigned one(reader *r)
{
  if (*r->p == '\\' && r->p[1])
    r->p++;
  return (unsigned char)*r->p++;
}

static fragment read_set(reader *r)
{
  set256 b = {{0}};
  bool negated = *r->p == '^';
  r->p += negated;
  while (*r->p && *r->p != ']') {
    unsigned from = one(r), to = from;
    if (r->p[0] == '-' && r->p[1] && r->p[1] != ']') {
      r->p++;
      to = one(r);
    }
    for (unsigned c = from; c <= to; c++)
      put(&b, c);
  }
  if (*r->p)
    r->p++;
  else
    r->s->failed = true;
  if (negated)
    for (int i = 0; i < 4; i++)
      b.bits[i] = ~b.bits[i];
  return over_set(r->s, &b);
}

static fragment read_macro(reader *r)
{
  size_t n = strcspn(r->p, "}");
  for (const pattern_macro *m = r->s->macros; m->name; m++)
    if (strlen(m->name) == n && strncmp(m->name, r->p, n) == 0 && r->depth < 16) {
      reader inner = {r->s, m->pattern, r->depth + 1};
      r->p += n + 1;
      return read_choice(&inner);
    }
  r->s->failed = true;
  return (fragment){0, 0};
}

static fragment read_atom(reader *r)
{
  if (*r->p == '(') {
    r->p++;
    fragment f = read_choice(r);
    if (*r->p == ')')
      r->p++;
    else
      r->s->failed = true;
    return f;
  }
  if (*r->p == '[') {
    r->p++;
    return read_set(r);
  }
  if (*r->p == '{') {
    r->p++;
    return read_macro(r);
  }
  set256 b = {{0}};
  unsigned c = one(r);
  put(&b, c);
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
    put(&b, c ^ 0x20);
  return over_set(r->s, &b);
}

/* ATOM{least,most}: so many of them, and then so many that may be left out. */
static fragment repeat(reader *r, const char *atom, const char *after, long least, long most)
{
  fragment all = empty(r->s);
  for (long i = 0; i < most && !r->s->failed; i++) {
    reader again = {r->s, atom, r->depth};
    fragment f = read_atom(&again);
    if (i >= least) {
      fragment g = {new_node(r->s), new_node(r->s)};
      step(r->s, g.start, f.start);
      step(r->s, g.start, g.end);
      step(r->s, f.end, g.end);
      f = g;
    }
    step(r->s, all.end, f.start);
    all.end = f.end;
  }
  r->p = after;
  return all;
}

static fragment read_repeated(reader *r)
{
  const char *begin = r->p;
  fragment f = read_atom(r);
  for (;; r->p++) {
    fragment g = {new_node(r->s), new_node(r->s)};
    if (r->s->failed)
      return f;
    switch (*r->p) {
    case '*':
      step(r->s, g.start, f.start);
      step(r->s, g.start, g.end);
      step(r->s, f.end, f.start);
      step(r->s, f.end, g.end);
      break;
    case '+':
      step(r->s, g.start, f.start);
      step(r->s, f.end, f.start);
      step(r->s, f.end, g.end);
      break;
    case '?':
      step(r->s, g.start, f.start);
      step(r->s, g.start, g.end);
      step(r->s, f.end, g.end);
      break;
    case '{':
      if (r->p[1] >= '0' && r->p[1] <= '9') {
        char *end;
        long least = strtol(r->p + 1, &end, 10), most = *end == ',' ? strtol(end + 1, &end, 10) : least;
        const char *after = end + 1;
        return repeat(r, begin, after, least, most);
      }
      return f;
    default: return f;
    }
    f = g;
  }
}

static fragment read_sequence(reader *r)
{
  fragment all = empty(r->s);
  while (*r->p && *r->p != '|' && *r->p != ')' && !r->s->failed) {
    fragment f = read_repeated(r);
    step(r->s, all.end, f.start);
    all.end = f.end;
  }
  return all;
}

static fragment read_choice(reader *r)
{
  fragment all = {new_node(r->s), new_node(r->s)};
  for (;;) {
    fragment f = read_sequence(r);
    step(r->s, all.start, f.start);
    step(r->s, f.end, all.end);
    if (*r->p != '|' || r->s->failed)
      return all;
    r->p++;
  }
}

/* The automaton of a pattern (and of what must follow), ending with `accepts`. */
static int32_t build(pattern_set *s, const char *pattern, const char *trailing, int32_t accepts)
{
  reader r = {s, pattern, 0};
  fragment f = read_choice(&r);
  if (*r.p)
    s->failed = true;
  if (trailing) {
    reader t = {s, trailing, 0};
    fragment g = read_choice(&t);
    if (*t.p)
      s->failed = true;
    step(s, f.end, g.start);
    f.end = g.end;
  }
  if (!s->failed)
    s->nodes[f.end].accepts = accepts;
  return f.start;
}

int pattern_set_new(pattern_set **out, const pattern_macro *macros)
{
  pattern_set *s = calloc(1, sizeof *s);
  *out = s;
  if (!s)
    return error_nomem();
  s->macros = macros;
  s->root = new_node(s);
  s->table = calloc(TABLE, sizeof *s->table);
  s->states = calloc(MOST_STATES, sizeof *s->states);
  if (s->failed || !s->table || !s->states) {
    pattern_set_free(s);
    *out = NULL;
    return error_nomem();
  }
  return 0;
}

int pattern_set_add(pattern_set *s, const char *pattern, const char *trailing)
{
  rule *grown = reallocarray(s->rules, s->n_rules + 1, sizeof *grown);
  if (!grown)
    return error_nomem();
  s->rules = grown;
  rule r = {-1, -1};
  int32_t number = (int32_t)s->n_rules;
  int32_t all = build(s, pattern, trailing, number);
  step(s, s->root, all);
  if (trailing) {
    r.head = build(s, pattern, NULL, number);
    r.trail = build(s, trailing, NULL, number);
  }
  s->rules[s->n_rules++] = r;
  return s->failed ? error_set(OPIS_EINTERNAL, "pattern '%s' is wrong", pattern) : 0;
}

void pattern_set_free(pattern_set *s)
{
  if (!s)
    return;
  for (size_t i = 0; i < s->n_states; i++) {
    free(s->states[i]->nodes);
    free(s->states[i]);
  }
  free(s->states);
  free(s->table);
  free(s->nodes);
  free(s->sets);
  free(s->rules);
  free(s->list);
  free(s->stack);
  free(s->mark);
  free(s->start_of);
  free(s);
}

/* ---- matching ---- */

static void forget(pattern_set *s)
{
  for (size_t i = 0; i < s->n_states; i++) {
    free(s->states[i]->nodes);
    free(s->states[i]);
  }
  s->n_states = 0;
  memset(s->table, 0, TABLE * sizeof *s->table);
  for (size_t i = 0; i < s->n_nodes; i++)
    s->start_of[i] = UNKNOWN;
}

static bool prepare(pattern_set *s)
{
  if (s->scratch == s->n_nodes)
    return true;
  free(s->list);
  free(s->stack);
  free(s->mark);
  free(s->start_of);
  s->list = calloc(s->n_nodes, sizeof *s->list);
  s->stack = calloc(2 * s->n_nodes + 2, sizeof *s->stack);
  s->mark = calloc(s->n_nodes, sizeof *s->mark);
  s->start_of = calloc(s->n_nodes, sizeof *s->start_of);
  s->scratch = 0;
  s->stamp = 0;
  if (!s->list || !s->stack || !s->mark || !s->start_of)
    return false;
  s->scratch = s->n_nodes;
  forget(s);
  return true;
}

/* Adds a node and all that empty steps lead to; only nodes with a byte's step or an end are kept in the list. */
static size_t add_closure(pattern_set *s, int32_t from, size_t n)
{
  size_t depth = 0;
  s->stack[depth++] = from;
  while (depth) {
    int32_t k = s->stack[--depth];
    if (k < 0 || s->mark[k] == s->stamp)
      continue;
    s->mark[k] = s->stamp;
    const node *d = &s->nodes[k];
    if (d->set >= 0 || d->accepts >= 0)
      s->list[n++] = k;
    if (d->set < 0) {
      s->stack[depth++] = d->other;
      s->stack[depth++] = d->next;
    }
  }
  return n;
}

static int by_number(const void *a, const void *b)
{
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

/* The state for the n nodes in s->list; DEAD's is the empty list. -1: no memory; -2: too many states, forget and begin again. */
static int32_t find_state(pattern_set *s, size_t n)
{
  qsort(s->list, n, sizeof *s->list, by_number);
  uint64_t h = n * UINT64_C(0x9E3779B97F4A7C15);
  for (size_t i = 0; i < n; i++)
    h = (h ^ (uint64_t)s->list[i]) * UINT64_C(0x100000001B3);
  size_t at = (h ^ h >> 29) % TABLE;
  for (; s->table[at]; at = (at + 1) % TABLE) {
    const state *t = s->states[s->table[at] - 1];
    if (t->n == n && memcmp(t->nodes, s->list, n * sizeof *s->list) == 0)
      return s->table[at] - 1;
  }
  if (s->n_states == MOST_STATES)
    return -2;
  state *t = malloc(sizeof *t);
  int32_t *nodes = malloc((n + 1) * sizeof *nodes);
  if (!t || !nodes) {
    free(t);
    free(nodes);
    return -1;
  }
  memcpy(nodes, s->list, n * sizeof *nodes);
  t->n = n;
  t->nodes = nodes;
  t->accepts = -1;
  for (size_t i = 0; i < n; i++) {
    int32_t a = s->nodes[nodes[i]].accepts;
    if (a >= 0 && (t->accepts < 0 || a < t->accepts))
      t->accepts = a;
  }
  for (int i = 0; i < 256; i++)
    t->next[i] = n ? UNKNOWN : (int32_t)s->n_states;
  s->states[s->n_states] = t;
  s->table[at] = (int32_t)s->n_states + 1;
  return (int32_t)s->n_states++;
}

static int32_t start(pattern_set *s, int32_t node_number)
{
  if (s->start_of[node_number] != UNKNOWN)
    return s->start_of[node_number];
  s->stamp++;
  int32_t k = find_state(s, add_closure(s, node_number, 0));
  if (k >= 0)
    s->start_of[node_number] = k;
  return k;
}

static int32_t follow(pattern_set *s, int32_t from, unsigned byte)
{
  const state *t = s->states[from];
  size_t n = 0;
  s->stamp++;
  for (size_t i = 0; i < t->n; i++) {
    const node *d = &s->nodes[t->nodes[i]];
    if (d->set >= 0 && has(&s->sets[d->set], byte))
      n = add_closure(s, d->next, n);
  }
  int32_t k = find_state(s, n);
  if (k >= 0)
    s->states[from]->next[byte] = k;
  return k;
}

/* Runs from a node over n bytes. Each end of a match is told; returns false when memory runs out. */
static bool run(pattern_set *s, int32_t from, const uint8_t *text, size_t n, int32_t *accepts, size_t *length)
{
  *accepts = -1;
  *length = 0;
  for (int attempt = 0; attempt < 2; attempt++) {
    int32_t k = start(s, from);
    size_t i = 0;
    while (k >= 0) {
      const state *t = s->states[k];
      if (t->accepts >= 0) {
        *accepts = t->accepts;
        *length = i;
      }
      if (i == n || t->n == 0)
        return true;
      int32_t next = t->next[text[i]];
      k = next != UNKNOWN ? next : follow(s, k, text[i]);
      i++;
    }
    if (k == -1)
      return false;
    forget(s);
  }
  return true; /* more states than can be kept in one match: what was found so far */
}

/* Whether the automaton takes all n bytes. */
static bool takes_all(pattern_set *s, int32_t from, const uint8_t *text, size_t n)
{
  int32_t accepts;
  size_t length;
  return run(s, from, text, n, &accepts, &length) && accepts >= 0 && length == n;
}

int pattern_match(pattern_set *s, const uint8_t *text, size_t n, size_t *length)
{
  int32_t accepts;
  if (!prepare(s) || !run(s, s->root, text, n < PATTERN_LONGEST ? n : PATTERN_LONGEST, &accepts, length))
    return PATTERN_FAILED;
  if (accepts < 0)
    return PATTERN_NONE;
  const rule *r = &s->rules[accepts];
  if (r->head >= 0)
    for (size_t head = *length; head-- > 0;)
      if (takes_all(s, r->trail, text + head, *length - head) && takes_all(s, r->head, text, head)) {
        *length = head;
        break;
      }
  return accepts;
}
