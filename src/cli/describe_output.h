/* How one answer is spelled in each format. Used by describe_output.c (writing) and describe_resume.c (reading what an earlier run wrote). */
#ifndef CLI_DESCRIBE_OUTPUT_H
#define CLI_DESCRIBE_OUTPUT_H

#include "cli/describe.h"
#include "util/strbuf.h"

#include <jansson.h>

/* The object of the design's "Outputs of describe"; NULL when there is no memory. */
json_t *describe_answer_json(const describe_answer *a, opis_model *model);
void describe_answer_csv(strbuf *b, const describe_answer *a);
void describe_answer_xmp(strbuf *b, const describe_answer *a);

#define DESCRIBE_CSV_HEADER "path,description,score,error\r\n"

/* The path of a file beside the picture, its extension replaced ("a/b.jpg" -> "a/b.txt"); malloc'ed, NULL without memory. */
char *describe_sidecar_path(const char *path, const char *extension);

/* Reads what an earlier run left in fd (open for reading and writing), adds its paths to done, and cuts a half-written end off. *empty: nothing is left in it. */
int describe_resume_read(pathset *done, bool *empty, int fd, const char *file, describe_format format, bool single);

/* How a path is shown in a format that holds UTF-8 only; the key under which resume knows it. */
void describe_shown_path(strbuf *b, const char *path);

#endif
