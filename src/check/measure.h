/* What is found out about one picture by itself: its header's facts, scores as cleanvision 0.3.7 computes them, and two hashes. Thread-safe. */
#ifndef CHECK_MEASURE_H
#define CHECK_MEASURE_H

#include "image/image.h"

typedef enum check_state { CHECK_READ, CHECK_NO_PICTURE, CHECK_UNREADABLE, CHECK_TRUNCATED } check_state;
typedef enum check_mode { CHECK_OTHER, CHECK_L, CHECK_RGB, CHECK_PALETTE, CHECK_CMYK } check_mode; /* how pixels are stored, as Pillow tells modes apart */

/* Plain numbers: kept in the index as they are (index.c; its version changes with this). */
typedef struct check_facts {
  uint8_t state, kind, mode, bits;             /* check_state, image_kind, check_mode, bits a channel */
  uint8_t orientation;                         /* EXIF's, 1 to 8 */
  uint8_t alpha, animated, grey;               /* grey: every pixel's channels are equal */
  int32_t width, height;                       /* as stored */
  double dark, light, low_information, blurry; /* scores in [0, 1] */
  double brightness;                           /* mean, in [0, 1] */
  uint64_t content[2];                         /* equal for equal pixels of equal size */
  uint64_t phash;                              /* 64 bits of a cosine transform (imagehash.phash) */
  char why[128];                               /* of what cannot be read */
} check_facts;

/* What the header alone tells: kind, mode, bits, alpha, animated. */
void check_probe(check_facts *f, const uint8_t *bytes, size_t size);
/* Whether the bytes end before the file says they do. */
bool check_is_cut(const uint8_t *bytes, size_t size, image_kind kind);

/* All of it. A picture that cannot be decoded is a result (state, why), not an error; OPIS_ENOMEM is one. */
int check_measure(check_facts *f, const uint8_t *bytes, size_t size, uint64_t max_pixels);

uint64_t check_phash(const uint8_t grey[32 * 32]);

#endif
