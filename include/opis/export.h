/** @file
 * Which symbols leave the shared library: only those marked #OPIS_API. */
#ifndef OPIS_EXPORT_H
#define OPIS_EXPORT_H

#if defined(__GNUC__)
/** Marks what the shared library shows. */
#define OPIS_API __attribute__((visibility("default")))
#else
#define OPIS_API
#endif

#ifdef __cplusplus
/** Around declarations, so that C++ finds them under their C names. */
#define OPIS_BEGIN extern "C" {
/** Ends what #OPIS_BEGIN begins. */
#define OPIS_END }
#else
/** Around declarations, so that C++ finds them under their C names. */
#define OPIS_BEGIN
/** Ends what #OPIS_BEGIN begins. */
#define OPIS_END
#endif

#endif
