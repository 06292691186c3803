/* Looks after connections whose other side is slow or has left: what libmicrohttpd does not see while a request is suspended, and what its own timeout cannot tell from work. */
#include "serve/server.h"

#include "util/clock.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define HEADER_SECONDS 60.0 /* from the end of one request to the end of the next one's headers */

void connection_notify(void *user, struct MHD_Connection *connection_, void **context, enum MHD_ConnectionNotificationCode what)
{
  server *s = user;
  connection *c = *context;
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    const union MHD_ConnectionInfo *info = mhd.MHD_get_connection_info(connection_, MHD_CONNECTION_INFO_CONNECTION_FD);
    c = calloc(1, sizeof *c);
    if (!c || !info) { /* begin() refuses a connection without context */
      free(c);
      return;
    }
    *c = (connection){.s = s, .fd = info->connect_fd, .quiet_since = clock_seconds()};
    *context = c;
    pthread_mutex_lock(&s->connections_lock);
    if ((c->next = s->connections) != NULL)
      c->next->previous = c;
    s->connections = c;
    pthread_mutex_unlock(&s->connections_lock);
  } else if (c) {
    pthread_mutex_lock(&s->connections_lock);
    if (c->next)
      c->next->previous = c->previous;
    if (c->previous)
      c->previous->next = c->next;
    else
      s->connections = c->next;
    pthread_mutex_unlock(&s->connections_lock);
    *context = NULL;
    free(c);
  }
}

/* A request that has its body, or is being answered: is its client still there? */
static void look_for_client(connection *c, request *r)
{
  struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
  if (poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)))
    request_gone(r);
}

/* A client that stopped in the middle of a request. libmicrohttpd overlooks an end that comes together with the last bytes; hanging up wakes it. */
static bool stopped(const connection *c)
{
  struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
  char byte;
  return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

static void look_at_body(request *r, double now)
{
  double limit = r->s->options.body_timeout;
  pthread_mutex_lock(&r->lock);
  bool slow = false;
  if (now - r->window_started >= limit) {
    slow = (double)r->window_received < 1024 * limit;
    r->window_received = 0;
    r->window_started = now;
  }
  pthread_mutex_unlock(&r->lock);
  if (slow)
    receive_reject(r, 408, OPIS_ETIMEOUT, "the body comes too slowly");
}

static void look(server *s)
{
  double now = clock_seconds();
  pthread_mutex_lock(&s->connections_lock);
  for (connection *c = s->connections; c; c = c->next) {
    request *r = c->current;
    if (c->linger_until != 0) {
      if (now > c->linger_until || stopped(c))
        shutdown(c->fd, SHUT_RDWR);
      continue;
    }
    if (!r) {
      if (c->quiet_since != 0 && (now - c->quiet_since > HEADER_SECONDS || stopped(c)))
        shutdown(c->fd, SHUT_RDWR);
      continue;
    }
    pthread_mutex_lock(&r->lock);
    enum request_phase phase = r->phase;
    bool suspended = r->suspended;
    pthread_mutex_unlock(&r->lock);
    if (phase == PHASE_RECEIVING && stopped(c))
      shutdown(c->fd, SHUT_RDWR);
    else if (phase == PHASE_RECEIVING)
      look_at_body(r, now);
    else if (suspended)
      look_for_client(c, r);
  }
  pthread_mutex_unlock(&s->connections_lock);
}

void *watchdog_run(void *server_)
{
  server *s = server_;
  struct timespec pause = {.tv_nsec = 100000000};
  while (!atomic_load(&s->stop_watchdog)) {
    look(s);
    nanosleep(&pause, NULL);
  }
  return NULL;
}
