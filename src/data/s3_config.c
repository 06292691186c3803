#include "data/s3_config.h"

#include "util/error.h"
#include "util/file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define USUAL_THRESHOLD (UINT64_C(64) << 20)
#define USUAL_PART (UINT64_C(16) << 20)
#define SMALLEST_PART (UINT64_C(5) << 20)
enum { LONGEST_FILE = 1 << 20 };

/* ---- files of ~/.aws ---- */

typedef struct piece {
  const char *s;
  size_t n;
} piece;

static piece trimmed(const char *s, const char *end)
{
  while (s < end && isspace((unsigned char)*s))
    s++;
  while (end > s && isspace((unsigned char)end[-1]))
    end--;
  return (piece){s, (size_t)(end - s)};
}

static bool is(piece p, const char *s)
{
  return p.n == strlen(s) && memcmp(p.s, s, p.n) == 0;
}

/* "[default]", "[profile work]", "[profile 'my work']" */
static piece section_name(piece line)
{
  const char *close = memchr(line.s, ']', line.n);
  return trimmed(line.s + 1, close ? close : line.s + line.n);
}

char *s3_ini_value(const char *text, size_t n, const char *section, const char *inner, const char *key)
{
  const char *end = text + n;
  bool inside = false, under = false;
  piece found = {NULL, 0};
  for (const char *line = text; line < end;) {
    const char *next = memchr(line, '\n', (size_t)(end - line));
    const char *stop = next ? next : end;
    bool indented = *line == ' ' || *line == '\t';
    piece p = trimmed(line, stop);
    line = next ? next + 1 : end;
    if (p.n == 0 || *p.s == '#' || *p.s == ';')
      continue;
    if (*p.s == '[' && !indented) {
      inside = is(section_name(p), section);
      under = false;
      continue;
    }
    const char *equal = memchr(p.s, '=', p.n);
    if (!inside || !equal)
      continue;
    piece name = trimmed(p.s, equal), value = trimmed(equal + 1, p.s + p.n);
    if (!indented)
      under = inner && is(name, inner) && value.n == 0;
    if (indented == (inner != NULL) && (!inner || under) && is(name, key))
      found = value;
  }
  return found.s ? strndup(found.s, found.n) : NULL;
}

typedef struct aws_file {
  char *text;
  size_t n;
} aws_file;

static int home_path(char **path, const char *below)
{
  char *home = file_home();
  int n = home ? asprintf(path, "%s/%s", home, below) : -1;
  free(home);
  return n < 0 ? error_nomem() : 0;
}

/* The variable wins over the setting, as DVC has it. No file: nothing. */
static int read_file(aws_file *f, const char *variable, const char *setting, const char *below)
{
  char *path = NULL;
  const char *given = getenv(variable);
  if (!given || !*given)
    given = setting;
  int code = 0;
  if (given && given[0] == '~' && given[1] == '/')
    code = home_path(&path, given + 2);
  else if (given)
    path = strdup(given);
  else
    code = home_path(&path, below);
  if (code == 0 && !path)
    code = error_nomem();
  if (code == 0)
    code = file_read(&f->text, &f->n, path, LONGEST_FILE);
  if (code == OPIS_ENOTFOUND && !setting)
    code = 0;
  free(path);
  return code;
}

typedef struct reading {
  s3_config *c;
  const remote_settings *settings;
  const char *profile; /* its name */
  bool chosen;         /* by the remote's own settings */
  char *section;       /* of the config file */
  aws_file config, credentials;
} reading;

static char *from_config(const reading *r, const char *inner, const char *key)
{
  return r->config.text ? s3_ini_value(r->config.text, r->config.n, r->section, inner, key) : NULL;
}

static char *from_credentials(const reading *r, const char *key)
{
  return r->credentials.text ? s3_ini_value(r->credentials.text, r->credentials.n, r->profile, NULL, key) : NULL;
}

static char *copied(const char *s)
{
  return s && *s ? strdup(s) : NULL;
}

static char *first_variable(const char *a, const char *b)
{
  char *v = copied(getenv(a));
  return v || !b ? v : copied(getenv(b));
}

/* ---- keys ---- */

void s3_keys_free(s3_keys *k)
{
  if (k->secret)
    explicit_bzero(k->secret, strlen(k->secret));
  if (k->token)
    explicit_bzero(k->token, strlen(k->token));
  free(k->id);
  free(k->secret);
  free(k->token);
  *k = (s3_keys){0};
}

static bool complete(s3_keys *k)
{
  if (k->id && k->secret)
    return true;
  s3_keys_free(k);
  return false;
}

static int find_keys(reading *r)
{
  static const struct {
    const char *key, *what;
  } elsewhere[] = {{"sso_session", "single sign-on"}, {"sso_account_id", "single sign-on"}, {"role_arn", "assumed roles"}};
  s3_config *c = r->c;
  const remote_settings *s = r->settings;
  c->source = S3_FIXED;
  if (remote_setting_bool(s, "allow_anonymous_login", false)) {
    c->source = S3_ANONYMOUS;
    return 0;
  }
  c->keys = (s3_keys){copied(remote_setting(s, "access_key_id")), copied(remote_setting(s, "secret_access_key")), copied(remote_setting(s, "session_token")), 0};
  if (complete(&c->keys))
    return 0;
  if (!r->chosen) {
    c->keys = (s3_keys){copied(getenv("AWS_ACCESS_KEY_ID")), copied(getenv("AWS_SECRET_ACCESS_KEY")), first_variable("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"), 0};
    if (complete(&c->keys))
      return 0;
  }
  c->keys = (s3_keys){from_credentials(r, "aws_access_key_id"), from_credentials(r, "aws_secret_access_key"), from_credentials(r, "aws_session_token"), 0};
  if (complete(&c->keys))
    return 0;
  c->process = from_config(r, NULL, "credential_process");
  if (!c->process)
    c->process = from_credentials(r, "credential_process");
  if (c->process) {
    c->source = S3_PROCESS;
    return 0;
  }
  c->keys = (s3_keys){from_config(r, NULL, "aws_access_key_id"), from_config(r, NULL, "aws_secret_access_key"), from_config(r, NULL, "aws_session_token"), 0};
  if (complete(&c->keys))
    return 0;
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
    char *v = from_config(r, NULL, elsewhere[i].key);
    free(v);
    if (v)
      return error_set(OPIS_EUNSUPPORTED,
        "AWS profile '%s' needs %s, which opis does not do; add this line to its section in ~/.aws/config of a profile of its own: credential_process = aws configure "
        "export-credentials --profile %s",
        r->profile, elsewhere[i].what, r->profile);
  }
  if (r->chosen)
    return error_set(OPIS_EAUTH, "AWS profile '%s' has no keys; 'aws configure --profile %s' sets them", r->profile, r->profile);
  c->source = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") || getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") ? S3_CONTAINER : S3_INSTANCE;
  return 0;
}

/* ---- the rest ---- */

static int find_place(reading *r, const char *url)
{
  s3_config *c = r->c;
  web_url u;
  const remote_settings *s = r->settings;
  const char *start = strstr(url, "://") ? strstr(url, "://") + 3 : url;
  size_t n = strcspn(start, "/");
  c->bucket = strndup(start, n);
  start += n + strspn(start + n, "/");
  n = strlen(start);
  while (n > 0 && start[n - 1] == '/')
    n--;
  c->prefix = strndup(start, n);
  if (!c->bucket || !c->prefix)
    return error_nomem();
  if (!*c->bucket || c->bucket[strspn(c->bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")])
    return error_set(OPIS_EINVALID, "s3://%s: not a bucket's name; the address looks like s3://BUCKET/PATH", c->bucket);
  char *endpoint = copied(remote_setting(s, "endpointurl"));
  if (!endpoint)
    endpoint = first_variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
  if (!endpoint)
    endpoint = from_config(r, NULL, "endpoint_url");
  if (!endpoint)
    return 0;
  int code = web_url_parse(&u, endpoint);
  if (code == 0 && strcmp(u.scheme, "http") != 0 && strcmp(u.scheme, "https") != 0)
    code = OPIS_EINVALID;
  if (code < 0)
    code = code == OPIS_ENOMEM ? code : error_set(OPIS_EINVALID, "endpointurl: not an http address: it looks like https://HOST:PORT");
  else {
    const char *usual = strcmp(u.scheme, "https") == 0 ? ":443" : ":80"; /* libcurl leaves it out of the Host header, which is signed */
    size_t h = strlen(u.host), k = strlen(usual);
    if (h > k && strcmp(u.host + h - k, usual) == 0)
      u.host[h - k] = '\0';
    if (asprintf(&c->endpoint, "%s://%s%s", u.scheme, u.host, u.path) < 0)
      code = error_nomem();
  }
  web_url_free(&u);
  free(endpoint);
  return code;
}

static uint64_t human_size(char *text, uint64_t otherwise)
{
  static const char units[] = "kmgt";
  char *end;
  if (!text)
    return otherwise;
  uint64_t n = strtoull(text, &end, 10);
  while (*end == ' ')
    end++;
  const char *unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
  for (const char *u = units; unit && u <= unit; u++)
    n = n > UINT64_MAX / 1024 ? UINT64_MAX : n * 1024;
  free(text);
  return n;
}

static int put_header(strbuf *b, const char *name, const char *value)
{
  if (!value || !*value)
    return 0;
  if (strpbrk(value, "\r\n"))
    return error_set(OPIS_EINVALID, "%s: a value with a line break", name);
  strbuf_printf(b, "%s: %s%c", name, value, '\0');
  return strbuf_check(b);
}

static int find_headers(s3_config *c, const remote_settings *s)
{
  static const char *const put[][2] = {{"sse", "x-amz-server-side-encryption"}, {"sse_kms_key_id", "x-amz-server-side-encryption-aws-kms-key-id"}, {"acl", "x-amz-acl"},
    {"grant_read", "x-amz-grant-read"}, {"grant_read_acp", "x-amz-grant-read-acp"}, {"grant_write_acp", "x-amz-grant-write-acp"},
    {"grant_full_control", "x-amz-grant-full-control"}};
  int code = 0;
  for (size_t i = 0; i < sizeof put / sizeof *put && code == 0; i++)
    code = put_header(&c->put_headers, put[i][1], remote_setting(s, put[i][0]));
  const char *key = remote_setting(s, "sse_customer_key"), *algorithm = remote_setting(s, "sse_customer_algorithm");
  if (code < 0 || !key || !*key)
    return code;
  if (remote_setting(s, "sse_kms_key_id"))
    return error_set(OPIS_EINVALID, "sse_kms_key_id and sse_customer_key exclude each other");
  return s3_customer_key(&c->every_headers, key, algorithm && *algorithm ? algorithm : "AES256");
}

static int read_all(reading *r, const char *url)
{
  s3_config *c = r->c;
  const remote_settings *s = r->settings;
  const char *given = remote_setting(s, "profile");
  r->chosen = given && *given;
  if (!r->chosen)
    given = getenv("AWS_PROFILE");
  if (!given || !*given)
    given = getenv("AWS_DEFAULT_PROFILE");
  r->profile = given && *given ? given : "default";
  int code = read_file(&r->config, "AWS_CONFIG_FILE", remote_setting(s, "configpath"), ".aws/config");
  if (code == 0)
    code = read_file(&r->credentials, "AWS_SHARED_CREDENTIALS_FILE", remote_setting(s, "credentialpath"), ".aws/credentials");
  if (code == 0 &&
    (strcmp(r->profile, "default") == 0 ? !(r->section = strdup("default")) : asprintf(&r->section, strchr(r->profile, ' ') ? "profile \"%s\"" : "profile %s", r->profile) < 0))
    code = error_nomem();
  if (code == 0)
    code = find_place(r, url);
  if (code == 0)
    code = find_keys(r);
  if (code == 0)
    code = find_headers(c, s);
  if (code < 0)
    return code;
  c->ssl = remote_setting_bool(s, "use_ssl", true);
  c->region = copied(remote_setting(s, "region"));
  if (!c->region)
    c->region = first_variable("AWS_REGION", "AWS_DEFAULT_REGION");
  if (!c->region)
    c->region = from_config(r, NULL, "region");
  c->region_given = c->region != NULL;
  if (!c->region && !(c->region = strdup("us-east-1")))
    return error_nomem();
  if (c->region[strspn(c->region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")])
    return error_set(OPIS_EINVALID, "region '%s': not a region's name", c->region);
  c->threshold = human_size(from_config(r, "s3", "multipart_threshold"), USUAL_THRESHOLD);
  c->part = human_size(from_config(r, "s3", "multipart_chunksize"), USUAL_PART);
  if (c->part < SMALLEST_PART)
    c->part = SMALLEST_PART;
  char *style = from_config(r, "s3", "addressing_style");
  /* Another's service takes names in its path everywhere; Amazon's own wants them in the host, which certificates allow for names without dots. */
  c->path_style = style && strcmp(style, "path") == 0 ? true : style && strcmp(style, "virtual") == 0 ? false : c->endpoint || strpbrk(c->bucket, "._ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  free(style);
  return 0;
}

int s3_config_read(s3_config *c, const char *url, const remote_settings *settings)
{
  reading r = {.c = c, .settings = settings};
  *c = (s3_config){0};
  int code = read_all(&r, url);
  if (r.credentials.text)
    explicit_bzero(r.credentials.text, r.credentials.n);
  free(r.credentials.text);
  free(r.config.text);
  free(r.section);
  if (code < 0)
    s3_config_free(c);
  return code;
}

void s3_config_free(s3_config *c)
{
  s3_keys_free(&c->keys);
  free(c->bucket);
  free(c->prefix);
  free(c->endpoint);
  free(c->region);
  free(c->process);
  strbuf_free(&c->every_headers);
  strbuf_free(&c->put_headers);
  *c = (s3_config){0};
}
