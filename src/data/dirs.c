#include "data/dirs.h"

#include "data/transfer.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>

struct dirs_absent {
  oid oid;
  bool legacy;
  const char *remote;
};

void dirs_close(dirs *d)
{
  remote_close(d->open);
  free(d->absent);
  *d = (dirs){.r = d->r};
}

static bool same_name(const char *a, const char *b)
{
  return a == b || (a && b && strcmp(a, b) == 0);
}

static const char *remote_of(const dirs *d, const char *name)
{
  return d->remote ? d->remote : name ? name : config_get(&d->r->config, "core", "", "remote");
}

static bool is_absent(const dirs *d, const oid *o, bool legacy, const char *wanted)
{
  for (size_t i = 0; i < d->n_absent; i++)
    if (d->absent[i].legacy == legacy && oid_same(&d->absent[i].oid, o) && same_name(d->absent[i].remote, wanted))
      return true;
  return false;
}

static int note_absent(dirs *d, const oid *o, bool legacy, const char *wanted)
{
  dirs_absent *larger = realloc(d->absent, (d->n_absent + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  d->absent = larger;
  larger[d->n_absent++] = (dirs_absent){*o, legacy, wanted};
  return OPIS_ENOTFOUND;
}

int dirs_bring(void *user, const oid *o, bool legacy, const char *name)
{
  dirs *d = user;
  const char *wanted = remote_of(d, name);
  int code = 0;
  if (is_absent(d, o, legacy, wanted))
    return OPIS_ENOTFOUND;
  if (d->open && !same_name(d->open->name, wanted)) {
    remote_close(d->open);
    d->open = NULL;
  }
  if (!d->open)
    code = transfer_open(&d->open, d->r, wanted);
  if (code == 0)
    code = transfer_bring_one(d->r, d->open, o, legacy);
  if (code == 0)
    d->fetched++;
  return code == OPIS_ENOTFOUND ? note_absent(d, o, legacy, wanted) : code;
}

int dirs_set_absent_aside(used *u, const dirs *d, lost *missing)
{
  size_t kept = 0;
  int code = 0;
  for (size_t i = 0; i < u->n; i++) {
    used_object *o = &u->items[i];
    if (code < 0 || !d->n_absent || !o->oid.dir || !is_absent(d, &o->oid, o->legacy, remote_of(d, o->remote))) {
      u->items[kept++] = *o;
      continue;
    }
    if (missing)
      code = lost_add(missing, o, false);
    else
      repo_warn(d->r, DIRS_ABSENT, o->name);
    free(o->name);
  }
  u->n = kept;
  return code;
}
