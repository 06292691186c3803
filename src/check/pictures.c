/* Findings about single pictures. */
#include "check/check.h"

#include "util/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t n, double percent)
{
  double at = percent / 100 * (double)(n - 1), t = at - floor(at);
  size_t low = (size_t)at;
  double a = sorted[low], b = low + 1 < n ? sorted[low + 1] : a;
  return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;
}

/* cleanvision's odd_size: how far the size (the root of the area) is from the middle of the usual range. */
static int odd_sizes(check_set *set, const check_settings *s)
{
  double *sizes = calloc(set->n + 1, sizeof *sizes);
  size_t n = 0;
  if (!sizes)
    return error_nomem();
  for (size_t i = 0; i < set->n; i++)
    if (set->files[i].facts.state == CHECK_READ)
      sizes[n++] = sqrt(set->files[i].facts.width) * sqrt(set->files[i].facts.height);
  if (n) {
    qsort(sizes, n, sizeof *sizes, by_value);
    double q1 = percentile(sizes, n, 25), q3 = percentile(sizes, n, 75), least = q1 - s->threshold[KEY_ODD_SIZE] * (q3 - q1), most = q3 + s->threshold[KEY_ODD_SIZE] * (q3 - q1);
    double middle = (least + most) / 2, gap = most - least, norm = gap > 0 ? gap : middle, limit = gap > 0 ? 0.5 : 1;
    for (size_t i = 0; i < set->n; i++) {
      check_file *f = &set->files[i];
      double away = fabs(sqrt(f->facts.width) * sqrt(f->facts.height) - middle) / norm;
      f->odd_size = 1 - (away < 0 ? 0 : away > 1 ? 1 : away);
      f->odd = f->facts.state == CHECK_READ && f->odd_size < limit;
    }
  }
  free(sizes);
  return 0;
}

/* ---- names and kinds ---- */

static const struct {
  const char *extension;
  image_kind kind;
} extensions[] = {{"jpg", IMAGE_JPEG}, {"jpeg", IMAGE_JPEG}, {"jpe", IMAGE_JPEG}, {"jfif", IMAGE_JPEG}, {"png", IMAGE_PNG}, {"webp", IMAGE_WEBP}, {"gif", IMAGE_GIF},
  {"bmp", IMAGE_BMP}, {"dib", IMAGE_BMP}, {"tif", IMAGE_TIFF}, {"tiff", IMAGE_TIFF}, {"heic", IMAGE_HEIF}, {"heif", IMAGE_HEIF}, {"avif", IMAGE_AVIF}, {"ppm", IMAGE_PNM},
  {"pgm", IMAGE_PNM}, {"pbm", IMAGE_PNM}, {"pnm", IMAGE_PNM}};

static const char *extension_of(const char *path)
{
  const char *dot = strrchr(caption_base_name(path), '.');
  return dot ? dot + 1 : "";
}

static image_kind kind_of_name(const char *path)
{
  for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
    if (strcasecmp(extensions[i].extension, extension_of(path)) == 0)
      return extensions[i].kind;
  return IMAGE_UNKNOWN;
}

/* The two extensions of --require jpeg are .jpg and .jpeg: the design says so, whatever else a JPEG may be called. */
static bool has_required_name(const char *path, image_kind required)
{
  const char *e = extension_of(path);
  return required == IMAGE_JPEG ? strcasecmp(e, "jpg") == 0 || strcasecmp(e, "jpeg") == 0 : kind_of_name(path) == required;
}

static int kinds(check_set *set, const check_settings *s, const check_file *f)
{
  image_kind kind = (image_kind)f->facts.kind, name = kind_of_name(f->path);
  int e = 0;
  if (kind != IMAGE_UNKNOWN && name != kind)
    e = check_add(set, s, KEY_WRONG_EXTENSION, f->path, *extension_of(f->path) ? "the content is %s, the extension .%s" : "the content is %s, and there is no extension%s",
      image_kind_name(kind), extension_of(f->path));
  if (e == 0 && s->require != IMAGE_UNKNOWN && (kind != s->require || !has_required_name(f->path, s->require)))
    e = check_add(set, s, KEY_WRONG_FORMAT, f->path, kind != s->require ? "the content is %s, not %s" : "the content is %s, but the name does not end as that of a %s picture does",
      kind == IMAGE_UNKNOWN ? "no picture" : image_kind_name(kind), image_kind_name(s->require));
  return e;
}

static int state(check_set *set, const check_settings *s, const check_file *f)
{
  switch (f->facts.state) {
  case CHECK_NO_PICTURE: return check_add(set, s, KEY_UNREADABLE, f->path, "%s", f->size == 0 ? "the file is empty" : "no picture of a kind that opis reads");
  case CHECK_UNREADABLE: return check_add(set, s, KEY_UNREADABLE, f->path, "%s", f->facts.why);
  case CHECK_TRUNCATED: return check_add(set, s, KEY_TRUNCATED, f->path, "%s", f->facts.why);
  default: return 0;
  }
}

static int scores(check_set *set, const check_settings *s, const check_file *f)
{
  int e = 0;
  for (int k = 0; e == 0 && k < KEY_EXACT_DUPLICATES; k++) {
    double score;
    if (s->off[k] || !check_flagged(s, f, k, &score))
      continue;
    if (k == KEY_GRAYSCALE)
      e = check_add(set, s, k, f->path, "one grey channel");
    else if (k == KEY_ODD_SIZE)
      e = check_add(set, s, k, f->path, "%d x %d pixels (score %.3f)", f->facts.width, f->facts.height, score);
    else if (k == KEY_ODD_ASPECT_RATIO)
      e = check_add(set, s, k, f->path, "%d x %d pixels: score %.3f, below %g", f->facts.width, f->facts.height, score, s->threshold[k]);
    else
      e = check_add(set, s, k, f->path, "score %.3f, below %g", score, s->threshold[k]);
  }
  return e;
}

static int storage(check_set *set, const check_settings *s, const check_file *f)
{
  static const char *const turns[] = {"", "", "mirrored", "turned by half", "mirrored and turned by half", "mirrored and turned by a quarter", "turned by a quarter",
    "mirrored and turned by a quarter", "turned by a quarter"};
  const check_facts *x = &f->facts;
  int e = 0, shorter = x->width < x->height ? x->width : x->height;
  if (x->orientation > 1 && x->orientation <= 8)
    e = check_add(set, s, KEY_NOT_UPRIGHT, f->path, "EXIF orientation %d: stored %s", x->orientation, turns[x->orientation]);
  if (e == 0 && x->mode == CHECK_CMYK)
    e = check_add(set, s, KEY_CMYK, f->path, "four colours for printing");
  if (e == 0 && x->bits > 8)
    e = check_add(set, s, KEY_SIXTEEN_BIT, f->path, "%d bits a channel", x->bits);
  if (e == 0 && x->grey && (x->mode == CHECK_RGB || x->mode == CHECK_CMYK) && x->bits == 8)
    e = check_add(set, s, KEY_GREY_COLOUR, f->path, "colour channels, but every pixel is grey");
  if (e == 0 && x->animated)
    e = check_add(set, s, KEY_ANIMATED, f->path, "more than one frame or page");
  if (e == 0 && shorter < s->threshold[KEY_TOO_SMALL])
    e = check_add(set, s, KEY_TOO_SMALL, f->path, "%d x %d pixels", x->width, x->height);
  if (e == 0 && x->alpha)
    e = check_add(set, s, KEY_ALPHA, f->path, "alpha channel or transparent colour");
  return e;
}

int check_find_pictures(check_set *set, const check_settings *s)
{
  int e = odd_sizes(set, s);
  for (int k = 0; k <= KEY_EMPTY_FOLDER; k++)
    set->checked[k] = !s->off[k] && (k != KEY_WRONG_FORMAT || s->require != IMAGE_UNKNOWN);
  for (size_t i = 0; e == 0 && i < set->n; i++) {
    const check_file *f = &set->files[i];
    e = state(set, s, f);
    if (e == 0)
      e = kinds(set, s, f);
    if (e == 0 && f->facts.state == CHECK_READ)
      e = scores(set, s, f);
    if (e == 0 && f->facts.state == CHECK_READ)
      e = storage(set, s, f);
  }
  return e;
}
