/* Pickles, as far as a state dict needs them: an interpreter of the opcodes that only build data. It knows the few globals of the table in pickle.c, of which none is ever called or
 * imported: each only says what kind of value the next one is. Any other global is refused by its name before anything is made of it. */
#ifndef MODEL_PICKLE_H
#define MODEL_PICKLE_H

#include "model/tensor.h"
#include "util/arena.h"

typedef enum pickle_kind {
  PICKLE_NONE,
  PICKLE_BOOL,
  PICKLE_INT,
  PICKLE_LONG, /* a whole number past 64 bits: its bytes, little-endian */
  PICKLE_FLOAT,
  PICKLE_TEXT,
  PICKLE_BYTES,
  PICKLE_TUPLE,
  PICKLE_LIST,
  PICKLE_DICT, /* also OrderedDict; items are key, value, key, value, … */
  PICKLE_GLOBAL,
  PICKLE_STORAGE,
  PICKLE_TENSOR,
} pickle_kind;

enum { PICKLE_MAX_DIMS = 16, PICKLE_MAX_DEPTH = 32 };

/* The numbers of one storage, which lie elsewhere in the file. */
typedef struct pickle_storage {
  tensor_type type;     /* TENSOR_OTHER for types that no family needs */
  const char *key;      /* "0", "94213562", … */
  int64_t elements;     /* not negative */
  size_t element_bytes; /* of one */
} pickle_storage;

/* A view into a storage; nothing is checked here but that no number is negative. */
typedef struct pickle_tensor {
  const pickle_storage *storage;
  int64_t offset; /* in elements */
  int n_dims;
  int64_t dims[PICKLE_MAX_DIMS], strides[PICKLE_MAX_DIMS];
} pickle_tensor;

typedef struct pickle_value pickle_value;
struct pickle_value {
  pickle_kind kind;
  uint16_t depth; /* of what is inside */
  size_t n;       /* bytes of text, bytes, a long; items of a tuple, a list; twice the pairs of a dict */
  size_t capacity;
  union {
    int64_t integer; /* and a bool; a global's place in the table */
    const uint8_t *bytes;
    const char *text; /* ends with NUL behind n bytes; valid UTF-8 without NUL */
    const pickle_value **items;
    const pickle_storage *storage;
    const pickle_tensor *tensor;
  };
};

/* Reads one pickle from data; *used (may be NULL) becomes its length, so that another can follow. Everything is the arena's; memory grows with the pickle's size, whatever it says.
 * OPIS_EFORMAT (broken, too deep, too large), OPIS_EUNSUPPORTED (a global, an opcode or a kind of storage that a state dict does not need). Errors begin with `file`. */
int pickle_read(const pickle_value **out, size_t *used, arena *memory, const uint8_t *data, size_t size, const char *file);

#endif
