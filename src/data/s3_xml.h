/* The XML that S3 answers with, element by element. libexpat is opened at the first use. Thread-safe. */
#ifndef DATA_S3_XML_H
#define DATA_S3_XML_H

#include <stddef.h>

/* Called at the end of every element, the inner ones first: the name of the one around it ("" at the top), its own name (without namespace), and its text (trimmed of nothing; "" when there is
 * none; NULL when it has elements inside). Other than 0 ends the parsing, which then returns that number. */
typedef int s3_xml_fn(void *user, const char *parent, const char *name, const char *text);

/* 0, or what `each` returned; OPIS_EFORMAT for what is not well formed, has a DOCTYPE, is nested deeper than 8, or has a text longer than 64 KiB; OPIS_EUNSUPPORTED without libexpat. `what`
 * begins the message. */
int s3_xml(const char *bytes, size_t n, s3_xml_fn *each, void *user, const char *what);

#endif
