/* opis data remote, config, cache: settings. */
#include "cli/data.h"

#include "data/config.h"
#include "util/error.h"

#include <ctype.h>
#include <opis/error.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { GLOBAL = 256, SYSTEM, PROJECT, LOCAL, SHOW_ORIGIN };

#define LEVEL_OPTIONS                                                                                                                                                              \
  {LOCAL, "local", NULL, "in .dvc/config.local, which git does not see: for secrets", 0}, {PROJECT, "project", NULL, "in .dvc/config (the default)", 0},                           \
    {GLOBAL, "global", NULL, "for this user", 0}, {SYSTEM, "system", NULL, "for this machine", 0}, DATA_COMMON

typedef struct setting_options {
  config_level level;
  bool level_given, make_default, force, list, unset, origin, quiet;
} setting_options;

static int read_options(setting_options *o, cli_args *a, const cli_command *self, int argc, char **argv)
{
  *o = (setting_options){.level = CONFIG_REPO};
  cli_start(a, self, argc, argv);
  for (int id; (id = cli_next(a)) != 0;) {
    o->level_given |= id >= GLOBAL && id <= LOCAL;
    switch (id) {
    case CLI_HELP: cli_help(self, argv[0]); return -1;
    case CLI_ERROR: return CLI_USAGE;
    case GLOBAL: o->level = CONFIG_GLOBAL; break;
    case SYSTEM: o->level = CONFIG_SYSTEM; break;
    case PROJECT: o->level = CONFIG_REPO; break;
    case LOCAL: o->level = CONFIG_LOCAL; break;
    case 'd': o->make_default = true; break;
    case 'f': o->force = true; break;
    case 'l': o->list = true; break;
    case 'u': o->unset = true; break;
    case SHOW_ORIGIN: o->origin = true; break;
    case 'q': o->quiet = true; break;
    default: break;
    }
  }
  return 0;
}

/* A path typed by the user, as it goes into a file of this level: relative ones become relative to the file's folder, as DVC writes them. malloc'ed. */
static char *stored_path(const repo *r, config_level level, const char *typed)
{
  if (strstr(typed, "://") || typed[0] == '/' || typed[0] == '~')
    return strdup(typed);
  char *absolute = path_normal(r->cwd, typed), *folder = path_folder(r->config.files[level]);
  char *out = absolute && folder ? path_relative(folder + 1, absolute + 1) : NULL;
  free(absolute);
  free(folder);
  return out;
}

static bool is_path_key(const char *section, const char *key)
{
  static const char *const keys[] = {
    "url", "gdrive_user_credentials_file", "gdrive_service_account_json_file_path", "credentialpath", "configpath", "keyfile", "cert_path", "key_path"};
  if (strcmp(section, "cache") == 0)
    return strcmp(key, "dir") == 0;
  for (size_t i = 0; i < sizeof keys / sizeof *keys && strcmp(section, "remote") == 0; i++)
    if (strcmp(keys[i], key) == 0)
      return true;
  return false;
}

/* One setting of one level: set, or taken out where value is NULL. */
static int set_one(repo *r, config_level level, const char *section, const char *name, const char *key, const char *value, bool *found)
{
  strbuf text;
  char *stored = value && key && is_path_key(section, key) ? stored_path(r, level, value) : NULL;
  int code = config_read_level(&text, &r->config, level);
  if (code == 0)
    code = config_edit(&text, section, name, key, stored ? stored : value, found);
  if (code == 0)
    code = config_write_level(&r->config, level, &text);
  strbuf_free(&text);
  free(stored);
  if (code == 0 && level == CONFIG_REPO && repo_touch(r, ".dvc/config") == 0)
    code = repo_stage_touched(r);
  return code;
}

/* ---- remote ---- */

static int remote_add(repo *r, const setting_options *o, char **words)
{
  if (config_get(&r->config, "remote", words[0], "url") && !o->force)
    return error_set(OPIS_EEXISTS, "%s: a remote of this name is there already; -f changes its url", words[0]);
  if (!words[0][0] || strpbrk(words[0], "\"'\n]"))
    return error_set(OPIS_EINVALID, "'%s': no name for a remote", words[0]);
  int code = set_one(r, o->level, "remote", words[0], "url", words[1], NULL);
  return code == 0 && o->make_default ? set_one(r, o->level, "core", "", "remote", words[0], NULL) : code;
}

static int remote_known(const repo *r, const char *name)
{
  return config_has_remote(&r->config, name) ? 0 : error_set(OPIS_ENOTFOUND, "%s: no remote of this name; 'opis data remote list' shows them", name);
}

static int remote_modify(repo *r, const setting_options *o, char **words, int n)
{
  bool found = true;
  int code = remote_known(r, words[0]);
  if (code == 0 && (n == 3) == o->unset)
    code = error_set(OPIS_EINVALID, o->unset ? "-u takes a name and a key" : "needs a name, a key and a value");
  if (code == 0)
    code = set_one(r, o->level, "remote", words[0], words[1], o->unset ? NULL : words[2], &found);
  return code == 0 && o->unset && !found ? error_set(OPIS_ENOTFOUND, "remote.%s.%s: not set at this level", words[0], words[1]) : code;
}

static int remote_remove_one(repo *r, const setting_options *o, char **words)
{
  const char *now = config_get(&r->config, "core", "", "remote");
  bool found;
  int code = set_one(r, o->level, "remote", words[0], NULL, NULL, &found);
  if (code == 0 && !found)
    return error_set(OPIS_ENOTFOUND, "%s: no remote of this name at this level", words[0]);
  for (int level = CONFIG_REPO; level < CONFIG_LEVELS && code == 0; level++) /* a default that is no more */
    if (now && strcasecmp(now, words[0]) == 0)
      code = set_one(r, (config_level)level, "core", "", "remote", NULL, NULL);
  return code;
}

static int remote_rename(repo *r, const setting_options *o, char **words)
{
  strbuf text;
  bool found;
  const char *now = config_get(&r->config, "core", "", "remote");
  if (config_has_remote(&r->config, words[1]))
    return error_set(OPIS_EEXISTS, "%s: a remote of this name is there already", words[1]);
  int code = config_read_level(&text, &r->config, o->level);
  if (code == 0)
    code = config_rename_section(&text, "remote", words[0], words[1], &found);
  if (code == 0 && !found)
    code = error_set(OPIS_ENOTFOUND, "%s: no remote of this name at this level", words[0]);
  if (code == 0)
    code = config_write_level(&r->config, o->level, &text);
  strbuf_free(&text);
  return code == 0 && now && strcasecmp(now, words[0]) == 0 ? set_one(r, o->level, "core", "", "remote", words[1], NULL) : code;
}

static int remote_list(repo *r, const setting_options *o)
{
  const char *standard = config_get(&r->config, "core", "", "remote");
  for (size_t i = 0; i < r->config.n; i++) {
    const config_item *c = &r->config.items[i];
    if (strcmp(c->section, "remote") != 0 || strcmp(c->key, "url") != 0 || (o->level_given && c->level != o->level) ||
      (!o->level_given && config_find(&r->config, "remote", c->name, "url") != c))
      continue;
    char *url;
    if (config_path(&url, &r->config, "remote", c->name, "url") < 0)
      return OPIS_ENOMEM;
    char *normal = url[0] == '/' ? path_normal("/", url) : NULL;
    printf("%s\t%s%s\n", c->name, normal ? normal : url, standard && strcasecmp(standard, c->name) == 0 ? "\t(default)" : "");
    free(normal);
    free(url);
  }
  return 0;
}

static int remote_default(repo *r, const setting_options *o, char **words, int n)
{
  const char *now = config_get(&r->config, "core", "", "remote");
  if (o->unset)
    return set_one(r, o->level, "core", "", "remote", NULL, NULL);
  if (n == 0) {
    if (!now)
      return error_set(OPIS_ENOTFOUND, "no default remote is set");
    puts(now);
    return 0;
  }
  int code = remote_known(r, words[0]);
  return code < 0 ? code : set_one(r, o->level, "core", "", "remote", words[0], NULL);
}

static int run_remote(const cli_command *self, int argc, char **argv)
{
  static const struct {
    const char *name;
    int least, most;
  } forms[] = {{"add", 2, 2}, {"modify", 2, 3}, {"remove", 1, 1}, {"rename", 2, 2}, {"list", 0, 0}, {"default", 0, 1}};
  setting_options o;
  cli_args a;
  data_session s;
  size_t form = 0;
  int status = read_options(&o, &a, self, argc, argv);
  if (status)
    return status < 0 ? CLI_OK : status;
  while (form < 6 && (a.n_operands == 0 || strcmp(forms[form].name, a.operands[0]) != 0))
    form++;
  int n = a.n_operands - 1;
  char **words = a.operands + 1;
  if (form == 6 || n < forms[form].least || n > forms[form].most)
    return cli_usage(self, argv[0], "%s: needs add NAME URL, modify NAME KEY VALUE, remove NAME, rename OLD NEW, list, or default [NAME]", argv[0]);
  for (int i = 0; i < (form == 3 ? 2 : 1) && i < n; i++) /* as DVC: names have no capitals */
    for (char *p = words[i]; *p; p++)
      *p = (char)tolower((unsigned char)*p);
  status = data_open_settings(&s, form != 4);
  if (status)
    return status;
  int code = form == 0 ? remote_add(s.repo, &o, words)
    : form == 1        ? remote_modify(s.repo, &o, words, n)
    : form == 2        ? remote_remove_one(s.repo, &o, words)
    : form == 3        ? remote_rename(s.repo, &o, words)
    : form == 4        ? remote_list(s.repo, &o)
                       : remote_default(s.repo, &o, words, n);
  return data_finish(&s, code);
}

static const cli_option remote_options[] = {
  {'d', "default", NULL, "with add: make it the default one", 0},
  {'f', "force", NULL, "with add: change the one that is there", 0},
  {'u', "unset", NULL, "with modify and default: take the setting out", 0},
  LEVEL_OPTIONS,
  {0},
};
static const cli_example remote_examples[] = {
  {"opis data remote add -d storage /mnt/share/data", "a folder that everybody sees, as the default remote"},
  {"opis data remote modify --local storage password secret", "a setting that git does not see"},
  {"opis data remote list", "all of them, with their places"},
  {0},
};
const cli_command data_remote_command = {.name = "remote",
  .operands = "add NAME URL | modify NAME KEY VALUE | remove NAME | rename OLD NEW | list | default [NAME]",
  .summary = "set up where data are pushed to",
  .options = remote_options,
  .examples = remote_examples,
  .run = run_remote};

/* ---- config, cache ---- */

static const char *const level_names[] = {"system", "global", "repo", "local"};

/* The file as seen from the root when it is in the repository, and a path as what it leads to: as DVC shows them. */
static int print_setting(const repo *r, const setting_options *o, const config_item *c)
{
  char *path = NULL, *normal = NULL;
  bool inside = c->level == CONFIG_REPO || c->level == CONFIG_LOCAL;
  if (is_path_key(c->section, c->key) && *c->value && *c->value != '/') {
    if (config_item_path(&path, &r->config, c) < 0)
      return OPIS_ENOMEM;
    normal = path[0] == '/' ? path_normal("/", path) : NULL;
  }
  if (o->origin)
    printf("%s%s\t", inside ? ".dvc/" : "", inside ? path_name(r->config.files[c->level]) : r->config.files[c->level]);
  if (o->list)
    printf("%s%s%s.%s=", c->section, *c->name ? "." : "", c->name, c->key);
  puts(normal ? normal : path ? path : c->value);
  free(normal);
  free(path);
  return 0;
}

static int list_settings(const repo *r, const setting_options *o)
{
  for (size_t i = 0; i < r->config.n; i++) {
    const config_item *c = &r->config.items[i];
    if ((o->level_given && c->level != o->level) || (!o->level_given && config_find(&r->config, c->section, c->name, c->key) != c))
      continue;
    int code = print_setting(r, o, c);
    if (code < 0)
      return code;
  }
  return 0;
}

static int run_config(const cli_command *self, int argc, char **argv)
{
  setting_options o;
  cli_args a;
  data_session s;
  char *section = NULL, *name = NULL, *key = NULL;
  bool found = true;
  int status = read_options(&o, &a, self, argc, argv);
  if (status)
    return status < 0 ? CLI_OK : status;
  if ((o.list && a.n_operands) || (!o.list && (a.n_operands < 1 || a.n_operands > (o.unset ? 1 : 2))))
    return cli_usage(self, argv[0], "%s: needs --list, or KEY, or KEY VALUE", argv[0]);
  status = data_open_settings(&s, a.n_operands == 2 || o.unset);
  if (status)
    return status;
  int code = o.list ? list_settings(s.repo, &o) : config_split(&section, &name, &key, a.operands[0]);
  if (code == 0 && !o.list && (a.n_operands == 2 || o.unset)) {
    code = set_one(s.repo, o.level, section, name, key, o.unset ? NULL : a.operands[1], &found);
    if (code == 0 && o.unset && !found)
      code = error_set(OPIS_ENOTFOUND, "%s: not set in the %s configuration", a.operands[0], level_names[o.level]);
  } else if (code == 0 && !o.list) {
    const config_item *c = config_find(&s.repo->config, section, name, key);
    for (size_t i = 0; o.level_given && i < s.repo->config.n; i++) {
      const config_item *k = &s.repo->config.items[i];
      if (k->level == o.level && strcmp(k->section, section) == 0 && strcmp(k->name, name) == 0 && strcmp(k->key, key) == 0)
        c = k;
    }
    if (c && (!o.level_given || c->level == o.level)) /* what is not set is no error for DVC either */
      code = print_setting(s.repo, &o, c);
  }
  free(section);
  free(name);
  free(key);
  return data_finish(&s, code);
}

static const cli_option config_options[] = {
  {'l', "list", NULL, "print every setting", 0},
  {'u', "unset", NULL, "take a setting out", 0},
  {SHOW_ORIGIN, "show-origin", NULL, "print the file that has it, too", 0},
  LEVEL_OPTIONS,
  {0},
};
static const cli_example config_examples[] = {
  {"opis data config core.autostage true", "let git add what opis data writes"},
  {"opis data config cache.type hardlink,copy", "links instead of copies"},
  {"opis data config --list", "every setting that counts"},
  {0},
};
const cli_command data_config_command = {.name = "config",
  .operands = "KEY [VALUE]",
  .summary = "read and change settings",
  .description = "Reads DVC's configuration files and edits them in place: comments and what opis does not know stay as they are.",
  .options = config_options,
  .examples = config_examples,
  .run = run_config};

static int run_cache(const cli_command *self, int argc, char **argv)
{
  setting_options o;
  cli_args a;
  data_session s;
  int status = read_options(&o, &a, self, argc, argv);
  if (status)
    return status < 0 ? CLI_OK : status;
  if (a.n_operands < 1 || a.n_operands > 2 || strcmp(a.operands[0], "dir") != 0)
    return cli_usage(self, argv[0], "%s: needs dir [FOLDER]", argv[0]);
  bool edit = a.n_operands == 2 || o.unset;
  status = data_open_settings(&s, edit);
  if (status)
    return status;
  bool found = true;
  int code = edit ? set_one(s.repo, o.level, "cache", "", "dir", o.unset ? NULL : a.operands[1], &found) : 0;
  if (code == 0 && o.unset && !found)
    code = error_set(OPIS_ENOTFOUND, "cache.dir: not set in the %s configuration", level_names[o.level]);
  if (!edit) {
    char *normal = path_normal("/", s.repo->cache);
    puts(normal ? normal : s.repo->cache);
    free(normal);
  }
  return data_finish(&s, code);
}

static const cli_option cache_options[] = {{'u', "unset", NULL, "back to .dvc/cache", 0}, LEVEL_OPTIONS, {0}};
static const cli_example cache_examples[] = {
  {"opis data cache dir", "where the cache is"}, {"opis data cache dir --local /big/disk/cache", "another place, for this clone only"}, {0}};
const cli_command data_cache_command = {
  .name = "cache", .operands = "dir [FOLDER]", .summary = "tell or set where the cache is", .options = cache_options, .examples = cache_examples, .run = run_cache};
