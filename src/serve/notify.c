/* Telling systemd (Type=notify) how far the server is: a datagram to the socket that it names. */
#include "serve/server.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_manager(const char *state)
{
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  size_t n = path ? strlen(path) : 0;
  if (n < 2 || n >= sizeof a.sun_path || (path[0] != '/' && path[0] != '@'))
    return;
  memcpy(a.sun_path, path, n);
  if (path[0] == '@')
    a.sun_path[0] = '\0'; /* the abstract name space */
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0) {
    /* nobody listens: the server serves all the same */
  }
  close(fd);
}
