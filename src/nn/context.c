#include "nn/context.h"

#include "util/error.h"
#include "util/memory.h"

#include <stdlib.h>

int nn_context_new(nn_context **out, pool *threads)
{
  *out = NULL;
  const nn_kernels *k = nn_kernels_choose();
  if (!k)
    return OPIS_EINVALID;
  nn_context *c = calloc(1, sizeof *c);
  if (!c)
    return error_nomem();
  c->threads = threads;
  c->k = k;
  *out = c;
  return 0;
}

void nn_context_free(nn_context *c)
{
  if (!c)
    return;
  free(c->scratch.bytes);
  free(c->rows.bytes);
  free(c->workspace.bytes);
  free(c);
}

pool *nn_context_pool(nn_context *c)
{
  return c->threads;
}

int nn_context_check(const nn_context *c)
{
  return c->failed ? error_nomem() : 0;
}

nn_work nn_context_work(const nn_context *c)
{
  return c->work;
}

static void *at_least(nn_context *c, nn_memory *m, size_t size)
{
  if (size > m->size) {
    size = (size + 4095) / 4096 * 4096;
    void *larger = memory_large(size);
    if (!larger) {
      c->failed = true;
      return NULL;
    }
    free(m->bytes);
    *m = (nn_memory){larger, size};
  }
  return m->bytes;
}

void *nn_scratch(nn_context *c, size_t size)
{
  return at_least(c, &c->scratch, size);
}

void *nn_rows(nn_context *c, size_t size)
{
  return at_least(c, &c->rows, size);
}

void *nn_workspace(nn_context *c, size_t size)
{
  return at_least(c, &c->workspace, size);
}
