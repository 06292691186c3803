/* For each picture named: its scores, hashes and mode, one JSON object a line. */
#include "check/measure.h"

#include "util/file.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
  for (int i = 1; i < argc; i++) {
    char *bytes;
    size_t size;
    check_facts f;
    if (file_read(&bytes, &size, argv[i], UINT64_MAX / 4) < 0 || check_measure(&f, (const uint8_t *)bytes, size, OPIS_MAX_PIXELS_DEFAULT) < 0)
      return 1;
    printf("{\"state\": %d, \"mode\": %d, \"dark\": %.17g, \"light\": %.17g, \"low_information\": %.17g, \"blurry\": %.17g, \"phash\": \"%016" PRIx64 "\"}\n", f.state, f.mode,
      f.dark, f.light, f.low_information, f.blurry, f.phash);
    free(bytes);
  }
  return 0;
}
