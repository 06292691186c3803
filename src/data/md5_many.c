/* Many pieces through the lanes of a vector: a lane that is done takes the next piece. */
#include "data/md5_lanes.h"

#include <stdbool.h>
#include <string.h>

const md5_lanes *md5_lanes_kind(int i)
{
  const md5_lanes *kinds[3];
  int n = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f"))
    kinds[n++] = &md5_lanes_avx512;
  if (__builtin_cpu_supports("avx2"))
    kinds[n++] = &md5_lanes_avx2;
#endif
  kinds[n++] = &md5_lanes_4;
#endif
  return i < n ? kinds[i] : NULL;
}

/* What a lane has before it: the whole blocks of its piece, then the last one or two, with the padding. */
typedef struct lane {
  bool busy, ending;
  size_t piece, blocks;
  uint8_t end[128];
} lane;

typedef struct many {
  uint32_t h[4][MD5_LANES_MOST];
  const uint8_t *p[MD5_LANES_MOST];
  lane lanes[MD5_LANES_MOST];
  uint8_t (*digest)[MD5_SIZE];
  const md5_piece *pieces;
  size_t n, next;
} many;

static void begin_end(many *m, int i)
{
  lane *l = &m->lanes[i];
  const md5_piece *piece = &m->pieces[l->piece];
  size_t rest = piece->n & 63;
  uint64_t bits = (uint64_t)piece->n * 8;
  l->ending = true;
  l->blocks = rest < 56 ? 1 : 2;
  memset(l->end, 0, sizeof l->end);
  if (rest)
    memcpy(l->end, (const uint8_t *)piece->bytes + piece->n - rest, rest);
  l->end[rest] = 0x80;
  for (size_t k = 0; k < 8; k++)
    l->end[l->blocks * 64 - 8 + k] = (uint8_t)(bits >> (8 * k));
  m->p[i] = l->end;
}

static void begin_piece(many *m, int i)
{
  lane *l = &m->lanes[i];
  md5_state fresh;
  l->busy = m->next < m->n;
  if (!l->busy)
    return;
  l->piece = m->next++;
  l->ending = false;
  l->blocks = m->pieces[l->piece].n / 64;
  m->p[i] = m->pieces[l->piece].bytes;
  md5_start(&fresh);
  for (int k = 0; k < 4; k++)
    m->h[k][i] = fresh.h[k];
  if (l->blocks == 0)
    begin_end(m, i);
}

static void go_on(many *m, int i)
{
  if (!m->lanes[i].ending) {
    begin_end(m, i);
    return;
  }
  for (int k = 0; k < MD5_SIZE; k++)
    m->digest[m->lanes[i].piece][k] = (uint8_t)(m->h[k / 4][i] >> (8 * (k % 4)));
  begin_piece(m, i);
}

/* The only busy lane: the plain form is quicker. */
static void add_plainly(many *m, int i, size_t blocks)
{
  md5_state s = {.h = {m->h[0][i], m->h[1][i], m->h[2][i], m->h[3][i]}};
  md5_add(&s, m->p[i], blocks * 64);
  for (int k = 0; k < 4; k++)
    m->h[k][i] = s.h[k];
}

void md5_many_with(const md5_lanes *kind, uint8_t (*digest)[MD5_SIZE], const md5_piece *pieces, size_t n)
{
  many m = {.digest = digest, .pieces = pieces, .n = n};
  for (int i = 0; i < kind->lanes; i++)
    begin_piece(&m, i);
  for (;;) {
    size_t least = SIZE_MAX;
    int busy = 0, one = 0;
    for (int i = 0; i < kind->lanes; i++)
      if (m.lanes[i].busy) {
        least = m.lanes[i].blocks < least ? m.lanes[i].blocks : least;
        one = i;
        busy++;
      }
    if (busy == 0)
      return;
    for (int i = 0; i < kind->lanes; i++) /* idle lanes look at what another one reads */
      if (!m.lanes[i].busy)
        m.p[i] = m.p[one];
    if (busy == 1)
      add_plainly(&m, one, least);
    else
      kind->add(m.h, m.p, least);
    for (int i = 0; i < kind->lanes; i++) {
      if (!m.lanes[i].busy)
        continue;
      m.p[i] += least * 64;
      m.lanes[i].blocks -= least;
      if (m.lanes[i].blocks == 0)
        go_on(&m, i);
    }
  }
}

void md5_many(uint8_t (*digest)[MD5_SIZE], const md5_piece *pieces, size_t n)
{
  const md5_lanes *kind = md5_lanes_kind(0);
  if (kind && n > 1)
    md5_many_with(kind, digest, pieces, n);
  else
    for (size_t i = 0; i < n; i++)
      md5_bytes(digest[i], pieces[i].bytes, pieces[i].n);
}
