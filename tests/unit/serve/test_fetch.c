/* Fetching by URL: which addresses are public, and that every connection's address is judged, redirects' and resolved names' too. The server of the tests is this program itself, at two
 * loopback addresses: one that stands for a public one, and one that is private. */
#include "../cmocka_all.h"
#include "serve/fetch.h"
#include "util/error.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <opis/opis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_public(const char *text)
{
  struct sockaddr_in a4 = {.sin_family = AF_INET};
  struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET, text, &a4.sin_addr) == 1)
    return address_is_public((const struct sockaddr *)&a4);
  assert_int_equal(inet_pton(AF_INET6, text, &a6.sin6_addr), 1);
  return address_is_public((const struct sockaddr *)&a6);
}

static void addresses(void **state)
{
  static const char *const others[] = {"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8",
    "64:ff9b::127.0.0.1", "64:ff9b::10.1.2.3", "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::", "2002:c0a8:101::", "3fff::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1"};
  static const char *const open[] = {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "198.17.255.255", "198.20.0.1",
    "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::", "2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450::1"};
  (void)state;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (is_public(others[i]))
      fail_msg("%s is taken for public", others[i]);
  for (size_t i = 0; i < sizeof open / sizeof *open; i++)
    if (!is_public(open[i]))
      fail_msg("%s is taken for private", open[i]);
  struct sockaddr local = {.sa_family = AF_UNIX};
  assert_false(address_is_public(&local));
}

typedef struct site {
  int fd;
  int port;
  pthread_t thread;
} site;

static site good, secret;
static atomic_int asked_secret;

static void say(int c, const char *text)
{
  if (send(c, text, strlen(text), MSG_NOSIGNAL) < 0) {
    /* the client has heard enough */
  }
}

static void answer(int c, const char *path)
{
  char text[256];
  if (strncmp(path, "/picture", 8) == 0)
    say(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nBM00");
  else if (strncmp(path, "/large", 6) == 0)
    say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\nConnection: close\r\n\r\nxxxx");
  else if (strncmp(path, "/endless", 8) == 0) {
    say(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 200; i++)
      say(c, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
  } else if (strncmp(path, "/gone", 5) == 0)
    say(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  else {
    if (strncmp(path, "/to-secret", 10) == 0)
      snprintf(text, sizeof text, "http://127.0.0.2:%d/picture", secret.port);
    else if (strncmp(path, "/to-name", 8) == 0)
      snprintf(text, sizeof text, "http://[::ffff:127.0.0.2]:%d/picture", secret.port);
    else if (strncmp(path, "/to-file", 8) == 0)
      snprintf(text, sizeof text, "file:///etc/hostname");
    else if (strncmp(path, "/once", 5) == 0)
      snprintf(text, sizeof text, "/picture");
    else
      snprintf(text, sizeof text, "/loop");
    char head[400];
    snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", text);
    say(c, head);
  }
}

static void *serve(void *user)
{
  const site *s = user;
  char request[2048];
  for (int c; (c = accept(s->fd, NULL, NULL)) >= 0; close(c)) {
    ssize_t n = recv(c, request, sizeof request - 1, 0);
    request[n > 0 ? n : 0] = '\0';
    if (s == &secret)
      asked_secret++;
    if (strncmp(request, "GET ", 4) == 0)
      answer(c, request + 4);
  }
  return NULL;
}

static void open_site(site *s, const char *address)
{
  struct sockaddr_in a = {.sin_family = AF_INET};
  socklen_t n = sizeof a;
  inet_pton(AF_INET, address, &a.sin_addr);
  s->fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(s->fd, 16) == 0);
  getsockname(s->fd, (struct sockaddr *)&a, &n);
  s->port = ntohs(a.sin_port);
  assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static bool only_the_good_one(const struct sockaddr *address)
{
  return address->sa_family == AF_INET && ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
}

static int get(const char *path, uint64_t max, bool (*judge)(const struct sockaddr *))
{
  char url[200], *bytes = NULL;
  size_t size = 0;
  atomic_bool cancelled = false;
  if (path[0] == '/')
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", good.port, path);
  else
    snprintf(url, sizeof url, "%s", path);
  int status = fetch_from(&bytes, &size, url, max, &cancelled, judge);
  if (status == 0) {
    assert_int_equal(size, 4);
    assert_memory_equal(bytes, "BM00", 4);
    free(bytes);
  }
  return status;
}

static void every_connection_is_judged(void **state)
{
  char url[100];
  (void)state;
  assert_int_equal(get("/picture", 100, only_the_good_one), 0);
  assert_int_equal(get("/once", 100, only_the_good_one), 0);
  asked_secret = 0;
  assert_int_equal(get("/to-secret", 100, only_the_good_one), OPIS_EINVALID);
  assert_non_null(strstr(opis_error_message(), "not a public one"));
  assert_int_equal(get("/to-name", 100, only_the_good_one), OPIS_EINVALID);
  snprintf(url, sizeof url, "http://127.0.0.2:%d/picture", secret.port);
  assert_int_equal(get(url, 100, only_the_good_one), OPIS_EINVALID);
  assert_int_equal(asked_secret, 0); /* not a byte was sent there */
  /* names that resolve to a private address, and other spellings of one, before the real judge */
  static const char *const spellings[] = {"localhost", "LOCALHOST", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "127.0.0.1"};
  for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
    snprintf(url, sizeof url, "http://%s:%d/picture", spellings[i], good.port);
    int status = get(url, 100, address_is_public);
    if (status != OPIS_EINVALID)
      fail_msg("%s: %d %s", url, status, status < 0 ? opis_error_message() : "was fetched");
  }
}

static void other_schemes(void **state)
{
  (void)state;
  assert_int_equal(get("/to-file", 100, only_the_good_one), OPIS_EINVALID);
  assert_int_equal(get("file:///etc/hostname", 100, only_the_good_one), OPIS_EINVALID);
  assert_int_equal(get("gopher://127.0.0.1/", 100, only_the_good_one), OPIS_EINVALID);
  assert_int_equal(get("http://", 100, only_the_good_one), OPIS_EINVALID);
}

static void sizes_and_redirects_are_bounded(void **state)
{
  (void)state;
  assert_int_equal(get("/large", 10000, only_the_good_one), OPIS_ELIMIT);
  assert_int_equal(get("/endless", 10000, only_the_good_one), OPIS_ELIMIT);
  assert_int_equal(get("/picture", 3, only_the_good_one), OPIS_ELIMIT);
  assert_int_equal(get("/loop", 100, only_the_good_one), OPIS_ENETWORK);
  assert_int_equal(get("/gone", 100, only_the_good_one), OPIS_ENETWORK);
}

static void a_cancelled_one_ends(void **state)
{
  char url[100], *bytes = NULL;
  size_t size;
  atomic_bool cancelled = true;
  (void)state;
  snprintf(url, sizeof url, "http://127.0.0.1:%d/picture", good.port);
  assert_int_equal(fetch_from(&bytes, &size, url, 100, &cancelled, only_the_good_one), OPIS_ECANCELLED);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(addresses), cmocka_unit_test(every_connection_is_judged), cmocka_unit_test(other_schemes),
    cmocka_unit_test(sizes_and_redirects_are_bounded), cmocka_unit_test(a_cancelled_one_ends)};
  open_site(&good, "127.0.0.1");
  open_site(&secret, "127.0.0.2");
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  shutdown(good.fd, SHUT_RDWR);
  shutdown(secret.fd, SHUT_RDWR);
  pthread_join(good.thread, NULL);
  pthread_join(secret.thread, NULL);
  close(good.fd);
  close(secret.fd);
  return failed;
}
