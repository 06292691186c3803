#include "data/progress.h"

void progress_add(progress *p, uint64_t files, uint64_t bytes)
{
  unsigned long long f = atomic_fetch_add_explicit(&p->files, files, memory_order_relaxed) + files, b = atomic_fetch_add_explicit(&p->bytes, bytes, memory_order_relaxed) + bytes;
  repo_progress(p->r, &(repo_advance){p->what, f, p->of_files, b, p->of_bytes});
}

int progress_bytes(void *user, uint64_t n)
{
  progress *p = user;
  progress_add(p, 0, n);
  return repo_check_cancelled(p->r);
}
