/* JSON as Python writes it: numbers past 64 bits (model_max_length: 1000000000000000019884624838656) and NaN or Infinity are read too. */
#ifndef MODEL_JSON_TEXT_H
#define MODEL_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/* Whole numbers that pass 64 bits become reals, NaN and Infinity null. `file` is for the error: OPIS_EFORMAT "FILE: no JSON: line N: WHY". *out is the caller's reference. */
int json_text_parse(json_t **out, const char *text, size_t size, const char *file);

#endif
