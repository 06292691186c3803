/* The HTTP client against a server in a thread that gives scripted answers, one a connection, and keeps what it was asked. */
#include "util/http.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 8 };

typedef struct server {
  int fd;
  const char *const *answers; /* ended by NULL; "": hangs up without a word */
  char asked[MOST][2048];
  int n;
  pthread_t thread;
  char url[64];
} server;

static void *serve(void *user)
{
  server *s = user;
  for (; s->answers[s->n]; s->n++) {
    int fd = accept(s->fd, NULL, NULL);
    if (fd < 0)
      break;
    char *to = s->asked[s->n];
    size_t n = 0;
    while (n + 1 < sizeof s->asked[0] && !strstr(to, "\r\n\r\n")) {
      ssize_t k = recv(fd, to + n, sizeof s->asked[0] - 1 - n, 0);
      if (k <= 0)
        break;
      n += (size_t)k;
    }
    const char *answer = s->answers[s->n];
    if (*answer)
      send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    char rest[64];
    while (recv(fd, rest, sizeof rest, 0) > 0) {
    }
    close(fd);
  }
  return NULL;
}

static void start(server *s, const char *const *answers)
{
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  memset(s, 0, sizeof *s);
  s->answers = answers;
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(s->fd, 8) == 0 && getsockname(s->fd, (struct sockaddr *)&a, &n) == 0);
  snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/file", ntohs(a.sin_port));
  assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(server *s)
{
  shutdown(s->fd, SHUT_RDWR);
  pthread_join(s->thread, NULL);
  close(s->fd);
}

/* One request with what the caller set in q; the url is the server's. */
static int perform(http_response *r, http_request q, server *s)
{
  http_client *c;
  *r = (http_response)HTTP_RESPONSE_INIT;
  assert_int_equal(http_client_new(&c), 0);
  q.url = s->url;
  int code = http_perform(c, r, &q);
  http_client_free(c);
  return code;
}

#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body

static int temporary(void)
{
  char name[] = "/tmp/opis-http-XXXXXX";
  int fd = mkstemp(name);
  assert_true(fd >= 0);
  unlink(name);
  return fd;
}

static void assert_file(int fd, const char *text)
{
  char got[64] = "";
  ssize_t n = pread(fd, got, sizeof got - 1, 0);
  assert_int_equal(n, strlen(text));
  assert_string_equal(got, text);
}

static void answers_and_headers(void **state)
{
  (void)state;
  server s;
  http_response r;
  start(&s, (const char *const[]){"HTTP/1.1 404 Not Found\r\nX-Error-Code: EntryNotFound\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone", NULL});
  assert_int_equal(perform(&r, (http_request){.headers = (const char *const[]){"X-One: 1", NULL}}, &s), 0);
  stop(&s);
  assert_int_equal(r.status, 404);
  assert_string_equal(http_header(&r, "x-error-code"), "EntryNotFound");
  assert_null(http_header(&r, "X-Error"));
  assert_int_equal(r.body.n, 4);
  assert_memory_equal(r.body.s, "gone", 4);
  assert_non_null(strstr(s.asked[0], "X-One: 1\r\n"));
  assert_non_null(strstr(s.asked[0], "User-Agent: opis/"));
  http_response_free(&r);
}

static void asked_to_wait(void **state)
{
  (void)state;
  server s;
  http_response r;
  struct timespec a, b;
  start(&s,
    (const char *const[]){"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
      "HTTP/1.1 503 Busy\r\nRetry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "", OK("well"), NULL});
  clock_gettime(CLOCK_MONOTONIC, &a);
  assert_int_equal(perform(&r, (http_request){0}, &s), 0);
  clock_gettime(CLOCK_MONOTONIC, &b);
  stop(&s);
  assert_int_equal(r.status, 200);
  assert_int_equal(s.n, 4);
  assert_true((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec) >= 1);
  http_response_free(&r);
}

static void gives_up(void **state)
{
  (void)state;
  server s;
  http_response r;
  start(&s,
    (const char *const[]){"HTTP/1.1 500 No\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
      "HTTP/1.1 500 No\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", NULL});
  assert_int_equal(perform(&r, (http_request){.attempts = 2}, &s), 0);
  stop(&s);
  assert_int_equal(r.status, 500);
  assert_int_equal(s.n, 2);
  http_response_free(&r);
}

static void resumes(void **state)
{
  (void)state;
  server s;
  http_response r;
  int fd = temporary();
  start(&s,
    (const char *const[]){"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123",
      "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-9/10\r\nContent-Length: 6\r\nConnection: close\r\n\r\n456789", NULL});
  assert_int_equal(perform(&r, (http_request){.output_file = true, .output_fd = fd, .output_tag = "\"tag\""}, &s), 0);
  stop(&s);
  assert_null(strstr(s.asked[0], "Range:"));
  assert_non_null(strstr(s.asked[1], "Range: bytes=4-\r\n"));
  assert_non_null(strstr(s.asked[1], "If-Range: \"tag\"\r\n"));
  assert_file(fd, "0123456789");
  http_response_free(&r);
  close(fd);
}

/* The whole file comes again where only the rest was asked for: what was there goes. */
static void without_ranges(void **state)
{
  (void)state;
  server s;
  http_response r;
  int fd = temporary();
  assert_int_equal(pwrite(fd, "old old old", 11, 0), 11);
  start(&s, (const char *const[]){OK("new"), NULL});
  assert_int_equal(perform(&r, (http_request){.output_file = true, .output_fd = fd, .output_offset = 11}, &s), 0);
  stop(&s);
  assert_file(fd, "new");
  http_response_free(&r);
  close(fd);
}

static void a_range_that_begins_elsewhere(void **state)
{
  (void)state;
  server s;
  http_response r;
  int fd = temporary();
  assert_int_equal(pwrite(fd, "0123", 4, 0), 4);
  start(&s, (const char *const[]){"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-9/10\r\nContent-Length: 8\r\nConnection: close\r\n\r\n23456789", NULL});
  assert_int_equal(perform(&r, (http_request){.output_file = true, .output_fd = fd, .output_offset = 4}, &s), OPIS_EFORMAT);
  stop(&s);
  assert_file(fd, "0123");
  http_response_free(&r);
  close(fd);
}

static void token_stays_with_its_host(void **state)
{
  (void)state;
  server one, other;
  http_response r;
  char answer[256];
  static const char *const headers[] = {"Authorization: Bearer secret", NULL};
  start(&other, (const char *const[]){OK("here"), NULL});
  snprintf(answer, sizeof answer, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", other.url);
  start(&one, (const char *const[]){answer, NULL});
  assert_int_equal(perform(&r, (http_request){.headers = headers, .follow = true}, &one), 0);
  stop(&one);
  stop(&other);
  assert_int_equal(r.status, 200);
  assert_string_equal(r.url, other.url);
  assert_non_null(strstr(one.asked[0], "Bearer secret"));
  assert_null(strstr(other.asked[0], "secret"));
  http_response_free(&r);
}

static void redirects_only_to_http(void **state)
{
  (void)state;
  server s;
  http_response r;
  start(&s, (const char *const[]){"HTTP/1.1 302 Found\r\nLocation: file:///etc/hostname\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", NULL});
  assert_true(perform(&r, (http_request){.follow = true, .attempts = 1}, &s) < 0);
  stop(&s);
  assert_int_equal(r.body.n, 0);
  http_response_free(&r);
}

static int stop_it(void *user, uint64_t done, uint64_t total)
{
  (void)user;
  (void)done;
  (void)total;
  return 1;
}

static void limits_and_cancelling(void **state)
{
  (void)state;
  server s;
  http_response r;
  start(&s, (const char *const[]){OK("0123456789"), NULL});
  assert_int_equal(perform(&r, (http_request){.max_body = 9, .attempts = 1}, &s), OPIS_ELIMIT);
  stop(&s);
  http_response_free(&r);
  start(&s, (const char *const[]){OK("0123456789"), NULL});
  assert_int_equal(perform(&r, (http_request){.progress = stop_it}, &s), OPIS_ECANCELLED);
  stop(&s);
  http_response_free(&r);
  server none = {.url = "gopher://127.0.0.1/"};
  assert_int_equal(perform(&r, (http_request){0}, &none), OPIS_EINVALID);
  http_response_free(&r);
}

static void output_that_cannot_be_written(void **state)
{
  (void)state;
  server s;
  http_response r;
  int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
  start(&s, (const char *const[]){OK("0123456789"), NULL});
  assert_int_equal(perform(&r, (http_request){.output_file = true, .output_fd = fd, .attempts = 1}, &s), OPIS_EIO);
  stop(&s);
  http_response_free(&r);
  close(fd);
}

static void escapes(void **state)
{
  (void)state;
  strbuf b = STRBUF_INIT;
  http_put_escaped(&b, "refs/pr 1#\xC3\xA9~", false);
  assert_string_equal(b.s, "refs%2Fpr%201%23%C3%A9~");
  strbuf_reset(&b);
  http_put_escaped(&b, "a/b?c", true);
  assert_string_equal(b.s, "a/b%3Fc");
  strbuf_free(&b);
}

int main(void)
{
  setenv("no_proxy", "127.0.0.1", 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(answers_and_headers), cmocka_unit_test(asked_to_wait), cmocka_unit_test(gives_up), cmocka_unit_test(resumes),
    cmocka_unit_test(without_ranges), cmocka_unit_test(a_range_that_begins_elsewhere), cmocka_unit_test(token_stays_with_its_host), cmocka_unit_test(redirects_only_to_http),
    cmocka_unit_test(limits_and_cancelling), cmocka_unit_test(output_that_cannot_be_written), cmocka_unit_test(escapes)};
  return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
