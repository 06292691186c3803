/* Fetching with libcurl, opened at the first use. The address is judged where the socket is made: behind the name's resolution, and anew for every redirect, so that a name that changes
 * its address between a look and a connection gains nothing. */
#include "serve/fetch.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FETCH_SECONDS 20L

static struct {
  __typeof__(curl_global_init) *global_init;
  __typeof__(curl_easy_init) *init;
  __typeof__(curl_easy_setopt) *set;
  __typeof__(curl_easy_perform) *perform;
  __typeof__(curl_easy_cleanup) *cleanup;
  __typeof__(curl_easy_strerror) *words;
  bool there;
} curl;

static void open_library(void)
{
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return;
  curl.global_init = (__typeof__(curl.global_init))dlsym(library, "curl_global_init");
  curl.init = (__typeof__(curl.init))dlsym(library, "curl_easy_init");
  curl.set = (__typeof__(curl.set))dlsym(library, "curl_easy_setopt");
  curl.perform = (__typeof__(curl.perform))dlsym(library, "curl_easy_perform");
  curl.cleanup = (__typeof__(curl.cleanup))dlsym(library, "curl_easy_cleanup");
  curl.words = (__typeof__(curl.words))dlsym(library, "curl_easy_strerror");
  curl.there = curl.global_init && curl.init && curl.set && curl.perform && curl.cleanup && curl.words && curl.global_init(CURL_GLOBAL_DEFAULT) == 0;
}

static bool in4(uint32_t a, uint32_t net, int bits)
{
  return (a >> (32 - bits)) == (net >> (32 - bits));
}

static bool public4(uint32_t a)
{
  static const struct {
    uint32_t net;
    int bits;
  } others[] = {/* IANA's registry of special-purpose addresses */
    {0x00000000, 8}, {0x0a000000, 8}, {0x64400000, 10}, {0x7f000000, 8}, {0xa9fe0000, 16}, {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
    {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4}, {0xf0000000, 4}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (in4(a, others[i].net, others[i].bits))
      return false;
  return true;
}

static uint32_t word(const uint8_t *b)
{
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool public6(const uint8_t b[16])
{
  static const uint8_t zeros[10] = {0};
  if (memcmp(b, zeros, 10) == 0) /* ::, ::1, mapped and compatible IPv4 */
    return b[10] == 0xff && b[11] == 0xff && public4(word(b + 12));
  if (word(b) == 0x0064ff9b) /* NAT64 */
    return word(b + 4) == 0 && word(b + 8) == 0 && public4(word(b + 12));
  if (b[0] == 0x20 && b[1] == 0x02) /* 6to4 */
    return public4(word(b + 2));
  if (b[0] == 0x20 && b[1] == 0x01 && b[2] < 2) /* 2001::/23, IETF's own: Teredo, ORCHID, benchmarks */
    return false;
  if (word(b) == 0x20010db8 || (b[0] == 0x3f && b[1] == 0xff && b[2] < 0x10)) /* documentation */
    return false;
  return (b[0] & 0xe0) == 0x20; /* global unicast */
}

bool address_is_public(const struct sockaddr *address)
{
  if (address->sa_family == AF_INET)
    return public4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
  if (address->sa_family == AF_INET6)
    return public6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
  return false;
}

typedef struct transfer {
  bool (*allowed)(const struct sockaddr *address);
  strbuf body;
  uint64_t max;
  bool refused, too_much;
  atomic_bool *cancelled;
} transfer;

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
  transfer *t = user;
  (void)purpose;
  if (!t->allowed(&address->addr)) {
    t->refused = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t receive(char *data, size_t size, size_t n, void *user)
{
  transfer *t = user;
  if (t->body.n + size * n > t->max) {
    t->too_much = true;
    return 0;
  }
  strbuf_append(&t->body, data, size * n);
  return t->body.failed ? 0 : size * n;
}

static int progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
  const transfer *t = user;
  (void)a;
  (void)b;
  (void)c;
  (void)d;
  return atomic_load(t->cancelled);
}

static CURLcode perform(transfer *t, const char *url)
{
  CURL *c = curl.init();
  if (!c)
    return CURLE_OUT_OF_MEMORY;
  curl.set(c, CURLOPT_URL, url);
  curl.set(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl.set(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl.set(c, CURLOPT_FOLLOWLOCATION, 1L);
  curl.set(c, CURLOPT_MAXREDIRS, 3L);
  curl.set(c, CURLOPT_PROXY, ""); /* a proxy would connect where we refuse to */
  curl.set(c, CURLOPT_NOSIGNAL, 1L);
  curl.set(c, CURLOPT_FAILONERROR, 1L);
  curl.set(c, CURLOPT_CONNECTTIMEOUT, 5L);
  curl.set(c, CURLOPT_TIMEOUT, FETCH_SECONDS);
  curl.set(c, CURLOPT_USERAGENT, "opis/" OPIS_VERSION);
  curl.set(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->max);
  curl.set(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl.set(c, CURLOPT_OPENSOCKETDATA, t);
  curl.set(c, CURLOPT_WRITEFUNCTION, receive);
  curl.set(c, CURLOPT_WRITEDATA, t);
  curl.set(c, CURLOPT_NOPROGRESS, 0L);
  curl.set(c, CURLOPT_XFERINFOFUNCTION, progress);
  curl.set(c, CURLOPT_XFERINFODATA, t);
  CURLcode code = curl.perform(c);
  curl.cleanup(c);
  return code;
}

int fetch_from(char **bytes, size_t *size, const char *url, uint64_t max, atomic_bool *cancelled, bool (*allowed)(const struct sockaddr *address))
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_library);
  if (!curl.there)
    return error_set(OPIS_EUNSUPPORTED, "image_url: libcurl is not installed on the server");
  transfer t = {.allowed = allowed, .body = STRBUF_INIT, .max = max, .cancelled = cancelled};
  CURLcode code = perform(&t, url);
  int status = 0;
  if (atomic_load(cancelled))
    status = error_set(OPIS_ECANCELLED, "cancelled");
  else if (t.refused && code != CURLE_OK)
    status = error_set(OPIS_EINVALID, "image_url: its address is not a public one");
  else if (t.too_much || code == CURLE_FILESIZE_EXCEEDED)
    status = error_set(OPIS_ELIMIT, "image_url: more than %llu bytes", (unsigned long long)max);
  else if (t.body.failed)
    status = error_nomem();
  else if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
    status = error_set(OPIS_EINVALID, "image_url: %s", curl.words(code));
  else if (code != CURLE_OK)
    status = error_set(OPIS_ENETWORK, "image_url: %s", curl.words(code));
  if (status < 0) {
    strbuf_free(&t.body);
    return status;
  }
  *size = t.body.n;
  return (*bytes = strbuf_take(&t.body)) ? 0 : error_nomem();
}

int fetch_picture(char **bytes, size_t *size, const char *url, uint64_t max, atomic_bool *cancelled)
{
  return fetch_from(bytes, size, url, max, cancelled, address_is_public);
}
