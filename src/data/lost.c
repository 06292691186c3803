#include "data/lost.h"

#include "util/error.h"

enum { MOST_TOLD = 20 };

int lost_add(lost *l, const used_object *o, bool denied)
{
  used_object *own = used_new(&l->objects);
  if (!own)
    return OPIS_ENOMEM;
  own->oid = o->oid;
  own->legacy = o->legacy;
  l->denied += denied;
  return 0;
}

void lost_free(lost *l)
{
  used_free(&l->objects);
  *l = (lost){0};
}

int lost_tell(lost *l, repo *r, lost_collect *collect, void *user)
{
  used u = {0};
  char text[OID_TEXT];
  size_t told = 0;
  if (l->objects.n == 0)
    return 0;
  used_sort(&l->objects);
  int code = collect(&u, user, &(used_options){.names = true, .only = &l->objects});
  if (code < 0)
    return code;
  used_sort(&u);
  for (; told < l->objects.n && told < MOST_TOLD; told++) {
    const used_object *o = &l->objects.items[told];
    size_t i = used_find(&u, &o->oid, o->legacy);
    oid_text(text, &o->oid);
    repo_warn(r, "%s%smd5 %s%s: neither in the cache nor on the remote", i < u.n && u.items[i].name ? u.items[i].name : "", i < u.n && u.items[i].name ? " (" : "", text,
      i < u.n && u.items[i].name ? ")" : "");
  }
  if (l->objects.n > told)
    repo_warn(r, "and %zu more", l->objects.n - told);
  repo_warn(r, "'opis data push' where %s still %s mends this; so does 'opis data add' of the files", l->objects.n == 1 ? "it" : "they", l->objects.n == 1 ? "is" : "are");
  used_free(&u);
  return 0;
}
