/* Weights and numbers of a model as a family asks for them. A loader remembers the first failure: a family asks for all it needs and looks once at the end. */
#ifndef ARCH_LOADER_H
#define ARCH_LOADER_H

#include "model/model_files.h"
#include "nn/nn.h"
#include "util/arena.h"

#include <jansson.h>

typedef struct loader {
  const model_files *files;
  arena *memory; /* where everything loaded lives */
  pool *threads; /* that pack weights; NULL: none beside the caller */
  int precision; /* enum opis_precision */
  int code;      /* 0, or the first failure */
  uint64_t parameters, done_bytes, total_bytes;
  bool any_q8;
  const tensor **in_place; /* weights that are used where the file has them */
  size_t n_in_place, room_in_place;
  int (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
  void *user;
} loader;

/* After the last weight: those that are used in place are made ready, by all threads. */
void loader_finish(loader *l);

/* Numbers of a JSON object: a missing or null key gives the default; another type or a value outside its range is OPIS_EFORMAT naming the key. */
int64_t loader_int(loader *l, const json_t *config, const char *key, int64_t missing, int64_t min, int64_t max);
double loader_number(loader *l, const json_t *config, const char *key, double missing);
float loader_eps(loader *l, const json_t *config, const char *key, double missing); /* what a norm adds to a variance: 0..1 */
bool loader_flag(loader *l, const json_t *config, const char *key, bool missing);
nn_activation loader_activation(loader *l, const json_t *config, const char *key, const char *missing);

/* A tensor by its full name, made like printf; NULL (and the failure) when it is missing or has another shape. n_dims 0: any shape. */
const tensor *loader_tensor(loader *l, int n_dims, const int64_t *dims, const char *format, ...) __attribute__((format(printf, 4, 5)));
const tensor *loader_optional(loader *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* n floats of a tensor, NULL on a failure: the mapped file's own where they stand there as they are wanted. */
const float *loader_vector(loader *l, int64_t n, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A tensor of n elements that is looked up where the file has it, row by row. */
const tensor *loader_table(loader *l, int64_t n, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A stack of linear layers of one K: `parts` names joined by '|' below a prefix ("query|key|value"), each NAME.weight [N, K] (conv1d: [K, N]) and NAME.bias [N] where there is one.
 * bias_needed: 1 it must be there, 0 it must not be used, -1 as the file has it. */
typedef struct loader_linear {
  int64_t N, K; /* of each part */
  bool conv1d;
  bool wide; /* its rows come by the hundred, as an encoder's; heeded in large layers, so that small models give the same bits on every processor */
  int bias;
  int64_t first_row, rows; /* 0, 0: all */
} loader_linear;
nn_linear *loader_linear_stack(loader *l, loader_linear shape, const char *prefix, const char *parts);

/* The same of tensors in hand; bias may be NULL. */
nn_linear *loader_linear_of(loader *l, const tensor *weight, const tensor *bias);

typedef struct norm {
  const float *gain, *bias; /* NULL: no norm here */
  float eps;
} norm;
norm loader_norm(loader *l, int64_t n, float eps, const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
