/* Which transport takes which URL. */
#include "data/remote.h"

#include "util/error.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct transport {
  const char *scheme; /* "" is a plain path */
  remote_open_fn *open;
} transports[] = {
  {"", remote_folder_open},
  {"file", remote_folder_open},
};

const char *remote_setting(const remote_settings *s, const char *key)
{
  return s ? s->get(s->user, key) : NULL;
}

bool remote_setting_bool(const remote_settings *s, const char *key, bool otherwise)
{
  static const char *const yes[] = {"true", "1", "yes", "on"};
  const char *v = remote_setting(s, key);
  if (!v)
    return otherwise;
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
    if (strcasecmp(v, yes[i]) == 0)
      return true;
  return false;
}

int remote_open(remote **out, const char *name, const char *url, const remote_settings *settings)
{
  *out = NULL;
  const char *colon = strstr(url, "://");
  size_t n = colon ? (size_t)(colon - url) : 0;
  for (size_t i = 0; i < sizeof transports / sizeof *transports; i++) {
    if (strlen(transports[i].scheme) != n || strncasecmp(transports[i].scheme, url, n) != 0)
      continue;
    remote *r;
    int code = transports[i].open(&r, url, settings);
    if (code < 0)
      return code;
    r->name = strdup(name);
    r->url = strdup(url);
    *out = r;
    if (r->name && r->url)
      return 0;
    remote_close(r);
    *out = NULL;
    return error_nomem();
  }
  return error_set(OPIS_EUNSUPPORTED, "%s: no transport for %.*s:// in this version", url, (int)n, url);
}

void remote_close(remote *r)
{
  if (!r)
    return;
  free(r->name);
  free(r->url);
  r->ops->close(r);
}
