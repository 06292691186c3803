/* MD5 of many streams at once: one 32-bit lane of a vector for each. One form a kind of processor (md5_lanes.c, compiled for each), behind a table. For md5.c and its test. */
#ifndef DATA_MD5_LANES_H
#define DATA_MD5_LANES_H

#include "data/md5.h"

enum { MD5_LANES_MOST = 16 };

typedef struct md5_lanes {
  const char *name;
  int lanes;
  /* Takes `blocks` blocks of 64 bytes from each of p[0..lanes) into the states h[0..4)[lane]. */
  void (*add)(uint32_t h[4][MD5_LANES_MOST], const uint8_t *const p[MD5_LANES_MOST], size_t blocks);
} md5_lanes;

extern const md5_lanes md5_lanes_4;
#if defined(__x86_64__)
extern const md5_lanes md5_lanes_avx2, md5_lanes_avx512;
#endif

/* What this processor has; NULL after the last one. The best is the first. */
const md5_lanes *md5_lanes_kind(int i);
void md5_many_with(const md5_lanes *kind, uint8_t (*digest)[MD5_SIZE], const md5_piece *pieces, size_t n);

#endif
