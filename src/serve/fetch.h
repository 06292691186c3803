/* Fetching a picture that a request names by URL (--allow-fetch). Only http and https, only addresses of the public Internet, each redirect looked at again, within a size and a time. */
#ifndef SERVE_FETCH_H
#define SERVE_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* *bytes is malloc'ed. OPIS_EINVALID (no http URL, a private address), OPIS_ENETWORK, OPIS_ELIMIT, OPIS_ECANCELLED, OPIS_ENOMEM. */
int fetch_picture(char **bytes, size_t *size, const char *url, uint64_t max, atomic_bool *cancelled);

/* The same with another judge of addresses, for tests: every address that a connection is about to be made to is asked about. */
int fetch_from(char **bytes, size_t *size, const char *url, uint64_t max, atomic_bool *cancelled, bool (*allowed)(const struct sockaddr *address));

/* Whether an address is one of the public Internet: neither loopback, private, link-local, carrier-grade, multicast nor reserved, nor such a one wrapped into IPv6. */
bool address_is_public(const struct sockaddr *address);

#endif
