/* MD5 (RFC 1321). Our own because objects are many and small: OpenSSL's costs a fetch and an allocation each. The rounds are unrolled by macros, as everybody's. */
#include "data/md5.h"

#include "data/md5_steps.h"
#include "util/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) (((x) & (z)) + ((y) & ~(z))) /* the two sides share no bit: a sum, which waits less for x than an or does */
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))
#define ROTATE(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define STEP(f, a, b, c, d, k, t, s) (a) = ROTATE((a) + (w[k] + (uint32_t)(t)) + f(b, c, d), s) + (b);

static void blocks(uint32_t h[4], const uint8_t *p, size_t n)
{
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], w[16];
  for (; n > 0; n--, p += 64) {
    uint32_t a0 = a, b0 = b, c0 = c, d0 = d;
    memcpy(w, p, 64);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (int i = 0; i < 16; i++)
      w[i] = __builtin_bswap32(w[i]);
#endif
    MD5_STEPS(STEP)
    a += a0;
    b += b0;
    c += c0;
    d += d0;
  }
  h[0] = a;
  h[1] = b;
  h[2] = c;
  h[3] = d;
}

void md5_start(md5_state *m)
{
  *m = (md5_state){.h = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void md5_add(md5_state *m, const void *bytes, size_t n)
{
  const uint8_t *p = bytes;
  size_t have = m->bytes & 63;
  m->bytes += n;
  if (have) {
    size_t take = n < 64 - have ? n : 64 - have;
    memcpy(m->block + have, p, take);
    p += take;
    n -= take;
    if (have + take < 64)
      return;
    blocks(m->h, m->block, 1);
  }
  blocks(m->h, p, n / 64);
  if (n & 63)
    memcpy(m->block, p + (n & ~(size_t)63), n & 63);
}

void md5_end(md5_state *m, uint8_t digest[MD5_SIZE])
{
  uint64_t bits = m->bytes * 8;
  size_t have = m->bytes & 63;
  m->block[have++] = 0x80;
  if (have > 56) {
    memset(m->block + have, 0, 64 - have);
    blocks(m->h, m->block, 1);
    have = 0;
  }
  memset(m->block + have, 0, 56 - have);
  for (int i = 0; i < 8; i++)
    m->block[56 + i] = (uint8_t)(bits >> (8 * i));
  blocks(m->h, m->block, 1);
  for (int i = 0; i < 16; i++)
    digest[i] = (uint8_t)(m->h[i / 4] >> (8 * (i % 4)));
}

void md5_bytes(uint8_t digest[MD5_SIZE], const void *bytes, size_t n)
{
  md5_state m;
  md5_start(&m);
  md5_add(&m, bytes, n);
  md5_end(&m, digest);
}

/* Fills a buffer as far as the file goes. */
static ssize_t read_full(int fd, uint8_t *buffer, size_t n)
{
  size_t have = 0;
  while (have < n) {
    ssize_t got = read(fd, buffer + have, n - have);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return -1;
    if (got == 0)
      break;
    have += (size_t)got;
  }
  return (ssize_t)have;
}

enum { CHUNK = 1 << 20, BUFFER = 128 * 1024, TEXT_SAMPLE = 512 };

int md5_fd(uint8_t digest[MD5_SIZE], uint64_t *size, int fd, const char *what, const watch *w)
{
  md5_state m;
  uint8_t *buffer = malloc(BUFFER);
  if (!buffer)
    return error_nomem();
  md5_start(&m);
  ssize_t n = 0;
  int code = 0;
  while (code == 0 && (n = read_full(fd, buffer, BUFFER)) > 0) {
    md5_add(&m, buffer, (size_t)n);
    code = watch_tell(w, (uint64_t)n);
  }
  if (code == 0 && n < 0)
    code = error_set_errno("%s", what);
  free(buffer);
  if (size)
    *size = m.bytes;
  md5_end(&m, digest);
  return code;
}

/* DVC's guess: no NUL, and at most 30 % of the first 512 bytes outside printable ASCII and \n \r \t \f \b. */
static bool looks_like_text(const uint8_t *p, size_t n)
{
  size_t odd = 0;
  if (n > TEXT_SAMPLE)
    n = TEXT_SAMPLE;
  for (size_t i = 0; i < n; i++) {
    if (p[i] == 0)
      return false;
    odd += !((p[i] >= 32 && p[i] < 127) || p[i] == '\n' || p[i] == '\r' || p[i] == '\t' || p[i] == '\f' || p[i] == '\b');
  }
  return n == 0 || odd * 10 <= n * 3;
}

static size_t unix_lines(uint8_t *p, size_t n)
{
  size_t k = 0;
  for (size_t i = 0; i < n; i++)
    if (!(p[i] == '\r' && i + 1 < n && p[i + 1] == '\n'))
      p[k++] = p[i];
  return k;
}

int md5_fd_dos2unix(uint8_t digest[MD5_SIZE], uint64_t *size, int fd, const char *what, const watch *w)
{
  md5_state m;
  uint64_t total = 0;
  uint8_t *buffer = malloc(CHUNK);
  if (!buffer)
    return error_nomem();
  md5_start(&m);
  ssize_t n = 0;
  int code = 0;
  while (code == 0 && (n = read_full(fd, buffer, CHUNK)) > 0) {
    size_t k = (size_t)n;
    total += k;
    if (looks_like_text(buffer, k))
      k = unix_lines(buffer, k);
    md5_add(&m, buffer, k);
    code = watch_tell(w, (uint64_t)n);
  }
  if (code == 0 && n < 0)
    code = error_set_errno("%s", what);
  free(buffer);
  if (size)
    *size = total;
  md5_end(&m, digest);
  return code;
}

int md5_fd_either(uint8_t digest[MD5_SIZE], bool dos2unix, int fd, const char *what, const watch *w)
{
  return dos2unix ? md5_fd_dos2unix(digest, NULL, fd, what, w) : md5_fd(digest, NULL, fd, what, w);
}

void md5_to_hex(char hex[MD5_HEX], const uint8_t digest[MD5_SIZE])
{
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < MD5_SIZE; i++) {
    hex[2 * i] = digits[digest[i] >> 4];
    hex[2 * i + 1] = digits[digest[i] & 15];
  }
  hex[32] = '\0';
}

static int digit(char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool md5_from_hex(uint8_t digest[MD5_SIZE], const char *hex, size_t n)
{
  if (n != 32)
    return false;
  for (int i = 0; i < MD5_SIZE; i++) {
    int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    digest[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}
