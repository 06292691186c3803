/* Starting, running and ending the server. */
#include "serve/server.h"
#include "serve/assets.h"
#include "serve/engines.h"
#include "serve/history.h"
#include "serve/metrics.h"
#include "serve/openapi.h"
#include "serve/workers.h"

#include "util/clock.h"
#include "util/cpus.h"
#include "util/error.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 1000, CONNECTIONS_A_CLIENT = 256, IDLE_SECONDS = 60, DRAIN_SECONDS = 25 };

static atomic_int ended_by, second_signal, log_moved; /* set by whichever thread a signal comes to */

static void on_end(int number)
{
  if (ended_by)
    second_signal = 1;
  ended_by = number;
}

static void on_hang_up(int number)
{
  (void)number;
  log_moved = 1;
}

static void catch_signals(void)
{
  struct sigaction end = {.sa_handler = on_end}, moved = {.sa_handler = on_hang_up}, ignore = {.sa_handler = SIG_IGN};
  ended_by = second_signal = log_moved = 0;
  sigaction(SIGINT, &end, NULL);
  sigaction(SIGTERM, &end, NULL);
  sigaction(SIGHUP, &moved, NULL);
  sigaction(SIGPIPE, &ignore, NULL);
}

/* A socket that listens. */
static int listen_at(int *fd, const char *host, int port)
{
  char number[16];
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list;
  int one = 1, zero = 0, error = 0;
  snprintf(number, sizeof number, "%d", port);
  int code = getaddrinfo(host, number, &hints, &list);
  if (code != 0)
    return error_set(OPIS_EIO, "--host %s: %s", host, gai_strerror(code));
  *fd = -1;
  for (struct addrinfo *a = list; a && *fd < 0; a = a->ai_next) {
    int s = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0) {
      error = errno;
      continue;
    }
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->ai_family == AF_INET6)
      setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(s, a->ai_addr, a->ai_addrlen) == 0 && listen(s, 511) == 0)
      *fd = s;
    else {
      error = errno;
      close(s);
    }
  }
  freeaddrinfo(list);
  if (*fd < 0)
    return error_set(OPIS_EIO, "%s port %d: %s%s", host, port, strerror(error), error == EADDRINUSE ? " (another program listens there; choose another with --port)" : "");
  return 0;
}

static int port_of(int fd)
{
  struct sockaddr_storage a = {0};
  socklen_t n = sizeof a;
  getsockname(fd, (struct sockaddr *)&a, &n);
  return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)(void *)&a)->sin6_port) : ntohs(((struct sockaddr_in *)(void *)&a)->sin_port);
}

static void mhd_log(void *user, const char *format, va_list args)
{
  (void)user; /* about clients' mistakes mostly; the access log has what matters */
  (void)format;
  (void)args;
}

static int start_daemon(server *s)
{
  int fd;
  int status = listen_at(&fd, s->options.host, s->options.port);
  if (status < 0)
    return status;
  s->port = port_of(fd);
  s->daemon = mhd.MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, request_handle, s, MHD_OPTION_EXTERNAL_LOGGER,
    mhd_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, request_completed, s, MHD_OPTION_NOTIFY_CONNECTION, connection_notify, s,
    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_A_CLIENT,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)65536, MHD_OPTION_END);
  if (s->daemon)
    return 0;
  close(fd);
  return error_set(OPIS_EIO, "the HTTP server cannot be started");
}

static int open_parts(server *s)
{
  const serve_options *o = &s->options;
  unsigned char random[4] = {0};
  int status = mhd_open();
  if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
    random[0] = (unsigned char)getpid();
  snprintf(s->id_prefix, sizeof s->id_prefix, "%02x%02x%02x%02x", random[0], random[1], random[2], random[3]);
  if (status == 0 && o->api_key_file)
    status = api_keys_open(&s->keys, o->api_key_file);
  if (status == 0)
    status = access_log_open(&s->log, o->log);
  if (status == 0 && o->history)
    status = history_open(&s->history, o->history, o->keep_days);
  if (status == 0)
    status = metrics_new(&s->metrics);
  if (status == 0)
    status = engines_new(&s->engines, s);
  int threads = cpus_available();
  if (status == 0)
    status = workers_new(&s->workers, threads < 2 ? 2 : threads > 4 ? 4 : threads);
  if (status == 0 && !(s->openapi = openapi_text(s)))
    status = error_nomem();
  return status;
}

static bool is_loopback_host(const char *host)
{
  return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

static void announce(const server *s)
{
  const char *host = s->options.host;
  bool everywhere = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
  const char *shown = everywhere ? "localhost" : host;
  fprintf(stderr, strchr(shown, ':') ? "opis: serving at http://[%s]:%d/" : "opis: serving at http://%s:%d/", shown, s->port);
  if (is_loopback_host(host))
    fputs(" (to this machine only; --host 0.0.0.0 opens it to others)\n", stderr);
  else
    fprintf(stderr, " (to every machine that reaches %s%s)\n", everywhere ? "this one" : host, s->keys ? "" : "; anybody may use it: --api-key-file asks for a key");
}

/* Lets what was accepted come to its end, and refuses the rest. */
static void drain(server *s)
{
  atomic_store(&s->draining, true);
  int fd = mhd.MHD_quiesce_daemon(s->daemon);
  if (fd >= 0)
    close(fd);
  struct timespec pause = {.tv_nsec = 20000000};
  double until = clock_seconds() + DRAIN_SECONDS;
  while (atomic_load(&s->requests_open) > 0 && clock_seconds() < until && !second_signal)
    nanosleep(&pause, NULL);
}

/* Every suspended request has to be awake before the daemon may stop. */
static void hang_up_all(server *s)
{
  struct timespec pause = {.tv_nsec = 10000000};
  for (int i = 0; i < 300 && atomic_load(&s->requests_open) > 0; i++) {
    pthread_mutex_lock(&s->connections_lock);
    for (connection *c = s->connections; c; c = c->next)
      if (c->current && (i > 100 || c->current->phase != PHASE_WORKING))
        request_gone(c->current);
    pthread_mutex_unlock(&s->connections_lock);
    nanosleep(&pause, NULL);
  }
}

static void close_parts(server *s)
{
  if (s->engines)
    engines_cancel_all(s->engines);
  workers_free(s->workers);
  if (s->engines)
    engines_stop(s->engines);
  if (s->daemon) {
    hang_up_all(s);
    mhd.MHD_stop_daemon(s->daemon);
  }
  engines_free(s->engines);
  history_close(s->history);
  metrics_free(s->metrics);
  access_log_free(s->log);
  api_keys_free(s->keys);
  free(s->openapi);
  pthread_mutex_destroy(&s->connections_lock);
}

static int run(server *s, int *signal_number)
{
  struct timespec pause = {.tv_nsec = 100000000};
  bool told = false;
  while (!ended_by && !atomic_load(&s->failed)) {
    nanosleep(&pause, NULL);
    if (log_moved) {
      log_moved = 0;
      access_log_reopen(s->log);
    }
    if (!told && atomic_load(&s->ready)) {
      told = true;
      for (size_t i = 0; i < engines_count(s->engines); i++) {
        const engine *e = engines_at(s->engines, i);
        fprintf(stderr, "opis: %s is ready (%.2f s)\n", engine_name(e), engine_loaded_in(e));
      }
      notify_manager("READY=1");
    }
  }
  *signal_number = ended_by;
  if (atomic_load(&s->failed))
    return error_set(OPIS_EINVALID, "%s", s->failure);
  fputs("opis: finishing what was begun\n", stderr);
  notify_manager("STOPPING=1");
  drain(s);
  return 0;
}

int serve_run(int *signal_number, const serve_options *options)
{
  server *s = calloc(1, sizeof *s);
  if (!s)
    return error_nomem();
  s->options = *options;
  s->started = clock_seconds();
  s->body_budget = options->max_upload > (UINT64_C(256) << 20) ? options->max_upload * 2 : UINT64_C(512) << 20;
  pthread_mutex_init(&s->connections_lock, NULL);
  catch_signals();
  int status = open_parts(s);
  bool watching = false;
  if (status == 0)
    status = start_daemon(s);
  if (status == 0) {
    announce(s);
    status = engines_start(s->engines);
    watching = pthread_create(&s->watchdog, NULL, watchdog_run, s) == 0;
    if (status == 0)
      status = run(s, signal_number);
  }
  char message[1024];
  snprintf(message, sizeof message, "%s", opis_error_message());
  if (watching) {
    atomic_store(&s->stop_watchdog, true);
    pthread_join(s->watchdog, NULL);
  }
  close_parts(s);
  free(s);
  return status < 0 ? error_set(status, "%s", message) : 0;
}
