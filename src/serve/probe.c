/* Asking a server whether it is ready: a GET over a plain socket, small enough for a container's health check. */
#include "serve/serve.h"

#include "util/clock.h"
#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct target {
  char host[256], port[8], path[512], shown[280];
} target;

static int read_url(target *t, const char *url)
{
  if (strncmp(url, "http://", 7) != 0)
    return error_set(OPIS_EINVALID, "%s: only http:// is asked here", url);
  const char *s = url + 7, *end = s + strcspn(s, "/?#"), *colon;
  snprintf(t->shown, sizeof t->shown, "%.*s", (int)(end - s < 279 ? end - s : 279), s);
  const char *host = s, *host_end = s[0] == '[' ? memchr(s, ']', (size_t)(end - s)) : NULL;
  if (s[0] == '[') {
    if (!host_end)
      return error_set(OPIS_EINVALID, "%s: is no address", url);
    host++;
    colon = host_end + 1 < end && host_end[1] == ':' ? host_end + 1 : NULL;
  } else {
    colon = memchr(s, ':', (size_t)(end - s));
    host_end = colon ? colon : end;
  }
  if (host_end == host || (size_t)(host_end - host) >= sizeof t->host || (colon && (size_t)(end - colon) > sizeof t->port))
    return error_set(OPIS_EINVALID, "%s: is no address", url);
  snprintf(t->host, sizeof t->host, "%.*s", (int)(host_end - host), host);
  snprintf(t->port, sizeof t->port, "%.*s", colon ? (int)(end - colon - 1) : 2, colon ? colon + 1 : "80");
  snprintf(t->path, sizeof t->path, "%s", *end == '/' && end[1] ? end : "/readyz");
  return 0;
}

static int wait_for(int fd, short events, double until)
{
  struct pollfd p = {.fd = fd, .events = events};
  int left = (int)((until - clock_seconds()) * 1e3);
  return left > 0 && poll(&p, 1, left) > 0 ? 0 : error_set(OPIS_ETIMEOUT, "no answer in time");
}

static int connect_to(int *out, const target *t, double until)
{
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
  int code = getaddrinfo(t->host, t->port, &hints, &list), status = 0;
  if (code != 0)
    return error_set(OPIS_ENETWORK, "%s", gai_strerror(code));
  *out = -1;
  for (struct addrinfo *a = list; a && *out < 0; a = a->ai_next) {
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
    socklen_t n = sizeof error;
    if (fd < 0)
      continue;
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
      error = errno;
    else if ((status = wait_for(fd, POLLOUT, until)) == 0)
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (status == 0 && error == 0)
      *out = fd;
    else
      close(fd);
    if (error)
      status = error_set(OPIS_ENETWORK, "%s", strerror(error));
  }
  freeaddrinfo(list);
  return *out >= 0 ? 0 : status;
}

static int ask(int fd, const target *t, double until)
{
  char text[1024], answer[16];
  size_t n = 0;
  int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: opis-health/" OPIS_VERSION "\r\nConnection: close\r\n\r\n", t->path, t->shown);
  if (length < 0 || length >= (int)sizeof text || send(fd, text, (size_t)length, MSG_NOSIGNAL) != length)
    return error_set(OPIS_ENETWORK, "%s", strerror(errno));
  while (n < 12) {
    int status = wait_for(fd, POLLIN, until);
    if (status < 0)
      return status;
    ssize_t got = recv(fd, answer + n, sizeof answer - 1 - n, 0);
    if (got <= 0)
      return error_set(OPIS_ENETWORK, "the connection was closed without an answer");
    n += (size_t)got;
  }
  answer[n] = '\0';
  int http = 0;
  if (strncmp(answer, "HTTP/1.", 7) != 0 || (http = atoi(answer + 9)) < 100)
    return error_set(OPIS_EFORMAT, "what answers there is no HTTP server");
  return http;
}

int serve_probe(const char *url, double timeout)
{
  target t;
  int fd, status = read_url(&t, url);
  double until = clock_seconds() + timeout;
  if (status == 0)
    status = connect_to(&fd, &t, until);
  if (status < 0)
    return status;
  status = ask(fd, &t, until);
  close(fd);
  return status;
}
