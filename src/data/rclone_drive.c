/* Google Drive: service accounts, and the tokens that DVC has got for its user. */
#include "data/rclone.h"

#include "util/error.h"
#include "util/file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_FILE = 1 << 20 };

/* The name of DVC's own application, by which it files the tokens of its users. */
static const char dvc_application[] = "710796635688-iivsgbgsb6uv1fap6635dhvuei09o66c.apps.googleusercontent.com";

static const char help[] =
  "Google Drive: no credentials. Either a service account: 'opis data remote modify NAME gdrive_use_service_account true' and 'opis data remote modify --local NAME "
  "gdrive_service_account_json_file_path FILE'; or, for your own account, 'rclone config' and a remote of the address rclone://NAME/PATH; or the tokens that a 'dvc pull' leaves";

/* What DVC keeps of a user's consent, as rclone wants it. */
static int use_tokens(rclone_setup *s, const char *text, size_t n, const char *from)
{
  json_t *j = json_loadb(text, n, 0, NULL);
  const char *access = json_string_value(json_object_get(j, "access_token")), *refresh = json_string_value(json_object_get(j, "refresh_token"));
  const char *expiry = json_string_value(json_object_get(j, "token_expiry")), *id = json_string_value(json_object_get(j, "client_id")),
             *secret = json_string_value(json_object_get(j, "client_secret"));
  int code = 0;
  if (!refresh && !access)
    code = error_set(OPIS_EAUTH, "%s: no tokens of Google Drive in it", from);
  else {
    json_t *t = json_pack("{s:s, s:s, s:s*, s:s}", "access_token", access ? access : "", "token_type", "Bearer", "refresh_token", refresh, "expiry",
      expiry && strchr(expiry, 'T') && expiry[strlen(expiry) - 1] == 'Z' ? expiry : "2000-01-01T00:00:00Z");
    char *token = t ? json_dumps(t, JSON_COMPACT) : NULL;
    json_decref(t);
    if (token) {
      rclone_set(s, "TOKEN", token);
      rclone_set(s, "CLIENT_ID", id);
      rclone_set(s, "CLIENT_SECRET", secret);
      explicit_bzero(token, strlen(token));
    } else
      code = error_nomem();
    free(token);
  }
  json_decref(j);
  return code;
}

static int use_token_file(rclone_setup *s, const char *path)
{
  char *text = NULL;
  size_t n;
  int code = file_read(&text, &n, path, LONGEST_FILE);
  if (code == 0) {
    code = use_tokens(s, text, n, path);
    explicit_bzero(text, n);
  }
  free(text);
  return code;
}

/* ~/.cache/pydrive2fs/APPLICATION/PROFILE.json */
static int dvc_token_file(char **path, const remote_settings *settings)
{
  const char *id = remote_setting(settings, "gdrive_client_id"), *profile = remote_setting(settings, "profile"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  bool given = cache && *cache;
  return asprintf(path, "%s%s/pydrive2fs/%s/%s.json",
           given    ? cache
             : home ? home
                    : "",
           given ? "" : "/.cache", id ? id : dvc_application, profile ? profile : "default") < 0
    ? error_nomem()
    : 0;
}

int rclone_setup_drive(rclone_setup *s, const char *url, const remote_settings *settings)
{
  const char *start = strstr(url, "://") + 3, *data = getenv("GDRIVE_CREDENTIALS_DATA");
  const char *account = remote_setting(settings, "gdrive_service_account_json_file_path"), *tokens = remote_setting(settings, "gdrive_user_credentials_file");
  size_t n = strcspn(start, "/"), rest = n + strspn(start + n, "/");
  char *id = strndup(start, n), *path = NULL;
  int code = id ? 0 : error_nomem();
  if (code == 0 && !*id)
    code = error_set(OPIS_EINVALID, "the address looks like gdrive://FOLDER-ID/PATH, or gdrive://root/PATH");
  rclone_set(s, "TYPE", "drive");
  rclone_set(s, "SCOPE", code == 0 && strcmp(id, "appDataFolder") == 0 ? "drive.appfolder" : "drive");
  rclone_set(s, "USE_TRASH", remote_setting_bool(settings, "gdrive_trash_only", false) ? "true" : "false");
  if (remote_setting_bool(settings, "gdrive_acknowledge_abuse", false))
    rclone_set(s, "ACKNOWLEDGE_ABUSE", "true");
  if (code == 0 && strcmp(id, "root") != 0)
    rclone_set(s, "ROOT_FOLDER_ID", id);
  rclone_set(s, "CLIENT_ID", remote_setting(settings, "gdrive_client_id"));
  rclone_set(s, "CLIENT_SECRET", remote_setting(settings, "gdrive_client_secret"));
  if (code == 0 && remote_setting_bool(settings, "gdrive_use_service_account", false)) {
    rclone_set(s, "IMPERSONATE", remote_setting(settings, "gdrive_service_account_user_email"));
    if (data && *data)
      rclone_set(s, "SERVICE_ACCOUNT_CREDENTIALS", data);
    else if (!account)
      code = error_set(OPIS_EAUTH, "%s", help);
    else if (!file_exists(account))
      code = error_set(OPIS_EAUTH, "%s: not there: it is the service account's key that Google's console gives (JSON)", account);
    else
      rclone_set(s, "SERVICE_ACCOUNT_FILE", account);
  } else if (code == 0 && data && *data)
    code = use_tokens(s, data, strlen(data), "GDRIVE_CREDENTIALS_DATA");
  else if (code == 0 && tokens)
    code = use_token_file(s, tokens);
  else if (code == 0 && (code = dvc_token_file(&path, settings)) == 0)
    code = file_exists(path) ? use_token_file(s, path) : error_set(OPIS_EAUTH, "%s", help);
  s->jobs = 8; /* Drive allows some ten requests a second */
  s->whole = true;
  if (code == 0 && strchr(start + rest, ']'))
    code = error_set(OPIS_EUNSUPPORTED, "%s: a path with ']'", start + rest);
  if (code == 0 && asprintf(&s->fs, "opis:%s", start + rest) < 0)
    code = error_nomem();
  free(path);
  free(id);
  return code;
}
