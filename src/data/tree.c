#include "data/tree.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 * 1024 - 64 };
struct tree_strings {
  tree_strings *next;
  size_t used, size;
  char bytes[];
};

static char *keep(tree *t, const char *s, size_t n)
{
  if (!t->strings || t->strings->size - t->strings->used < n + 1) {
    size_t size = n + 1 > BLOCK ? n + 1 : BLOCK;
    tree_strings *b = malloc(sizeof *b + size);
    if (!b)
      return NULL;
    *b = (tree_strings){.next = t->strings, .used = 0, .size = size};
    t->strings = b;
  }
  char *at = t->strings->bytes + t->strings->used;
  memcpy(at, s, n);
  at[n] = '\0';
  t->strings->used += n + 1;
  return at;
}

tree_entry *tree_add(tree *t, const char *path, size_t n)
{
  if (t->n == t->capacity) {
    size_t capacity = t->capacity ? t->capacity + t->capacity / 2 : 64;
    tree_entry *larger = realloc(t->entries, capacity * sizeof *larger);
    if (!larger) {
      error_nomem();
      return NULL;
    }
    t->entries = larger;
    t->capacity = capacity;
  }
  char *copy = keep(t, path, n);
  if (!copy) {
    error_nomem();
    return NULL;
  }
  tree_entry *e = &t->entries[t->n++];
  *e = (tree_entry){.path = copy};
  return e;
}

void tree_free(tree *t)
{
  while (t->strings) {
    tree_strings *next = t->strings->next;
    free(t->strings);
    t->strings = next;
  }
  free(t->entries);
  *t = (tree)TREE_INIT;
}

/* One code point of a name as Python sees it (surrogateescape), and how many bytes it took. */
static uint32_t code_point(const unsigned char *s, int *length)
{
  unsigned char c = s[0];
  *length = 1;
  if (c < 0x80)
    return c;
  if (c >= 0xC2 && c <= 0xDF && (s[1] & 0xC0) == 0x80) {
    *length = 2;
    return (uint32_t)(c & 0x1F) << 6 | (s[1] & 0x3F);
  }
  if (c >= 0xE0 && c <= 0xEF && (s[1] & 0xC0) == 0x80 && (s[2] & 0xC0) == 0x80) {
    uint32_t v = (uint32_t)(c & 0x0F) << 12 | (uint32_t)(s[1] & 0x3F) << 6 | (s[2] & 0x3F);
    if (v >= 0x800 && (v < 0xD800 || v > 0xDFFF)) {
      *length = 3;
      return v;
    }
  }
  if (c >= 0xF0 && c <= 0xF4 && (s[1] & 0xC0) == 0x80 && (s[2] & 0xC0) == 0x80 && (s[3] & 0xC0) == 0x80) {
    uint32_t v = (uint32_t)(c & 0x07) << 18 | (uint32_t)(s[1] & 0x3F) << 12 | (uint32_t)(s[2] & 0x3F) << 6 | (s[3] & 0x3F);
    if (v >= 0x10000 && v <= 0x10FFFF) {
      *length = 4;
      return v;
    }
  }
  return 0xDC00U | c;
}

int tree_compare_paths(const char *a, const char *b)
{
  const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b, *start = x;
  while (*x && *x == *y) {
    x++;
    y++;
  }
  if (*x == *y)
    return 0;
  if (*x < 0x80 && *y < 0x80)
    return *x < *y ? -1 : 1;
  /* In the middle of a character: go back to where it begins, at most three bytes. */
  for (int back = 0; back < 3 && x > start && (x[-1] & 0x80); back++) {
    x--;
    y--;
  }
  while (*x || *y) {
    int m, n;
    uint32_t p = *x ? code_point(x, &m) : 0, q = *y ? code_point(y, &n) : 0;
    if (p != q)
      return p < q ? -1 : 1;
    x += m;
    y += n;
  }
  return 0;
}

static int by_path(const void *a, const void *b)
{
  return tree_compare_paths(((const tree_entry *)a)->path, ((const tree_entry *)b)->path);
}

void tree_sort(tree *t)
{
  for (size_t i = 1; i < t->n; i++)
    if (by_path(&t->entries[i - 1], &t->entries[i]) > 0) {
      qsort(t->entries, t->n, sizeof *t->entries, by_path);
      return;
    }
}

tree_entry *tree_find(const tree *t, const char *path)
{
  tree_entry key = {.path = path};
  return t->n ? bsearch(&key, t->entries, t->n, sizeof key, by_path) : NULL;
}

tree_entry *tree_find_next(const tree *t, size_t *next, const char *path)
{
  tree_entry *e = *next < t->n && strcmp(t->entries[*next].path, path) == 0 ? &t->entries[*next] : tree_find(t, path);
  if (e)
    *next = (size_t)(e - t->entries) + 1;
  return e;
}

int tree_merge(tree *t, tree *more)
{
  if (t->n < more->n) { /* the larger array stays */
    tree larger = *more;
    *more = *t;
    *t = larger;
  }
  size_t i = t->n, k = more->n, all = i + k;
  if (all > t->capacity) {
    tree_entry *larger = realloc(t->entries, all * sizeof *larger);
    if (!larger)
      return error_nomem();
    t->entries = larger;
    t->capacity = all;
  }
  t->n = all;
  while (k > 0) /* from the back, where there is room */
    t->entries[--all] = i > 0 && by_path(&t->entries[i - 1], &more->entries[k - 1]) > 0 ? t->entries[--i] : more->entries[--k];
  tree_strings **last = &t->strings;
  while (*last)
    last = &(*last)->next;
  *last = more->strings;
  more->strings = NULL;
  tree_free(more);
  return 0;
}

void tree_range(const tree *t, const char *folder, size_t *begin, size_t *end)
{
  size_t n = strlen(folder), low = 0, high = t->n;
  *begin = 0;
  *end = t->n;
  if (n == 0)
    return;
  char *key = malloc(n + 2);
  if (!key) { /* an empty range is the worst that comes of it */
    *begin = *end = 0;
    return;
  }
  memcpy(key, folder, n);
  memcpy(key + n, "/", 2);
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (tree_compare_paths(t->entries[middle].path, key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *begin = low;
  while (low < t->n && strncmp(t->entries[low].path, key, n + 1) == 0)
    low++;
  *end = low;
  free(key);
}

uint64_t tree_bytes(const tree *t)
{
  uint64_t sum = 0;
  for (size_t i = 0; i < t->n; i++)
    sum += t->entries[i].size;
  return sum;
}

/* ---- writing ---- */

enum { OUT = 64 * 1024 };
typedef struct out {
  md5_state md5;
  tree_sink *sink;
  void *user;
  uint64_t size;
  size_t n;
  int code;
  char bytes[OUT];
} out;

static void out_flush(out *o)
{
  md5_add(&o->md5, o->bytes, o->n);
  o->size += o->n;
  if (o->sink && o->code == 0)
    o->code = o->sink(o->user, o->bytes, o->n);
  o->n = 0;
}

static void put(out *o, const char *s, size_t n)
{
  while (n > 0) {
    size_t take = n < OUT - o->n ? n : OUT - o->n;
    memcpy(o->bytes + o->n, s, take);
    o->n += take;
    s += take;
    n -= take;
    if (o->n == OUT)
      out_flush(o);
  }
}

static void put_escape(out *o, uint32_t v)
{
  static const char digits[] = "0123456789abcdef";
  char s[6] = {'\\', 'u', digits[v >> 12 & 15], digits[v >> 8 & 15], digits[v >> 4 & 15], digits[v & 15]};
  put(o, s, 6);
}

/* A string as json.dumps writes it with ensure_ascii. */
static void put_name(out *o, const char *name)
{
  const unsigned char *s = (const unsigned char *)name;
  while (*s) {
    size_t plain = 0;
    while (s[plain] >= 0x20 && s[plain] < 0x7F && s[plain] != '"' && s[plain] != '\\')
      plain++;
    put(o, (const char *)s, plain);
    s += plain;
    if (!*s)
      break;
    int length;
    uint32_t v = code_point(s, &length);
    s += length;
    if (v == '"' || v == '\\') {
      put(o, (char[]){'\\', (char)v}, 2);
    } else if (v == '\n')
      put(o, "\\n", 2);
    else if (v == '\r')
      put(o, "\\r", 2);
    else if (v == '\t')
      put(o, "\\t", 2);
    else if (v == '\f')
      put(o, "\\f", 2);
    else if (v == '\b')
      put(o, "\\b", 2);
    else if (v > 0xFFFF) {
      put_escape(o, 0xD800 + ((v - 0x10000) >> 10));
      put_escape(o, 0xDC00 + ((v - 0x10000) & 0x3FF));
    } else
      put_escape(o, v);
  }
}

int tree_write(const tree *t, uint8_t md5[MD5_SIZE], uint64_t *size, tree_sink *sink, void *user)
{
  out *o = malloc(sizeof *o);
  if (!o)
    return error_nomem();
  o->sink = sink;
  o->user = user;
  o->n = 0;
  o->size = 0;
  o->code = 0;
  md5_start(&o->md5);
  put(o, "[", 1);
  for (size_t i = 0; i < t->n; i++) {
    char hex[MD5_HEX];
    md5_to_hex(hex, t->entries[i].md5);
    put(o, i ? ", {\"md5\": \"" : "{\"md5\": \"", i ? 11 : 9);
    put(o, hex, 32);
    put(o, "\", \"relpath\": \"", 15);
    put_name(o, t->entries[i].path);
    put(o, "\"}", 2);
  }
  put(o, "]", 1);
  out_flush(o);
  md5_end(&o->md5, md5);
  if (size)
    *size = o->size;
  int code = o->code;
  free(o);
  return code;
}
