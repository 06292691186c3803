/* DVC's configuration: what was read can be edited, and the edit read back, with everything else as it was. */
#include "data/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  config before = {0}, after = {0};
  strbuf text = STRBUF_INIT;
  bool found;
  if (memchr(data, 0, size) || config_parse(&before, (const char *)data, size, CONFIG_REPO, "fuzz") < 0) {
    config_free(&before);
    return 0;
  }
  strbuf_append(&text, (const char *)data, size);
  if (config_edit(&text, "remote", "fuzz", "url", "s3://a, b", &found) == 0) {
    if (config_parse(&after, text.s, text.n, CONFIG_REPO, "fuzz") < 0)
      abort();
    const char *value = config_get(&after, "remote", "fuzz", "url");
    if (!value || strcmp(value, "s3://a, b") != 0)
      abort();
    if (after.n < before.n || after.n > before.n + 1)
      abort();
  }
  config_free(&after);
  config_free(&before);
  strbuf_free(&text);
  return 0;
}
