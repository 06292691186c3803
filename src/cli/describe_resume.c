/* What an earlier run already answered in its output file. */
#include "cli/describe_output.h"

#include "util/crypto.h"
#include "util/error.h"
#include "util/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int remember(pathset *done, const char *path, size_t n)
{
  char *s = strndup(path, n);
  int code = s ? pathset_add(done, s) : error_nomem();
  free(s);
  return code < 0 ? code : 0;
}

/* The path of one JSON line: "path_base64" where there is one, else "path". */
static int jsonl_line(pathset *done, const char *line, size_t n, const char *file)
{
  json_error_t e;
  json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &e);
  const char *path = json_string_value(json_object_get(o, "path")), *base64 = json_string_value(json_object_get(o, "path_base64"));
  int code = 0;
  if (!path)
    code = error_set(OPIS_EFORMAT, "%s: not written by 'opis describe --format jsonl': a line without a path", file);
  else if (base64) {
    size_t k = strlen(base64);
    unsigned char *bytes = malloc(k + 4);
    int got = bytes ? EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)k) : -1;
    while (k && base64[k - 1] == '=' && got > 0) {
      k--;
      got--;
    }
    code = got < 0 ? error_set(OPIS_EFORMAT, "%s: a broken path_base64", file) : remember(done, (const char *)bytes, (size_t)got);
    free(bytes);
  } else
    code = remember(done, path, strlen(path));
  json_decref(o);
  return code;
}

/* The first field of one CSV record. */
static int csv_record(pathset *done, const char *record, size_t n)
{
  strbuf field = STRBUF_INIT;
  if (n && record[0] == '"') {
    for (size_t i = 1; i < n; i++) {
      if (record[i] == '"' && (i + 1 == n || record[i + 1] != '"'))
        break;
      if (record[i] == '"')
        i++;
      strbuf_putc(&field, record[i]);
    }
  } else
    for (size_t i = 0; i < n && record[i] != ','; i++)
      strbuf_putc(&field, record[i]);
  int code = strbuf_check(&field);
  if (code == 0)
    code = remember(done, field.s ? field.s : "", field.n);
  strbuf_free(&field);
  return code;
}

/* The end of the record that begins at s: one past its newline, 0 when it is unfinished. */
static size_t record_end(const char *s, size_t n, describe_format format)
{
  bool quoted = false;
  for (size_t i = 0; i < n; i++) {
    if (format == DESCRIBE_CSV && s[i] == '"')
      quoted = !quoted;
    if (s[i] == '\n' && !quoted)
      return i + 1;
  }
  return 0;
}

static int read_record(pathset *done, const char *s, size_t n, bool first, const char *file, describe_format format)
{
  size_t body = n - 1;
  if (body && s[body - 1] == '\r')
    body--;
  if (format == DESCRIBE_JSONL)
    return body ? jsonl_line(done, s, body, file) : 0;
  if (format == DESCRIBE_CSV) {
    if (!first)
      return csv_record(done, s, body);
    return n == sizeof DESCRIBE_CSV_HEADER - 1 && memcmp(s, DESCRIBE_CSV_HEADER, n) == 0
      ? 0
      : error_set(OPIS_EFORMAT, "%s: not written by 'opis describe --format csv': another header", file);
  }
  const char *tab = memrchr(s, '\t', body);
  return tab ? remember(done, s, (size_t)(tab - s)) : error_set(OPIS_EFORMAT, "%s: not written by 'opis describe': a line without a tab", file);
}

int describe_resume_read(pathset *done, bool *empty, int fd, const char *file, describe_format format, bool single)
{
  char *bytes;
  size_t size, at = 0;
  int code = file_read_fd(&bytes, &size, fd, file, UINT64_C(1) << 40);
  if (code < 0)
    return code;
  while (at < size && code == 0) {
    size_t n = record_end(bytes + at, size - at, format);
    if (n == 0)
      break;
    if (!(single && format == DESCRIBE_TEXT))
      code = read_record(done, bytes + at, n, at == 0, file, format);
    at += n;
  }
  free(bytes);
  if (code == 0 && at < size && ftruncate(fd, (off_t)at) != 0)
    code = error_set_errno("%s", file);
  if (code == 0 && lseek(fd, 0, SEEK_END) < 0)
    code = error_set_errno("%s", file);
  *empty = at == 0;
  return code;
}
