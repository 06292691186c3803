/* Logits processors of Transformers: minimum length, repetition penalty, no repeated n-grams. */
#ifndef DECODE_PROCESSORS_H
#define DECODE_PROCESSORS_H

#include "decode/generate.h"

/* Changes scores [vocab] of the token that would follow row [n] (start token and prompt included), in Transformers' order: repetition penalty, n-grams, minimum length. */
void processors_apply(float *scores, const generate_options *o, const int32_t *row, size_t n);
bool processors_any(const generate_options *o);

#endif
