/* Outputs as a whole: made links of the store again, or taken away. */
#include "data/place.h"

#include "data/index.h"
#include "data/settle.h"
#include "util/error.h"
#include "util/file.h"

#include <stdlib.h>
#include <unistd.h>

bool placing_wrong_link(const placing *p, const tree_entry *have)
{
  switch (p->db->types[0]) {
  case LINK_SYMBOLIC: return !(have->flags & TREE_SYMLINK);
  case LINK_HARD: return (have->flags & TREE_SYMLINK) || (have->links < 2 && have->size > 0 && !(have->flags & TREE_EXECUTABLE));
  case LINK_REFLINK:
  case LINK_COPY: break;
  }
  return (have->flags & TREE_SYMLINK) || have->links > 1;
}

int place_relink(repo *r, const char *rel, odb *db, tree *t)
{
  placing p = {.r = r, .db = db, .want = t, .folder = -1, .temporary = -1, .rel = rel, .relink = true, .mode = 0644};
  if (db->types[0] != LINK_HARD && db->types[0] != LINK_SYMBOLIC)
    return 0;
  bool single = t->n == 1 && t->entries[0].path[0] == '\0';
  p.todo = malloc((t->n + 1) * sizeof *p.todo);
  if (!p.todo)
    return error_nomem();
  for (size_t i = 0; i < t->n; i++)
    if (placing_wrong_link(&p, &t->entries[i]))
      p.todo[p.n++] = i;
  int code = p.n ? settle_now(db) : 0;
  if (code == 0)
    code = placing_open_folder(&p, rel, single);
  if (code == 0)
    code = placing_open_temporary(&p);
  if (code == 0) {
    code = placing_run(&p, false);
  }
  if (code == 0)
    code = index_save(t, r, rel, db->legacy);
  placing_close(&p);
  free(p.todo);
  return code;
}

int place_remove(changes *c, repo *r, const char *rel, odb *db, bool force)
{
  placing p = {.r = r, .db = db, .folder = -1, .temporary = -1, .rel = rel};
  output o = {.path = (char *)(uintptr_t)rel, .legacy = db->legacy};
  tree have;
  path_kind kind;
  int code = output_look(&have, &kind, r, &o, NULL);
  if (code < 0 || kind == PATH_MISSING)
    return code;
  for (size_t i = 0; i < have.n && code == 0 && !force; i++)
    code = placing_check_saved(&p, &have, &i, 1);
  if (code == 0)
    code = settle_now(db);
  if (code == 0)
    code = placing_open_folder(&p, rel, kind == PATH_FILE);
  for (size_t i = 0; i < have.n && code == 0; i++)
    code = placing_remove_file(&p, placing_path(&p, &have.entries[i]));
  placing_close(&p);
  char *path;
  if (code == 0 && kind == PATH_FOLDER && repo_absolute(&path, r, rel) == 0) {
    rmdir(path); /* stays when something untracked is in it */
    free(path);
  }
  if (code == 0 && c) {
    c->files[2] += have.n;
    code = placing_report(c, r, rel, false, 'D');
  }
  tree_free(&have);
  return code;
}
