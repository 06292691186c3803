#include "util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 1024 };
static _Thread_local char message[MESSAGE_SIZE];

/* vsnprintf may have cut a UTF-8 sequence in two: take the broken rest away. */
static void trim_utf8(char *s, size_t capacity)
{
  size_t n = strnlen(s, capacity - 1);
  if (n + 1 < capacity)
    return;
  size_t start = n;
  while (start > 0 && n - start < 3 && ((unsigned char)s[start - 1] & 0xC0) == 0x80)
    start--;
  if (start > 0 && (unsigned char)s[start - 1] >= 0xC0)
    s[start - 1] = '\0';
}

static void __attribute__((format(printf, 1, 0))) set(const char *format, va_list args)
{
  char fresh[MESSAGE_SIZE];
  if (vsnprintf(fresh, sizeof fresh, format, args) < 0)
    fresh[0] = '\0';
  trim_utf8(fresh, sizeof fresh);
  memcpy(message, fresh, sizeof message);
}

int error_set(int code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  set(format, args);
  va_end(args);
  return code;
}

int error_set_errno(const char *format, ...)
{
  int saved = errno;
  char words[256];
  va_list args;
  va_start(args, format);
  set(format, args);
  va_end(args);
  size_t n = strlen(message);
  snprintf(message + n, sizeof message - n, ": %s", strerror_r(saved, words, sizeof words));
  errno = saved;
  switch (saved) {
  case ENOENT:
  case ENOTDIR: return OPIS_ENOTFOUND;
  case ENOMEM: return OPIS_ENOMEM;
  case EEXIST: return OPIS_EEXISTS;
  default: return OPIS_EIO;
  }
}

int error_prefix(int code, const char *format, ...)
{
  char old[MESSAGE_SIZE];
  memcpy(old, message, sizeof old);
  va_list args;
  va_start(args, format);
  set(format, args);
  va_end(args);
  size_t n = strlen(message);
  snprintf(message + n, sizeof message - n, ": %s", old);
  trim_utf8(message, sizeof message);
  return code;
}

const char *opis_error_message(void)
{
  return message;
}

const char *opis_error_name(int code)
{
  static const char *const names[] = {"OPIS_OK", "OPIS_ENOTFOUND", "OPIS_EFORMAT", "OPIS_EINVALID", "OPIS_ELIMIT", "OPIS_ENOMEM", "OPIS_EIO", "OPIS_ECANCELLED",
    "OPIS_EUNSUPPORTED", "OPIS_EEXISTS", "OPIS_ETIMEOUT", "OPIS_EBUSY", "OPIS_ECONFLICT", "OPIS_EAUTH", "OPIS_ENETWORK", "OPIS_EINTERNAL"};
  const int n = (int)(sizeof names / sizeof *names);
  return code <= 0 && -code < n ? names[-code] : "OPIS_EINTERNAL";
}
