/** @file
 * Errors: a function that can fail returns 0 or one of these negative codes, and leaves words for people in a message that belongs to the calling thread. */
#ifndef OPIS_ERROR_H
#define OPIS_ERROR_H

#include <opis/export.h>

OPIS_BEGIN

/** What went wrong. */
enum opis_error_code {
  OPIS_OK = 0,            /**< nothing did */
  OPIS_ENOTFOUND = -1,    /**< a file, model, option or name is not there */
  OPIS_EFORMAT = -2,      /**< bytes that are not what they claim to be: broken, truncated, lying */
  OPIS_EINVALID = -3,     /**< an argument or option outside its range */
  OPIS_ELIMIT = -4,       /**< well formed, but larger than the limit in force */
  OPIS_ENOMEM = -5,       /**< no memory */
  OPIS_EIO = -6,          /**< reading or writing failed */
  OPIS_ECANCELLED = -7,   /**< the caller's cancel callback said so */
  OPIS_EUNSUPPORTED = -8, /**< known, but not done by this build or on this machine */
  OPIS_EEXISTS = -9,      /**< would overwrite what is there */
  OPIS_ETIMEOUT = -10,    /**< a time limit passed */
  OPIS_EBUSY = -11,       /**< locked by another process or thread, or a queue is full */
  OPIS_ECONFLICT = -12,   /**< local changes are in the way */
  OPIS_EAUTH = -13,       /**< the other side wants other credentials */
  OPIS_ENETWORK = -14,    /**< the other side could not be reached or broke off */
  OPIS_EINTERNAL = -15    /**< a defect of opis itself */
};

/** The words of the last error on this thread. Each thread has its own.
 * @return "" when there was none, never NULL; valid until the next failing call on this thread. */
OPIS_API const char *opis_error_message(void);

/** The name of a code. May be called from any thread.
 * @param code an #opis_error_code
 * @return "OPIS_EFORMAT" for OPIS_EFORMAT, "OPIS_OK" for 0; "OPIS_EINTERNAL" for a number that is no code. A static string. */
OPIS_API const char *opis_error_name(int code);

OPIS_END

#endif
