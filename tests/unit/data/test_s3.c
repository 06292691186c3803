/* Signatures against the examples of Amazon's documentation ("Examples: Signature Calculations"), the XML of answers, and the files of ~/.aws. */
#include "data/s3_config.h"
#include "data/s3_sign.h"
#include "data/s3_xml.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include <stdlib.h>
#include <string.h>

static void signs(void **state)
{
  static const struct {
    const char *method, *path, *query, *payload, *headers, *signature;
    size_t n;
  } cases[] = {
    {"GET", "/test.txt", "", S3_EMPTY, "range: bytes=0-9", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", sizeof "range: bytes=0-9"},
    {"PUT", "/test%24file.text", "", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
      "x-amz-storage-class: REDUCED_REDUNDANCY\0date: Fri, 24 May 2013 00:00:00 GMT", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
      sizeof "x-amz-storage-class: REDUCED_REDUNDANCY\0date: Fri, 24 May 2013 00:00:00 GMT"},
    {"GET", "/", "lifecycle=", S3_EMPTY, "", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", 0},
    {"GET", "/", "max-keys=2&prefix=J", S3_EMPTY, "", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    strbuf out = STRBUF_INIT, headers = STRBUF_INIT;
    strbuf_append(&headers, cases[i].headers, cases[i].n);
    s3_signing s = {cases[i].method, "examplebucket.s3.amazonaws.com", cases[i].path, cases[i].query, "us-east-1", cases[i].payload, &headers, "AKIAIOSFODNN7EXAMPLE",
      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL, 1369353600};
    assert_int_equal(s3_sign(&out, &s), 0);
    const char *authorization = NULL;
    for (size_t at = 0; at < out.n; at += strlen(out.s + at) + 1)
      if (strncmp(out.s + at, "Authorization: ", 15) == 0)
        authorization = out.s + at;
    assert_non_null(authorization);
    assert_string_equal(strstr(authorization, "Signature=") + 10, cases[i].signature);
    assert_null(strstr(authorization, "wJalr"));
    strbuf_free(&out);
    strbuf_free(&headers);
  }
}

static void hashes(void **state)
{
  char hex[SHA256_HEX];
  (void)state;
  assert_int_equal(s3_sha256(hex, "", 0), 0);
  assert_string_equal(hex, S3_EMPTY);
}

static int write_down(void *user, const char *parent, const char *name, const char *text)
{
  strbuf_printf(user, "%s/%s=%s;", parent, name, text ? text : "<>");
  return strcmp(name, "Stop") == 0 ? 7 : 0;
}

static void reads_xml(void **state)
{
  static const struct {
    const char *in, *out;
    int code;
  } cases[] = {
    {"<a xmlns='http://x'><b>1 &lt; 2</b><c/><d><e>&quot;x&quot;</e></d></a>", "a/b=1 < 2;a/c=;d/e=\"x\";a/d=<>;/a=<>;", 0},
    {"<n:a xmlns:n='u'><n:b>x</n:b></n:a>", "a/b=x;/a=<>;", 0},
    {"<a><Stop>x</Stop><b>y</b></a>", "a/Stop=x;", 7},
    {"<a><b>x</b>", "a/b=x;", OPIS_EFORMAT},
    {"", "", OPIS_EFORMAT},
    {"not xml", "", OPIS_EFORMAT},
    {"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "", OPIS_EFORMAT},
    {"<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>", "", OPIS_EFORMAT},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    strbuf b = STRBUF_INIT;
    strbuf_puts(&b, "");
    assert_int_equal(s3_xml(cases[i].in, strlen(cases[i].in), write_down, &b, "test"), cases[i].code);
    assert_string_equal(b.n ? b.s : "", cases[i].out);
    strbuf_free(&b);
  }
  char *longest = malloc(70004);
  assert_non_null(longest);
  memset(longest, 'x', 70004);
  memcpy(longest, "<a>", 3);
  strbuf b = STRBUF_INIT;
  assert_int_equal(s3_xml(longest, 70004, write_down, &b, "test"), OPIS_EFORMAT);
  strbuf_free(&b);
  free(longest);
}

static void reads_aws_files(void **state)
{
  static const char text[] = "# a comment\n[default]\naws_access_key_id = one\nregion=eu-west-1\n\n[profile work]\nregion = us-west-2\ns3 =\n  addressing_style = path\n  max = 3\n"
                             "aws_access_key_id = two = three\n[profile \"two words\"]\nregion = x\n[ default ]\nregion = later";
  static const struct {
    const char *section, *inner, *key, *value;
  } cases[] = {
    {"default", NULL, "aws_access_key_id", "one"},
    {"default", NULL, "region", "later"},
    {"profile work", NULL, "region", "us-west-2"},
    {"profile work", "s3", "addressing_style", "path"},
    {"profile work", "s3", "max", "3"},
    {"profile work", NULL, "addressing_style", NULL},
    {"profile work", NULL, "aws_access_key_id", "two = three"},
    {"profile \"two words\"", NULL, "region", "x"},
    {"work", NULL, "region", NULL},
    {"default", "s3", "region", NULL},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *v = s3_ini_value(text, sizeof text - 1, cases[i].section, cases[i].inner, cases[i].key);
    if (cases[i].value)
      assert_string_equal(v, cases[i].value);
    else
      assert_null(v);
    free(v);
  }
}

/* Settings as pairs of strings. */
static const char *pair(const void *user, const char *key)
{
  for (const char *const *p = user; *p; p += 2)
    if (strcmp(p[0], key) == 0)
      return p[1];
  return NULL;
}

static void reads_settings(void **state)
{
  static const char *const given[] = {"endpointurl", "http://127.0.0.1:80/below/", "access_key_id", "a", "secret_access_key", "b", "region", "eu-north-1", NULL};
  static const char *const broken[] = {"access_key_id", "a", "secret_access_key", "b", "region", "eu\r\nX: y", NULL};
  static const char *const customer[] = {"access_key_id", "a", "secret_access_key", "b", "sse_customer_key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", NULL};
  s3_config c;
  (void)state;
  setenv("HOME", "/nonexistent", 1);
  unsetenv("AWS_PROFILE");
  assert_int_equal(s3_config_read(&c, "s3://bucket/a/b/", &(remote_settings){pair, given}), 0);
  assert_string_equal(c.bucket, "bucket");
  assert_string_equal(c.prefix, "a/b");
  assert_string_equal(c.endpoint, "http://127.0.0.1/below");
  assert_true(c.path_style && c.region_given && c.source == S3_FIXED);
  assert_int_equal(c.threshold, 64 << 20);
  s3_config_free(&c);
  assert_int_equal(s3_config_read(&c, "s3://bucket", &(remote_settings){pair, broken}), OPIS_EINVALID);
  assert_int_equal(s3_config_read(&c, "s3://", &(remote_settings){pair, given}), OPIS_EINVALID);
  assert_int_equal(s3_config_read(&c, "s3://a@b/x", &(remote_settings){pair, given}), OPIS_EINVALID);
  assert_int_equal(s3_config_read(&c, "s3://bucket", &(remote_settings){pair, customer}), 0);
  assert_false(c.path_style);
  assert_string_equal(c.prefix, "");
  assert_int_equal(c.every_headers.n > 0, 1);
  s3_config_free(&c);
}

static void takes_urls_apart(void **state)
{
  web_url u;
  (void)state;
  assert_int_equal(web_url_parse(&u, "HTTPS://me:s%40cret@host:81/a/b//"), 0);
  assert_string_equal(u.url, "https://host:81/a/b");
  assert_string_equal(u.user, "me");
  assert_string_equal(u.password, "s@cret");
  assert_string_equal(u.host, "host:81");
  assert_string_equal(u.path, "/a/b");
  web_url_free(&u);
  assert_int_equal(web_url_parse(&u, "http://host"), 0);
  assert_null(u.user);
  assert_string_equal(u.path, "");
  web_url_free(&u);
  assert_int_equal(web_url_parse(&u, "host/a"), OPIS_EINVALID);
  char *line = web_basic("Aladdin", "open sesame");
  assert_string_equal(line, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  free(line);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(signs), cmocka_unit_test(hashes), cmocka_unit_test(reads_xml), cmocka_unit_test(reads_aws_files),
    cmocka_unit_test(reads_settings), cmocka_unit_test(takes_urls_apart)};
  return cmocka_run_group_tests_name("s3", tests, NULL, NULL);
}
