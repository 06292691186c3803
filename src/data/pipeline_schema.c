#include "data/pipeline_schema.h"

#include "util/error.h"

#include <stdio.h>
#include <string.h>

enum { BOOL = 1 << VALUE_BOOL, STRING = 1 << VALUE_STRING, LIST = 1 << VALUE_LIST, DICT = 1 << VALUE_DICT, FLAGS = 1 << 30 };

/* A key: the kinds that its value may have, and those of what is in it. */
typedef struct rule {
  const char *key;
  unsigned kinds, items;
} rule;

static const rule stage_rules[] = {
  {"cmd", STRING | LIST, 0},
  {"wdir", STRING, 0},
  {"deps", LIST, STRING},
  {"params", LIST, STRING | DICT},
  {"vars", LIST, STRING | DICT},
  {"frozen", BOOL, 0},
  {"desc", STRING, 0},
  {"always_changed", BOOL, 0},
  {"outs", LIST, STRING | DICT | FLAGS},
  {"metrics", LIST, STRING | DICT | FLAGS},
  {"plots", LIST, STRING | DICT | FLAGS},
  {"matrix", DICT, STRING | LIST},
  {0},
};
static const rule loop_rules[] = {{"foreach", DICT | LIST | STRING, 0}, {"do", DICT, 0}, {0}};
static const rule flag_rules[] = {{"cache", BOOL, 0}, {"persist", BOOL, 0}, {"push", BOOL, 0}, {"remote", STRING, 0}, {"desc", STRING, 0}, {"type", STRING, 0}, {0}};
static const rule top_rules[] = {
  {"vars", LIST, STRING | DICT}, {"params", LIST, STRING}, {"metrics", LIST, STRING}, {"plots", LIST, STRING | DICT}, {"artifacts", DICT, DICT}, {"stages", DICT, DICT}, {0}};

static bool is(const value *v, unsigned kinds)
{
  return (kinds >> v->kind & 1) != 0;
}

static int wrong(const char *where, const char *key, const value *v, unsigned kinds)
{
  char wanted[64] = "";
  for (unsigned kind = 0; kind <= VALUE_DICT; kind++)
    if (kinds >> kind & 1)
      snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s%s", *wanted ? " or " : "", value_type(&(value){.kind = (value_kind)kind}));
  return error_set(OPIS_EFORMAT, "%s%s%s: a %s where a %s should be", where, *key ? "." : "", key, value_type(v), wanted);
}

static int check_rules(const value *dict, const rule *rules, const char *where);

static int check_items(const value *v, const rule *r, const char *where)
{
  int code = 0;
  for (size_t i = 0; i < v->n && code == 0; i++) {
    const value *item = v->kind == VALUE_DICT ? v->items[++i] : v->items[i];
    if (!is(item, r->items))
      return wrong(where, r->key, item, r->items & ~(unsigned)FLAGS);
    if (item->kind == VALUE_DICT && r->items & FLAGS)
      for (size_t k = 0; k < item->n && code == 0; k += 2)
        code = item->items[k]->kind != VALUE_STRING || item->items[k + 1]->kind != VALUE_DICT ? wrong(where, r->key, item->items[k + 1], DICT)
                                                                                              : check_rules(item->items[k + 1], flag_rules, where);
  }
  return code;
}

static int check_rules(const value *dict, const rule *rules, const char *where)
{
  int code = 0;
  for (const rule *r = rules; r->key && code == 0; r++) {
    const value *v = value_get(dict, r->key);
    if (!v)
      continue;
    if (!is(v, r->kinds))
      return wrong(where, r->key, v, r->kinds);
    if (r->items)
      code = check_items(v, r, where);
  }
  return code;
}

static int check_stage(const value *v, const char *where)
{
  int code = check_rules(v, stage_rules, where);
  if (code == 0 && !value_get(v, "cmd"))
    code = error_set(OPIS_EFORMAT, "%s: no cmd; every stage has a command", where);
  return code;
}

static int check_definition(const value *v, const char *where)
{
  char inner[600];
  const value *foreach = value_get(v, "foreach"), *body = value_get(v, "do");
  if (!foreach && !body)
    return check_stage(v, where);
  int code = check_rules(v, loop_rules, where);
  if (code == 0 && !(foreach && body))
    code = error_set(OPIS_EFORMAT, "%s: foreach and do go together", where);
  snprintf(inner, sizeof inner, "%s.do", where);
  return code == 0 ? check_stage(body, inner) : code;
}

int pipeline_check_schema(const value *root, const char *what)
{
  char where[560];
  if (root->kind != VALUE_DICT)
    return wrong(what, "", root, DICT);
  snprintf(where, sizeof where, "%.250s: at the top", what);
  int code = check_rules(root, top_rules, where);
  const value *all = value_get(root, "stages");
  for (size_t i = 0; code == 0 && all && i < all->n; i += 2) {
    if (all->items[i]->kind != VALUE_STRING)
      return error_set(OPIS_EFORMAT, "%s: a stage's name is a %s; put it into quotes", what, value_type(all->items[i]));
    snprintf(where, sizeof where, "%.250s: stages.%.250s", what, all->items[i]->text);
    code = check_definition(all->items[i + 1], where);
  }
  return code;
}

/* ---- dvc.lock ---- */

static int wrong_lock(const char *what, const char *name, const char *key, const char *wanted)
{
  return error_set(OPIS_EFORMAT, "%s: %s%s%s: %s; take the file's last version that git has, or let DVC write it anew", what, name, *key ? "." : "", key, wanted);
}

static int check_locked_entries(const yaml_node *list, const char *what, const char *name, const char *key)
{
  if (list && list->kind != YAML_SEQUENCE)
    return wrong_lock(what, name, key, "no list");
  for (size_t i = 0; list && i < list->n; i++)
    if (!yaml_text(list->items[i], "path"))
      return wrong_lock(what, name, key, "an entry without a path");
  return 0;
}

static int check_locked_stage(const yaml_node *stage, const char *what, const char *name)
{
  const yaml_node *cmd = yaml_get(stage, "cmd"), *params = yaml_get(stage, "params");
  if (stage->kind != YAML_MAPPING || !cmd || cmd->kind == YAML_MAPPING)
    return wrong_lock(what, name, "cmd", "no command");
  int code = check_locked_entries(yaml_get(stage, "deps"), what, name, "deps");
  if (code == 0)
    code = check_locked_entries(yaml_get(stage, "outs"), what, name, "outs");
  if (code == 0 && params && params->kind != YAML_MAPPING)
    code = wrong_lock(what, name, "params", "no mapping");
  for (size_t i = 1; code == 0 && params && i < params->n; i += 2)
    if (params->items[i]->kind != YAML_MAPPING)
      code = wrong_lock(what, name, "params", "a file without a mapping of its keys");
  return code;
}

int pipeline_check_lock(const yaml_node *root, const char *what)
{
  const yaml_node *schema = yaml_get(root, "schema"), *stages = yaml_get(root, "stages");
  if (!schema || schema->kind != YAML_SCALAR || schema->plain || strcmp(schema->text, "2.0") != 0)
    return wrong_lock(what, "schema", "", "not '2.0', the only one that opis and DVC 3 know");
  if (stages && stages->kind != YAML_MAPPING)
    return wrong_lock(what, "stages", "", "no mapping");
  int code = 0;
  for (size_t i = 0; code == 0 && stages && i + 1 < stages->n; i += 2)
    code =
      stages->items[i]->kind == YAML_SCALAR ? check_locked_stage(stages->items[i + 1], what, stages->items[i]->text) : wrong_lock(what, "stages", "", "a name that is no string");
  return code;
}
