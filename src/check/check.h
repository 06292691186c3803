/* Whether a set of pictures and captions is good: what `opis check` finds, and how it is told.
 *
 *   check_settings     what is looked for, and from where on it counts (settings.c, config.c)
 *   check_scan         walks the folder and measures every picture, on all cores, with an index of what it measured before (scan.c, index.c)
 *   check_find_*       findings: of pictures, names, duplicates, captions, splits
 *   check_accept       takes out what a baseline accepts
 *   check_report_*     text, JSON, JUnit XML, HTML
 *
 * A check_set belongs to one thread at a time. Strings of findings and groups are the set's own. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "captions/captions.h"
#include "check/measure.h"
#include "util/pool.h"
#include "util/strbuf.h"

/* ---- keys.c: everything that can be found ---- */

enum check_key_number {
  /* cleanvision's names */
  KEY_DARK,
  KEY_LIGHT,
  KEY_ODD_ASPECT_RATIO,
  KEY_LOW_INFORMATION,
  KEY_BLURRY,
  KEY_GRAYSCALE,
  KEY_ODD_SIZE,
  KEY_EXACT_DUPLICATES,
  KEY_NEAR_DUPLICATES,
  /* pictures, ours */
  KEY_SIMILAR,
  KEY_UNREADABLE,
  KEY_TRUNCATED,
  KEY_WRONG_EXTENSION,
  KEY_WRONG_FORMAT,
  KEY_NOT_UPRIGHT,
  KEY_CMYK,
  KEY_SIXTEEN_BIT,
  KEY_GREY_COLOUR,
  KEY_ANIMATED,
  KEY_TOO_SMALL,
  KEY_ALPHA,
  /* names and folders */
  KEY_CASE_CLASH,
  KEY_RESERVED_NAME,
  KEY_NOT_NFC,
  KEY_EMPTY_FOLDER,
  /* captions */
  KEY_UNREADABLE_CAPTION,
  KEY_EMPTY_CAPTION,
  KEY_INVALID_UTF8,
  KEY_CONTROL_CHARACTERS,
  KEY_MOJIBAKE,
  KEY_MIXED_SCRIPTS,
  KEY_CAPTION_LENGTH,
  KEY_WORD_REPETITION,
  KEY_SAME_BEGINNING,
  KEY_REPEATED_CAPTION,
  KEY_CAPTION_TWICE,
  KEY_FEW_CAPTIONS,
  KEY_MISSING_CAPTION,
  KEY_ORPHAN_CAPTION,
  KEY_MISSING_PICTURE,
  /* splits */
  KEY_LEAK_NAME,
  KEY_LEAK_CONTENT, /* these three in the order of the groups */
  KEY_LEAK_NEAR,
  KEY_LEAK_SIMILAR,
  KEY_LEAK_CAPTION,
  KEY_LISTED_TWICE,
  KEY_NO_SPLIT,
  /* against another state */
  KEY_DRIFT,
  CHECK_KEYS
};

typedef struct check_key {
  const char *name, *title; /* "odd_size", "Unusual size" */
  const char *about;        /* one sentence: what it means */
  bool fails;               /* counts for the exit status by default */
  double threshold;         /* NaN: there is none to set */
  double least, most;       /* what may be set */
} check_key;
extern const check_key check_keys[CHECK_KEYS];
int check_key_find(const char *name);            /* -1: no such key */
enum { CHECK_SCORES = KEY_NEAR_DUPLICATES + 1 }; /* keys below have a score for every picture */

/* ---- settings.c, config.c ---- */

typedef struct check_named_file {
  char *name, *file;
} check_named_file;

typedef struct check_settings {
  double threshold[CHECK_KEYS];
  bool off[CHECK_KEYS], fails[CHECK_KEYS];
  char *captions, *against, *against_captions, *baseline; /* files, NULL: none; malloc'ed */
  check_named_file *splits;
  size_t n_splits;
  image_kind require; /* IMAGE_UNKNOWN: none */
} check_settings;

int check_settings_init(check_settings *s);
void check_settings_free(check_settings *s);
int check_settings_set(check_settings *s, const char *assignment); /* "dark=0.2", "blurry=off", "blurry=on"; OPIS_EINVALID with words */
int check_settings_fail_on(check_settings *s, const char *keys);   /* "none", "all", "default" or keys with commas, "default,dark" */
int check_settings_require(check_settings *s, const char *format); /* "jpeg", "png", … */
int check_settings_split(check_settings *s, const char *split);    /* "NAME=FILE" */
/* Reads opis-check.yaml. Paths in it are meant from its folder. What is set already (the command line) is not replaced where the caller reads the file first. OPIS_EFORMAT with the line. */
int check_config_read(check_settings *s, const char *file);
int check_config_read_memory(check_settings *s, const char *bytes, size_t size, const char *name, const char *folder);

/* ---- the set ---- */

typedef struct check_file {
  char *path; /* below the root; '/' between folders; malloc'ed */
  uint64_t size;
  int64_t modified, changed; /* nanoseconds */
  uint64_t inode;
  check_facts facts;
  double odd_size, exact, near; /* scores that need the whole set */
  bool odd;                     /* odd_size is flagged */
  bool measured;
} check_file;

/* A caption's words as they are compared: case and punctuation put aside, one space between. */
typedef struct check_words {
  const char *text;
  size_t length, n; /* bytes, words */
} check_words;

typedef struct check_finding {
  int key;
  const char *path;    /* of a picture; a caption's with "#N", its number among those of the picture, from 0; "" for the whole set */
  const char *message; /* UTF-8, one line */
  bool accepted;       /* by the baseline */
} check_finding;

typedef struct check_group {
  size_t *members; /* indexes of files, rising */
  size_t n;
} check_group;

typedef struct check_groups {
  check_group *items;
  size_t n;
} check_groups;

typedef struct check_split {
  const char *name;
  size_t n;
  const char **names; /* [n] as written in its file */
  size_t *files;      /* [n] indexes of files, SIZE_MAX: not there */
} check_split;

/* One number or share of a set beside that of another. */
typedef struct check_drift {
  const char *name;              /* "size", "aspect_ratio", "brightness", "sharpness", "format", "caption_length", "vocabulary" */
  double ks, p, psi;             /* NaN: does not apply */
  double mean, other_mean;       /* now and before; NaN */
  double counts[24], others[24]; /* histograms, n_counts of them; 0: none */
  size_t n_counts;
  double low, high;
  const char *words; /* what it means */
} check_drift;

typedef struct check_set {
  char *root;
  check_file *files; /* in byte order of their paths: pictures, and what claims to be some */
  size_t n, others;  /* others: files that neither are pictures nor say so */
  char **empty_folders;
  size_t n_empty;
  captions captions;
  bool has_captions;
  size_t *caption_file;       /* [captions.n] index of the picture, SIZE_MAX: none */
  uint32_t *caption_number;   /* [captions.n] its number among those of its picture */
  check_words *caption_words; /* [captions.n] */
  check_split *splits;
  size_t n_splits;
  bool splits_of_captions; /* nobody gave lists */
  check_finding *findings;
  size_t n_findings, finding_capacity;
  check_groups groups[3];                            /* exact, near, similar */
  char **added, **removed, **changed, **recaptioned; /* against another state; recaptioned: other words are said of it */
  size_t n_added, n_removed, n_changed, n_recaptioned;
  bool compared;
  check_drift *drifts;
  size_t n_drifts;
  bool checked[CHECK_KEYS]; /* what was looked for */
  arena memory;
} check_set;

/* ---- scan.c ---- */

typedef struct check_scan_options {
  pool *threads;     /* NULL: the caller's alone */
  const char *index; /* NULL: none */
  uint64_t max_bytes, max_pixels;
  int (*cancelled)(void *user);
  void (*progress)(void *user, uint64_t done, uint64_t all); /* from any thread */
  void *user;
} check_scan_options;

/* Fills *set with the files below root (a folder) and measures them. OPIS_ENOTFOUND, OPIS_EIO, OPIS_ENOMEM, OPIS_ECANCELLED. *set is to be freed in any case. */
int check_scan(check_set *set, const char *root, const check_scan_options *o);
void check_set_free(check_set *set);
size_t check_file_find(const check_set *set, const char *path); /* by its path; SIZE_MAX: not there */

/* ---- findings.c ---- */

int check_add(check_set *set, const check_settings *s, int key, const char *path, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A path of a file as findings show it. */
const char *check_shown(check_set *set, const char *path);
bool check_flagged(const check_settings *s, const check_file *f, int key, double *score); /* keys below CHECK_SCORES */

int check_find_pictures(check_set *set, const check_settings *s);                  /* pictures.c */
int check_find_names(check_set *set, const check_settings *s);                     /* names.c */
int check_find_duplicates(check_set *set, const check_settings *s, pool *threads); /* groups.c */

/* Reads a caption file into the set. Pictures are found by path, else by file name, else by what stands before the extension, where only one picture has it. lines.c */
int check_read_captions(check_set *set, const char *file);
int check_take_captions(check_set *set, const void *bytes, size_t size, const char *name); /* the same from memory */
int check_find_captions(check_set *set, const check_settings *s);                          /* captions.c, words.c */

/* The splits that the settings name, else those that the captions tell of. After the captions, and check_find_leaks after the duplicates. splits.c */
int check_read_splits(check_set *set, const check_settings *s);
int check_find_leaks(check_set *set, const check_settings *s);

/* Pairs of hashes at most `distance` bits apart, told by their places; from several threads, but one at a time. hash.c */
int check_near_hashes(const uint64_t *hashes, size_t n, int distance, pool *threads, void (*pair)(void *user, size_t a, size_t b), void *user);

/* What was added, removed and changed since another state of the set (with captions, where both have some), and how the two differ. against.c */
int check_compare(check_set *set, const check_settings *s, const check_set *before);

/* ---- baseline.c ---- */

/* Marks findings that the file accepts; *n of them. The file is a JSON report, or has {"findings": [{"key", "path"}]}: an entry accepts findings of its key and path. */
int check_accept(check_set *set, size_t *n, const char *file);
int check_accept_memory(check_set *set, size_t *n, const char *bytes, size_t size, const char *name);

/* Findings that count for the exit status. */
size_t check_failures(const check_set *set, const check_settings *s);

/* ---- reports ---- */

int check_report_text(strbuf *b, const check_set *set, const check_settings *s);
int check_report_json(strbuf *b, const check_set *set, const check_settings *s);
int check_report_junit(strbuf *b, const check_set *set, const check_settings *s);
int check_report_html(strbuf *b, const check_set *set, const check_settings *s);

#endif
