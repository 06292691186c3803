/* DVC's addresses and settings as rclone's. */
#include "data/rclone.h"

#include "data/remote_web.h"
#include "util/crypto.h"
#include "util/error.h"
#include "util/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

void rclone_setup_free(rclone_setup *s)
{
  if (s->env.s)
    explicit_bzero(s->env.s, s->env.n);
  strbuf_free(&s->env);
  free(s->fs);
  *s = (rclone_setup){0};
}

void rclone_set(rclone_setup *s, const char *key, const char *value)
{
  if (value)
    strbuf_printf(&s->env, "RCLONE_CONFIG_OPIS_%s=%s%c", key, value, '\0');
}

static void set_global(rclone_setup *s, const char *key, const char *value)
{
  if (value)
    strbuf_printf(&s->env, "RCLONE_%s=%s%c", key, value, '\0');
}

int rclone_set_hidden(rclone_setup *s, const char *key, const char *value)
{
  static const uint8_t known[32] = {0x9c, 0x93, 0x5b, 0x48, 0x73, 0x0a, 0x55, 0x4d, 0x6b, 0xfd, 0x7c, 0x63, 0xc8, 0x86, 0xa9, 0x2b, 0xd3, 0x90, 0x19, 0x8e, 0xb8, 0x12, 0x8a, 0xfb,
    0xf4, 0xde, 0x16, 0x2b, 0x8b, 0x95, 0xf6, 0x38}; /* the same in every rclone */
  if (!value)
    return 0;
  size_t n = strlen(value);
  uint8_t *bytes = malloc(16 + n), *text = malloc((16 + n + 2) / 3 * 4 + 1);
  EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
  int some = 0, code = bytes && text && c && n < 65536 ? 0 : crypto_error();
  if (code == 0 &&
    (getrandom(bytes, 16, 0) != 16 || EVP_EncryptInit_ex(c, EVP_aes_256_ctr(), NULL, known, bytes) != 1 ||
      EVP_EncryptUpdate(c, bytes + 16, &some, (const uint8_t *)value, (int)n) != 1))
    code = error_set(OPIS_EINTERNAL, "libcrypto has no AES");
  if (code == 0) {
    int length = EVP_EncodeBlock(text, bytes, (int)(16 + n));
    for (int i = 0; i < length; i++)
      text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i] == '=' ? '\0' : text[i];
    rclone_set(s, key, (const char *)text);
  }
  EVP_CIPHER_CTX_free(c);
  free(bytes);
  free(text);
  return code;
}

static int no_prompt(const remote_settings *settings, const char *ask, const char *key)
{
  if (remote_setting(settings, key) || !remote_setting_bool(settings, ask, false))
    return 0;
  return error_set(OPIS_EUNSUPPORTED, "%s: opis does not ask; 'opis data remote modify --local NAME %s VALUE' keeps it out of git", ask, key);
}

static int set_fs(rclone_setup *s, const char *name, const char *path)
{
  if (strchr(path, ']'))
    return error_set(OPIS_EUNSUPPORTED, "%s: a path with ']'", path);
  return asprintf(&s->fs, "%s:%s", name, path) < 0 ? error_nomem() : 0;
}

static void set_seconds(rclone_setup *s, const char *key, const char *value)
{
  char text[32];
  double n = value ? strtod(value, NULL) : 0;
  if (!(n > 0 && n < 1e6))
    return;
  snprintf(text, sizeof text, "%.0fs", n < 1 ? 1 : n);
  set_global(s, key, text);
}

/* What is the same for servers: DVC's time-out, and few tries, as a wrong password ten times may lock the account, and ten times five minutes are too long for one that hangs. */
static void set_patience(rclone_setup *s, const remote_settings *settings)
{
  set_seconds(s, "CONTIMEOUT", remote_setting(settings, "timeout"));
  set_seconds(s, "TIMEOUT", remote_setting(settings, "timeout"));
  set_global(s, "LOW_LEVEL_RETRIES", "3");
}

/* What is the same for all that go over TLS. */
static void set_trust(rclone_setup *s, const remote_settings *settings)
{
  const char *verify = remote_setting(settings, "ssl_verify");
  if (verify && strchr(verify, '/'))
    set_global(s, "CA_CERT", verify);
  else if (!remote_setting_bool(settings, "ssl_verify", true))
    set_global(s, "NO_CHECK_CERTIFICATE", "true");
  set_global(s, "CLIENT_CERT", remote_setting(settings, "cert_path"));
  set_global(s, "CLIENT_KEY", remote_setting(settings, "key_path"));
}

/* ---- WebDAV ---- */

static int webdav(rclone_setup *s, const web_url *u, const remote_settings *settings)
{
  const char *user = remote_setting(settings, "user"), *password = remote_setting(settings, "password"), *token = remote_setting(settings, "token"),
             *header = remote_setting(settings, "custom_auth_header");
  char *base = NULL, *line = NULL;
  int code = no_prompt(settings, "ask_password", "password");
  if (code == 0 && asprintf(&base, "%s://%s", strcmp(u->scheme, "webdavs") == 0 ? "https" : "http", u->host) < 0)
    code = error_nomem();
  rclone_set(s, "TYPE", "webdav");
  rclone_set(s, "VENDOR", "other");
  rclone_set(s, "URL", base);
  if (token)
    rclone_set(s, "BEARER_TOKEN", token);
  else if (user || (u->user && !header)) {
    rclone_set(s, "USER", user ? user : u->user);
    if (code == 0)
      code = rclone_set_hidden(s, "PASS", password ? password : u->password);
  } else if (header && password) {
    if (strpbrk(header, ",\"\r\n") || strpbrk(password, "\"\r\n"))
      code = error_set(OPIS_EINVALID, "custom_auth_header and password make no header");
    else if (code == 0 && asprintf(&line, "%s,\"%s\"", header, password) < 0)
      code = error_nomem();
    rclone_set(s, "HEADERS", line);
  }
  rclone_set(s, "BEARER_TOKEN_COMMAND", remote_setting(settings, "bearer_token_command"));
  set_trust(s, settings);
  set_patience(s, settings);
  s->jobs = 16;
  if (line)
    explicit_bzero(line, strlen(line));
  free(line);
  free(base);
  return code;
}

/* ---- SFTP ---- */

typedef struct ssh_facts {
  char *host, *user, *port, *key, *known_hosts, *jump;
} ssh_facts;

static void ssh_facts_free(ssh_facts *f)
{
  free(f->host);
  free(f->user);
  free(f->port);
  free(f->key);
  free(f->known_hosts);
  free(f->jump);
}

static char *home_expanded(const char *path, size_t n)
{
  const char *home = getenv("HOME");
  char *out;
  if (n > 1 && path[0] == '~' && path[1] == '/' && home)
    return asprintf(&out, "%s%.*s", home, (int)n - 1, path + 1) < 0 ? NULL : out;
  return strndup(path, n);
}

/* The first of several files, with blanks between them, that is there. */
static char *first_file(const char *list)
{
  while (*list) {
    size_t n = strcspn(list, " ");
    char *path = home_expanded(list, n);
    if (path && file_exists(path))
      return path;
    free(path);
    list += n + strspn(list + n, " ");
  }
  return NULL;
}

/* A line of `ssh -G HOST`: what ssh would do with ~/.ssh/config and /etc/ssh. */
static int on_fact(void *user, const char *text)
{
  ssh_facts *f = user;
  const char *value = strchr(text, ' ');
  char **to = NULL;
  if (!value)
    return 0;
  size_t n = (size_t)(value++ - text);
  if (n == 8 && memcmp(text, "hostname", n) == 0)
    to = &f->host;
  else if (n == 4 && memcmp(text, "user", n) == 0)
    to = &f->user;
  else if (n == 4 && memcmp(text, "port", n) == 0)
    to = &f->port;
  else if (n == 9 && memcmp(text, "proxyjump", n) == 0)
    to = &f->jump;
  if (to && !*to && !(*to = strdup(value)))
    return error_nomem();
  if (n == 12 && memcmp(text, "identityfile", n) == 0 && !f->key)
    f->key = first_file(value);
  if ((n == 18 && memcmp(text, "userknownhostsfile", n) == 0) || (n == 20 && memcmp(text, "globalknownhostsfile", n) == 0))
    if (!f->known_hosts)
      f->known_hosts = first_file(value);
  return 0;
}

static int ask_ssh(ssh_facts *f, const char *host)
{
  const char *const arguments[] = {"ssh", "-G", "--", host, NULL};
  const char *home = getenv("HOME");
  char *account = file_account_home();
  int status, elsewhere = home && account && strcmp(home, account) != 0; /* ssh does not see that HOME is another */
  free(account);
  if (elsewhere)
    on_fact(f, "userknownhostsfile ~/.ssh/known_hosts");
  int code = rclone_run(&status, NULL, NULL, arguments, on_fact, f);
  if (code == OPIS_ENOTFOUND) /* no ssh here: the usual place */
    code = on_fact(f, "userknownhostsfile ~/.ssh/known_hosts");
  return code;
}

static int sftp(rclone_setup *s, const web_url *u, const remote_settings *settings)
{
  ssh_facts f = {0};
  const char *colon = strrchr(u->host, ':'), *close = strrchr(u->host, ']');
  char *host = strndup(u->host, colon && (!close || colon > close) ? (size_t)(colon - u->host) : strlen(u->host));
  const char *port = remote_setting(settings, "port"), *user = remote_setting(settings, "user"), *key = remote_setting(settings, "keyfile");
  const char *password = remote_setting(settings, "password"), *agent = getenv("SSH_AUTH_SOCK");
  int code = host ? 0 : error_nomem();
  if (code == 0 && (!*host || *host == '-' || strpbrk(host, " \t\r\n")))
    code = error_set(OPIS_EINVALID, "an ssh address looks like ssh://USER@HOST/PATH");
  if (code == 0 && (code = no_prompt(settings, "ask_password", "password")) == 0 && (code = no_prompt(settings, "ask_passphrase", "passphrase")) == 0)
    code = ask_ssh(&f, host);
  if (code == 0 && !f.known_hosts)
    code = error_set(OPIS_EAUTH, "nobody has said yet which key %s has; connect once with 'ssh %s', or: ssh-keyscan %s >>~/.ssh/known_hosts", host, host, host);
  if (!port && colon && (!close || colon > close))
    port = colon + 1;
  if (!password)
    password = u->password;
  rclone_set(s, "TYPE", "sftp");
  rclone_set(s, "HOST", f.host ? f.host : host);
  rclone_set(s, "PORT", port ? port : f.port);
  rclone_set(s, "USER", user ? user : u->user ? u->user : f.user);
  rclone_set(s, "KNOWN_HOSTS_FILE", f.known_hosts);
  if (key || (!password && !(agent && *agent)))
    rclone_set(s, "KEY_FILE", key ? key : f.key);
  if (code == 0)
    code = rclone_set_hidden(s, "PASS", password);
  if (code == 0)
    code = rclone_set_hidden(s, "KEY_FILE_PASS", remote_setting(settings, "passphrase"));
  if (f.jump) { /* rclone 1.62 and later take ssh itself as the way */
    char *command = NULL;
    if (asprintf(&command, "ssh %s%s%s%s%s", port ? "-p " : "", port ? port : "", port ? " " : "", host ? host : "", "") > 0)
      rclone_set(s, "SSH", command);
    free(command);
  }
  rclone_set(s, "DISABLE_HASHCHECK", "true"); /* a shell command a file; what comes down is hashed by us */
  rclone_set(s, "SET_MODTIME", "false");
  rclone_set(s, "SHELL_TYPE", "none");
  set_patience(s, settings);
  s->jobs = 8; /* each a connection of its own, of which sshd takes ten at a time */
  ssh_facts_free(&f);
  free(host);
  return code;
}

/* ---- buckets ---- */

static void google(rclone_setup *s, const remote_settings *settings)
{
  const char *key = remote_setting(settings, "credentialpath");
  rclone_set(s, "TYPE", "google cloud storage");
  rclone_set(s, "SERVICE_ACCOUNT_FILE", key ? key : getenv("GOOGLE_APPLICATION_CREDENTIALS"));
  rclone_set(s, "PROJECT_NUMBER", remote_setting(settings, "projectname"));
  rclone_set(s, "ENDPOINT", remote_setting(settings, "endpointurl"));
  rclone_set(s, "BUCKET_POLICY_ONLY", "true");
  if (remote_setting_bool(settings, "allow_anonymous_login", false))
    rclone_set(s, "ANONYMOUS", "true");
}

/* "AccountName=a;AccountKey=b==;EndpointSuffix=core.windows.net" */
static char *part_of(const char *connection, const char *name)
{
  size_t n = strlen(name);
  while (connection && *connection) {
    size_t length = strcspn(connection, ";");
    if (length > n && strncasecmp(connection, name, n) == 0 && connection[n] == '=')
      return strndup(connection + n + 1, length - n - 1);
    connection += length + (connection[length] == ';');
  }
  return NULL;
}

static const char *or_variable(const remote_settings *settings, const char *key, const char *variable)
{
  const char *v = remote_setting(settings, key);
  return v ? v : getenv(variable);
}

static int azure(rclone_setup *s, const web_url *u, const remote_settings *settings)
{
  const char *connection = or_variable(settings, "connection_string", "AZURE_STORAGE_CONNECTION_STRING"), *sas = or_variable(settings, "sas_token", "AZURE_STORAGE_SAS_TOKEN");
  char *account = part_of(connection, "AccountName"), *key = part_of(connection, "AccountKey"), *endpoint = part_of(connection, "BlobEndpoint"),
       *signature = part_of(connection, "SharedAccessSignature");
  const char *name = or_variable(settings, "account_name", "AZURE_STORAGE_ACCOUNT");
  char *url = NULL;
  int code = 0;
  if (account)
    name = account;
  if (signature)
    sas = signature;
  rclone_set(s, "TYPE", "azureblob");
  rclone_set(s, "ENDPOINT", endpoint);
  if (sas && name && !key) {
    if (asprintf(&url, "https://%s.blob.core.windows.net/%s?%s", name, u->host, sas + (*sas == '?')) < 0)
      code = error_nomem();
    rclone_set(s, "SAS_URL", url);
  } else {
    rclone_set(s, "ACCOUNT", name);
    rclone_set(s, "KEY", key ? key : or_variable(settings, "account_key", "AZURE_STORAGE_KEY"));
    rclone_set(s, "TENANT", remote_setting(settings, "tenant_id")); /* rclone 1.61 and later */
    rclone_set(s, "CLIENT_ID", remote_setting(settings, "client_id"));
    rclone_set(s, "CLIENT_SECRET", remote_setting(settings, "client_secret"));
  }
  if (code == 0 && !name)
    code = error_set(OPIS_EAUTH, "azure: no account; set connection_string, or account_name with account_key or sas_token ('opis data remote modify --local NAME …')");
  char *secrets[] = {account, key, endpoint, signature, url};
  for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
    if (secrets[i])
      explicit_bzero(secrets[i], strlen(secrets[i]));
    free(secrets[i]);
  }
  return code;
}

static void alibaba(rclone_setup *s, const remote_settings *settings)
{
  rclone_set(s, "TYPE", "s3");
  rclone_set(s, "PROVIDER", "Alibaba");
  rclone_set(s, "ACCESS_KEY_ID", or_variable(settings, "oss_key_id", "OSS_ACCESS_KEY_ID"));
  rclone_set(s, "SECRET_ACCESS_KEY", or_variable(settings, "oss_key_secret", "OSS_ACCESS_KEY_SECRET"));
  rclone_set(s, "ENDPOINT", or_variable(settings, "oss_endpoint", "OSS_ENDPOINT"));
  rclone_set(s, "NO_CHECK_BUCKET", "true");
}

static int by_scheme(rclone_setup *s, const web_url *u, const remote_settings *settings)
{
  char *path = NULL;
  const char *below = *u->path ? u->path + 1 : "";
  int code = 0;
  s->jobs = 16;
  if (strcmp(u->scheme, "rclone") == 0) {
    s->own = true;
    return *u->host ? set_fs(s, u->host, below) : error_set(OPIS_EINVALID, "the address looks like rclone://NAME/PATH, NAME as 'rclone listremotes' shows it");
  }
  if (strncmp(u->scheme, "webdav", 6) == 0) {
    if ((code = webdav(s, u, settings)) == 0)
      code = (path = web_decoded(below, strlen(below))) ? set_fs(s, "opis", path) : error_nomem();
    free(path);
    return code;
  }
  if (strcmp(u->scheme, "ssh") == 0 || strcmp(u->scheme, "sftp") == 0) {
    code = sftp(s, u, settings);
    return code == 0 ? set_fs(s, "opis", *u->path ? u->path : "/") : code;
  }
  if (strcmp(u->scheme, "hdfs") == 0) {
    rclone_set(s, "TYPE", "hdfs");
    rclone_set(s, "NAMENODE", u->host);
    rclone_set(s, "USERNAME", remote_setting(settings, "user") ? remote_setting(settings, "user") : u->user);
    return set_fs(s, "opis", *u->path ? u->path : "/");
  }
  s->whole = true;
  if (strcmp(u->scheme, "gs") == 0)
    google(s, settings);
  else if (strcmp(u->scheme, "azure") == 0)
    code = azure(s, u, settings);
  else
    alibaba(s, settings);
  if (code == 0 && asprintf(&path, "%s%s", u->host, u->path) < 0)
    code = error_nomem();
  if (code == 0)
    code = set_fs(s, "opis", path);
  free(path);
  return code;
}

int rclone_setup_read(rclone_setup *s, const char *url, const remote_settings *settings)
{
  static const char *const plain[][2] = {
    {"LOG_FILE", ""}, {"LOG_LEVEL", "NOTICE"}, {"VERBOSE", "0"}, {"QUIET", "false"}, {"USE_JSON_LOG", "false"}, {"SYSLOG", "false"}}; /* we read what it says */
  web_url u;
  *s = (rclone_setup){0};
  int code = web_url_parse(&u, url);
  if (code < 0)
    return code;
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    set_global(s, plain[i][0], plain[i][1]);
  set_seconds(s, "CONTIMEOUT", remote_setting(settings, "connect_timeout"));
  set_seconds(s, "TIMEOUT", remote_setting(settings, "read_timeout"));
  code = strcmp(u.scheme, "gdrive") == 0 ? rclone_setup_drive(s, url, settings) : by_scheme(s, &u, settings);
  if (code == 0)
    code = strbuf_check(&s->env);
  web_url_free(&u);
  if (code < 0)
    rclone_setup_free(s);
  return code;
}
