#include "util/error.h"

#include "util/strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 1024 };
static _Thread_local char message[MESSAGE_SIZE];

/* Names come from hostile files: what is no UTF-8 becomes U+FFFD and a control character '?', so that a message is safe on a terminal and in JSON. Cut on a character's boundary. */
static void keep(const char *s)
{
  size_t n = strlen(s), to = 0;
  for (size_t i = 0; i < n;) {
    size_t k = utf8_sequence(s + i, n - i);
    const char *piece = !k ? "\xEF\xBF\xBD" : (unsigned char)s[i] < 0x20 || s[i] == 0x7F ? "?" : s + i;
    size_t length = !k ? 3 : k;
    if (to + length >= sizeof message || (!k && n + 1 == MESSAGE_SIZE && n - i < 4)) /* the broken end of a cut sequence is left out */
      break;
    memcpy(message + to, piece, length);
    to += length;
    i += k ? k : 1;
  }
  message[to] = '\0';
}

static void __attribute__((format(printf, 1, 0))) set(const char *format, va_list args)
{
  char fresh[MESSAGE_SIZE];
  if (vsnprintf(fresh, sizeof fresh, format, args) < 0)
    fresh[0] = '\0';
  keep(fresh);
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
  char fresh[MESSAGE_SIZE];
  size_t n = strlen(message);
  memcpy(fresh, message, n);
  snprintf(fresh + n, sizeof fresh - n, ": %s", old);
  keep(fresh);
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
