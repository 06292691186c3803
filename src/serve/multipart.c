/* Splitting a multipart/form-data body into its parts. */
#include "serve/multipart.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_HEADERS = 16384, MAX_BOUNDARY = 70, MAX_NAME = 1024 };

static const char *skip_space(const char *s, const char *end)
{
  while (s < end && (*s == ' ' || *s == '\t'))
    s++;
  return s;
}

/* One `; name=value` of a header, the value a token or a quoted string. Moves *at behind it; false at the end or at what cannot be read. */
static bool next_parameter(const char **at, const char *end, const char **name, size_t *name_size, strbuf *value)
{
  const char *s = *at;
  while (s < end && (*s == ';' || *s == ' ' || *s == '\t'))
    s++;
  *name = s;
  while (s < end && *s != '=' && *s != ';')
    s++;
  *name_size = (size_t)(s - *name);
  while (*name_size && ((*name)[*name_size - 1] == ' ' || (*name)[*name_size - 1] == '\t'))
    --*name_size;
  if (s == end || *s != '=')
    return *at = s, s < end;
  s = skip_space(s + 1, end);
  strbuf_reset(value);
  if (s < end && *s == '"') {
    for (s++; s < end && *s != '"'; s++) {
      if (*s == '\\' && s + 1 < end && (s[1] == '"' || s[1] == '\\'))
        s++;
      strbuf_putc(value, *s);
    }
    while (s < end && *s != ';')
      s++;
  } else {
    const char *from = s;
    while (s < end && *s != ';')
      s++;
    const char *to = s;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
      to--;
    strbuf_append(value, from, (size_t)(to - from));
  }
  *at = s;
  return true;
}

static bool is_name(const char *name, size_t n, const char *wanted)
{
  return n == strlen(wanted) && strncasecmp(name, wanted, n) == 0;
}

static int hex(char c)
{
  return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static void percent_decode(strbuf *b)
{
  size_t to = 0;
  for (size_t i = 0; i < b->n; i++)
    if (b->s[i] == '%' && i + 2 < b->n && hex(b->s[i + 1]) >= 0 && hex(b->s[i + 2]) >= 0) {
      b->s[to++] = (char)(hex(b->s[i + 1]) * 16 + hex(b->s[i + 2]));
      i += 2;
    } else
      b->s[to++] = b->s[i];
  b->n = to;
  if (b->s)
    b->s[to] = '\0';
}

/* The text of a parameter as clean UTF-8, cut at MAX_NAME bytes and at a NUL. */
static char *clean(const strbuf *b)
{
  strbuf out = STRBUF_INIT;
  size_t n = b->n < MAX_NAME ? b->n : MAX_NAME;
  if (b->s)
    n = strnlen(b->s, n);
  while (n && n < b->n && ((unsigned char)b->s[n] & 0xc0) == 0x80)
    n--;
  strbuf_put_utf8(&out, b->s ? b->s : "", n);
  return strbuf_take(&out);
}

static int read_disposition(multipart_part *part, const char *s, const char *end)
{
  strbuf value = STRBUF_INIT;
  const char *name;
  size_t n;
  bool extended = false;
  while (s < end && *s != ';')
    s++;
  while (s < end && next_parameter(&s, end, &name, &n, &value)) {
    if (is_name(name, n, "name") && !part->name)
      part->name = clean(&value);
    else if (is_name(name, n, "filename*") && value.n > 7 && strncasecmp(value.s, "UTF-8'", 6) == 0 && strchr(value.s + 6, '\'')) {
      const char *text = strchr(value.s + 6, '\'') + 1;
      strbuf plain = STRBUF_INIT;
      strbuf_append(&plain, text, value.n - (size_t)(text - value.s));
      percent_decode(&plain);
      free(part->filename);
      part->filename = clean(&plain);
      strbuf_free(&plain);
      extended = true;
    } else if (is_name(name, n, "filename") && !extended && !part->filename) {
      percent_decode(&value); /* browsers write a quote as %22 */
      part->filename = clean(&value);
    }
  }
  bool failed = value.failed;
  strbuf_free(&value);
  return failed ? error_nomem() : 0;
}

static int read_headers(multipart_part *part, const char *s, const char *end)
{
  static const char wanted[] = "content-disposition:";
  while (s < end) {
    const char *line_end = memmem(s, (size_t)(end - s), "\r\n", 2);
    if (!line_end)
      line_end = end;
    if ((size_t)(line_end - s) > sizeof wanted - 1 && strncasecmp(s, wanted, sizeof wanted - 1) == 0) {
      int status = read_disposition(part, s + sizeof wanted - 1, line_end);
      if (status < 0)
        return status;
    }
    s = line_end + 2 <= end ? line_end + 2 : end;
  }
  if (!part->name && !(part->name = strdup("")))
    return error_nomem();
  return 0;
}

static int find_boundary(char delimiter[MAX_BOUNDARY + 5], const char *content_type)
{
  const char *s = strchr(content_type, ';'), *end = content_type + strlen(content_type), *name;
  size_t n;
  strbuf value = STRBUF_INIT;
  int status = error_set(OPIS_EINVALID, "multipart: no boundary in Content-Type");
  while (s && s < end && next_parameter(&s, end, &name, &n, &value))
    if (is_name(name, n, "boundary")) {
      if (value.n >= 1 && value.n <= MAX_BOUNDARY && strlen(value.s) == value.n) {
        memcpy(delimiter, "\r\n--", 4);
        memcpy(delimiter + 4, value.s, value.n + 1);
        status = 0;
      } else
        status = error_set(OPIS_EINVALID, "multipart: the boundary has to be 1 to 70 characters long");
      break;
    }
  strbuf_free(&value);
  return status;
}

static int add_part(multipart *m, size_t *capacity, const char *s, const char *end)
{
  size_t window = (size_t)(end - s) < MAX_HEADERS ? (size_t)(end - s) : MAX_HEADERS;
  const char *headers_end = window >= 2 && memcmp(s, "\r\n", 2) == 0 ? s : memmem(s, window, "\r\n\r\n", 4);
  if (!headers_end)
    return error_set(OPIS_EINVALID, "multipart: a part without end of its headers");
  const char *data = headers_end == s ? s + 2 : headers_end + 4;
  if (m->n >= MULTIPART_MAX_PARTS)
    return error_set(OPIS_ELIMIT, "multipart: more than %d parts", MULTIPART_MAX_PARTS);
  if (m->n == *capacity) {
    size_t more = *capacity ? *capacity * 2 : 8;
    multipart_part *parts = realloc(m->parts, more * sizeof *parts);
    if (!parts)
      return error_nomem();
    m->parts = parts;
    *capacity = more;
  }
  multipart_part *part = &m->parts[m->n++];
  *part = (multipart_part){.data = data, .size = (size_t)(end - data)};
  return read_headers(part, s, headers_end);
}

int multipart_parse(multipart *m, const char *content_type, const char *body, size_t size)
{
  char delimiter[MAX_BOUNDARY + 5];
  *m = (multipart){0};
  int status = find_boundary(delimiter, content_type);
  if (status < 0)
    return status;
  size_t n = strlen(delimiter), capacity = 0;
  const char *end = body + size, *s;
  if (size >= n - 2 && memcmp(body, delimiter + 2, n - 2) == 0) /* the first one may stand without its line end */
    s = body + n - 2;
  else if ((s = size ? memmem(body, size, delimiter, n) : NULL) != NULL)
    s += n;
  else
    return error_set(OPIS_EINVALID, "multipart: the boundary does not occur in the body");
  while (status == 0) {
    if (end - s >= 2 && memcmp(s, "--", 2) == 0)
      return 0;
    s = skip_space(s, end);
    if (end - s < 2 || memcmp(s, "\r\n", 2) != 0) {
      status = error_set(OPIS_EINVALID, "multipart: broken off, or something behind a boundary");
      break;
    }
    s += 2;
    const char *next = memmem(s, (size_t)(end - s), delimiter, n);
    if (!next) {
      status = error_set(OPIS_EINVALID, "multipart: broken off before its last boundary");
      break;
    }
    if ((status = add_part(m, &capacity, s, next)) == 0)
      s = next + n;
  }
  multipart_free(m);
  return status;
}

void multipart_free(multipart *m)
{
  for (size_t i = 0; i < m->n; i++) {
    free(m->parts[i].name);
    free(m->parts[i].filename);
  }
  free(m->parts);
  *m = (multipart){0};
}
