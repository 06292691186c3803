/* Tensor names in GGUF files. */
#ifndef MODEL_GGUF_NAMES_H
#define MODEL_GGUF_NAMES_H

#include <stddef.h>

enum { GGUF_NAME_MAX = 63 }; /* ggml's GGML_MAX_NAME less its NUL */

/* In place. Names of at most 63 bytes stay as they are; restoring a name that was not shortened leaves it alone. */
void gguf_name_shorten(char *name, size_t capacity);
void gguf_name_restore(char *name, size_t capacity);

#endif
