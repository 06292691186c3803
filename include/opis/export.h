/* Which symbols leave the shared library: only those marked OPIS_API. */
#ifndef OPIS_EXPORT_H
#define OPIS_EXPORT_H

#if defined(__GNUC__)
#define OPIS_API __attribute__((visibility("default")))
#else
#define OPIS_API
#endif

#ifdef __cplusplus
#define OPIS_BEGIN extern "C" {
#define OPIS_END }
#else
#define OPIS_BEGIN
#define OPIS_END
#endif

#endif
