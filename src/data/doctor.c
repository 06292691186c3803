/* opis data doctor: what this repository and this machine are like, and what in them will make trouble. */
#include "data/git.h"
#include "data/objects.h"
#include "data/transfer.h"

#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

static int say(findings *f, char kind, const char *what, const char *format, ...) __attribute__((format(printf, 4, 5)));

static int say(findings *f, char kind, const char *what, const char *format, ...)
{
  va_list args;
  char *text = NULL;
  finding *larger = realloc(f->items, (f->n + 1) * sizeof *larger);
  if (!larger)
    return error_nomem();
  f->items = larger;
  va_start(args, format);
  int n = vasprintf(&text, format, args);
  va_end(args);
  if (n < 0)
    return error_nomem();
  larger[f->n++] = (finding){kind, what, text};
  f->bad += kind == '!';
  return 0;
}

void findings_free(findings *f)
{
  for (size_t i = 0; i < f->n; i++)
    free(f->items[i].text);
  free(f->items);
  *f = (findings){0};
}

static const char *file_system(const char *path)
{
  struct statfs s;
  if (statfs(path, &s) != 0)
    return "not there yet";
  switch ((unsigned long)s.f_type) {
  case EXT4_SUPER_MAGIC: return "ext4";
  case XFS_SUPER_MAGIC: return "xfs";
  case BTRFS_SUPER_MAGIC: return "btrfs";
  case TMPFS_MAGIC: return "tmpfs";
  case OVERLAYFS_SUPER_MAGIC: return "overlay";
  case NFS_SUPER_MAGIC: return "nfs";
  case SMB_SUPER_MAGIC:
  case CIFS_SUPER_MAGIC:
  case SMB2_SUPER_MAGIC: return "smb";
  case FUSE_SUPER_MAGIC: return "fuse";
  case 0x2fc12fc1: return "zfs";
  default: return "another file system";
  }
}

/* Tries a link from a file of the cache to the work tree's side. */
static bool link_works(int cache, int work, link_type type, const char *path)
{
  static const char name[] = "doctor-link";
  bool works = false;
  unlinkat(work, name, 0);
  if (type == LINK_HARD)
    works = linkat(cache, "doctor-file", work, name, 0) == 0;
  else if (type == LINK_SYMBOLIC)
    works = symlinkat(path, work, name) == 0;
  else {
    int from = openat(cache, "doctor-file", O_RDONLY | O_CLOEXEC), to = openat(work, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    works = from >= 0 && to >= 0 && ioctl(to, FICLONE, from) == 0;
    if (from >= 0)
      close(from);
    if (to >= 0)
      close(to);
  }
  unlinkat(work, name, 0);
  return works;
}

static int check_cache(findings *f, repo *r)
{
  static const char *const names[] = {"reflink", "hardlink", "symlink", "copy"};
  strbuf b = STRBUF_INIT;
  char *tmp = NULL;
  bool works[4] = {false, false, false, true};
  int code = asprintf(&tmp, "%s/tmp/opis", r->dvc) < 0 ? error_nomem() : file_make_folders(tmp, 0777);
  if (code == 0)
    code = say(f, ' ', "cache", "%s (%s); the work tree is on %s", r->cache, file_system(r->cache), file_system(r->root));
  int work = code == 0 ? open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, cache = open(r->cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (code == 0 && cache >= 0 && work >= 0) {
    int file = openat(cache, "doctor-file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || write(file, "x", 1) != 1)
      code = say(f, '!', "cache", "%s cannot be written to: %s", r->cache, strerror(errno));
    else
      for (int i = 0; i < 3; i++)
        works[i] = link_works(cache, work, (link_type)i, r->cache);
    if (file >= 0)
      close(file);
    unlinkat(cache, "doctor-file", 0);
    for (int i = 0; i < 4; i++)
      if (works[i])
        strbuf_printf(&b, "%s%s", b.n ? ", " : "", names[i]);
    if (code == 0)
      code = say(f, ' ', "links", "%s", b.s ? b.s : "");
    if (code == 0 && !works[r->db.types[0]] && r->db.types[0] != LINK_REFLINK)
      code = say(f, '!', "links", "cache.type begins with %s, which does not work here", names[r->db.types[0]]);
    if (code == 0 && !works[LINK_REFLINK] && (r->db.types[0] == LINK_REFLINK || r->db.types[0] == LINK_COPY))
      code = say(f, '-', "links",
        "every file is here twice, in the cache and in the work tree; 'opis data config cache.type hardlink,symlink' then 'opis data checkout --relink' saves the room");
  }
  if (work >= 0)
    close(work);
  if (cache >= 0)
    close(cache);
  strbuf_free(&b);
  free(tmp);
  return code;
}

/* A URL without the password in it. */
static void put_url(strbuf *b, const char *url)
{
  const char *scheme = strstr(url, "://"), *start = scheme ? scheme + 3 : url, *at = scheme ? strpbrk(start, "@/") : NULL;
  if (at && *at == '@') {
    const char *colon = memchr(start, ':', (size_t)(at - start));
    strbuf_append(b, url, (size_t)((colon ? colon : at) - url));
    strbuf_puts(b, colon ? ":***" : "");
    strbuf_puts(b, at);
  } else
    strbuf_puts(b, url);
}

static int check_remotes(findings *f, repo *r)
{
  const char *chosen = config_get(&r->config, "core", "", "remote");
  int code = 0, n = 0;
  for (size_t i = 0; i < r->config.n && code == 0; i++) {
    const config_item *it = &r->config.items[i];
    remote *side;
    strbuf b = STRBUF_INIT;
    if (strcmp(it->section, "remote") != 0 || config_find(&r->config, "remote", it->name, it->key) != it || strcmp(it->key, "url") != 0)
      continue;
    n++;
    put_url(&b, it->value);
    if (transfer_open(&side, r, it->name) < 0)
      code = say(f, '!', "remote", "%s (%s): %s", it->name, b.s, opis_error_message());
    else {
      code = say(f, ' ', "remote", "%s (%s), by %s%s", it->name, b.s, side->ops->kind, chosen && strcasecmp(chosen, it->name) == 0 ? ", the default one" : "");
      remote_close(side);
    }
    strbuf_free(&b);
  }
  if (code == 0 && chosen && !config_has_remote(&r->config, chosen))
    code = say(f, '!', "remote", "core.remote is %s, and there is no such remote; 'opis data remote list' shows them", chosen);
  else if (code == 0 && !chosen)
    code = say(f, '-', "remote",
      n ? "none is the default one; 'opis data remote default NAME' chooses" : "none: the data are on this machine only; 'opis data remote add -d NAME URL' adds one");
  return code;
}

static int check_git(findings *f, repo *r)
{
  name_list hooks = {0};
  strbuf b = STRBUF_INIT;
  bool tracked = false;
  if (!r->git_root)
    return say(f, '-', "git", "none: there are no versions to go back to");
  int code = say(f, ' ', "git", "%s", r->git_root);
  if (code == 0)
    code = git_tracks(&tracked, r, ".dvc/config.local");
  if (code == 0 && tracked)
    code = say(f, '!', "git", ".dvc/config.local is tracked by git, with the secrets in it: 'git rm --cached .dvc/config.local', and change them");
  int listed = code == 0 ? data_hooks_list(&hooks, r) : code;
  for (size_t i = 0; i < hooks.n; i++)
    strbuf_printf(&b, "%s%s", i ? ", " : "", hooks.items[i]);
  if (code == 0 && listed == 0)
    code = say(f, hooks.n == 4 ? ' ' : '-', "hooks", "%s",
      hooks.n == 4 ? b.s
        : hooks.n  ? "some are missing; 'opis data hooks install' mends it"
                   : "none; 'opis data hooks install' lets data follow the branch");
  else if (code == 0)
    code = say(f, '-', "hooks", "%s", opis_error_message());
  strbuf_free(&b);
  names_free(&hooks);
  return code;
}

static int check_outputs(findings *f, repo *r)
{
  stages set;
  size_t outputs = 0, absent = 0;
  if (stages_load(&set, r) < 0)
    return say(f, '!', "data", "%s", opis_error_message());
  int code = 0;
  for (size_t i = 0; i < set.n && code == 0; i++)
    for (size_t k = 0; k < set.items[i]->n_outs && code == 0; k++) {
      const output *o = &set.items[i]->outs[k];
      bool there = true, tracked = false;
      outputs++;
      if (o->refused)
        code = say(f, '!', "data", "%s: %s: %s", set.items[i]->file, o->written, o->refused);
      else if (o->cache && r->git_root)
        code = git_tracks(&tracked, r, o->path);
      if (code == 0 && tracked)
        code = say(f, '!', "data", "%s: tracked by git, too: 'git rm -r --cached %s'", o->path, o->path);
      if (code == 0 && !o->refused && o->cache && o->hashed)
        code = output_in_cache(&there, r, o);
      absent += !there;
    }
  if (code == 0)
    code =
      say(f, absent ? '-' : ' ', "data", absent ? "%zu tracked, %zu of them not all in the cache; 'opis data pull' brings them" : "%zu tracked, all in the cache", outputs, absent);
  stages_free(&set);
  return code;
}

int data_doctor(findings *f, repo *r)
{
  *f = (findings){0};
  int code = say(f, ' ', "repository", "%s", r->root);
  if (code == 0)
    code = check_git(f, r);
  if (code == 0)
    code = check_cache(f, r);
  if (code == 0)
    code = check_remotes(f, r);
  if (code == 0)
    code = check_outputs(f, r);
  if (code < 0)
    findings_free(f);
  return code;
}
