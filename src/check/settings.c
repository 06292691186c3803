#include "check/check.h"

#include "util/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int check_settings_init(check_settings *s)
{
  *s = (check_settings){0};
  for (int i = 0; i < CHECK_KEYS; i++) {
    s->threshold[i] = check_keys[i].threshold;
    s->fails[i] = check_keys[i].fails;
  }
  return 0;
}

void check_settings_free(check_settings *s)
{
  free(s->captions);
  free(s->against);
  free(s->against_captions);
  free(s->baseline);
  for (size_t i = 0; i < s->n_splits; i++) {
    free(s->splits[i].name);
    free(s->splits[i].file);
  }
  free(s->splits);
  *s = (check_settings){0};
}

/* A key in the first n bytes; -1 with the error said. */
static int key_of(const char *text, size_t n)
{
  char name[64];
  if (n < sizeof name) {
    memcpy(name, text, n);
    name[n] = 0;
    int k = check_key_find(name);
    if (k >= 0)
      return k;
  }
  error_set(OPIS_EINVALID, "'%.*s' is no key of a check; 'opis check --help' and docs/check.md list them", (int)(n > 60 ? 60 : n), text);
  return -1;
}

int check_settings_set(check_settings *s, const char *assignment)
{
  const char *equals = strchr(assignment, '=');
  if (!equals)
    return error_set(OPIS_EINVALID, "'%s': write KEY=NUMBER, KEY=off or KEY=on", assignment);
  int k = key_of(assignment, (size_t)(equals - assignment));
  if (k < 0)
    return OPIS_EINVALID;
  const char *value = equals + 1;
  if (strcasecmp(value, "off") == 0 || strcasecmp(value, "on") == 0 || strcasecmp(value, "false") == 0 || strcasecmp(value, "true") == 0) {
    s->off[k] = strcasecmp(value, "off") == 0 || strcasecmp(value, "false") == 0;
    return 0;
  }
  char *end;
  double v = strtod(value, &end);
  const check_key *key = &check_keys[k];
  if (end == value || *end)
    return error_set(OPIS_EINVALID, "%s: '%.100s' is neither a number nor on or off", key->name, value);
  if (isnan(key->threshold))
    return error_set(OPIS_EINVALID, "%s has no threshold: only on or off", key->name);
  if (!(v >= key->least && v <= key->most))
    return error_set(OPIS_EINVALID, "%s: %.100s is outside %g..%g", key->name, value, key->least, key->most);
  s->threshold[k] = v;
  return 0;
}

int check_settings_fail_on(check_settings *s, const char *keys)
{
  bool fails[CHECK_KEYS] = {false};
  for (const char *p = keys; *p;) {
    size_t n = strcspn(p, ",");
    if (n == 3 && strncmp(p, "all", 3) == 0)
      memset(fails, true, sizeof fails);
    else if (n == 7 && strncmp(p, "default", 7) == 0)
      for (int i = 0; i < CHECK_KEYS; i++)
        fails[i] = fails[i] || check_keys[i].fails;
    else if (!(n == 4 && strncmp(p, "none", 4) == 0) && n) {
      int k = key_of(p, n);
      if (k < 0)
        return OPIS_EINVALID;
      fails[k] = true;
    }
    p += n + (p[n] == ',');
  }
  memcpy(s->fails, fails, sizeof fails);
  return 0;
}

int check_settings_require(check_settings *s, const char *format)
{
  static const struct {
    const char *name;
    image_kind kind;
  } formats[] = {{"jpeg", IMAGE_JPEG}, {"jpg", IMAGE_JPEG}, {"png", IMAGE_PNG}, {"webp", IMAGE_WEBP}, {"gif", IMAGE_GIF}, {"bmp", IMAGE_BMP}, {"tiff", IMAGE_TIFF},
    {"tif", IMAGE_TIFF}, {"heic", IMAGE_HEIF}, {"avif", IMAGE_AVIF}, {"pnm", IMAGE_PNM}};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (strcasecmp(formats[i].name, format) == 0) {
      s->require = formats[i].kind;
      return 0;
    }
  return error_set(OPIS_EINVALID, "'%.60s' is no format; jpeg, png, webp, gif, bmp, tiff, heic, avif and pnm are", format);
}

int check_settings_split(check_settings *s, const char *split)
{
  const char *equals = strchr(split, '=');
  if (!equals || equals == split || !equals[1])
    return error_set(OPIS_EINVALID, "'%.200s': write NAME=FILE, such as train=train.txt", split);
  for (size_t i = 0; i < s->n_splits; i++)
    if (strlen(s->splits[i].name) == (size_t)(equals - split) && strncmp(s->splits[i].name, split, (size_t)(equals - split)) == 0)
      return error_set(OPIS_EINVALID, "two splits are named '%s'", s->splits[i].name);
  check_named_file *grown = reallocarray(s->splits, s->n_splits + 1, sizeof *grown);
  if (!grown)
    return error_nomem();
  s->splits = grown;
  check_named_file f = {strndup(split, (size_t)(equals - split)), strdup(equals + 1)};
  if (!f.name || !f.file) {
    free(f.name);
    free(f.file);
    return error_nomem();
  }
  s->splits[s->n_splits++] = f;
  return 0;
}
