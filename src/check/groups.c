/* Duplicates: equal pixels, equal and nearly equal perceptual hashes. */
#include "check/check.h"

#include "util/error.h"
#include <stdlib.h>
#include <string.h>

/* Pictures that belong together: the first of each group leads it. */
typedef struct unions {
  size_t *parent;
} unions;

static size_t leader(unions *u, size_t i)
{
  while (u->parent[i] != i) {
    u->parent[i] = u->parent[u->parent[i]];
    i = u->parent[i];
  }
  return i;
}

static void join(unions *u, size_t a, size_t b)
{
  a = leader(u, a);
  b = leader(u, b);
  if (a < b)
    u->parent[b] = a;
  else
    u->parent[a] = b;
}

/* Groups of two and more, in the order of their first members. */
static int collect(check_groups *g, unions *u, size_t n)
{
  size_t *count = calloc(n + 1, sizeof *count), *place = calloc(n + 1, sizeof *place);
  int e = count && place ? 0 : error_nomem();
  for (size_t i = 0; e == 0 && i < n; i++)
    g->n += ++count[leader(u, i)] == 2;
  if (e == 0 && g->n && !(g->items = calloc(g->n, sizeof *g->items)))
    e = error_nomem();
  size_t made = 0;
  for (size_t i = 0; e == 0 && i < n; i++) {
    size_t first = leader(u, i);
    if (count[first] < 2)
      continue;
    if (first == i) {
      place[i] = made++;
      if (!(g->items[place[i]].members = calloc(count[i], sizeof *g->items->members)))
        e = error_nomem();
    }
    check_group *q = &g->items[place[first]];
    if (e == 0)
      q->members[q->n++] = i;
  }
  free(count);
  free(place);
  return e;
}

typedef struct ordered {
  uint64_t a, b;
  size_t i;
} ordered;

static int by_hash(const void *x, const void *y)
{
  const ordered *p = x, *q = y;
  if (p->a != q->a)
    return p->a < q->a ? -1 : 1;
  if (p->b != q->b)
    return p->b < q->b ? -1 : 1;
  return (p->i > q->i) - (p->i < q->i);
}

typedef struct told {
  unions *u;
  const ordered *unique;
} told;

static void pair(void *user, size_t a, size_t b)
{
  told *t = user;
  join(t->u, t->unique[a].i, t->unique[b].i);
}

/* Groups by content, or by perceptual hashes at most `distance` apart. */
static int group(check_groups *g, const check_set *set, bool content, int distance, pool *threads)
{
  unions u = {calloc(set->n + 1, sizeof *u.parent)};
  ordered *all = calloc(set->n + 1, sizeof *all);
  size_t n = 0, unique = 0;
  int e = u.parent && all ? 0 : error_nomem();
  for (size_t i = 0; e == 0 && i < set->n; i++) {
    const check_facts *f = &set->files[i].facts;
    u.parent[i] = i;
    if (f->state == CHECK_READ)
      all[n++] = content ? (ordered){f->content[0], f->content[1], i} : (ordered){f->phash, 0, i};
  }
  if (e == 0 && n)
    qsort(all, n, sizeof *all, by_hash);
  for (size_t i = 0; e == 0 && i < n; i++)
    if (unique && all[unique - 1].a == all[i].a && all[unique - 1].b == all[i].b)
      join(&u, all[unique - 1].i, all[i].i);
    else
      all[unique++] = all[i];
  if (e == 0 && !content && distance > 0) {
    uint64_t *hashes = calloc(unique + 1, sizeof *hashes);
    told t = {&u, all};
    for (size_t i = 0; hashes && i < unique; i++)
      hashes[i] = all[i].a;
    e = hashes ? check_near_hashes(hashes, unique, distance, threads, pair, &t) : error_nomem();
    free(hashes);
  }
  if (e == 0)
    e = collect(g, &u, set->n);
  free(u.parent);
  free(all);
  return e;
}

static bool same_group(const check_group *a, const check_group *b)
{
  return a->n == b->n && memcmp(a->members, b->members, a->n * sizeof *a->members) == 0;
}

/* Takes out groups that another list has, too; both are in the order of their first members. */
static void leave_out(check_groups *g, const check_groups *known)
{
  size_t kept = 0, k = 0;
  for (size_t i = 0; i < g->n; i++) {
    while (k < known->n && known->items[k].members[0] < g->items[i].members[0])
      k++;
    if (k < known->n && same_group(&g->items[i], &known->items[k]))
      free(g->items[i].members);
    else
      g->items[kept++] = g->items[i];
  }
  g->n = kept;
}

static int tell(check_set *set, const check_settings *s, int key, const check_groups *g, const char *what)
{
  int e = 0;
  for (size_t i = 0; e == 0 && i < g->n; i++)
    for (size_t k = 0; e == 0 && k < g->items[i].n; k++) {
      const check_group *q = &g->items[i];
      const char *other = set->files[q->members[k == 0]].path;
      e = q->n == 2 ? check_add(set, s, key, set->files[q->members[k]].path, "%s %s", what, other)
                    : check_add(set, s, key, set->files[q->members[k]].path, "%s %s and %zu more", what, other, q->n - 2);
    }
  return e;
}

int check_find_duplicates(check_set *set, const check_settings *s, pool *threads)
{
  check_groups *exact = &set->groups[0], *near = &set->groups[1], *similar = &set->groups[2];
  int e = group(exact, set, true, 0, NULL);
  if (e == 0)
    e = group(near, set, false, (int)s->threshold[KEY_NEAR_DUPLICATES], threads);
  if (e == 0 && !s->off[KEY_SIMILAR])
    e = group(similar, set, false, (int)s->threshold[KEY_SIMILAR], threads);
  if (e < 0)
    return e;
  leave_out(similar, near);
  leave_out(similar, exact);
  leave_out(near, exact); /* as cleanvision does */
  for (size_t i = 0; i < exact->n; i++)
    for (size_t k = 0; k < exact->items[i].n; k++)
      set->files[exact->items[i].members[k]].exact = 1 / (double)exact->items[i].n;
  for (size_t i = 0; i < near->n; i++)
    for (size_t k = 0; k < near->items[i].n; k++)
      set->files[near->items[i].members[k]].near = 1 / (double)near->items[i].n;
  e = tell(set, s, KEY_EXACT_DUPLICATES, exact, "the same pixels as");
  if (e == 0)
    e = tell(set, s, KEY_NEAR_DUPLICATES, near, "looks the same as");
  if (e == 0)
    e = tell(set, s, KEY_SIMILAR, similar, "looks like");
  return e;
}
