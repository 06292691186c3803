/* Keys that are not written down: a program, the container or the machine gives them, for some hours. */
#include "data/s3_config.h"

#include "util/crypto.h"
#include "util/error.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define BEFORE_END 300 /* seconds before keys run out that new ones are brought */
#define INSTANCE "http://169.254.169.254/latest/"
enum { LONGEST_ANSWER = 65536 };

static const char none[] =
  "no AWS credentials: set access_key_id and secret_access_key of the remote ('opis data remote modify --local NAME access_key_id …'), AWS_ACCESS_KEY_ID and "
  "AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials";

/* {"AccessKeyId", "SecretAccessKey", "SessionToken" or "Token", "Expiration": "2030-01-01T00:00:00Z"} */
static int take_keys(s3_keys *k, const char *text, size_t n, const char *from)
{
  json_t *j = json_loadb(text, n, 0, NULL);
  const char *id = json_string_value(json_object_get(j, "AccessKeyId")), *secret = json_string_value(json_object_get(j, "SecretAccessKey"));
  const char *token = json_string_value(json_object_get(j, "SessionToken")), *end = json_string_value(json_object_get(j, "Expiration"));
  if (!token)
    token = json_string_value(json_object_get(j, "Token"));
  struct tm t = {0};
  int code = 0;
  if (!id || !secret)
    code = error_set(OPIS_EAUTH, "%s gave no AWS keys", from);
  else {
    s3_keys_free(k);
    *k = (s3_keys){strdup(id), strdup(secret), token ? strdup(token) : NULL, end && strptime(end, "%Y-%m-%dT%H:%M:%S", &t) ? timegm(&t) : 0};
    if (!k->id || !k->secret || (token && !k->token))
      code = error_nomem();
  }
  json_decref(j);
  return code;
}

static int from_process(s3_config *c)
{
  char text[LONGEST_ANSWER];
  size_t n = 0;
  FILE *f = popen(c->process, "re"); /* the user's own command line, from the user's own file */
  if (!f)
    return error_set_errno("credential_process");
  for (size_t k; n < sizeof text && (k = fread(text + n, 1, sizeof text - n, f)) > 0;)
    n += k;
  int status = pclose(f);
  int code = status != 0 ? error_set(OPIS_EAUTH, "credential_process of ~/.aws/config failed (status %d)", WIFEXITED(status) ? WEXITSTATUS(status) : status)
                         : take_keys(&c->keys, text, n, "credential_process");
  explicit_bzero(text, sizeof text);
  return code;
}

static int ask(http_response *a, web *w, const char *method, const char *url, const char *header)
{
  static const http_trust quick = {.direct = true, .connect_seconds = 1, .stall_seconds = 3};
  const char *headers[2] = {header, NULL};
  int code = web_perform(w, a, &(http_request){.url = url, .method = method, .headers = headers, .attempts = 1, .trust = &quick, .max_body = LONGEST_ANSWER}, NULL);
  if (code == OPIS_ENETWORK || (code == 0 && a->status != 200) || (code == 0 && !a->body.s))
    return error_set(OPIS_EAUTH, "%s", none);
  return code;
}

static int from_container(s3_config *c, web *w)
{
  const char *below = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"), *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  char *url = NULL, *header = NULL;
  http_response a = HTTP_RESPONSE_INIT;
  int made = below && *below ? asprintf(&url, "http://169.254.170.2%s", below) : asprintf(&url, "%s", full ? full : "");
  if (made < 0)
    return error_nomem();
  if (token && !strpbrk(token, "\r\n") && asprintf(&header, "Authorization: %s", token) < 0)
    header = NULL;
  int code = ask(&a, w, NULL, url, header);
  if (code == 0)
    code = take_keys(&c->keys, a.body.s, a.body.n, "the container's service");
  http_response_free(&a);
  free(header);
  free(url);
  return code;
}

static int from_instance(s3_config *c, web *w)
{
  http_response a = HTTP_RESPONSE_INIT;
  char header[512], url[512];
  const char *off = getenv("AWS_EC2_METADATA_DISABLED");
  if (off && strcmp(off, "true") == 0)
    return error_set(OPIS_EAUTH, "%s", none);
  int code = ask(&a, w, "PUT", INSTANCE "api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600");
  if (code == 0 && a.body.s)
    snprintf(header, sizeof header, "X-aws-ec2-metadata-token: %.400s", a.body.s);
  if (code == 0)
    code = ask(&a, w, NULL, INSTANCE "meta-data/iam/security-credentials/", header);
  if (code == 0 && a.body.s) {
    snprintf(url, sizeof url, INSTANCE "meta-data/iam/security-credentials/%.*s", (int)strcspn(a.body.s, "\r\n /"), a.body.s);
    code = ask(&a, w, NULL, url, header);
  }
  if (code == 0)
    code = take_keys(&c->keys, a.body.s, a.body.n, "the machine's metadata service");
  http_response_free(&a);
  return code;
}

int s3_config_renew(s3_config *c, web *w, time_t now)
{
  if (c->source == S3_FIXED || c->source == S3_ANONYMOUS || (c->keys.id && (c->keys.expires == 0 || now + BEFORE_END < c->keys.expires)))
    return 0;
  return c->source == S3_PROCESS ? from_process(c) : c->source == S3_CONTAINER ? from_container(c, w) : from_instance(c, w);
}

int s3_customer_key(strbuf *headers, const char *base64, const char *algorithm)
{
  uint8_t key[128], md5[EVP_MAX_MD_SIZE], sum[64];
  size_t n = strlen(base64);
  int length = n <= 128 ? EVP_DecodeBlock(key, (const uint8_t *)base64, (int)n) : -1;
  for (size_t i = n; length > 0 && i > 0 && base64[i - 1] == '='; i--)
    length--;
  if (length <= 0 || strpbrk(base64, "\r\n") || strpbrk(algorithm, "\r\n"))
    return error_set(OPIS_EINVALID, "sse_customer_key: not a key in base64");
  if (EVP_Digest(key, (size_t)length, md5, NULL, EVP_md5(), NULL) != 1)
    return error_set(OPIS_EUNSUPPORTED, "libcrypto has no MD5");
  EVP_EncodeBlock(sum, md5, 16);
  explicit_bzero(key, sizeof key);
  strbuf_printf(headers, "x-amz-server-side-encryption-customer-algorithm: %s%c", algorithm, '\0');
  strbuf_printf(headers, "x-amz-server-side-encryption-customer-key: %s%c", base64, '\0');
  strbuf_printf(headers, "x-amz-server-side-encryption-customer-key-md5: %s%c", (const char *)sum, '\0');
  return strbuf_check(headers);
}
