/* Captions in JSON: arrays of records, mappings, Karpathy's and COCO's files, and one record a line. */
#include "captions/internal.h"

#include "captions/json_scan.h"
#include "util/error.h"
#include <stdlib.h>
#include <string.h>

/* COCO's annotations may stand before the pictures that they belong to: both are kept and joined at the end. */
typedef struct coco_item {
  const char *id, *text; /* a picture: text is its name */
  size_t length;
  uint64_t line;
  bool used;
} coco_item;
typedef struct coco_list {
  coco_item *items;
  size_t n, capacity;
} coco_list;

typedef struct reader {
  captions *c;
  json_scan j;
  const char *name;
  strbuf key, text, picture, record_key;
  coco_list pictures, annotations;
  bool karpathy, coco, out_of_memory;
  const char *last_split;
} reader;

static int broken(reader *r)
{
  if (r->out_of_memory)
    return error_nomem();
  int code = strcmp(r->j.error, "nested deeper than 256 levels") == 0 ? OPIS_ELIMIT : OPIS_EFORMAT;
  return error_set(code, "%s: line %llu: broken JSON: %s", r->name, (unsigned long long)json_line(&r->j), r->j.error);
}

static int no_memory(reader *r)
{
  r->out_of_memory = true;
  if (!r->j.error)
    r->j.error = "out of memory";
  return JSON_ERROR;
}

static int keep(reader *r, coco_list *l, const strbuf *id, const strbuf *text)
{
  if (l->n == l->capacity) {
    size_t more = l->capacity ? l->capacity * 2 : 256;
    coco_item *grown = reallocarray(l->items, more, sizeof *grown);
    if (!grown)
      return no_memory(r);
    l->items = grown;
    l->capacity = more;
  }
  coco_item one = {.length = text->n, .line = json_line(&r->j)};
  one.id = arena_strndup(&r->c->memory, id->s ? id->s : "", id->n);
  char *copy = arena_alloc(&r->c->memory, text->n + 1);
  if (!one.id || !copy)
    return no_memory(r);
  if (text->n)
    memcpy(copy, text->s, text->n);
  copy[text->n] = 0;
  one.text = copy;
  l->items[l->n++] = one;
  return 0;
}

static int add(reader *r, const strbuf *picture, const strbuf *text, const char *split)
{
  int e = captions_add(r->c, picture->s ? picture->s : "", picture->n, text ? (text->s ? text->s : "") : NULL, text ? text->n : 0, split, json_line(&r->j));
  return e < 0 ? no_memory(r) : 0;
}

/* The captions of one record, whose picture may come later in it: kept until the record ends. */
typedef struct words {
  strbuf all;
  size_t *ends;
  size_t n, capacity;
} words;

static int words_add(reader *r, words *w, const strbuf *text)
{
  if (w->n == w->capacity) {
    size_t more = w->capacity ? w->capacity * 2 : 8;
    size_t *grown = reallocarray(w->ends, more, sizeof *grown);
    if (!grown)
      return no_memory(r);
    w->ends = grown;
    w->capacity = more;
  }
  if (text->n)
    strbuf_append(&w->all, text->s, text->n);
  w->ends[w->n++] = w->all.n;
  return w->all.failed ? no_memory(r) : 0;
}

/* A caption value: a string, an object with a caption inside ({"raw": ...}), or an array of these. null is none. */
static int caption_value(reader *r, words *w, bool *sentences)
{
  json_scan *j = &r->j;
  int kind = json_peek(j);
  if (kind == '"') {
    if (json_read_text(j, &r->text) < 0)
      return JSON_ERROR;
    return words_add(r, w, &r->text);
  }
  if (kind != '[')
    return json_skip(j);
  json_enter(j);
  int more;
  while ((more = json_item(j)) == 1) {
    kind = json_peek(j);
    if (kind == '"') {
      if (json_read_text(j, &r->text) < 0 || words_add(r, w, &r->text) < 0)
        return JSON_ERROR;
    } else if (kind == '{') {
      json_enter(j);
      int best = -1;
      strbuf found = STRBUF_INIT;
      int field;
      while ((field = json_key(j, &r->key)) == 1) {
        int rank = captions_caption_key(r->key.s ? r->key.s : "", r->key.n);
        if (r->key.n == 3 && memcmp(r->key.s, "raw", 3) == 0)
          *sentences = true, rank = 0;
        if (rank >= 0 && json_peek(j) == '"' && (best < 0 || rank < best)) {
          if (json_read_text(j, &found) < 0)
            break;
          best = rank;
        } else if (json_skip(j) < 0)
          break;
      }
      int e = j->error ? JSON_ERROR : best >= 0 ? words_add(r, w, &found) : 0;
      strbuf_free(&found);
      if (e < 0 || field < 0)
        return JSON_ERROR;
    } else if (json_skip(j) < 0)
      return JSON_ERROR;
  }
  return more;
}

/* One record, entered by its {. `images`: it stands in the list "images" of a Karpathy or COCO file. */
static int record(reader *r, bool images)
{
  json_scan *j = &r->j;
  words w = {.all = STRBUF_INIT};
  strbuf id = STRBUF_INIT;
  const char *split = NULL;
  int best = -1, best_words = -1, more;
  bool sentences = false, failed = false;
  strbuf_reset(&r->picture);
  json_enter(j);
  while ((more = json_key(j, &r->record_key)) == 1) {
    const char *key = r->record_key.s ? r->record_key.s : "";
    size_t n = r->record_key.n;
    int kind = json_peek(j);
    bool scalar = kind == '"' || kind == '0';
    int picture_rank = captions_picture_key(key, n), words_rank = captions_caption_key(key, n);
    /* Karpathy's files have a folder in "filepath" and the name in "filename". */
    if (images && n == 2 && memcmp(key, "id", 2) == 0 && scalar) {
      if (json_read_text(j, &id) < 0)
        break;
    } else if (scalar && picture_rank >= 0 && (best < 0 || picture_rank < best) && !(images && n == 3)) {
      if (json_read_text(j, &r->picture) < 0)
        break;
      best = picture_rank;
    } else if (words_rank >= 0 && (kind == '"' || kind == '[') && (best_words < 0 || words_rank < best_words)) {
      w.n = 0;
      strbuf_reset(&w.all);
      if (caption_value(r, &w, &sentences) < 0)
        break;
      best_words = words_rank;
    } else if (captions_split_key(key, n) && kind == '"') {
      if (json_read_text(j, &r->text) < 0)
        break;
      const char *s = r->text.s ? r->text.s : "";
      if (!r->last_split || strcmp(r->last_split, s) != 0)
        r->last_split = arena_strndup(&r->c->memory, s, strlen(s));
      if (!(split = r->last_split)) {
        no_memory(r);
        break;
      }
    } else if (json_skip(j) < 0)
      break;
  }
  failed = more < 0 || j->error != NULL;
  if (!failed) {
    r->karpathy = r->karpathy || (sentences && images);
    if (images && best_words < 0 && id.n)
      failed = keep(r, &r->pictures, &id, &r->picture) < 0;
    else if (!w.n)
      failed = best_words >= 0 || images || best >= 0 ? add(r, &r->picture, NULL, split) < 0
                                                      : captions_problem(r->c, json_line(j), "neither a picture nor a caption in this record: left out") < 0;
    for (size_t i = 0, begin = 0; !failed && i < w.n; begin = w.ends[i++]) {
      strbuf one = {w.all.s ? w.all.s + begin : NULL, w.ends[i] - begin, 0, false};
      failed = add(r, &r->picture, &one, split) < 0;
    }
  }
  strbuf_free(&id);
  strbuf_free(&w.all);
  free(w.ends);
  return failed ? (r->j.error ? JSON_ERROR : no_memory(r)) : 0;
}

static int annotation(reader *r)
{
  json_scan *j = &r->j;
  strbuf id = STRBUF_INIT, text = STRBUF_INIT;
  bool has_id = false, has_text = false;
  int more;
  json_enter(j);
  while ((more = json_key(j, &r->key)) == 1) {
    int kind = json_peek(j);
    bool scalar = kind == '"' || kind == '0';
    if (scalar && r->key.n == 8 && memcmp(r->key.s, "image_id", 8) == 0) {
      has_id = true;
      if (json_read_text(j, &id) < 0)
        break;
    } else if (kind == '"' && captions_caption_key(r->key.s ? r->key.s : "", r->key.n) >= 0) {
      has_text = true;
      if (json_read_text(j, &text) < 0)
        break;
    } else if (json_skip(j) < 0)
      break;
  }
  int e = more < 0 || j->error ? JSON_ERROR : 0;
  if (e == 0 && has_id && has_text)
    e = keep(r, &r->annotations, &id, &text);
  else if (e == 0 && captions_problem(r->c, json_line(j), "an annotation without image_id or caption: left out") < 0)
    e = no_memory(r);
  strbuf_free(&id);
  strbuf_free(&text);
  return e;
}

/* An array of objects, each read by record or annotation. */
static int array(reader *r, bool images, bool annotations)
{
  json_scan *j = &r->j;
  json_enter(j);
  int more;
  while ((more = json_item(j)) == 1) {
    if (json_peek(j) == '{') {
      if ((annotations ? annotation(r) : record(r, images)) < 0)
        return JSON_ERROR;
    } else {
      if (json_peek(j) >= 0 && captions_problem(r->c, json_line(j), "an item that is no object: left out") < 0)
        return no_memory(r);
      if (json_skip(j) < 0)
        return JSON_ERROR;
    }
  }
  return more;
}

static int top_object(reader *r)
{
  json_scan *j = &r->j;
  int more;
  json_enter(j);
  while ((more = json_key(j, &r->picture)) == 1) {
    const char *key = r->picture.s ? r->picture.s : "";
    int kind = json_peek(j), e;
    if (kind == '[' && strcmp(key, "images") == 0)
      e = array(r, true, false);
    else if (kind == '[' && strcmp(key, "annotations") == 0) {
      r->coco = true;
      e = array(r, false, true);
    } else if (kind == '[' && (strcmp(key, "results") == 0 || strcmp(key, "data") == 0))
      e = array(r, false, false);
    else if ((kind == '"' || kind == '[') && strcmp(key, "dataset") != 0 && strcmp(key, "licenses") != 0 && strcmp(key, "type") != 0 && strcmp(key, "categories") != 0) {
      words w = {.all = STRBUF_INIT};
      bool sentences;
      uint64_t line = json_line(j);
      e = caption_value(r, &w, &sentences);
      for (size_t i = 0, begin = 0; e == 0 && i < w.n; begin = w.ends[i++])
        if (captions_add(r->c, key, r->picture.n, w.all.s ? w.all.s + begin : "", w.ends[i] - begin, NULL, line) < 0)
          e = no_memory(r);
      strbuf_free(&w.all);
      free(w.ends);
    } else
      e = json_skip(j);
    if (e < 0)
      return JSON_ERROR;
  }
  return more;
}

static int by_id(const void *a, const void *b)
{
  return strcmp(((const coco_item *)a)->id, ((const coco_item *)b)->id);
}

static int join(reader *r)
{
  coco_list *p = &r->pictures;
  if (p->n)
    qsort(p->items, p->n, sizeof *p->items, by_id);
  int e = 0;
  for (size_t i = 0; e == 0 && i < r->annotations.n; i++) {
    coco_item *a = &r->annotations.items[i];
    coco_item *picture = p->n ? bsearch(a, p->items, p->n, sizeof *p->items, by_id) : NULL;
    if (picture)
      picture->used = true;
    else
      e = captions_problem(r->c, a->line, "image_id %.64s is not among the file's images", a->id);
    size_t before = r->c->n;
    if (e == 0)
      e = captions_add(r->c, picture ? picture->text : a->id, picture ? picture->length : strlen(a->id), a->text, a->length, NULL, a->line);
    if (e == 0 && r->c->n > before)
      r->c->items[before].id = a->id;
  }
  for (size_t i = 0; e == 0 && i < p->n; i++)
    if (!p->items[i].used)
      e = captions_add(r->c, p->items[i].text, p->items[i].length, NULL, 0, NULL, p->items[i].line);
  return e;
}

static void reader_free(reader *r)
{
  strbuf_free(&r->key);
  strbuf_free(&r->text);
  strbuf_free(&r->picture);
  strbuf_free(&r->record_key);
  free(r->pictures.items);
  free(r->annotations.items);
}

int captions_read_json(captions *c, char *bytes, size_t size, const char *name)
{
  reader r = {.c = c, .name = name};
  json_start(&r.j, bytes, size);
  int kind = json_peek(&r.j), e = 0;
  if (kind == '[')
    array(&r, false, false);
  else if (kind == '{')
    top_object(&r);
  else if (!r.j.error)
    r.j.error = "neither an object nor an array";
  if (!r.j.error && json_peek(&r.j) != 0)
    r.j.error = "something follows the end of the value";
  if (r.j.error)
    e = broken(&r);
  else {
    e = join(&r);
    c->format = r.coco ? CAPTIONS_COCO : r.karpathy ? CAPTIONS_KARPATHY : CAPTIONS_JSON;
  }
  reader_free(&r);
  return e;
}

int captions_read_jsonl(captions *c, char *bytes, size_t size, const char *name)
{
  reader r = {.c = c, .name = name};
  caption_lines l = {bytes, bytes + size, 0};
  char *s;
  size_t n;
  int e = 0;
  while (e == 0 && captions_next_line(&l, &s, &n)) {
    json_start(&r.j, s, n);
    r.j.line = l.line;
    int kind = json_peek(&r.j);
    if (kind == 0)
      continue;
    if (kind == '{') {
      if (record(&r, false) == 0 && json_peek(&r.j) != 0 && !r.j.error)
        r.j.error = "something follows the object";
    } else if (!r.j.error)
      r.j.error = "no object";
    if (r.out_of_memory)
      e = error_nomem();
    else if (r.j.error)
      e = captions_problem(c, l.line, "broken JSON: %s: line left out", r.j.error);
  }
  reader_free(&r);
  return e;
}
