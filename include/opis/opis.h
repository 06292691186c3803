/** @file
 * opis: says in words what is on a picture. This header includes the whole public interface.
 *
 *     opis_model *model;
 *     if (opis_model_open(&model, NULL, NULL) < 0) die(opis_error_message());
 *     opis_description *d;
 *     if (opis_describe_file(&d, model, "photo.jpg", NULL) == 0) puts(opis_description_text(d));
 *     opis_description_free(d);
 *     opis_model_free(model);
 *
 * The library never exits, aborts, prints or installs signal handlers. What a function makes through an out parameter is the caller's, to be freed with the function that its comment names;
 * `const` strings and arrays that a function returns belong to the object they were asked of and live as long as it does. A function that can fail returns 0 or a negative #opis_error_code;
 * the out parameter is then NULL, and the words are in opis_error_message(). */
#ifndef OPIS_H
#define OPIS_H

#include <opis/describe.h>
#include <opis/error.h>
#include <opis/export.h>
#include <opis/image.h>
#include <opis/model.h>

OPIS_BEGIN

/** The version of the library. May be called from any thread.
 * @return "0.1.0"; a static string. */
OPIS_API const char *opis_version(void);

/** What kernels this process uses; set `OPIS_CPU` to force one. May be called from any thread.
 * @return "generic", "avx2", "avxvnni", "avx512", "avx512vnni", "amx", "neon" or "neon-dotprod"; a static string. */
OPIS_API const char *opis_cpu(void);

OPIS_END

#endif
