/* What comes from outside for an S3 remote: the XML of answers, the files of ~/.aws, and addresses. */
#include "data/remote_web.h"
#include "data/s3_config.h"
#include "data/s3_xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look(void *user, const char *parent, const char *name, const char *text)
{
  size_t *sum = user;
  *sum += strlen(parent) + strlen(name) + (text ? strlen(text) : 0);
  return strcmp(name, "Stop") == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const char *text = (const char *)data;
  size_t sum = 0;
  web_url u;
  if (size == 0)
    return 0;
  if (s3_xml(text, size, look, &sum, "fuzz") == 0 && sum > 64 * size)
    abort(); /* nothing is made larger */
  free(s3_ini_value(text, size, "default", NULL, "region"));
  free(s3_ini_value(text, size, "profile work", "s3", "addressing_style"));
  char *url = strndup(text, size);
  if (url && web_url_parse(&u, url) == 0)
    web_url_free(&u);
  free(url);
  return 0;
}
