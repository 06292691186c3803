/* Where an S3 remote is and who asks: DVC's settings of the remote, the AWS_… variables, and the files in ~/.aws, in the order that boto3 and so DVC have. */
#ifndef DATA_S3_CONFIG_H
#define DATA_S3_CONFIG_H

#include "data/remote_web.h"

#include <time.h>

/* What requests are signed with. Filled from the settings or the files, or brought and renewed by a program or a service. */
typedef struct s3_keys {
  char *id, *secret, *token; /* token NULL: none */
  time_t expires;            /* 0: never */
} s3_keys;
void s3_keys_free(s3_keys *k);

typedef enum s3_source { S3_FIXED, S3_PROCESS, S3_CONTAINER, S3_INSTANCE, S3_ANONYMOUS } s3_source;

typedef struct s3_config {
  char *bucket, *prefix; /* prefix: "" or "a/b", without '/' at the ends */
  char *endpoint;        /* scheme://host[:port][/path] without '/' at the end; NULL: Amazon's own */
  bool ssl, path_style;
  char *region;
  bool region_given;        /* else it is a guess, and the service may say a better one */
  uint64_t threshold, part; /* longer than threshold goes up in parts */
  strbuf every_headers;     /* sent with every request about an object: the customer's own encryption key; "name: value\0…" */
  strbuf put_headers;       /* sent where an object is made: encryption, access */
  s3_source source;
  s3_keys keys;  /* S3_FIXED; else what was brought last */
  char *process; /* S3_PROCESS: a command line */
} s3_config;

/* Touches no network and runs nothing. OPIS_EINVALID, OPIS_EUNSUPPORTED (single sign-on, roles), OPIS_ENOMEM. */
int s3_config_read(s3_config *c, const char *url, const remote_settings *settings);
void s3_config_free(s3_config *c);

/* Brings c->keys from where c->source says, when they are missing or run out within five minutes. Not thread-safe. OPIS_EAUTH when there are none. */
int s3_config_renew(s3_config *c, web *w, time_t now);

/* The three headers of an encryption key of the customer's own. */
int s3_customer_key(strbuf *headers, const char *base64, const char *algorithm);

/* A value of an AWS configuration file: of the last section of that name, the last key of that name; `inner` NULL, or the key that it is nested under ("s3 =" and indented lines). malloc'ed; NULL
 * when it is not set (or there is no memory). */
char *s3_ini_value(const char *text, size_t n, const char *section, const char *inner, const char *key);

#endif
