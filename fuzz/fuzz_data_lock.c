/* Locks of other processes: the table of paths in use, and what a lock by hardlink holds. Whoever may not read may not write either, and a claim that is one of opis's names its process and ends there. */
#include "data/repo.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "/opis-host-"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_claim(const uint8_t *data, size_t size)
{
  char *content = malloc(size + 1), end[64];
  if (!content)
    return;
  memcpy(content, data, size);
  content[size] = '\0';
  long pid = lock_claim_holder(content, MARK);
  size_t length = strlen(content), n = (size_t)snprintf(end, sizeof end, MARK "%ld.lock", pid);
  if (pid < 0 || (pid && (length < n || strcmp(content + length - n, end) != 0)))
    abort();
  free(content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static char root[] = "/r", dvc[] = "/r/.dvc";
  static const char *const paths[] = {"data", "a/b", ""};
  const repo r = {.root = root, .dvc = dvc};
  int reading = lock_check_table(&r, (const char *)data, size, paths, 3, false), writing = lock_check_table(&r, (const char *)data, size, paths, 3, true);
  if (reading > 0 || writing > 0 || (reading < 0 && writing == 0))
    abort();
  check_claim(data, size);
  return 0;
}
