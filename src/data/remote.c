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
  {"http", remote_http_open},
  {"https", remote_http_open},
  {"s3", remote_s3_open},
  {"gdrive", remote_rclone_open},
  {"webdav", remote_rclone_open},
  {"webdavs", remote_rclone_open},
  {"ssh", remote_rclone_open},
  {"sftp", remote_rclone_open},
  {"gs", remote_rclone_open},
  {"azure", remote_rclone_open},
  {"oss", remote_rclone_open},
  {"hdfs", remote_rclone_open},
  {"rclone", remote_rclone_open},
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

/* A copy that may be shown: "https://user:password@host/path" without the password. */
static char *showable(const char *url)
{
  const char *host = strstr(url, "://"), *at = NULL, *colon;
  char *shown = strdup(url);
  if (!shown || !host)
    return shown;
  host += 3;
  for (const char *p = host; *p && *p != '/'; p++)
    if (*p == '@')
      at = p;
  colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
  if (colon)
    memmove(shown + (colon - url), shown + (at - url), strlen(at) + 1);
  return shown;
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
    r->url = showable(url);
    *out = r;
    if (r->name && r->url)
      return 0;
    remote_close(r);
    *out = NULL;
    return error_nomem();
  }
  return error_set(OPIS_EUNSUPPORTED, "remote '%s': no transport for %.*s:// in this version", name, (int)n, url);
}

void remote_close(remote *r)
{
  if (!r)
    return;
  free(r->name);
  free(r->url);
  r->ops->close(r);
}
