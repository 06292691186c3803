/* What ${…} in dvc.yaml stands for: values by their names, out of "vars" and parameter files, put into strings as DVC puts them. */
#ifndef DATA_TEMPLATE_H
#define DATA_TEMPLATE_H

#include "data/params.h"

typedef struct template_scope {
  arena *memory;
  const param_source *source;
  value *values;
  const value *item, *key; /* of a loop; NULL outside of one */
  struct template_file {
    const char *path;
    const value *keys; /* those that were taken; NULL: all */
  } * files;
  size_t n_files;
} template_scope;

/* An empty scope. Everything below has OPIS_ENOMEM, and OPIS_EINVALID or OPIS_EFORMAT for what DVC refuses, too; messages begin with what is wrong, not where. */
int template_open(template_scope *s, arena *memory, const param_source *source);
int template_copy(template_scope *to, const template_scope *from);             /* what is then loaded into it, `from` does not have */
int template_set_item(template_scope *s, const value *item, const value *key); /* of a loop; key may be NULL */
/* "vars": dicts, "file" and "file:key,key", which are relative to folder. default_too: params.yaml there first, when there is one. */
int template_load(template_scope *s, const value *vars, const char *folder, bool default_too);

/* Replaces ${…} in all strings of v. key: what of a stage it is: "cmd" takes dicts as options; others take numbers, strings and truth values; NULL takes everything. *out may share with v and the scope. */
int template_resolve(const value **out, const template_scope *s, const value *v, const char *key);
int template_check(const value *v);           /* the expressions in all strings of v are well-formed */
bool template_is_whole(const value *v);       /* it is one ${…} and nothing else */
bool template_is_used(const value *v);        /* there is a ${…} in it */
void template_put(strbuf *b, const value *v); /* as ${…} inside of a string puts it, and as loops name stages: not of dicts */

#endif
