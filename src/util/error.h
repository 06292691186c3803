/* Setting the calling thread's error message. The public side (reading it) is opis/error.h. */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <opis/error.h>

/* Writes the message and returns `code`, so that a function can end with `return error_set(OPIS_EFORMAT, "%s: ...", path)`. Messages say WHAT: WHY, without "opis: " and
 * without a full stop; long ones are cut at 1 KiB on a UTF-8 boundary. The arguments may include opis_error_message() itself. */
int error_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* The same for a failed system call: appends ": " and the words of errno. ENOENT gives OPIS_ENOTFOUND, ENOMEM OPIS_ENOMEM, EEXIST OPIS_EEXISTS, else OPIS_EIO. errno stays. */
int error_set_errno(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* Puts "PREFIX: " before the present message and returns `code`. */
int error_prefix(int code, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

#define error_nomem() error_set(OPIS_ENOMEM, "out of memory")

#endif
