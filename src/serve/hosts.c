/* Whose names we answer to. A page of a foreign site can make its own name point at 127.0.0.1 (DNS rebinding) and would then read a private server's answers: such a request carries the
 * foreign name in its Host header. An address in it cannot be forged that way. */
#include "serve/server.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* "[::1]:8501" -> "::1", "localhost.:80" -> "localhost". False: no host at all. */
static bool host_name(char *name, size_t capacity, const char *host)
{
  size_t n;
  if (host[0] == '[') {
    const char *end = strchr(++host, ']');
    if (!end || (end[1] && end[1] != ':'))
      return false;
    n = (size_t)(end - host);
  } else {
    n = strcspn(host, ":");
    if (n && host[n - 1] == '.')
      n--;
  }
  if (n == 0 || n >= capacity)
    return false;
  for (size_t i = 0; i < n; i++)
    name[i] = (char)tolower((unsigned char)host[i]);
  name[n] = '\0';
  return true;
}

static bool is_address(const char *name)
{
  unsigned char a[16];
  return inet_pton(AF_INET, name, a) == 1 || inet_pton(AF_INET6, name, a) == 1;
}

static bool is_loopback(const char *name)
{
  struct in_addr a4;
  struct in6_addr a6;
  if (strcmp(name, "localhost") == 0)
    return true;
  if (inet_pton(AF_INET, name, &a4) == 1)
    return (ntohl(a4.s_addr) >> 24) == 127;
  return inet_pton(AF_INET6, name, &a6) == 1 && IN6_IS_ADDR_LOOPBACK(&a6);
}

bool host_allowed(const request *r, const char *host)
{
  const serve_options *o = &r->s->options;
  char name[256];
  if (!host_name(name, sizeof name, host))
    return false;
  if (is_loopback(name) || strcasecmp(name, o->host) == 0)
    return true;
  if ((strcmp(o->host, "0.0.0.0") == 0 || strcmp(o->host, "::") == 0) && is_address(name))
    return true;
  for (int i = 0; i < o->n_allow_hosts; i++)
    if (strcmp(o->allow_hosts[i], "*") == 0 || strcasecmp(o->allow_hosts[i], name) == 0)
      return true;
  return false;
}

int origin_check(const request *r, const char *origin, const char *host)
{
  const serve_options *o = &r->s->options;
  for (int i = 0; i < o->n_cors; i++)
    if (strcmp(o->cors[i], "*") == 0 || strcasecmp(o->cors[i], origin) == 0)
      return 1;
  const char *name = strstr(origin, "://");
  return name && host && strcasecmp(name + 3, host) == 0 ? 0 : -1;
}
