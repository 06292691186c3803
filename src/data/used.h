/* Which objects outputs need: what push sends, fetch brings, and gc keeps. */
#ifndef DATA_USED_H
#define DATA_USED_H

#include "data/data.h"

typedef struct used_object {
  oid oid;
  bool legacy;
  uint64_t size;      /* as a stage file says; 0: not known */
  const char *remote; /* of the output; NULL: the default one */
  char *name;         /* for status -c; NULL when names were not asked for */
} used_object;

typedef struct used {
  used_object *items;
  size_t n, capacity;
  size_t sort_at; /* used_bound sorts at so many */
  name_set lists; /* directory objects that are in it with all their files */
  char **remotes; /* owns the names of remotes */
  size_t n_remotes;
} used; /* all zero: empty */

typedef struct used_options {
  bool names;              /* fill in used_object.name */
  bool pushable;           /* leave out outputs with "push: false" */
  const char *remote;      /* leave out outputs that name another remote; NULL: take all */
  bool skip_broken;        /* commits whose stage files cannot be read are warned of, and left out, as with DVC's push and fetch */
  uint64_t max_size;       /* only outputs that are smaller; 0: all */
  bool imports;            /* take imports, too, whose objects come from elsewhere */
  const struct used *only; /* sorted: nothing but objects that are in it; NULL: all */
  /* A directory object that is not in the cache: asked to bring it; returns OPIS_ENOTFOUND when it cannot. NULL: such ones are taken alone. */
  int (*bring)(void *user, const oid *o, bool legacy, const char *remote);
  void *user;
} used_options;

/* Adds an output's objects: its own first, then, for a folder, its files. A folder that was added before, under the same name, is not added again. parts: only these; NULL: all. */
int used_add(used *u, repo *r, const output *o, const selection *parts, const used_options *options);
used_object *used_new(used *u);                             /* one more, cleared; NULL without memory */
bool used_same_remote(const char *a, const char *b);        /* NULL is the default one */
int used_sort(used *u);                                     /* by store and id, each object once */
void used_bound(used *u);                                   /* the same, when that is due: of many commits with nearly the same files, those of one or two are held */
size_t used_find(const used *u, const oid *o, bool legacy); /* where it is among the sorted ones; u->n: not there */
void used_free(used *u);

/* Adds what the scopes name: targets of the work tree, and of each commit that o says; with o->remote but for outputs that name another one. */
int used_collect(used *u, repo *r, char *const *names, int n, const sync_options *o, const used_options *options);

#endif
