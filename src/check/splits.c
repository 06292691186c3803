/* Splits: which picture is in which, and what leaks from one into another. */
#include "check/captions.h"
#include "check/match.h"

#include "util/error.h"
#include "util/file.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30, MOST_SPLITS = 64, MOST_PAIRS = 2000 };

/* ---- reading ---- */

static int add_name(check_split *p, const char *name, size_t file)
{
  if ((p->n & (p->n - 1)) == 0) { /* room is made at powers of two */
    size_t more = p->n ? 2 * p->n : 1;
    const char **names = reallocarray(p->names, more, sizeof *names);
    p->names = names ? names : p->names;
    size_t *files = reallocarray(p->files, more, sizeof *files);
    p->files = files ? files : p->files;
    if (!names || !files)
      return error_nomem();
  }
  p->names[p->n] = name;
  p->files[p->n++] = file;
  return 0;
}

/* One name a line; what stands behind a tab, and a token file's #NUMBER before it, is left out, so that a caption file names its pictures, too. */
static int read_lines(check_set *set, check_split *p, const check_match *m, char *bytes, size_t size)
{
  char *end = bytes + size;
  const char *last = "";
  int e = 0;
  if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
    bytes += 3;
  for (char *line = bytes, *next; e == 0 && line < end; line = next) {
    char *newline = memchr(line, '\n', (size_t)(end - line)), *stop = newline ? newline : end, *tab = memchr(line, '\t', (size_t)(stop - line));
    next = newline ? newline + 1 : end;
    if (tab) {
      stop = tab;
      while (stop > line && stop[-1] >= '0' && stop[-1] <= '9')
        stop--;
      stop = stop > line && stop[-1] == '#' ? stop - 1 : tab;
    }
    while (stop > line && (stop[-1] == '\r' || stop[-1] == ' '))
      stop--;
    while (line < stop && *line == ' ')
      line++;
    bool several, nul = memchr(line, 0, (size_t)(stop - line)) != NULL;
    if (line == stop)
      continue;
    if (tab && strlen(last) == (size_t)(stop - line) && memcmp(last, line, (size_t)(stop - line)) == 0)
      continue; /* the next caption of the same picture */
    char *name = arena_strndup(&set->memory, line, (size_t)(stop - line));
    if (!name)
      return OPIS_ENOMEM;
    e = add_name(p, name, nul || stop - line > PATH_MAX ? SIZE_MAX : check_match_find(m, name, &several));
    last = name;
  }
  return e;
}

/* A folder below the root: the pictures in it. */
static int read_folder(check_set *set, check_split *p, const char *folder)
{
  char *root = realpath(set->root, NULL), *whole = realpath(folder, NULL);
  size_t n = root ? strlen(root) : 0;
  int e = root && whole ? 0 : error_set_errno("%s", folder);
  if (e == 0 && (strncmp(whole, root, n) != 0 || (n > 1 && whole[n] != '/')))
    e = error_set(OPIS_EINVALID, "%s: is not below %s", folder, set->root);
  if (e == 0) {
    const char *below = whole + n + (n > 1);
    size_t length = strlen(below);
    for (size_t i = 0; e == 0 && i < set->n; i++)
      if (strncmp(set->files[i].path, below, length) == 0 && set->files[i].path[length] == '/')
        e = add_name(p, set->files[i].path, i);
  }
  free(root);
  free(whole);
  return e;
}

static int read_split(check_set *set, check_split *p, const check_match *m, const char *file)
{
  char *bytes, *below = NULL;
  size_t size;
  if (!file_exists(file) && path_join(&below, set->root, file) == 0 && file_exists(below))
    file = below;
  int e = file_is_folder(file) ? read_folder(set, p, file) : file_read(&bytes, &size, file, MOST_BYTES);
  if (e == 0 && !file_is_folder(file)) {
    e = read_lines(set, p, m, bytes, size);
    free(bytes);
  }
  free(below);
  return e;
}

/* Karpathy's files, and some tables, say for each picture in which split it is. */
static int from_captions(check_set *set)
{
  int e = 0;
  set->splits_of_captions = true;
  for (size_t i = 0; e == 0 && i < set->captions.n; i++) {
    const caption *c = &set->captions.items[i];
    size_t k = 0;
    if (!c->split || !*c->split || (i && c->picture == c[-1].picture && c->split == c[-1].split))
      continue;
    while (k < set->n_splits && strcmp(set->splits[k].name, c->split) != 0)
      k++;
    if (k == MOST_SPLITS)
      return error_set(OPIS_ELIMIT, "the captions have more than %d splits", MOST_SPLITS);
    if (k == set->n_splits)
      set->splits[set->n_splits++] = (check_split){.name = c->split};
    check_split *p = &set->splits[k];
    if (!p->n || set->caption_file[i] == SIZE_MAX || p->files[p->n - 1] != set->caption_file[i])
      e = add_name(p, c->picture, set->caption_file[i]);
  }
  return e;
}

int check_read_splits(check_set *set, const check_settings *s)
{
  check_match m;
  set->splits = calloc(MOST_SPLITS, sizeof *set->splits);
  if (!set->splits)
    return error_nomem();
  if (s->n_splits > MOST_SPLITS)
    return error_set(OPIS_ELIMIT, "more than %d splits", MOST_SPLITS);
  if (!s->n_splits)
    return set->has_captions ? from_captions(set) : 0;
  int e = check_match_make(&m, set);
  for (size_t i = 0; e == 0 && i < s->n_splits; i++) {
    check_split *p = &set->splits[set->n_splits++];
    *p = (check_split){.name = arena_strdup(&set->memory, s->splits[i].name)};
    e = p->name ? read_split(set, p, &m, s->splits[i].file) : OPIS_ENOMEM;
  }
  check_match_free(&m);
  return e;
}

/* ---- leaks ---- */

typedef struct leaks {
  check_set *set;
  const check_settings *s;
  uint64_t *in; /* [set->n] a bit a split */
} leaks;

static const char *name_of(const leaks *l, uint64_t splits)
{
  return splits ? l->set->splits[__builtin_ctzll(splits)].name : "";
}

typedef struct listed {
  const char *name;
  size_t split;
} listed;

static int by_name(const void *a, const void *b)
{
  const listed *x = a, *y = b;
  int c = strcmp(x->name, y->name);
  return c ? c : (x->split > y->split) - (x->split < y->split);
}

/* Pictures that are not in the folder can still be named twice. */
static int missing(const leaks *l)
{
  size_t n = 0, all = 0;
  int e = 0;
  for (size_t k = 0; k < l->set->n_splits; k++)
    all += l->set->splits[k].n;
  listed *list = calloc(all + 1, sizeof *list);
  if (!list)
    return error_nomem();
  for (size_t k = 0; k < l->set->n_splits; k++)
    for (size_t i = 0; i < l->set->splits[k].n; i++)
      if (l->set->splits[k].files[i] == SIZE_MAX)
        list[n++] = (listed){l->set->splits[k].names[i], k};
  qsort(list, n, sizeof *list, by_name);
  for (size_t i = 0; e == 0 && i < n; i++) {
    const check_split *p = l->set->splits;
    bool again = i && strcmp(list[i].name, list[i - 1].name) == 0;
    if (!again && l->set->splits_of_captions)
      continue; /* its captions are told of */
    if (!again)
      e = check_add(l->set, l->s, KEY_MISSING_PICTURE, list[i].name, "split '%s' names it", p[list[i].split].name);
    else if (list[i].split != list[i - 1].split)
      e = check_add(l->set, l->s, KEY_LEAK_NAME, list[i].name, "in split '%s' and in split '%s'", p[list[i - 1].split].name, p[list[i].split].name);
    else
      e = check_add(l->set, l->s, KEY_LISTED_TWICE, list[i].name, "twice in split '%s'", p[list[i].split].name);
  }
  free(list);
  return e;
}

static int names(const leaks *l)
{
  int e = missing(l);
  for (size_t k = 0; e == 0 && k < l->set->n_splits; k++) {
    const check_split *p = &l->set->splits[k];
    for (size_t i = 0; e == 0 && i < p->n; i++) {
      size_t file = p->files[i];
      if (file == SIZE_MAX)
        continue;
      if (l->in[file] >> k & 1)
        e = check_add(l->set, l->s, KEY_LISTED_TWICE, l->set->files[file].path, "twice in split '%s'", p->name);
      else if (l->in[file])
        e = check_add(l->set, l->s, KEY_LEAK_NAME, l->set->files[file].path, "in split '%s' and in split '%s'", name_of(l, l->in[file]), p->name);
      l->in[file] |= UINT64_C(1) << k;
    }
  }
  for (size_t i = 0; e == 0 && i < l->set->n && !l->set->splits_of_captions; i++)
    if (!l->in[i])
      e = check_add(l->set, l->s, KEY_NO_SPLIT, l->set->files[i].path, "no split names it");
  return e;
}

/* How two pictures belong together; the nearest relation counts. */
static int relation(const leaks *l, size_t a, size_t b)
{
  const check_facts *x = &l->set->files[a].facts, *y = &l->set->files[b].facts;
  int apart = __builtin_popcountll(x->phash ^ y->phash);
  if (x->content[0] == y->content[0] && x->content[1] == y->content[1])
    return KEY_LEAK_CONTENT;
  if (apart <= (int)l->s->threshold[KEY_NEAR_DUPLICATES])
    return KEY_LEAK_NEAR;
  return apart <= (int)l->s->threshold[KEY_SIMILAR] ? KEY_LEAK_SIMILAR : CHECK_KEYS;
}

/* One finding a picture and kind of relation: the first other one that is in a split where this one is not. */
static int group(const leaks *l, const check_group *g, int key)
{
  static const char *const how[] = {"the same pixels as", "looks the same as", "looks like"};
  int e = 0;
  for (size_t i = 0; e == 0 && i < g->n; i++) {
    size_t me = g->members[i], most = g->n > MOST_PAIRS ? MOST_PAIRS : g->n;
    for (size_t k = 0; l->in[me] && k < most; k++) {
      size_t other = g->members[k];
      if (other == me || !(l->in[other] & ~l->in[me]) || relation(l, me, other) != key)
        continue;
      e = check_add(l->set, l->s, key, l->set->files[me].path, "in split '%s': %s %s in split '%s'", name_of(l, l->in[me]), how[key - KEY_LEAK_CONTENT], l->set->files[other].path,
        name_of(l, l->in[other] & ~l->in[me]));
      break;
    }
  }
  return e;
}

static int groups(const leaks *l)
{
  int e = 0;
  for (int k = 0; e == 0 && k < 3; k++)
    for (size_t i = 0; e == 0 && i < l->set->groups[k].n; i++)
      e = group(l, &l->set->groups[k].items[i], KEY_LEAK_CONTENT + k);
  return e;
}

typedef struct said {
  const check_words *w;
  size_t i;
} said;

static int by_words(const void *a, const void *b)
{
  const said *x = a, *y = b;
  size_t least = x->w->length < y->w->length ? x->w->length : y->w->length;
  int c = memcmp(x->w->text, y->w->text, least);
  if (c == 0)
    c = (x->w->length > y->w->length) - (x->w->length < y->w->length);
  return c ? c : (x->i > y->i) - (x->i < y->i);
}

static int captions_in(const leaks *l, const said *list, size_t n)
{
  int e = 0;
  for (size_t i = 0; e == 0 && i < n; i++) {
    uint64_t mine = l->in[l->set->caption_file[list[i].i]];
    for (size_t k = 0; mine && k < n && k < MOST_PAIRS; k++) {
      size_t other = l->set->caption_file[list[k].i];
      if (!(l->in[other] & ~mine))
        continue;
      e = check_add_caption(l->set, l->s, KEY_LEAK_CAPTION, list[i].i, "in split '%s', and said of %s in split '%s': '%.*s'", name_of(l, mine), l->set->files[other].path,
        name_of(l, l->in[other] & ~mine), (int)(list[i].w->length > 80 ? 80 : list[i].w->length), list[i].w->text);
      break;
    }
  }
  return e;
}

static int captions_of(const leaks *l)
{
  const check_set *set = l->set;
  said *list = calloc(set->captions.n + 1, sizeof *list);
  size_t n = 0;
  int e = 0;
  if (!list)
    return error_nomem();
  for (size_t i = 0; i < set->captions.n; i++)
    if (set->caption_file[i] != SIZE_MAX && set->caption_words[i].length)
      list[n++] = (said){&set->caption_words[i], i};
  qsort(list, n, sizeof *list, by_words);
  for (size_t i = 0, end; e == 0 && i < n; i = end) {
    for (end = i + 1; end < n && list[end].w->length == list[i].w->length && memcmp(list[end].w->text, list[i].w->text, list[i].w->length) == 0; end++) {
    }
    if (end - i > 1)
      e = captions_in(l, list + i, end - i);
  }
  free(list);
  return e;
}

int check_find_leaks(check_set *set, const check_settings *s)
{
  leaks l = {set, s, calloc(set->n + 1, sizeof *l.in)};
  if (!l.in)
    return error_nomem();
  for (int k = KEY_LEAK_NAME; k <= KEY_NO_SPLIT; k++)
    set->checked[k] =
      !s->off[k] && (k != KEY_NO_SPLIT || !set->splits_of_captions) && (k != KEY_LEAK_CAPTION || set->has_captions) && (k != KEY_LEAK_SIMILAR || !s->off[KEY_SIMILAR]);
  set->checked[KEY_MISSING_PICTURE] = !s->off[KEY_MISSING_PICTURE];
  int e = names(&l);
  if (e == 0)
    e = groups(&l);
  if (e == 0 && set->has_captions)
    e = captions_of(&l);
  free(l.in);
  return e;
}
