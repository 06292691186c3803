/* DVC's addresses and settings as rclone's: what rclone gets to know. */
#include "data/rclone.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include "util/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[64]; /* an empty home, but for what a test puts there */

static const char *pair(const void *user, const char *key)
{
  for (const char *const *p = user; *p; p += 2)
    if (strcmp(p[0], key) == 0)
      return p[1];
  return NULL;
}

/* What the environment says of a key; NULL: nothing. */
static const char *told(const rclone_setup *s, const char *name)
{
  size_t n = strlen(name);
  for (size_t at = 0; at < s->env.n; at += strlen(s->env.s + at) + 1)
    if (strncmp(s->env.s + at, name, n) == 0 && s->env.s[at + n] == '=')
      return s->env.s + at + n + 1;
  return NULL;
}

#define TOLD(key, value) assert_string_equal(told(&s, "RCLONE_CONFIG_OPIS_" key), value)
#define READ(url, ...)                                                                                                                                                             \
  rclone_setup s;                                                                                                                                                                  \
  const char *const given[] = {__VA_ARGS__ __VA_OPT__(, ) NULL};                                                                                                                   \
  int code = rclone_setup_read(&s, url, &(remote_settings){pair, given})

static void webdav(void **state)
{
  (void)state;
  READ("webdavs://host:8443/remote.php/dav/files/me", "user", "me", "password", "p w", "ssl_verify", "false", "timeout", "30");
  assert_int_equal(code, 0);
  assert_string_equal(s.fs, "opis:remote.php/dav/files/me");
  TOLD("TYPE", "webdav");
  TOLD("URL", "https://host:8443");
  TOLD("USER", "me");
  assert_non_null(told(&s, "RCLONE_CONFIG_OPIS_PASS"));
  assert_string_not_equal(told(&s, "RCLONE_CONFIG_OPIS_PASS"), "p w");
  assert_string_equal(told(&s, "RCLONE_NO_CHECK_CERTIFICATE"), "true");
  assert_string_equal(told(&s, "RCLONE_TIMEOUT"), "30s");
  assert_string_equal(told(&s, "RCLONE_CONTIMEOUT"), "30s");
  assert_string_equal(told(&s, "RCLONE_LOW_LEVEL_RETRIES"), "3");
  assert_false(s.whole);
  rclone_setup_free(&s);
}

static void webdav_by_token_and_header(void **state)
{
  (void)state;
  {
    READ("webdav://host/a%20b", "token", "t0ken");
    assert_int_equal(code, 0);
    TOLD("URL", "http://host");
    TOLD("BEARER_TOKEN", "t0ken");
    assert_string_equal(s.fs, "opis:a b");
    rclone_setup_free(&s);
  }
  {
    READ("webdav://host", "custom_auth_header", "X-Key", "password", "a,b");
    assert_int_equal(code, 0);
    TOLD("HEADERS", "X-Key,\"a,b\"");
    rclone_setup_free(&s);
  }
  {
    READ("webdav://host", "user", "me", "ask_password", "true");
    assert_int_equal(code, OPIS_EUNSUPPORTED);
  }
}

static void buckets(void **state)
{
  (void)state;
  {
    READ("gs://bucket/a/b/", "credentialpath", "/key.json", "projectname", "7");
    assert_int_equal(code, 0);
    assert_string_equal(s.fs, "opis:bucket/a/b");
    TOLD("TYPE", "google cloud storage");
    TOLD("SERVICE_ACCOUNT_FILE", "/key.json");
    assert_true(s.whole);
    rclone_setup_free(&s);
  }
  {
    READ("azure://box/a", "connection_string", "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=a2V5==;EndpointSuffix=core.windows.net");
    assert_int_equal(code, 0);
    TOLD("ACCOUNT", "me");
    TOLD("KEY", "a2V5==");
    assert_string_equal(s.fs, "opis:box/a");
    rclone_setup_free(&s);
  }
  {
    READ("azure://box/a", "account_name", "me", "sas_token", "?sv=1&sig=x");
    assert_int_equal(code, 0);
    TOLD("SAS_URL", "https://me.blob.core.windows.net/box?sv=1&sig=x");
    rclone_setup_free(&s);
  }
  {
    READ("azure://box/a");
    assert_int_equal(code, OPIS_EAUTH);
  }
  {
    READ("oss://bucket/x", "oss_key_id", "a", "oss_key_secret", "b", "oss_endpoint", "oss-cn-x.aliyuncs.com");
    assert_int_equal(code, 0);
    TOLD("PROVIDER", "Alibaba");
    TOLD("ENDPOINT", "oss-cn-x.aliyuncs.com");
    rclone_setup_free(&s);
  }
  {
    READ("hdfs://me@node:8020/a/b");
    assert_int_equal(code, 0);
    TOLD("NAMENODE", "node:8020");
    TOLD("USERNAME", "me");
    assert_string_equal(s.fs, "opis:/a/b");
    rclone_setup_free(&s);
  }
  {
    READ("rclone://mine/a/b");
    assert_int_equal(code, 0);
    assert_string_equal(s.fs, "mine:a/b");
    assert_true(s.own);
    rclone_setup_free(&s);
  }
  {
    READ("rclone:///a");
    assert_int_equal(code, OPIS_EINVALID);
  }
}

static void ssh(void **state)
{
  char path[128];
  (void)state;
  {
    READ("ssh://me@host/a");
    assert_int_equal(code, OPIS_EAUTH); /* nobody knows the host yet */
    assert_non_null(strstr(opis_error_message(), "ssh-keyscan host"));
  }
  snprintf(path, sizeof path, "%s/.ssh", home);
  mkdir(path, 0700);
  snprintf(path, sizeof path, "%s/.ssh/known_hosts", home);
  assert_int_equal(file_replace(path, "x", 1, 0600, false), 0);
  {
    READ("ssh://-oProxyCommand=x/a");
    assert_int_equal(code, OPIS_EINVALID);
  }
  READ("ssh://me@host:2222/a", "keyfile", "/id", "passphrase", "secret");
  assert_int_equal(code, 0);
  TOLD("TYPE", "sftp");
  TOLD("USER", "me");
  TOLD("PORT", "2222");
  TOLD("KEY_FILE", "/id");
  TOLD("KNOWN_HOSTS_FILE", path);
  assert_non_null(told(&s, "RCLONE_CONFIG_OPIS_KEY_FILE_PASS"));
  assert_string_equal(s.fs, "opis:/a");
  assert_true(s.jobs <= 8);
  rclone_setup_free(&s);
}

static void drive(void **state)
{
  static const char tokens[] =
    "{\"access_token\": \"at\", \"refresh_token\": \"rt\", \"client_id\": \"ci\", \"client_secret\": \"cs\", \"token_expiry\": \"2021-03-04T05:06:07Z\", \"invalid\": false}";
  char key[128], path[256];
  (void)state;
  {
    READ("gdrive://root/a");
    assert_int_equal(code, OPIS_EAUTH);
  }
  snprintf(key, sizeof key, "%s/key.json", home);
  assert_int_equal(file_replace(key, "{}", 2, 0600, false), 0);
  {
    READ("gdrive://0AbCd/pictures/x", "gdrive_use_service_account", "true", "gdrive_service_account_json_file_path", key, "gdrive_service_account_user_email", "a@b",
      "gdrive_trash_only", "true");
    assert_int_equal(code, 0);
    TOLD("TYPE", "drive");
    TOLD("ROOT_FOLDER_ID", "0AbCd");
    TOLD("SERVICE_ACCOUNT_FILE", key);
    TOLD("IMPERSONATE", "a@b");
    TOLD("USE_TRASH", "true");
    assert_string_equal(s.fs, "opis:pictures/x");
    assert_true(s.whole);
    rclone_setup_free(&s);
  }
  /* The file in which DVC keeps the consent of its user. */
  snprintf(path, sizeof path, "%s/.cache/pydrive2fs/710796635688-iivsgbgsb6uv1fap6635dhvuei09o66c.apps.googleusercontent.com", home);
  assert_int_equal(file_make_folders(path, 0700), 0);
  strcat(path, "/default.json");
  assert_int_equal(file_replace(path, tokens, sizeof tokens - 1, 0600, false), 0);
  {
    READ("gdrive://root/a");
    assert_int_equal(code, 0);
    assert_null(told(&s, "RCLONE_CONFIG_OPIS_ROOT_FOLDER_ID"));
    TOLD("TOKEN", "{\"access_token\":\"at\",\"token_type\":\"Bearer\",\"refresh_token\":\"rt\",\"expiry\":\"2021-03-04T05:06:07Z\"}");
    TOLD("CLIENT_ID", "ci");
    TOLD("CLIENT_SECRET", "cs");
    TOLD("USE_TRASH", "false");
    rclone_setup_free(&s);
  }
  {
    READ("gdrive://root/a", "gdrive_user_credentials_file", key);
    assert_int_equal(code, OPIS_EAUTH); /* {} holds no tokens */
  }
  setenv("GDRIVE_CREDENTIALS_DATA", tokens, 1);
  {
    READ("gdrive://root/a", "gdrive_user_credentials_file", key);
    assert_int_equal(code, 0);
    TOLD("CLIENT_ID", "ci");
    rclone_setup_free(&s);
  }
  unsetenv("GDRIVE_CREDENTIALS_DATA");
}

static int first_line(void *user, const char *text)
{
  snprintf(user, 64, "%s", text);
  return 0;
}

/* rclone itself reads what we have hidden. */
static void hides(void **state)
{
  char plain[64] = "";
  int status = -1;
  rclone_setup s = {0};
  (void)state;
  assert_int_equal(rclone_set_hidden(&s, "PASS", "s3cret wörd"), 0);
  const char *const arguments[] = {"rclone", "reveal", told(&s, "RCLONE_CONFIG_OPIS_PASS"), "--config", "", NULL};
  int code = rclone_run(&status, NULL, NULL, arguments, first_line, plain);
  if (code == OPIS_EUNSUPPORTED)
    skip();
  assert_int_equal(code, 0);
  assert_int_equal(status, 0);
  assert_string_equal(plain, "s3cret wörd");
  rclone_setup_free(&s);
}

static int make_home(void **state)
{
  (void)state;
  strcpy(home, "/tmp/opis-rclone-XXXXXX");
  if (!mkdtemp(home))
    return -1;
  unsetenv("XDG_CACHE_HOME");
  unsetenv("SSH_AUTH_SOCK");
  unsetenv("GDRIVE_CREDENTIALS_DATA");
  unsetenv("AZURE_STORAGE_CONNECTION_STRING");
  unsetenv("AZURE_STORAGE_ACCOUNT");
  return setenv("HOME", home, 1);
}

static int remove_home(void **state)
{
  char command[128];
  (void)state;
  snprintf(command, sizeof command, "rm -r '%s'", home);
  return system(command);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(webdav), cmocka_unit_test(webdav_by_token_and_header), cmocka_unit_test(buckets), cmocka_unit_test(ssh), cmocka_unit_test(drive), cmocka_unit_test(hides)};
  return cmocka_run_group_tests_name("rclone", tests, make_home, remove_home);
}
